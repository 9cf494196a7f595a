"""chexpert doctor: what it finds, and what it advises."""

import importlib.metadata as metadata
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from helpers.cli import run_cli
from helpers.runs import PROJECT
from packaging.requirements import Requirement

from chexpert.cli import doctor


def test_doctor_finds_what_a_run_needs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHEXPERT_ROOT", raising=False)
    done = run_cli("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    found = {line.split()[1]: line for line in done.stdout.splitlines() if not line.startswith(" ")}
    assert metadata.version("torch") in found["torch"]
    assert {"chexpert", "Python", "extra", "CPU", "GPU", "data", "disk", "memory", "outputs"} <= found.keys()
    assert [*tmp_path.iterdir()] == []


def test_missing_package_is_needed(monkeypatch):
    check = doctor.check_package(Requirement("no-such-package>=2"))
    assert (check.needed, check.advice) == (True, "pip install 'no-such-package>=2'")


def test_old_package_is_needed():
    check = doctor.check_package(Requirement("packaging>=9999"))
    assert (check.needed, check.advice) == (True, "pip install 'packaging>=9999'")
    assert doctor.check_package(Requirement("packaging>=1")).advice == ""


def test_requirements_of_an_extra_are_its_own():
    assert [one.name for one in doctor._read_requirements("dicom")] == ["pydicom", "python-gdcm"]
    assert {"torch", "timm"} <= {one.name for one in doctor._read_requirements()}
    assert not {"pydicom", "pytest"} & {one.name for one in doctor._read_requirements()}


def test_missing_extra_has_the_command_that_installs_it(monkeypatch):
    version = metadata.version

    def without_optuna(name):
        if name == "optuna":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_optuna)
    checks = {check.name: check for check in doctor.check_extras()}
    assert checks["extra sweep"].advice == "pip install 'chexpert[sweep]'"
    assert checks["extra dicom"].advice == ""
    assert not any(check.needed for check in checks.values())


def test_folder_without_data_is_noted(tmp_path):
    check = doctor.check_data(str(tmp_path))
    assert check.advice
    assert not check.needed


def test_data_are_found(phantom):
    check = doctor.check_data(str(phantom))
    assert (check.advice, check.found.split(",")[0]) == ("", "small")


def test_little_space_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**10, 0, 10**9))
    assert doctor.check_space("disk", tmp_path / "new", 5e9, "elsewhere") == ("disk", "1.0 GB free", "elsewhere", False)


@pytest.mark.parametrize("needed", [True, False])
def test_folder_that_cannot_be_written_is_found(tmp_path, monkeypatch, needed):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    check = doctor.check_writable("outputs", tmp_path / "outputs", needed, "another folder")
    assert (check.needed, check.advice) == (needed, "another folder")


def test_exit_code_is_1_where_something_is_missing(monkeypatch, tmp_path):
    checks = iter([doctor.Check("torch", "not installed", "pip install torch", needed=True)])
    monkeypatch.setattr(doctor, "_check_all", lambda *_: checks)
    done = run_cli("doctor", "--out", Path(tmp_path))
    assert done.returncode == 1
    assert done.stdout.split()[0] == "MISSING"


LATER = ["data", "disk", "memory", "loader", "outputs", "temporary", "weights"]


@pytest.mark.parametrize(
    ("library", "error", "missing"),
    [
        ("torch", "OSError('libcudart.so: cannot open shared object file')", {"torch", "torchvision", "loader"}),
        ("torch", "ImportError('no torch')", {"torch", "torchvision", "loader"}),
        pytest.param(
            "torchvision",
            "RuntimeError('operator torchvision::nms does not exist')",
            {"torch", "torchvision", "loader"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_library_that_cannot_be_imported_is_a_line(tmp_path, library, error, missing):
    (tmp_path / library).mkdir()
    (tmp_path / library / "__init__.py").write_text(f"raise {error}\n")
    path = os.pathsep.join([str(tmp_path), str(PROJECT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "chexpert", "doctor"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    marks = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")}
    assert {name for name, mark in marks.items() if mark == "MISSING"} == missing
    assert [name for name in marks if name in LATER] == LATER


def test_exception_of_a_check_is_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "check_memory", lambda: 1 / 0)
    checks = {check.name: check for check in doctor._check_all(None, tmp_path)}
    assert checks["memory"].needed
    assert not checks["weights"].needed


def test_file_is_no_folder_to_write_to(tmp_path):
    (tmp_path / "file").touch()
    for out in ("file", "file/below"):
        assert doctor.check_writable("outputs", tmp_path / out, True, "another").needed
    assert not doctor.check_writable("outputs", tmp_path / "new/below", True, "another").needed


def test_home_is_not_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "jane-doe"))
    monkeypatch.delenv("HF_HOME", raising=False)
    done = run_cli("doctor", "--root", tmp_path / "jane-doe/data", "--out", tmp_path / "jane-doe/runs")
    assert "jane-doe" not in done.stdout
    assert "~/.cache/huggingface" in done.stdout
    assert doctor.hide_home(str(tmp_path / "jane-doe-2")) == str(tmp_path / "jane-doe-2")
