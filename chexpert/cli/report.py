"""Write report.html and MODEL_CARD.md of a run again, from its files alone: no model, no torch, no network.

Runs of any age have both; with --out the page alone is written.

    chexpert report outputs/RUN --out report.html
Exit code 2: there is nothing to report.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from chexpert.cli.shared_arguments import add_ids, check_paths


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder")
    add("--out", type=Path, metavar="FILE", help="by default RUN/report.html; an older one is replaced")
    readers_help = "points of human readers on the ROC curves: observation, reader, sensitivity, specificity"
    add("--readers", type=Path, metavar="CSV", help=readers_help)
    add_ids(parser, "name images by hashes (hash), or as they are (path)")


def run(given: Namespace) -> None:
    """Write the page."""
    check_paths([given.out])

    from chexpert.report import write_report
    from chexpert.runs.files import MODEL_CARD

    path = write_report(given.run, given.ids, given.out, given.readers)
    print(f"written: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    if given.out is None:
        print(f"written: {path.with_name(MODEL_CARD)}")
