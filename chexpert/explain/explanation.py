"""An attribution with what a reader of it must know."""

import io
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from chexpert.explain.attribution import Attribution, positive_share
from chexpert.explain.regions import Region, find_region
from chexpert.explain.view import View
from chexpert.metrics.localization.overlap import Threshold

TRUTHS = {1: "present", 0: "absent", None: "not labeled"}


@dataclass(frozen=True)
class Explanation:
    """Why a model gave an observation of a view its probability, by one explainer.

    Attributes:
        view: what was explained.
        observation: name of the explained output.
        probability: of that observation, in [0, 1].
        explainer: its name in the run.
        attribution: the explainer's result.
    """

    view: View
    observation: str
    probability: float
    explainer: str
    attribution: Attribution

    def __repr__(self) -> str:
        return f"<Explanation of {self.observation} by {self.explainer}: p = {self.probability:.3f}>"

    def _repr_png_(self) -> bytes:
        """The figure, for Jupyter."""
        content = io.BytesIO()
        self.figure.savefig(content, format="png")
        return content.getvalue()

    @property
    def signed(self) -> np.ndarray:
        """(H, W) float32 on the image, raw: negative values speak against the observation; 0 where nothing was seen."""
        return self.view.carry_back(self.attribution.signed)

    @property
    def map(self) -> np.ndarray:
        """(H, W) float32 in [0, 1] on the image: the positive evidence over its maximum."""
        return positive_share(self.signed)

    def segment(self, threshold: Threshold = "otsu") -> Region:
        """Return where the map is above a threshold: mask, boxes and peak in pixels of the image.

        Args:
            threshold: ``otsu``, or a number in [0, 1] of the map.
        """
        return find_region(self.map, threshold)

    @property
    def figure(self) -> Figure:
        """The image beside the map over it, with the members of a combined model below."""
        from chexpert.explain.plots import find_scale, plot_picture  # which plot explanations: they import this module

        return plot_picture(self, find_scale([self]))

    @property
    def truth(self) -> int | None:
        """The label as it is: 1, 0, or None where it is blank, uncertain or not known."""
        return self.view.truth.get(self.observation)

    @property
    def mask(self) -> np.ndarray | None:
        """Bool, where the finding was outlined, over the image at any resolution; None where that is not known."""
        mask = self.view.masks.get(self.observation)
        return mask if mask is not None and mask.any() else None

    @property
    def title(self) -> str:
        """Observation, probability and true label: "Edema", "p = 0.31, truly absent" in two lines."""
        truth = TRUTHS[self.truth]
        return f"{self.observation}\np = {self.probability:.2f}, {truth if self.truth is None else f'truly {truth}'}"

    @property
    def layer(self) -> str:
        """Where in the model, or in the image, the explainer worked: what members have in common is said once."""
        layers = self.attribution.manifest["layer"]
        if not isinstance(layers, dict):
            return str(layers)
        names, _, places = zip(*(layer.partition(".") for layer in layers.values()), strict=True)
        if len(layers) > 1 and len(set(places)) == 1:
            return f"{places[0]} of {', '.join(names)}"
        return ", ".join(layers.values())

    @property
    def unit(self) -> str:
        """What the raw numbers of the map are.

        Gradient CAMs multiply what a cell holds by what the logit makes of it; of the last map the mean is
        the logit less its bias. Others change the image, or what is seen of it, and watch the output.
        """
        manifest = self.attribution.manifest
        of = str(manifest.get("of", "logit"))
        if of == "nothing":
            return "nothing: a control"
        if "unit" in manifest:  # of another package, with a scale of its own
            return str(manifest["unit"])
        gradients = isinstance(manifest["layer"], dict) and "channels" not in manifest
        return f"activation x gradient of the {of}" if gradients else f"change of the {of}"
