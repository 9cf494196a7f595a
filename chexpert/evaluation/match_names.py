"""Match the rows of predictions to those of labels by name: by path, file name or hash."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from chexpert.console import NOTE, log
from chexpert.errors import UserError
from chexpert.evaluation.csv_columns import PATIENT
from chexpert.evaluation.predictions import Named
from chexpert.metrics import find_study
from chexpert.runs.anonymize import SALT, hash_name, is_hash, shorten_names

ENDING = re.compile(r"\.(?:jpe?g|png|dcm|dicom|ima|tiff?|bmp|webp|jp2|j2k)$", re.IGNORECASE)
"""An ending that one side may lack."""


def match_prediction_names(predictions: Named, labels: Named, hashed_by: Sequence[Path] = ()) -> Named:
    """Return the predictions under the labels' names, where both spell the name of one image differently.

    A row is joined by its file name, with or without its ending, or where ``predict.py`` has hashed that, by the hash.

    Args:
        predictions: of which some are not found among the labels.
        labels: as their file names them.
        hashed_by: runs whose salt the names may be hashed by; without them, those beside the predictions and below
            outputs/ are tried.

    Raises:
        UserError: a name could be one of several.
    """
    mine, theirs = set(predictions.names), set(labels.names)
    left = [name for name in predictions.names if not PATIENT.search(name) and name not in theirs]
    free = [name for name in labels.names if name not in mine]
    if not left or not free:
        return predictions
    unlike = [name for name in free if not PATIENT.search(name)]
    found = dict(_match_files([name for name in left if not is_hash(name)], unlike))
    if found:
        _note(len(found), "their file names", next(iter(found.items())))
    if hashed := {name for name in left if is_hash(name)}:
        behind, run = match_hashes(hashed, free, hashed_by or find_salted(predictions.path))
        if behind:
            _note(len(behind), f"the hashes of {run}", next(iter(behind.items())))
        found |= behind
    if len(set(found.values())) < len(found):
        twice = next(name for name in found.values() if list(found.values()).count(name) > 1)
        _refuse(twice, [name for name in found if found[name] == twice], str(predictions.path))
    return replace(predictions, names=[found.get(name, name) for name in predictions.names])


def _match_files(names: Sequence[str], others: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each name with the one other that has the same file name, and the same folders as far as both give them."""
    by_stem: dict[str, list[str]] = defaultdict(list)
    for other in others:
        by_stem[ENDING.sub("", _split(other)[-1])].append(other)
    for name in names:
        same = [other for other in by_stem[ENDING.sub("", _split(name)[-1])] if _agree(name, other)]
        if len(same) > 1:
            _refuse(name, same, "the labels")
        if same:
            yield name, same[0]


def _agree(one: str, other: str) -> bool:
    """Whether two paths end alike, as far as the shorter one goes; an ending may be absent on one side."""
    mine, theirs = _split(one), _split(other)
    depth = min(len(mine), len(theirs))
    folders = mine[-depth:-1] == theirs[-depth:-1]
    ends = {bool(ENDING.search(mine[-1])), bool(ENDING.search(theirs[-1]))}
    return folders and (mine[-1] == theirs[-1] or len(ends) == 2)


def _split(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


def _refuse(name: str, candidates: Sequence[str], where: str) -> None:
    message = f"{name} could be {' or '.join(candidates[:3])}: the file name alone does not say which"
    raise UserError(
        message,
        code="ambiguous-row",
        where=where,
        hint="give their folders too, in both tables alike (chexpert predict --ids path)",
    )


def _note(count: int, how: str, example: tuple[str, str]) -> None:
    """Said, since a file name alone may be that of another image, such as a scanner's IM0001."""
    log.log(NOTE, f"{count:,} row{'s' * (count > 1)} joined by {how}, as {example[0]} to {example[1]}")


def match_hashes(hashed: set[str], names: Sequence[str], runs: Iterable[Path]) -> tuple[dict[str, str], Path | None]:
    """Return the names behind hashes, by the first of the runs whose salt leads to some; and that run.

    Args:
        hashed: hashes of views or studies.
        names: of views or studies; studies of the views are tried, too.
        runs: their folders, or checkpoints.
    """
    short = shorten_names(names)
    for run in runs:
        files = [folder / SALT for folder in (run, *list(run.absolute().parents)[: 2 * run.is_file()])]
        salt = next((file.read_text().strip() for file in files if file.is_file()), "")
        if not salt:
            continue
        spelled: Mapping[str, str] = {
            hash_name(form, salt): named
            for name in names
            for form, named in ((find_study(name), find_study(name)), (short[name], name), (name, name))
        }
        if found := {own: spelled[own] for own in hashed if own in spelled}:
            return found, run
    return {}, None


def find_salted(predictions: Path) -> list[Path]:
    """Return run folders whose salt may have hashed a file's names: around it, and below outputs/ there or here."""
    here = predictions.absolute().parent
    near = [here, *list(here.parents)[:2], *(path.parent for path in sorted(here.glob(f"*/{SALT}")))]
    above = dict.fromkeys(path for folder in (Path.cwd(), here) for path in (folder, *folder.parents[:2]))
    found = (path.glob(f"outputs/{depth}/{SALT}") for path in above for depth in ("*", "*/*", "*/*/*"))
    return [*near, *(salt.parent for salts in found for salt in sorted(salts))]
