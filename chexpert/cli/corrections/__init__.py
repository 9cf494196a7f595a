"""What is typed, looked at before Hydra: names that others use, near names, spaces, ``~``; and ``--help``.

Light on purpose: neither Hydra nor torch is imported here, so that an answer takes no second.
"""

from chexpert.cli.corrections.answer import answer, check
from chexpert.cli.corrections.settings import Settings

__all__ = ["Settings", "answer", "check"]
