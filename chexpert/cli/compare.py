"""Rank runs, sweeps and files of predictions by AUROC, with paired differences on the rows that all have.

    chexpert compare outputs/sweep                                 a sweep, also while it runs or with failed jobs
    chexpert compare RUN_A RUN_B P.csv --labels L.csv --by Edema   by one observation; files need labels
    chexpert compare RUN --leaderboard FOLDER                      among CheXpert's public entries and radiologists
Exit code 2: the command or one of its files is wrong.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from chexpert.cli.shared_arguments import (
    add_bootstrap,
    add_hashed_by,
    add_level_of_runs,
    check_bootstrap,
    check_paths,
    get_local_runs,
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("paths", nargs="+", type=Path, metavar="RUN|SWEEP|P.csv", help="run folders, folders of runs, predictions")
    add("--split", help="of the runs: dev, valid or test (valid; beside a leaderboard test)")
    add_level_of_runs(parser)
    add("--images", choices=("frontal",), help="compare frontal images alone (default: all that the models have)")
    add("--by", default="auroc_mean", metavar="METRIC", help="auroc_mean (default) or an observation")
    add("--mean-over", nargs="+", metavar="NAME", help="the mean AUROC is over these (the competition's five)")
    add("--labels", type=Path, metavar="L.csv", help="evaluate all by these labels")
    add("--leaderboard", type=Path, metavar="FOLDER", help="folder of CheXpert's public test labels and entries")
    add_bootstrap(parser)
    add("--out", type=Path, metavar="FOLDER", help="write comparison.csv, .md, .html and .json there")
    add_hashed_by(parser, "runs whose predictions hash names")


def run(given: Namespace) -> None:
    """Compare, and print the table."""
    options = vars(given)
    out, replicates = options.pop("out"), options.pop("bootstrap")
    check_bootstrap(replicates, given.seed)
    check_paths((), [out])

    from chexpert.evaluation import compare
    from chexpert.report import describe_comparison, write_comparison

    options["hashed_by"] = get_local_runs(given.hashed_by)
    content = compare(options.pop("paths"), replicates=replicates, **options)
    print(describe_comparison(content), flush=True)
    if out:
        print("written:", *write_comparison(out, content))
