"""The CAM family against the grad-cam package, on the same layer: raw maps, before the package stretches each."""

import copy
from functools import cache

import numpy as np
import pytest
import torch
from pytorch_grad_cam import EigenCAM as PackageEigenCAM
from pytorch_grad_cam import GradCAM as PackageGradCAM
from pytorch_grad_cam import GradCAMPlusPlus as PackageGradCAMPlusPlus
from pytorch_grad_cam import HiResCAM as PackageHiResCAM
from pytorch_grad_cam import LayerCAM as PackageLayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torch.nn.functional import interpolate

from chexpert.explain import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from chexpert.models import Backbone, Single

OUTPUT = 3
IMAGE = torch.randint(0, 256, (1, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Stem(nn.Module):
    """The backbone as one layer that the package can hook."""

    def __init__(self, model: Single) -> None:
        super().__init__()
        self.model, self.layer = model, model.members["backbone"]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images)


@cache
def make_model(name: str) -> Single:
    torch.manual_seed(0)
    return Single(Backbone(name), outputs=5).eval()


def run_package(method, model: Single, stage: str | None = None):
    """The package's raw map (h, w), and the number of its cells."""
    stem, targets = Stem(model), [ClassifierOutputTarget(OUTPUT)]
    layer = stem.layer if stage is None else stem.layer.net.get_submodule(stage)
    images = IMAGE.float() / 255
    with method(stem, [layer]) as cam:
        cam(images, targets)
        features = cam.activations_and_grads.activations[0].numpy()
        gradients = [gradient.numpy() for gradient in cam.activations_and_grads.gradients] or [None]
        raw = cam.get_cam_image(images, layer, targets, features, gradients[0], False)
    return raw[0], raw[0].size


def enlarge(raw: np.ndarray) -> np.ndarray:
    return interpolate(torch.tensor(raw)[None, None], size=(64, 64), mode="bilinear")[0, 0].numpy()


def explain(explainer, model: Single) -> np.ndarray:
    return explainer(model, IMAGE, [[OUTPUT]])[0][0].signed


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert abs(theirs).max() > 0
    assert abs(ours - theirs).max() <= 1e-5 * abs(theirs).max()


# the package takes the mean gradient and leaves out the number of cells; this project's maps are densities
SAME_BUT_CELLS = [(GradCAM, PackageGradCAM), (HiResCAM, PackageHiResCAM), (LayerCAM, PackageLayerCAM)]


@pytest.mark.parametrize(("ours", "theirs"), SAME_BUT_CELLS)
@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "densenet121"])
def test_last_map_equals_the_grad_cam_package(name, ours, theirs):
    model = make_model(name)
    raw, cells = run_package(theirs, model)
    assert_same(explain(ours(), model), enlarge(raw * cells))


@pytest.mark.parametrize(("ours", "theirs"), SAME_BUT_CELLS)
@pytest.mark.parametrize(
    ("name", "stage", "side"),
    [
        ("resnet18", "layer3", "after"),
        ("densenet121", "features.denseblock3", "before"),
        ("efficientnet_b0", "blocks.4", "none"),
    ],
)
def test_map_of_stride_16_equals_the_grad_cam_package(name, stage, side, ours, theirs):
    model = make_model(name)
    raw, cells = run_package(theirs, model, stage)
    ((attribution,),) = ours(stride=16)(model, IMAGE, [[OUTPUT]])
    assert_same(attribution.signed, enlarge(raw * cells))
    assert attribution.manifest["layer"] == {"backbone": f"{name}.{stage}"}
    assert attribution.manifest["relu"] == {"backbone": side}
    assert attribution.manifest["grid"] == [4, 4]


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_grad_cam_plus_plus_equals_the_package_for_large_gradients(name):
    model = copy.deepcopy(make_model(name))
    model.head.weight.data *= 1000  # large beside the epsilon of the package
    assert_same(explain(GradCAMPlusPlus(), model), enlarge(run_package(PackageGradCAMPlusPlus, model)[0]))


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "densenet121"])
def test_centered_eigen_cam_equals_the_package_up_to_scale(name):
    model = make_model(name)
    theirs = run_package(PackageEigenCAM, model)[0].ravel()
    feature = model.feature_maps(IMAGE)["backbone"].detach()
    gradient = model.head.weight[OUTPUT].detach()[None, :, None, None].expand_as(feature) / feature[0, 0].numel()
    ours = EigenCAM().combine(feature, gradient)[0].numpy().ravel()
    ours = ours - ours.mean()
    assert_same(ours * np.sign(ours @ theirs) * np.linalg.norm(theirs) / np.linalg.norm(ours), theirs)
