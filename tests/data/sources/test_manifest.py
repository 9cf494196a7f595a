"""The manifest: writing, reading and comparison."""

import hashlib
import os
import shutil
import subprocess

import pytest
from helpers.errors import raises

from chexpert.data.audit import compare_manifest
from chexpert.data.sources.manifest import read_manifest, write_manifest

A, B = "a" * 64, "b" * 64


def test_manifest_is_sorted_and_read_back(tmp_path):
    file = tmp_path / "manifest.txt"
    write_manifest(file, {"valid.csv": B, "CheXpert-v1.0 batch 2 (train 1)/x.jpg": A})
    assert file.read_text() == f"{A}  CheXpert-v1.0 batch 2 (train 1)/x.jpg\n{B}  valid.csv\n"
    assert read_manifest(file) == {"CheXpert-v1.0 batch 2 (train 1)/x.jpg": A, "valid.csv": B}


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
@pytest.mark.parametrize("name", ["train.csv", os.fsdecode(b"caf\xe9.jpg")])
def test_sha256sum_accepts_a_written_manifest(tmp_path, name):
    (tmp_path / name).write_text("Path\n")
    write_manifest(tmp_path / "m", {name: hashlib.sha256(b"Path\n").hexdigest()})
    done = subprocess.run(["sha256sum", "--strict", "-c", "m"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == os.fsencode(f"{name}: OK\n")


@pytest.mark.parametrize(
    "line", ["", "x  train.csv", f"{A} train.csv", f"{A[:-1]}  train.csv", f"{A}  ", f"{B}  valid.csv"]
)
def test_broken_or_repeated_line_is_an_error(tmp_path, line):
    file = tmp_path / "m"
    file.write_text(f"{A}  valid.csv\n{line}\n")
    with raises("repeated" if line.endswith("valid.csv") else "manifest-line", f"{file}, line 2"):
        read_manifest(file)


def test_odd_file_names_are_read_back(tmp_path):
    odd = {os.fsdecode(b"caf\xe9.jpg"): A, "a\x0bb\x85c\u2028d.jpg": B, " e\r.jpg": A}
    write_manifest(tmp_path / "m", odd)
    assert read_manifest(tmp_path / "m") == odd


def test_line_break_in_a_file_name_is_an_error(tmp_path):
    with raises("file-name", tmp_path / "n") as caught:
        write_manifest(tmp_path / "n", {"a\nb.jpg": A})
    assert r"a\nb.jpg" in caught.value.message
    assert not (tmp_path / "n").exists()


def test_empty_manifest_is_an_error(tmp_path):
    (tmp_path / "m").write_text("")
    with raises("empty-table", tmp_path / "m"):
        read_manifest(tmp_path / "m")


@pytest.mark.parametrize("name", ["../train.csv", "/etc/hosts", "a/../../b.jpg"])
def test_file_outside_the_folder_is_not_reported_as_missing(name):
    outside, missing = (next(compare_manifest({file: A}, {})) for file in (name, "train.csv"))
    assert (outside.where, outside.severity) == (name, "error")
    assert outside.message != missing.message


def test_changed_missing_and_new_files_are_errors():
    known, found = {"same": A, "changed": A, "gone": A}, {"same": A, "changed": B, "new": B}
    defects = list(compare_manifest(known, found))
    assert [(defect.where, defect.severity) for defect in defects] == [
        ("changed", "error"),
        ("gone", "error"),
        ("new", "error"),
    ]
    assert len({defect.message for defect in defects}) == 3
