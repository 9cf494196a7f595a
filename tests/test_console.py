"""Output to a terminal, a file and a pipe."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chexpert import console
from chexpert.console import show
from chexpert.errors import UserError

START = "from chexpert.console import open_streams; open_streams(); "


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    env = os.environ | environment
    return subprocess.run([sys.executable, "-c", START + code], capture_output=True, env=env, check=False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1mbold\x1b[0m", "bold"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b]52;c;aGk=\x1b\\", r"\x1b]52;c;aGk=\x1b\ ".strip()),
        ("a\x9b2Jb\x7f\x00", r"a\x9b2Jb\x7f\x00"),
        ("up\x1b[1A\x1b[2Kover", "upover"),
        ("x\u202egnp.exe", r"x\u202egnp.exe"),
        ("\udcff.jpg", r"\udcff.jpg"),
        ("tab\tline\nÄdem, 胸, 🫁, e\u0301", "tab\tline\nÄdem, 胸, 🫁, e\u0301"),
    ],
)
def test_control_characters_are_removed_or_escaped(text, shown):
    assert show(text) == shown
    assert show(shown) == shown


def test_user_error_has_no_control_characters():
    error = UserError("no\x1b[31m file", code="missing-file", where="a\rb\x1b]0;t\x07.csv", hint="x\x00")
    assert (error.message, error.where, error.hint) == ("no file", r"a\rb\x1b]0;t\x07.csv", r"x\x00")
    assert not set("\x1b\r\x07\x00") & set(str(error))


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_characters_outside_the_encoding_are_escaped(encoding):
    done = run("import sys; print('胸'); print('胸', file=sys.stderr); sys.exit('胸')", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout.split(), done.stderr.split()) == (1, [rb"\u80f8"], [rb"\u80f8"] * 2)


def test_closed_pipe_stops_nothing(tmp_path):
    code = START + "[print('x' * 1000, flush=True) for _ in range(300)]; open('done', 'w').close()"
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}) as command:  # fmt: skip
        command.stdout.readline()
        command.stdout.close()
        assert command.stderr.read() == b""
    assert (command.returncode, (tmp_path / "done").is_file()) == (0, True)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_terminal_shows_colors_of_rich_but_no_codes_of_names():
    ours, theirs = os.openpty()
    code = "import sys; from rich.console import Console; print('\\x1b[31mname\\x07', file=sys.stderr); "
    code += "Console(stderr=True).print('[red]bar')"
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm"}
    subprocess.run([sys.executable, "-c", START + code], stderr=theirs, env=env, check=True)
    os.close(theirs)
    output = os.read(ours, 1000)
    os.close(ours)
    assert output.startswith(rb"name\x07")
    assert b"\x1b[31mbar\x1b[0m" in output


@pytest.mark.parametrize(("utf8", "code"), [("0", 2), ("1", 0)])
def test_undecodable_argument_is_an_error(utf8, code):
    env = os.environ | {"LC_ALL": "C", "PYTHONUTF8": utf8, "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", START, "dätä".encode()]
    done = subprocess.run(command, capture_output=True, env=env, check=False)
    assert (done.returncode, b"PYTHONUTF8=1" in done.stderr) == (code, code == 2)


def read_numbers(printed: str) -> list[list[int]]:
    """Return the numbers of each line of progress: items done, items in all, minutes left."""
    return [[int(number) for number in re.findall(r"\d+", line)] for line in printed.splitlines()]


@pytest.mark.parametrize(
    ("count", "each", "numbers"), [(2, 1, [[1, 2, 0], [2, 2, 0]]), (20, 16, [[16, 20, 0], [20, 20, 0]])]
)
def test_progress_without_a_terminal_prints_lines(monkeypatch, capsys, count, each, numbers):
    """A result may be of several items, the last result of fewer."""
    monkeypatch.setattr(console, "LINE_EVERY", 0)
    assert list(console.show_progress(iter("ab"), "decoding", count, each=each)) == ["a", "b"]
    printed = capsys.readouterr().err
    assert read_numbers(printed) == numbers
    assert printed.count("decoding") == 2


def test_progress_estimates_the_minutes_left(monkeypatch, capsys):
    clock = iter([0.0, 60.0, 100.0, 120.0])  # seconds: the start, then after each of three of ten items
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(console, "LINE_EVERY", 50)
    list(console.show_progress(iter("abc"), "hashing", 10))
    assert read_numbers(capsys.readouterr().err) == [[1, 10, 9], [3, 10, 5]]


def test_progress_on_a_terminal_is_a_bar_of_items(monkeypatch, capsys):
    monkeypatch.setattr(console.sys.stderr, "isatty", lambda: True)
    list(console.show_progress(iter("ab"), "decoding", 20, each=16))
    shown = capsys.readouterr().err
    assert "decoding" in shown
    assert "20/20" in shown
