"""Average the weights of checkpoints into one network (Wortsman et al. 2022): as fast as one, often as good as several.

    chexpert soup RUN SOUP --top-k 5                       the best checkpoints of a run; train with save_top_k=5
    chexpert soup RUN_A RUN_B RUN_C SOUP --top-k 1         runs that share a start: start_from, or pretrained weights
    chexpert soup RUN_A RUN_B SOUP --method greedy         from the best on, each that does not lower the AUROC
SOUP is a new run folder for every command. Exit code 2: the command or one of its files is wrong.
"""

import shlex
import sys
from argparse import ArgumentError, ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from chexpert.console import show_progress


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("paths", nargs="+", type=Path, metavar="RUN|CHECKPOINT", help="whose weights are averaged")
    add("out", type=Path, metavar="SOUP", help="folder of the new run")
    add("--method", choices=("uniform", "greedy"), default="uniform", help="all, or those that do not harm (uniform)")
    add("--top-k", type=int, metavar="K", help="best checkpoints of each run (all that it kept)")
    add("--images", type=int, default=8192, metavar="N", help="training images for batch normalization (8192)")


def run(given: Namespace) -> None:
    """Average, evaluate, write, and print the differences."""
    if given.top_k is not None and given.top_k < 1:
        raise ArgumentError(None, "--top-k is at least 1")
    if given.images < 2:
        raise ArgumentError(None, "--images is at least 2")

    from chexpert.inference.output_folder import find_folder, try_folder
    from chexpert.inference.soup import make_soup
    from chexpert.report.text.soup import describe_soup
    from chexpert.runs.state import make_folder, remove_folder

    folder = find_folder(given.out, given.out)
    make_folder(folder)
    try:
        try_folder(folder)
        soup = make_soup(
            given.paths, folder, method=given.method, top_k=given.top_k, images=given.images,
            command=shlex.join(["chexpert", *sys.argv[1:]]), watch=partial(show_progress, title="batches"),
        )  # fmt: skip
    except BaseException:
        remove_folder(folder)  # it was empty: nothing half-made stays
        raise
    print(describe_soup(soup))
