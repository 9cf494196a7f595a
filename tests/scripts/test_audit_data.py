"""The audit's command line."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from chexpert.data.sources.detect_layout import VARIANTS
from chexpert.runs import files as run_files

SCRIPT = Path(__file__).parents[2] / "scripts/audit_data.py"


@pytest.fixture
def root(write_chexpert, make_row):
    return write_chexpert([make_row({"Edema": "1.0"})], [make_row({"Edema": "1.0"}, split="valid")])


@pytest.fixture
def run(monkeypatch):
    """The script in this process, given its arguments; its exit code comes back."""
    spec = importlib.util.spec_from_file_location("audit_data", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["audit_data.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            script.main()
        return exit_.value.code

    return run


def test_it_writes_what_it_is_asked_for(run, root, tmp_path_factory, capsys):
    out = tmp_path_factory.mktemp("out")
    assert run(root, "--json", out / "a.json", "--manifest", out / "m.txt", "--figures", out / "figures") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("passed: no error")
    assert json.loads((out / "a.json").read_text())["train"]["images"] == 1
    assert len((out / "m.txt").read_text().splitlines()) == 4
    assert (out / "figures/co_occurrence.png").stat().st_size > 10_000


def test_an_error_is_reported_and_ends_with_1(run, root, tmp_path_factory, capsys):
    manifest = tmp_path_factory.mktemp("out") / "m.txt"
    assert run(root, "--manifest", manifest) == 0
    (root / "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg").unlink()
    assert run(root, "--check", manifest) == 1
    output = capsys.readouterr().out
    assert "error: missing, 1" in output
    assert "error: manifest, 1" in output
    assert output.splitlines()[-1].startswith("failed: 2 errors")


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
def test_misuse_ends_with_2(run, arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert run(*arguments) == 2
    assert "error:" in capsys.readouterr().err


def test_results_may_lie_in_one_folder(run, root, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    assert run(root, "--json", out / "a.json", "--manifest", out / "m.txt", "--figures", out) == 0


def test_the_variants_are_those_that_are_known(run):
    assert run.__globals__["SCRIPT"].read_text().count("VARIANTS = " + repr(VARIANTS).replace("'", '"')) == 1


def test_the_report_is_reported_even_if_a_file_cannot_be_written(run, root, tmp_path_factory, capsys, monkeypatch):
    monkeypatch.setattr(run_files, "write_json", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    assert run(root, "--json", tmp_path_factory.mktemp("out") / "a.json") == 2
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1].startswith("passed")
    assert printed.err == "error: no space left\n"


def test_a_broken_manifest_is_reported(run, root, tmp_path, capsys):
    (tmp_path / "m.txt").write_text("nonsense\n")
    assert run(root, "--check", tmp_path / "m.txt") == 2
    assert "line 1" in capsys.readouterr().err


def test_it_says_what_it_wrote_and_where_the_verdict_is_last(run, root, tmp_path_factory, capsys):
    out = tmp_path_factory.mktemp("out")
    run(root, "--json", out / "a.json", "--manifest", out / "m.txt", "--figures", out / "figures")
    output, noted = capsys.readouterr()
    assert output.splitlines()[-1].startswith("passed")
    assert [line.split(",")[0] for line in noted.splitlines() if line.startswith("written: ")] == [
        f"written: {out / name}" for name in ("a.json", "m.txt", "figures")
    ]
