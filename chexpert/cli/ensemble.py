"""Average the best checkpoints of runs, or files of predictions, into one file for ``evaluate`` and ``compare``.

    chexpert ensemble outputs/a outputs/b --top-k 10 --out e.csv      10 checkpoints of each; train with save_top_k=10
    chexpert ensemble one.csv two.csv --average rank --out e.csv      on different scales
    chexpert ensemble --members members.yaml --out e.csv              Edema: [outputs/a], Consolidation: [outputs/b]
Exit code 2: the command or one of its files is wrong.
"""

import shlex
from argparse import ArgumentError, ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from chexpert.cli.shared_arguments import add_level, check_paths
from chexpert.console import show_progress
from chexpert.runs.files import EVALUATED_SPLITS


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("paths", nargs="*", type=Path, metavar="RUN|CHECKPOINT|P.csv", help="members of every observation")
    add("--members", type=Path, metavar="FILE.yaml", help="instead, of each observation its own list of members")
    add("--out", type=Path, required=True, metavar="OUT.csv", help="a new file")
    add("--top-k", type=int, metavar="K", help="best checkpoints of each run (all that it kept)")
    add("--average", choices=("mean", "rank"), default="mean", help="of scores (mean), or of ranks over the rows")
    add("--split", choices=EVALUATED_SPLITS, default="valid", help="of the runs' data (valid)")
    add_level(parser, "one row a view, or a study", default="image")
    add("--labels", type=Path, metavar="L.csv", help="for the members' disagreement (those of a run among them)")
    add("--threshold", type=float, default=0.5, help="at which a member is right or wrong there (0.5)")
    add("--disagreement", type=Path, metavar="D.json", help="write the disagreement of each pair of members there")


def run(given: Namespace) -> None:
    """Average, and write the predictions."""
    if bool(given.paths) == bool(given.members):
        raise ArgumentError(None, "give either members, or --members with a list of them for each observation")
    if given.top_k is not None and given.top_k < 1:
        raise ArgumentError(None, "--top-k is at least 1")
    if not 0 < given.threshold < 1:
        raise ArgumentError(None, "--threshold is between 0 and 1")
    for path in filter(None, (given.out, given.disagreement)):
        if path.exists():
            raise ArgumentError(None, f"{path} is there already, and nothing is overwritten")
    check_paths([given.out, given.disagreement])

    from chexpert.inference.ensemble import compare_members, describe_ensemble, ensemble
    from chexpert.inference.members import read_lists
    from chexpert.report.text.disagreement import describe_disagreement
    from chexpert.runs.files import write_json, write_predictions

    made = ensemble(
        read_lists(given.members) if given.members else given.paths, top_k=given.top_k, split=given.split,
        how=given.average, level=given.level, views=given.views,
        watch=partial(show_progress, title="batches"),
    )  # fmt: skip
    compared = compare_members(
        made, given.labels, given.level, given.views, given.threshold, required=given.disagreement is not None
    )
    print(describe_ensemble(made), flush=True)
    print(compared if isinstance(compared, str) else describe_disagreement(compared), flush=True)
    averaged = made.predictions
    rows = zip(averaged.names, zip(*averaged.columns.values(), strict=True), strict=True)
    write_predictions(given.out, list(averaged.columns), rows, key=averaged.key)
    if given.disagreement:
        write_json(given.disagreement, compared)
    print(f"written:       {', '.join(map(str, filter(None, (given.out, given.disagreement))))}")
    options = ["--predictions", given.out, "--labels", made.labels or "LABELS.csv", "--out", "METRICS.json"]
    print(f"evaluate it:   chexpert evaluate {shlex.join(map(str, options))}")
