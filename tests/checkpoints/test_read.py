"""Weights in files: those of older versions load, newer ones say so, and what is passed on is enough and no more."""

import json
from pathlib import Path

import pytest
import torch

import chexpert
from chexpert.checkpoints import FORMAT, export, load_state
from chexpert.errors import UserError

OLDER = sorted((Path(__file__).parents[1] / "legacy_checkpoints").glob("*.ckpt"))
"""One of each time when the card or the config had changed, as the version of then wrote it; only Lightning's own and
the optimizer's part, with the path of the run in it, was left out."""

IMAGES = (torch.arange(2 * 64 * 64).reshape(2, 1, 64, 64) * 7 % 256).to(torch.uint8)


def test_the_fixtures_are_there():
    assert [path.stem for path in OLDER] == ["explanations", "first", "labels", "numbers"]


@pytest.mark.parametrize("path", OLDER, ids=lambda path: path.stem)
def test_a_checkpoint_of_an_older_version_gives_what_it_gave_then(path):
    then = json.loads(path.with_suffix(".json").read_text())
    loaded = chexpert.load(path)
    assert loaded.observations == then["observations"]
    with torch.no_grad():
        logits = loaded.model(IMAGES)
    assert logits.numpy() == pytest.approx(torch.tensor(then["logits"]).numpy(), abs=1e-5)


def test_one_of_a_newer_version_says_so(tmp_path):
    content = torch.load(OLDER[0], weights_only=True)
    content["chexpert"]["format"] = FORMAT + 1
    torch.save(content, tmp_path / "newer.ckpt")
    with pytest.raises(UserError, match="a newer version of chexpert wrote this checkpoint") as caught:
        chexpert.load(tmp_path / "newer.ckpt")
    assert "update chexpert" in str(caught.value)


@pytest.fixture
def run(tmp_path) -> Path:
    (tmp_path / "checkpoints").mkdir()
    content = torch.load(OLDER[-1], weights_only=True)
    torch.save(content, tmp_path / "checkpoints/best.ckpt")
    return tmp_path


def test_safetensors_load_to_the_same_model(run):
    path = export(run)
    assert path == run / "checkpoints/best.safetensors"
    ours, theirs = chexpert.load(path), chexpert.load(run)
    assert (ours.observations, ours.preprocessing) == (theirs.observations, theirs.preprocessing)
    state = theirs.model.state_dict()
    assert ours.model.state_dict().keys() == state.keys()
    assert all(torch.equal(weight, state[name]) for name, weight in ours.model.state_dict().items())


def test_their_card_holds_no_path_and_no_setting_of_the_training(run):
    metadata = json.loads(export(run).with_suffix(".json").read_text())
    assert metadata.keys() == {
        "format",
        "config",
        "observations",
        "readout",
        "preprocessing",
        "versions",
        "note",
        "synthetic",
    }
    assert metadata["config"].keys() == {"model"}
    assert "phantom20" not in json.dumps(metadata)  # the data's root
    assert "not a medical device" in metadata["note"]


def test_they_need_their_card(run):
    path = export(run)
    path.with_suffix(".json").unlink()
    with pytest.raises(UserError, match="no checkpoint of this project"):
        chexpert.load(path)


def test_the_card_stands_for_the_weights_beside_it(run):
    path = export(run)
    assert chexpert.load(path.with_suffix(".json")).observations == chexpert.load(path).observations


def test_what_is_no_checkpoint_is_not_advised_to_be_loaded_unsafely(tmp_path):
    (tmp_path / "best.ckpt").write_text("{}")
    with pytest.raises(UserError) as caught:
        chexpert.load(tmp_path / "best.ckpt")
    assert caught.value.where == str(tmp_path / "best.ckpt")
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weight": torch.zeros(2, 3)}, "1 missing, the first bias"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "a": torch.zeros(1), "b": torch.zeros(1)}, "2 unknown"),
        ({"weight": torch.zeros(2, 4), "bias": torch.zeros(2)}, "size mismatch for weight"),
    ],
)
def test_weights_of_another_model_are_reported_by_their_first_name(state, message):
    with pytest.raises(UserError, match=message) as caught:
        load_state(torch.nn.Linear(3, 2), state, "start_from=x")
    assert len(str(caught.value).splitlines()) == 3
