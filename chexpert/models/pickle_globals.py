"""The classes and functions that a pickled file would call, listed without calling them."""

import pickletools
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

SAFE = re.compile(
    r"torch\.(\w*Storage|\w*Tensor|Size|device|[a-z]+\d\w*)|torch\._utils\._rebuild_\w+|torch\.nn\.parameter\.Parameter"
    r"|torch\.storage\.\w*Storage|collections\.OrderedDict|argparse\.Namespace|_codecs\.encode"
)
"""What torch's safe loading makes, besides plain values."""
TRUSTED = re.compile(
    r"torch\.nn\.modules\.\w+\.\w+|torchvision\.models\.\w+\.\w+|collections\.\w+"
    r"|(builtins|__builtin__)\.(set|slice|complex)"
    r"|numpy\.(ndarray|dtype|_?core\.multiarray\.(scalar|_reconstruct))"
)
"""Parts of torch, torchvision and numpy, none of which runs a command or opens a file."""
PICKLES = 5
"""Torch's format of before 2020 has so many pickles one behind the other; the tensors follow."""


def list_globals(path: Path) -> list[str]:
    """Return what a file would call beyond what torch's safe loading makes; empty where none is found.

    Read are torch's zip files, its format of before 2020, and plain pickles.
    """
    found: list[str] = []
    with suppress(OSError, zipfile.BadZipFile):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith(".pkl"):
                        with archive.open(name) as file:
                            found += _list_pickle(file)  # type: ignore[arg-type]
        else:
            with path.open("rb") as file:
                for _ in range(PICKLES):
                    found += _list_pickle(file)
    return sorted({name for name in found if not SAFE.fullmatch(name)})


def is_trusted(name: str, libraries: set[str]) -> bool:
    """Return whether a class is of torch, torchvision, numpy, or of one of these libraries."""
    is_class = name.rpartition(".")[2].lstrip("_")[:1].isupper()
    return bool(TRUSTED.fullmatch(name)) or (is_class and name.partition(".")[0] in libraries)


def _list_pickle(file: BinaryIO) -> Iterator[str]:
    """The names in the pickle at a file's position, as far as it can be read."""
    texts: list[str] = []
    memo: list[str] = []
    value: Any
    with suppress(Exception):  # of what is no pickle, whatever pickletools raises
        for code, value, _ in pickletools.genops(file):
            if code.name in ("GLOBAL", "INST"):
                yield str(value).replace(" ", ".", 1)
            elif code.name == "STACK_GLOBAL":  # its module and name are the last texts put on the stack
                yield ".".join(texts[-2:])
            elif isinstance(value, str):
                texts.append(value)
            elif code.name == "MEMOIZE":
                memo.append(texts[-1] if texts else "")
            elif code.name in ("BINGET", "LONG_BINGET") and int(value) < len(memo):
                texts.append(memo[int(value)])
