"""A classifier on cached features: the same run as on films, in seconds."""

import json

import numpy as np
import pytest
import torch
from helpers.runs import start

from chexpert.checkpoints import load
from chexpert.engine.features import digest_members, use_features
from chexpert.errors import ProblemError
from chexpert.models import Backbone, Combined, Single

FROZEN = [
    "backbone.frozen=true",
    "model.dropout=0.3",
    "data.augmentation=null",
    "trainer.precision=32-true",
    "explainer=[]",
]
EDGES = ["data.folds=4", "data.fold=1", "trainer.max_epochs=2"]


def weights_of(folder):
    return load(folder).model.head.weight.detach()


@pytest.fixture(scope="module")
def begun(tmp_path_factory, phantom):
    """A run whose weights others start from."""
    folder = tmp_path_factory.mktemp("begun")
    start(folder, phantom, "explainer=[]")
    return folder


@pytest.fixture(scope="module")
def pair(tmp_path_factory, phantom, begun):
    """A run on films, and the same on features."""
    folder, common = tmp_path_factory.mktemp("pair"), [*FROZEN, *EDGES, f"start_from={begun}"]
    for name, features in (("films", "null"), ("features", folder / "cache")):
        start(folder / name, phantom, *common, f"features={features}")
    return folder


def test_the_run_is_the_same_as_on_films(pair):
    films, features = weights_of(pair / "films"), weights_of(pair / "features")
    assert not torch.equal(films, torch.zeros_like(films))
    torch.testing.assert_close(features, films, rtol=1e-5, atol=1e-7)
    for split in ("dev", "valid"):
        told = [np.loadtxt(pair / name / f"predictions/{split}.csv", delimiter=",", skiprows=1, usecols=range(1, 6))
                for name in ("films", "features")]  # fmt: skip
        np.testing.assert_allclose(told[1], told[0], atol=2e-6)
    judged = [
        json.loads((pair / name / "metrics.json").read_text())["dev"]["auroc_mean"] for name in ("films", "features")
    ]
    assert judged[0] == pytest.approx(judged[1], abs=1e-6)


def test_the_checkpoint_holds_the_whole_model(pair):
    states = [load(pair / name).model.state_dict() for name in ("films", "features")]
    assert list(states[0]) == list(states[1])
    assert torch.equal(*(state["_members.backbone.net.conv_stem.weight"] for state in states))


def test_all_folds_share_the_features_and_other_weights_do_not(pair, phantom, begun, tmp_path):
    before = sorted(path.name for path in (pair / "cache").iterdir())
    assert [name.split("-")[0] for name in before] == ["train", "valid"]
    start(
        tmp_path / "fold",
        phantom,
        *FROZEN,
        "data.folds=4",
        "data.fold=2",
        f"start_from={begun}",
        f"features={pair / 'cache'}",
    )
    assert sorted(path.name for path in (pair / "cache").iterdir()) == before
    models = [Single(Backbone("mnasnet_small", frozen=True), 5) for _ in range(2)]
    assert digest_members(models[0]) != digest_members(models[1])


def test_a_film_is_explained_as_ever(phantom, begun, pair, tmp_path):
    chosen = [option for option in FROZEN if not option.startswith("explainer")]
    start(
        tmp_path / "run", phantom, *chosen, "explainer=[gradcam]", f"start_from={begun}", f"features={pair / 'cache'}"
    )
    assert len(json.loads((tmp_path / "run/explanations/gradcam/manifest.json").read_text())) == 6


def test_what_stands_against_it_is_told_at_once(phantom, tmp_path):
    with pytest.raises(ProblemError) as caught:
        start(tmp_path / "run", phantom, f"features={tmp_path}")
    assert "data.augmentation=null" in str(caught.value)
    assert "backbone.frozen=true" in str(caught.value)


def test_a_member_that_is_trained_after_all_is_refused():
    model = Combined({"a": Backbone("mnasnet_small", frozen=True), "b": Backbone("mnasnet_small")}, 5)
    with pytest.raises(ProblemError, match="are trained: b"):
        use_features({"features": "somewhere", "trainer": {}}, model, None)
