"""Closes Python's sockets but those of this machine. Python imports a module of this name at its start, so that what a
test starts is closed too; `tests/conftest.py` puts it in its way."""

import ipaddress
import os
import socket
import sys
from pathlib import Path

LOG = "CHEXPERT_CLOSED_SOCKETS"  # names the file where attempts are written down


class NetworkClosedError(OSError):
    """What the network would say where there is none."""


def is_near(host: object) -> bool:
    """Whether a host, or the path of a Unix socket, is on this machine."""
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if name in ("localhost", socket.gethostname()) or "/" in name:
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def refuse(event: str, arguments: tuple) -> None:
    """As a hook of Python's own auditing, which no import of ``socket`` gets around."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a Unix socket, or one that is connected already
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = arguments[0]
    else:
        return
    if not is_near(host):
        if log := os.environ.get(LOG):
            with Path(log).open("a") as file:
                file.write(f"{event} {host} by {' '.join(sys.argv)[:200]}\n")
        raise NetworkClosedError(f"{event}: {host} is not this machine, and the tests run without a network")


if LOG in os.environ:
    sys.addaudithook(refuse)
