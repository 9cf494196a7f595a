"""Runs and sweeps whose data, weights or predictions were moved."""

import json

import pytest
import yaml

from chexpert.runs import files as run_files
from chexpert.runs.diff import describe_moved, find_changes, keep_original_paths
from chexpert.runs.resume import find_unfinished_runs, find_unfinished_sweeps, same_sweep

CONFIG = {"data": {"root": "old", "image_size": 64}, "model": {"backbone": {"pretrained": False}}, "seed": 0}


def write_run(folder, config=None, overrides=(), name=run_files.STATE):
    folder.mkdir(parents=True)
    (folder / name).write_text(json.dumps({"state": "stopped", "overrides": list(overrides)}))
    if config:
        (folder / run_files.CONFIG).write_text(yaml.safe_dump(config))
    return folder


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        ({"data": {"root": "a"}}, {"data": {"root": "b"}}, True),
        ({"data": {"root": {"parent": "a", "seed": 0}}}, {"data": {"root": {"parent": "b", "seed": 0}}}, True),
        ({"data": {"root": {"parent": "a", "seed": 0}}}, {"data": {"root": {"parent": "a", "seed": 1}}}, False),
        ({"data": {"test": True}}, {"data": {"test": "b"}}, True),
        ({"data": {"test": False}}, {"data": {"test": "b"}}, False),
        ({"data": {"manifest": "a"}}, {"data": {"manifest": "b"}}, True),
        ({"data": {"manifest": "a"}}, {"data": {"manifest": None}}, False),
        ({"labels": {"predictions": "a"}}, {"labels": {"predictions": "b"}}, True),
        ({"features": "a"}, {"features": "b"}, True),
        ({"features": "a"}, {"features": None}, False),
        ({"start_from": "a"}, {"start_from": "b"}, True),
        ({"start_from": "a"}, {"start_from": None}, False),
        ({"model": {"x": {"pretrained": "a"}}}, {"model": {"x": {"pretrained": "b"}}}, True),
        ({"model": {"x": {"pretrained": "rad-dino"}}}, {"model": {"x": {"pretrained": "xrayclip"}}}, False),
        ({"model": {"x": {"pretrained": "rad-dino:a"}}}, {"model": {"x": {"pretrained": "rad-dino:b"}}}, True),
        ({"model": {"x": {"pretrained": "rad-dino:a"}}}, {"model": {"x": {"pretrained": "xrayclip:a"}}}, False),
        (
            {"model": {"members": {"x": {"pretrained": "a"}}}},
            {"model": {"members": {"x": {"pretrained": True}}}},
            False,
        ),
    ],
)
def test_files_may_move_but_not_be_added_or_removed(before, now, same):
    assert (find_changes(before, now) == []) is same


def test_resume_auto_finds_a_run_whose_old_root_is_gone(tmp_path):
    run = write_run(tmp_path / "runs/1", CONFIG | {"data": {"root": str(tmp_path / "old"), "image_size": 64}})
    now = CONFIG | {"data": {"root": str(tmp_path / "new"), "image_size": 64}}
    assert list(find_unfinished_runs(tmp_path / "runs", now)) == [run]
    (tmp_path / "old").mkdir()
    assert list(find_unfinished_runs(tmp_path / "runs", now)) == []


def test_resume_auto_finds_a_sweep_whose_old_root_is_gone(tmp_path):
    overrides = [f"data.root={tmp_path}/old", "seed=0,1"]
    sweep = write_run(tmp_path / "sweeps/1", None, overrides, run_files.SWEEP)
    now = ["seed=0,1", f"data.root={tmp_path}/new"]
    assert list(find_unfinished_sweeps(tmp_path / "sweeps", now)) == [sweep]
    (tmp_path / "old").mkdir()
    assert list(find_unfinished_sweeps(tmp_path / "sweeps", now)) == []


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        (["pretrained=a.safetensors", "seed=0,1"], ["seed=0,1", "pretrained=b.safetensors"], True),
        (["pretrained=false"], ["pretrained=true"], False),
        (["pretrained=a,b"], ["pretrained=a,c"], False),
        (["data.root=a,b"], ["data.root=b,a"], False),
        (["seed=0,1", "optimizer.lr=1,2"], ["optimizer.lr=1,2", "seed=0,1"], False),
        (["start_from=a"], ["start_from=b"], True),
    ],
)
def test_same_sweep_has_the_same_jobs(before, now, same):
    assert same_sweep(before, now) is same


BEFORE = {
    "start_from": "a",
    "features": "x",
    "backbone": {"pretrained": "w"},
    "model": {"backbone": {"pretrained": "w"}},
}
NOW = {"start_from": "b", "features": "y", "backbone": {"pretrained": "v"}, "model": {"backbone": {"pretrained": "v"}}}


def test_resumed_run_keeps_the_paths_of_its_weights():
    assert keep_original_paths(BEFORE, NOW) == BEFORE | {"features": "y"}
    assert keep_original_paths({"start_from": None, "seed": 0}, {"start_from": "b", "seed": 1}) == {
        "start_from": "b",
        "seed": 1,
    }


@pytest.mark.parametrize(("begun", "kept"), [(True, ["backbone.pretrained", "start_from"]), (False, [])])
def test_each_moved_file_is_noted_once(begun, kept):
    notes = describe_moved(BEFORE, NOW, begun=begun)
    assert sorted(note.split()[0].rstrip(":") for note in notes) == ["backbone.pretrained", "features", "start_from"]
    assert sorted(note.split()[0] for note in notes if " stays " in note) == kept
