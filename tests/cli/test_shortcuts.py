"""chexpert shortcuts: exit codes and files, and the whole search on a tiny phantom."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from helpers.cli import run_cli
from helpers.errors import find_places
from matplotlib.figure import Figure

from chexpert import checkpoints
from chexpert.data import write_phantom
from chexpert.inference import shortcuts
from chexpert.models import Backbone, Single

find_shortcuts = partial(run_cli, "shortcuts")
EFFECT = {"value": 0.1, "ci_low": 0.0, "ci_high": 0.2, "n": 40, "undefined_replicates": 0}
PAIR = {
    "observation": "Edema", "suspect": "Support Devices", "by": "counterfactual", "effect": EFFECT,
    "lacking": ["effect"], "alarm": False, "tied": False, "finding": False, "ties": {"matched": 0.5},
    "auroc_fall": None, "mass_over_area": None,
}  # fmt: skip


@pytest.fixture
def search(monkeypatch):
    """Replace the search; return the content that it finds, and the list of its calls."""
    calls = []
    content = {
        "root": "data", "views": 3, "explainer": "lime", "geometry": "made up",
        "suspects": {"Support Devices": {"views": 3}}, "aurocs": {"Edema": {}},
        "pairs": [PAIR], "places": {}, "baselines": {},
    }  # fmt: skip

    def search(loaded, explainer, root, regions, observations, seed):
        calls.append((explainer, observations, seed))
        return content, Figure()

    monkeypatch.setattr(checkpoints, "load", lambda path: path)
    monkeypatch.setattr(shortcuts, "find_shortcuts", search)
    return content, calls


def test_search_writes_report_metrics_and_plot(search, tmp_path):
    done = find_shortcuts(tmp_path, "--seed", 3, "--explainer", "lime", "--observations", "Edema", "Lung Opacity")
    assert done.returncode == 0, done.stderr
    explainer, observations, seed = search[1][0]
    assert (explainer.name, explainer.seed, observations, seed) == ("lime", 3, ["Edema", "Lung Opacity"], 3)
    assert json.loads((tmp_path / "shortcuts/shortcut.json").read_text())["run"] == str(tmp_path)
    assert (tmp_path / "shortcuts/report.txt").read_text() == done.stdout
    assert (tmp_path / "shortcuts/images.png").stat().st_size > 0


def test_missing_run_is_an_error(tmp_path):
    done = find_shortcuts(tmp_path / "none")
    assert (done.returncode, done.stdout) == (2, "")
    assert find_places(done.stderr) == [str(tmp_path / "none")]


@pytest.mark.parametrize(
    "arguments", [[], ["run", "--explainer", "unknown"], ["run", "--seed", "x"], ["run", "--seed", "-1"]]
)
def test_wrong_option_is_an_error(arguments):
    assert find_shortcuts(*arguments).returncode == 2


def test_exit_code_is_1_for_a_shortcut_and_3_without_a_test(search, tmp_path):
    search[0]["pairs"] = [PAIR | {"lacking": [], "alarm": True}]
    assert find_shortcuts(tmp_path, "--out", tmp_path / "one").returncode == 1
    for pairs in ([], [PAIR | {"lacking": ["images"]}], [PAIR | {"tied": True}]):
        search[0]["pairs"] = pairs
        assert find_shortcuts(tmp_path, "--out", tmp_path / str(len(search[1]))).returncode == 3


def test_folder_that_is_not_empty_is_an_error(search, tmp_path):
    assert find_shortcuts(tmp_path).returncode == 0
    done = find_shortcuts(tmp_path)
    assert (done.returncode, find_places(done.stderr)) == (2, [str(tmp_path / "shortcuts")])
    assert "--out" in done.stderr
    assert len(search[1]) == 1


def test_unwritable_folder_is_an_error_before_the_search(search, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    done = find_shortcuts(tmp_path, "--out", tmp_path / "new")
    assert (done.returncode, find_places(done.stderr)) == (2, [str(tmp_path / "new")])
    assert search[1] == []


def test_full_disk_is_an_error(search, tmp_path, monkeypatch):
    def fill(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fill)
    done = find_shortcuts(tmp_path)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr


def test_search_of_a_checkpoint_on_a_tiny_phantom(tmp_path):
    root = write_phantom(tmp_path / "phantom", patients=4, valid=12, size=64, shortcut=0.85, workers=1)
    torch.manual_seed(0)
    backbone = {"_target_": "chexpert.models.Backbone", "name": "mnasnet_small"}
    config = {
        "seed": 0,
        "observations": ["Edema"],
        "labels": {"_target_": "chexpert.data.LabelPolicy", "uncertain": "ones"},
        "model": {"_target_": "chexpert.models.Single", "backbone": backbone},
        "explain": {"masks": None},
        "data": {"_target_": "chexpert.data.CheXpertDataModule", "root": str(root), "image_size": 64, "num_workers": 0},
    }
    metadata = {"config": config, "observations": ["Edema"], "preprocessing": {"size": 64, "fit": "crop"}}
    state = {f"model.{key}": value for key, value in Single(Backbone("mnasnet_small"), outputs=1).state_dict().items()}
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    torch.save({"chexpert": metadata, "state_dict": state}, tmp_path / "run/checkpoints/best.ckpt")
    done = find_shortcuts(tmp_path / "run", "--explainer", "random")
    written = json.loads((tmp_path / "run/shortcuts/shortcut.json").read_text())
    (pair,) = written["pairs"]
    assert done.returncode == (3 if "images" in pair["lacking"] else int(pair["alarm"]))
    assert (pair["suspect"], written["views"]) == ("Support Devices", 12)
    assert list(written["aurocs"]["Edema"]) == ["matched", "independent", "reversed"]
    assert (tmp_path / "run/shortcuts/images.png").is_file()
    assert (tmp_path / "run/shortcuts/report.txt").read_text() == done.stdout
