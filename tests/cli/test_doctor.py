"""chexpert doctor: what it finds, and what it advises."""

import importlib.metadata as metadata
import shutil
import tempfile
from pathlib import Path

import pytest
from helpers.cli import run_cli
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
