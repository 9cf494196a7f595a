"""The classes of the grad-cam package that make a map, their options and their needs, as their signatures say."""

import inspect
from typing import Any

from torch import nn

from chexpert.errors import UserError
from chexpert.explain.packages.options import list_parameters
from chexpert.models import Model, PatchBackbone

GIVEN = (
    *("model", "target_layers", "reshape_transform", "ablation_layer", "batch_size"),
    *("input_tensor", "targets", "target_idx"),
)
"""Arguments that this project gives."""
WHOLE = ("FullGrad",)
"""Methods that read the whole network, and not the map of each member."""
A_CHANNEL = ("AblationCAM", "ScoreCAM")
"""Methods that run the network once for each channel of the map."""
PASSES = {"SESS": 226, "FullGrad": 3, "ShapleyCAM": 5}
"""Passes of the others that take more than one and the layers above the map; SESS has 113 windows in 12 scales."""
NOTES = {
    "AblationCAM": "the drop of the logit is divided by the logit: where that is negative, the signs turn",
    "EigenCAM": "the observation does not count: the map of every output is the same",
    "FEM": "the observation does not count: the map of every output is the same",
    "FinerCAM": "the logit less those of the three outputs nearest to it, weighted by a softmax over the outputs",
    "FullGrad": "absolute values: what speaks against the observation counts as what speaks for it",
    "KPCA_CAM": "the observation does not count: the map of every output is the same",
    "RefineCAM": "there is one layer, of which it is the map of its base_method",
    "RandomCAM": "a control: the channels have random weights",
    "ScoreCAM": "channels are weighted by a softmax of the logits of the masked images",
    "SESS": "windows are weighted by a softmax over the outputs, though observations do not exclude each other",
}


def list_classes() -> dict[str, Any]:
    """Return the classes of the installed package that make a map, by name."""
    import pytorch_grad_cam

    return {
        name: one
        for name, one in vars(pytorch_grad_cam).items()
        if inspect.isclass(one) and hasattr(one, "forward") and "targets" in list_parameters(one.forward)
    }


def list_options(built: Any) -> list[str]:
    """Return the names of the arguments of a class and of its call that this project leaves open."""
    return [*list_parameters(built, GIVEN), *list_parameters(get_call(built), GIVEN)]


def get_call(built: Any) -> Any:
    """Return the method of a class with the arguments of a call: ``forward`` where the call takes anything."""
    return built.__call__ if "targets" in list_parameters(built.__call__) else built.forward


def compares(built: Any) -> bool:
    """Return whether a class compares an output with others, which it chooses by itself: FinerCAM."""
    return "target_idx" in list_parameters(get_call(built))


def list_parts(made: Any) -> list[Any]:
    """Return a CAM and those that it is made of."""
    return [made, *filter(None, [getattr(made, "base_cam", None), *getattr(made, "base_cam_per_layer", ())])]


def release(made: Any) -> None:
    """Remove the hooks of a CAM, and of those that it is made of."""
    for part in list_parts(made):
        if hasattr(part, "activations_and_grads"):
            part.activations_and_grads.release()


def check_biases(model: Model, where: str) -> None:
    """Check that FullGrad reads every bias: it knows Conv2d and BatchNorm2d, and leaves others out without a word.

    Raises:
        UserError: a member has other layers with a bias, as transformers have, or none.
    """
    for member in model.members.values():
        if isinstance(member, PatchBackbone):
            message = f"FullGrad reads layers at the size of the image, and those of {member.name} see patches"
            raise UserError(message, code="explainer", where=where, hint=f"{where}=XGradCAM, or model=single")
        kinds = {type(module) for module in member.net.modules() if getattr(module, "bias", None) is not None}
        if kinds and kinds <= {nn.Conv2d, nn.BatchNorm2d}:
            continue
        others = sorted(kind.__name__ for kind in kinds - {nn.Conv2d, nn.BatchNorm2d})
        message = f"FullGrad reads the biases of Conv2d and BatchNorm2d, and {member.name} has "
        message += f"others: {', '.join(others)}" if others else "none"
        raise UserError(message, code="explainer", where=where, hint=f"{where}=XGradCAM, or another backbone")


def check_others(model: Model, method: str, where: str) -> None:
    """Check that there are outputs to compare with.

    Raises:
        UserError: the model has one output.
    """
    if model.output_head.outputs == 1:
        message = f"{method} compares an output with others, and the model has one"
        raise UserError(message, code="explainer", where=where, hint=f"{where}=GradCAM, or more observations")
