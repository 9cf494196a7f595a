"""Look for shortcuts of a trained model: does it read devices, markers or the image's edge instead of the finding?

Exit code 0: none was found; 1: a shortcut is named; 2: the command itself is wrong, or its report cannot be written;
3: no suspect could be tested, so nothing is said of the model.
"""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from chexpert.conf_folder import find_conf, list_options


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="the run folder of the model")
    add("--root", type=Path, help="data to look at (the run's own)")
    add("--regions", type=Path, metavar="JSON", help="outlines of suspects, as CheXlocalize has masks")
    add("--observations", nargs="+", metavar="NAME", help="to evaluate (all of the model's)")
    add("--explainer", default="hirescam", choices=list_options("explainer"))
    add("--out", type=Path, metavar="FOLDER", help="a new one for the report (RUN/shortcuts)")
    add("--seed", type=_seed, default=0, help="of all random numbers: 0 to 4294967295")


def run(given: Namespace) -> int:
    """Test the suspects, write and print the report."""
    from chexpert.checkpoints import load
    from chexpert.inference.explain_settings import build_explainer
    from chexpert.inference.output_folder import find_folder, try_folder
    from chexpert.inference.shortcuts import find_shortcuts
    from chexpert.report import count_tested, describe_shortcuts
    from chexpert.runs import files as run_files

    out = find_folder(given.run, given.out, run_files.SHORTCUTS)
    explainer = build_explainer(given.explainer, find_conf(), given.seed)
    loaded = load(given.run)
    try_folder(out)
    content, picture = find_shortcuts(loaded, explainer, given.root, given.regions, given.observations, given.seed)
    content = {"run": str(given.run), **content}
    run_files.write_json(out / "shortcut.json", content)
    text = describe_shortcuts(content)
    (out / "report.txt").write_text(text + "\n", encoding="utf-8")
    if picture:
        picture.savefig(out / "images.png", dpi=100)
    print(text)
    print("written:", *sorted(out.iterdir()), file=sys.stderr)  # stdout is the report
    alarm = any(pair["alarm"] for pair in content["pairs"])
    return 1 if alarm else 0 if count_tested(content["pairs"]) else 3


def _seed(text: str) -> int:
    """Return a seed that every generator of random numbers takes."""
    if not 0 <= int(text) < 2**32:
        raise ValueError(text)
    return int(text)
