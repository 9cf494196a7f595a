"""Seconds and memory of whole runs on 223,414 views, in the order of the steps of a run.

The tree has the tables of CheXpert-v1.0-small in structure, and hard links to a few synthetic images of its size. A
small network at 64 px, so that reading takes most of the time: `--backbone` and `--size` change it. Each round: a run
that decodes, one that builds the cache, one from the cache.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from rounds import spread, write

from chexpert.console import open_streams

ROOT = Path(__file__).parents[2]
INTERVAL = 0.5
STEPS = ("first step", "training", "validation", "evaluation", "all", "memory", "memory of workers")


def read_memory(pid: int) -> float:
    """MiB that a process has to itself and its share of what it shares, on Linux; 0 where it has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0.0)


def list_children(pid: int) -> list[int]:
    """Processes that a process has started and that are alive."""
    try:
        found = [Path(task, "children").read_text(encoding="utf-8") for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []
    return [int(child) for line in found for child in line.split()]


class PeakMemory(threading.Thread):
    """The most MiB of a process, and of all its children together, looked at twice a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.own, self.children, self.ended = pid, 0.0, 0.0, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(INTERVAL):
            self.own = max(self.own, read_memory(self.pid))
            self.children = max(self.children, sum(map(read_memory, list_children(self.pid))))


def read_first_step(run: Path) -> float:
    """Time of the first logged training step, in seconds since 1970, as TensorBoard's file has it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(next(run.rglob("events.out.tfevents.*")).parent))
    events.Reload()
    return events.Scalars("train/loss")[0].wall_time


def run_once(root: Path, *settings: str) -> dict[str, float]:
    """Seconds and MiB of a run of one epoch from its start."""
    with tempfile.TemporaryDirectory(prefix="full-size") as folder:
        return _run_in(Path(folder, "run"), root, settings)


def _run_in(run: Path, root: Path, settings: Sequence[str]) -> dict[str, float]:
    command = [sys.executable, str(ROOT / "train.py"), "data=small", f"data.root={root}", "data.dev=0.05"]
    command += [*settings, "trainer.max_epochs=1", "trainer.log_every_n_steps=1", "pretrained=false", "explainer=[]"]
    started = time.time()
    with subprocess.Popen([*command, f"hydra.run.dir={run}"], stdout=subprocess.DEVNULL) as process:
        peak = PeakMemory(process.pid)
        peak.start()
        code = process.wait()
        peak.ended.set()
    if code:
        raise SystemExit(f"the run ended with {code}")
    ended = time.time()
    resources = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["resources"]["seconds"]
    return {
        "first step": read_first_step(run) - started,
        **{part: resources[part] for part in ("training", "validation", "evaluation")},
        "all": ended - started,
        "memory": peak.own,
        "memory of workers": peak.children,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--tree", type=Path, default=Path("outputs/bench/full-size"), help="folder of the tree")
    parser.add_argument("--images", type=int, default=64, help="synthetic images that the links are of")
    parser.add_argument("--backbone", default="resnet10t", help=" ")
    parser.add_argument("--size", type=int, default=64, help="image size in pixels")
    parser.add_argument("--batch", type=int, default=256, help=" ")
    parser.add_argument("--part", type=float, default=1.0, help="of the batches of the epoch")
    parser.add_argument("--rounds", type=int, default=1, help="of three runs each, minutes each")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write what was measured there")
    given = parser.parse_args()
    from full_size_tree import make_full_size_tree  # after the parsing, so that --help is quick
    from images import list_images

    started = time.time()
    root = make_full_size_tree(given.tree, list_images(given.images))
    print(f"tables and links: {time.time() - started:.0f} s")
    network = (
        f"backbone={given.backbone}",
        f"data.image_size={given.size}",
        f"data.batch_size={given.batch}",
        f"trainer.limit_train_batches={given.part}",
    )
    found: dict[str, list[dict[str, float]]] = {"decoding": [], "building the cache": [], "from the cache": []}
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory(dir=root.parent) as cache:
            for name, settings in zip(found, ((), (f"data.cache={cache}",), (f"data.cache={cache}",)), strict=True):
                found[name].append(run_once(root, *network, *settings))
            print(f"cache: {sum(file.stat().st_size for file in Path(cache).rglob('*')) / 2**30:.2f} GiB")
    for name, rounds in found.items():
        print(f"{name}, {given.rounds} rounds: median [min .. max]")
        for step in STEPS:
            unit = "MiB" if step.startswith("memory") else "s"
            print(f"  {step:<20} {spread([one[step] for one in rounds])} {unit}")
    write(given.json, found)


if __name__ == "__main__":
    open_streams()
    main()
