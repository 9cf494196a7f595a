"""The metrics of single maps, a row for each view and observation; NaN or missing where a metric is undefined."""

import math
from collections.abc import Sequence

import numpy as np

from chexpert.explain.attribution import Attribution
from chexpert.explain.batched_inference import Probe
from chexpert.explain.geometry import mark_corners, mark_frame
from chexpert.explain.methods.random_map import RandomMap
from chexpert.explain.quality.deletion_insertion import CUTS, SHARES, infer_curves
from chexpert.explain.quality.road import SHARES as IMPUTED
from chexpert.explain.quality.road import infer_road
from chexpert.explain.quality.sanity import between_observations
from chexpert.explain.quality.scored_views import limit
from chexpert.explain.view import View
from chexpert.metrics import chance, evaluate_curves, expected_hit, iou, rank_accuracy, relevance_mass, segment_otsu
from chexpert.metrics.localization.map_scores import contains_cell
from chexpert.models import Model

Row = dict[str, float]

CURVES = 8  # true positives of an observation that get deletion and insertion curves: 16 images each, and 2 a view
ROADS = 8  # likewise ROAD: 8 images and 8 sparse systems each


def locate(view: View, observation: str, attribution: Attribution, predicted: bool) -> Row:
    """Compare a map with the finding's mask, at the mask's size; return no metric where there is no mask."""
    mask = view.masks.get(observation)
    if mask is None or not mask.any():
        return {}
    on_mask, matrix = view.carry_back(attribution.map, mask.shape), view.matrix_of(mask.shape)
    peaks = expected_hit(on_mask, mask)
    return {
        "hit": peaks,
        "chance": chance(mask),
        "reachable": contains_cell(mask, attribution.manifest.get("grid"), matrix, attribution.map.shape),
        "mass": relevance_mass(on_mask, mask),
        "rank_accuracy": rank_accuracy(on_mask, mask),
        "iou": iou(segment_otsu(on_mask), mask, true_positives_only=True),
        # a map without evidence has no peak, and so none in the finding
        "right": (0.0 if math.isnan(peaks) else peaks) if predicted else math.nan,
    }


def measure_border(attribution: Attribution) -> float:
    """Return the share of the positive evidence at the border and the corners, over their area: 1 for an even map.

    It is measured on what the model sees, so that padding counts. NaN where no pixel speaks for the observation.
    """
    place = mark_frame(attribution.signed.shape) | mark_corners(attribution.signed.shape)
    return relevance_mass(attribution.signed, place) / float(place.mean())


class Probing:
    """Curves and ROAD of several explainers; the control's curves are shared, and made once a view."""

    def __init__(self, model: Model, seed: int) -> None:
        self.model, self.probe = model, Probe(title="curves")
        self.control = RandomMap(seed + 1)  # not the very map of an explainer "random", whose gap would be exactly 0
        self._controls: dict[str, np.ndarray] = {}

    def has_control(self, view: View) -> bool:
        """Return whether the curves of the control are there for a view."""
        return view.path in self._controls

    def curves(self, view: View, maps: Sequence[np.ndarray], outputs: Sequence[int]) -> list[Row]:
        """Return areas under the curves of the maps that explain these outputs, and their gap over a random map's."""
        if not outputs:
            return []
        fresh = [] if self.has_control(view) else [self.control(self.model, view.image[None], [[0]])[0][0].signed]
        logits = infer_curves(self.model, view.image, [*maps, *fresh], self.probe)
        if fresh:
            self._controls[view.path] = logits[-1]
        return [gaps(own[..., c], self._controls[view.path][..., c]) for own, c in zip(logits, outputs, strict=False)]

    def road(self, view: View, maps: Sequence[np.ndarray], outputs: Sequence[int]) -> list[Row]:
        """Return ROAD of the maps that explain these outputs."""
        if not outputs:
            return []
        return [{"road": gain} for gain in infer_road(self.model, view.image, maps, outputs, self.probe)]


def gaps(curves: np.ndarray, control: np.ndarray) -> Row:
    """Return areas under a map's deletion and insertion curve (2, T), and its gap over that of a random map."""
    own, by_chance = (evaluate_curves(deletion, insertion, SHARES) for deletion, insertion in (curves, control))
    return own._asdict() | {
        "gap_over_random": own.gap - by_chance.gap,
        "gap_logit_over_random": own.gap_logit - by_chance.gap_logit,
    }


def true_positives(outputs: Sequence[Sequence[int]], predicted: Sequence[Sequence[bool]]) -> list[list[int]]:
    """Return the outputs of each view, all of them present, that the model predicts.

    >>> true_positives([[0, 1], [1]], [[False, True], [True]])
    [[1], [1]]
    """
    return [[c for c, found in zip(*own, strict=True) if found] for own in zip(outputs, predicted, strict=True)]


def score_maps(
    views: Sequence[View],
    outputs: Sequence[Sequence[int]],
    attributions: Sequence[Sequence[Attribution]],
    observations: Sequence[str],
    predicted: Sequence[Sequence[bool]],
    tested: Sequence[tuple[Sequence[int], Sequence[int]]],
    probing: Probing,
) -> list[list[Row]]:
    """Return a row of metrics for each map, without those of the sanity check.

    ``tested`` names the outputs of each view that have curves, and those that have ROAD; see :func:`choose_tested`.
    """
    scored = []
    for view, own, maps, found, chosen in zip(views, outputs, attributions, predicted, tested, strict=True):
        signed = {c: attribution.signed for c, attribution in zip(own, maps, strict=True)}
        metrics: dict[int, Row] = {
            c: {"between": rho, "evidence": float(attribution.has_evidence), "predicted": float(right)}
            | {"border": measure_border(attribution)}
            | locate(view, observations[c], attribution, right)
            for c, rho, attribution, right in zip(own, between_observations(maps), maps, found, strict=True)
        }
        for probe, some in zip((probing.curves, probing.road), chosen, strict=True):
            for c, row in zip(some, probe(view, [signed[c] for c in some], some), strict=True):
                metrics[c] |= row
        scored.append([metrics[c] for c in own])
    return scored


def choose_tested(
    outputs: Sequence[Sequence[int]], predicted: Sequence[Sequence[bool]]
) -> list[tuple[list[int], list[int]]]:
    """Return the outputs of each view that get curves, and those that get ROAD: the first true positives of each.

    What a model does not see, its output cannot follow.
    """
    right = true_positives(outputs, predicted)
    return list(zip(limit(right, CURVES), limit(right, ROADS), strict=True))


def count_tests(tested: tuple[Sequence[int], Sequence[int]], *, with_control: bool) -> int:
    """Return the forward passes of the curves and ROAD of a view, with the curves of the control or without them."""
    curved, roaded = map(len, tested)
    of_curves = 2 * len(CUTS) * (curved + with_control) + 2 if curved else 0
    return of_curves + 2 * len(IMPUTED) * roaded
