"""Average the best checkpoints of runs, or files of predictions, into one file that evaluate.py and compare.py read.

    ensemble.py outputs/a outputs/b --top-k 10 --out ensemble.csv      10 checkpoints of each; train with save_top_k=10
    ensemble.py one.csv two.csv --average rank --out ensemble.csv      on different scales
    ensemble.py --members members.yaml --out ensemble.csv              Edema: [outputs/a], Consolidation: [outputs/b]
Exit code 2: the command or one of its files is wrong.
"""

import argparse
import shlex
from functools import partial
from pathlib import Path

from chexpert.cli.renamed import add_renamed
from chexpert.console import open_streams, show_progress
from chexpert.runs.files import EVALUATED_SPLITS


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("paths", nargs="*", type=Path, metavar="RUN|CHECKPOINT|P.csv", help="members of every observation")
    add("--members", type=Path, metavar="FILE.yaml", help="instead, of each observation its own list of members")
    add("--out", type=Path, required=True, metavar="OUT.csv", help="a new file")
    add("--top-k", type=int, metavar="K", help="best checkpoints of each run (all that it kept)")
    add("--average", choices=("mean", "rank"), default="mean", help="of scores (mean), or of ranks over the rows")
    add("--split", choices=EVALUATED_SPLITS, default="valid", help="of the runs' data (valid)")
    add("--level", choices=("image", "study"), default="image", help="one row a view (image) or a study")
    choices = ("max", "mean")
    add(
        "--study-score",
        dest="views",
        choices=choices,
        default="max",
        help="score of a study from its views (max)",
    )
    add_renamed(parser, "--views", "--study-score")
    return parser


def main() -> None:
    parser = make_parser()
    given = parser.parse_args()
    if bool(given.paths) == bool(given.members):
        parser.error("give either members, or --members with a list of them for each observation")
    if given.top_k is not None and given.top_k < 1:
        parser.error("--top-k is at least 1")
    if given.out.exists():
        parser.error(f"{given.out} is there already, and nothing is overwritten")

    from chexpert.errors import UserError, get_exit_code
    from chexpert.inference.ensemble import describe_ensemble, ensemble
    from chexpert.inference.members import read_lists
    from chexpert.runs import files as run_files

    for wrong in run_files.find_clashes([given.out], ()):
        parser.error(wrong)
    try:
        made = ensemble(
            read_lists(given.members) if given.members else given.paths, top_k=given.top_k, split=given.split,
            how=given.average, level=given.level, views=given.views,
            watch=partial(show_progress, title="batches"),
        )  # fmt: skip
        print(describe_ensemble(made), flush=True)
        averaged = made.predictions
        rows = zip(averaged.names, zip(*averaged.columns.values(), strict=True), strict=True)
        run_files.write_predictions(given.out, list(averaged.columns), rows, key=averaged.key)
        print(f"written:       {given.out}")
        options = ["--predictions", given.out, "--labels", made.labels or "LABELS.csv", "--out", "METRICS.json"]
        print(f"evaluate it:      python scripts/evaluate.py {shlex.join(map(str, options))}")
    except (UserError, OSError) as error:
        parser.exit(get_exit_code(error), f"error: {error}\n")


if __name__ == "__main__":
    open_streams()
    main()
