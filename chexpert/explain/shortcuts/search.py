"""The search for shortcuts: every observation against every suspect, by all the evidence that the data allow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chexpert.explain.attribution import Explainer
from chexpert.explain.shortcuts.case import FINDINGS, Case
from chexpert.explain.shortcuts.effects import Effects, compute_logits, measure_effects
from chexpert.explain.shortcuts.evidence_mass import PLACES, measure_mass
from chexpert.explain.shortcuts.verdict import MOST_OVERLAP, compare_pair, is_kin
from chexpert.metrics.auroc_intervals import RankedScores
from chexpert.metrics.bootstrap import ENDS, Interval, bootstrap_mean
from chexpert.models import Model

MOST_PASSES = 20_000  # forward passes that explaining may take, less than 20 images apart
LEAST_MAPS = 20
REPLICATES = 1000


@dataclass(frozen=True)
class Evidence:
    """What there is to look at.

    Attributes:
        splits: cases of ``matched``, as the model was trained, and where there are such of ``independent`` and
            ``reversed``, in which what is suspected comes with other images.
        without: by suspect and name of the view the image (H, W) uint8 painted without the suspect.
        learned_ties: by suspect and observation phi of the two in the training labels, of suspects that have such.
    """

    splits: Mapping[str, Sequence[Case]]
    without: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    learned_ties: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class Search:
    """Looks for shortcuts of one model.

    Args:
        model: images to logits.
        observations: names of the C outputs.
        evidence: images, regions, counterfactuals.
        seed: of everything that is sampled.
    """

    def __init__(self, model: Model, observations: Sequence[str], evidence: Evidence, seed: int = 0) -> None:
        self.model, self.observations, self.evidence, self.seed = model, list(observations), evidence, seed
        self.cases = evidence.splits["matched"]
        self.logits = {
            split: compute_logits(model, [case.image for case in cases], f"{split} split")
            for split, cases in evidence.splits.items()
        }
        """(N, C) by split."""
        self.effects: dict[str, Effects] = {}
        """By suspect, of those that were looked at."""

    def run(self, asked: Sequence[str], suspects: Sequence[str], explainer: Explainer) -> dict[str, Any]:
        """Compute all metrics of the report, in plain containers.

        Args:
            asked: observations to evaluate.
            suspects: names of regions, each shown by one case or more.
            explainer: whose maps say where the evidence lies.
        """
        outputs = [self.observations.index(name) for name in asked]
        for suspect in suspects:
            without = self.evidence.without.get(suspect, {})
            names = {output: name for output, name in zip(outputs, asked, strict=True) if name != suspect}
            self.effects[suspect] = measure_effects(self.model, self.cases, suspect, without, names, self.seed)
        mass = measure_mass(self.model, explainer, self._choose(explainer, len(outputs)), outputs)
        shares = {key: bootstrap_mean(values)._asdict() for key, values in mass.items()}
        return {
            "views": len(self.cases),
            "explainer": explainer.name,
            "suspects": {name: self._describe(name) for name in suspects},
            "aurocs": {name: self._evaluate_splits(name) for name in asked},
            "pairs": [
                self._evaluate(name, suspect, shares) for name in asked for suspect in suspects if name != suspect
            ],
            "places": {name: {p: shares.get((o, p)) for p in PLACES} for name, o in zip(asked, outputs, strict=True)},
        }

    def _choose(self, explainer: Explainer, outputs: int) -> list[Case]:
        """As many cases as can be explained in bearable time."""
        count = max(LEAST_MAPS, MOST_PASSES // max(1, explainer.passes(outputs)))
        rows = np.random.default_rng(self.seed).permutation(len(self.cases))[:count]
        return [self.cases[row] for row in sorted(rows)]

    def _describe(self, suspect: str) -> dict[str, Any]:
        areas = [case.regions[suspect].mean() for case in self.cases if suspect in case.regions]
        return {
            "views": len(areas),
            "area": float(np.mean(areas)),
            "counterfactuals": len(self.evidence.without.get(suspect, {})),
            "finding": suspect in FINDINGS,
        }

    def _evaluate(self, name: str, suspect: str, mass: Mapping[tuple[int, str], Any]) -> dict[str, Any]:
        """One observation against one suspect."""
        output, effects = self.observations.index(name), self.effects[suspect]
        kinds = ("counterfactual", "inpainted", "controls")
        changes = {kind: getattr(effects, kind)[..., output] for kind in kinds}
        ties = {split: find_tie(cases, name, suspect) for split, cases in self.evidence.splits.items()}
        if suspect in self.evidence.learned_ties:
            ties["train"] = self.evidence.learned_ties[suspect][name]
        fall = self._fall(name) if "reversed" in ties else None
        tie = bootstrap_tie(self.cases, name, suspect, self.seed)
        verdict = compare_pair(changes, float(self.logits["matched"][:, output].std()), ties, fall, tie)
        overlap = find_overlap(self.cases, name, suspect)
        verdict["tied"] = is_kin(name, suspect) or overlap > MOST_OVERLAP
        verdict["finding"] = suspect in FINDINGS
        verdict["alarm"] = verdict["alarm"] and not verdict["tied"] and not verdict["finding"]
        return {
            "observation": name, "suspect": suspect, **verdict, "overlap": overlap, "ties": ties, "tie": tie._asdict(),
            "auroc_fall": fall and fall._asdict(), "mass_over_area": mass.get((output, suspect)),
        }  # fmt: skip

    def _evaluate_splits(self, name: str) -> dict[str, Any]:
        """AUROC by split, each over the views that are labeled."""
        aurocs = {}
        for split, cases in self.evidence.splits.items():
            rows = [row for row, case in enumerate(cases) if name in case.labels]
            labels = np.array([cases[row].labels[name] for row in rows])
            scores = self.logits[split][rows, self.observations.index(name)]
            ranked = RankedScores(scores[None], labels)
            aurocs[split] = ranked.auroc(0)._asdict() | {"positives": ranked.positives}
        return aurocs

    def _fall(self, name: str) -> Interval:
        """AUROC of the matched less that of the reversed split, on the views that are in both."""
        output = self.observations.index(name)
        matched, other = (
            {case.name: (row, case) for row, case in enumerate(self.evidence.splits[split]) if name in case.labels}
            for split in ("matched", "reversed")
        )
        both = [view for view in matched if view in other]
        scores = np.stack([
            self.logits[split][[rows[view][0] for view in both], output]
            for split, rows in (("matched", matched), ("reversed", other))
        ])  # fmt: skip
        labels = np.array([matched[view][1].labels[name] for view in both])
        return RankedScores(scores, labels).difference(0, 1)


def find_tie(cases: Sequence[Case], name: str, suspect: str) -> float:
    """Return phi of an observation and the presence of a suspect, in [-1, 1]; NaN where one of them does not vary."""
    return bootstrap_tie(cases, name, suspect).value


def bootstrap_tie(cases: Sequence[Case], name: str, suspect: str, seed: int = 0) -> Interval:
    """Return phi, as :func:`find_tie` does, with its interval over the labeled images."""
    known = [(case.labels[name], suspect in case.regions) for case in cases if name in case.labels]
    pairs = np.array(known, "float64").reshape(-1, 2)
    count = len(pairs)
    if not count:
        return Interval(np.nan, np.nan, np.nan, 0, REPLICATES)
    counts = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), REPLICATES)
    shares = np.vstack([np.ones(count), counts]) / count  # the first row is the images themselves
    (one, other), both = (shares @ pairs).T, shares @ pairs.prod(1)
    spread = np.sqrt((one * (1 - one) * other * (1 - other)).clip(0))
    phi = np.divide(both - one * other, spread, out=np.full(len(spread), np.nan), where=spread > 1e-9)
    defined = phi[1:][np.isfinite(phi[1:])]
    low, high = np.quantile(defined, ENDS) if len(defined) else (np.nan, np.nan)
    return Interval(float(phi[0]), float(low), float(high), count, REPLICATES - len(defined))


def find_overlap(cases: Sequence[Case], name: str, suspect: str) -> float:
    """Return the larger mean share of either region inside the other, over views that show both; 0 if none does.

    Masks of findings that lie in the same place say that they are tied by anatomy, not by habit.
    """
    both = [(case.regions[name], case.regions[suspect]) for case in cases if {name, suspect} <= set(case.regions)]
    shares = [((one & other).sum() / one.sum(), (one & other).sum() / other.sum()) for one, other in both]
    return float(np.max(np.mean(shares, axis=0))) if shares else 0.0
