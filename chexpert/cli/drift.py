"""Compare the images of a folder with those of a run's own data: gray values, metadata, features and predictions.

FOLDER: a dataset folder of CheXpert or of an external data set (all splits, with sex, age and view), a table with the
column Path, or any folder of images. The reference is a sample of the run's own data, which must be there. Whole
patients are permuted, and the p values are corrected for their number. Nothing that is written holds a name or a path.
Exit code 0: nothing differs; 1: something differs; 2: the command itself is wrong.
Not a medical device.
"""

import sys
from argparse import ArgumentError, ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from chexpert.cli.shared_arguments import check_paths
from chexpert.console import show_progress

REFERENCES = ("train", "dev", "valid")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder, or a checkpoint of one")
    add("folder", type=Path, metavar="FOLDER", help="a dataset folder, a table, or a folder of images")
    add("--reference", choices=REFERENCES, help="split of the run's data (dev, or valid where the run has no dev)")
    add("--root", type=Path, help="of the paths in a table (the run's data root, else the table's folder)")
    add("--images", type=int, default=500, metavar="N", help="of each side, sampled as whole patients (500)")
    add("--permutations", type=int, default=2000, metavar="N", help="of the patients (2000)")
    add("--seed", type=int, default=0, help="of the samples and permutations (0)")
    add("--out", type=Path, metavar="OUT", help="write the result as JSON")


def run(given: Namespace) -> int:
    """Compare, print the result, write the file that was asked for."""
    if given.images < 2 or given.permutations < 100 or given.seed < 0:
        raise ArgumentError(None, "--images is at least 2, --permutations at least 100, --seed at least 0")
    check_paths([given.out])

    from chexpert.checkpoints import load
    from chexpert.inference.drift import compute_drift
    from chexpert.report import describe_drift
    from chexpert.runs.files import write_json

    content = compute_drift(
        load(given.run), given.folder, reference=given.reference, root=given.root, images=given.images,
        permutations=given.permutations, seed=given.seed, watch=partial(show_progress, title="batches"),
    )  # fmt: skip
    print(describe_drift(content), flush=True)
    if given.out:
        write_json(given.out, content)
        print(f"written: {given.out}", file=sys.stderr)  # stdout ends with the result
    return 1 if any(test["differs"] for test in content["tests"]) else 0
