"""The command line that explains a finished run: what it leaves, and what it refuses with one message and code 2."""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from chexpert.models import Backbone, Single

SCRIPT = Path(__file__).parents[2] / "scripts/explain.py"
BACKBONE = {"_target_": "chexpert.models.Backbone", "name": "mnasnet_small"}
DATA = {"_target_": "chexpert.data.CheXpertDataModule", "augmentation": {"_target_": "chexpert.data.Augmentation"}}
LIME = {"_target_": "chexpert.explain.Lime", "samples": 12, "superpixels": 4}


@pytest.fixture
def run(tmp_path: Path, write_chexpert, make_row) -> Path:
    """A run folder whose model has random weights, and the copy of CheXpert that it was trained on."""
    rows = [make_row({"Edema": "1.0"}, patient, split="valid") for patient in (1, 2)]
    root = write_chexpert([make_row()], rows)
    torch.manual_seed(0)
    model = Single(Backbone("mnasnet_small"), outputs=2)
    config = {
        "seed": 0,
        "model": {"_target_": "chexpert.models.Single", "backbone": BACKBONE},
        "explainer": {"lime": LIME},
        "explain": {"views": None, "count": 1, "top": 1, "observations": None},
        "data": DATA | {"root": str(root)},
    }
    metadata = {
        "config": config,
        "observations": ["Edema", "Pleural Effusion"],
        "preprocessing": {"size": 64, "fit": "crop"},
    }
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"chexpert": metadata, "state_dict": state}, tmp_path / "run/checkpoints/best.ckpt")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 70), dtype=np.uint8)).save(tmp_path / "image.png")
    return tmp_path / "run"


@pytest.fixture
def explain(run: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """The script in this process beside the run, given its arguments; gives its exit code."""
    spec = importlib.util.spec_from_file_location("explain", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.chdir(run.parent)

    def explain(*arguments: str) -> object:
        monkeypatch.setattr(sys, "argv", ["explain.py", *arguments])
        try:
            return script.main()
        except SystemExit as left:
            return left.code

    return explain


def read_manifest(folder: Path, explainer: str = "hirescam") -> list[dict]:
    return json.loads((folder / explainer / "manifest.json").read_text())


def test_a_finished_run_is_explained_on_its_validation_views_as_its_own_settings_choose(explain, run, capsys):
    assert explain("run") is None
    (entry,) = read_manifest(run / "explanations")
    assert "/valid/" in entry["view"]
    assert entry["truth"] in (1, None)  # Edema is, Pleural Effusion is not labeled
    assert "written:       run/explanations/hirescam/sheet.png" in capsys.readouterr().out


def test_images_are_explained_by_several_explainers_with_the_run_s_settings_and_overrides(explain, run, capsys):
    arguments = ["run", "image.png", "--explainer", "gradcam", "lime", "explainer.lime.superpixels=6", "--out", "new"]
    assert explain(*arguments, "--ids", "path", "--observations", "Pleural Effusion", "Edema") is None
    entries = read_manifest(run.parent / "new", "lime")
    assert [entry["observation"] for entry in entries] == ["Pleural Effusion", "Edema"]
    assert {(entry["view"], entry["samples"], entry["width"]) for entry in entries} == {("image.png", 12, 70)}
    assert np.load(run.parent / "new" / entries[0]["map"])["map"].shape == (82, 64)  # a crop, over the whole image
    assert (run.parent / "new/views/image.png").is_file()
    assert "lime: 1 view, about" in capsys.readouterr().err
    assert not (run / "explanations").exists()


def test_an_image_that_is_not_chexpert_s_is_called_by_a_hash(explain, run):
    assert explain("run", "image.png", "--out", "new") is None
    (entry,) = read_manifest(run.parent / "new")
    assert entry["view"].startswith("id-")
    assert not [path for path in (run.parent / "new").rglob("*") if path.stem == "image"]


def test_chexpert_s_own_image_keeps_its_name(explain, run):
    image = next((run.parent / "CheXpert-v1.0-small").rglob("*frontal.jpg"))
    assert explain("run", str(image), "--out", "new") is None
    (entry,) = read_manifest(run.parent / "new")
    assert entry["view"] == str(image.relative_to(run.parent))


def test_nothing_is_overwritten(explain, run, capsys):
    (run / "explanations").mkdir()
    (run / "explanations/mine.txt").touch()
    assert explain("run", "image.png") == 2
    assert "--out FOLDER" in capsys.readouterr().err
    assert [path.name for path in (run / "explanations").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run image.png --observations Fracture", "not an output of the model: Fracture"),
        ("run image.png --observations Edema Edema", "twice the same"),
        ("run image.png --explainer gradcm", "did you mean gradcam?"),
        ("run image.png --explainer lime lime", "twice the same"),
        ("run none.png", "this image is missing"),
        ("run image.png run/../image.png", "image.png and run/../image.png are the same file"),
        ("run image.png image.png", "are the same file"),
        ("run image.png image.jpg --ids path", "image.png and image.jpg are of one name"),
        ("run run/checkpoints/best.ckpt", "its content is a zip archive"),
        ("nowhere image.png", "no checkpoint of this name"),
        (". image.png", "no checkpoint in checkpoints"),
        ("run image.png --explainer hirescam gradcam explainer.gradcam.stride=7", "7"),
        ("run image.png explain.cuont=3", "cuont"),
        ("run image.png explain.count=0", "where: explain.count"),
        ("run image.png explainer.lime.samples=3", "--explainer hirescam lime"),
        ("run image.png explainers.lime.samples=3", "did you mean explainer?"),
        ("run image.png data.image_size=64", "known are explain, explainer"),
        ("run image.png --explainer lime explainer.lime.samples=0", "explainer.lime.samples"),
        ("run image.png --explainer lime explainer.lime.sample=9", "did you mean samples?"),
        ("run explain.views=[patient1/study1/view1_frontal.jpg]", "no validation views of this path"),
        ("run image.png --out image.png/new", "image.png is no folder"),
    ],
)
def test_what_cannot_be_is_one_message_and_exit_code_2(explain, run, capsys, arguments, message):
    assert explain(*arguments.split()) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert "BytesIO" not in captured.err
    assert "Error:" not in captured.err
    assert not (run / "explanations").exists()


def test_where_the_data_are_gone_images_can_still_be_explained(explain, run, capsys):
    # Out of the root: a folder of any name within is found.
    (run.parent / "CheXpert-v1.0-small").rename(run.parent.with_name(f"{run.parent.name}-moved"))
    assert explain("run") == 2
    assert "or give images to explain" in capsys.readouterr().err
    assert explain("run", "image.png") is None


def test_where_no_view_can_be_read_that_is_reported(explain, run, capsys):
    for image in (run.parent / "CheXpert-v1.0-small/valid").rglob("*.jpg"):
        image.write_bytes(b"no image")
    content = torch.load(run / "checkpoints/best.ckpt", weights_only=True)
    content["chexpert"]["config"]["data"] |= {"on_missing": "skip"}
    torch.save(content, run / "checkpoints/best.ckpt")
    assert explain("run") == 2
    assert "none of the 1 chosen views can be read" in capsys.readouterr().err


def test_an_explainer_that_fails_leaves_the_others_theirs_and_exit_code_1(explain, run, capsys, monkeypatch):
    monkeypatch.setattr("chexpert.explain.GradCAM.combine", lambda *_: 1 / 0)
    assert explain("run", "--explainer", "gradcam", "hirescam", "explain.score=0") == 1
    assert "gradcam" in capsys.readouterr().err
    assert len(read_manifest(run / "explanations")) == 1
    assert json.loads((run / "explanations/failed.json").read_text()).keys() == {"gradcam"}


def test_a_config_may_not_name_a_class_that_is_not_trusted(explain, run, capsys):
    file = run / "checkpoints/best.ckpt"
    content = torch.load(file, weights_only=True)
    content["chexpert"]["config"]["data"]["_target_"] = "subprocess.Popen"
    torch.save(content, file)
    assert explain("run") == 2
    assert "subprocess.Popen is not trusted" in capsys.readouterr().err
