"""``chexpert export``: what is wrong is reported before torch is loaded."""

from unittest import mock

from helpers.cli import run_cli
from helpers.errors import find_places


def export(*words):
    """Return exit code and the places of the errors."""
    done = run_cli("export", *map(str, words))
    return done.returncode, find_places(done.stderr)


def test_an_output_that_is_there_is_kept(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").touch()
    assert export(tmp_path, out) == (2, [str(out)])
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_a_run_that_is_not_there(tmp_path):
    assert export(tmp_path / "none", tmp_path / "out") == (2, [str(tmp_path / "none")])


def test_words_that_do_not_go_together(tmp_path):
    expected = (2, ["chexpert export"])
    assert export(tmp_path) == expected
    assert export(tmp_path, tmp_path / "out", "--check", tmp_path) == expected
    assert export(tmp_path, tmp_path / "out", "--to", "pt2", "--precision", "int8") == expected


def test_onnx_is_not_installed(tmp_path):
    with mock.patch("chexpert.cli.export.find_spec", return_value=None):
        done = run_cli("export", str(tmp_path), str(tmp_path / "out"))
    assert (done.returncode, find_places(done.stderr)) == (2, ["--to onnx"])
    assert "pip install 'chexpert[onnx]'" in done.stderr


def test_a_folder_that_is_no_run(tmp_path):
    code, places = export(tmp_path, tmp_path / "out")
    assert (code, len(places)) == (2, 1)
    assert not (tmp_path / "out").exists()
