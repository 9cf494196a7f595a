"""chexpert audit: exit codes, the files that it writes, and the verdict in the last line."""

import json
from functools import partial

import pytest
from helpers.cli import run_cli
from helpers.errors import find_places

from chexpert.cli import audit as commands
from chexpert.data.sources.detect_layout import VARIANTS
from chexpert.runs import files as run_files

audit = partial(run_cli, "audit")


@pytest.fixture
def root(write_chexpert, make_row):
    return write_chexpert([make_row({"Edema": "1.0"})], [make_row({"Edema": "1.0"}, split="valid")])


def test_folder_without_a_dataset_ends_with_exit_code_2(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = audit(".")
    assert (done.returncode, done.stdout) == (2, "")
    assert str(tmp_path) in done.stderr.splitlines()[0]
    assert "ROOT" not in done.stderr


def test_files_are_written_and_the_verdict_is_printed_last(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    done = audit(root, "--json", out / "a.json", "--manifest", out / "m.txt", "--figures", out / "figures")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("passed")
    written = [line.split(",")[0] for line in done.stderr.splitlines() if line.startswith("written: ")]
    assert written == [f"written: {out / name}" for name in ("a.json", "m.txt", "figures")]
    assert json.loads((out / "a.json").read_text())["train"]["images"] == 1
    assert len((out / "m.txt").read_text().splitlines()) == 4
    assert (out / "figures/co_occurrence.png").stat().st_size > 10_000


def test_damaged_dataset_ends_with_exit_code_1(root, tmp_path_factory):
    manifest = tmp_path_factory.mktemp("out") / "m.txt"
    assert audit(root, "--manifest", manifest).returncode == 0
    (root / "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg").unlink()
    done = audit(root, "--check", manifest)
    assert done.returncode == 1
    assert "error: missing, 1" in done.stdout
    assert "error: manifest, 1" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("failed: 2")


@pytest.mark.parametrize(
    "arguments",
    [
        ["no/such/folder"],
        [".", "--no-images", "--manifest", "m"],
        [],
        [".", "--json", "folder"],
        [".", "--manifest", "folder"],
        [".", "--figures", "file"],
        [".", "--json", "file/a.json"],
        [".", "--figures", "file/deep/figures"],
        [".", "--json", "new", "--manifest", "new"],
        [".", "--json", "new", "--figures", "new/figures"],
        [".", "--workers", "0"],
        [".", "--workers", "-1"],
        [".", "--workers", "two"],
        [".", "--variant", "large"],
    ],
)
def test_wrong_call_ends_with_exit_code_2(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    done = audit(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error:" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_all_files_may_lie_in_one_folder(root, tmp_path_factory, monkeypatch):
    monkeypatch.setattr("chexpert.report.plot_exploration", lambda *_: [])
    out = tmp_path_factory.mktemp("out")
    assert audit(root, "--json", out / "a.json", "--manifest", out / "m.txt", "--figures", out).returncode == 0


def test_script_lists_the_known_variants():
    assert commands.VARIANTS == VARIANTS


def test_report_is_printed_if_a_file_cannot_be_written(root, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(run_files, "write_json", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    done = audit(root, "--json", tmp_path_factory.mktemp("out") / "a.json")
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1].startswith("passed")
    assert done.stderr == "error: no space left\n"


def test_damaged_manifest_is_an_error(root, tmp_path):
    (tmp_path / "m.txt").write_text("nonsense\n")
    done = audit(root, "--check", tmp_path / "m.txt")
    assert (done.returncode, find_places(done.stderr)) == (2, [f"{tmp_path / 'm.txt'}, line 1"])
