"""One network from many on the phantom: weight soups and a distilled network, beside ensemble and best member.

For each seed a phantom of its own is painted, a first run is trained for twice the epochs, and three runs of other
seeds start from its weights. One network is then made in four ways: a uniform soup of the best checkpoints of one of
these runs, a uniform and a greedy soup of the three runs, and a network that starts from the first run too and is
taught by the three. Epochs, the greedy order and the best member are chosen on valid; the table is of the studies of
test, whole studies resampled. The ensemble is of all members of that row.

    python scripts/benchmarks/one_from_many.py OUT [--seeds 0 1 2] [--epochs 4]

What is in OUT is not made again.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from chexpert.console import open_streams

SETTINGS = [
    "backbone=resnet10t", "+backbone.options={channels:[16,32,64,128],stem_width:16}", "data.test=true",
    "data.image_size=64", "data.batch_size=32", "data.num_workers=0", "optimizer.lr=3e-3", "level=study",
    "trainer.accelerator=cpu", "explainer=[]", "logger=[]", "gate=null",
]  # fmt: skip
PHANTOM = [
    "data.root.patients=300", "data.root.valid=100", "data.root.test=150", "data.root.size=72", "data.root.laterals=0",
    "data.root.workers=1",
]  # fmt: skip
MEMBERS = 3
WEIGHT = 0.7
"""Share of the teachers in the targets."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the phantoms and the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    names = ["seed", "made by", "studies", "AUROC", "ensemble", "less the ensemble", "best member", "less the best"]
    print(f"| {' | '.join(names)} |")
    print("|---" * len(names) + "|", flush=True)
    for seed in given.seeds:
        for name, content in make_all(given.out.resolve() / str(seed), seed, given.epochs):
            print(describe(seed, name, content), flush=True)


def make_all(out: Path, seed: int, epochs: int) -> list[tuple[str, dict[str, Any]]]:
    """Return how each network compares with its members on the test studies, by the way it was made."""
    own = [*SETTINGS, *PHANTOM, f"+data.root.seed={seed}", f"data.root.parent={out}/phantom"]
    first = train(out / "first", [*own, f"seed={seed}", f"trainer.max_epochs={2 * epochs}"])
    begun = [*own, f"start_from={first}", f"trainer.max_epochs={epochs}"]
    runs = [train(out / f"run{k}", [*begun, f"seed={100 + 10 * seed + k}", "save_top_k=3"]) for k in range(MEMBERS)]
    teachers = f"distill.teachers=[{','.join(map(str, runs))}]"
    taught = ["distill=teachers", teachers, f"distill.weight={WEIGHT}", f"seed={100 + 10 * seed + MEMBERS}"]
    student = train(out / "distilled", [*begun, *taught])
    made = [
        ("soup of 3 epochs", soup(out / "soup_epochs", runs[:1])),
        ("soup of 3 seeds", soup(out / "soup_seeds", runs, top_k=1)),
        ("greedy soup, 3 x 3", soup(out / "soup_greedy", runs, method="greedy")),
        (f"distilled, weight {WEIGHT:g}", student / "distillation.json"),
    ]
    return [(name, json.loads(path.read_text(encoding="utf-8"))["comparisons"]["test"]) for name, path in made]


def train(run: Path, settings: list[str]) -> Path:
    """Return the folder of a finished run."""
    import chexpert  # after the parsing, so that --help is quick

    if not (run / "report.html").exists():
        chexpert.train(*settings, f"hydra.run.dir={run}")
    return run


def soup(folder: Path, runs: list[Path], method: str = "uniform", top_k: int | None = None) -> Path:
    """Return the soup.json of a finished soup."""
    from chexpert.inference.soup import make_soup

    if not (folder / "soup.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        make_soup(runs, folder, method=method, top_k=top_k, command="benchmark")
    return folder / "soup.json"


def describe(seed: int, name: str, content: dict[str, Any]) -> str:
    """Return a row of the table."""
    ensemble, best = content["ensemble"], content["best_member"]
    cells = [seed, name, content["n"], show(content["auroc_mean"]), show(ensemble["auroc_mean"]),
             show_difference(ensemble["difference"]), show(best["auroc_mean"])]  # fmt: skip
    cells.append(show_difference(best["difference"]))
    return f"| {' | '.join(map(str, cells))} |"


def show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def show_difference(own: dict[str, float | None]) -> str:
    return "-" if own["value"] is None else f"{own['value']:+.3f} [{own['ci_low']:+.3f}, {own['ci_high']:+.3f}]"


if __name__ == "__main__":
    open_streams()
    main()
