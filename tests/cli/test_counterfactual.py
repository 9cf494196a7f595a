"""chexpert counterfactual: the files that it writes, and its errors with exit code 2."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.autoencoders import write_random_autoencoder
from helpers.cli import run_cli
from helpers.errors import find_places
from helpers.external_trees import write_nih
from PIL import Image

from chexpert.models import Backbone, Single
from chexpert.runs.anonymize import hash_name

OPTIONS = {"channels": [4, 4, 8, 8], "stem_width": 4}
BACKBONE = {"_target_": "chexpert.models.Backbone", "name": "resnet10t", "options": OPTIONS}
DATA = {"_target_": "chexpert.data.CheXpertDataModule", "num_workers": 0, "image_size": 64}
LABELS = {"_target_": "chexpert.data.LabelPolicy", "uncertain": "zeros"}


@pytest.fixture
def run(tmp_path: Path, write_chexpert, make_row, monkeypatch) -> Path:
    """A run folder whose three-class model has random weights, beside a dataset and an image."""
    rows = [make_row({"Edema": "1.0"}, patient, split="valid") for patient in (1, 2)]
    root = write_chexpert([make_row({"Edema": "1.0"}, patient) for patient in (1, 2, 3)], rows)
    torch.manual_seed(0)
    model = Single(Backbone("resnet10t", options=OPTIONS), outputs=2, uncertain=[0])
    config = {
        "seed": 0,
        "observations": ["Edema", "Pleural Effusion"],
        "model": {"_target_": "chexpert.models.Single", "backbone": BACKBONE},
        "labels": LABELS,
        "explain": {"masks": None},
        "data": DATA | {"root": str(root)},
    }
    metadata = {
        "config": config,
        "observations": ["Edema", "Pleural Effusion"],
        "readout": {"uncertain": [0], "parents": None},
        "preprocessing": {"size": 64, "fit": "stretch"},
    }
    weights = {f"model.{key}": value for key, value in model.state_dict().items()}
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    torch.save({"chexpert": metadata, "state_dict": weights}, tmp_path / "run/checkpoints/best.ckpt")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 70), dtype=np.uint8)).save(tmp_path / "image.png")
    write_random_autoencoder(tmp_path / "a.safetensors", 64)
    write_random_autoencoder(tmp_path / "crop.safetensors", 64, "crop")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def test_autoencoder_is_trained_and_views_of_the_observation_are_changed(run: Path) -> None:
    done = run_cli("counterfactual", "run", "--observation", "Edema", "--epochs", "1", "--count", "1")
    assert done.returncode == 0, done.stderr
    folder = run / "counterfactuals"
    content = json.loads((folder / "manifest.json").read_text())
    assert (content["autoencoder"]["images"], content["autoencoder"]["epochs"]) == (3, 1)
    assert json.loads((folder / "autoencoder.json").read_text())["preprocessing"] == {"size": 64, "fit": "stretch"}
    (entry,) = content["views"]
    assert entry["truth"] == 1
    assert [len(frame["logits"]) for frame in entry["frames"]] == [2] * 7
    assert entry["frames"][3]["logits"] == pytest.approx(entry["logits"], abs=1e-4)
    assert entry["inside_mask"] is None
    assert content["reconstruction"]["images"] == 2
    for name in entry["files"]:
        with Image.open(folder / name) as picture:
            frames = getattr(picture, "n_frames", 1)
            assert 1 < frames <= 12 if name.endswith(".gif") else frames == 1  # a GIF joins frames that are equal
        assert f"written:       {Path('run/counterfactuals') / name}" in done.stdout


def test_own_views_of_external_data_are_hashes_outside_the_run(run: Path) -> None:
    file = run / "checkpoints/best.ckpt"
    content = torch.load(file, weights_only=True)
    content["chexpert"]["config"]["data"]["root"] = str(write_nih(run.parent / "nih", patients=60))
    torch.save(content, file)
    words = ["run", "--observation", "Edema", "--autoencoder", "a.safetensors", "--count", "1"]
    found = []
    for more in ([], ["--out", "new"], ["--out", "named", "--ids", "path"]):
        done = run_cli("counterfactual", *words, *more)
        assert done.returncode == 0, done.stderr
        folder = run.parent / more[1] if more else run / "counterfactuals"
        found.append(json.loads((folder / "manifest.json").read_text())["views"][0]["view"])
    inside, outside, named = found
    assert inside.startswith("ChestX-ray14/patient")
    assert named == inside
    assert outside == hash_name(inside, (run / "ids.salt").read_text().strip())
    assert (run.parent / "new/ids.txt").is_file()
    assert not [file for file in (run.parent / "new").rglob("*") if "patient0" in str(file.relative_to(run.parent))]


def test_given_autoencoder_and_image_need_no_data(run: Path) -> None:
    (run.parent / "CheXpert-v1.0-small").rename(run.parent / "gone")
    words = ["run", "image.png", "--observation", "Edema", "--autoencoder", "a.safetensors", "--out"]
    for folder in ("one", "two"):
        done = run_cli("counterfactual", *words, folder)
        assert done.returncode == 0, done.stderr
    one, two = (json.loads((run.parent / name / "manifest.json").read_text()) for name in ("one", "two"))
    assert one == two
    assert one["views"][0]["view"].startswith("id-")
    assert not (run.parent / "one/autoencoder.safetensors").exists()
    assert (run.parent / "one/ids.txt").is_file()


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ("run --observation Fracture", "--observation"),
        ("run --observation Edema --autoencoder none.safetensors", "none.json"),
        ("run --observation Edema --autoencoder crop.safetensors", "crop.safetensors"),
        ("run --observation Edema --epochs 0", "--epochs"),
        ("run --observation Edema --count -1", "--count"),
        ("run --observation Edema --device nowhere", "--device"),
        ("run --observation Edema --amount 1", "chexpert counterfactual"),
        ("run", "chexpert counterfactual"),
        ("run none.png --observation Edema --autoencoder a.safetensors", "none.png"),
        ("run --observation Edema --out run", "run"),
        ("nowhere --observation Edema", "nowhere"),
    ],
)
def test_wrong_call_is_an_error(run: Path, arguments: str, place: str) -> None:
    done = run_cli("counterfactual", *arguments.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert find_places(done.stderr) == [place]
    assert not (run / "counterfactuals").exists()


def test_observation_that_no_view_shows_is_an_error(run: Path) -> None:
    done = run_cli("counterfactual", "run", "--observation", "Pleural Effusion")
    assert (done.returncode, find_places(done.stderr)) == (2, ["--observation"])
