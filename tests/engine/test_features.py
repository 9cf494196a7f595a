"""Training a classifier on cached features equals training on images."""

import hashlib
import json

import numpy as np
import pytest
import torch
from helpers.errors import raises
from helpers.runs import start

from chexpert.checkpoints import load
from chexpert.engine.features import digest_member, use_features
from chexpert.errors import UserErrors
from chexpert.models import Backbone, Combined, Single

FROZEN = [
    "backbone.frozen=true",
    "model.dropout=0.3",
    "data.augmentation=null",
    "trainer.precision=32-true",
    "explainer=[]",
]
EDGES = ["data.folds=4", "data.fold=1", "trainer.max_epochs=2"]


def read_weights(folder):
    return load(folder).model.head.weight.detach()


@pytest.fixture(scope="module")
def source(tmp_path_factory, phantom):
    """A run whose weights others start from."""
    folder = tmp_path_factory.mktemp("source")
    start(folder, phantom, "explainer=[]")
    return folder


@pytest.fixture(scope="module")
def pair(tmp_path_factory, phantom, source):
    """A run on images, and the same on features."""
    folder, common = tmp_path_factory.mktemp("pair"), [*FROZEN, *EDGES, f"start_from={source}"]
    for name, features in (("images", "null"), ("features", folder / "cache")):
        start(folder / name, phantom, *common, f"features={features}")
    return folder


def test_run_on_features_matches_the_run_on_images(pair):
    images, features = read_weights(pair / "images"), read_weights(pair / "features")
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


def test_checkpoint_holds_the_whole_model(pair):
    states = [load(pair / name).model.state_dict() for name in ("images", "features")]
    assert list(states[0]) == list(states[1])
    shared = [key for key in states[0] if key.startswith("_members.backbone.net.")]
    assert len(shared) > 20
    assert all(torch.equal(states[0][key], states[1][key]) for key in shared)


def test_folds_share_the_features_and_other_weights_do_not(pair, phantom, source, tmp_path):
    before = sorted(path.name for path in (pair / "cache").iterdir())
    assert [name.split("-")[0] for name in before] == ["train", "valid"]
    start(
        tmp_path / "fold",
        phantom,
        *FROZEN,
        "data.folds=4",
        "data.fold=2",
        f"start_from={source}",
        f"features={pair / 'cache'}",
    )
    assert sorted(path.name for path in (pair / "cache").iterdir()) == before
    backbones = [Backbone("mnasnet_small", frozen=True) for _ in range(2)]
    assert digest_member(backbones[0]) != digest_member(backbones[1])


def test_file_of_one_network_is_found_that_was_written_before_members_had_their_own():
    torch.manual_seed(0)
    backbone = Backbone("mnasnet_small")
    for weights in backbone.state_dict().values():
        weights.fill_(0.5)
    digest = hashlib.sha256()  # as that version had it, of a whole model
    for name, member in Single(backbone, 5).members.items():
        for key, value in member.state_dict().items():
            digest.update(f"{name} {member.name} {key} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(value.numpy().tobytes())
    assert digest_member(backbone) == digest.hexdigest()


def test_run_on_features_explains_images(phantom, source, pair, tmp_path):
    chosen = [option for option in FROZEN if not option.startswith("explainer")]
    start(
        tmp_path / "run", phantom, *chosen, "explainer=[gradcam]", f"start_from={source}", f"features={pair / 'cache'}"
    )
    assert len(json.loads((tmp_path / "run/explanations/gradcam/manifest.json").read_text())) == 2


def test_settings_that_prevent_features_are_all_reported(phantom, tmp_path):
    with pytest.raises(UserErrors) as caught:
        start(tmp_path / "run", phantom, f"features={tmp_path}")
    errors = [(error.code, error.where, error.hint.split(" ")[0].rstrip(",")) for error in caught.value.errors]
    assert errors == [
        ("conflict", "features, data.augmentation", "data.augmentation=null"),
        ("conflict", "features, model.backbone", "backbone.frozen=true"),
    ]


def test_trained_member_is_an_error():
    model = Combined({"a": Backbone("mnasnet_small", frozen=True), "b": Backbone("mnasnet_small")}, 5)
    with raises("conflict", "features") as error:
        use_features({"features": "somewhere", "trainer": {}}, model, None)
    assert error.value.message.endswith(": b")
