"""Which of several models is best, by how much, and whether that is more than chance."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.aligned_predictions import AlignedPredictions, align_predictions
from chexpert.evaluation.candidates import Absent, Candidate, list_candidates
from chexpert.evaluation.join import count_studies, describe_bootstrap
from chexpert.evaluation.leaderboard import evaluate_rank, evaluate_readers, find_entries, read_readers
from chexpert.evaluation.predictions import Named, read_labels
from chexpert.evaluation.ranking import find_defined, rank, resample_aurocs
from chexpert.evaluation.seed_spread import find_tie, gather_configurations
from chexpert.evaluation.shared_setting import IMAGES, SharedSetting, select_frontal, share_setting
from chexpert.observations import find_observation
from chexpert.runs.diff import find_differences
from chexpert.runs.synthetic import is_synthetic_path

MEAN = "auroc_mean"


def compare(
    paths: Sequence[Path],
    *,
    split: str | None = None,
    level: str | None = None,
    views: str | None = None,
    images: str | None = None,
    by: str = MEAN,
    mean_over: Sequence[str] | None = None,
    labels: Path | None = None,
    leaderboard: Path | None = None,
    replicates: int = 1000,
    seed: int = 0,
    hashed_by: Sequence[Path] = (),
) -> dict[str, Any]:
    """Compare runs, sweeps and files of predictions on the rows that all have.

    Args:
        paths: run folders, folders of runs, and CSV files of predictions.
        split: split of the runs; by default ``valid``, with a leaderboard ``test``.
        level: ``image`` or ``study``; by default that of the runs, of files and with a leaderboard ``study``.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study; by default as in the runs.
        images: ``frontal``: the scores of frontal images alone are compared; by default those of all.
        by: metric of the ranking: ``auroc_mean``, or the name of an observation for its AUROC.
        mean_over: observations to compare and to average the AUROC over; by default the competition's.
        labels: CSV file of labels for all models; files of predictions have no labels of their own.
        leaderboard: folder in the layout of CheXpert's public test labels; its entries and readers are compared too.
        replicates: number of bootstrap replicates; each samples studies with replacement, for all models at once.
        seed: seed of the resampling.
        hashed_by: run folders that hashed the names in files of predictions.

    Returns:
        ``models`` from the best to the worst, each with its metrics, intervals and difference from the reference (the
        best model, with a leaderboard the first of ``paths``); the evaluation setting (``level``, ``views``, ``n``,
        ``images``, ``studies``, ``by``, ``bootstrap``, ...; ``views`` and ``images`` are None unless known of all, and
        ``setting_unknown`` names the others); ``configurations``, mean and spread over seeds and folds; ``tie``, the
        difference below which two runs tie, see :func:`find_tie`. With a leaderboard also ``ranks`` and ``readers``, by
        the name of the run or file.

    Raises:
        UserError: the runs and files cannot be compared, or have different evaluation settings.
    """
    if images not in (None, *IMAGES):
        hint = f"one of {', '.join(IMAGES)}"
        raise UserError(f"unknown images: {images!r}", code="choice", where="--images", hint=hint)
    split = split or ("test" if leaderboard else "valid")
    found, absent = list_candidates(paths, split)
    board = find_entries(leaderboard) if leaderboard else None
    known = read_labels(labels) if labels else board.truth if board else None
    if images == "frontal":
        found = select_frontal(evaluate_together(found, known), known)
    candidates = evaluate_together([*found, *(board.entries if board else [])], known)
    shared = share_setting(candidates[: len(found)], known, level or ("study" if board else None), views)
    unknown = [*shared.unknown, *(one.name for one in candidates[len(found) :])]  # entries are files of studies
    aligned = align_predictions(candidates, known, shared.level, shared.views, find_all(mean_over), hashed_by)
    place = select_metric(by, aligned)
    aurocs = resample_aurocs(aligned, replicates, seed)
    runs = [one for one in found if one.settings]
    content = describe_aligned(aligned, by, absent, replicates, seed) | {
        "split": split if runs else None,
        "views": describe_views(candidates, shared),
        "images": None if unknown else shared.images,
        "setting_unknown": unknown,
        "labels_of": describe_labels(found, known),
        "models": rank(aligned, candidates, aurocs, place, reference=0 if board else None),
        "synthetic": [one.name for one in candidates if one.synthetic or (labels and is_synthetic_path(labels))],
        "differing_settings": find_differences([one.settings for one in runs]) if runs else [],
    }
    values = {model["name"]: model["figure"]["value"] for model in content["models"]}
    names = [one.name for one in candidates]
    content["configurations"] = gather_configurations(
        [one.settings for one in candidates], [values[name] for name in names], names
    )
    content["tie"] = find_tie(content["configurations"])
    if leaderboard:
        readers, own = read_readers(leaderboard), list(enumerate(aligned.names[: len(found)]))
        content["ranks"] = {name: evaluate_rank(aurocs, m, find_defined(aurocs, place)) for m, name in own}
        content["readers"] = {name: evaluate_readers(aligned, m, readers) for m, name in own}
    return content


def evaluate_together(candidates: Sequence[Candidate], known: Named | None) -> list[Candidate]:
    """Return the candidates with these labels instead of their own, if there are any."""
    return [replace(one, labels=known) if known else one for one in candidates]


def describe_views(candidates: Sequence[Candidate], shared: SharedSetting) -> str | None:
    """Return the score of a study from its views; None of single views, and where a file lists studies."""
    listed = any(one.predictions.key == "Study" for one in candidates)
    return None if shared.level == "image" or listed else shared.views


def describe_labels(candidates: Sequence[Candidate], known: Named | None) -> list[str]:
    """Return in words by which labels the models are evaluated."""
    if known:
        return [str(known.path)]
    return sorted(
        {one.evaluation_setting["labels_of"] for one in candidates if one.evaluation_setting.get("labels_of")}
    )


def find_all(names: Sequence[str] | None) -> list[str] | None:
    """Return CheXpert's names of observations in any spelling."""
    return list(dict.fromkeys(find_observation(name) or name for name in names)) if names else None


def select_metric(by: str, aligned: AlignedPredictions) -> list[int]:
    """Return the columns of the observations whose mean is the ranking metric."""
    if by == MEAN:
        return list(range(len(aligned.observations)))
    name = find_observation(by) or by
    if name not in aligned.observations:
        hint = f"{MEAN} or one of {', '.join(aligned.observations)}"
        raise UserError(f"nothing to rank by: {by}", code="choice", where="--by", hint=hint)
    return [list(aligned.observations).index(name)]


def describe_aligned(
    aligned: AlignedPredictions, by: str, absent: Sequence[Absent], replicates: int, seed: int
) -> dict[str, Any]:
    """Return the evaluation setting of a comparison, and the runs without metrics."""
    known = np.isfinite(aligned.labels)
    counts = {
        name: {"positives": int((aligned.labels[known[:, c], c] == 1).sum()),
               "negatives": int((aligned.labels[known[:, c], c] == 0).sum())}
        for c, name in enumerate(aligned.observations)
    }  # fmt: skip
    return {
        "level": aligned.level,
        "n": len(aligned.rows),
        "studies": count_studies(aligned.rows, aligned.level),
        "bootstrap": describe_bootstrap(aligned.rows, aligned.studies, replicates, seed),
        "by": find_observation(by) or by,
        "observations": counts,
        "labels_left_out": aligned.labels_left_out,
        "absent": list(map(asdict, absent)),
    }
