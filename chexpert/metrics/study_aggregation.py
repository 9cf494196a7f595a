"""From views to studies, the competition's unit: one row a study, its score the maximum over its views."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from chexpert.errors import UserError
from chexpert.observations import STUDY_SCORES
from chexpert.runs.identifiers import ORIGIN, name_single_image

MIMIC = re.compile(r"s[0-9]{8}")
"""A study's folder in MIMIC-CXR."""
PATIENT = re.compile(r"(?:^|/)(patient[0-9]+(?=/study)|p[0-9]{8}(?=/s[0-9]{8}))", re.IGNORECASE)
"""A patient's folder in CheXpert or MIMIC-CXR, above that of a study."""


def find_study(path: str) -> str:
    """Return the study of a view: its folder if that has the name of a study, otherwise the image itself.

    A folder of thousands of images is no study: sampled as one, they would have intervals of no width.

    Args:
        path: path of the view, with ``/`` between its parts.

    Returns:
        The path of the folder if its name starts with ``study`` or is ``s`` and eight digits (MIMIC-CXR), in upper or
        lower case; otherwise ``path``.

    >>> find_study("CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg")
    'CheXpert-v1.0/valid/patient64541/study1'
    """
    folder = path.rpartition("/")[0]
    name = folder.rpartition("/")[2].lower()
    return folder if name.startswith("study") or MIMIC.fullmatch(name) else path


def find_patient(name: str) -> str:
    """Return the patient of a view or study, where the name says it; otherwise its study, see :func:`find_study`.

    >>> find_patient("CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg"), find_patient("patient64541/study1")
    ('patient64541', 'patient64541')
    """
    found = PATIENT.search(name)
    return found[1].lower() if found else find_study(name)


def choose_unit(names: Iterable[str]) -> str:
    """Return what the bootstrap resamples: ``study``, or ``patient`` where a row is of an external data set.

    CheXpert's validation and test splits have one study a patient. Other data sets have many (NIH ChestX-ray14: nine
    images a patient in its test split, each a study of its own here), which are no independent evidence: sampled
    singly, they would make intervals too narrow.

    >>> choose_unit(["CheXpert-v1.0/valid/patient64541/study1"]), choose_unit(["ChestX-ray14/patient00001/study1"])
    ('study', 'patient')
    """
    return "patient" if any(map(ORIGIN.search, names)) else "study"


def number_units(names: Sequence[str], level: str = "image") -> tuple[np.ndarray, list[str]]:
    """Number the studies or patients that the bootstrap resamples, see :func:`choose_unit`.

    Args:
        names: of N views or studies.
        level: ``image`` or ``study``: what they are.

    Returns:
        (N,) int, of each row the number of its unit, from 0 on; and the names of the units by number.

    >>> number_units(["ChestX-ray14/patient00001/study1", "ChestX-ray14/patient00001/study2"], "study")
    (array([0, 0]), ['ChestX-ray14/patient00001'])
    """
    if choose_unit(names) == "study":
        return number_studies(names if level == "study" else [find_study(name) for name in names])
    return number_studies([_name_patient(name) for name in names])


def list_patients(names: Iterable[str], origin: str = "") -> set[str]:
    """Return the patients of views or studies, each with its data set: the same number elsewhere is another patient.

    Args:
        names: of views or studies.
        origin: folder of the data set that names without one are of; empty for CheXpert.

    Returns:
        Names of patients; of MIMIC-CXR also of their studies, since a file may number these alone. Where the image is
        the patient, as in VinDr-CXR and RSNA, its name without folders and ending: rows are joined by it, too.

    >>> sorted(list_patients(["valid/patient00001/study1", "ChestX-ray14/patient00001/study1"]))
    ['ChestX-ray14/patient00001', 'patient00001']
    """
    found: set[str] = set()
    for name in names:
        if image := name_single_image(name, origin):
            found.add(image)
            continue
        patient, study = _name_patient(name), find_study(name).rpartition("/")[2]
        bare = PATIENT.search(name) and not ORIGIN.search(name) and "CheXpert" not in name
        found.add(f"{origin}/{patient}" if origin and bare else patient)
        if MIMIC.fullmatch(study):
            found.add(study)
    return found


def _name_patient(name: str) -> str:
    """Name a patient with the data set: several number theirs from 1 on."""
    found, patient = ORIGIN.search(name), find_patient(name)
    return f"{found[1]}/{patient}" if found and patient != name else patient


def number_studies(studies: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Number studies in the order in which they first appear.

    Args:
        studies: N names, of each row that of its study.

    Returns:
        (N,) int, of each row the number of its study, from 0 on; and the names of the S studies by number.

    >>> number_studies(["b", "a", "b"])
    (array([0, 1, 0]), ['b', 'a'])
    """
    places: dict[str, int] = {}
    rows = np.array([places.setdefault(study, len(places)) for study in studies], dtype=np.int64)
    return rows, list(places)


def reduce_scores(rows: np.ndarray, scores: np.ndarray, score: str = "max", where: str = "study_score") -> np.ndarray:
    """Return the scores of S studies, from those of their views.

    Args:
        rows: (N,) int, of each view the number of its study, from 0 on; each study has a view.
        scores: (N, C) float of the views.
        score: ``max`` over the views, as in Irvin et al. 2019; ``mean``; or ``noisy_or``, 1 - prod(1 - p): the
            probability that one view or more shows the observation, if the views were independent (Pearl 1988).
        where: of the scores, for an error.

    Returns:
        (S, C) float.

    Raises:
        UserError: another score, or ``noisy_or`` of scores outside [0, 1].

    >>> reduce_scores(np.array([0, 0, 1]), np.array([[0.5], [0.5], [0.3]]), "noisy_or").tolist()
    [[0.75], [0.3]]
    """
    if score not in REDUCTIONS:
        hint = f"one of {', '.join(REDUCTIONS)}"
        raise UserError(f"unknown study_score: {score!r}", code="choice", where=where, hint=hint)
    if score == "noisy_or" and len(scores) and not (scores.min() >= 0 and scores.max() <= 1):
        message = "noisy_or is of probabilities, and a score is outside [0, 1]"
        hint = "study_score=max or mean (of files: --study-score max)"
        raise UserError(message, code="not-probability", where=where, hint=hint)
    return REDUCTIONS[score](rows, scores, int(rows.max(initial=-1)) + 1)


def _reduce_max(rows: np.ndarray, scores: np.ndarray, count: int) -> np.ndarray:
    joined = np.full((count, scores.shape[1]), -np.inf)
    np.maximum.at(joined, rows, scores)
    return joined


def _reduce_mean(rows: np.ndarray, scores: np.ndarray, count: int) -> np.ndarray:
    sums = np.zeros((count, scores.shape[1]))
    np.add.at(sums, rows, scores)
    return sums / np.bincount(rows, minlength=count)[:, None]


def _reduce_noisy_or(rows: np.ndarray, scores: np.ndarray, count: int) -> np.ndarray:
    """By logarithms, which keep the digits of small probabilities; the views of a study in the order of their scores.

    So the order of the file changes no digit, and studies of equal views tie.
    """
    highest = _reduce_max(rows, scores, count)
    if not count:
        return highest
    order = np.lexsort((scores, np.broadcast_to(rows[:, None], scores.shape)), axis=0)
    views = np.bincount(rows, minlength=count)
    with np.errstate(divide="ignore"):  # of a view with probability 1
        absent = np.log1p(-np.take_along_axis(scores.astype("float64"), order, axis=0))
    joined = -np.expm1(np.add.reduceat(absent, np.cumsum(views) - views, axis=0))
    return np.where(views[:, None] > 1, np.maximum(joined, highest), highest)  # rounding is not to lower it


REDUCTIONS = dict(zip(STUDY_SCORES, (_reduce_max, _reduce_mean, _reduce_noisy_or), strict=True))


def reduce_labels(rows: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return the labels of S studies, from those of their views.

    Labels are equal within a study: they are read from one report, or agreed on for one study.

    Args:
        rows: (N,) int, of each view the number of its study, from 0 on.
        labels: (N, C) in {0, 1, NaN}.
        names: names of the S studies, for the error.

    Returns:
        (S, C) in {0, 1, NaN}.

    Raises:
        UserError: the views of a study have different labels.
    """
    _, firsts = np.unique(rows, return_index=True)
    reduced = labels[firsts]
    own = reduced[rows]
    differ = ~((labels == own) | (np.isnan(labels) & np.isnan(own))).all(1)
    if differ.any():
        raise UserError(
            "the views of a study have different labels",
            code="label-conflict",
            where=names[rows[np.argmax(differ)]],
            hint="correct them, or evaluate single views: level=image (of files: --level image)",
        )
    return reduced


def reduce_to_studies(
    studies: Sequence[str], scores: ArrayLike, labels: ArrayLike, mask: ArrayLike, score: str = "max"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Join the rows of each study, in the order in which studies first appear.

    Args:
        studies: N names.
        scores: (N, C) float.
        labels: (N, C) in {0, 1}.
        mask: (N, C) bool, False where there is no label.
        score: ``max``, ``mean`` or ``noisy_or``, see :func:`reduce_scores`.

    Returns:
        Scores, labels and mask, (S, C) each.

    Raises:
        UserError: the views of a study have different labels.
        ValueError: scores, labels and mask have other shapes.
    """
    shapes = [np.shape(part) for part in (scores, labels, mask)]
    if len({(len(studies), *shape[1:]) for shape in shapes} | set(shapes)) > 1:
        listed = ", ".join(map(str, shapes))
        raise ValueError(f"scores, labels and mask have one shape, ({len(studies)}, C), and not {listed}")
    rows, names = number_studies(studies)
    reduced = reduce_labels(rows, np.where(np.asarray(mask, bool), np.asarray(labels, "float64"), np.nan), names)
    return reduce_scores(rows, np.asarray(scores, "float64"), score), np.nan_to_num(reduced), ~np.isnan(reduced)
