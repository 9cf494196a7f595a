"""A classifier on cached features: the same run as on images, in seconds."""

import json

import numpy as np
import pytest
import torch
from helpers.runs import start

from chexpert.checkpoints import load
from chexpert.engine.features import digest_members, use_features
from chexpert.errors import UserError
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
    """A run on images, and the same on features."""
    folder, common = tmp_path_factory.mktemp("pair"), [*FROZEN, *EDGES, f"start_from={begun}"]
    for name, features in (("images", "null"), ("features", folder / "cache")):
        start(folder / name, phantom, *common, f"features={features}")
    return folder


def test_the_run_is_the_same_as_on_images(pair):
    images, features = weights_of(pair / "images"), weights_of(pair / "features")
    assert not torch.equal(images, torch.zeros_like(images))
    torch.testing.assert_close(features, images, rtol=1e-5, atol=1e-7)
    for split in ("dev", "valid"):
        paths = [pair / name / f"predictions/{split}.csv" for name in ("images", "features")]
        predictions = [np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(1, 6)) for path in paths]
        np.testing.assert_allclose(predictions[1], predictions[0], atol=2e-6)
    labeled = [
        json.loads((pair / name / "metrics.json").read_text())["dev"]["auroc_mean"] for name in ("images", "features")
    ]
    assert labeled[0] == pytest.approx(labeled[1], abs=1e-6)


def test_the_checkpoint_holds_the_whole_model(pair):
    states = [load(pair / name).model.state_dict() for name in ("images", "features")]
    assert list(states[0]) == list(states[1])
    shared = [key for key in states[0] if key.startswith("_members.backbone.net.")]
    assert len(shared) > 20
    assert all(torch.equal(states[0][key], states[1][key]) for key in shared)


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


def test_an_image_is_explained_as_ever(phantom, begun, pair, tmp_path):
    chosen = [option for option in FROZEN if not option.startswith("explainer")]
    start(
        tmp_path / "run", phantom, *chosen, "explainer=[gradcam]", f"start_from={begun}", f"features={pair / 'cache'}"
    )
    assert len(json.loads((tmp_path / "run/explanations/gradcam/manifest.json").read_text())) == 2


def test_what_stands_against_it_is_reported_at_once(phantom, tmp_path):
    with pytest.raises(UserError) as caught:
        start(tmp_path / "run", phantom, f"features={tmp_path}")
    assert "data.augmentation=null" in str(caught.value)
    assert "backbone.frozen=true" in str(caught.value)


def test_a_member_that_is_trained_after_all_is_refused():
    model = Combined({"a": Backbone("mnasnet_small", frozen=True), "b": Backbone("mnasnet_small")}, 5)
    with pytest.raises(UserError, match="are trained: b"):
        use_features({"features": "somewhere", "trainer": {}}, model, None)
