"""Selective prediction on the phantom: the area under the risk-coverage curve by each confidence, of several seeds.

Combined models of two small networks are trained on one phantom, of which each seed has other weights, batches and
development patients. The studies of valid are deferred by the calibrated probability (plain), the disagreement of the
members, the spread over ten views, and the spread over the models of all seeds. Differences are paired on the same
resampled studies; the seeds share their images, so that they are no independent samples.

    python scripts/benchmarks/deferral_seeds.py OUT [--seeds 0 1 2] [--epochs 8]

What is in OUT is not made again. The three trainings took 21 minutes on a shared CPU core, beside other work.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from chexpert.console import open_streams

ROOT = Path(__file__).parents[2]
SETTINGS = [
    "model=combined", "backbone@model.members.densenet=resnet10t", "backbone@model.members.efficientnet=mnasnet_100",
    "model.members.densenet.name=mnasnet_small", "model.members.efficientnet.name=test_resnet",
    "+data.root.seed=1", "data.dev=0.3", "data.image_size=64", "data.batch_size=32", "data.num_workers=0",
    "optimizer.lr=1e-3", "level=study", "trainer.accelerator=cpu", "trainer.check_val_every_n_epoch=4",
    "explainer=[]", "logger=[]",
]  # fmt: skip
KINDS = ("plain", "members", "ensemble", "tta")
VIEWS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the phantom and the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=8)
    given = parser.parse_args()
    out = given.out.resolve()
    runs = [train(out, seed, given.epochs) for seed in given.seeds]
    names = ["seed", "risk", "of all", "AURC, plain", "less random", *(f"{kind} less plain" for kind in KINDS[1:])]
    print(f"| {' | '.join(names)} |")
    print("|---|---|---|---|---|---|---|---|")
    for seed, run in zip(given.seeds, runs, strict=True):
        content = evaluate(run, [other for other in runs if other != run])
        for loss in ("error", "brier"):
            print(describe(seed, loss, content), flush=True)


def train(out: Path, seed: int, epochs: int) -> Path:
    """Return the folder of a finished run."""
    run = out / str(seed)
    if not (run / "metrics.json").exists():
        own = [f"seed={seed}", f"trainer.max_epochs={epochs}", f"data.root.parent={out}/phantom"]
        command = [sys.executable, str(ROOT / "train.py"), *SETTINGS, *own, f"hydra.run.dir={run}"]
        out.mkdir(parents=True, exist_ok=True)
        with (out / f"{seed}.log").open("w", encoding="utf-8") as log:
            if subprocess.run(command, stdout=log, stderr=log, cwd=ROOT, check=False).returncode:
                raise SystemExit(f"training failed: see {log.name}")
    return run


def evaluate(run: Path, others: list[Path]) -> dict[str, Any]:
    """Return the risk-coverage curves of the studies of valid."""
    from chexpert.inference.defer import defer  # after the parsing, so that --help is quick

    content = defer(run, confidences=KINDS, ensemble=others, tta=VIEWS).content
    assert content is not None
    return dict(content)


def describe(seed: int, loss: str, content: dict[str, Any]) -> str:
    """Return a row of the table: areas and paired differences with their 95 % intervals."""
    own = {kind: content["confidences"][kind]["mean"][loss] for kind in KINDS}
    cells = [show(own["plain"]["risk"]), show(own["plain"]["aurc"]), show(own["plain"]["over_random"])]
    cells += [f"{show(own[kind]['over_plain'])} p {own[kind]['over_plain']['p_holm']:.2g}" for kind in KINDS[1:]]
    return f"| {seed} | {loss} | " + " | ".join(cells) + " |"


def show(metric: dict[str, float]) -> str:
    return f"{metric['value']:.3f} [{metric['ci_low']:.3f}, {metric['ci_high']:.3f}]"


if __name__ == "__main__":
    open_streams()
    main()
