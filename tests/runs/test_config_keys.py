"""Keys of older versions: in files they are read by their new names, and typed ones are answered with these."""

import json

import pytest
import yaml

from chexpert.config.unknown_key import TOP_LEVEL, unknown_key_error
from chexpert.runs.config_keys import RENAMED, flatten, rename_keys, rename_override
from chexpert.runs.read import read_config, read_state


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


def test_keys_elsewhere_keep_their_names():
    config = {"model": {"size": 1, "keep": 2}, "data": {"augmentation": {"size": 3}}, "loss": {"fit": 4}}
    assert rename_keys(config) == config
    assert [rename_override(one) for one in ("model.size=1", "keep_all=1", "keep")] == [
        "model.size=1",
        "keep_all=1",
        "save_top_k",
    ]


@pytest.mark.parametrize("old", RENAMED)
def test_error_of_an_old_key_names_the_new_one(old):
    above, _, key = old.rpartition(".")
    assert unknown_key_error(key, above or TOP_LEVEL, ["other"]).hint == f"{RENAMED[old]}=..."
