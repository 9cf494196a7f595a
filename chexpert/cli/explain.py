"""Explain a finished run on its validation views, or on any images.

chexpert explain outputs/RUN image.jpg --explainer gradcam lime --out explained explainer.lime.samples=200
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from chexpert.cli.shared_arguments import add_completions, add_ids, print_failures, take_settings
from chexpert.conf_folder import find_conf, list_options


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser, but for the settings."""
    parser.usage = (
        "%(prog)s RUN [IMAGE ...] [--explainer NAME ...] [--observations NAME ...] [--threshold T] [--boxes] "
        "[--out FOLDER] [--root FOLDER] [KEY=VALUE]"
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder, a checkpoint, or hf:OWNER/NAME@COMMIT")
    add(
        "images",
        nargs="*",
        default=[],
        metavar="IMAGE",
        help="images (JPEG, PNG, DICOM), or a table with the column Path; by default validation views of its data",
    )
    known = f"hirescam (the default) or others: {', '.join(list_options('explainer'))}"
    explainers = add("--explainer", nargs="+", default=["hirescam"], metavar="NAME", help=known)
    add_completions(explainers, list_options("explainer"))
    add("--observations", nargs="+", metavar="NAME", help="by default the most probable ones of each view")
    add("--out", type=Path, metavar="FOLDER", help="a new folder; by default RUN/explanations")
    add("--threshold", default="otsu", metavar="T", help="of regions: otsu, a number in [0, 1], or a table of localize")
    add("--boxes", dest="boxed", action="store_true", help="plot the boxes of the regions over the maps")
    add("--root", type=Path, help="of the paths in a table (the run's data root, else the table's folder)")
    add_ids(parser, "path: call images by their names, patients' too")


def parse(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    """Parse the arguments; settings (``explainer.lime.samples=200``) may stand anywhere, so they come out first."""
    overrides, others = take_settings(arguments)
    given = parser.parse_intermixed_args(others)
    given.overrides = overrides
    return given


def run(given: Namespace) -> int:
    """Explain, and print the metrics and the written files."""
    from chexpert.inference.explain import explain_run

    folder, failures = explain_run(
        given.run, given.images, given.explainer, find_conf(),
        observations=given.observations, out=given.out, ids=given.ids, overrides=given.overrides,
        threshold=given.threshold, boxed=given.boxed, root=given.root,
    )  # fmt: skip
    _print_files(folder)
    return print_failures(failures)


def _print_files(folder: Path) -> None:
    from chexpert.report import quality_table
    from chexpert.runs import files as run_files
    from chexpert.runs.read import read_mapping

    if (quality := folder / run_files.QUALITY).is_file():
        print(quality_table(read_mapping(quality)), f"written:       {quality}", sep="\n")
    if (ids := folder / run_files.IDS).is_file():
        print(ids.read_text(encoding="utf-8"), end="")
    sheets = [*folder.glob("*/sheet.png"), *(folder / "views").glob("*.png"), *folder.glob(f"*/{run_files.REGIONS}")]
    print("\n".join(f"written:       {sheet}" for sheet in sorted(sheets)))
