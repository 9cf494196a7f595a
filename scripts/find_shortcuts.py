"""Look for shortcuts of a trained model: does it read devices, markers or the image's edge instead of the finding?

Exit code 0: none was found; 1: a shortcut is named; 2: the command itself is wrong, or its report cannot be written;
3: no suspect could be tested, so nothing is said of the model.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from chexpert.console import open_streams

CONF = Path(__file__).parents[1] / "conf/explainer"


def seed(text: str) -> int:
    """What every generator of random numbers takes."""
    if not 0 <= int(text) < 2**32:
        raise ValueError(text)
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the run folder of the model")
    parser.add_argument("--root", type=Path, help="data to look at (the run's own)")
    parser.add_argument("--regions", type=Path, metavar="JSON", help="outlines of suspects, as CheXlocalize has masks")
    parser.add_argument("--observations", nargs="+", metavar="NAME", help="to evaluate (all of the model's)")
    parser.add_argument("--explainer", default="hirescam", choices=sorted(path.stem for path in CONF.glob("*.yaml")))
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="a new one for the report (RUN/shortcuts)")
    parser.add_argument("--seed", type=seed, default=0, help="of all random numbers: 0 to 4294967295")
    given = parser.parse_args()

    from omegaconf import OmegaConf  # after the parsing, so that --help is quick

    import chexpert
    from chexpert.config import build
    from chexpert.errors import UserError, get_exit_code
    from chexpert.inference.output_folder import find_folder, try_folder
    from chexpert.inference.shortcuts import find_shortcuts
    from chexpert.report import count_tested, describe_shortcuts
    from chexpert.runs import files as run_files

    try:
        out = find_folder(given.run, given.out, run_files.SHORTCUTS)
        node = OmegaConf.merge({"seed": given.seed}, OmegaConf.load(CONF / f"{given.explainer}.yaml"))
        nodes: Any = OmegaConf.to_container(node, resolve=True)
        explainer = build(nodes[given.explainer], f"explainer.{given.explainer}")
        loaded = chexpert.load(given.run)
        try_folder(out)
        content, picture = find_shortcuts(loaded, explainer, given.root, given.regions, given.observations, given.seed)
        content = {"run": str(given.run), **content}
        run_files.write_json(out / "shortcut.json", content)
        text = describe_shortcuts(content)
        (out / "report.txt").write_text(text + "\n", encoding="utf-8")
        if picture:
            picture.savefig(out / "images.png", dpi=100)
    except (UserError, OSError) as error:
        parser.exit(get_exit_code(error), f"error: {error}\n")
    print(text)
    print("written:", *sorted(out.iterdir()), file=sys.stderr)  # stdout is the report
    alarm = any(pair["alarm"] for pair in content["pairs"])
    sys.exit(1 if alarm else 0 if count_tested(content["pairs"]) else 3)


if __name__ == "__main__":
    open_streams()
    main()
