"""Keys of older versions: read from files by their new names, and an error when typed."""

import json

import pytest
import yaml
from helpers.errors import raises

from chexpert.config.unknown_key import TOP_LEVEL, unknown_key_error
from chexpert.runs.config_keys import RENAMED, flatten, rename_keys, rename_override
from chexpert.runs.read import read_config, read_mapping, read_state
from chexpert.sweep.sweeper import rename_line


@pytest.mark.parametrize("old", RENAMED)
def test_old_key_in_a_config_is_read_by_its_new_name(tmp_path, old):
    config: object = 7
    for part in reversed(old.split(".")):
        config = {part: config}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert flatten(read_config(tmp_path)) == {RENAMED[old]: 7}


@pytest.mark.parametrize("old", RENAMED)
@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_old_key_of_an_override_in_a_state_is_renamed(tmp_path, old, sign):
    for name in ("state.json", "sweep.json"):
        (tmp_path / name).write_text(json.dumps({"overrides": [f"{sign}{old}=a=b", "seed=1"]}))
        assert read_state(tmp_path, name)["overrides"] == [f"{sign}{RENAMED[old]}=a=b", "seed=1"]


def test_same_key_in_another_group_keeps_its_name():
    config = {"model": {"size": 1, "keep": 2}, "data": {"augmentation": {"size": 3}}, "loss": {"fit": 4}}
    assert rename_keys(config) == config
    assert [rename_override(one) for one in ("model.size=1", "keep_all=1", "keep")] == [
        "model.size=1",
        "keep_all=1",
        "save_top_k",
    ]


def test_old_key_in_a_search_space_is_renamed():
    assert rename_override("hydra.sweeper.params.data.size=32,64") == "hydra.sweeper.params.data.image_size=32,64"
    assert rename_line("data.size: choice(32, 64)") == "data.image_size: choice(32, 64)"


def test_missing_required_file_is_an_error(tmp_path):
    assert read_mapping(tmp_path / "metrics.json") == {}
    with raises("missing-file", tmp_path / "metrics.json"):
        read_mapping(tmp_path / "metrics.json", required=True)


@pytest.mark.parametrize("old", RENAMED)
def test_error_of_an_old_key_names_the_new_one(old):
    above, _, key = old.rpartition(".")
    error = unknown_key_error(key, above or TOP_LEVEL, ["other"])
    assert (error.code, error.hint) == ("renamed-key", f"{RENAMED[old]}=...")
