"""Explainers that failed, and steps over all of them: the file and the lines that report them."""

import json
import shlex
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from helpers.errors import find_places

from chexpert.errors import UserError
from chexpert.explain import ExplainCallback, Failures, callback
from chexpert.runs import files as run_files


def fail(failures, name, error, **options):
    with failures.catching(name, **options):
        raise error


def test_failures_are_in_the_file_and_in_a_line_each(tmp_path):
    failures = Failures(tmp_path)
    fail(failures, "lime", ValueError("too few\nsuperpixels"))
    fail(failures, "rise", UserError("no room", code="out-of-memory", where="cuda:0", hint="explainer.rise.masks=100"))
    fail(failures, "rise", ValueError("a consequence"))
    failures.write()
    written = json.loads((tmp_path / run_files.FAILED).read_text())
    assert [written["lime"]["why"], written["lime"]["explainers"]] == ["ValueError: too few", ["lime"]]
    assert written["lime"]["traceback"].startswith("Traceback")
    assert "in fail\n" in written["lime"]["traceback"]
    rise = {key: value for key, value in written["rise"].items() if key != "traceback"}
    hint = "explainer.rise.masks=100"
    known = {"why": "no room", "code": "out-of-memory", "where": "cuda:0", "hint": hint, "explainers": ["rise"]}
    assert rise == known
    lime, rise, where, hint, _ = failures.format_lines(tmp_path)
    assert "lime" in lime
    assert lime.endswith("too few")
    assert "rise" in rise
    assert find_places(where) == ["cuda:0"]
    assert "explainer.rise.masks=100" in hint


@pytest.mark.parametrize("name", ["a b", "it's", 'a "b"', "$HOME"])
def test_command_that_explains_again_is_quoted(tmp_path, name):
    run, failures = tmp_path / name, Failures(tmp_path)
    fail(failures, "scoring", ValueError("none"), explainers=["lime", "rise"])
    line = failures.format_lines(run)[-1]
    arguments = ["--explainer", "lime", "rise", "--out", f"{run}/explanations-lime"]
    assert shlex.split(line[line.index("chexpert ") :]) == ["chexpert", "explain", str(run), *arguments]


@pytest.mark.parametrize(
    ("broken", "failed"), [("explain_views", "explaining"), ("find_masks", "scoring"), ("show", "showing")]
)
def test_failing_step_is_noted_and_costs_no_explainer_its_maps(tmp_path, monkeypatch, broken, failed):
    evaluated = []
    explaining = ExplainCallback(tmp_path, {"lime": None, "rise": None}, ["Edema"])
    explaining.rows, explaining.find = (), lambda data: ["view"]
    explaining.evaluate = Mock(side_effect=lambda model, left, *_, **__: evaluated.append([*left]))
    explaining.first = lambda dataset: []
    for name in ("explain_views", "find_masks"):
        monkeypatch.setattr(callback, name, lambda *_, name=name, **__: 1 / 0 if name == broken else {})
    data = SimpleNamespace(datasets={"valid": None}, layout=SimpleNamespace(folder=tmp_path))
    trainer = SimpleNamespace(datamodule=data, strategy=SimpleNamespace(root_device="cpu"))
    (tmp_path / run_files.EXPLANATIONS).mkdir()
    show = (lambda *_: 1 / 0) if broken == "show" else (lambda *_: None)
    failures = explaining.explain(trainer, SimpleNamespace(to=lambda device: None), show)
    assert [*failures] == [failed]
    assert failures.details[failed]["explainers"] == ["lime", "rise"]
    assert evaluated == [["lime", "rise"]] * (broken != "find_masks")
