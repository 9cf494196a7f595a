"""Fit the gate of a finished run: the checks by which chexpert predict flags, or refuses, an image.

For runs of older versions, and with another --method; a run with gate=mahalanobis, the default, has one already.
It is fitted on the run's training images, which must still be there, and written to RUN/gate.safetensors.
Exit code 2: there is a gate already, too few images, or the command is wrong.
"""

from argparse import ArgumentError, ArgumentParser, Namespace
from pathlib import Path

METHODS = ("mahalanobis", "knn")  # as chexpert.gate has them, which loads torch


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder")
    add("--method", choices=METHODS, default=METHODS[0], help="distance from the training images (mahalanobis)")
    add("--replace", action="store_true", help="replace the run's gate")
    add("--batch-size", type=int, metavar="N", help="images a pass (as in training)")
    add("--workers", dest="num_workers", type=int, metavar="N", help="processes that read images (as in training)")


def run(given: Namespace) -> None:
    """Fit the gate and write it."""
    if (given.batch_size is not None and given.batch_size < 1) or (given.num_workers or 0) < 0:
        raise ArgumentError(None, "--batch-size is at least 1, --workers at least 0")

    from chexpert.inference.gate import fit_gate_of_run
    from chexpert.report.text.gate import describe_gate

    path = fit_gate_of_run(
        given.run, given.method, replace=given.replace, batch_size=given.batch_size, num_workers=given.num_workers
    )
    print(f"written: {path} ({path.stat().st_size / 1e6:.2f} MB)")
    print(f"gate: {describe_gate(given.run)}")
