"""List the labels that are most likely wrong, by predictions of models that were not trained on them.

    chexpert audit-labels outputs/SWEEP --out FOLDER                all folds of a sweep: every training label
    chexpert audit-labels RUN --split valid --out FOLDER            one run: its dev, valid or test split
It writes label_issues.csv, uncertain_labels.csv, label_issues.json and label_issues.html. Fill in the column corrected,
and train with data.corrections=FILE.
Exit code 2: the command or one of its files is wrong.
"""

import sys
from argparse import ArgumentError, ArgumentParser, Namespace
from pathlib import Path

from chexpert.inference.choices import IDS

METHODS = ("self_confidence", "adjusted")  # of chexpert.metrics.label_issues, which loads scipy beside it
SPLITS = ("dev", "valid", "test", "train")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("paths", nargs="+", type=Path, metavar="RUN|FOLDS", help="one run, or the sweep (or runs) of all folds")
    add("--out", type=Path, required=True, metavar="FOLDER", help="a new one for the lists and the sheet")
    add("--split", choices=SPLITS, help="of one run (dev); train is refused: the model has learned its labels")
    add("--observations", nargs="+", metavar="NAME", help="to audit (all of the model's)")
    add("--top", default="0.05", metavar="N", help="labels of each observation that are listed, or their share (0.05)")
    add("--blank", choices=("negative", "leave-out"), default="negative", help="of blank labels (negative)")
    add("--method", choices=METHODS, default=METHODS[0], help="of the score (self_confidence)")
    add("--sheet", type=int, default=24, metavar="N", help="images of each observation on the sheet (24)")
    add("--neighbors", type=int, default=3, metavar="N", help="similar images beside each; 0: none (3)")
    add("--root", type=Path, metavar="FOLDER", help="the dataset, where it has moved")
    add("--ids", choices=IDS, default="path", help="name images as they are (path), or by hashes (hash)")


def run(given: Namespace) -> None:
    """Rank the labels, print the table, write the files."""
    if given.sheet < 0 or given.neighbors < 0:
        raise ArgumentError(None, "--sheet and --neighbors are 0 or more")

    from chexpert.inference.label_audit import audit_labels, describe_audit, write_audit
    from chexpert.inference.output_folder import find_folder, try_folder

    out = find_folder(given.paths[0], given.out, "files")
    audit = audit_labels(
        given.paths, split=given.split, observations=given.observations, top=given.top, blank=given.blank,
        method=given.method, root=given.root,
    )  # fmt: skip
    try_folder(out)
    print(describe_audit(audit), flush=True)
    written = write_audit(out, audit, ids=given.ids, sheet=given.sheet, neighbors=given.neighbors)
    print("written:", *written, file=sys.stderr)  # stdout is the table
