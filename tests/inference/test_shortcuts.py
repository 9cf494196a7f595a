"""The search on a tiny phantom: its trees, its masks, and a region file of the user."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.errors import raises
from pycocotools import mask as rle

from chexpert.checkpoints import Loaded
from chexpert.data import Preprocessing, write_phantom
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
    """A region file: a square of 9 x 9 pixels in every view that the phantom has masks of, ``scale`` times enlarged."""

    def outline(name="marker", size=None, rename=lambda view: view, scale=1):
        masks = json.loads((root / "gt_segmentations_valid.json").read_text())
        listed = {}
        for view, own in masks.items():
            square = np.zeros(size or next(iter(own.values()))["size"], dtype=np.uint8, order="F")
            square[20:29, 20:29] = 1
            encoded = rle.encode(np.asfortranarray(np.kron(square, np.ones((scale, scale), dtype=np.uint8))))
            listed[rename(view)] = {name: encoded | {"counts": encoded["counts"].decode()}}
        path = tmp_path / "regions.json"
        path.write_text(json.dumps(listed))
        return path

    return outline


@pytest.fixture(scope="module")
def found(loaded):
    return find_shortcuts(loaded, RandomMap())


def test_phantom_has_a_suspect_with_splits_and_counterfactuals(found):
    content, picture = found
    (device,) = content["suspects"]
    assert device == "Support Devices"
    assert content["suspects"][device]["counterfactuals"] >= content["suspects"][device]["views"] > 0
    assert [(pair["observation"], pair["suspect"]) for pair in content["pairs"]] == [(o, device) for o in OBSERVATIONS]
    assert list(content["aurocs"]["Edema"]) == ["matched", "independent", "reversed"]
    assert content["pairs"][0]["counterfactual"]["n"] == content["suspects"][device]["views"]
    assert list(content["pairs"][0]["ties"]) == ["matched", "independent", "reversed", "train"]
    assert picture is not None


def test_baselines_are_of_the_same_rows_as_the_model(found):
    content, _ = found
    for name, own in content["baselines"].items():
        matched = content["aurocs"][name]["matched"]
        assert own["model"]["value"] == pytest.approx(matched["value"])
        assert own["model"]["n"] == own["gray"]["n"] == matched["n"]


def test_report_is_the_same_from_json(found):
    content = {"run": "outputs/mine", **found[0]}
    assert describe_shortcuts(json.loads(json.dumps(content))) == describe_shortcuts(content)


def test_same_seed_gives_the_same_values(loaded, found):
    assert json.dumps(find_shortcuts(loaded, RandomMap())[0]) == json.dumps(found[0])


def test_regions_of_any_name_are_further_suspects(loaded, outline):
    content, _ = find_shortcuts(loaded, RandomMap(), regions=outline("side marker"), observations=["Edema"])
    assert [pair["suspect"] for pair in content["pairs"]] == ["Support Devices", "side marker"]
    assert content["unlisted"] == content["views"] - len(json.loads(outline().read_text()))


def test_data_without_masks_and_train_images_still_show_evidence(loaded, root, tmp_path):
    own, copy = root / "CheXpert-v1.0-small", tmp_path / "bare/CheXpert-v1.0-small"
    shutil.copytree(own / "valid", copy / "valid")
    shutil.copy(own / "valid.csv", copy / "valid.csv")
    content, picture = find_shortcuts(loaded, RandomMap(), root=tmp_path / "bare")
    assert picture is None
    assert (content["suspects"], content["pairs"], content["baselines"]) == ({}, [], {})
    for own in content["places"].values():
        assert (own["corners"]["value"], own["corners"]["n"]) == (pytest.approx(1, abs=0.3), content["views"])
    assert "corners" in describe_shortcuts({"run": "mine", **content})


def test_regions_of_another_resolution_give_the_same_result(loaded, outline, capsys):
    options = {"observations": ["Edema"]}
    one, other = (find_shortcuts(loaded, RandomMap(), regions=outline(scale=n), **options)[0] for n in (1, 4))
    assert json.dumps(one) == json.dumps(other)
    (note,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert f"{sum(len(own) for own in json.loads(outline().read_text()).values())} masks" in note


def test_regions_of_other_proportions_are_an_error(loaded, outline):
    regions = outline(size=(30, 60))
    with raises("mask-size") as caught:
        find_shortcuts(loaded, RandomMap(), regions=regions)
    assert caught.value.where.startswith(f"{regions}, patient")
    assert "30 x 60" in caught.value.message


def test_regions_of_other_images_are_an_error(loaded, outline):
    regions = outline(rename=lambda view: f"other_{view}")
    with raises("no-overlap", regions):
        find_shortcuts(loaded, RandomMap(), regions=regions)


def test_unknown_observation_is_an_error(loaded):
    with raises("unknown-observation", "--observations") as caught:
        find_shortcuts(loaded, RandomMap(), observations=["Fracture"])
    assert "Fracture" in caught.value.message


def test_masks_are_found_at_the_places_of_explanations(loaded, root, tmp_path):
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


def test_missing_data_of_the_run_are_an_error(loaded, tmp_path):
    gone = loaded.config | {"data": loaded.config["data"] | {"root": str(tmp_path / "gone")}}
    with raises("missing-folder", f"data.root={tmp_path / 'gone'}") as caught:
        find_shortcuts(replace(loaded, config=gone), RandomMap())
    assert "--root FOLDER" in caught.value.hint


def test_model_moves_to_the_gpu(loaded, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    moved = []
    monkeypatch.setattr(loaded.model, "to", moved.append)
    find_shortcuts(loaded, RandomMap(), observations=["Edema"])
    assert moved == ["cuda"]
