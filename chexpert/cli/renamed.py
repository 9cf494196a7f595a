"""Options that were renamed: an old name ends the command with the new one."""

import argparse
from typing import Any


class _Renamed(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        parser.error(f"{option} was renamed to {self.const}")


def add_renamed(parser: argparse.ArgumentParser, old: str, new: str) -> None:
    """Add an option that is an error, exit code 2, and that ``--help`` does not list."""
    parser.add_argument(old, nargs="?", action=_Renamed, const=new, dest=argparse.SUPPRESS, help=argparse.SUPPRESS)
