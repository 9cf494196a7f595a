"""Views that are shown and scored, and explained once for both."""

from collections.abc import Mapping, Sequence

import torch

from chexpert.explain.attribution import Attribution, Explainer
from chexpert.models import Model

BATCH_SIZE = 8  # views: enough to share a forward pass, few enough to fit


class ExplainedViews:
    """Explains views, and keeps the attributions of those that are explained a second time for other outputs.

    An explainer that changes the image has one set of passes for all outputs of a view: the outputs of both
    occasions are therefore explained at the first one.

    Args:
        needed: outputs by the path of each view that is explained twice, those of the second time; it may be set
            until the first view is explained.
    """

    def __init__(self, needed: Mapping[str, Sequence[int]] | None = None) -> None:
        self.needed: Mapping[str, Sequence[int]] = dict(needed or {})
        self._kept: dict[tuple[str, str], dict[int, Attribution]] = {}

    def missing(self, name: str, path: str, outputs: Sequence[int]) -> list[int]:
        """Return the outputs of a view that ``name`` is to explain now for these outputs; none if all are there."""
        kept = self._kept.get((name, path), {})
        if all(output in kept for output in outputs):
            return []
        return sorted({*outputs, *self.needed.get(path, ())} - {*kept})

    def count_passes(self, name: str, explainer: Explainer, path: str, outputs: Sequence[int]) -> int:
        """Return the forward passes that these outputs of a view cost now."""
        missing = self.missing(name, path, outputs)
        return explainer.passes(len(missing)) if missing else 0

    def explain(
        self,
        model: Model,
        name: str,
        explainer: Explainer,
        paths: Sequence[str],
        images: torch.Tensor,
        outputs: Sequence[Sequence[int]],
    ) -> list[list[Attribution]]:
        """Return the attributions of the outputs of each view (V, 1, H, W), in their order."""
        missing = [self.missing(name, path, own) for path, own in zip(paths, outputs, strict=True)]
        rows = [row for row, own in enumerate(missing) if own]
        found = explain_batches(model, explainer, images[rows], [missing[row] for row in rows]) if rows else []
        known = [dict(self._kept.get((name, path), {})) for path in paths]
        for row, attributions in zip(rows, found, strict=True):
            known[row] |= dict(zip(missing[row], attributions, strict=True))
            if paths[row] in self.needed:
                self._kept[name, paths[row]] = known[row]
        return [[of_view[output] for output in own] for of_view, own in zip(known, outputs, strict=True)]


def explain_batches(
    model: Model, explainer: Explainer, images: torch.Tensor, outputs: Sequence[Sequence[int]]
) -> list[list[Attribution]]:
    """Return attributions of the outputs of many views (V, 1, H, W), ``BATCH_SIZE`` of them together."""
    batches = [slice(start, start + BATCH_SIZE) for start in range(0, len(outputs), BATCH_SIZE)]
    return [own for some in batches for own in explainer(model, images[some], outputs[some])]
