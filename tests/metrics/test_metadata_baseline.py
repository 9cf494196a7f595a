import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from chexpert.metrics.metadata_baseline import compare_baselines, predict_baseline


@pytest.fixture
def made():
    """60 images to train on and 40 to evaluate; the first feature predicts the label, the second does not."""
    rng = np.random.default_rng(0)
    labels = (rng.random(100) < 0.4).astype("float64")
    signal = np.column_stack([40 * labels + rng.normal(50, 15, 100), rng.normal(size=100)])
    other = rng.normal(size=(100, 3))
    return signal, other, labels


def test_baselines_match_sklearn(made):
    signal, other, labels = made
    learned, evaluated = ({"metadata": signal[part], "gray": other[part]} for part in (slice(60), slice(60, 100)))
    result = compare_baselines(learned, labels[:60], evaluated, labels[60:], np.zeros(40))
    for kind, features in (("metadata", signal), ("gray", other), ("both", np.hstack([signal, other]))):
        scaler = StandardScaler().fit(features[:60])
        model = LogisticRegression(max_iter=1000).fit(scaler.transform(features[:60]), labels[:60])
        theirs = roc_auc_score(labels[60:], model.predict_proba(scaler.transform(features[60:]))[:, 1])
        assert result[kind]["value"] == pytest.approx(theirs, abs=1e-12)


def test_unlabeled_images_are_left_out_of_both_parts(made):
    signal, _, labels = made
    blank = labels.copy()
    blank[::5] = np.nan
    kept = np.isfinite(blank)
    blanks = compare_baselines({"a": signal[:60]}, blank[:60], {"a": signal[60:]}, blank[60:], signal[60:, 0])
    left = compare_baselines(
        {"a": signal[:60][kept[:60]]}, labels[:60][kept[:60]], {"a": signal[60:][kept[60:]]}, labels[60:][kept[60:]],
        signal[60:, 0][kept[60:]],
    )  # fmt: skip
    assert blanks == left


def test_model_equal_to_its_metadata_reaches_only_them(made):
    signal, other, labels = made
    result = compare_baselines(
        {"metadata": signal[:60], "gray": other[:60]}, labels[:60], {"metadata": signal[60:], "gray": other[60:]},
        labels[60:], signal[60:, 0],
    )  # fmt: skip
    assert "metadata" in result["reached"]
    assert "gray" not in result["reached"]


def test_training_labels_of_one_class_give_no_baseline(made):
    signal, _, labels = made
    assert predict_baseline(signal[:60], np.zeros(60), signal[60:]) is None
    result = compare_baselines({"a": signal[:60]}, np.zeros(60), {"a": signal[60:]}, labels[60:], signal[60:, 0])
    assert result["a"] is None
    assert result["reached"] == []
    assert result["model"]["value"] == pytest.approx(roc_auc_score(labels[60:], signal[60:, 0]))
