"""Whether hours of work leak: files, threads and memory of a process that trains, predicts and explains repeatedly.

    python scripts/benchmarks/soak.py OUT --hours 8

Each round trains one small run, predicts by it and explains two images, all in this process; every tenth round the
same three are commands of their own, whose exit codes count, and what is left behind in the folder for temporary files
is counted. After each round the process's open files, threads, child processes and resident memory are recorded in
OUT/rounds.csv. The first third of the rounds fills caches and is left out; through the others a line is fitted. Rounds
depend on each other, so its interval is of medians of slopes (Theil and Sen) with blocks of rounds resampled. A
quantity is flat if its interval holds 0, or if it would grow by less than --tolerance MiB (or one file, thread or
process) in a hundred rounds.
Exit code 0: all are flat and no command failed; 1: otherwise.
"""

import argparse
import csv
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUANTITIES = ("files", "threads", "children", "memory_mib", "temporary_files")
OWN_PROCESSES = 10
"""Rounds from one in processes of their own to the next."""
TRAIN = (
    "data.image_size=64", "data.batch_size=8", "data.num_workers=2", "trainer.max_epochs=1", "pretrained=false",
    "backbone=resnet10t", "+backbone.options={channels:[4,4,8,8],stem_width:4}", "explainer=[]", "explain.score=0",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="a new folder")
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--tolerance", type=float, default=20.0, help="MiB in a hundred rounds (20)")
    given = parser.parse_args()
    given.out.mkdir(parents=True)
    out = given.out.resolve()
    data = prepare_data(out)
    rounds: list[dict[str, float]] = []
    end, failures = time.monotonic() + given.hours * 3600, 0
    while time.monotonic() < end:
        started, folder = time.monotonic(), out / "round"
        apart = len(rounds) % OWN_PROCESSES == OWN_PROCESSES - 1
        failures += run_apart(data, folder) if apart else run_here(data, folder)
        rounds.append({**measure(), "seconds": round(time.monotonic() - started, 1), "apart": int(apart)})
        write_rounds(out / "rounds.csv", rounds)
        print(f"round {len(rounds)}: {rounds[-1]}", flush=True)
    return report(rounds, failures, given.tolerance)


def prepare_data(out: Path) -> Path:
    from chexpert.data import write_phantom

    return Path(write_phantom(out / "data", patients=20, valid=16, test=2, size=96, workers=1))


def list_commands(data: Path, folder: Path) -> list[list[str]]:
    """The three commands of a round, in the form of the command line."""
    valid = data / "CheXpert-v1.0-small" / "valid"
    images = [str(path) for path in sorted(valid.rglob("*frontal.jpg"))[:2]]
    return [
        ["train", "data=small", f"data.root={data}", *TRAIN, f"hydra.run.dir={folder}/run", "hydra.output_subdir=null"],
        ["predict", f"{folder}/run", str(valid), f"{folder}/predictions.csv"],
        ["explain", f"{folder}/run", *images, "--explainer", "gradcam", "--out", f"{folder}/explained"],
    ]


def run_here(data: Path, folder: Path) -> int:
    """Train, predict and explain in this process; return 1 if something failed."""
    from hydra import compose, initialize_config_dir

    from chexpert.cli.main import import_command, make_parser
    from chexpert.conf_folder import find_conf
    from chexpert.engine.train import run

    (train, *others), failures = list_commands(data, folder), 0
    (folder / "run").mkdir(parents=True)
    try:
        with initialize_config_dir(str(find_conf().resolve()), version_base=None):
            cfg = compose("train", overrides=[word for word in train[1:] if not word.startswith("hydra.")])
        run(cfg, folder / "run")
        for name, *words in others:
            parser, module = make_parser(name), import_command(name)
            arguments = module.parse(parser, words) if hasattr(module, "parse") else parser.parse_args(words)
            failures += bool(module.run(arguments))
    except Exception as error:  # the other rounds are run all the same
        print(f"failed: {error!r}", file=sys.stderr)
        failures = 1
    shutil.rmtree(folder, ignore_errors=True)
    return failures


def run_apart(data: Path, folder: Path) -> int:
    """Run the three commands in processes of their own; return how many failed."""
    failures = 0
    for command in list_commands(data, folder):
        done = subprocess.run([sys.executable, "-m", "chexpert", *command], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"failed, {done.returncode}: {command[0]}: {done.stderr[-500:]}", file=sys.stderr)
            failures += 1
    shutil.rmtree(folder, ignore_errors=True)
    return failures


def measure() -> dict[str, float]:
    """Open files, threads, child processes, resident memory, and entries of the folder for temporary files."""
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    me = str(os.getpid())
    children = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            children += path.read_text().rpartition(")")[2].split()[1] == me
        except OSError:  # it has ended
            continue
    return {
        "files": sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1,  # less the one that lists them
        "threads": int(status["Threads"]),
        "children": children,
        "memory_mib": round(int(status["VmRSS"].split()[0]) / 1024, 1),
        "temporary_files": sum(1 for _ in Path(tempfile.gettempdir()).iterdir()),
    }


def write_rounds(path: Path, rounds: list[dict[str, float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rounds[0]))
        writer.writeheader()
        writer.writerows(rounds)


def fit_slope(values: list[float], seed: int = 0, replicates: int = 1000) -> tuple[float, float, float]:
    """Return the slope a round with its 95 % interval: the median slope of pairs, blocks of rounds resampled."""
    import numpy as np
    from scipy.stats import theilslopes

    y, x = np.asarray(values, float), np.arange(len(values), dtype=float)
    block, rng = max(2, round(len(y) ** (1 / 3))), np.random.default_rng(seed)
    slope, intercept, *_ = theilslopes(y, x)
    rest, slopes = y - slope * x - intercept, []
    for _ in range(replicates):
        starts = rng.integers(0, max(1, len(y) - block + 1), -(-len(y) // block))
        own = np.concatenate([rest[start : start + block] for start in starts])[: len(y)]
        slopes.append(theilslopes(slope * x + own, x)[0])
    low, high = np.percentile(slopes, [2.5, 97.5])
    return float(slope), float(low), float(high)


def report(rounds: list[dict[str, float]], failures: int, tolerance: float) -> int:
    """Print the slopes; return the exit code."""
    kept = rounds[len(rounds) // 3 :]
    print(f"\n{len(rounds)} rounds, {failures} failed commands; {len(kept)} rounds are fitted")
    if len(kept) < 4:
        print("too few rounds for a slope: nothing is said")
        return 1
    flat = True
    for name in QUANTITIES:
        slope, low, high = fit_slope([one[name] for one in kept])
        limit = (tolerance if name == "memory_mib" else 1.0) / 100
        own = low <= 0 <= high or slope < limit
        if name != "temporary_files":  # other programs use that folder too
            flat &= own
        first, last = kept[0][name], kept[-1][name]
        change = f"{100 * slope:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}] in a hundred rounds"
        print(f"{name:<16} {first:g} to {last:g}, {change}: {'flat' if own else 'grows'}")
    print("flat" if flat and not failures else "not flat" if not flat else "commands failed")
    return 0 if flat and not failures else 1


if __name__ == "__main__":
    sys.exit(main())
