"""The wheel: whole, and at work in an empty folder without the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_editable, build_wheel

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel as pip does, without its network."""
    folder, before = tmp_path_factory.mktemp("wheel"), Path.cwd()
    os.chdir(PROJECT)
    try:
        return folder / build_wheel(str(folder))
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """Unpack the wheel into a folder, which may not be written."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)


def chexpert(site, folder, *words, **environment):
    variables = os.environ | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    command = [sys.executable, "-m", "chexpert", *map(str, words)]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def test_wheel_has_every_file_of_the_package_and_conf(wheel):
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    kinds = ("*.py", "*.html", "*.css", "*.js", "*.yaml", "*.md", "py.typed")
    package = {str(path.relative_to(PROJECT)) for kind in kinds for path in (PROJECT / "chexpert").rglob(kind)}
    conf = {f"chexpert/{path.relative_to(PROJECT)}" for path in (PROJECT / "conf").rglob("*.yaml")}
    assert packed == package | conf


def test_editable_install_has_no_copy_of_conf(tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    names = zipfile.ZipFile(tmp_path / build_editable(str(tmp_path))).namelist()
    assert [name for name in names if not name.startswith("chexpert-")] == ["_chexpert.pth"]


def test_command_reads_the_conf_of_the_wheel(site, tmp_path):
    code = "import chexpert.conf_folder as c; print(c.find_conf())"
    variables = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.stdout.strip() == str(site / "chexpert/conf")
    composed = chexpert(site, tmp_path, "train", "--cfg", "job", "model=combined", "data=small", "data.root=/data")
    assert (composed.returncode, "members" in composed.stdout) == (0, True), composed.stderr


@pytest.mark.slow
def test_demo_runs_from_a_folder_that_cannot_be_written_and_without_a_home(site, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    work = tmp_path / "work"
    work.mkdir()
    done = chexpert(site, work, "demo", "trainer=debug", HOME=str(home))
    assert done.returncode == 0, done.stderr
    (run,) = work.glob("outputs/demo/*")
    assert (run / "report.html").is_file()
    assert [*work.iterdir()] == [work / "outputs"]
