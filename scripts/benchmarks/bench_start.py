"""Seconds until `python train.py --cfg job` and `--help` of every script answer; goals 2 s and 1 s."""

import subprocess
import sys
from functools import partial
from pathlib import Path

from rounds import parse, ratios, spread, take_turns, write

from chexpert.console import open_streams

SCRIPTS = Path(__file__).parents[1]
EMPTY, GOALS = "python -c pass", {True: 2, False: 1}


def call(*command: str) -> None:
    subprocess.run([sys.executable, *command], capture_output=True, check=True)


def main() -> None:
    given = parse(__doc__)
    scripts = [path for path in sorted(SCRIPTS.rglob("*.py")) if "__main__" in path.read_text(encoding="utf-8")]
    cases = {EMPTY: partial(call, "-c", "pass")}
    cases |= {"train.py --cfg job": partial(call, f"{SCRIPTS.parent}/train.py", "--cfg", "job")}
    cases |= {f"{path.name} --help": partial(call, str(path), "--help") for path in scripts}
    seconds = take_turns(cases, given.rounds)
    print(f"{given.rounds} rounds: seconds, median [min .. max], and how many times those of {EMPTY}")
    for name, values in seconds.items():
        late = max(values) > GOALS["--cfg" in name]
        print(f"  {name:<34} {spread(values, 2)} {spread(ratios(seconds, name, EMPTY))}" + "  LATE" * late)
    write(given.json, {"seconds": seconds})


if __name__ == "__main__":
    open_streams()
    main()
