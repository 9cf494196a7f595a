"""What the benchmarks share. Cases take turns: a shared machine is not the same machine a minute later."""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Seconds = dict[str, list[float]]


class Timed(float):
    """Seconds that a case has taken itself, of the part of its work that counts."""


def read_clock(name: str) -> float:
    """Seconds by the clock on the wall, or (cpu) of work of this process and those that it started and that ended.

    Other work beside it disturbs the second one less.
    """
    if name == "wall":
        return time.perf_counter()
    return time.process_time() + os.times().children_user + os.times().children_system


def parse(description: str | None, **options: str | int) -> argparse.Namespace:
    """The given options by their defaults, with --rounds and --json."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for name, default in options.items():
        parser.add_argument(f"--{name.replace(chr(95), chr(45))}", type=type(default), default=default, help=" ")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds, after one that is not")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: beside other work")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the seconds of every round there")
    return parser.parse_args()


def take_turns(cases: Mapping[str, Callable[[], object]], rounds: int, clock: str = "wall") -> Seconds:
    """Seconds of each case in each round, after a round that is not counted; a case may be its own clock."""
    seconds: Seconds = {name: [] for name in cases}
    for counted in [False] + [True] * rounds:
        for name, case in cases.items():
            started = read_clock(clock)
            made = case()
            if counted:
                seconds[name].append(made if isinstance(made, Timed) else read_clock(clock) - started)
    return seconds


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median [min .. max]."""
    middle, low, high = (round(f(values), digits) for f in (statistics.median, min, max))
    return f"{middle:>9} [{low} .. {high}]"


def ratios(seconds: Seconds, slow: str, fast: str) -> list[float]:
    """How many times faster, round by round."""
    return [a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)]


def write(path: Path | None, content: Mapping[str, object]) -> None:
    """Writes JSON where a path was given."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
