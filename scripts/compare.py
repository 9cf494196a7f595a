"""Rank runs, sweeps and files of predictions by AUROC, with paired differences on the rows that all have.

    compare.py outputs/sweep                                 a sweep, also while it runs or with failed jobs
    compare.py RUN RUN P.csv --labels L.csv --by Edema       by one observation; files need the labels of their rows
    compare.py RUN --leaderboard FOLDER                      among CheXpert's public entries and radiologists
Exit code 2: the command or one of its files is wrong.
"""

import argparse
from pathlib import Path

from chexpert.cli.renamed import add_renamed
from chexpert.console import open_streams


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("paths", nargs="+", type=Path, metavar="RUN|SWEEP|P.csv", help="run folders, folders of runs, predictions")
    add("--split", help="of the runs: dev, valid or test (valid; beside a leaderboard test)")
    add("--level", choices=("image", "study"), help="what is evaluated (as the runs have it; of files: study)")
    choices = ("max", "mean")
    add("--study-score", dest="views", choices=choices, help="score of a study from its views (as the runs have it)")
    add_renamed(parser, "--views", "--study-score")
    add("--by", default="auroc_mean", metavar="METRIC", help="auroc_mean (default) or an observation")
    add("--mean-over", nargs="+", metavar="NAME", help="the mean AUROC is over these (the competition's five)")
    add("--labels", type=Path, metavar="L.csv", help="evaluate all by these labels")
    add("--leaderboard", type=Path, metavar="FOLDER", help="folder of CheXpert's public test labels and entries")
    add("--bootstrap", type=int, default=1000, metavar="N", help="replicates of the intervals (1000)")
    add("--seed", type=int, default=0, help="of the bootstrap (0)")
    add("--out", type=Path, metavar="FOLDER", help="write comparison.csv, .md, .html and .json there")
    add("--hashed-by", nargs="+", type=Path, default=(), metavar="RUN", help="runs whose predictions hash names")
    return parser


def main() -> None:
    parser = make_parser()
    given = vars(parser.parse_args())
    out, replicates = given.pop("out"), given.pop("bootstrap")
    if replicates < 10 or given["seed"] < 0:
        parser.error("--bootstrap is at least 10, --seed at least 0")
    from chexpert.errors import UserError, get_exit_code
    from chexpert.evaluation import compare
    from chexpert.report import describe_comparison, write_comparison
    from chexpert.runs import files as run_files  # after the parsing, so that --help is quick

    for wrong in run_files.find_clashes((), [out]):
        parser.error(wrong)
    try:
        content = compare(given.pop("paths"), replicates=replicates, **given)
        print(describe_comparison(content), flush=True)
        if out:
            print("written:", *write_comparison(out, content))
    except (UserError, OSError) as error:
        parser.exit(get_exit_code(error), f"error: {error}\n")


if __name__ == "__main__":
    open_streams()
    main()
