"""Evaluate predictions against labels: AUROC, AUPRC, calibration, groups, each with a 95 % interval over studies.

P.csv: Path or Study, and one column of scores an observation; L.csv: the same rows, labels 1, 0 or blank, in any order.
Your own images are joined by file name, hashed ones by the salt of the run that predicted them.
Sensitivity and specificity need thresholds chosen on other studies: --tune-predictions and --tune-labels.
Exit code 2: the command or one of its files is wrong.
"""

import argparse
import sys
from pathlib import Path

from chexpert.cli.renamed import add_renamed
from chexpert.console import open_streams


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--predictions", type=Path, required=True, metavar="P.csv", help="scores of views (Path) or studies (Study)")
    add(
        "--labels",
        type=Path,
        required=True,
        metavar="L.csv",
        help="what is true of them; Sex, Age, ... may stand there",
    )
    add("--out", type=Path, required=True, metavar="OUT.json", help="all metrics; what is undefined is null")
    add("--level", choices=("image", "study"), default="study", help="what is evaluated (study)")
    choices = ("max", "mean")
    add("--study-score", dest="views", choices=choices, default="max", help="score of a study from its views (max)")
    add_renamed(parser, "--views", "--study-score")
    add("--mean-over", nargs="+", metavar="NAME", help="the mean AUROC is over these (the competition's five)")
    add("--bootstrap", type=int, default=1000, metavar="N", help="replicates of the intervals (1000)")
    add("--seed", type=int, default=0, help="of the bootstrap (0)")
    add("--group-by", nargs="+", default=(), metavar="G", help="sex, age, view, ap_pa, devices, any column of L.csv")
    add("--tune-predictions", type=Path, metavar="P.csv", help="choose thresholds on these predictions")
    add("--tune-labels", type=Path, metavar="L.csv", help="and these labels")
    add("--hashed-by", nargs="+", type=Path, default=(), metavar="RUN", help="the run whose predictions hash names")
    return parser


def main() -> None:
    parser = make_parser()
    given = parser.parse_args()
    if given.bootstrap < 10 or given.seed < 0:
        parser.error("--bootstrap is at least 10, --seed at least 0")
    if bool(given.tune_predictions) != bool(given.tune_labels):
        parser.error("--tune-predictions and --tune-labels go together")
    from chexpert.errors import UserError, get_exit_code
    from chexpert.evaluation import evaluate_files
    from chexpert.report import describe_evaluation
    from chexpert.runs import files as run_files  # after the parsing, so that --help is quick

    tuning = (given.tune_predictions, given.tune_labels) if given.tune_predictions else None
    read = {path.resolve() for path in (given.predictions, given.labels, *(tuning or ()))}  # may be the same
    for wrong in run_files.find_clashes([*read, given.out.resolve()], ()):
        parser.error(wrong)
    try:
        content = evaluate_files(
            given.predictions, given.labels, level=given.level, views=given.views, mean_over=given.mean_over,
            replicates=given.bootstrap, seed=given.seed, group_by=given.group_by, tuning=tuning,
            hashed_by=given.hashed_by,
        )  # fmt: skip
        print(describe_evaluation(content, f"{given.predictions} by the labels of {given.labels}"), flush=True)
        run_files.write_json(given.out, content)
        print(f"written: {given.out}", file=sys.stderr)  # stdout is the report
    except (UserError, OSError) as error:
        parser.exit(get_exit_code(error), f"error: {error}\n")


if __name__ == "__main__":
    open_streams()
    main()
