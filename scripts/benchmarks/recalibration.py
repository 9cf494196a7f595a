"""Thresholds of report labels on true labels of phantoms, and what each remedy gives on studies that it has not seen.

    scripts/benchmarks/recalibration.py outputs/seed1 outputs/seed2 outputs/seed3 --studies 100 --repeats 20
Each repeat samples so many studies of valid as expert labels, recalibrates on them, and evaluates on all other studies.
"""

import json
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

REMEDIES = ("as is", "prior shift", "prior shift, known prevalence", "refit")


def main() -> None:
    """Print a row for each observation and remedy: mean over runs and repeats, and the spread of the repeats."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--rule", default="f1")
    parser.add_argument("--out", type=Path, default=Path("outputs/bench/recalibration.json"))
    given = parser.parse_args()
    found = [row for run in given.runs for row in measure(run, given.studies, given.repeats, given.rule)]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=2))
    print_table(found, given.rule)


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

    print(
        f"| observation | remedy | possible | threshold by {rule} | recall | precision | F1 |\n|---|---|---|---|---|---|---|"
    )
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
