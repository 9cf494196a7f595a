"""What bench_explain.py times: this project's explainers and the packages grad-cam and lime."""

import io
from collections.abc import Callable
from contextlib import redirect_stderr
from unittest.mock import patch

import numpy as np
import torch
from lime.lime_image import LimeImageExplainer
from pytorch_grad_cam import GradCAM as PackageGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from scipy.ndimage import gaussian_filter

from chexpert.explain import GradCAM, Lime
from chexpert.explain.methods.superpixels import segment
from chexpert.models import Backbone, Single

OUTPUTS = [0, 1, 2]


class Free(Single):
    """Says anything at once."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.rand(len(images), 5)


def make_image(size: int) -> np.ndarray:
    """(size, size) uint8, smooth, so that it has superpixels."""
    noise = gaussian_filter(np.random.default_rng(0).standard_normal((size, size)), 8)
    return (128 + 900 * noise).clip(0, 255).astype(np.uint8)


def make_cams(name: str, size: int, batch: int) -> dict[str, Callable[[], object]]:
    """Three observations of each image, and a forward pass alone."""
    images = torch.from_numpy(make_image(size)).expand(batch, 1, size, size).contiguous()
    model = Single(Backbone(name), 5).eval()
    package = PackageGradCAM(model, [model.members["backbone"]])
    targets = [[ClassifierOutputTarget(output)] * batch for output in OUTPUTS]
    return {
        "forward pass": torch.inference_mode()(lambda: model(images)),
        "Grad-CAM": lambda: GradCAM()(model, images, [OUTPUTS] * batch),
        "grad-cam, once an observation": lambda: [package(images.float() / 255, own) for own in targets],
    }


def make_limes(size: int, samples: int) -> dict[str, Callable[[], object]]:
    """Three observations of one image in the same superpixels, of a model that costs nothing."""
    original, model, rng = make_image(size), Free(Backbone("resnet10t"), 5), np.random.default_rng(0)
    segments, image = segment(original, 50), torch.from_numpy(original)[None, None]
    ours, theirs = Lime(samples=samples), LimeImageExplainer(random_state=0)

    def explain() -> object:
        with patch("chexpert.explain.methods.regions.segment", return_value=segments):
            return ours(model, image, [OUTPUTS])

    def explain_by_package() -> object:
        with redirect_stderr(io.StringIO()):  # its progress bar
            return theirs.explain_instance(
                original, lambda originals: rng.random((len(originals), 5)), OUTPUTS, hide_color=0, top_labels=None,
                num_samples=samples, segmentation_fn=lambda _: segments - 1,
            )  # fmt: skip

    return {"LIME, model for free": explain, "lime, model for free": explain_by_package}
