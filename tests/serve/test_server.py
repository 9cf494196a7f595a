"""The command: one address, one message for what is wrong, and an end by Ctrl-C that leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from unittest import mock

import pytest
from helpers.cli import run_cli
from helpers.errors import raises

from chexpert.cli import serve
from chexpert.cli.main import make_parser
from chexpert.serve.server import bind

PROJECT = Path(__file__).parents[2]
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/([\w-]{43})/")


def list_files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*")) if path.is_file()}


def test_port_in_use_is_one_message():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with raises("port", "--port"):
            bind(other.getsockname()[1])


def test_port_of_another_viewer_that_still_loads_is_one_message():
    with bind(0) as first, raises("port", "--port"):
        bind(first.getsockname()[1])


def test_server_listens_on_this_machine_alone():
    with bind(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("words", [["--port", "70000"], ["--port", "-1"], ["--sets", "0.5"], ["--host", "0.0.0.0"]])
def test_wrong_options_are_one_message(words):
    done = run_cli("serve", "RUN", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")


def test_missing_run_is_one_message(tmp_path):
    done = run_cli("serve", str(tmp_path), "--port", "0")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_missing_extra_names_the_command_that_installs_it():
    given = make_parser("serve").parse_args(["RUN"])
    with mock.patch.object(serve, "find_spec", return_value=None), raises("not-installed", "chexpert serve") as caught:
        serve.run(given)
    assert caught.value.hint == "pip install 'chexpert[serve]'"


def test_command_serves_until_ctrl_c_and_writes_nothing(run, images):
    before = list_files(run)
    words = [sys.executable, "-m", "chexpert", "serve", str(run), "--port", "0"]
    environment = os.environ | {"PYTHONPATH": f"{PROJECT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        address = ADDRESS.search(process.stdout.readline())[0]
        with urllib.request.urlopen(address) as page:
            assert b"not a medical device" in page.read()
        request = urllib.request.Request(f"{address}api/predictions", images[0].read_bytes(), method="POST")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address.replace(address[-6:-1], "wrong"))
        assert refused.value.code == 403
        url = f"{address}api/explanations?method=occlusion&observation=Edema"
        slow = urllib.request.Request(url, images[0].read_bytes(), method="POST")
        with urllib.request.urlopen(slow) as lines:
            lines.readline()
            process.send_signal(signal.SIGINT)
            started = time.monotonic()
            assert process.wait(60) == 130
        assert time.monotonic() - started < 30
    finally:
        process.kill()
    output, errors = process.communicate()
    assert address not in output  # printed once
    assert "Traceback" not in errors
    assert address.split("/")[3] not in errors
    assert list_files(run) == before
