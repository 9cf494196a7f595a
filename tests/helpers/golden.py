"""Whole pages of text, compared with files that a person has read."""

import os
from pathlib import Path


def check_golden(text: str, path: Path) -> None:
    """Compare a text with a golden file, character by character; ``UPDATE_GOLDEN=1`` writes the file instead."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
