"""The same rows in another order give the same metrics and intervals, to the last digit."""

import json
from pathlib import Path

import numpy as np
import pytest

from chexpert.evaluation import compare, evaluate_files, read_predictions
from chexpert.evaluation.ensemble import average
from chexpert.metrics.localization.chexlocalize import localize_segmentations
from chexpert.metrics.localization.run_lengths import encode
from chexpert.metrics.localization.segmentations import Segmentations

VIEWS = [f"CheXpert-v1.0/valid/patient{row // 2 + 1}/study1/view{row % 2 + 1}_frontal.jpg" for row in range(60)]
NAMES = ["Edema", "Cardiomegaly"]


def write(path, names, columns, rows, order):
    path.parent.mkdir(exist_ok=True)
    lines = [",".join(["Path", *columns])]
    path.write_text("\n".join([*lines, *(",".join([names[row], *map(str, rows[row])]) for row in order)]) + "\n")
    return path


@pytest.fixture
def orders(tmp_path):
    """Folders with the same predictions of two models and labels, each in another order of rows."""
    rng = np.random.default_rng(0)
    labels = np.repeat((rng.random((30, 2)) < 0.4).astype(int), 2, axis=0)
    sexes = np.repeat(rng.choice(["Male", "Female"], 30), 2)
    rows = [[*own, sex] for own, sex in zip(labels.tolist(), sexes, strict=True)]
    models = [(0.4 * labels + 0.6 * rng.random((60, 2))).tolist() for _ in range(2)]
    folders = []
    for name, order in (("plain", range(60)), ("shuffled", rng.permutation(60)), ("reversed", range(59, -1, -1))):
        folder = tmp_path / name
        for number, model in enumerate(models):
            write(folder / f"{number}.csv", VIEWS, NAMES, model, order)
        write(folder / "labels.csv", VIEWS, [*NAMES, "Sex"], rows, np.roll(order, 7))
        folders.append(folder)
    return folders


@pytest.mark.parametrize("options", [{}, {"level": "image"}, {"views": "mean"}])
def test_evaluate_ignores_the_order_of_rows(orders, options):
    found = [
        evaluate_files(folder / "0.csv", folder / "labels.csv", replicates=50, group_by=["sex"], **options)
        for folder in orders
    ]
    texts = {json.dumps(content) for content in found}
    assert len(texts) == 1
    assert found[0]["auroc"]["Edema"]["ci_low"] < found[0]["auroc"]["Edema"]["value"]


@pytest.mark.parametrize("level", ["study", "image"])
def test_compare_ignores_the_order_of_rows(orders, monkeypatch, level):
    texts = set()
    for folder in orders:
        monkeypatch.chdir(folder)
        paths = [Path("0.csv"), Path("1.csv")]
        texts.add(json.dumps(compare(paths, labels=Path("labels.csv"), level=level, replicates=50)))
    assert len(texts) == 1


@pytest.mark.parametrize("how", ["mean", "rank"])
def test_average_ignores_the_order_of_rows(orders, how):
    found = []
    for folder in orders:
        members = [read_predictions(folder / "0.csv"), read_predictions(orders[0] / "1.csv")]
        averaged = average(dict.fromkeys(NAMES, members), how)
        found.append(dict(zip(averaged.names, zip(*averaged.columns.values(), strict=True), strict=True)))
    assert found[0] == found[1] == found[2]


def test_mask_scores_ignore_the_order_of_views():
    rng = np.random.default_rng(0)
    sides = [{f"patient{n}_study1_view1_frontal": {"Edema": encode(rng.random((8, 8)) < 0.5)} for n in range(12)}
             for _ in range(2)]  # fmt: skip
    turned = [dict(reversed(masks.items())) for masks in sides]
    tables = [localize_segmentations(*(Segmentations(one, "here") for one in pair), 50) for pair in (sides, turned)]
    assert json.dumps(tables[0]) == json.dumps(tables[1])


def test_rows_are_sorted_as_chexpert_lists_them(orders):
    assert read_predictions(orders[1] / "0.csv").in_order.names == VIEWS
