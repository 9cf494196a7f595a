"""chexpert explain: the files that it writes, and its errors with exit code 2."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch
from helpers.cli import run_cli
from helpers.errors import find_places
from helpers.external_trees import write_nih
from PIL import Image

from chexpert.models import Backbone, Single
from chexpert.runs.anonymize import hash_name

Explain = Callable[..., CompletedProcess]
BACKBONE = {"_target_": "chexpert.models.Backbone", "name": "mnasnet_small"}
DATA = {"_target_": "chexpert.data.CheXpertDataModule", "augmentation": {"_target_": "chexpert.data.Augmentation"}}
LIME = {"_target_": "chexpert.explain.Lime", "samples": 12, "superpixels": 4}


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = Single(Backbone("mnasnet_small"), outputs=2)
    return {f"model.{key}": value for key, value in model.state_dict().items()}


@pytest.fixture
def run(tmp_path: Path, write_chexpert, make_row, weights: dict[str, torch.Tensor]) -> Path:
    """A run folder whose model has random weights, beside a dataset and an image."""
    rows = [make_row({"Edema": "1.0"}, patient, split="valid") for patient in (1, 2)]
    root = write_chexpert([make_row()], rows)
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
    torch.save({"chexpert": metadata, "state_dict": weights}, tmp_path / "run/checkpoints/best.ckpt")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 70), dtype=np.uint8)).save(tmp_path / "image.png")
    return tmp_path / "run"


@pytest.fixture
def explain(run: Path, monkeypatch: pytest.MonkeyPatch) -> Explain:
    """Call the script in the folder of the run."""
    monkeypatch.chdir(run.parent)
    return lambda *arguments: run_cli("explain", *arguments)


def change_data(run: Path, **changed: str) -> None:
    """Change ``data`` in the config of the run's checkpoint."""
    file = run / "checkpoints/best.ckpt"
    content = torch.load(file, weights_only=True)
    content["chexpert"]["config"]["data"] |= changed
    torch.save(content, file)


def read_manifest(folder: Path, explainer: str = "hirescam") -> list[dict]:
    return json.loads((folder / explainer / "manifest.json").read_text())


def test_validation_views_are_explained_by_the_settings_of_the_run(explain: Explain, run: Path) -> None:
    done = explain("run")
    assert done.returncode == 0, done.stderr
    (entry,) = read_manifest(run / "explanations")
    assert "/valid/" in entry["view"]
    assert entry["truth"] in (1, None)  # Edema is, Pleural Effusion is not labeled
    assert "run/explanations/hirescam/sheet.png" in done.stdout


def test_images_are_explained_by_several_explainers_with_overrides(explain: Explain, run: Path) -> None:
    arguments = ["run", "image.png", "--explainer", "gradcam", "lime", "explainer.lime.superpixels=6", "--out", "new"]
    done = explain(*arguments, "--ids", "path", "--observations", "Pleural Effusion", "Edema")
    assert done.returncode == 0, done.stderr
    entries = read_manifest(run.parent / "new", "lime")
    assert [entry["observation"] for entry in entries] == ["Pleural Effusion", "Edema"]
    assert {(entry["view"], entry["samples"], entry["width"]) for entry in entries} == {("image.png", 12, 70)}
    assert np.load(run.parent / "new" / entries[0]["map"])["map"].shape == (82, 64)  # a crop, over the whole image
    assert (run.parent / "new/views/image.png").is_file()
    assert "lime: 1 view" in done.stderr
    assert not (run / "explanations").exists()


def test_image_of_another_origin_is_named_by_a_hash(explain: Explain, run: Path) -> None:
    assert explain("run", "image.png", "--out", "new").returncode == 0
    (entry,) = read_manifest(run.parent / "new")
    assert entry["view"].startswith("id-")
    assert not [path for path in (run.parent / "new").rglob("*") if path.stem == "image"]


def test_image_of_chexpert_keeps_its_name(explain: Explain, run: Path) -> None:
    image = next((run.parent / "CheXpert-v1.0-small").rglob("*frontal.jpg"))
    assert explain("run", image, "--out", "new").returncode == 0
    (entry,) = read_manifest(run.parent / "new")
    assert entry["view"] == str(image.relative_to(run.parent))


def test_own_views_of_external_data_are_hashes_outside_the_run(explain: Explain, run: Path) -> None:
    change_data(run, root=str(write_nih(run.parent / "nih", patients=60)))
    score = ["explain.count=2", "explain.score=2", "explain.minutes=null"]
    assert explain("run", *score).returncode == 0
    plain = read_manifest(run / "explanations")
    assert all(entry["view"].startswith("ChestX-ray14/patient") for entry in plain)
    done = explain("run", *score, "--out", "new")
    assert done.returncode == 0, done.stderr
    assert "id-" in done.stdout
    entries = read_manifest(run.parent / "new")
    salt = (run / "ids.salt").read_text().strip()
    assert [entry["view"] for entry in entries] == [hash_name(entry["view"], salt) for entry in plain]
    table = "quality.csv"
    assert (
        (run.parent / "new" / table).read_text().count("id-")
        == (run / "explanations" / table).read_text().count("ChestX-ray14/patient")
        > 0
    )
    for file in (run.parent / "new").rglob("*"):
        assert "patient0" not in str(file.relative_to(run.parent))
        assert not file.is_file() or b"patient0" not in file.read_bytes()
    assert explain("run", *score, "--ids", "path", "--out", "named").returncode == 0
    assert read_manifest(run.parent / "named") == plain


def test_folder_that_is_not_empty_is_an_error(explain: Explain, run: Path) -> None:
    (run / "explanations").mkdir()
    (run / "explanations/mine.txt").touch()
    done = explain("run", "image.png")
    assert (done.returncode, find_places(done.stderr)) == (2, ["run/explanations"])
    assert "--out" in done.stderr
    assert [path.name for path in (run / "explanations").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("arguments", "place", "named"),
    [
        ("run image.png --observations Fracture", "--observations", "Fracture"),
        ("run image.png --observations Edema Edema", "--observations", "Edema, Edema"),
        ("run image.png --explainer gradcm", "--explainer", "gradcam"),
        ("run image.png --explainer lime lime", "--explainer", "lime, lime"),
        ("run none.png", "none.png", ""),
        ("run image.png run/../image.png", "the images", "image.png and run/../image.png"),
        ("run image.png image.png", "the images", "image.png and image.png"),
        ("run image.png image.jpg --ids path", "the images", "image.png and image.jpg"),
        ("run run/checkpoints/best.ckpt", "run/checkpoints/best.ckpt", "zip"),
        ("nowhere image.png", "nowhere", ""),
        (". image.png", ".", "checkpoints"),
        ("run image.png --explainer hirescam gradcam explainer.gradcam.stride=7", "explainer.*.stride", "7"),
        ("run image.png explain.cuont=3", "explain.cuont=3", "cuont"),
        ("run image.png explain.count=0", "explain.count", "0"),
        ("run image.png explainer.lime.samples=3", "explainer.lime", "--explainer hirescam lime"),
        ("run image.png explainers.lime.samples=3", "explainers", "explainer?"),
        ("run image.png data.image_size=64", "data", "explain, explainer"),
        ("run image.png --explainer lime explainer.lime.samples=0", "explainer.lime.samples", "0"),
        ("run image.png --explainer lime explainer.lime.sample=9", "explainer.lime (Lime)", "samples?"),
        ("run explain.views=[patient1/study1/view1_frontal.jpg]", "explain.views", ""),
        ("run image.png --out image.png/new", "image.png/new", "image.png"),
    ],
)
def test_wrong_call_is_an_error(explain: Explain, run: Path, arguments: str, place: str, named: str) -> None:
    done = explain(*arguments.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert find_places(done.stderr) == [place]
    assert named in done.stderr
    assert "BytesIO" not in done.stderr
    assert "Error:" not in done.stderr
    assert not (run / "explanations").exists()


def test_images_are_explained_without_the_data_of_the_run(explain: Explain, run: Path) -> None:
    # Out of the root: a folder of any name within is found.
    (run.parent / "CheXpert-v1.0-small").rename(run.parent.with_name(f"{run.parent.name}-moved"))
    done = explain("run")
    assert (done.returncode, find_places(done.stderr)) == (2, [f"data.root={run.parent}"])
    assert explain("run", "image.png").returncode == 0


def test_unreadable_views_are_an_error(explain: Explain, run: Path) -> None:
    for image in (run.parent / "CheXpert-v1.0-small/valid").rglob("*.jpg"):
        image.write_bytes(b"no image")
    change_data(run, on_missing="skip")
    done = explain("run")
    assert (done.returncode, find_places(done.stderr)) == (1, ["explain.views"])


def test_failed_explainer_leaves_the_others_and_exit_code_1(explain: Explain, run: Path, monkeypatch) -> None:
    monkeypatch.setattr("chexpert.explain.GradCAM.combine", lambda *_: 1 / 0)
    done = explain("run", "--explainer", "gradcam", "hirescam", "explain.score=0")
    assert done.returncode == 1
    assert "gradcam" in done.stderr
    assert len(read_manifest(run / "explanations")) == 1
    assert json.loads((run / "explanations/failed.json").read_text()).keys() == {"gradcam"}


def test_untrusted_class_in_the_config_is_an_error(explain: Explain, run: Path) -> None:
    change_data(run, _target_="subprocess.Popen")
    done = explain("run")
    assert (done.returncode, find_places(done.stderr)) == (2, ["data"])
    assert "subprocess.Popen" in done.stderr


def test_regions_follow_a_table_of_thresholds(explain: Explain, run: Path) -> None:
    (run.parent / "tuned.json").write_text('{"Edema": {"threshold": 0.3}}')
    names = ["--observations", "Edema", "Pleural Effusion"]
    done = explain("run", "image.png", *names, "--threshold", "tuned.json", "--boxes", "--out", "new")
    assert done.returncode == 0, done.stderr
    assert "new/hirescam/regions.csv" in done.stdout
    lines = [line.split(",") for line in (run.parent / "new/hirescam/regions.csv").read_text().splitlines()[1:]]
    assert {line[3] for line in lines if line[1] == "Edema"} <= {"0.3", ""}
    assert not {line[3] for line in lines if line[1] != "Edema"} & {"0.3"}
    assert {tuple(line[-2:]) for line in lines} == {("70", "90")}


@pytest.mark.parametrize("threshold", ["tuned", "1.5", "none.json"])
def test_wrong_threshold_is_an_error(explain: Explain, threshold: str) -> None:
    done = explain("run", "image.png", "--threshold", threshold, "--out", "new")
    assert (done.returncode, find_places(done.stderr)) == (2, ["--threshold"])
