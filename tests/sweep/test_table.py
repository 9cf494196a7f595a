"""The table of a sweep, from fake jobs."""

import csv
import json
import math
import multiprocessing
import shutil

import numpy as np
import pytest
from scipy.stats import t

from chexpert.runs import files as run_files
from chexpert.sweep.table import describe_seeds, describe_sweep, read_sweep, write_sweep


def make_job(sweep, name, state="finished", *, value=None, why=None, overrides=(), seconds=9.6, split="valid"):
    folder = sweep / name
    content = {"state": state, "why": why, "overrides": list(overrides), "seconds": seconds}
    run_files.write_json(folder / "state.json", content)
    if value is not None:
        metrics = {"epoch_chosen_on": split, split: {"auroc_mean": value, "auroc_mean_over": ["Edema"]}}
        run_files.write_json(folder / "metrics.json", metrics)
        auroc = {"value": value, "ci_low": value - 0.1, "ci_high": value + 0.1, "over": ["Edema"]}
        run_files.write_json(folder / f"evaluation/{split}.json", {"auroc_mean": auroc})


@pytest.fixture
def sweep(tmp_path):
    make_job(tmp_path, "0", value=0.5, overrides=["+seed=0", "labels=ones", "name=x"])
    make_job(tmp_path, "1", "failed", why="lower the rate", overrides=["+seed=1", "labels=ones", "name=x"])
    make_job(tmp_path, "2", value=0.75, overrides=["+seed=2", "labels=ones", "name=x"], split="dev")
    make_job(tmp_path, "10", "running", overrides=["+seed=3", "name=x"], seconds=None)
    make_job(tmp_path, "9", "pruned", why="auroc_mean 0.4 after epoch 1 of 9", value=0.875, overrides=["+seed=4"])
    return tmp_path


def test_jobs_are_ranked_and_those_without_a_value_come_last(sweep):
    write_sweep(sweep)
    rows = list(csv.DictReader((sweep / "table.csv").open()))
    assert [(row["rank"], row["job"], row["state"]) for row in rows] == [
        ("1", "2", "finished"),
        ("2", "0", "finished"),
        ("", "1", "failed"),
        ("", "9", "pruned"),
        ("", "10", "running"),
    ]
    assert rows[0] == {
        "rank": "1", "job": "2", "state": "finished", "auroc_mean": "0.75", "ci_low": "0.65", "ci_high": "0.85",
        "over": "1", "split": "dev", "seconds": "9.6", "training_seconds": "", "validation_seconds": "",
        "evaluation_seconds": "", "peak_memory_mib": "", "device_memory_mib": "",
        "why": "", "seed": "2", "labels": "ones", "name": "x",
    }  # fmt: skip
    assert (rows[2]["why"], rows[2]["auroc_mean"], rows[2]["split"]) == ("lower the rate", "", "")
    assert rows[4]["labels"] == rows[4]["seconds"] == ""


def test_terminal_shows_rounded_values(sweep):
    lines = [line.split() for line in describe_sweep(sweep).splitlines()]
    assert ["2", "0", "finished", "0.500", "[0.400,", "0.600]", "1", "valid", "0", "ones", "x", "10"] in lines
    assert ["1", "failed", "-", "-", "-", "1", "ones", "x", "10", "lower", "the", "rate"] in lines


def test_shared_settings_are_no_column(tmp_path):
    for name in "01":
        make_job(tmp_path, name, value=0.5, overrides=["labels=ones", f"seed={name}"])
    write_sweep(tmp_path)
    header = (tmp_path / "table.md").read_text().splitlines()[4]
    assert header == "| rank | job | state | auroc_mean | over | split | seed | seconds | why |"


def test_costs_are_columns_where_they_are_known(tmp_path):
    for name, device in (("0", None), ("1", 2048.4)):
        make_job(tmp_path, name, value=0.5)
        metrics = json.loads((tmp_path / name / "metrics.json").read_text())
        seconds = {"training": 7.5, "validation": 2.25, "evaluation": 0.1}
        metrics["resources"] = {"seconds": seconds, "peak_memory_mib": {"process": 812.4, "device": device}}
        run_files.write_json(tmp_path / name / "metrics.json", metrics)
    make_job(tmp_path, "2", value=0.4)  # of an older version
    write_sweep(tmp_path)
    lines = (tmp_path / "table.md").read_text().splitlines()
    costs = "training s | validation s | evaluation s | peak MiB | GPU MiB"
    assert lines[4] == f"| rank | job | state | auroc_mean | over | split | seconds | {costs} | why |"
    assert [line.split(" | ")[6:12] for line in lines[6:9]] == [
        ["10", "8", "2", "0", "812", "-"],
        ["10", "8", "2", "0", "812", "2048"],
        ["10", "-", "-", "-", "-", "-"],
    ]
    row = list(csv.DictReader((tmp_path / "table.csv").open()))[1]
    names = ("training_seconds", "validation_seconds", "evaluation_seconds", "peak_memory_mib", "device_memory_mib")
    assert [row[name] for name in names] == ["7.5", "2.25", "0.1", "812.4", "2048.4"]


def test_job_without_evaluation_shows_its_value_only(tmp_path):
    make_job(tmp_path, "0", "running", value=0.5)
    (tmp_path / "0/evaluation/valid.json").unlink()
    assert " 0.500 [-, -] " in describe_sweep(tmp_path)
    assert read_sweep(tmp_path)[0].split == "valid"


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"overrides": 3}'])
def test_damaged_job_is_listed_with_the_others(sweep, content):
    (sweep / "2/state.json").write_text(content)
    jobs = read_sweep(sweep)
    assert [job.name for job in jobs] == ["0", "1", "2", "9", "10"]
    assert jobs[2].state == "unreadable"
    assert jobs[2].why
    write_sweep(sweep)


def test_undefined_value_is_not_ranked(tmp_path):
    make_job(tmp_path, "0", value=0.5)
    undefined = {"auroc_mean": {"value": None, "ci_low": None, "ci_high": None, "over": []}}
    (tmp_path / "0/evaluation/valid.json").write_text(json.dumps(undefined))
    make_job(tmp_path, "1", value=0.25)
    assert [job.name for job in read_sweep(tmp_path)] == ["1", "0"]


def test_files_of_the_table_hide_paths(tmp_path):
    make_job(tmp_path, "0", "failed", why="no image at ward/DOE.jpg", overrides=["start_from=DOE_1950", "seed=0"])
    make_job(tmp_path, "1", overrides=["start_from=null", "seed=1"])
    write_sweep(tmp_path)
    for name in ("table.csv", "table.md"):
        text = (tmp_path / name).read_text()
        assert "DOE" not in text
        assert "[a path]" in text
    assert "DOE.jpg" in describe_sweep(tmp_path)


def test_seeds_of_one_configuration_have_mean_spread_and_a_tie(tmp_path):
    values = {"lr=1": (0.80, 0.82, 0.81), "lr=2": (0.90, 0.93, 0.90), "lr=3": (0.5,)}
    for lr, own in values.items():
        for seed, value in enumerate(own):
            make_job(tmp_path, f"{lr[-1]}{seed}", value=value, overrides=[f"optimizer.{lr}", f"seed={seed}"])
    make_job(tmp_path, "9", "failed", overrides=["optimizer.lr=3", "seed=1"])
    write_sweep(tmp_path)
    lines = [line[2:] for line in (tmp_path / "table.md").read_text().splitlines() if line.startswith("- ")]
    assert lines == [line for line in describe_sweep(tmp_path).splitlines() if line in lines]
    first, second, tie = lines
    sd = math.sqrt((np.var(values["lr=1"], ddof=1) + np.var(values["lr=2"], ddof=1)) / 2)
    reach = t.ppf(0.975, 4) * sd
    assert all(number in first for number in ("0.910", "0.017", "0.900", "0.930", "21, 20, 22"))
    assert all(number in second for number in ("0.810", "0.010", "0.800", "0.820", "0.100"))
    assert f"{reach * math.sqrt(2 / 3):.3f}" in second
    assert f"{reach * math.sqrt(2):.3f}" in tie


def test_folds_of_a_sweep_are_not_seeds(tmp_path):
    for lr, less in ((1, 0), (2, 0.03)):
        for fold, value in enumerate((0.80, 0.84, 0.90, 0.86, 0.78)):
            make_job(tmp_path, f"{lr}{fold}", value=value - less, overrides=[f"optimizer.lr={lr}", f"data.fold={fold}"])
    *configurations, last = describe_seeds(read_sweep(tmp_path))
    assert len(configurations) == 2
    assert not any("tie (" in line for line in configurations)
    assert "less than" not in last


def set_setting(sweep, name, level, images="frontal"):
    """Record the evaluation setting of a job."""
    (path,) = (sweep / name / "evaluation").glob("*.json")
    views = "max" if level == "study" else None
    path.write_text(json.dumps(json.loads(path.read_text()) | {"level": level, "views": views}))
    run_files.write_json(sweep / name / "data.json", {"views": images, "splits": {}})


def test_jobs_of_different_evaluation_settings_have_no_rank(tmp_path):
    for name, value, level in (("0", 0.5, "image"), ("1", 0.6, "study"), ("2", 0.7, "image"), ("10", 0.9, "study")):
        make_job(tmp_path, name, value=value, overrides=[f"seed={name}"])  # the setting is of an experiment's file
        set_setting(tmp_path, name, level)
    write_sweep(tmp_path)
    rows = [(row["rank"], row["job"]) for row in csv.DictReader((tmp_path / "table.csv").open())]
    assert rows == [("", "0"), ("", "1"), ("", "2"), ("", "10")]
    table = [line for line in (tmp_path / "table.md").read_text().splitlines() if line.startswith("|  |")]
    assert len(table) == 4
    spread = [line for line in describe_seeds(read_sweep(tmp_path)) if "(0, 2)" in line or "(1, 10)" in line]
    assert len(spread) == 2
    for name in ("1", "10"):
        shutil.rmtree(tmp_path / name)
    write_sweep(tmp_path)
    rows = [(row["rank"], row["job"]) for row in csv.DictReader((tmp_path / "table.csv").open())]
    assert rows == [("1", "2"), ("2", "0")]


def test_seeds_are_not_gathered_over_hidden_settings_or_splits(tmp_path):
    make_job(tmp_path, "0", value=0.5, overrides=["start_from=a/b", "seed=0"])
    make_job(tmp_path, "1", value=0.6, overrides=["start_from=a/c", "seed=1"])
    make_job(tmp_path, "2", value=0.7, overrides=["start_from=a/c", "seed=2"], split="dev")
    write_sweep(tmp_path)
    assert not [line for line in (tmp_path / "table.md").read_text().splitlines() if line.startswith("- ")]


def test_jobs_of_different_evaluation_settings_are_named(tmp_path):
    for name, level, images in (("0", "image", "frontal"), ("1", "study", "frontal"), ("2", "study", "all")):
        make_job(tmp_path, name, value=0.5, overrides=[f"level={level}"])
        set_setting(tmp_path, name, level, images)
    assert len({job.setting for job in read_sweep(tmp_path)}) == 3
    head = describe_sweep(tmp_path).splitlines()[0]
    assert all(word in head for word in ("single views", "studies (max over views)", "data.views=all"))
    for name in "12":
        shutil.rmtree(tmp_path / name)
    assert "single views" not in describe_sweep(tmp_path).splitlines()[0]


def test_jobs_whose_epochs_were_chosen_on_different_splits_have_no_rank(tmp_path):
    for name, split in (("0", "dev"), ("1", "valid")):
        make_job(tmp_path, name, value=0.8 + 0.1 * int(name), split=split)
        set_setting(tmp_path, name, "image")
    write_sweep(tmp_path)
    assert [row["rank"] for row in csv.DictReader((tmp_path / "table.csv").open())] == ["", ""]
    head = describe_sweep(tmp_path).splitlines()[0]
    assert all(f"{split} split" in head for split in ("dev", "valid"))


def finish(sweep, name):
    make_job(sweep, name, value=0.5)
    write_sweep(sweep)


def test_concurrent_jobs_write_one_whole_table(tmp_path):
    for name in "01234567":
        make_job(tmp_path, name, "running")
    forked = multiprocessing.get_context("fork")
    jobs = [forked.Process(target=finish, args=(tmp_path, name)) for name in "01234567"]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    rows = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert [(row["job"], row["state"]) for row in rows] == [(name, "finished") for name in "01234567"]
    assert not list(tmp_path.glob(".table*"))


def test_synthetic_images_are_noted_for_all_or_some_jobs(tmp_path):
    for name in "01":
        make_job(tmp_path, name, value=0.5)
    run_files.write_json(tmp_path / "1/data.json", {"splits": {"valid": {"synthetic": True}}})
    first = describe_sweep(tmp_path).splitlines()[0]
    assert "synthetic" in first
    assert "(jobs 1)" in first
    write_sweep(tmp_path)
    assert [row["synthetic"] for row in csv.DictReader((tmp_path / "table.csv").open())] == ["false", "true"]
    run_files.write_json(tmp_path / "0/data.json", {"splits": {"valid": {"synthetic": True}}})
    first = describe_sweep(tmp_path).splitlines()[0]
    assert "synthetic" in first
    assert "(jobs " not in first
