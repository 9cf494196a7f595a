"""Probabilities of any images by a trained model: predict.py RUN INPUT OUTPUT.csv

INPUT: a table with the column Path (CheXpert's competition: one row a study, the maximum over its views), a folder, or
image files: JPEG, PNG, TIFF, BMP, WebP, JPEG 2000, DICOM. The content of a file decides, not its name. Images other
than CheXpert's are one study each, and are called by salted hashes, in the order of the input. Run again, a command
that was stopped resumes.
Listed at the end are images that should be looked at (no contrast, no radiograph), and files that are no images.
Exit code 1: some images could not be read; they are listed. 2: the command or one of its files is wrong.
Not a medical device.
"""

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path

from chexpert.cli.renamed import add_renamed
from chexpert.console import NOTE, log, open_streams, show_progress


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder, or a checkpoint")
    add("input", type=Path, nargs="+", metavar="INPUT", help="one table, one folder, or image files")
    add("output", type=Path, metavar="OUTPUT.csv", help="a new file")
    add("--calibrated", action="store_true", help="by the calibration that the run keeps")
    add("--level", choices=("image", "study"), default="study", help="one row an image or a study (study)")
    choices = ("max", "mean")
    add("--study-score", dest="views", choices=choices, default="max", help="score of a study from its views (max)")
    add_renamed(parser, "--views", "--study-score")
    add("--observations", choices=("competition", "all"), default="competition", help="the five, or all that it knows")
    add("--root", type=Path, help="of the paths in a table (the run's data root, else the table's folder)")
    add("--ids", choices=("hash", "path"), default="hash", help="path: keep names as they are, patients' too")
    add("--batch-size", type=int, metavar="N", help="images a pass (as in training)")
    add("--workers", type=int, metavar="N", help="processes that read images (as in training)")
    return parser


def main() -> None:
    parser = make_parser()
    given = vars(parser.parse_args())
    if (1 if given["batch_size"] is None else given["batch_size"]) < 1 or (given["workers"] or 0) < 0:
        parser.error("--batch-size is at least 1, --workers at least 0")
    from chexpert.errors import UserError, get_exit_code  # after the parsing, so that --help is quick
    from chexpert.inference.predict import predict
    from chexpert.runs.anonymize import HASH_NOTE
    from chexpert.runs.synthetic import TRAINED

    if given["ids"] == "path":
        log.log(NOTE, "--ids path: names stay in the output as they are, those of patients too")
    run = given["run"]
    try:
        outcome = predict(given.pop("run"), given.pop("input"), given.pop("output"),
                          watch=partial(show_progress, title="batches"), **given)  # fmt: skip
    except (UserError, OSError) as error:
        parser.exit(get_exit_code(error), f"error: {error}\n")
    before = f" ({outcome.resumed} predicted before)"
    print(f"written: {outcome.output}, {outcome.rows} rows of {outcome.images} images{before}")
    if outcome.hashed:
        log.log(NOTE, HASH_NOTE)
        options = ["--predictions", outcome.output, "--labels", "LABELS.csv", "--hashed-by", run, "--out", "OUT.json"]
        print(f"evaluate them: python scripts/evaluate.py {shlex.join(map(str, options))}")
    if outcome.synthetic:
        log.log(NOTE, f"the model was {TRAINED}")
    for name, why in outcome.flagged.items():
        log.info(f"flagged: {name}: {why}")
    if outcome.aside:
        log.info(f"left aside: {len(outcome.aside)} files that are no images")
    for name, kind in outcome.aside.items():
        log.info(f"left aside: {name}: {kind}")
    for name in outcome.incomplete:
        log.info(f"scored without a view that could not be read: {name}")
    for name, why in outcome.failed.items():
        log.info(f"not predicted: {name}: {why}")
    sys.exit(1 if outcome.failed else 0)


if __name__ == "__main__":
    open_streams()
    main()
