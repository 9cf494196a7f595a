"""One map by each explainer before data are read: some networks train well, and cannot be explained by all of them."""

import copy
from collections.abc import Mapping
from math import prod

import numpy as np
import torch

from chexpert.errors import UserError
from chexpert.explain.attribution import Explainer
from chexpert.explain.methods.cam import Cam, EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from chexpert.explain.methods.integrated_gradients import IntegratedGradients
from chexpert.explain.methods.lime import Lime
from chexpert.explain.methods.occlusion import Occlusion
from chexpert.explain.methods.rise import Rise
from chexpert.explain.methods.score_cam import ScoreCAM
from chexpert.image_size import ImageSize
from chexpert.models import Model

KINDS = (GradCAM, HiResCAM, GradCAMPlusPlus, LayerCAM, EigenCAM, ScoreCAM, Lime, Occlusion, Rise, IntegratedGradients)
FEW = {"samples": 4, "num_samples": 4, "superpixels": 4, "channels": 2, "steps": 1, "patch": 0.5, "stride": 0.5}
"""Settings with which a map costs a few passes; ``stride`` is set of explainers that have a ``patch`` only."""


def try_explainers(model: Model, explainers: Mapping[str, Explainer], size: ImageSize) -> None:
    """Check that each explainer explains this model, on an image of a gray ramp and with a few passes.

    Args:
        model: model to explain, on any device.
        explainers: explainers by name.
        size: of the image.

    Raises:
        UserError: one of them cannot explain this model; it names the layer, and the explainers that can.
    """
    failed = {name: why for name, explainer in explainers.items() if (why := find_fault(model, explainer, size))}
    if not failed:
        return
    whys = "; ".join(f"{name}: {why}" for name, why in failed.items())
    last = [name for name in failed if (own := of_last(explainers[name])) and not find_fault(model, own, size)]
    works = [kind.name for kind in KINDS if kind.name not in failed and not find_fault(model, kind(), size)]
    hints = [f"explainer.{name}.stride=null, its map of the last layer" for name in last]
    message = f"the model ({describe_maps(model, size)}) cannot be explained by {whys}"
    hints += [f"explainer=[{','.join(works)}], which explain this model", "another backbone or data.image_size"]
    raise UserError(message, code="explainer", where="explainer", hint="; or ".join(hints))


def find_fault(model: Model, explainer: Explainer, size: ImageSize) -> str:
    """Return the reason why an explainer gives no map of an image of this size; empty where it gives one."""
    device = next(model.parameters()).device
    try:
        check_explainer(explainer, model)
        found = cheapen(explainer)(model, make_ramp(size).to(device), [[0]])[0][0]
    except UserError as error:
        return error.message
    except Exception as error:
        return f"{type(error).__name__}: {error}".partition("\n")[0]
    if prod(found.manifest.get("grid") or (2,)) == 1:
        return "its map has one cell, so it shows no place"
    return "" if np.isfinite(found.signed).all() else "its map is not finite"


def check_explainer(explainer: Explainer, model: Model) -> None:
    """Check that a model has the layers that an explainer reads, where the explainer can say so before it is run.

    Raises:
        UserError: the model lacks them.
    """
    if check := getattr(explainer, "check", None):
        check(model)


def of_last(explainer: Explainer) -> Explainer | None:
    """Return the same explainer of the network's last map; None where it is already, or where it reads no map."""
    if not isinstance(explainer, Cam) or explainer.stride is None:
        return None
    other = copy.copy(explainer)
    other.stride = None
    return other


def cheapen(explainer: Explainer) -> Explainer:
    """Return a copy of an explainer that takes only a few passes; one that knows how makes it itself."""
    if own := getattr(explainer, "cheapen", None):
        return own()
    cheap = copy.copy(explainer)
    wanted = FEW if hasattr(cheap, "patch") else {key: few for key, few in FEW.items() if key != "stride"}
    for key, few in wanted.items():
        if hasattr(cheap, key):
            setattr(cheap, key, few)
    return cheap


def make_ramp(size: ImageSize) -> torch.Tensor:
    """Return an image (1, 1, H, W) uint8, from black to white."""
    return torch.linspace(0, 255, size.pixels).reshape(1, 1, *size).to(torch.uint8)


def describe_maps(model: Model, size: ImageSize) -> str:
    """Describe the last map of each member, with channels and cells."""
    with torch.no_grad():
        features = model.eval().feature_maps(make_ramp(size).to(next(model.parameters()).device))
    maps = {name: model.members[name].to_map(own, size) if own.ndim == 3 else own for name, own in features.items()}
    return ", ".join(
        f"forward_features of {model.members[name].title}: {' x '.join(map(str, own.shape[1:]))}"
        for name, own in maps.items()
    )
