"""Predict any images by a trained model, and write their probabilities.

INPUT: a table with the column Path (CheXpert's competition: one row a study, the maximum over its views), a folder, or
image files: JPEG, PNG, TIFF, BMP, WebP, JPEG 2000, DICOM. The content of a file decides, not its name. Images other
than CheXpert's are one study each, and are called by salted hashes, in the order of the input. Run again, a command
that was stopped resumes.
Listed at the end, and in the column flags, are images that should be looked at, each with its reason and a number:
lateral, inverted, rotated, nearly black, unlike the training images, ... Files that are no images are listed too.
Exit code 1: some images could not be read or were refused, or an explainer failed; they are listed. 2: the command or
one of its files is wrong.
Not a medical device.
"""

import shlex
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chexpert.cli.shared_arguments import add_ids, add_level, print_failures, take_settings
from chexpert.console import NOTE, log, show_progress
from chexpert.inference.choices import COLUMNS, GATES, parse_tta

if TYPE_CHECKING:
    from chexpert.inference.prediction_outcome import Outcome


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder, a checkpoint, or hf:OWNER/NAME@COMMIT")
    add("input", type=Path, nargs="+", metavar="INPUT", help="one table, one folder, or image files")
    add("output", type=Path, metavar="OUTPUT.csv", help="a new file")
    add("--calibrated", action="store_true", help="by the calibration that the run, or best.json, keeps")
    file_help = "by this calibration.json of chexpert recalibrate instead"
    add("--calibration", dest="calibration_file", type=Path, metavar="FILE", help=file_help)
    add_level(parser, "one row an image or a study")
    add("--observations", choices=COLUMNS, default="competition", help="the five, or all that it knows")
    add("--root", type=Path, help="of the paths in a table (the run's data root, else the table's folder)")
    add(
        "--gate", choices=GATES, default="flag", help="images that the run's gate flags: list them, or no probabilities"
    )
    add_ids(parser, "path: keep names as they are, patients' too")
    add("--batch-size", type=int, metavar="N", help="images a pass (as in training)")
    add("--tta", type=parse_tta, metavar="flip|shift|K", help="test-time augmentation: mean over K views of an image")
    spread_help = "new folder for the tables of each view (with --tta) or of each member of a combined model"
    add("--spread", type=Path, metavar="FOLDER", help=spread_help)
    explain_help = "explain each image too, by these: gradcam, hirescam, ...; with settings: explainer.lime.samples=200"
    sets_help = (
        "a set for each probability: present, absent, both or neither; errs in a class at most at this rate: 0.1"
    )
    add("--sets", type=float, metavar="RATE", help=sets_help)
    add("--explain", nargs="+", metavar="NAME", help=explain_help)
    add("--top", type=int, metavar="K", help="with --explain: the most probable observations of an image (1)")
    add("--explain-observations", nargs="+", metavar="NAME", help="with --explain: these, of every image")
    add("--workers", dest="num_workers", type=int, metavar="N", help="processes that read images (as in training)")


def parse(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    """Parse the arguments; settings of explainers may stand anywhere, so they come out first."""
    settings, others = take_settings(arguments)
    given = parser.parse_args(others)
    given.settings = settings
    return given


def run(given: Namespace) -> int:
    """Predict, write the table, and list the images that need a look."""
    options = vars(given)
    if (given.batch_size is not None and given.batch_size < 1) or (given.num_workers or 0) < 0:
        raise ArgumentError(None, "--batch-size is at least 1, --workers at least 0")
    request = _read_request(options)
    if given.ids == "path":
        log.log(NOTE, "--ids path: names stay in the output as they are, those of patients too")

    from chexpert.checkpoints import get_local_path
    from chexpert.inference.explained_predictions import ExplainRequest
    from chexpert.inference.predict import predict

    folder = get_local_path(options.pop("run"))
    explain = ExplainRequest(**request) if request else None
    watch = partial(show_progress, title="batches")
    outcome = predict(folder, options.pop("input"), options.pop("output"), watch=watch, explain=explain, **options)
    _print_output(outcome, folder, given.spread)
    _list_images(outcome)
    return max(print_failures(outcome.failed_explainers), 1 if outcome.failed or outcome.refused else 0)


def _read_request(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options of --explain out; empty without it."""
    keys = ("explain", "top", "explain_observations", "settings")
    explainers, top, observations, settings = (options.pop(key) for key in keys)
    if explainers is None:
        if top is not None or observations is not None or settings:
            raise ArgumentError(None, "--top, --explain-observations and settings need --explain")
        return {}
    if top is not None and (top < 1 or observations is not None):
        raise ArgumentError(None, "--top is at least 1, and not beside --explain-observations")
    return {"explainers": explainers, "top": top or 1, "observations": observations, "settings": settings}


def _print_output(outcome: "Outcome", run: Path, spread: Path | None) -> None:
    from chexpert.runs.anonymize import HASH_NOTE
    from chexpert.runs.synthetic import TRAINED

    before = f" ({outcome.resumed} predicted before)"
    print(f"written: {outcome.output}, {outcome.rows} rows of {outcome.images} images{before}")
    if outcome.explanations:
        print(f"explanations: {outcome.explanations}; boxes and peaks in <explainer>/regions.csv")
    if outcome.tta > 1:
        print(f"test-time augmentation: each probability is the mean over {outcome.tta} views of the image")
    for name, why in outcome.missing_sets.items():
        print(f"no set of {name}: {why}")
    if spread:
        print(f"spread: {spread}; chexpert defer reads it")
    if outcome.hashed:
        log.log(NOTE, HASH_NOTE)
        options = ["--predictions", outcome.output, "--labels", "LABELS.csv", "--hashed-by", run, "--out", "OUT.json"]
        print(f"evaluate them: chexpert evaluate {shlex.join(map(str, options))}")
    if outcome.synthetic:
        log.log(NOTE, f"the model was {TRAINED}")


def _list_images(outcome: "Outcome") -> None:
    """List the images that should be looked at, and the files that were not predicted."""
    if outcome.ungated:
        log.log(NOTE, f"gate: {outcome.ungated}")
    refused = frozenset(outcome.refused)
    for name, why in outcome.flagged.items():
        log.info(f"{'refused' if name in refused else 'flagged'}: {name}: {why}")
    if outcome.aside:
        log.info(f"left aside: {len(outcome.aside)} files that are no images")
    for name, kind in outcome.aside.items():
        log.info(f"left aside: {name}: {kind}")
    for name in outcome.incomplete:
        log.info(f"scored without a view that could not be read: {name}")
    for name in outcome.partly_refused:
        log.info(f"scored without a view that was refused: {name}")
    for name, why in outcome.failed.items():
        log.info(f"not predicted: {name}: {why}")
