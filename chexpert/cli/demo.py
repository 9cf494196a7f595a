"""``chexpert demo``: ``chexpert train experiment=demo``."""

from chexpert.cli import train


def run(arguments: list[str]) -> None:
    """Run the demo; more settings may follow."""
    train.run(["experiment=demo", *arguments])
