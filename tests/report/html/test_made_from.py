"""The members of averaged weights and the teachers of a distilled network in the report of a run."""

import json
from pathlib import Path

import pytest
from helpers.report_runs import edit_json, make_run

from chexpert.report.html.made_from import collect_made_from
from chexpert.report.html.run_page import make_page
from chexpert.report.names import Names
from chexpert.report.run_data import RunData

WHO = "ward3-DOE"
CALLED = [f"{WHO}/{place}.ckpt" for place in "abc"]


def compare(names: list[str], best: int) -> dict:
    own = {"value": -0.01, "ci_low": -0.04, "ci_high": 0.02, "p": 0.5}
    best_own = {"value": 0.25, "ci_low": 0.125, "ci_high": 0.375, "p": None}
    mean = {"q": {"value": 0.75, "defined": 2, "of": 3}, "correlation": {"value": 0.5, "defined": 3, "of": 3}}
    return {
        "level": "study", "views": "max", "n": 60, "studies": 60, "over": ["Edema"], "auroc_mean": 0.8,
        "bootstrap": {"replicates": 1000, "seed": 0, "unit": "study"},
        "members": dict(zip(names, (0.7, 0.75, 0.6), strict=False)),
        "ensemble": {"auroc_mean": 0.81, "difference": own},
        "best_member": {"name": names[best], "chosen_on": "dev", "auroc_mean": 0.75, "difference": best_own},
        "disagreement": {"threshold": 0.5, "mean": mean},
    }  # fmt: skip


def make_soup_json(method: str) -> dict:
    members = [{"name": f"member {place + 1}", "weights": f"{place}a" * 32} for place in range(3)]
    greedy = method == "greedy"
    steps = [(2, 0.75, True), (1, 0.74, False), (3, 0.76, True)] if greedy else []
    return {
        "kind": "soup", "method": method, "start": "checkpoints of one run", "batch_norm_images": 8,
        "members": [members[1], members[2]] if greedy else members, "left_out": [members[0]] if greedy else [],
        "chosen_on": "dev" if greedy else None, "names": CALLED, "notes": [],
        "steps": [{"member": f"member {place}", "value": value, "taken": taken} for place, value, taken in steps],
        "comparisons": {"valid": compare(CALLED, 1)},
    }  # fmt: skip


def make_distillation_json() -> dict:
    teachers = [
        {"path": f"/data/{WHO}/{name}", "name": name, "weights": name * 64, "fold": True, "views": 1200,
         "from_tables": 0, "out_of_fold": name == "a", "origin": "an earlier run"} for name in "ab"
    ]  # fmt: skip
    return {"weight": 0.75, "temperature": 2.0, "teachers": teachers, "views": 2500, "taught": 2400,
            "comparisons": {"valid": compare(["a", "b"], 1)}, "missing": []}  # fmt: skip


@pytest.fixture
def run(tmp_path) -> Path:
    return make_run(tmp_path / "run")


def collect(run: Path, ids: str = "hash"):
    return collect_made_from(RunData.read(run), Names(ids, run))


def test_plain_run_has_no_such_part(run):
    assert collect(run) is None
    assert "made-from" not in make_page(RunData.read(run), Names("hash", run))


def test_members_stand_by_place_hash_and_metrics(run):
    (run / "soup.json").write_text(json.dumps(make_soup_json("greedy")))
    found = collect(run)
    assert found.table == [
        ["Member", "Weights", "Taken", "Mean AUROC with it, dev", "Mean AUROC alone, valid"],
        ["member 1", "0a" * 6, "no", "0.740", "0.700"],
        ["member 2", "1a" * 6, "yes", "0.750", "0.750"],
        ["member 3", "2a" * 6, "yes", "0.760", "0.600"],
    ]
    lines = found.comparisons["valid"].lines
    assert [(value, difference and difference["value"], p) for _, value, difference, p in lines] == [
        (0.8, None, ""), (0.81, -0.01, "0.5"), (0.75, 0.25, ""),
    ]  # fmt: skip
    assert lines[2][0].startswith("Best member (member 2, ")
    assert "Q 0.75 (at the threshold 0.5; 2 of 3 " in found.comparisons["valid"].disagreement
    assert found.comparisons["valid"].disagreement.endswith(" 0.50")


def test_uniform_average_has_no_order(run):
    (run / "soup.json").write_text(json.dumps(make_soup_json("uniform")))
    assert collect(run).table[0] == ["Member", "Weights", "Mean AUROC alone, valid"]


def test_teachers_stand_with_what_they_taught(run):
    (run / "distillation.json").write_text(json.dumps(make_distillation_json()))
    assert collect(run).table[1:] == [
        ["teacher 1", "a" * 12, "1,200", "yes", "0.700"],
        ["teacher 2", "b" * 12, "1,200", "no", "0.750"],
    ]
    assert "2,400 of 2,500" in collect(run).about


@pytest.mark.parametrize("name", ["soup.json", "distillation.json"])
def test_page_names_no_run_unless_asked(run, name):
    content = make_soup_json("uniform") if name == "soup.json" else make_distillation_json()
    (run / name).write_text(json.dumps(content))
    page = make_page(RunData.read(run), Names("hash", run))
    assert "[0.125, 0.375]" in page
    assert WHO not in page
    if name == "soup.json":
        assert CALLED[1] in make_page(RunData.read(run), Names("path", run))


def test_before_it_is_compared_the_page_says_so(run):
    content = make_distillation_json()
    del content["comparisons"]
    (run / "distillation.json").write_text(json.dumps(content))
    assert collect(run).missing
    assert collect(run).missing[1:] in make_page(RunData.read(run), Names("hash", run))


@pytest.mark.parametrize("change", [{"members": 3}, {"comparisons": {"valid": {}}}, {"steps": [{}]}])
def test_file_of_another_form_is_named_and_stops_nothing(run, change):
    (run / "soup.json").write_text(json.dumps(make_soup_json("greedy") | change))
    run_data = RunData.read(run)
    assert make_page(run_data, Names("hash", run))
    assert any(lack.message.startswith("made_from: ") for lack in run_data.lacks)


@pytest.mark.parametrize("command", [f"chexpert soup {WHO}/a out --top-k 2", f"chexpert soup '{WHO}"])
def test_command_of_averaged_weights_hides_places(run, command):
    made_of = {"kind": "soup", "method": "uniform", "start": "x", "members": []}
    edit_json(run / "metrics.json", lambda own: own | {"made_of": made_of})
    edit_json(run / "state.json", lambda own: own | {"command": command, "overrides": []})
    page = make_page(RunData.read(run), Names("hash", run))
    assert WHO not in page
    assert ("--top-k 2" in page) == ("--top-k" in command)
    assert f"{WHO}" in make_page(RunData.read(run), Names("path", run))
