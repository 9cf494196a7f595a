"""Any attribution of the image by a class of captum (captum.ai), an optional package."""

import copy
import importlib
import importlib.util
import inspect
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from torch import nn

from chexpert.errors import OWN, UserError, advise_extra, raise_errors
from chexpert.explain.attribution import Attribution, Explainer, check_request
from chexpert.explain.methods.fills import FILLS, fill_image
from chexpert.explain.methods.superpixels import segment
from chexpert.explain.packages.borrowed_model import borrow, seed_all
from chexpert.explain.packages.captum_methods import (
    CHUNKS,
    COUNTS,
    INNER,
    count_passes,
    find_method_errors,
    list_methods,
    list_options,
    make_notes,
)
from chexpert.explain.packages.options import find_number_errors, find_option_errors, list_parameters, pick
from chexpert.models import Model

WINDOW, STEP = 8, 16
"""Shares of the image's sides: of the window of Occlusion and of its steps, as the project's own has them."""
RELUS = ("GuidedBackprop", "Deconvolution")
"""Methods that change the gradient of ReLU modules, and nothing where there are none."""


class Captum(Explainer):
    """An attribution of the pixels by a class of captum, signed and raw as captum gives it, of the logit.

    Combined models are explained as a whole. Views and outputs are explained one by one, each from the same random
    state. Images are in [0, 1], before the network's own normalization.

    The manifest has the ``package`` and its version, the ``method``, its ``options``, and ``notes`` on what the method
    does otherwise than the project's own.

    Args:
        method: name of a class of ``captum.attr`` that explains the input, such as ``GradientShap``.
        fill: baseline of methods that have one: ``black`` (captum's default), ``blur``, ``mean`` or ``local``; of
            GradientShap and DeepLiftShap a list of several, which are their distribution.
        superpixels: wanted number inside the body, the features of KernelShap, Lime, FeatureAblation and the Shapley
            values; the surround is one more.
        options: further arguments of the class or of its ``attribute``, such as ``n_samples``; of NoiseTunnel also
            ``attribution_method``, the name of the method under it (Saliency), and the options of that.
        batch_size: images a pass, of methods that can be divided; GradientShap takes its ``n_samples`` together.
        seed: of the random numbers.
    """

    name = "captum"

    def __init__(
        self,
        method: str = "IntegratedGradients",
        fill: str | Sequence[str] = "black",
        superpixels: int = 50,
        options: Mapping[str, Any] | None = None,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        raise_errors(find_missing())
        self.method, self.superpixels, self.batch_size, self.seed = method, superpixels, batch_size, seed
        self.fills = [fill] if isinstance(fill, str) else list(fill)
        self.options = {key: value for key, value in (options or {}).items() if key != INNER}
        self.inner = str((options or {}).get(INNER, "Saliency")) if method == "NoiseTunnel" else None

    @classmethod
    def validate_args(
        cls,
        method: object = "IntegratedGradients",
        fill: object = "black",
        superpixels: object = 50,
        options: Any = None,
        batch_size: object = 16,
        seed: object = 0,
        **_: object,
    ) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        if missing := find_missing():
            return missing
        least = {"superpixels": 2, "batch_size": 1, "seed": 0}
        errors = find_number_errors(least, {"superpixels": superpixels, "batch_size": batch_size, "seed": seed})
        errors += find_fill_errors(fill)
        options = {} if options is None else options
        if not isinstance(options, Mapping):
            return errors + find_option_errors(options, (), str(method))
        if wrong := find_method_errors(method, options):
            return errors + wrong
        if isinstance(fill, list) and len(fill) > 1 and not takes_several(str(method)):
            hint = f"one of {', '.join(FILLS)}; several with the method GradientShap"
            errors.append(UserError(f"{method} has one baseline", code="value", where=f"{OWN}fill", hint=hint))
        if "DeepLiftShap" in (method, options.get(INNER)) and not (isinstance(fill, list) and len(fill) > 1):
            message, hint = "DeepLiftShap needs several baselines", "several of them, such as [black,blur]"
            errors.append(UserError(message, code="value", where=f"{OWN}fill", hint=hint))
        counts = {f"options.{key}": options[key] for key in COUNTS if key in options}
        errors += find_number_errors(dict.fromkeys(counts, 1), counts)
        return errors + find_option_errors(options, list_options(str(method), options), str(method))

    def passes(self, outputs: int) -> int:
        """Return the passes of all outputs, which share none; a backward pass counts as two."""
        features = ((WINDOW - 1) * STEP // WINDOW + 1) ** 2 if self._main == "Occlusion" else self.superpixels + 1
        return outputs * count_passes(self.method, self.inner, self.options, features)

    def cheapen(self) -> "Captum":
        """Return an explainer by the same method that takes a few passes."""
        cheap = copy.copy(self)
        known = list_options(self.method, {INNER: self.inner} if self.inner else {})
        cheap.superpixels = 4
        few = {"n_steps": 2, "n_samples": 2, "nt_samples": 2}
        cheap.options = self.options | {key: count for key, count in few.items() if key in known}
        return cheap

    @property
    def _main(self) -> str:
        """The method that explains, which NoiseTunnel only repeats."""
        return self.inner or self.method

    def check(self, model: Model) -> None:
        """Check that the network has the layers that the method changes, before training.

        Raises:
            UserError: guided backpropagation or deconvolution of a network without ReLU modules.
        """
        if self._main in RELUS and not any(isinstance(module, nn.ReLU) for module in model.modules()):
            names = ", ".join(member.name for member in model.members.values())
            message = f"{self._main} changes the gradient of ReLU modules, and {names} has none"
            where = f"explainer.{self.name}.method"
            raise UserError(message, code="explainer", where=where, hint=f"{where}=InputXGradient")

    def __call__(self, model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> list[list[Attribution]]:
        """Attributions for views (B, 1, H, W) uint8 of the outputs listed for each."""
        check_request(model, images, outputs)
        self.check(model)
        with borrow(model) as borrowed:
            return [
                [self._explain(borrowed, image, output) for output in own]
                for image, own in zip(images, outputs, strict=True)
            ]

    def _explain(self, model: Model, image: torch.Tensor, output: int) -> Attribution:
        seed_all(self.seed)
        methods = list_methods()
        main = methods[self._main]
        made = main(model, **pick(self.options, list_parameters(main)))
        arguments = self._fill_in(main, image)
        if self.inner:
            tunnel = methods[self.method]
            made, arguments = tunnel(made), arguments | self._fill_in(tunnel, image)
        try:
            found = made.attribute(image[None].float() / 255, target=output, **arguments)
        except TypeError as error:
            if self._main != "LRP":
                raise
            raise missing_rule(error, f"explainer.{self.name}.method") from error
        return Attribution(found.detach()[0, 0].float().cpu().numpy(), {}, self._describe())

    def _fill_in(self, method: Any, image: torch.Tensor) -> dict[str, Any]:
        """The arguments of ``attribute`` for one view (1, H, W): those given, and those that the view gives."""
        known = list_parameters(method.attribute)
        given = pick(self.options, known)
        if isinstance(given.get("stdevs"), int):
            given["stdevs"] = float(given["stdevs"])  # captum takes no 1 for 1.0
        height, width = image.shape[-2:]
        own: dict[str, Any] = dict.fromkeys(CHUNKS, self.batch_size)
        own["sliding_window_shapes"] = 1, -(-height // WINDOW), -(-width // WINDOW)
        own["strides"] = 1, max(1, height // STEP), max(1, width // STEP)
        if "baselines" in known:
            own["baselines"] = self._make_baselines(image)
        if "feature_mask" in known:
            own["feature_mask"] = number_features(image, self.superpixels)
        return {key: value for key, value in own.items() if key in known} | given

    def _make_baselines(self, image: torch.Tensor) -> torch.Tensor:
        """The baselines (N, 1, H, W) in [0, 1] of a view (1, H, W)."""
        gray = image[0].cpu().numpy()
        return torch.from_numpy(np.stack([fill_image(gray, fill) for fill in self.fills]))[:, None].to(image) / 255

    def _describe(self) -> dict[str, Any]:
        return {
            "explainer": self.name,
            "package": f"captum {get_version()}",
            "method": self.method,
            "options": self.options | ({INNER: self.inner} if self.inner else {}),
            "layer": "input",
            "of": "logit",
            "fill": ", ".join(self.fills),
            "unit": f"{self.method} of captum, of the logit",
            "notes": make_notes(self.method, self._main, self.options),
        }


def find_missing() -> list[UserError]:
    """Return the error where captum is not installed."""
    if importlib.util.find_spec("captum"):
        return []
    message = "captum is not installed"
    return [UserError(message, code="not-installed", where="explainer.captum", hint=advise_extra("captum"))]


def get_version() -> str:
    """Return the version of captum."""
    try:
        return version("captum")
    except PackageNotFoundError:  # a checkout that is on the path
        return "of an unknown version"


def find_fill_errors(fill: object) -> list[UserError]:
    """Return the errors of one fill, or of a list of them."""
    fills = fill if isinstance(fill, list) and fill else [fill]
    return [
        UserError(
            f"{one!r} is not possible", code="choice", where=f"{OWN}fill", hint="one of " + ", ".join(map(str, FILLS))
        )
        for one in fills
        if one not in FILLS
    ]


def takes_several(method: str) -> bool:
    """Return whether the baselines of a method are a distribution: it has no default for them."""
    baselines = list_parameters(list_methods()[method].attribute).get("baselines")
    return baselines is not None and baselines.default is inspect.Parameter.empty


def number_features(image: torch.Tensor, superpixels: int) -> torch.Tensor:
    """Return the superpixel of each pixel of a view (1, H, W), as (1, 1, H, W) int64 from 0."""
    segments = segment(image[0].cpu().numpy(), superpixels)
    numbers = np.unique(segments, return_inverse=True)[1].reshape(segments.shape)
    return torch.from_numpy(numbers)[None, None].to(image.device)


def missing_rule(error: TypeError, where: str) -> UserError:
    """Return the error of a network with layers for which LRP has no rule, in captum's own words."""
    message = f"LRP cannot explain this network: {error}".partition("\n")[0]
    return UserError(message, code="explainer", where=where, hint=f"{where}=DeepLift, or InputXGradient")
