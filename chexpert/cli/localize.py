"""Score segmentations or attribution maps against masks as CheXlocalize does: mIoU and hit rate with intervals.

Maps: <patient>_<study>_<view>_<observation>_map.npz with map (h, w), probability, width and height of the image;
or the .pkl files that CheXlocalize's own code writes, of which nothing is run.
Exit code 2: the command or one of its files is wrong.
"""

import sys
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from chexpert.cli.shared_arguments import check_paths
from chexpert.console import show_progress


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("--ground-truth", type=Path, required=True, metavar="GT.json", help="masks: gt_segmentations_*.json")
    predicted = parser.add_mutually_exclusive_group(required=True)
    predicted.add_argument("--segmentations", type=Path, metavar="PRED.json", help="predicted masks")
    predicted.add_argument("--maps", type=Path, metavar="DIR", help="attribution maps, in any depth of folders")
    add("--threshold", metavar="T", help="otsu (default), tuned, a number for maps in [0, 1], or a tuning_results.csv")
    add(
        "--thresholds",
        nargs="+",
        metavar="T",
        help="that tuned tries (CheXlocalize's 0.2, 0.3, ... 0.8), or exact: all",
    )
    add("--probability-cutoff", metavar="P", help="no mask below: a number, tuned, or a probability_tuning_results.csv")
    add("--tune-ground-truth", type=Path, metavar="GT.json", help="tune on these masks, not on the images scored")
    add("--tune-maps", type=Path, metavar="DIR", help="and these maps")
    add("--save-segmentations", type=Path, metavar="PRED.json", help="write what the maps were segmented to")
    add("--bootstrap", type=int, metavar="N", help="replicates of the intervals (1000)")
    add("--seed", type=int, help="of the bootstrap (0)")
    add("--out", type=Path, required=True, metavar="OUT.json", help="all metrics; what is undefined is null")


def run(given: Namespace) -> None:
    """Score, print the table, write the metrics."""
    options = {name: value for name, value in vars(given).items() if value is not None}
    _check_options(options)
    read = {options.get(name) for name in ("ground_truth", "segmentations", "tune_ground_truth")}  # may be the same
    written = [given.out, given.save_segmentations]
    check_paths([*read, *written], {given.maps, given.tune_maps})

    from chexpert.metrics.localization.chexlocalize import localize
    from chexpert.report import describe_localization
    from chexpert.runs.files import write_json
    from chexpert.runs.synthetic import NOTE, is_synthetic_path

    out = options.pop("out")
    synthetic = [NOTE] if any(is_synthetic_path(path) for path in (given.ground_truth, given.maps) if path) else []
    table, notes = localize(**options, watch=partial(show_progress, title="maps"))
    print(describe_localization(table), *notes, *synthetic, sep="\nnote: ", flush=True)
    write_json(out, table)
    print("written:", *filter(None, written), file=sys.stderr)  # stdout is the report


def _check_options(options: Mapping[str, Any]) -> None:
    """Check what argparse cannot: options that need or exclude others."""
    if "segmentations" in options and options.keys() & {"threshold", "probability_cutoff", "save_segmentations"}:
        raise ArgumentError(None, "--threshold, --probability-cutoff and --save-segmentations are for --maps")
    if "thresholds" in options and options.get("threshold") != "tuned":
        raise ArgumentError(None, "--thresholds are those that --threshold tuned tries")
    tuned = "tuned" in (options.get("threshold"), options.get("probability_cutoff"))
    if ("tune_maps" in options, "tune_ground_truth" in options) not in ((False, False), (tuned, tuned)):
        raise ArgumentError(
            None, "--tune-ground-truth and --tune-maps go together, with a threshold or cut-off that is tuned"
        )
    if options.get("bootstrap", 1) < 1 or options.get("seed", 0) < 0:
        raise ArgumentError(None, "--bootstrap is at least 1, --seed at least 0")
