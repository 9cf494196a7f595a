"""How images, studies and folders are called in a report that may be passed on."""

import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chexpert.errors import UserError
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import hash_name, is_private, read_salt
from chexpert.runs.diff import PLACES
from chexpert.runs.identifiers import names_patient
from chexpert.runs.read import read_state
from chexpert.runs.resume import PLACE

KINDS = ("hash", "path")
HIDDEN = "[a path]"
LONGEST = 60
"""Characters of the name of a run, which stands beside its folder."""
SHOWN = ("trainer.enable_model_summary", "trainer.enable_progress_bar")
OMITTED = (*PLACES, *PLACE, "features", "logger", "save_every_n_minutes", *SHOWN)
"""Settings that no run is named by: where things lie, and how the work is done."""
HUB = ("hf:", "hf-hub:", "hf_hub:")
PATH_LIKE = re.compile(r"[/\\]|^~|\.(?:jpe?g|png|dcm|dicom|csv|npz|ckpt)\b", re.IGNORECASE)


class Names:
    """Stands for images by hashes, and for paths by a word; or leaves both as they are.

    Args:
        kind: ``hash`` or ``path``.
        run: whose salt it is: the same image has the same hash in each report of a run, and another one elsewhere.
    """

    def __init__(self, kind: str, run: Path) -> None:
        if kind not in KINDS:
            raise ValueError(f"ids are {' or '.join(KINDS)}, not {kind!r}")
        self.hashed = kind == "hash"
        self.salt = find_salt(run) if self.hashed else ""

    def image(self, name: str) -> str:
        """Return the name of a view or study, or its hash."""
        return hash_name(name, self.salt) if self.hashed else name

    def path(self, text: str) -> str:
        """Return a text, or a word if the text may name a file or folder."""
        return HIDDEN if self.hashed and names_file(text) else text

    def command(self, words: Sequence[str]) -> str:
        """Return a command line in which values that name files are hidden."""
        return " ".join(self._override(word) for word in words)

    def settings(self, value: Any, key: str = "") -> Any:
        """Return a config in which each text that names a file is hidden, and each image has its hash."""
        if isinstance(value, Mapping):
            return {str(name): self.settings(own, str(name)) for name, own in value.items()}
        if isinstance(value, list):
            return [self.image(str(own)) if key == "views" else self.settings(own, key) for own in value]
        if self.hashed and is_private(key, value):
            return HIDDEN
        return self.path(value) if isinstance(value, str) else value

    def _override(self, word: str) -> str:
        return hide_override(word) if self.hashed else word


def name_run(overrides: Sequence[str], longest: int | None = LONGEST) -> str:
    """Name a run by its overrides; paths are hidden, and settings of place left out.

    Args:
        overrides: of the run.
        longest: characters of the name, which is cut behind them; None: all.

    >>> name_run(["model=combined", "+seed=1", "hydra.run.dir=/home/me/run", "data.root=/data"]), name_run([])
    ('model=combined, seed=1', 'defaults')
    >>> name_run(["start_from=outputs/one"])
    'start_from=[a path]'
    """
    shown = [hide_override(word.lstrip("+")) for word in overrides if not _is_omitted(word)]
    name = ", ".join(shown) or "defaults"
    return name if longest is None or len(name) <= longest else f"{name[: longest - 3].rstrip(' ,')}..."


def list_repeated(overrides: Sequence[str]) -> list[str]:
    """Return the overrides that another person needs to repeat a run: without places, and files hidden.

    >>> list_repeated(["name=ward3", "data.root=/data", "+seed=1", "start_from=outputs/one", "gate=knn"])
    ['+seed=1', 'start_from=[a path]', 'gate=knn']
    """
    kept = ("gate", "tta")  # they change no metric of another, and are part of the model's files
    return [hide_override(word) for word in overrides if word.startswith(kept) or not _is_omitted(word)]


def name_folder(run: Path, longest: int | None = LONGEST) -> str:
    """Name the run in a folder: a job of a sweep by what its sweep varies; without a readable state.json by its folder.

    The rest of a job's overrides stands in the sweep's own, word for word.
    """
    try:
        overrides = read_state(run).get("overrides")
        common = read_state(run.parent, run_files.SWEEP).get("overrides")
    except UserError:
        return run.name
    if not isinstance(overrides, list):
        return run.name
    own = [word for word in map(str, overrides) if not isinstance(common, list) or word not in common]
    return name_run(own or list(map(str, overrides)), longest)


def name_runs(runs: Sequence[Sequence[str]]) -> list[str]:
    """Name several runs by what they do not have in common; see :func:`find_common`.

    >>> name_runs([["trainer.max_epochs=1", "seed=0"], ["trainer.max_epochs=1"]]), name_runs([["seed=0"], []])
    (['seed=0', 'nothing else'], ['seed=0', 'defaults'])
    """
    common = find_common(runs)
    left = [[word for word in own if word not in common and not _is_omitted(word)] for own in runs]
    return [name_run(own) if own or not common else "nothing else" for own in left]


def find_common(runs: Sequence[Sequence[str]]) -> list[str]:
    """Return the overrides that several runs share, without those that no run is named by; none of a single run."""
    shared = set(runs[0]).intersection(*runs[1:]) if len(runs) > 1 else set()
    return [word for word in (runs[0] if runs else ()) if word in shared and not _is_omitted(word)]


def hide_override(override: str) -> str:
    """Return an override, with a word in place of a value that may name a file."""
    key, equals, value = override.partition("=")
    return key + equals + str(hide_value(key, value)) if equals else str(hide_value("", key))


def hide_value(key: str, value: Any) -> Any:
    """Return a setting's value, or a word where it may name a file."""
    return HIDDEN if is_private(key, value) or names_file(str(value)) else value


def hide_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings, with a word in place of each value that may name a file, also in settings of settings.

    >>> hide_settings({"samples": 60, "options": {"segments": "DOE", "kernel": "DOE/1.npy"}})
    {'samples': 60, 'options': {'segments': '[a path]', 'kernel': '[a path]'}}
    """
    return {
        str(key): hide_settings(own) if isinstance(own, Mapping) else hide_value(str(key), own)
        for key, own in settings.items()
    }


OPTIONS = ("--method", "--top-k", "--images")
"""Of ``chexpert soup``, whose values are no places."""


def hide_places(words: list[str]) -> list[str]:
    """Return a command with a word in place of each run and folder: all but its name, options and their values.

    >>> hide_places(["chexpert", "soup", "run1", "b", "--out", "ward", "--top-k", "2", "--method=greedy"])
    ['chexpert', 'soup', '[a path]', '[a path]', '--out', '[a path]', '--top-k', '2', '--method=greedy']
    """
    shown = list(words[:2])
    for place, word in enumerate(words[2:], 2):
        option, equals, _ = word.partition("=")
        plain = option in OPTIONS or words[place - 1] in OPTIONS
        if (plain and not names_file(word)) or (option.startswith("--") and not equals):
            shown.append(word)
        else:
            shown.append(f"{option}={HIDDEN}" if option.startswith("--") else HIDDEN)
    return shown


def _is_omitted(override: str) -> bool:
    key = override.lstrip("+~").partition("=")[0]
    return key in OMITTED or key.startswith(("hydra.", "hydra/", "logger."))


def names_file(text: str) -> bool:
    """Return whether a text looks like a file or folder, or names a patient, study or image of a data set.

    >>> [names_file(text) for text in ("/data/ward 3", "DOE^JANE.dcm", "resnet10t", "hf-hub:timm/resnet18", "1e-3")]
    [True, True, False, False, False]
    >>> names_file("patient p10000032 is in both train and valid")
    True
    """
    return (bool(PATH_LIKE.search(text)) and not text.startswith(HUB)) or names_patient(text)


def find_salt(run: Path) -> str:
    """Read the salt of a run, or make one for this report alone if its folder cannot be written to."""
    try:
        return read_salt(run)
    except OSError:
        return secrets.token_hex(16)
