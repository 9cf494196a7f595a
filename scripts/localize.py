"""Score segmentations or attribution maps against masks as CheXlocalize does: mIoU and hit rate with intervals.

Maps: <patient>_<study>_<view>_<observation>_map.npz with map (h, w), probability, width and height of the image;
or the .pkl files that CheXlocalize's own code writes, of which nothing is run.
Exit code 2: the command or one of its files is wrong.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from chexpert.console import open_streams, show_progress


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--ground-truth", type=Path, required=True, metavar="GT.json", help="masks: gt_segmentations_*.json")
    predicted = parser.add_mutually_exclusive_group(required=True)
    predicted.add_argument("--segmentations", type=Path, metavar="PRED.json", help="predicted masks")
    predicted.add_argument("--maps", type=Path, metavar="DIR", help="attribution maps, in any depth of folders")
    add("--threshold", metavar="T", help="otsu (default), tuned, a number for maps in [0, 1], or a tuning_results.csv")
    add("--probability-cutoff", metavar="P", help="no mask below: a number, tuned, or a probability_tuning_results.csv")
    add("--tune-ground-truth", type=Path, metavar="GT.json", help="tune on these masks, not on the images scored")
    add("--tune-maps", type=Path, metavar="DIR", help="and these maps")
    add("--save-segmentations", type=Path, metavar="PRED.json", help="write what the maps were segmented to")
    add("--bootstrap", type=int, metavar="N", help="replicates of the intervals (1000)")
    add("--seed", type=int, help="of the bootstrap (0)")
    add("--out", type=Path, required=True, metavar="OUT.json", help="all metrics; what is undefined is null")
    return parser


def main() -> None:
    parser = make_parser()
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    if "segmentations" in given and given.keys() & {"threshold", "probability_cutoff", "save_segmentations"}:
        parser.error("--threshold, --probability-cutoff and --save-segmentations are for --maps")
    tuned = "tuned" in (given.get("threshold"), given.get("probability_cutoff"))
    if ("tune_maps" in given, "tune_ground_truth" in given) not in ((False, False), (tuned, tuned)):
        parser.error("--tune-ground-truth and --tune-maps go together, with a threshold or cut-off that is tuned")
    if given.get("bootstrap", 1) < 1 or given.get("seed", 0) < 0:
        parser.error("--bootstrap is at least 1, --seed at least 0")

    from chexpert.errors import UserError, get_exit_code
    from chexpert.metrics.localization.chexlocalize import localize
    from chexpert.report import describe_localization
    from chexpert.runs import files as run_files
    from chexpert.runs.synthetic import NOTE, is_synthetic_path

    read = {given.get(name) for name in ("ground_truth", "segmentations", "tune_ground_truth")}  # may be the same
    written, folders = [given["out"], given.get("save_segmentations")], {given.get("maps"), given.get("tune_maps")}
    for wrong in run_files.find_clashes([*read, *written], folders):
        parser.error(wrong)
    out = given.pop("out")
    try:
        places = [path for name in ("ground_truth", "maps") if (path := given.get(name))]
        synthetic = [NOTE] if any(map(is_synthetic_path, places)) else []
        table, notes = localize(**given, watch=partial(show_progress, title="maps"))
        print(describe_localization(table), *notes, *synthetic, sep="\nnote: ", flush=True)
        run_files.write_json(out, table)
        print("written:", *filter(None, written), file=sys.stderr)  # stdout is the report
    except (UserError, OSError) as error:
        parser.exit(get_exit_code(error), f"error: {error}\n")


if __name__ == "__main__":
    open_streams()
    main()
