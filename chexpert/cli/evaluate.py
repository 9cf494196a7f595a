"""Evaluate predictions against labels: AUROC, AUPRC, calibration, groups, each with a 95 % interval over studies.

P.csv: Path or Study, and one column of scores an observation; L.csv: the same rows, labels 1, 0 or blank, in any order.
Your own images are joined by file name, hashed ones by the salt of the run that predicted them.
Sensitivity and specificity need thresholds chosen on other studies: --tune-predictions and --tune-labels. Thresholds
chosen on labels read from reports are not those for radiologists' labels: chexpert recalibrate RUN --labels FILE.
Exit code 2: the command or one of its files is wrong.
"""

import sys
from argparse import ArgumentError, ArgumentParser, Namespace
from pathlib import Path

from chexpert.cli.shared_arguments import (
    add_bootstrap,
    add_hashed_by,
    add_level,
    check_bootstrap,
    check_paths,
    get_local_runs,
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("--predictions", type=Path, required=True, metavar="P.csv", help="scores of views (Path) or studies (Study)")
    add("--labels", type=Path, required=True, metavar="L.csv", help="labels of them; Sex, Age, ... may stand there")
    add("--out", type=Path, required=True, metavar="OUT.json", help="all metrics; what is undefined is null")
    add_level(parser, "what is evaluated")
    add("--mean-over", nargs="+", metavar="NAME", help="the mean AUROC is over these (the competition's five)")
    add_bootstrap(parser)
    add(
        "--group-by",
        nargs="+",
        default=(),
        metavar="G",
        help="sex, age, view, ap_pa, devices, prior, any column of L.csv",
    )
    add("--tune-predictions", type=Path, metavar="P.csv", help="choose thresholds on these predictions")
    add("--tune-labels", type=Path, metavar="L.csv", help="and these labels")
    add_hashed_by(parser)


def run(given: Namespace) -> None:
    """Evaluate, print the table, write the metrics."""
    check_bootstrap(given.bootstrap, given.seed)
    if bool(given.tune_predictions) != bool(given.tune_labels):
        raise ArgumentError(None, "--tune-predictions and --tune-labels go together")
    tuning = (given.tune_predictions, given.tune_labels) if given.tune_predictions else None
    read = {path.resolve() for path in (given.predictions, given.labels, *(tuning or ()))}  # may be the same
    check_paths([*read, given.out.resolve()])

    from chexpert.evaluation import evaluate_files
    from chexpert.report import describe_evaluation
    from chexpert.runs.files import write_json

    content = evaluate_files(
        given.predictions, given.labels, level=given.level, views=given.views, mean_over=given.mean_over,
        replicates=given.bootstrap, seed=given.seed, group_by=given.group_by, tuning=tuning,
        hashed_by=get_local_runs(given.hashed_by),
    )  # fmt: skip
    print(describe_evaluation(content, f"{given.predictions} by the labels of {given.labels}"), flush=True)
    write_json(given.out, content)
    print(f"written: {given.out}", file=sys.stderr)  # stdout is the report
