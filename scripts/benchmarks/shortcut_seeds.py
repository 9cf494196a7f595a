"""The shortcut report on models with a planted shortcut and without one, a row for each seed.

A phantom of each seed ties Support Devices to Cardiomegaly: with a probability of .85 (tied) or .5 (not tied). A model
is trained on it and searched for shortcuts. A model that was not tied is searched on the images of the first tied seed
too, where device and finding do come together: only the models differ there.

    python scripts/benchmarks/shortcut_seeds.py OUT [--tied 100 101 ...] [--free 0 1 ...]

What is in OUT is not made again, so that a stopped table is continued.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chexpert.console import open_streams

ROOT = Path(__file__).parents[2]
DEVICE, FINDING = "Support Devices", "Cardiomegaly"
PHANTOM = ["--size", "160", "--patients", "250", "--valid", "150", "--counterfactuals"]
TRAINING = ["experiment=demo", "data=small", "data.image_size=112", "trainer.max_epochs=6", "explainer=[]"]
TITLES = ("model", "images", "effect of the device", "filled less control", "fall of AUROC", "by filling", "verdict")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for phantoms, runs and reports")
    parser.add_argument("--tied", type=int, nargs="+", default=list(range(100, 106)), metavar="SEED")
    parser.add_argument("--free", type=int, nargs="*", default=list(range(20)), metavar="SEED")
    given = parser.parse_args()
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    print(f"{FINDING} and {DEVICE}; effects in standard deviations of the logit, 95 % intervals")
    print("  ".join(f"{title:<24}" for title in TITLES).rstrip())
    found: dict[str, list[tuple[bool, bool]]] = {}
    for tie, seed in [(0.85, seed) for seed in given.tied] + [(0.5, seed) for seed in given.free]:
        own = make_phantom(out, tie, seed)
        model = f"tie {tie}, seed {seed}"
        run = train(out, own, seed)
        searched = {f"tie {tie}": own}
        if tie < 0.85:
            searched["tie 0.85"] = make_phantom(out, 0.85, given.tied[0])
        for images, data in searched.items():
            pair = search(run, data)
            print(describe(model, images, pair), flush=True)
            named = pair["alarm"], not pair["lacking_by_filling"]
            found.setdefault(f"models of tie {tie} on images of {images}", []).append(named)
    for what, rows in found.items():
        alarms, filling = map(sum, zip(*rows, strict=True))
        print(f"{what}: {DEVICE} named in {alarms} of {len(rows)}, by filling alone in {filling}")


def call(log: Path, *command: str, codes: Sequence[int] = (0,)) -> None:
    """Run a script of the project to its end; its output goes to a log."""
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run([sys.executable, *command], stdout=stream, stderr=stream, cwd=ROOT, check=False)
    if done.returncode not in codes:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}; see {log}")


def make_phantom(out: Path, tie: float, seed: int) -> Path:
    """Return the folder of a phantom, painted where it is not there yet."""
    folder = out / f"phantom-{tie}-{seed}"
    if not folder.exists():
        command = str(ROOT / "scripts/make_phantom.py"), str(folder), "--shortcut", str(tie), "--seed", str(seed)
        call(out / f"{folder.name}.log", *command, *PHANTOM, DEVICE)
    return folder


def train(out: Path, data: Path, seed: int) -> Path:
    """Return the folder of a finished run on these images."""
    run = out / data.name.replace("phantom", "run")
    if not (run / "metrics.json").exists():
        settings = [*TRAINING, f"data.root={data}", f"seed={seed}", f"hydra.run.dir={run}", "resume=auto"]
        call(out / f"{run.name}.log", str(ROOT / "train.py"), *settings)
    return run


def search(run: Path, data: Path) -> dict[str, Any]:
    """Return what the shortcut report says of the finding and the device."""
    report = run.with_name(f"shortcuts-{run.name}-on-{data.name}")
    if not (report / "shortcut.json").exists():
        command = str(ROOT / "scripts/find_shortcuts.py"), str(run), "--root", str(data), "--observations", FINDING
        call(run.with_name(f"{report.name}.log"), *command, "--out", str(report), codes=(0, 1))
    pairs = json.loads((report / "shortcut.json").read_text(encoding="utf-8"))["pairs"]
    return next(pair for pair in pairs if (pair["observation"], pair["suspect"]) == (FINDING, DEVICE))


def describe(model: str, images: str, pair: dict[str, Any]) -> str:
    """Return a row of the table."""
    filling = "not named" if pair["lacking_by_filling"] else "named"
    values = [describe_interval(pair[key]) for key in ("counterfactual", "above_control", "auroc_fall")]
    cells = [model, images, *values, filling, f"{DEVICE} named" if pair["alarm"] else "no alarm"]
    return "  ".join(f"{cell:<24}" for cell in cells).rstrip()


def describe_interval(found: dict[str, Any] | None) -> str:
    """Return value and interval, or a dash where there is none."""
    return "-" if found is None else f"{found['value']:.2f} [{found['ci_low']:.2f}, {found['ci_high']:.2f}]"


if __name__ == "__main__":
    open_streams()
    main()
