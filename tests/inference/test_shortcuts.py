"""The whole way on a tiny phantom: its trees, its masks, a region file of one's own."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from pycocotools import mask as rle

from chexpert.checkpoints import Loaded
from chexpert.data import Preprocessing, write_phantom
from chexpert.errors import UserError
from chexpert.explain import RandomMap
from chexpert.inference.shortcuts import find_shortcuts
from chexpert.models import Backbone, Single
from chexpert.report import describe_shortcuts

OBSERVATIONS = ["Cardiomegaly", "Edema"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom") / "root"
    options = {"shortcut": 0.85, "counterfactuals": ["Support Devices"], "workers": 1}
    return write_phantom(folder, patients=10, valid=12, size=64, laterals=0.1, **options)


@pytest.fixture(scope="module")
def loaded(root):
    torch.manual_seed(0)
    config = {
        "data": {"_target_": "chexpert.data.CheXpertDataModule", "root": str(root), "image_size": 64, "num_workers": 0},
        "labels": {"_target_": "chexpert.data.LabelPolicy", "uncertain": "ones"},
        "observations": OBSERVATIONS,
        "seed": 0,
    }
    return Loaded(Single(Backbone("resnet10t"), 2).eval(), Preprocessing(64), OBSERVATIONS, config)


@pytest.fixture
def outline(tmp_path, root):
    """A region file: a square of 9 x 9 pixels in every view that the phantom has masks of."""

    def outline(name="marker", size=None, rename=lambda view: view):
        masks = json.loads((root / "gt_segmentations_valid.json").read_text())
        listed = {}
        for view, own in masks.items():
            square = np.zeros(size or next(iter(own.values()))["size"], dtype=np.uint8, order="F")
            square[20:29, 20:29] = 1
            encoded = rle.encode(square)
            listed[rename(view)] = {name: encoded | {"counts": encoded["counts"].decode()}}
        path = tmp_path / "regions.json"
        path.write_text(json.dumps(listed))
        return path

    return outline


@pytest.fixture(scope="module")
def found(loaded):
    return find_shortcuts(loaded, RandomMap())


def test_a_phantom_brings_its_suspect_its_splits_and_its_counterfactuals(found):
    content, picture = found
    (device,) = content["suspects"]
    assert device == "Support Devices"
    assert content["suspects"][device]["counterfactuals"] >= content["suspects"][device]["views"] > 0
    assert [(pair["observation"], pair["suspect"]) for pair in content["pairs"]] == [(o, device) for o in OBSERVATIONS]
    assert list(content["aurocs"]["Edema"]) == ["matched", "independent", "reversed"]
    assert content["pairs"][0]["counterfactual"]["n"] == content["suspects"][device]["views"]
    assert list(content["pairs"][0]["ties"]) == ["matched", "independent", "reversed", "train"]
    assert picture is not None


def test_the_model_stands_beside_metadata_and_gray_on_the_same_rows(found):
    content, _ = found
    for name, own in content["baselines"].items():
        matched = content["aurocs"][name]["matched"]
        assert own["model"]["value"] == pytest.approx(matched["value"])
        assert own["model"]["n"] == own["gray"]["n"] == matched["n"]


def test_the_report_is_the_same_after_a_way_through_json(found):
    content = {"run": "outputs/mine", **found[0]}
    assert describe_shortcuts(json.loads(json.dumps(content))) == describe_shortcuts(content)


def test_the_same_seed_gives_the_same_values(loaded, found):
    assert json.dumps(find_shortcuts(loaded, RandomMap())[0]) == json.dumps(found[0])


def test_regions_of_any_name_are_suspects_beside_the_phantoms_own(loaded, outline):
    content, _ = find_shortcuts(loaded, RandomMap(), regions=outline("side marker"), observations=["Edema"])
    assert [pair["suspect"] for pair in content["pairs"]] == ["Support Devices", "side marker"]
    assert content["unlisted"] == content["views"] - len(json.loads(outline().read_text()))


def test_data_without_masks_and_training_images_still_show_where_the_evidence_lies(loaded, root, tmp_path):
    own, copy = root / "CheXpert-v1.0-small", tmp_path / "bare/CheXpert-v1.0-small"
    shutil.copytree(own / "valid", copy / "valid")
    shutil.copy(own / "valid.csv", copy / "valid.csv")
    content, picture = find_shortcuts(loaded, RandomMap(), root=tmp_path / "bare")
    text = describe_shortcuts({"run": "mine", **content})
    assert picture is None
    assert "No suspect could be tested" in text
    assert "No training images there" in text
    assert "corners 1." in text or "corners 0.9" in text


def test_regions_of_another_size_are_refused(loaded, outline):
    with pytest.raises(UserError, match="regions of 30 x 30 pixels, the image has 6"):
        find_shortcuts(loaded, RandomMap(), regions=outline(size=(30, 30)))


def test_regions_of_other_images_are_refused(loaded, outline):
    with pytest.raises(UserError, match="none of these") as caught:
        find_shortcuts(loaded, RandomMap(), regions=outline(rename=lambda view: f"other_{view}"))
    assert "regions.json" in str(caught.value)


def test_an_output_that_the_model_lacks_is_reported(loaded):
    with pytest.raises(UserError, match="no output Fracture"):
        find_shortcuts(loaded, RandomMap(), observations=["Fracture"])


def test_masks_are_found_wherever_explanations_find_them(loaded, root, tmp_path):
    masks, moved = root / "gt_segmentations_valid.json", tmp_path / "mine.json"
    chosen = replace(loaded, config=loaded.config | {"explain": {"masks": str(moved)}})
    inside = root / "CheXpert-v1.0-small" / masks.name
    masks.rename(moved)
    try:
        assert list(find_shortcuts(chosen, RandomMap(), observations=["Edema"])[0]["suspects"]) == ["Support Devices"]
        shutil.copy(moved, inside)
        assert list(find_shortcuts(loaded, RandomMap(), observations=["Edema"])[0]["suspects"]) == ["Support Devices"]
    finally:
        inside.unlink(missing_ok=True)
        shutil.move(moved, masks)


def test_data_that_are_gone_are_reported_as_where_a_run_is_explained(loaded, tmp_path):
    gone = loaded.config | {"data": loaded.config["data"] | {"root": str(tmp_path / "gone")}}
    with pytest.raises(UserError, match="the data of the run cannot be read") as caught:
        find_shortcuts(replace(loaded, config=gone), RandomMap())
    assert "--root FOLDER" in str(caught.value)


def test_the_model_works_where_explanations_are_made(loaded, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    moved = []
    monkeypatch.setattr(loaded.model, "to", moved.append)
    find_shortcuts(loaded, RandomMap(), observations=["Edema"])
    assert moved == ["cuda"]
