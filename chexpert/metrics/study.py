"""From views to studies, the competition's unit: one row a study, its score the maximum over its views."""

from collections.abc import Sequence

import torch

from chexpert.problem import ProblemError

SCORES = {"max": "amax", "mean": "mean"}
"""How the views of a study make its score (Irvin et al. 2019 take the maximum), and torch's word for it."""


def find_study(path: str) -> str:
    """The study of a view's path.

    >>> find_study("CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg")
    'CheXpert-v1.0/valid/patient64541/study1'
    """
    return path.rpartition("/")[0]


def reduce_to_studies(
    studies: Sequence[str], probabilities: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor, score: str = "max"
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Joins the rows of each study, in the order in which studies first appear.

    Args:
        studies: N names.
        probabilities: (N, C) float.
        labels: (N, C) in {0, 1}, equal within a study: they are read from one report, or agreed on for one study.
        mask: (N, C) bool, False where there is no label.
        score: ``max`` or ``mean`` over the views.

    Returns:
        Probabilities, labels and mask, (S, C) each.

    Raises:
        ProblemError: the views of a study have different labels.
    """
    first_rows: dict[str, int] = {}
    for row, study in enumerate(studies):
        first_rows.setdefault(study, row)
    places = {study: place for place, study in enumerate(first_rows)}
    rows = torch.tensor([places[study] for study in studies], device=labels.device)
    firsts = torch.tensor(list(first_rows.values()), device=labels.device)
    differ = (mask != mask[firsts][rows]) | (mask & (labels != labels[firsts][rows]))
    if differ.any():
        study = studies[int(differ.any(1).nonzero()[0])]
        raise ProblemError(
            "the views of a study have different labels", where=study, mend="correct them, or level=image"
        )
    index = rows[:, None].expand_as(probabilities)
    joined = torch.zeros(len(places), probabilities.shape[1], dtype=probabilities.dtype, device=probabilities.device)
    joined.scatter_reduce_(0, index, probabilities, SCORES[score], include_self=False)
    return joined, labels[firsts], mask[firsts]
