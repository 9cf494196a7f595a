"""``chexpert demo``: ``chexpert train experiment=demo``."""

from chexpert.cli import train
from chexpert.cli.corrections.answer import HELP

USAGE = """chexpert demo [KEY=VALUE | GROUP=OPTION]...

Train, evaluate and explain a small network on synthetic images: chexpert train experiment=demo, with all its settings
(chexpert train --help). The results are in outputs/demo/<time>/; report.html there shows them.
It takes 8 minutes on two CPU cores with bfloat16 in hardware, 28 without. A short one: chexpert demo trainer=debug"""


def run(arguments: list[str]) -> None:
    """Run the demo; more settings may follow."""
    if HELP & set(arguments):
        print(USAGE)
    else:
        train.run([*arguments, "experiment=demo"])  # the last word: one before would take a stray word for its value
