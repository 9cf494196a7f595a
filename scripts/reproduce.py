"""Check whether a run reproduces the published metric of a recipe: within, outside, or not comparable and why.

    reproduce.py densenet121_original outputs/densenet121_original/TIME
    reproduce.py irvin2019 RUN --evaluation ensemble.json      a metric of several runs' checkpoints, by evaluate.py
A metric is comparable where every setting that can change it is the recipe's, the data is CheXpert, whole, and the
evaluation setting (split, labels, level, choice of the epoch) is the same.
Exit code 0: within; 1: outside; 3: not comparable; 2: the command or one of its files is wrong.
"""

import argparse
import sys
from pathlib import Path

from chexpert.console import open_streams

CONF = Path(__file__).parents[1] / "conf"
CODES = {"within": 0, "outside": 1, "not comparable": 3}


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(sorted(path.stem for path in (CONF / "experiment").glob("*.yaml")))
    parser.add_argument("recipe", metavar="RECIPE", help=f"one of {names}")
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("--evaluation", type=Path, metavar="E.json", help="of an ensemble, instead of the run's own")
    return parser


def main() -> None:
    parser = make_parser()
    given = parser.parse_args()
    from chexpert.config import compose_recipe  # after the parsing, so that --help is quick
    from chexpert.errors import UserError, get_exit_code
    from chexpert.evaluation import reproduce
    from chexpert.report import describe_reproduction

    if given.evaluation and not given.evaluation.is_file():
        parser.error(f"no file {given.evaluation}")
    try:
        recipe = compose_recipe(CONF, given.recipe)
        found = reproduce(recipe, given.run, given.evaluation, lambda name: compose_recipe(CONF, name))
    except (UserError, OSError) as error:
        parser.exit(get_exit_code(error), f"error: {error}\n")
    print(describe_reproduction(given.recipe, found))
    sys.exit(CODES[found.word])


if __name__ == "__main__":
    open_streams()
    main()
