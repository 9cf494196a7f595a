"""In how many of 100 patient splits the coverage of prediction sets lies in its 95 % band, by class.

The sets are fitted on one part of the patients and their coverage is counted on the other. Two bands: the binomial one
about 1 - error rate, as if the sets were known for good; and the beta-binomial one, in which the patients that the sets
were fitted on vary too. With as many patients of a class in both parts the first holds about 83 of 100, the second 95
or a little more. How many of 100 lie in a band is itself a sample: its standard deviation is about 2.

Simulated scores: two normal distributions, 1.2 apart. Of a run: the predictions of a split, patients halved; counted on
one row a patient and class, as the sets are fitted, and on all rows.

    python scripts/benchmarks/prediction_set_coverage.py [--run RUN --split dev] [--splits 100] [--seeds 5] [--rate 0.1]
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chexpert.console import open_streams

if TYPE_CHECKING:
    import numpy as np

    from chexpert.evaluation import LabeledScores

SIMULATED = (
    ("calibration rows are many", (40_000, 4_000), (900, 100)),
    ("both parts alike", (900, 100), (900, 100)),
    ("few rows of a class", (900, 20), (900, 100)),
)
"""A name, the calibration rows and the new rows, absent and present."""
Counts = tuple[int, int, int]
"""Calibration rows, new rows, and how many of these are covered."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--run", type=Path, metavar="RUN", help="run folder with predictions of several hundred patients"
    )
    parser.add_argument("--split", default="dev")
    parser.add_argument("--splits", type=int, default=100, help="of each seed")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=0.1)
    given = parser.parse_args()
    import numpy as np  # after the parsing, so that --help is quick

    for seed in range(given.seeds):
        rng = np.random.default_rng(seed)
        for name, rows, new in SIMULATED:
            found = [simulate(rng, rows, new, given.rate) for _ in range(given.splits)]
            for label, kind in enumerate(("absent", "present")):
                report(f"seed {seed}, simulated, {name}, {kind}", [one[label] for one in found], given.rate)
        if given.run:
            for name, counts in split_run(rng, given.run, given.split, given.splits, given.rate):
                report(f"seed {seed}, {name}", counts, given.rate)


def simulate(rng: "np.random.Generator", rows: tuple[int, int], new: tuple[int, int], rate: float) -> list[Counts]:
    """Return the counts of ``absent`` and ``present`` of one simulated split."""
    import numpy as np

    from chexpert.metrics.conformal import choose_sets, fit_bounds

    labels = np.repeat([0, 1], rows)
    bounds = fit_bounds(rng.normal(1.2 * labels), labels)
    found = []
    for label in (0, 1):
        sets = choose_sets(rng.normal(1.2 * label, size=new[label]), bounds, rate)
        found.append((rows[label], new[label], int(((sets & (1 + label)) > 0).sum())))
    return found


def split_run(
    rng: "np.random.Generator", run: Path, split: str, splits: int, rate: float
) -> Iterator[tuple[str, list[Counts]]]:
    """Yield a name and the counts of all splits, by observation, class and rows that are counted."""
    import numpy as np

    from chexpert.evaluation import PredictionSets, read_run
    from chexpert.metrics import find_patient, number_studies
    from chexpert.runs.read import read_config

    config = read_config(run)
    labeled = read_run(run, split, config["level"], config["study_score"])
    patients, names = number_studies([find_patient(name) for name in labeled.names])
    print(f"{run}, {split}: {len(labeled.names)} rows of {len(names)} patients, level {labeled.level}", flush=True)
    found: dict[str, list[Counts]] = {}
    for _ in range(splits):
        half = rng.permutation(len(names))[: len(names) // 2]
        fitted = np.isin(patients, half)
        sets = PredictionSets.fit(split, [take(labeled, fitted)])
        for name, counts in count_covered(take(labeled, ~fitted), sets, rate):
            found.setdefault(name, []).append(counts)
    yield from found.items()


def take(labeled: "LabeledScores", rows: "np.ndarray") -> "LabeledScores":
    """Return some of the rows."""
    from dataclasses import replace

    import numpy as np

    places = np.flatnonzero(rows)
    return replace(
        labeled,
        names=[labeled.names[place] for place in places.tolist()],
        studies=labeled.studies[rows],
        scores=labeled.scores[rows],
        labels=labeled.labels[rows],
    )


def count_covered(labeled: "LabeledScores", sets: Any, rate: float) -> Iterator[tuple[str, Counts]]:
    """Yield the counts of each observation and class, on one row a patient and on all rows."""
    import numpy as np

    from chexpert.evaluation.prediction_sets import select_rows
    from chexpert.metrics.conformal import CLASSES, choose_sets

    for c, name in enumerate(labeled.observations):
        bounds = sets.levels[labeled.level][name]
        if sets.list_missing([name], labeled.level, rate):
            continue
        covered = choose_sets(labeled.scores[:, c], bounds, rate)
        for label, kind in enumerate(CLASSES):
            own = np.flatnonzero(labeled.labels[:, c] == label)
            (single,) = select_rows(labeled.names, labeled.labels[None, :, c] == label)
            for words, rows in (("one row a patient", single), ("all rows", own)):
                count = int(((covered[rows] & (1 + label)) > 0).sum())
                yield f"{name}, {kind}, {words}", (bounds[kind]["rows"], len(rows), count)


def report(name: str, splits: list[Counts], rate: float) -> None:
    """Print of how many splits the covered rows lie in each band, and the mean coverage with its spread."""
    import numpy as np
    from scipy.stats import binom

    from chexpert.metrics.conformal import coverage_band

    inside = {"binomial": 0, "beta-binomial": 0}
    for rows, new, count in splits:
        plain = binom.ppf([0.025, 0.975], new, 1 - rate)
        inside["binomial"] += plain[0] <= count <= plain[1]
        low, high = coverage_band(rows, new, rate)
        inside["beta-binomial"] += low <= count <= high
    shares = np.array([count / new for _, new, count in splits])
    rows, new = (round(np.mean([one[place] for one in splits])) for place in (0, 1))
    bands = ", ".join(f"{band} {count} of {len(splits)}" for band, count in inside.items())
    print(
        f"{name}, {rows:,} fitted, {new:,} new: {bands}; coverage {shares.mean():.3f}, sd {shares.std():.3f}",
        flush=True,
    )


if __name__ == "__main__":
    open_streams()
    main()
