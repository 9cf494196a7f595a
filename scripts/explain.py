"""Explain a finished run on its validation views, or on any images.

python scripts/explain.py outputs/RUN image.jpg --explainer gradcam lime --out explained explainer.lime.samples=200
"""

import argparse
import re
import sys
from pathlib import Path

from chexpert.console import open_streams

CONF = Path(__file__).parents[1] / "conf"
SETTING = re.compile(r"[a-z]\w*\.[\w.]+=")


def make_parser() -> argparse.ArgumentParser:
    """Settings (explainer.lime.samples=200) may stand anywhere; they are taken out before this parses."""
    parser = argparse.ArgumentParser(
        usage="%(prog)s RUN [IMAGE ...] [--explainer NAME ...] [--observations NAME ...] [--out FOLDER] [KEY=VALUE]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder, or a checkpoint")
    add("images", nargs="*", metavar="IMAGE", help="images (JPEG, PNG, DICOM); by default validation views of its data")
    names = ", ".join(sorted(path.stem for path in (CONF / "explainer").glob("*.yaml")))
    add(
        "--explainer",
        nargs="+",
        default=["hirescam"],
        metavar="NAME",
        help=f"hirescam (the default) or others: {names}",
    )
    add("--observations", nargs="+", metavar="NAME", help="by default the most probable ones of each view")
    add("--out", type=Path, metavar="FOLDER", help="a new folder; by default RUN/explanations")
    add("--ids", choices=("hash", "path"), default="hash", help="path: call images by their names, patients' too")
    return parser


def main() -> None:
    parser = make_parser()
    overrides = [argument for argument in sys.argv[1:] if SETTING.match(argument) and not Path(argument).exists()]
    given = parser.parse_intermixed_args([argument for argument in sys.argv[1:] if argument not in overrides])

    from chexpert.errors import UserError, get_exit_code
    from chexpert.inference.explain import explain_run  # after the parsing, so that --help is quick
    from chexpert.report import quality_table
    from chexpert.runs import files as run_files
    from chexpert.runs.read import read_mapping

    try:
        folder, failures = explain_run(
            given.run, given.images, given.explainer, CONF,
            observations=given.observations, out=given.out, ids=given.ids, overrides=overrides,
        )  # fmt: skip
    except (UserError, OSError) as error:  # a full disk, a folder that may not be written
        parser.exit(get_exit_code(error), f"error: {error}\n")
    if (quality := folder / run_files.QUALITY).is_file():
        print(quality_table(read_mapping(quality)), f"written:       {quality}", sep="\n")
    if (ids := folder / run_files.IDS).is_file():
        print(ids.read_text(encoding="utf-8"), end="")
    sheets = [*folder.glob("*/sheet.png"), *(folder / "views").glob("*.png")]
    print("\n".join(f"written:       {sheet}" for sheet in sorted(sheets)))
    if failures:
        parser.exit(1, "".join(f"error: {name} failed: {why}\n" for name, why in failures.items()))


if __name__ == "__main__":
    open_streams()
    main()
