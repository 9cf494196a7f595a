"""Compare explainers across runs, by the scores that the runs have stored.

    chexpert explain-leaderboard outputs/chexpert/<time>                     the explainers of one run
    chexpert explain-leaderboard RUN_A RUN_B --by iou --out explainers       of two models; also as CSV, JSON and a page
    chexpert explain-leaderboard RUN more                                    with what chexpert explain --out has added
Exit code 2: the command or one of its files is wrong.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from chexpert.cli.shared_arguments import add_bootstrap, check_bootstrap, check_paths


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("folders", nargs="+", type=Path, metavar="RUN", help="run folders, and folders of chexpert explain --out")
    add("--by", default="mean_rank", metavar="METRIC", help="sort by mean_rank (default) or a metric, such as iou")
    add("--out", type=Path, metavar="FOLDER", help="write explainers.csv, differences.csv, .json and .html there")
    add_bootstrap(parser)


def run(given: Namespace) -> None:
    """Compare, and print the tables."""
    check_bootstrap(given.bootstrap, given.seed)
    check_paths((), [given.out])

    from chexpert.evaluation.explainers import compare_explainers
    from chexpert.report import describe_explainers, write_explainers

    content = compare_explainers(given.folders, by=given.by, replicates=given.bootstrap, seed=given.seed)
    print(describe_explainers(content), flush=True)
    if given.out:
        print("written:", *write_explainers(given.out, content))
    else:
        print("every value, and a saliency card for each explainer: --out FOLDER")
