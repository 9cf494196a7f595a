"""Check whether a run reproduces the published metric of a recipe: within, outside, or not comparable and why.

    chexpert reproduce densenet121_original outputs/densenet121_original/TIME
    chexpert reproduce irvin2019 RUN --evaluation ensemble.json      a metric of several runs' checkpoints, by evaluate
A metric is comparable where every setting that can change it is the recipe's, the data is CheXpert, whole, and the
evaluation setting (split, labels, level, choice of the epoch) is the same.
Exit code 0: within; 1: outside; 3: not comparable; 2: the command or one of its files is wrong.
"""

from argparse import ArgumentError, ArgumentParser, Namespace
from pathlib import Path

from chexpert.cli.shared_arguments import add_completions
from chexpert.conf_folder import find_conf, list_options

CODES = {"within": 0, "outside": 1, "not comparable": 3}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    recipes = list_options("experiment")
    add_completions(parser.add_argument("recipe", metavar="RECIPE", help=f"one of {', '.join(recipes)}"), recipes)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("--evaluation", type=Path, metavar="E.json", help="of an ensemble, instead of the run's own")


def run(given: Namespace) -> int:
    """Compare the run with the recipe, and print the result."""
    if given.evaluation and not given.evaluation.is_file():
        raise ArgumentError(None, f"no file {given.evaluation}")

    from chexpert.config import compose_recipe
    from chexpert.evaluation import reproduce
    from chexpert.report import describe_reproduction

    conf = find_conf()
    recipe = compose_recipe(conf, given.recipe)
    found = reproduce(recipe, given.run, given.evaluation, lambda name: compose_recipe(conf, name))
    print(describe_reproduction(given.recipe, found))
    return CODES[found.word]
