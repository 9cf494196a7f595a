"""Any class activation map of the grad-cam package (github.com/jacobgil/pytorch-grad-cam)."""

import copy
import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import nn

from chexpert.errors import UserError
from chexpert.explain.attribution import Attribution, check_request
from chexpert.explain.methods.cam import Cam, attribute
from chexpert.explain.packages.borrowed_model import borrow, seed_all
from chexpert.explain.packages.grad_cam_methods import (
    A_CHANNEL,
    GIVEN,
    NOTES,
    PASSES,
    WHOLE,
    check_biases,
    check_others,
    compares,
    get_call,
    list_classes,
    list_options,
    list_parts,
    release,
)
from chexpert.explain.packages.options import (
    find_name_errors,
    find_number_errors,
    find_option_errors,
    list_parameters,
    pick,
)
from chexpert.explain.packages.tapped_model import Tapped
from chexpert.models import Model


class GradCamPackage(Cam):
    """A map by a class of the grad-cam package, as the package gives it: positive values only, stretched to [0, 1].

    Its network is the model of this project; its target layer is the map that the project's own CAMs read, of each
    member of a combined model. The members' maps are stretched by the package before they are summed, so that a member
    that hardly counts shows as much as the others. Views and outputs are explained one by one.

    The manifest has the ``package`` and its version, the ``method``, its ``options``, and in ``notes`` what the package
    does otherwise than the project's own methods.

    Args:
        method: name of a class that the installed package exports, such as ``XGradCAM``.
        stride: explain the last map of this many pixels a cell (8, 16) instead of the last map of the network.
        options: further arguments of the class or of its call, such as ``eigen_smooth``.
        batch_size: images a pass of AblationCAM, ScoreCAM and SESS.
        seed: of RandomCAM and other methods that sample; the number of the output is added.
    """

    name = "grad_cam_package"

    def __init__(
        self,
        method: str = "GradCAM",
        stride: int | None = None,
        options: Mapping[str, Any] | None = None,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__(stride)
        self.method, self.options, self.batch_size, self.seed = method, dict(options or {}), batch_size, seed
        # of the model, once ``check`` has seen it: members, and channels of all their maps
        self._members, self._width = 1, 1024

    @classmethod
    def validate_args(
        cls,
        stride: object = None,
        method: object = "GradCAM",
        options: Any = None,
        batch_size: object = 16,
        seed: object = 0,
        **_: object,
    ) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        errors = super().validate_args(stride)
        errors += find_number_errors({"batch_size": 1, "seed": 0}, {"batch_size": batch_size, "seed": seed})
        classes = list_classes()
        if wrong := find_name_errors(method, classes, "a CAM of the grad-cam package"):
            return errors + wrong
        known = list_options(classes[str(method)])
        errors += find_option_errors({} if options is None else options, known, str(method))
        if isinstance(options, Mapping) and "base_method" in options and "base_method" in known:
            bases = [
                name for name, one in classes.items() if name not in WHOLE and "base_method" not in list_options(one)
            ]
            kind = "a CAM of a map in the grad-cam package"
            errors += find_name_errors(options["base_method"], bases, kind, "options.base_method")
        return errors

    def passes(self, outputs: int) -> int:
        """Return the passes of all outputs, which share none: one for each member, or one for each channel."""
        maps = 1 if self.method in WHOLE else self._members
        each = 2 * maps + self._width if self.method in A_CHANNEL else PASSES.get(self.method, 1) * maps
        return outputs * each

    def cheapen(self) -> "GradCamPackage":
        """Return an explainer of the same map that takes a few passes only."""
        cheap = copy.copy(self)
        if self.method in A_CHANNEL:
            cheap.method, cheap.options = "GradCAM", {}
        elif "num_scales" in list_options(list_classes()[self.method]):  # SESS, with a single window
            cheap.options = {key: value for key, value in self.options.items() if key != "scales"} | {"num_scales": 1}
        return cheap

    def check(self, model: Model) -> None:
        """Check the stage, and that the method knows the layers of the network, before training.

        Raises:
            UserError: a member has no stage of this stride, or FullGrad would miss the biases of its layers.
        """
        super().check(model)
        self._members = len(model.members)
        self._width = sum(member.width for member in model.members.values())
        if self.method in WHOLE:
            check_biases(model, f"explainer.{self.name}.method")
        elif compares(list_classes()[self.method]):
            check_others(model, self.method, f"explainer.{self.name}.method")

    def __call__(self, model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> list[list[Attribution]]:
        """Attributions for views (B, 1, H, W) uint8 of the outputs listed for each."""
        check_request(model, images, outputs)
        if not any(map(len, outputs)):
            return [[] for _ in outputs]
        self.check(model)
        with borrow(model) as borrowed:
            manifest = self._describe(borrowed, images[:1])
            return [
                [self._explain(borrowed, image[None], output, manifest) for output in own]
                for image, own in zip(images, outputs, strict=True)
            ]

    def _explain(self, model: Model, image: torch.Tensor, output: int, manifest: Mapping[str, Any]) -> Attribution:
        if self.method in WHOLE:
            return Attribution(self._run(Tapped(model, self.stride), [], image, output), {}, dict(manifest))
        tapped = Tapped(model, self.stride)
        return attribute({k: self._run(tapped, [layer], image, output) for k, layer in tapped.taps.items()}, manifest)

    def _run(self, tapped: Tapped, layers: list[nn.Module], image: torch.Tensor, output: int) -> np.ndarray:
        """The map (H, W) float32 of the package for one view (1, 1, H, W) and output."""
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        seed_all(self.seed + output)
        made = self._make(tapped, layers)
        again = any(not getattr(part, "detach", True) for part in list_parts(made))
        tapped.model.requires_grad_(again)  # ShapleyCAM differentiates the gradient once more
        call = list_parameters(get_call(type(made)), GIVEN)
        # with a target FinerCAM would compare with none
        asked = {"target_idx": output} if compares(type(made)) else {"targets": [ClassifierOutputTarget(output)]}
        try:
            with redirect_stderr(io.StringIO()):  # its progress bars, one an image
                found = made(input_tensor=image.float() / 255, **asked, **pick(self.options, call))
        finally:
            release(made)
        return np.asarray(found[0], dtype="float32")

    def _make(self, tapped: Tapped, layers: list[nn.Module]) -> Any:
        classes = list_classes()
        built = classes[self.method]
        options = pick(self.options, list_parameters(built, GIVEN))
        if "base_method" in options:
            options["base_method"] = classes[options["base_method"]]
        if "batch_size" in list_parameters(built):
            options["batch_size"] = self.batch_size
        made = built(model=tapped, target_layers=layers, **options)
        made.batch_size = self.batch_size  # ScoreCAM reads it, and takes it in no other way
        return made

    def _describe(self, model: Model, images: torch.Tensor) -> dict[str, Any]:
        notes = ["negative values are cut off, and each map is stretched to [0, 1] by its own minimum and maximum"]
        notes += [NOTES[self.method]] if self.method in NOTES else []
        shared = {
            "explainer": self.name,
            "package": f"grad-cam {version('grad-cam')}",
            "method": self.method,
            "options": dict(self.options),
            "of": "logit",
            "unit": f"{self.method} of the grad-cam package, each map stretched to [0, 1]",
        }
        if self.method in WHOLE:
            return shared | {"layer": "the input and the biases of all layers", "notes": notes}
        if len(model.members) > 1:
            notes.append("members' maps are stretched before they are summed: each counts the same")
        tapped = Tapped(model, self.stride)
        with torch.no_grad():
            tapped(images)
        return shared | {
            "layer": {name: one.layer_at(self.stride).partition(" and ")[0] for name, one in model.members.items()},
            "relu": {name: one.activation_side(images, self.stride) for name, one in model.members.items()},
            "grid": max(tapped.grids.values(), key=np.prod),
            "notes": notes,
        }
