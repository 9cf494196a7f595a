"""A validation over batches and processes, and its metrics."""

import math

import numpy as np
import pytest
import torch

from chexpert.data import Batch
from chexpert.metrics import mean_auroc_interval
from chexpert.training.validation import Validation

NAMES = ["Edema", "Fracture"]


def make_batch(rows, targets, name="patient{}/study1/view1"):
    targets = torch.tensor(targets, dtype=torch.float32)
    images, paths = torch.zeros(len(rows), 1, 1, 1), [name.format(row) for row in rows]
    return Batch(images, targets, torch.ones_like(targets, dtype=torch.bool), paths, [], rows=rows)


def see(*batches, **options):
    """Return a validation that has seen these (batch, logits, loss)."""
    validation = Validation(NAMES, NAMES, **options)
    validation.begin()
    for batch, logits, loss in batches:
        validation.see(batch, torch.tensor(logits), torch.tensor(loss))
    return validation


def gather(monkeypatch, own, *others, skipped=(), flagged=()):
    """Gather as if each validation were another process; return skipped and flagged images."""
    parts = []

    def collect(shares, part):
        parts.append(part)
        shares[:] = parts if len(parts) == len(shares) else [part] * len(shares)

    monkeypatch.setattr(torch.distributed, "all_gather_object", collect)
    count = len(others) + 1
    for number, other in enumerate(others):
        other.gather(count, {f"gone{number}"}, {f"dark{number}": "no contrast"})
    return own.gather(count, set(skipped), dict(flagged))


FIRST = make_batch([0, 2], [[0, 1], [1, 0]]), [[0.0, 3.0], [2.0, 1.0]], 1.0
SECOND = make_batch([1], [[1, 0]]), [[1.0, 2.0]], 4.0


def test_two_processes_give_one_validation(monkeypatch):
    own, other = see(SECOND), see(FIRST)
    skipped, flagged = gather(monkeypatch, own, other, skipped={"gone"}, flagged={"ct": "modality CT"})
    assert skipped == {"gone", "gone0"}
    assert flagged == {"ct": "modality CT", "dark0": "no contrast"}
    assert own.paths == [f"patient{row}/study1/view1" for row in range(3)]
    assert own.scores.rows()[0].logit()[:, 0].tolist() == pytest.approx([0, 1, 2], abs=1e-5)
    assert own.scores.rows()[1].tolist() == [[0, 1], [1, 0], [1, 0]]
    assert own.evaluate_run() == pytest.approx((4 * 1 + 2 * 4) / 6)  # over labels
    assert own.auroc == {"Edema": (1.0, 2, 1), "Fracture": (1.0, 1, 2)}


def test_process_may_have_seen_nothing(monkeypatch):
    own = see(FIRST)
    gather(monkeypatch, own, see())
    assert own.evaluate_run() == 1.0
    assert (own.rows, len(own.labeled[0])) == ([0, 2], 2)


def test_restored_validation_is_the_same():
    own, again = see(FIRST, SECOND), Validation(NAMES, NAMES)
    again.restore(own.state())
    assert (again.paths, again.rows) == (own.paths, own.rows)
    assert all(torch.equal(*parts) for parts in zip(again.scores.rows(), own.scores.rows(), strict=True))
    assert again.evaluate_run() == own.evaluate_run()
    assert again.auroc == own.auroc


def test_empty_validation_is_undefined():
    validation = see()
    assert validation.evaluate_run() == 0
    assert math.isnan(validation.find_mean()[0])


def test_validation_has_no_weights_and_no_state():
    validation = see(FIRST)
    assert (list(validation.parameters()), dict(validation.state_dict())) == ([], {})


def test_interval_is_over_defined_observations():
    batch = make_batch([0, 1, 2, 3], [[0, 1], [1, 1], [0, 1], [1, 1]])  # nobody without a fracture
    validation = see((batch, [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0]], 1.0))
    validation.evaluate_run()
    interval, over = validation.find_interval()
    assert over == ["Edema"]
    edema, studies = [part[:, :1] for part in validation.labeled], np.arange(4)
    assert interval == mean_auroc_interval(*edema, studies, replicates=200)


@pytest.mark.parametrize(
    ("level", "score", "expected", "rows"),
    [("image", "max", (0.5, 2, 1), 3), ("study", "max", (1.0, 1, 1), 2), ("study", "mean", (0.0, 1, 1), 2)],
)
def test_studies_are_scored_by_the_maximum_or_mean_of_views(level, score, expected, rows):
    batch = make_batch([0, 1, 2], [[1, 0], [1, 0], [0, 1]])._replace(paths=["a/study1/1", "a/study1/2", "b/study1/1"])
    validation = see((batch, [[-4.0, 0.0], [4.0, 0.0], [2.0, 1.0]], 1.0), level=level, study_score=score)
    validation.evaluate_run()  # study a: .982 or .5, study b: .881
    assert (validation.auroc["Edema"], len(validation.labeled[0])) == (expected, rows)
