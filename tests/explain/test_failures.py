"""What is left and told of explainers, and of steps over all of them, that failed."""

import json
import shlex
from types import SimpleNamespace

import pytest

from chexpert.errors import UserError
from chexpert.explain import ExplainCallback, Failures, callback
from chexpert.runs import files as run_files


def fail(failures, name, error, **options):
    with failures.catching(name, **options):
        raise error


def test_the_file_tells_all_and_the_terminal_one_line_with_the_mend(tmp_path):
    failures = Failures(tmp_path)
    fail(failures, "lime", ValueError("too few\nsuperpixels"))
    fail(failures, "rise", UserError("no room", where="cuda:0", hint="explainer.rise.masks=100"))
    fail(failures, "rise", ValueError("what came of it"))
    failures.write()
    told = json.loads((tmp_path / run_files.FAILED).read_text())
    assert [told["lime"]["why"], told["lime"]["explainers"]] == ["ValueError: too few", ["lime"]]
    assert told["lime"]["traceback"].startswith("Traceback")
    assert "in fail\n" in told["lime"]["traceback"]
    rise = {key: value for key, value in told["rise"].items() if key != "traceback"}
    assert rise == {"why": "no room", "where": "cuda:0", "hint": "explainer.rise.masks=100", "explainers": ["rise"]}
    assert failures.format_lines(tmp_path)[:4] == [
        "warning: lime failed: ValueError: too few",
        "warning: rise failed: no room",
        "  where: cuda:0",
        "  hint:  explainer.rise.masks=100",
    ]


@pytest.mark.parametrize("name", ["a b", "it's", 'a "b"', "$HOME"])
def test_the_command_that_explains_again_is_one_for_any_folder(tmp_path, name):
    run, failures = tmp_path / name, Failures(tmp_path)
    fail(failures, "scoring", ValueError("none"), explainers=["lime", "rise"])
    command = failures.format_lines(run)[-1].partition("again: ")[2]
    arguments = ["--explainer", "lime", "rise", "--out", f"{run}/explanations-lime"]
    assert shlex.split(command) == ["python", "scripts/explain.py", str(run), *arguments]


@pytest.mark.parametrize(
    ("broken", "failed"), [("explain_views", "explaining"), ("find_masks", "scoring"), ("show_sheets", "showing")]
)
def test_a_step_that_fails_is_noted_by_its_name_and_costs_no_explainer_its_maps(tmp_path, monkeypatch, broken, failed):
    asked = []
    explaining = ExplainCallback(tmp_path, {"lime": None, "rise": None}, ["Edema"])
    explaining.rows, explaining.find = (), lambda data: ["view"]
    explaining.evaluate = lambda model, left, *_: asked.append([*left])
    monkeypatch.setattr(callback, "TensorBoardLogger", SimpleNamespace)
    for name in ("explain_views", "find_masks", "show_sheets", "show_quality"):
        monkeypatch.setattr(callback, name, lambda *_, name=name, **__: 1 / 0 if name == broken else {})
    data = SimpleNamespace(datasets={"valid": None}, layout=SimpleNamespace(folder=tmp_path))
    trainer = SimpleNamespace(
        datamodule=data, logger=SimpleNamespace(), global_step=0, strategy=SimpleNamespace(root_device="cpu")
    )
    (tmp_path / run_files.EXPLANATIONS).mkdir()
    failures = explaining.explain(trainer, SimpleNamespace(to=lambda device: None))
    assert [*failures] == [failed]
    assert failures.details[failed]["explainers"] == ["lime", "rise"]
    assert asked == [["lime", "rise"]] * (broken != "find_masks")
