"""View check, distance and file of a gate, on made-up images and features."""

import json

import numpy as np
import pytest
from helpers.errors import raises
from safetensors.numpy import load_file, save_file

from chexpert.gate import Gate, check_weights, read_gate, write_gate
from chexpert.gate.feature_distance import FeatureDistance, fit_distance
from chexpert.gate.folds import assign_folds
from chexpert.gate.thumbnails import make_thumbnails, standardize, transform
from chexpert.gate.view_check import NEVER, _fit, fit_view_check
from chexpert.metrics.distances import Gaussian

PATIENTS = [f"patient{n // 2}" for n in range(60)]


def paint(count, seed, lateral=False):
    """A bright upper left corner and a dark floor, with noise; of a lateral a bright middle column."""
    rng = np.random.default_rng(seed)
    image = np.full((48, 48), 110.0)
    if lateral:
        image[:, 18:30] = 220
    else:
        image[:16, :20], image[36:] = 220, 20
    return (image + rng.normal(0, 15, (count, 48, 48))).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def view():
    upright, laterals = make_thumbnails(paint(60, 0)), make_thumbnails(paint(20, 1, lateral=True))
    return fit_view_check(upright, PATIENTS, laterals, [f"other{n}" for n in range(20)], seed=0)


@pytest.fixture(scope="module")
def gate(view):
    features = np.random.default_rng(0).normal(size=(60, 12))
    distance = fit_distance("mahalanobis", features, PATIENTS, np.zeros((0, 12)), seed=0)
    return Gate("0123456789abcdef", view, distance, {"images": 60})


def test_thumbnails_transform_as_images_do():
    images = paint(2, 0)
    found = transform(make_thumbnails(images))
    assert np.allclose(found["inverted"], make_thumbnails(255 - images))
    for turns in (1, 2, 3):
        turned = np.ascontiguousarray(np.rot90(images, turns, (1, 2)))
        assert np.allclose(found[f"rotated by {90 * turns} degrees"], make_thumbnails(turned))


def test_brightness_and_contrast_do_not_count():
    one = make_thumbnails(paint(1, 0))
    assert np.allclose(standardize(one), standardize(one * 0.5 + 40), atol=0.05)


def test_views_and_orientations_are_recognized(view):
    images = paint(20, 7)
    assert list(view.check(images)) == [None] * 20
    found = {
        "inverted": 255 - images,
        "lateral": paint(20, 8, lateral=True),
        **{f"rotated by {90 * n} degrees": np.ascontiguousarray(np.rot90(images, n, (1, 2))) for n in (1, 2, 3)},
    }
    for kind, changed in found.items():
        assert {str(reason).partition(":")[0] for reason in view.check(changed)} == {kind}
    assert list(view.check(np.ascontiguousarray(images[:, :, ::-1]))) == [None] * 20  # mirrored


def test_probability_is_that_of_scikit_learn(view):
    """The log odds are those of a softmax over the kinds."""
    odds = view.measure(paint(3, 9))
    assert odds.shape == (3, 6)
    assert (odds[:, 0] == 0).all()


def test_without_laterals_there_is_no_such_kind():
    upright = make_thumbnails(paint(60, 0))
    assert "lateral" not in fit_view_check(upright, PATIENTS, upright[:0], [], seed=0).kinds


def test_laterals_of_few_patients_are_no_kind():
    upright, laterals = make_thumbnails(paint(60, 0)), make_thumbnails(paint(20, 1, lateral=True))
    assert "lateral" not in fit_view_check(upright, PATIENTS, laterals, ["one"] * 20, seed=0).kinds


def test_kind_that_a_fold_leaves_out_is_never_the_more_probable_one():
    rows, numbers = np.random.default_rng(0).normal(size=(30, 4)), np.repeat([0, 1, 3], 10)
    weights, bias = _fit(rows, numbers, 4)
    assert (weights.shape, bias.shape) == ((4, 4), (4,))
    assert (rows @ weights.T + bias).argmax(1).max() in (0, 1, 3)
    assert ((rows @ weights.T + bias)[:, 2] == NEVER).all()


def test_patients_stay_together():
    folds = assign_folds(PATIENTS, 5, seed=0)
    assert set(folds) == {0, 1, 2, 3, 4}
    assert (folds[::2] == folds[1::2]).all()


@pytest.mark.parametrize("method", ["mahalanobis", "knn"])
def test_far_features_lie_beyond_the_limit_and_like_ones_within(method):
    rng = np.random.default_rng(3)
    features, patients = rng.normal(3, 1, size=(200, 16)), [str(n) for n in range(200)]
    distance = fit_distance(method, features, patients, rng.normal(3, 1, size=(50, 16)), seed=0)
    like, far = distance.measure(rng.normal(3, 1, size=(500, 16))), distance.measure(rng.normal(-3, 1, size=(50, 16)))
    assert (like > distance.limit).mean() <= 0.02
    assert (far > distance.limit).all()


def test_limit_is_also_that_of_held_out_images():
    rng = np.random.default_rng(0)
    features, patients = rng.normal(size=(100, 8)), [str(n) for n in range(100)]
    near, far = (
        fit_distance("mahalanobis", features, patients, spread * rng.normal(size=(50, 8)), seed=0).limit
        for spread in (0.1, 3)
    )
    assert far > 2 * near


def test_knn_measures_from_the_fifth_nearest():
    reference = np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 1, 7)])
    distance = FeatureDistance("knn", 1.0, reference=reference)
    expected = sorted(np.linalg.norm(reference - reference[0], axis=1))[4]
    assert distance.measure(3 * reference[:1])[0] == pytest.approx(expected)


def test_reasons_have_their_numbers(gate):
    images, features = paint(2, 5), np.zeros((2, 12))
    features[1] = 50
    images[1] = 255 - images[1]
    assert gate.check(images, features)[0] == []
    view_reason, far = gate.check(images, features)[1]
    assert view_reason.startswith("inverted: probability ")
    assert far.startswith("unlike the training images: distance 5")


def test_a_distance_that_is_no_number_is_flagged(gate):
    assert len(gate.check(paint(1, 5), np.full((1, 12), np.nan))[0]) == 1


def test_other_number_of_features_is_an_error(gate):
    with raises("other-weights", "the gate"):
        gate.check(paint(1, 5), np.zeros((1, 13)))


@pytest.mark.parametrize("method", ["mahalanobis", "knn"])
def test_stored_gate_finds_the_same(tmp_path, gate, method):
    features = np.random.default_rng(0).normal(size=(60, 12))
    distance = fit_distance(method, features, PATIENTS, features[:0], seed=0)
    path = tmp_path / "gate.safetensors"
    write_gate(path, Gate(gate.weights, gate.view, distance, {"images": 60}))
    found = read_gate(path)
    assert (found.weights, found.view.kinds, found.facts) == (gate.weights, gate.view.kinds, {"images": 60})
    assert found.distance.limit == distance.limit
    assert found.distance.measure(features) == pytest.approx(distance.measure(features), rel=1e-5)
    assert found.view.measure(paint(2, 3)) == pytest.approx(gate.view.measure(paint(2, 3)), rel=1e-4, abs=1e-4)
    assert path.stat().st_size < 20_000
    assert b"patient" not in path.read_bytes()


def test_missing_gate_and_other_weights_are_errors(tmp_path, gate):
    path = tmp_path / "gate.safetensors"
    with raises("missing-file", str(path)):
        read_gate(path)
    with raises("other-weights", str(path)):
        check_weights(gate, "f" * 16, path)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "no-gate", "shapes", "nan", "method"])
def test_damaged_gate_is_one_error(tmp_path, gate, damage):
    path = tmp_path / "gate.safetensors"
    write_gate(path, gate)
    tensors, content = load_file(path), path.read_bytes()
    if damage in ("empty", "cut", "text"):
        path.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "text": b"no gate at all"}[damage])
    else:
        head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        tensors |= {"shapes": {"view/bias": np.zeros(2, np.float32)}}.get(damage, {})
        tensors |= {"nan": {"distance/mean": np.full(12, np.nan, np.float32)}}.get(damage, {})
        head = {} if damage == "no-gate" else head
        if damage == "method":
            head["chexpert"] = head["chexpert"].replace("mahalanobis", "euclid")
        save_file(tensors, path, metadata=head)
    with raises("damaged-file", str(path)):
        read_gate(path)


def test_newer_gate_is_an_error(tmp_path, gate):
    path = tmp_path / "gate.safetensors"
    write_gate(path, gate)
    tensors, content = load_file(path), path.read_bytes()
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    save_file(tensors, path, metadata={"chexpert": head["chexpert"].replace('"format": 1', '"format": 9')})
    with raises("newer-version", str(path)):
        read_gate(path)


def test_gaussian_of_a_file_needs_positive_variances(tmp_path, gate):
    old = gate.distance.gaussian
    wrong = Gaussian(old.mean, old.scale, old.directions, -old.variances, old.rest)
    path = tmp_path / "gate.safetensors"
    write_gate(path, Gate(gate.weights, gate.view, FeatureDistance("mahalanobis", 1.0, wrong), {}))
    with raises("damaged-file", str(path)):
        read_gate(path)
