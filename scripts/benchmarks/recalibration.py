"""Thresholds of report labels on true labels of phantoms, and what each remedy gives on studies that it has not seen.

    scripts/benchmarks/recalibration.py --seeds 1 2 3 --studies 100 --repeats 20
For each phantom a logistic regression of 32 x 32 gray values learns the report labels of train; patients held out of it
choose calibration and thresholds. Each repeat samples so many studies of valid as expert labels (the phantom's truth),
recalibrates on them, and evaluates on all other studies of valid.
"""

import json
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chexpert.observations import COMPETITION

REMEDIES = ("as is", "prior shift", "prior shift, known prevalence", "refit")


def main() -> None:
    """Print a row for each observation and remedy: mean and spread over phantoms and repeats."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--phantoms", type=Path, default=Path("outputs/phantom"))
    parser.add_argument("--valid", type=int, default=400)
    parser.add_argument("--usual", action="store_true", help="train with CheXpert's prevalences; valid stays enriched")
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--rule", default="f1")
    parser.add_argument("--out", type=Path, default=Path("outputs/bench/recalibration.json"))
    given = parser.parse_args()
    found = []
    for seed in given.seeds:
        with TemporaryDirectory() as name:
            run = fit_run(Path(name) / f"seed{seed}", given.phantoms, seed, given.valid, usual=given.usual)
            found += measure(run, given.studies, given.repeats, given.rule)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=2))
    print_table(found, given.rule)


def fit_run(run: Path, phantoms: Path, seed: int, valid: int, *, usual: bool) -> Path:
    """Write predictions, labels, calibration and thresholds of a logistic regression as a run has them."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    from chexpert.data import find_phantom, read_frame, read_gray
    from chexpert.evaluation import Calibration, Thresholds, read_run
    from chexpert.metrics import auroc
    from chexpert.runs import files as run_files

    phantom = Path(find_phantom(phantoms, valid=valid, seed=seed, size=96))
    roots = dict.fromkeys(("train", "dev", "valid"), phantom)
    if usual:
        usual_phantom = Path(find_phantom(phantoms, valid=4, enriched=False, seed=seed, size=96))
        roots |= dict.fromkeys(("train", "dev"), usual_phantom)
    frames = {split: read_frame(roots[split] / f"CheXpert-v1.0-small/{split}.csv") for split in ("train", "valid")}
    frames = {split: own[own["projection"] != "lateral"] for split, own in frames.items()}
    held = frames["train"]["patient"].map(lambda patient: int(patient[-2:]) % 10 < 3)
    frames |= {"dev": frames["train"][held], "train": frames["train"][~held]}
    pixels = {}
    for split, frame in frames.items():
        images = [shrink(read_gray(roots[split] / path)) for path in frame["path"]]
        pixels[split] = np.stack(images)
    scaler = StandardScaler().fit(pixels["train"])
    scores = {split: np.empty((len(frames[split]), len(COMPETITION))) for split in ("dev", "valid")}
    for c, name in enumerate(COMPETITION):
        labels = frames["train"][name].fillna(0).to_numpy()
        known = labels != -1
        rows = scaler.transform(pixels["train"])[known]
        model = LogisticRegression(C=1e-3, max_iter=500).fit(rows, labels[known])
        for split, own in scores.items():
            own[:, c] = model.predict_proba(scaler.transform(pixels[split]))[:, 1]
        truth = frames["valid"][name].to_numpy()
        print(f"seed {seed}, {name}: AUROC on truth {auroc(scores['valid'][:, c], truth).value:.3f}", flush=True)
    for split, own in scores.items():
        frame = frames[split]
        run_files.write_predictions(
            run_files.predictions(run, split), COMPETITION, zip(frame["path"], own.tolist(), strict=True)
        )
        table = frame[list(COMPETITION)].fillna(0).to_numpy()
        cells = [["" if label == -1 else f"{label:.1f}" for label in row] for row in table.tolist()]
        rows = [[path, *row] for path, row in zip(frame["path"], cells, strict=True)]
        run_files.write_table(run_files.labels(run, split), ["Path", *COMPETITION], rows)
    levels = [read_run(run, "dev", level) for level in ("image", "study")]
    Calibration.fit("platt", "dev", levels).write(run / run_files.CALIBRATION)
    Thresholds.choose("dev", "report", levels).write(run / run_files.THRESHOLDS)
    return run


def shrink(image: Any, side: int = 32) -> Any:
    """Return an image (H, W) uint8 as (1024,) float."""
    import numpy as np
    from PIL import Image

    small = Image.fromarray(np.asarray(image)).resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, "float64").ravel()


def measure(run: Path, studies: int, repeats: int, rule: str) -> list[dict[str, Any]]:
    """Return of each repeat, observation and remedy the shares on the studies that were not sampled."""
    import numpy as np

    from chexpert.evaluation import Thresholds, read_run
    from chexpert.evaluation.recalibrate import recalibrate
    from chexpert.runs import files as run_files
    from chexpert.tables.csv_text import read_records

    labeled = read_run(run, "valid", "study")
    own = Thresholds.read(run / run_files.THRESHOLDS).by_level()["study"]
    records = read_records(run_files.labels(run, "valid"))
    paths = records.column("Path")
    names = labeled.study_names()
    rows = []
    for repeat in range(repeats):
        sampled = np.random.default_rng(repeat).permutation(len(names))[:studies]
        wanted = {names[row] for row in sampled.tolist()}
        held_out = np.array([name not in wanted for name in names])
        truth = {name: labeled.labels[held_out, c] for c, name in enumerate(labeled.observations)}
        with TemporaryDirectory() as folder:
            path = Path(folder) / "labels.csv"
            columns = [paths, *(records.column(name) for name in labeled.observations)]
            kept = [cells for cells in zip(*columns, strict=True) if strip(cells[0]) in wanted]
            run_files.write_table(path, ["Path", *labeled.observations], kept)
            prevalence = {name: float(np.mean(labels)) for name, labels in truth.items()}
            plain = recalibrate(run, path, replicates=20)
            known = recalibrate(run, path, replicates=20, prevalence=prevalence)
        for c, name in enumerate(labeled.observations):
            remedies = plain.report["observations"][name]["remedies"]
            exact = known.report["observations"][name]["remedies"]
            values = {
                "as is": own[name][rule],
                "prior shift": get_threshold(remedies["prior_shift"], rule),
                "prior shift, known prevalence": get_threshold(exact["prior_shift"], rule),
                "refit": get_threshold(remedies["refit"], rule),
            }
            for remedy, threshold in values.items():
                shares = count(labeled.scores[held_out, c], truth[name], threshold)
                rows.append({"run": run.name, "repeat": repeat, "observation": name, "remedy": remedy} | shares)
    return rows


def strip(path: str) -> str:
    """Return the study of a view as the runs name it."""
    from chexpert.evaluation import strip_copy
    from chexpert.metrics import find_study

    return strip_copy(find_study(path))


def get_threshold(remedy: dict[str, Any] | None, rule: str) -> float | None:
    """Return the threshold of a remedy; None where it was not possible."""
    return None if remedy is None else remedy["rules"][rule]["threshold"]


def count(scores: Any, labels: Any, threshold: float | None) -> dict[str, float | None]:
    """Return recall, precision and F1 of a threshold."""
    if threshold is None:
        return dict.fromkeys(("threshold", "recall", "precision", "f1"))
    predicted = scores >= threshold
    hits, positives, called = float((predicted & (labels == 1)).sum()), float(labels.sum()), float(predicted.sum())
    return {
        "threshold": threshold,
        "recall": hits / positives if positives else None,
        "precision": hits / called if called else None,
        "f1": 2 * hits / (positives + called) if positives + called else None,
    }


def print_table(rows: list[dict[str, Any]], rule: str) -> None:
    """Print means, and the 2.5th and 97.5th percentile over runs and repeats."""
    import numpy as np

    print(f"| observation | remedy | possible | threshold by {rule} | recall | precision | F1 |")
    print("|---|---|---|---|---|---|---|")
    for name in dict.fromkeys(row["observation"] for row in rows):
        for remedy in REMEDIES:
            own = [row for row in rows if row["observation"] == name and row["remedy"] == remedy]
            cells = []
            for key in ("threshold", "recall", "precision", "f1"):
                values = [row[key] for row in own if row[key] is not None]
                low, high = np.percentile(values, (2.5, 97.5)) if values else (np.nan, np.nan)
                cells.append(f"{np.mean(values):.3f} [{low:.2f}, {high:.2f}]" if values else "-")
            possible = sum(row["threshold"] is not None for row in own)
            print(f"| {name} | {remedy} | {possible} of {len(own)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
