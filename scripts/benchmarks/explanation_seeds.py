"""The explanations of models of several phantom seeds: AUROC, and where the maps point, with paired differences.

Each seed has its own patients, weights and samples. A model of every kind is trained on its phantom, and all findings
of the validation views are explained. Means are over the maps of all seeds; whole studies are resampled for the
intervals. A difference is of the maps of the same finding on the same view.

    python scripts/benchmarks/explanation_seeds.py OUT [--seeds 1 2 3] [--size 224] [--epochs 7] [--more lime rise]

What is in OUT is not made again, and a training that was stopped is continued. The two trainings of a seed took 68
minutes on a shared CPU core without bfloat16, beside other work.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chexpert.console import open_streams

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).parents[2]
EXPLAINERS = {"single": ["hirescam", "gradcam"], "patches": ["patch_logits"]}
REFERENCE = "single hirescam"
SMALL = ["Lung Lesion", "Pneumothorax", "Fracture", "Support Devices"]
METRICS = {
    "hit": "hit rate", "mass": "mass", "chance": "area", "gap_over_random": "gap", "road": "ROAD",
    "top_block_size": "sanity", "stability": "stability",
}  # fmt: skip
REPLICATES = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for phantoms and runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--size", type=int, default=224, help="of the images; patches have a seventh of it")
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--more", nargs="+", default=[], metavar="EXPLAINER", help="on fewer views of whole images")
    parser.add_argument("--views", type=int, default=15, help="of each seed, for those (15)")
    given = parser.parse_args()
    import pandas as pd  # after the parsing, so that --help is quick

    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    tables = []
    for seed in given.seeds:
        for model, explainers in EXPLAINERS.items():
            run = train(out, model, seed, given.size, given.epochs)
            print(f"seed {seed}, {model}: mean AUROC {read_auroc(run)}", flush=True)
            explained = [explain(run, explainers, "all", 240)]
            explained += [explain(run, [name], name, given.views) for name in given.more if model == "single"]
            for folder in explained:
                maps = pd.read_csv(folder / "quality.csv")
                tables.append(maps.assign(seed=seed, explainer=f"{model} " + maps["explainer"]))
    maps = pd.concat(tables, ignore_index=True)
    print_means(maps)
    print_hits(maps)
    for name in sorted(set(maps["explainer"]) - {REFERENCE}):
        print_differences(maps, name)


def call(log: Path, *command: str) -> None:
    """Run a command of the project to its end; its output goes to a log."""
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run([sys.executable, *command], stdout=stream, stderr=stream, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}; see {log}")


def train(out: Path, model: str, seed: int, size: int, epochs: int) -> Path:
    """Return the folder of a finished run with all observations."""
    run = out / f"{model}-{seed}"
    if not (run / "metrics.json").exists():
        settings = [f"model={model}", f"seed={seed}", f"data.root.seed={seed}", f"data.root.parent={out}/phantom"]
        settings += [f"backbone.patch={size // 7}"] if model == "patches" else []
        settings += [f"data.image_size={size}", f"trainer.max_epochs={epochs}", "observations=all", "explainer=[]"]
        settings += [f"hydra.run.dir={run}", "resume=auto"]
        call(out / f"{run.name}.log", str(ROOT / "train.py"), "experiment=demo", *settings)
    return run


def explain(run: Path, explainers: list[str], name: str, views: int) -> Path:
    """Return the folder in which all findings of that many validation views are explained and scored."""
    folder = run / name
    if not (folder / "quality.csv").exists():
        options = [f"explain.score={views}", "explain.passes=40000", "explain.count=2"]
        command = ["-m", "chexpert", "explain", str(run), "--explainer", *explainers, "--out", str(folder), *options]
        call(run.with_name(f"{run.name}-explain-{name}.log"), *command)
    return folder


def read_auroc(run: Path) -> str:
    """Return the mean AUROC of the valid split."""
    from chexpert.runs.read import read_mapping

    found = read_mapping(run / "metrics.json", required=True)["valid"]
    return f"{found['auroc_mean']:.3f}"


def print_means(maps: "pd.DataFrame") -> None:
    """Print the mean of each metric, by explainer, of all findings and of each small one."""
    for what, chosen in [("all findings", maps), *((one, maps[maps["observation"] == one]) for one in SMALL)]:
        print(f"\n{what:<28}" + "".join(f"{title:>26}" for title in METRICS.values()))
        for name, own in chosen.groupby("explainer"):
            cells = [describe(own, own[key]) if key in own else "-" for key in METRICS]
            print(f"{name:<28}" + "".join(f"{cell:>26}" for cell in cells), flush=True)


def print_hits(maps: "pd.DataFrame") -> None:
    """Print by observation how often maps peak in the finding: 1 is always, 0 as often as a random point."""
    scored = maps[maps["hit"].notna()]
    names = sorted(set(scored["explainer"]))
    print(f"\n{'hit rate less chance':<28}" + "".join(f"{name:>26}" for name in names))
    normalized = (scored["hit"] - scored["chance"]) / (1 - scored["chance"])
    for observation, own in scored.groupby("observation"):
        cells = [own[own["explainer"] == name] for name in names]
        values = [describe(cell, normalized[cell.index]) if len(cell) else "-" for cell in cells]
        print(f"{observation:<28}" + "".join(f"{value:>26}" for value in values), flush=True)


def print_differences(maps: "pd.DataFrame", name: str) -> None:
    """Print how much more often an explainer's maps peak in the finding than those of the reference."""
    keys = ["seed", "view", "observation"]
    first, second = (maps[maps["explainer"] == one].set_index(keys)["hit"] for one in (name, REFERENCE))
    both = (first - second).dropna().reset_index()
    print(f"\nhit rate, {name} less {REFERENCE}, same views")
    groups = {"all findings": both, "small findings": both[both["observation"].isin(SMALL)]}
    groups |= {one: both[both["observation"] == one] for one in SMALL}
    for what, own in groups.items():
        print(f"  {what:<24}{describe(own, own['hit'])}", flush=True)


def describe(maps: "pd.DataFrame", values: "pd.Series") -> str:
    """Return the mean with its interval, by resampling the studies of each seed, and the number of maps."""
    import numpy as np

    from chexpert.metrics.bootstrap import ENDS
    from chexpert.metrics.resampling import resample_studies

    defined = values.notna().to_numpy()
    if not defined.any():
        return "-"
    kept = values.to_numpy()[defined]
    studies = maps["seed"].astype(str) + maps["view"].str.rpartition("/")[0]
    groups = np.unique(studies.to_numpy()[defined].astype(str), return_inverse=True)[1]
    counts = resample_studies(groups, REPLICATES, 0).astype(float)
    low, high = np.quantile(counts @ kept / counts.sum(1), ENDS)
    return f"{kept.mean():.2f} [{low:.2f}, {high:.2f}] {len(kept)}"


if __name__ == "__main__":
    open_streams()
    main()
