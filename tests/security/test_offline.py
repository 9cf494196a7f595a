"""The tests cannot reach a network, and no import of the project tries to."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TEST_NET = "192.0.2.1"  # RFC 5737: no machine has it
REACHES = {
    "a name": "import socket; socket.getaddrinfo('example.org', 443)",
    "an address": f"import socket; socket.create_connection(('{TEST_NET}', 443), timeout=1)",
    "a packet": f"import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('{TEST_NET}', 9))",
    "a page": "import urllib.request; urllib.request.urlopen('http://example.org', timeout=1)",
    "below the module": f"import _socket; _socket.socket(2, 1).connect(('{TEST_NET}', 80))",
}


@pytest.fixture
def unlogged(tmp_path, monkeypatch):
    """Attempts that are not reported."""
    monkeypatch.setenv("CHEXPERT_CLOSED_SOCKETS", str(tmp_path / "attempts"))
    return tmp_path / "attempts"


@pytest.mark.parametrize("reach", REACHES.values(), ids=REACHES)
def test_no_test_reaches_a_network(reach, unlogged):
    with pytest.raises(OSError, match="without a network"):
        exec(reach)
    assert len(unlogged.read_text().splitlines()) == 1


@pytest.mark.parametrize("reach", REACHES.values(), ids=REACHES)
def test_no_process_of_a_test_reaches_a_network(reach, unlogged):
    done = subprocess.run([sys.executable, "-c", reach], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "without a network" in done.stderr


def test_open_sockets_raise_no_such_error(unlogged):
    environment = {key: value for key, value in os.environ.items() if key != "CHEXPERT_CLOSED_SOCKETS"}
    packet = REACHES["a packet"]  # goes out, or finds no way out
    done = subprocess.run([sys.executable, "-c", packet], capture_output=True, text=True, env=environment, check=False)
    assert "without a network" not in done.stderr


def test_loopback_and_unix_sockets_stay_open(tmp_path):
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(("localhost", server.getsockname()[1]), timeout=5):
        pass
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        unix.listen()
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(tmp_path / "s"))


def test_import_of_the_project_reaches_no_network(unlogged):
    project = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", "import chexpert.engine.train, chexpert.inference.explain"], cwd=project, check=False
    )
    assert done.returncode == 0
    assert not unlogged.exists()
