"""Fit calibration and thresholds of a run anew on 50 to 200 studies that experts have labeled.

A run chooses its thresholds on labels read from reports. Radiologists' labels of the same images differ, and so does
the best threshold. Printed are sensitivity, specificity and predictive values on the given labels: as is, corrected for
another prevalence (--prevalence, or estimated without labels), and refitted, each with its 95 % interval.
FOLDER then holds calibration.json, thresholds.json and, after a refit, prediction_sets.json, for chexpert predict
--calibration FOLDER/calibration.json (with --sets: the sets beside it), and recalibration.json. An observation with
fewer than 10 positives or negatives is left as it is, and listed.
Exit code 2: the command or one of its files is wrong.
"""

import sys
from argparse import ArgumentError, ArgumentParser, Namespace
from pathlib import Path

from chexpert.cli.shared_arguments import add_bootstrap, add_hashed_by, check_bootstrap, get_local_runs
from chexpert.inference.choices import LEVELS

WRITTEN = ("refit", "prior-shift")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder with calibration.json and thresholds.json")
    add("--labels", type=Path, required=True, metavar="L.csv", help="1, 0 or blank, by Path or Study")
    predictions_help = "raw probabilities of these images, of chexpert predict (the run's own, where it has them)"
    add("--predictions", type=Path, metavar="P.csv", help=predictions_help)
    add("--out", type=Path, metavar="FOLDER", help="a new folder (RUN/recalibration)")
    add(
        "--level", choices=LEVELS, default="study", help="what is evaluated; fitted are both where labels allow (study)"
    )
    add("--prevalence", nargs="+", default=(), metavar="NAME=P", help="known prevalences, such as 'Edema=0.15'")
    add("--write", choices=WRITTEN, default="refit", help="whose calibration and thresholds are written (refit)")
    add_hashed_by(parser)
    add_bootstrap(parser)


def run(given: Namespace) -> None:
    """Recalibrate, print the table, write the files."""
    check_bootstrap(given.bootstrap, given.seed)
    prevalence = dict(map(_read_prevalence, given.prevalence))

    from chexpert.evaluation.recalibrate import recalibrate
    from chexpert.inference.output_folder import find_folder, try_folder
    from chexpert.report.text.recalibration import describe_recalibration

    folder = find_folder(given.run, given.out, "recalibration")
    found = recalibrate(
        given.run, given.labels, predictions=given.predictions, level=given.level, prevalence=prevalence,
        write=given.write.replace("-", "_"), hashed_by=get_local_runs(given.hashed_by), replicates=given.bootstrap,
        seed=given.seed,
    )  # fmt: skip
    print(describe_recalibration(found.report), flush=True)
    try_folder(folder)
    found.write(folder)
    print(f"written: {folder}; use it: chexpert predict ... --calibration {folder}/calibration.json", file=sys.stderr)


def _read_prevalence(word: str) -> tuple[str, float]:
    from chexpert.observations import find_observation

    name, equals, value = word.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = None
    if not equals or number is None:
        raise ArgumentError(None, f"--prevalence {word}: give NAME=P, such as 'Edema=0.15'")
    return find_observation(name) or name, number
