"""The command line of the shortcut report."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

import chexpert
from chexpert.data import write_phantom
from chexpert.errors import UserError
from chexpert.inference import shortcuts
from chexpert.models import Backbone, Single

SCRIPT = Path(__file__).parents[2] / "scripts/find_shortcuts.py"

EFFECT = {"value": 0.1, "ci_low": 0.0, "ci_high": 0.2, "n": 40, "undefined_replicates": 0}
PAIR = {
    "observation": "Edema", "suspect": "Support Devices", "by": "counterfactual", "effect": EFFECT,
    "lacking": ["effect"], "alarm": False, "tied": False, "finding": False, "ties": {"matched": 0.5},
    "auroc_fall": None, "mass_over_area": None,
}  # fmt: skip


@pytest.fixture
def run(monkeypatch):
    """The script in this process, given its arguments; its exit code comes back."""
    spec = importlib.util.spec_from_file_location("find_shortcuts", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["find_shortcuts.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            script.main()
        return exit_.value.code

    return run


@pytest.fixture
def found(monkeypatch):
    """What a search is made to find, and what it was asked."""
    asked = []
    content = {
        "root": "data", "views": 3, "explainer": "lime", "geometry": "made up",
        "suspects": {"Support Devices": {"views": 3}}, "aurocs": {"Edema": {}},
        "pairs": [PAIR], "places": {}, "baselines": {},
    }  # fmt: skip

    def search(loaded, explainer, root, regions, observations, seed):
        asked.append((explainer, observations, seed))
        return content, Figure()

    monkeypatch.setattr(chexpert, "load", lambda path: path)
    monkeypatch.setattr(shortcuts, "find_shortcuts", search)
    return content, asked


def test_it_leaves_report_metrics_and_picture_and_ends_with_0(run, found, tmp_path, capsys):
    assert run(tmp_path, "--seed", 3, "--explainer", "lime", "--observations", "Edema", "Lung Opacity") == 0
    explainer, observations, seed = found[1][0]
    assert (explainer.name, explainer.seed, observations, seed) == ("lime", 3, ["Edema", "Lung Opacity"], 3)
    assert json.loads((tmp_path / "shortcuts/shortcut.json").read_text())["run"] == str(tmp_path)
    assert (tmp_path / "shortcuts/report.txt").read_text() == capsys.readouterr().out
    assert (tmp_path / "shortcuts/images.png").stat().st_size > 0


def test_an_error_is_reported_without_a_traceback_and_ends_with_2(run, found, tmp_path, monkeypatch, capsys):
    def refuse(path):
        raise UserError("no checkpoint of this project", where=str(path))

    monkeypatch.setattr(chexpert, "load", refuse)
    assert run(tmp_path / "nothing") == 2
    assert "no checkpoint of this project" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["run", "--explainer", "unknown"], ["run", "--seed", "x"], ["run", "--seed", "-1"]]
)
def test_misuse_ends_with_2(run, arguments):
    assert run(*arguments) == 2


def test_a_shortcut_ends_with_1_and_nothing_tested_with_3(run, found, tmp_path):
    found[0]["pairs"] = [PAIR | {"lacking": [], "alarm": True}]
    assert run(tmp_path, "--out", tmp_path / "one") == 1
    for pairs in ([], [PAIR | {"lacking": ["images"]}], [PAIR | {"tied": True}]):
        found[0]["pairs"] = pairs
        assert run(tmp_path, "--out", tmp_path / str(len(found[1]))) == 3


def test_nothing_is_overwritten(run, found, tmp_path, capsys):
    assert run(tmp_path) == 0
    assert run(tmp_path) == 2
    assert "--out FOLDER" in capsys.readouterr().err
    assert len(found[1]) == 1


def test_a_folder_that_cannot_be_written_is_reported_before_the_search(run, found, tmp_path, monkeypatch, capsys):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert run(tmp_path, "--out", tmp_path / "new") == 2
    assert "cannot be written: Permission denied" in capsys.readouterr().err
    assert found[1] == []


def test_a_full_disk_ends_with_2(run, found, tmp_path, monkeypatch, capsys):
    def fill(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fill)
    assert run(tmp_path) == 2
    assert "No space left" in capsys.readouterr().err


def test_the_whole_way_from_a_checkpoint_on_a_tiny_phantom(run, tmp_path, capsys):
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
    code = run(tmp_path / "run", "--explainer", "random")
    written = json.loads((tmp_path / "run/shortcuts/shortcut.json").read_text())
    (pair,) = written["pairs"]
    assert code == (3 if "images" in pair["lacking"] else int(pair["alarm"]))
    assert (pair["suspect"], written["views"]) == ("Support Devices", 12)
    assert list(written["aurocs"]["Edema"]) == ["matched", "independent", "reversed"]
    assert (tmp_path / "run/shortcuts/images.png").is_file()
    assert (tmp_path / "run/shortcuts/report.txt").read_text() == capsys.readouterr().out
