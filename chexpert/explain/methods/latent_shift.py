"""What a model's logit would lose, pixel by pixel, if the image showed less of the observation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chexpert.errors import OWN, UserError
from chexpert.explain.attribution import Attribution, Explainer, check_request
from chexpert.explain.counterfactual.autoencoder_file import HINT, read_autoencoder
from chexpert.explain.counterfactual.latent_shift import (
    HALVINGS,
    LADDER,
    POINTS,
    LatentPath,
    ShiftSettings,
    find_step,
    prepare,
    weigh_difference,
)
from chexpert.models import Model


class LatentShift(Explainer):
    """Lowers the logit by Latent Shift (Cohen et al. 2021, arxiv.org/abs/2102.09475), and weighs the change.

    The map is the change from the lowered image to the image, times the mean gradient of the logit on that way:
    positive where the change raised the logit. The manifest has the ``step``, and whether the wanted probability was
    ``reached``.

    Args:
        autoencoder: file of an autoencoder that ``chexpert counterfactual`` has trained on such images.
        amount: share of the way of the probability to 0.
        longest: the longest step, in distances of a training image from the mean.
    """

    name = "latent_shift"

    def __init__(self, autoencoder: str, amount: float = 0.9, longest: float = 1.0) -> None:
        self.settings = ShiftSettings(amount, longest)
        self.file = Path(autoencoder)
        self.stored = read_autoencoder(self.file)

    @staticmethod
    def validate_args(autoencoder: Any = None, amount: Any = 0.9, longest: Any = 1.0, **_: object) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        errors = []
        if not isinstance(autoencoder, str):
            message = "no file of an autoencoder"
            errors.append(UserError(message, code="missing-argument", where=f"{OWN}autoencoder", hint=HINT))
        for name, value, most in (("amount", amount, 1), ("longest", longest, np.inf)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < most:
                hint = "a number above 0" + ", below 1" * (most == 1)
                errors.append(UserError(f"{value!r} is not possible", code="value", where=f"{OWN}{name}", hint=hint))
        return errors

    def passes(self, outputs: int) -> int:
        """Return the forward passes of a view; the autoencoder's own are not counted."""
        return outputs * (3 + 1 + LADDER + HALVINGS + 3 * POINTS)

    def __call__(self, model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> list[list[Attribution]]:
        """Attributions for views (B, 1, H, W) uint8 of the outputs listed for each."""
        check_request(model, images, outputs)
        if tuple(images.shape[-2:]) != tuple(self.stored.preprocessing.size):
            message = f"the autoencoder is of images of {self.stored.preprocessing}, not {tuple(images.shape[-2:])}"
            raise UserError(message, code="other-preprocessing", where=str(self.file), hint=HINT)
        with prepare(model):
            network = self.stored.network.to(images.device)
            return [
                [self._explain(LatentPath(model, network, image, output)) for output in own]
                for image, own in zip(images, outputs, strict=True)
            ]

    def _explain(self, path: LatentPath) -> Attribution:
        start = float(path.compute_logit([0.0])[0])
        step, reached = find_step(path.compute_logit, start, -1, self.settings)
        signed = weigh_difference(path, path.decode([step]))
        manifest = {"explainer": self.name, "layer": "input", "of": "logit", "step": step, "reached": reached}
        settings = {"amount": self.settings.amount, "longest": self.settings.longest}
        return Attribution(signed.astype("float32"), {}, manifest | settings)
