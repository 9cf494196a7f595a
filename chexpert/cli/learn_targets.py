"""Learn P(finding | report label) for each observation: the soft targets of ``labels=learned``.

    chexpert learn-targets FOLDS --out targets.json                         from the folds of a sweep, no truth needed
    chexpert learn-targets RUN --expert EXPERT.csv --out targets.json       from expert labels of training studies
EXPERT.csv: Path or Study, and a column of 1, 0 or blank for each observation; no patient of valid or test.
Exit code 2: the command or one of its files is wrong.
"""

from argparse import ArgumentError, ArgumentParser, Namespace
from pathlib import Path

from chexpert.cli.shared_arguments import check_paths


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("source", type=Path, metavar="RUN|FOLDS", help="run that held patients out, or the sweep of its folds")
    add("--out", type=Path, required=True, metavar="T.json", help="a new file, for labels.file")
    add("--expert", type=Path, metavar="EXPERT.csv", help="expert labels to count, instead of predictions")
    add("--root", type=Path, metavar="FOLDER", help="of the data, where they have moved (as the run had it)")
    add("--bootstrap", type=int, default=200, metavar="N", help="replicates of the intervals (200)")
    add("--seed", type=int, default=0, help="of the bootstrap (0)")


def run(given: Namespace) -> None:
    """Learn the targets, print and write them."""
    if given.bootstrap < 10 or given.seed < 0:
        raise ArgumentError(None, "--bootstrap is at least 10, --seed at least 0")
    if given.out.exists():
        raise ArgumentError(None, f"{given.out} is there already, and nothing is overwritten")
    check_paths([given.out])

    from chexpert.data.labels.learned_targets import advise_rules, describe_targets, list_not_learned
    from chexpert.inference.learn_targets import learn_targets
    from chexpert.runs.files import write_json

    content = learn_targets(given.source, given.expert, given.root, given.bootstrap, given.seed)
    print("\n".join(describe_targets(content)), flush=True)
    left_out = content["fitted_on"].get("left_out", {})
    if left_out.get("studies"):
        print(f"left out: {left_out['studies']:,} expert-labeled studies that have no report label here")
    if left_out.get("observations"):
        print(f"left out: {', '.join(left_out['observations'])}, which the expert labels lack")
    write_json(given.out, content)
    print(f"written:      {given.out}")
    own = list_not_learned(content)
    rules = f" {advise_rules(*own)}" if own else ""
    print(f"train by it:  chexpert train labels=learned labels.file={given.out}{rules}")
