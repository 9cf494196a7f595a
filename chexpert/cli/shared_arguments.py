"""Arguments that several commands have, and the checks of their values."""

import re
import sys
from argparse import SUPPRESS, Action, ArgumentError, ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chexpert.inference.choices import IDS, LEVELS
from chexpert.observations import STUDY_SCORES

SETTING = re.compile(r"[a-z]\w*\.[\w.]+=")


def add_level(parser: ArgumentParser, level_help: str, default: str = "study") -> None:
    """Add ``--level`` with its default, and ``--study-score`` with the default max."""
    parser.add_argument("--level", choices=LEVELS, default=default, help=f"{level_help} ({default})")
    _add_study_score(parser, "max", "max")


def add_level_of_runs(parser: ArgumentParser) -> None:
    """Add ``--level`` and ``--study-score``, both None where the runs decide."""
    level_help = "what is evaluated (as the runs have it; of files: study)"
    parser.add_argument("--level", choices=LEVELS, help=level_help)
    _add_study_score(parser, None, "as the runs have it")


def _add_study_score(parser: ArgumentParser, default: str | None, described: str) -> None:
    score_help = f"score of a study from its views ({described})"
    parser.add_argument("--study-score", dest="views", choices=STUDY_SCORES, default=default, help=score_help)
    add_renamed(parser, "--views", "--study-score")


def add_ids(parser: ArgumentParser, path_help: str) -> None:
    """Add ``--ids``, by default hashes."""
    parser.add_argument("--ids", choices=IDS, default="hash", help=path_help)


def add_bootstrap(parser: ArgumentParser, default: int | None = 1000, described: str = "1000") -> None:
    """Add ``--bootstrap`` and ``--seed``."""
    replicates_help = f"replicates of the intervals ({described})"
    parser.add_argument("--bootstrap", type=int, default=default, metavar="N", help=replicates_help)
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (0)")


def add_hashed_by(parser: ArgumentParser, hashed_help: str = "the run whose predictions hash names") -> None:
    """Add ``--hashed-by``; see :func:`get_local_runs`."""
    parser.add_argument("--hashed-by", nargs="+", type=Path, default=(), metavar="RUN", help=hashed_help)


def get_local_runs(runs: Sequence[Path]) -> Sequence[Path]:
    """Return runs as they are; of models of the Hub their files in the local cache, beside which their salt lies."""
    from chexpert.weights.hub_name import parse_hub_name

    if not any(map(parse_hub_name, runs)):
        return runs
    from chexpert.checkpoints import get_local_path  # torch

    return [get_local_path(run) for run in runs]


def check_bootstrap(replicates: int, seed: int) -> None:
    """Check the values of ``add_bootstrap``."""
    if replicates < 10 or seed < 0:
        raise ArgumentError(None, "--bootstrap is at least 10, --seed at least 0")


def add_renamed(parser: ArgumentParser, old: str, new: str) -> None:
    """Add an option that ends the command with its new name, exit code 2, and that ``--help`` does not list."""
    parser.add_argument(old, nargs="?", action=_Renamed, const=new, dest=SUPPRESS, help=SUPPRESS)


class _Renamed(Action):
    def __call__(self, parser: ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        parser.error(f"{option} was renamed to {self.const}")


def add_completions(action: Action, words: Iterable[str]) -> None:
    """Let a shell complete the values of an argument; ``choices`` would refuse other ones without the hint."""
    action.completer = lambda **_: words  # type: ignore[attr-defined]


def take_settings(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words that are settings (``explainer.lime.samples=200``), which may stand anywhere, and the others."""
    settings = [word for word in arguments if SETTING.match(word) and not Path(word).exists()]
    return settings, [word for word in arguments if word not in settings]


def print_failures(failures: Mapping[str, str]) -> int:
    """Print why explainers failed, and return the exit code."""
    for name, why in failures.items():
        print(f"error: {name} failed: {why}", file=sys.stderr)
    return 1 if failures else 0


def check_paths(files: Iterable[Path | None], folders: Iterable[Path | None] = ()) -> None:
    """Check that the files and folders of a command can be written, before the work that fills them."""
    from chexpert.runs.files import find_clashes

    for wrong in find_clashes(files, folders):
        raise ArgumentError(None, wrong)
