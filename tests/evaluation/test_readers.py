"""Readers' points: read, and plotted on the ROC curve of their observation."""

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.evaluation import LabeledScores
from chexpert.evaluation.readers import ReaderPoint, read_readers
from chexpert.report.figures.roc import plot_curves

HEADER = "observation,reader,sensitivity,specificity\n"


def test_points_are_read_by_observation_and_plotted(tmp_path):
    path = tmp_path / "readers.csv"
    path.write_text(HEADER + "edema,bc4,.63,.92\nEdema,bc6,.8,.81\nPleural Effusion,bc4,0.82,0.95\n")
    found = read_readers(path)
    assert found["Edema"] == [ReaderPoint("bc4", 0.63, 0.92), ReaderPoint("bc6", 0.8, 0.81)]
    assert list(found) == ["Edema", "Pleural Effusion"]
    labels = np.array([[0.0, 0], [1, 1], [0, 1], [1, 0]])
    scores = np.linspace(0, 1, 8).reshape(4, 2)
    labeled = LabeledScores(list("abcd"), np.arange(4), ["Edema", "Fracture"], scores, labels, "image", "max")
    edema, fracture = plot_curves(labeled, {}, "", "c", found)
    assert (edema.readers, fracture.readers) == (2, 0)
    (plain, _) = plot_curves(labeled, {}, "", "c")
    assert "#009E73".lower() in edema.roc.lower()
    assert "#009E73".lower() not in (plain.roc + fracture.roc).lower()


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("observation,reader,sensitivity\nEdema,a,1\n", "missing-column", "line 1"),
        (HEADER + "Oedemata,a,.5,.5\n", "unknown-observation", "line 2, column observation"),
        (HEADER + "Edema,a,.5,1.5\n", "value", "line 2, column specificity"),
        (HEADER + "Edema,a,.5,x\n", "cell", "line 2, column specificity"),
        (HEADER + "Edema,a,.5,.5\nEdema,a,.5,.6\n", "repeated", "line 3, column reader"),
    ],
)
def test_file_that_is_no_table_of_readers_is_an_error(tmp_path, text, code, place):
    path = tmp_path / "readers.csv"
    path.write_text(text)
    with raises(code, f"{path}, {place}"):
        read_readers(path)
