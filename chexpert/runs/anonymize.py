"""Names that may leave, and what stands for the others: nothing that identifies a patient goes into an output."""

import hashlib
import hmac
import re
import secrets
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from chexpert.runs.identifiers import CHEXPERT, MIMIC_STUDY, is_public
from chexpert.weights import names_a_file

SALT = "ids.salt"
HASH = re.compile(r"id-[0-9a-f]{12}")
HASH_NOTE = (
    "id-... is a hash of the image's file name (of its path where two of one call have one name; of the name with the "
    "data set's folder where another data set than CheXpert named it), keyed by the file "
    f"{SALT} of the run folder: files of one name in two calls have one hash; the order is that of the input (files of "
    "a folder are sorted); --ids path shows the paths"
)
"""What a reader of hashed names must know."""
PRIVATE = (
    "autoencoder",
    "root",
    "parent",
    "cache",
    "corrections",
    "features",
    "file",
    "manifest",
    "masks",
    "predictions",
    "pretrained",
    "segments",
    "start_from",
    "teachers",
    "test",
    "dir",
    "views",
)
"""Last parts of the keys of settings that name files or images, whatever their values look like."""
WORDS = ("auto", "true", "false", "null", "", "frontal", "lateral", "all")
"""Values of such keys that name none."""
SEGMENTATIONS = ("slic", "quickshift", "felzenszwalb", "grid", "anatomy")
"""Values of ``segments`` that name a way to divide an image; any other one is a file."""


def hash_name(name: str, salt: str) -> str:
    """Return twelve hexadecimal digits that stand for a name, and cannot be led back to it without the salt.

    A study of MIMIC-CXR has one hash with and without its patient: its tables number studies alone.

    >>> hash_name("ward 3/DOE^JANE.dcm", "a")
    'id-a1497aa4f99d'
    """
    study = MIMIC_STUDY.search(name)
    own = study[1] if study else name
    return "id-" + hmac.new(salt.encode(), own.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:12]


def is_hash(name: str) -> bool:
    """Return whether a name is one of :func:`hash_name`."""
    return HASH.fullmatch(name) is not None


def is_private(key: str, value: object) -> bool:
    """Return whether a setting may name a file or image.

    >>> is_private("data.root", "DOE_1950"), is_private("pretrained", "auto"), is_private("optimizer.lr", 0.1)
    (True, False, False)
    >>> is_private("pretrained", "rad-dino"), is_private("pretrained", "rad-dino:DOE.pt")
    (False, True)
    >>> is_private("explainer.lime.segments", "slic"), is_private("explainer.lime.segments", "DOE.png")
    (False, True)
    """
    texts = value if isinstance(value, list | tuple) else [value]
    named = any(isinstance(text, str) and text.lower() not in WORDS for text in texts)
    last = key.lstrip("+~").rpartition(".")[2]
    if last == "pretrained":  # public weights are named by a word
        return named and any(names_a_file(text) for text in texts)
    if last == "segments" and value in SEGMENTATIONS:
        return False
    return named and last in PRIVATE


def find_public(path: str) -> str | None:
    """Return the name that a data set has for the view or study at a path; None where the path is in no such layout.

    >>> find_public("/data/DOE^JANE/CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg")
    'CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg'
    """
    parts = path.split("/")
    tails = ("/".join(parts[start:]) for start in range(max(0, len(parts) - 5), len(parts)))
    return next((tail for tail in tails if is_public(tail)), None)


def name_safely(path: str, salt: str | None) -> str:
    """Return a file's name for outputs: CheXpert's own name, else its hash; the path itself where there is no salt.

    Names of external data sets are hashed too: their publishers gave them to those who signed an agreement.
    """
    if salt is None:
        return path
    public = find_public(path) or path
    return public if CHEXPERT.fullmatch(public) else hash_name(public, salt)


def shorten_names(names: Sequence[str]) -> dict[str, str]:
    """Return the part of each name to hash: the file name where it is unique, so that no folder matters; else all.

    >>> shorten_names(["ward/a.png", "ward/b.png", "x/b.png"])
    {'ward/a.png': 'a.png', 'ward/b.png': 'ward/b.png', 'x/b.png': 'x/b.png'}
    """
    files = [name.rpartition("/")[2] for name in names]
    count = Counter(files)
    return {name: file if count[file] == 1 else name for name, file in zip(names, files, strict=True)}


def read_salt(folder: Path) -> str:
    """Return the salt of a folder, generated at the first call. Keep it private: with it, names can be guessed."""
    path = folder / SALT
    if not path.is_file():
        path.write_text(secrets.token_hex(16) + "\n", encoding="utf-8")
        path.chmod(0o600)
    return path.read_text(encoding="utf-8").strip()
