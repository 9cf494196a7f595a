"""Images a second of a whole `python train.py` on the phantom against the original notebooks' loop (notebook.py).

Both are separate processes, timed from start to end: the same backbone and images, trained and evaluated each epoch.
The notebook's loop computes in float32, in batches of 8; a run takes its defaults, and is explained by nothing.
"""

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from rounds import parse, ratios, spread, take_turns, write

from chexpert.console import open_streams

SCRIPTS = Path(__file__).parents[1]
OURS, THEIRS, GOAL = "python train.py", "notebook's loop", 2


def call(*command: str) -> None:
    """Runs a script to its end; what it says is shown where it fails."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def train(backbone: str, epochs: int) -> None:
    run = f"hydra.run.dir={tempfile.mkdtemp(prefix='bench')}/run"
    call(f"{SCRIPTS.parent}/train.py", f"backbone={backbone}", f"trainer.max_epochs={epochs}", "explainer=[]", run)


def main() -> None:
    given = parse(__doc__, backbone="resnet10t", epochs=2)
    from chexpert.data import find_phantom  # after the parsing, so that --help is quick

    root = find_phantom("outputs/phantom")
    lines = [
        line
        for split in ("train", "valid")
        for line in next(root.glob(f"*/{split}.csv")).read_text(encoding="utf-8").splitlines()
    ]
    images = given.epochs * sum(",Frontal," in line for line in lines)
    notebook = (
        f"{SCRIPTS}/benchmarks/notebook.py",
        str(root),
        "--backbone",
        given.backbone,
        "--epochs",
        str(given.epochs),
    )
    cases = {OURS: partial(train, given.backbone, given.epochs), THEIRS: partial(call, *notebook)}
    seconds = take_turns(cases, given.rounds, given.clock)
    print(f"{given.backbone}, {images} images seen, {given.rounds} rounds: images/s, median [min .. max]")
    for name, values in seconds.items():
        print(f"  {name:<30} {spread([images / value for value in values])}")
    found = ratios(seconds, THEIRS, OURS)
    print(f"  {'as fast as the loop':<30} {spread(found, 2)} times, goal {GOAL} or more")
    write(
        given.json,
        {"clock": given.clock, "backbone": given.backbone, "images": images, "seconds": seconds, "ratios": found},
    )


if __name__ == "__main__":
    open_streams()
    main()
