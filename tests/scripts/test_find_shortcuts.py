"""The command line of the shortcut report."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import chexpert
from chexpert import shortcuts
from chexpert.problem import ProblemError

SCRIPT = Path(__file__).parents[2] / "scripts/find_shortcuts.py"


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
        "root": "data", "views": 3, "explainer": "lime", "geometry": "made up", "suspects": {}, "aurocs": {},
        "pairs": [], "places": {}, "baselines": {},
    }  # fmt: skip

    def search(loaded, explainer, root, regions, observations, seed):
        asked.append((explainer, observations, seed))
        return content, Figure()

    monkeypatch.setattr(chexpert, "load", lambda path: path)
    monkeypatch.setattr(shortcuts, "find_shortcuts", search)
    return content, asked


def test_it_leaves_report_figures_and_picture_and_ends_with_0(run, found, tmp_path, capsys):
    assert run(tmp_path, "--seed", 3, "--explainer", "lime", "--observations", "Edema", "Lung Opacity") == 0
    explainer, observations, seed = found[1][0]
    assert (explainer.name, explainer.seed, observations, seed) == ("lime", 3, ["Edema", "Lung Opacity"], 3)
    assert json.loads((tmp_path / "shortcuts/shortcut.json").read_text())["run"] == str(tmp_path)
    assert (tmp_path / "shortcuts/report.txt").read_text() == capsys.readouterr().out
    assert (tmp_path / "shortcuts/films.png").stat().st_size > 0


def test_a_problem_is_told_without_a_traceback_and_ends_with_2(run, found, tmp_path, monkeypatch, capsys):
    def refuse(path):
        raise ProblemError("no checkpoint of this project", where=str(path))

    monkeypatch.setattr(chexpert, "load", refuse)
    assert run(tmp_path / "nothing") == 2
    assert "no checkpoint of this project" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["run", "--explainer", "unknown"], ["run", "--seed", "x"]])
def test_misuse_ends_with_2(run, arguments):
    assert run(*arguments) == 2
