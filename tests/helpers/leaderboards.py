"""A made-up folder in the layout of CheXpert's public test labels: 500 studies, 10 entries, 3 readers."""

import csv

import numpy as np

from chexpert.observations import COMPETITION, OBSERVATIONS

COUNT = 500
RNG = np.random.default_rng(7)
STUDIES = [f"CheXpert-v1.0/test/patient{64741 + row}/study1" for row in range(COUNT)]
PREVALENCE = dict(zip(COMPETITION, (0.31, 0.30, 0.06, 0.16, 0.21), strict=True))
"""Of the real 500 studies."""
TRUTH = {name: (RNG.random(COUNT) < PREVALENCE.get(name, 0.1)).astype(float) for name in OBSERVATIONS}
NOISE = {name: RNG.normal(size=COUNT) for name in OBSERVATIONS}
SKILLS = np.linspace(1.2, 2.0, 10)


def make_scores(skill, seed):
    """Scores by observation, rounded so that some tie."""
    rng = np.random.default_rng(seed)
    raw = {name: skill * TRUTH[name] + 0.8 * NOISE[name] + 0.6 * rng.normal(size=COUNT) for name in COMPETITION}
    return {name: (1 / (1 + np.exp(-values))).round(3) for name, values in raw.items()}


ENTRIES = {f"team{seed}": make_scores(skill, seed) for seed, skill in enumerate(SKILLS)}
READERS = {
    reader: {
        name: (np.random.default_rng([seed, c]).random(COUNT) < np.where(TRUTH[name] == 1, 0.7, 0.15)).astype(float)
        for c, name in enumerate(OBSERVATIONS)
    }
    for seed, reader in enumerate(("bc4", "bc6", "bc8"))
}


def write_scores(path, columns, names=STUDIES, rows=None, key="Study", digits=repr):
    """A table by name, columns and rows in another order each time, without a final newline."""
    rng = np.random.default_rng(len(path.name) + len(columns))
    order = list(rng.permutation(list(columns)))
    rows = rng.permutation(len(names)) if rows is None else rows
    spelled = ["Airspace Opacity" if name == "Lung Opacity" else name for name in order]
    lines = [[key, *spelled], *([names[row], *(digits(float(columns[name][row])) for name in order)] for row in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    path.write_text(path.read_text().rstrip("\n"))
    return path


def write_board(folder):
    """The folder."""
    write_scores(folder / "groundtruth.csv", TRUTH)
    for name, scores in ENTRIES.items():
        write_scores(folder / f"example_models/predictions/standard/{name}.csv", scores)
    for name, readings in READERS.items():
        write_scores(folder / f"radiologists/benchmark_radiologists/{name}.csv", readings)
    return folder
