"""How films, studies and folders are called in a report that may be passed on."""

import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chexpert.identity import hash_name, is_private, read_salt

KINDS = ("hash", "path")
HIDDEN = "[a path]"
HUB = ("hf-hub:", "hf_hub:")
PATH_LIKE = re.compile(r"[/\\]|^~|\.(?:jpe?g|png|dcm|dicom|csv|npz|ckpt)\b", re.IGNORECASE)


class Names:
    """Stands for films by hashes, and for paths by a word; or leaves both as they are.

    Args:
        kind: ``hash`` or ``path``.
        run: whose salt it is: the same film has the same hash in each report of a run, and another one elsewhere.
    """

    def __init__(self, kind: str, run: Path) -> None:
        if kind not in KINDS:
            raise ValueError(f"ids are {' or '.join(KINDS)}, not {kind!r}")
        self.hashed = kind == "hash"
        self.salt = find_salt(run) if self.hashed else ""

    def film(self, name: str) -> str:
        """A view or study."""
        return hash_name(name, self.salt) if self.hashed else name

    def path(self, text: str) -> str:
        """A text that may name a file or folder."""
        return HIDDEN if self.hashed and names_file(text) else text

    def command(self, words: Sequence[str]) -> str:
        """A command line, of which values that name files are hidden."""
        return " ".join(self._override(word) for word in words)

    def settings(self, value: Any, key: str = "") -> Any:
        """A config in which each text that names a file is hidden, and each film has its hash."""
        if isinstance(value, Mapping):
            return {str(name): self.settings(own, str(name)) for name, own in value.items()}
        if isinstance(value, list):
            return [self.film(str(own)) if key == "views" else self.settings(own, key) for own in value]
        if self.hashed and is_private(key, value):
            return HIDDEN
        return self.path(value) if isinstance(value, str) else value

    def _override(self, word: str) -> str:
        key, equals, value = word.partition("=")
        if self.hashed and equals and is_private(key, value):
            return f"{key}={HIDDEN}"
        return key + equals + self.path(value) if equals else self.path(word)


def names_file(text: str) -> bool:
    """Whether a text looks like a file or folder.

    >>> [names_file(text) for text in ("/data/ward 3", "DOE^JANE.dcm", "resnet10t", "hf-hub:timm/resnet18", "1e-3")]
    [True, True, False, False, False]
    """
    return bool(PATH_LIKE.search(text)) and not text.startswith(HUB)


def find_salt(run: Path) -> str:
    """The salt of a run, or where its folder cannot be written to one for this report alone."""
    try:
        return read_salt(run)
    except OSError:
        return secrets.token_hex(16)
