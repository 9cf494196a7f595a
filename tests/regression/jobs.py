"""A fixed set of small jobs through the real commands, and the hashes and numbers of what they leave.

    python tests/regression/jobs.py run OUT.json        runs the jobs: about five minutes on two cores
    python tests/regression/jobs.py compare A.json B.json

Run it before and after a change that must not change a result, on one machine and with one version of torch: other
ones give other bits, so no hash lies in the repository. It keeps the SHA-256 of each tensor of weights, of each table
and of each map, and each number of each JSON file. It leaves out times, versions, paths and hosts.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

PROJECT = Path(__file__).parents[2]
CHANGING = ("seconds", "memory", "versions", "time", "started", "ended", "path", "root", "folder", "host")
CHANGING += ("commit", "command")
TINY = (
    "data=small data.root={work}/data data.image_size=64 data.batch_size=8 data.num_workers=0 trainer.max_epochs=2 "
    "trainer.accelerator=cpu pretrained=false explain.count=2 explain.score=6"
)
SINGLE = f"{TINY} backbone.name=mnasnet_small"
MEMBERS = "backbone@model.members.densenet=resnet10t backbone@model.members.efficientnet=mnasnet_100"
METHODS = (
    "gradcam hirescam gradcam_plus_plus layercam eigencam scorecam lime occlusion rise integrated_gradients random"
)
FEW = (
    "explainer.lime.samples=40 explainer.rise.samples=40 explainer.scorecam.channels=8 "
    "explainer.integrated_gradients.steps=4"
)
JOBS = {
    "phantom": "scripts/make_phantom.py {work}/data --patients 40 --valid 32 --test 16 --size 96",
    "single": f"train.py hydra.run.dir={{work}}/single {SINGLE} data.dev=0.3 explainer=[hirescam,gradcam,lime] "
    "explainer.lime.samples=40",
    "combined": f"train.py hydra.run.dir={{work}}/combined {TINY} model=combined {MEMBERS} explainer=[gradcam]",
    "three_class": f"train.py hydra.run.dir={{work}}/three_class {SINGLE} labels=three_class explainer=[]",
    "conditional": f"train.py hydra.run.dir={{work}}/conditional {SINGLE} labels=conditional observations=all "
    "explainer=[]",
    "ema": f"train.py hydra.run.dir={{work}}/ema {SINGLE} averaging=ema explainer=[]",
    "begun": f"train.py hydra.run.dir={{work}}/resumed {SINGLE} data.dev=0.3 explainer=[] scheduler=constant "
    "trainer.max_epochs=1",
    "resumed": "train.py resume={work}/resumed trainer.max_epochs=2",
    "predict": "scripts/predict.py {work}/single {work}/data/CheXpert-v1.0-small/valid {work}/predicted.csv --ids path",
    "evaluate": "scripts/evaluate.py --predictions {work}/single/predictions/valid.csv "
    "--labels {work}/single/labels/valid.csv --out {work}/evaluated.json",
    "compare": "scripts/compare.py {work}/single {work}/ema --out {work}/compared",
    "ensemble": "scripts/ensemble.py {work}/single {work}/ema --out {work}/ensemble.csv",
    "explain": f"scripts/explain.py {{work}}/single --out {{work}}/explained --explainer {METHODS} {FEW} "
    "explain.score=4",
    "localize": "scripts/localize.py --ground-truth {work}/data/gt_segmentations_valid.json "
    "--maps {work}/explained/hirescam/maps --out {work}/localized.json --bootstrap 50",
}


def run(out: Path) -> None:
    """Runs the jobs in a new folder, and writes what they left."""
    with tempfile.TemporaryDirectory() as folder:
        for name, job in JOBS.items():
            done = subprocess.run(
                [sys.executable, *job.format(work=folder).split()],
                cwd=PROJECT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                sys.exit(f"{name}: exit code {done.returncode}\n{done.stderr}")
            print(name, flush=True)
        out.write_text(json.dumps(dict(describe(Path(folder))), indent=1, sort_keys=True))


def describe(work: Path) -> Iterator[tuple[str, str | float]]:
    """Each thing that must stay the same, by its name."""
    for path in sorted(work.rglob("*")):
        name = str(path.relative_to(work))
        if path.suffix == ".safetensors":
            yield from ((f"{name}:{key}", digest(value.tobytes())) for key, value in load_file(path).items())
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                yield from ((f"{name}:{key}", digest(arrays[key].tobytes())) for key in arrays.files)
        elif path.suffix == ".csv" and path.name != "comparison.csv":  # which names the folders
            yield name, digest(path.read_bytes())
        elif path.suffix == ".json":
            yield from ((f"{name}:{key}", value) for key, value in flatten(json.loads(path.read_text())))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def flatten(node: object, at: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a JSON file by their keys."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        if not any(part in str(key) for part in CHANGING):
            yield from flatten(value, f"{at}/{key}")
    if isinstance(node, bool | int | float):
        yield at, node


def compare(one: Path, other: Path) -> int:
    """Prints what differs; 1 where something does."""
    before, after = json.loads(one.read_text()), json.loads(other.read_text())
    lines = [f"gone: {key}" for key in sorted(before.keys() - after.keys())]
    lines += [f"new: {key}" for key in sorted(after.keys() - before.keys())]
    lines += [
        f"changed: {key}: {before[key]} -> {after[key]}"
        for key in sorted(before)
        if after.get(key, before[key]) != before[key]
    ]
    print("\n".join(lines) or f"the same: {len(before)} values")
    return bool(lines)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", out]:
            run(Path(out))
        case ["compare", one, other]:
            sys.exit(compare(Path(one), Path(other)))
        case _:
            sys.exit(__doc__)
