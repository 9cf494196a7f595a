import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from chexpert.explain import explain_views
from chexpert.explain.attribution import Attribution
from chexpert.explain.session import predict, stack_images
from chexpert.metrics import find_maps
from chexpert.models import Model
from chexpert.models.output_head import OutputHead
from chexpert.runs import files as run_files

NAMES = ["Edema", "Fracture", "Pneumonia"]


class Gray(Model):
    """Logits that are multiples of the image's mean gray; it counts its forward passes."""

    def __init__(self) -> None:
        super().__init__({}, OutputHead(3))
        self.seen: list[int] = []

    def feature_maps(self, images):
        self.seen.append(len(images))
        return {"x": images.float() / 255}

    def score(self, maps):
        return maps["x"].mean((1, 2, 3))[:, None] * torch.tensor([1.0, 3.0, 2.0])


class Signs:
    """Its map of output k is k - 1 everywhere."""

    name = "signs"

    def passes(self, outputs):
        return 5 * outputs

    def __call__(self, model, images, outputs):
        size = images.shape[-2:]
        manifest = {"explainer": "signs", "layer": "input", "of": "logit", "samples": 5}
        member = {"half": np.full(size, 0.5, dtype="float32")}
        return [[Attribution(np.full(size, k - 1, "float32"), member, manifest) for k in own] for own in outputs]


@pytest.fixture
def views(make_view):
    paths = [f"CheXpert-v1.0-small/valid/patient{k}/study1/view1_frontal.jpg" for k in range(2)]
    return [make_view((40, 32), "pad", path, truth={"Edema": 1}) for path in paths]


def test_start_is_logged_with_the_estimated_seconds(tmp_path, views, capsys, monkeypatch):
    estimated = []
    monkeypatch.setattr(
        "chexpert.explain.time_budget.estimate_seconds", lambda m, like, n: estimated.append((like.shape, n)) or 35
    )
    explain_views(Gray(), {"signs": Signs()}, views, NAMES, tmp_path, only=["Edema"])
    printed = capsys.readouterr().err
    assert "signs" in printed
    assert re.findall(r"\d+", printed) == ["2", "35"]
    assert estimated == [((1, 16, 16), 10)]


def test_map_file_has_a_map_of_the_whole_image(tmp_path, views):
    explain_views(Gray(), {"signs": Signs()}, views[:1], NAMES, tmp_path, only=["Pneumonia"])
    stored = np.load(tmp_path / "signs/maps/patient0_study1_view1_frontal_Pneumonia_map.npz")
    assert set(stored) == {
        *("map", "probability", "width", "height", "signed", "members_half", "matrix", "shape"),
        *("view", "observation"),
    }
    assert (str(stored["view"]), str(stored["observation"])) == ("patient0_study1_view1_frontal", "Pneumonia")
    assert stored["map"].shape == (16, 13)  # 40 x 32 were padded to a square of 16
    assert stored["map"].dtype == np.float32
    assert stored["map"] == pytest.approx(1, abs=1e-6)
    assert (int(stored["height"]), int(stored["width"])) == (40, 32)
    assert stored["probability"] == pytest.approx(predict(Gray(), stack_images(Gray(), views[:1]))[0, 2])
    assert stored["signed"].shape == stored["members_half"].shape == (16, 16)
    assert (stored["matrix"] == views[0].matrix).all()


def test_upsampled_map_has_its_grid(tmp_path, views):
    class Coarse(Signs):
        def __call__(self, model, images, outputs):
            found = super().__call__(model, images, outputs)
            return [[replace(one, manifest=one.manifest | {"grid": [4, 2]}) for one in own] for own in found]

    explain_views(Gray(), {"coarse": Coarse()}, views[:1], NAMES, tmp_path, only=["Edema"])
    read = find_maps(tmp_path, NAMES)[0][0].read()
    assert (read.grid, read.shape) == ((4, 2), (16, 16))
    assert (read.matrix == views[0].matrix).all()


def test_manifest_describes_each_map(tmp_path, views):
    explain_views(Gray(), {"signs": Signs()}, views, NAMES, tmp_path)
    entries = json.loads((tmp_path / "signs" / run_files.MANIFEST).read_text())
    assert [entry["observation"] for entry in entries] == ["Fracture", "Pneumonia", "Edema"] * 2
    assert [entry["positive_evidence"] for entry in entries[:3]] == [False, True, False]
    assert [entry["truth"] for entry in entries[:3]] == [None, None, 1]
    assert {(entry["height"], entry["width"], entry["samples"]) for entry in entries} == {(40, 32, 5)}
    assert all((tmp_path / entry[key]).is_file() for entry in entries for key in ("picture", "map"))


def test_explainers_share_probabilities_and_have_sheets(tmp_path, views, monkeypatch):
    monkeypatch.setattr("chexpert.explain.time_budget.estimate_seconds", lambda *_: 0)
    model = Gray()
    sheets = explain_views(model, {"one": Signs(), "two": Signs()}, views, NAMES, tmp_path, top=1)
    assert model.seen == [2]
    expected = ["one", "two", "views/patient0_study1_view1_frontal", "views/patient1_study1_view1_frontal"]
    assert list(sheets) == expected
    found = sorted(
        str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*.png")
        if len(path.relative_to(tmp_path).parts) == 2
    )
    assert found == ["one/sheet.png", "two/sheet.png", *(f"{name}.png" for name in expected[2:])]


def test_model_keeps_its_mode(tmp_path, views):
    model = Gray().train()
    explain_views(model, {"signs": Signs()}, views[:1], NAMES, tmp_path, only=["Edema"])
    assert model.training
