"""Synthetic images are recognized: phantoms in any layout, and runs of any version on them."""

import json

import pytest
import yaml

from chexpert.data.phantom import write_phantom
from chexpert.data.phantom.layouts import LAYOUTS
from chexpert.data.sources.detect_layout import find_layout
from chexpert.runs import files as run_files
from chexpert.runs.synthetic import MARK, is_phantom, is_synthetic_metadata, is_synthetic_path, is_synthetic_run

FIND = {"_target_": "chexpert.data.find_phantom", "parent": "outputs/phantom"}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_phantom_is_recognized_in_every_layout(tmp_path, layout):
    root = write_phantom(tmp_path / "ph", patients=1, valid=2, size=32, layout=layout, workers=1)
    found = find_layout(root)
    assert is_phantom(found.folder)
    assert is_phantom(next(found.folder.rglob("*.jpg" if layout != "plus" else "*.png")))
    assert not is_phantom(tmp_path)


def test_folders_in_a_phantom_and_links_to_it_are_recognized(tmp_path):
    (tmp_path / "ph" / MARK).parent.mkdir(parents=True)
    (tmp_path / "ph" / MARK).write_text("{}")
    deep = tmp_path / "ph/counterfactual/Edema/chexpert/v1.0-small/valid/patient1/study1/view1_frontal.jpg"
    deep.parent.mkdir(parents=True)
    deep.touch()
    (tmp_path / "link").symlink_to(tmp_path / "ph/counterfactual/Edema/chexpert")
    assert is_phantom(deep)
    assert is_phantom(tmp_path / "link/v1.0-small")


@pytest.mark.parametrize("text", ["a\0b", "~nobody-of-this-name/x", "x" * 5000, "/proc/self/fd/999"])
def test_invalid_folder_name_is_not_synthetic(text):
    assert not is_synthetic_run({"splits": {"valid": {"folder": text}}}, {"data": {"root": text}})


@pytest.mark.parametrize(
    ("data", "config", "split", "answer"),
    [
        ({"splits": {"valid": {"synthetic": True}}}, {}, "valid", True),
        ({"splits": {"valid": {"synthetic": False}, "test": {"synthetic": True}}}, {}, "valid", False),
        ({"splits": {"valid": {"synthetic": False}, "test": {"synthetic": True}}}, {}, None, True),
        ({"splits": {"valid": {"synthetic": False}}}, {"data": {"root": FIND}}, "valid", False),
        ({"splits": {"valid": {"folder": "/gone"}}}, {"data": {"root": FIND}}, "valid", True),
        ({"splits": {"valid": {"folder": "/gone"}}}, {"data": {"root": "/gone"}}, "valid", False),
        ({"splits": [3]}, {"data": [1]}, "valid", False),
        ({"splits": {"valid": 3}}, {"data": {"root": None}}, "valid", False),
    ],
)
def test_run_is_synthetic_by_split_or_by_its_root(data, config, split, answer):
    assert is_synthetic_run(data, config, split) is answer


def test_file_belongs_to_the_nearest_run_or_phantom(tmp_path):
    run = tmp_path / "ph/outputs/run"  # a run on real images may lie in the folder of a phantom
    (tmp_path / "ph" / MARK).parent.mkdir(parents=True)
    (tmp_path / "ph" / MARK).write_text("{}")
    run_files.write_json(run / "data.json", {"splits": {"valid": {"synthetic": False}, "test": {"synthetic": True}}})
    assert not is_synthetic_path(run / "labels/valid.csv")
    assert is_synthetic_path(run / "labels/test.csv")
    assert is_synthetic_path(tmp_path / "ph/valid.csv")
    (run / "data.json").write_text("{")
    (run / "config.yaml").write_text(yaml.safe_dump({"data": {"root": FIND}}))
    assert is_synthetic_path(run / "predictions/valid.csv")


def test_metadata_of_older_weights_is_synthetic_by_its_config():
    assert is_synthetic_metadata({"config": {"data": {"root": FIND}}})
    assert not is_synthetic_metadata({"config": {"model": {}}})
    assert not is_synthetic_metadata({"config": {"data": {"root": FIND}}, "synthetic": False})


def test_phantom_given_by_its_root_uses_no_imagenet_weights(phantom):
    from helpers.configs import make

    from chexpert.config import resolve

    assert resolve(make("data=small", f"data.root={phantom}"))["pretrained"] is False
    assert json.loads((phantom / MARK).read_text()).keys() >= {"version"}
