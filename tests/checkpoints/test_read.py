"""Reading of checkpoints and exported weights, of this version and of others."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.errors import raises

import chexpert
from chexpert.checkpoints import FORMAT, embed_fitted, export, load_state
from chexpert.evaluation import Calibration, Thresholds

OLDER = sorted((Path(__file__).parents[1] / "legacy_checkpoints").glob("*.ckpt"))
"""One for each change of the metadata or the config, as the version of that time wrote it, without Lightning's part
and the optimizer's."""

IMAGES = (torch.arange(2 * 64 * 64).reshape(2, 1, 64, 64) * 7 % 256).to(torch.uint8)


def test_fixtures_are_there():
    assert [path.stem for path in OLDER] == ["explanations", "first", "labels", "numbers"]


@pytest.mark.parametrize("path", OLDER, ids=lambda path: path.stem)
def test_checkpoint_of_an_older_version_gives_the_same_logits(path):
    stored = json.loads(path.with_suffix(".json").read_text())
    loaded = chexpert.load(path)
    assert loaded.observations == stored["observations"]
    with torch.no_grad():
        logits = loaded.model(IMAGES)
    assert logits.numpy() == pytest.approx(torch.tensor(stored["logits"]).numpy(), abs=1e-5)


def test_checkpoint_of_a_newer_version_is_an_error(tmp_path):
    content = torch.load(OLDER[0], weights_only=True)
    content["chexpert"]["format"] = FORMAT + 1
    torch.save(content, tmp_path / "newer.ckpt")
    with raises("newer-version", tmp_path / "newer.ckpt") as error:
        chexpert.load(tmp_path / "newer.ckpt")
    assert str(FORMAT + 1) in error.value.message


@pytest.mark.parametrize("size", ["large", 0, [64], [64, 48, 3], [64, -48], None])
def test_size_that_is_none_is_an_error(tmp_path, size):
    content = torch.load(OLDER[-1], weights_only=True)
    content["chexpert"]["preprocessing"]["size"] = size
    torch.save(content, tmp_path / "best.ckpt")
    with raises("not-a-checkpoint", tmp_path / "best.ckpt"):
        chexpert.load(tmp_path / "best.ckpt")


def test_size_of_a_rectangle_is_read_from_both_kinds_of_files(run):
    path = run / "checkpoints/best.ckpt"
    content = torch.load(path, weights_only=True)
    content["chexpert"]["preprocessing"]["size"] = [96, 64]
    torch.save(content, path)
    assert chexpert.load(export(run)).preprocessing.size == chexpert.load(path).preprocessing.size == (96, 64)


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


def test_exported_metadata_holds_no_path_and_no_training_setting(run):
    metadata = json.loads(export(run).with_suffix(".json").read_text())
    keys = "format config observations readout preprocessing versions note synthetic contamination"
    assert metadata.keys() == set(keys.split())
    assert metadata["config"].keys() == {"model"}
    assert "phantom20" not in json.dumps(metadata)  # the data's root
    assert "medical device" in metadata["note"]


def test_what_was_fitted_travels_with_the_weights(run):
    names = chexpert.load(run).observations
    path = export(run)
    with raises("missing-calibration", path):
        chexpert.load(path).calibrate(np.full((1, len(names)), 0.5))
    with raises("missing-calibration", path):
        _ = chexpert.load(path).thresholds
    parameters = {name: {"slope": 0.5, "intercept": -0.1 * c} for c, name in enumerate(names)}
    Calibration("platt", "dev", "max", {"image": parameters, "study": {}}).write(run / "calibration.json")
    levels = {"image": {name: {"positives": 5, "negatives": 9, "thresholds": {"youden": 0.3}} for name in names}}
    Thresholds("dev", "report", "max", levels).write(run / "thresholds.json")
    (run / "prediction_sets.json").write_text('{"levels": {"image": {}}}')
    embed_fitted(run)
    embedded = json.loads(path.with_suffix(".json").read_text())
    assert embedded["thresholds"] == json.loads((run / "thresholds.json").read_text())
    probabilities = np.linspace(0.1, 0.9, 3 * len(names)).reshape(3, -1)
    expected = 1 / (1 + np.exp(-(0.5 * np.log(probabilities / (1 - probabilities)) - 0.1 * np.arange(len(names)))))
    for source in (run, run / "checkpoints/best.ckpt", path, path.with_suffix(".json")):
        loaded = chexpert.load(source)
        assert loaded.calibrate(probabilities) == pytest.approx(expected)
        assert loaded.thresholds == {"image": {name: {"youden": 0.3} for name in names}}
        assert loaded.fitted["prediction_sets"] == {"levels": {"image": {}}}
    with pytest.raises(ValueError, match="shape"):
        loaded.calibrate(probabilities[:, 1:])
    (run / "calibration.json").unlink()
    embed_fitted(run)
    assert "calibration" not in json.loads(path.with_suffix(".json").read_text())
    (run / "checkpoints/other.ckpt").write_bytes((run / "checkpoints/best.ckpt").read_bytes())
    assert chexpert.load(run / "checkpoints/other.ckpt").fitted == {}


def test_safetensors_without_metadata_are_an_error(run):
    path = export(run)
    path.with_suffix(".json").unlink()
    with raises("not-a-checkpoint", path):
        chexpert.load(path)


def test_metadata_file_loads_the_weights_beside_it(run):
    path = export(run)
    assert chexpert.load(path.with_suffix(".json")).observations == chexpert.load(path).observations


def test_unreadable_checkpoint_is_an_error_without_unsafe_advice(tmp_path):
    (tmp_path / "best.ckpt").write_text("{}")
    with raises("not-a-checkpoint", tmp_path / "best.ckpt") as error:
        chexpert.load(tmp_path / "best.ckpt")
    assert "weights_only" not in str(error.value)


@pytest.mark.parametrize(
    ("state", "fact"),
    [
        ({"weight": torch.zeros(2, 3)}, "1 missing.* bias"),
        (
            {"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "a": torch.zeros(1), "b": torch.zeros(1)},
            "2 unknown.* a",
        ),
        ({"weight": torch.zeros(2, 4), "bias": torch.zeros(2)}, r"weight.*\[2, 4\]"),
    ],
)
def test_weights_of_another_model_are_an_error(state, fact):
    with raises("other-model", "start_from=x") as error:
        load_state(torch.nn.Linear(3, 2), state, "start_from=x")
    assert re.search(fact, error.value.message)
    assert len(str(error.value).splitlines()) == 3
