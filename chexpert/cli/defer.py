"""List the studies that a reader should see, the least sure first, and the risk of those that the model decides.

    chexpert defer RUN                                           risk-coverage curve of the valid split
    chexpert defer RUN --count 5 --out defer.csv                 the five studies that the run is least sure of
    chexpert defer RUN --risk 0.1 --out defer.csv                so many that the error of the others is at most .1;
                                                                 chosen on the development split, evaluated on valid
    chexpert defer RUN --predictions P.csv --count 5 --out d.csv     of images without labels: the risk is not known
Confidences: plain (the calibrated probability of the more probable answer), members (of a combined model), ensemble
(other models: --ensemble), tta (views of an image). Each is compared with random deferral and with the plain one.
Exit code 2: the command or one of its files is wrong.
Not a medical device.
"""

import sys
from argparse import ArgumentError, ArgumentParser, ArgumentTypeError, Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chexpert.cli.shared_arguments import (
    add_bootstrap,
    add_hashed_by,
    add_level,
    check_bootstrap,
    check_paths,
    get_local_runs,
)
from chexpert.console import NOTE, log, show_progress
from chexpert.inference.choices import parse_tta

if TYPE_CHECKING:
    from chexpert.inference.defer import Deferral

CONFIDENCES = ("plain", "members", "ensemble", "tta")
LOSSES = ("error", "brier")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder")
    add("--split", default="valid", choices=("dev", "valid", "test"), help="of the run (valid)")
    add("--predictions", type=Path, metavar="P.csv", help="a file of chexpert predict, in the place of the split's")
    add("--labels", type=Path, metavar="L.csv", help="of these predictions; without them there is a list alone")
    add("--calibrated", action="store_true", help="the file holds calibrated probabilities already")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--count", type=int, metavar="N", help="defer N studies")
    amount.add_argument("--coverage", type=float, metavar="X", help="the model decides this share")
    amount.add_argument("--risk", type=float, metavar="R", help="the model decides as many as have at most this risk")
    add("--risk-of", choices=LOSSES, default="error", help="of --risk: 0/1 error (default) or Brier score")
    confidence_help = "the list is by the first; plain is evaluated too (plain)"
    add("--confidence", nargs="+", choices=CONFIDENCES, default=["plain"], help=confidence_help)
    add("--ensemble", nargs="+", type=Path, default=(), metavar="RUN|P.csv", help="other models of the same images")
    add("--tta", type=parse_tta, metavar="flip|shift|K", help="of --confidence tta: views of an image (the run's own)")
    add("--spread", type=Path, metavar="FOLDER", help="of chexpert predict --spread, for members and tta of a file")
    threshold_help = "of the decisions (0.5); youden, f1, sensitivity_X, specificity_X: chosen on the development split"
    add("--threshold", type=parse_threshold, default=0.5, metavar="T|RULE", help=threshold_help)
    add("--observations", nargs="+", metavar="NAME", help="to average over (the competition's five)")
    add_level(parser, "what is deferred")
    parser.set_defaults(views=None)
    add_bootstrap(parser, None, "by the number of rows: 1000 up to 1,000 rows, 100 from 10,000 on")
    add_hashed_by(parser)
    add("--out", type=Path, metavar="DEFER.csv", help="a new file: the list, the least sure first")


def parse_threshold(text: str) -> float | str:
    """Return a threshold, or the rule by which it is chosen."""
    try:
        return float(text)
    except ValueError:
        from chexpert.metrics.operating_point import RULE_NAMES, get_rule

    try:
        get_rule(text)
    except ValueError as error:
        raise ArgumentTypeError(f"no number, and no rule: {text!r}; {RULE_NAMES}") from error
    return text


def run(given: Namespace) -> None:
    """Print the risk-coverage summary, and write the list."""
    check_bootstrap(1000 if given.bootstrap is None else given.bootstrap, given.seed)
    asked = next((name for name in ("count", "coverage", "risk") if getattr(given, name) is not None), None)
    if bool(asked) != bool(given.out):
        raise ArgumentError(None, "--out goes with one of --count, --coverage and --risk")
    if (given.labels or given.calibrated or given.spread) and not given.predictions:
        raise ArgumentError(None, "--labels, --calibrated and --spread are of a file: --predictions P.csv")
    if not isinstance(given.threshold, str) and not 0 < given.threshold < 1:
        raise ArgumentError(None, "--threshold is between 0 and 1, or a rule")
    if given.risk is not None and not 0 <= given.risk < 1:
        raise ArgumentError(None, "--risk is at least 0, and below 1")
    read = {path.resolve() for path in (given.predictions, given.labels) if path}  # may be the same
    check_paths([*read, given.out and given.out.resolve()])
    check_new(given.out)

    from chexpert.inference.defer import Amount, defer

    done = defer(
        given.run, split=given.split, predictions=given.predictions, labels=given.labels,
        confidences=given.confidence, amount=Amount(given.count, given.coverage, given.risk, given.risk_of),
        ensemble=given.ensemble, spread=given.spread, tta=given.tta, calibrated=given.calibrated,
        threshold=given.threshold, observations=given.observations, level=given.level, views=given.views,
        replicates=given.bootstrap, seed=given.seed, hashed_by=get_local_runs(given.hashed_by),
        watch=partial(show_progress, title="batches"),
    )  # fmt: skip
    print_summary(done, str(given.predictions or f"{given.run}, {given.split} split"))
    if given.risk is not None and done.content and done.content["kept"]:
        from chexpert.report.text.selective import describe_excess

        for line in describe_excess(done.content["kept"], given.risk_of, given.risk):
            print(line, flush=True)
    if given.out:
        from chexpert.evaluation.selective.deferral import write_deferred

        write_deferred(given.out, done.deferred, done.key)
        print(f"written: {given.out}, {len(done.deferred):,} of {len(done.rows):,} rows, by {done.kind}", flush=True)


def check_new(out: Path | None) -> None:
    """Check that a file is not there yet.

    Raises:
        UserError: it is.
    """
    if out and out.exists():
        from chexpert.errors import UserError

        message = "it is there already, and nothing is overwritten"
        raise UserError(message, code="not-empty", where=str(out), hint="give a new file: --out FILE")


def print_summary(done: "Deferral", title: str) -> None:
    """Print the curves, the cutoff and the risk that remains."""
    from chexpert.report.text.selective import describe_kept, describe_selective
    from chexpert.runs.synthetic import NOTE as SYNTHETIC

    if done.content:
        print(describe_selective(done.content, done.setting, title), flush=True)
    else:
        print(f"{title}: no labels, so the risk of these images is not known")
    if done.cutoff:
        own, split = done.cutoff, done.setting["development"]
        there = f"there the model decides {own.coverage:.1%} of {own.n:,} rows with a risk of {own.risk:.4f}"
        print(f"\ncutoff {own.confidence:.6g}, chosen on the {split} split: {there}")
    if done.content and done.content["kept"]:
        risks = {loss: done.content["confidences"]["plain"]["mean"][loss]["risk"] for loss in LOSSES}
        print(describe_kept(done.content["kept"], len(done.deferred), len(done.rows), risks))
    if done.setting["calibration"] is None:
        log.log(NOTE, "probabilities are taken as they are: no calibration was applied")
    if done.synthetic:
        print(f"note: {SYNTHETIC}", file=sys.stderr)
