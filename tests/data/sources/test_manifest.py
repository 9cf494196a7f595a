"""The manifest: written, read, compared."""

import hashlib
import os
import shutil
import subprocess

import pytest

from chexpert.data.audit import compare_manifest
from chexpert.data.sources.manifest import read_manifest, write_manifest
from chexpert.errors import UserError

A, B = "a" * 64, "b" * 64


def test_it_is_sorted_and_comes_back(tmp_path):
    file = tmp_path / "manifest.txt"
    write_manifest(file, {"valid.csv": B, "CheXpert-v1.0 batch 2 (train 1)/x.jpg": A})
    assert file.read_text() == f"{A}  CheXpert-v1.0 batch 2 (train 1)/x.jpg\n{B}  valid.csv\n"
    assert read_manifest(file) == {"CheXpert-v1.0 batch 2 (train 1)/x.jpg": A, "valid.csv": B}


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
def test_sha256sum_reads_it(tmp_path):
    (tmp_path / "train.csv").write_text("Path\n")
    write_manifest(tmp_path / "m", {"train.csv": hashlib.sha256(b"Path\n").hexdigest()})
    done = subprocess.run(["sha256sum", "-c", "m"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "train.csv: OK\n"


@pytest.mark.parametrize("line", ["", "x  train.csv", f"{A} train.csv", f"{A[:-1]}  train.csv", f"{A}  "])
def test_a_broken_line_is_told_with_its_number(tmp_path, line):
    file = tmp_path / "m"
    file.write_text(f"{A}  valid.csv\n{line}\n")
    with pytest.raises(UserError, match="line 2"):
        read_manifest(file)


def test_a_file_twice_is_refused(tmp_path):
    (tmp_path / "m").write_text(f"{A}  train.csv\n{B}  train.csv\n")
    with pytest.raises(UserError, match="listed twice"):
        read_manifest(tmp_path / "m")


def test_any_name_comes_back_but_one_with_a_line_break(tmp_path):
    odd = {os.fsdecode(b"caf\xe9.jpg"): A, "a\x0bb\x85c\u2028d.jpg": B, " e\r.jpg": A}
    write_manifest(tmp_path / "m", odd)
    assert read_manifest(tmp_path / "m") == odd
    with pytest.raises(UserError, match=r"line break in the name of a file: 'a\\nb\.jpg'"):
        write_manifest(tmp_path / "n", {"a\nb.jpg": A})
    assert not (tmp_path / "n").exists()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
def test_sha256sum_reads_odd_bytes_too(tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")
    (tmp_path / name).write_text("Path\n")
    write_manifest(tmp_path / "m", {name: hashlib.sha256(b"Path\n").hexdigest()})
    subprocess.run(["sha256sum", "--strict", "-c", "m"], cwd=tmp_path, capture_output=True, check=True)


def test_an_empty_manifest_is_refused(tmp_path):
    (tmp_path / "m").write_text("")
    with pytest.raises(UserError, match="empty"):
        read_manifest(tmp_path / "m")


@pytest.mark.parametrize("name", ["../train.csv", "/etc/hosts", "a/../../b.jpg"])
def test_a_name_outside_the_copy_is_said_not_to_be_checked(name):
    (defect,) = compare_manifest({name: A}, {})
    assert (defect.where, defect.message) == (name, "not checked: it lies outside of the copy")


def test_changed_missing_and_new_files_are_errors():
    known, found = {"same": A, "changed": A, "gone": A}, {"same": A, "changed": B, "new": B}
    defects = {defect.where: defect for defect in compare_manifest(known, found)}
    assert {name: defect.message for name, defect in defects.items()} == {
        "changed": "changed since the manifest was written",
        "gone": "missing, but in the manifest",
        "new": "not in the manifest",
    }
    assert {defect.severity for defect in defects.values()} == {"error"}
