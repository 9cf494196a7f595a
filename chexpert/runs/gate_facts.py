"""What a run's gate was fitted on, read from the head of gate.safetensors: neither torch nor its numbers are loaded."""

import json
from pathlib import Path
from typing import Any

GATE_METADATA = "chexpert"
"""The name of the gate's content among the metadata of the file."""
MOST_BYTES = 10_000_000
"""Of the head; a damaged file may claim any size."""


def read_gate_facts(path: Path) -> dict[str, Any]:
    """Return the content of a gate besides its tensors.

    Source of the format: 8 bytes with the size of the JSON that follows, huggingface.co/docs/safetensors.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged, or no gate.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 0 < size <= MOST_BYTES:
            raise ValueError("no safetensors")
        head = json.loads(file.read(size))
    content = head.get("__metadata__", {}).get(GATE_METADATA) if isinstance(head, dict) else None
    content = json.loads(content) if isinstance(content, str) else None
    if not isinstance(content, dict):
        raise ValueError("no gate")
    return content
