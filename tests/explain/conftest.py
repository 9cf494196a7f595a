"""Views and a model that need no files and no network."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

from chexpert.data import Preprocessing
from chexpert.explain.attribution import Attribution
from chexpert.explain.explanation import Explanation
from chexpert.explain.view import View


@pytest.fixture
def make_view() -> Callable[..., View]:
    """An image of noise of any size, as a model of 16 x 16 pixels sees it."""

    def make(
        shape: tuple[int, int] = (40, 32),
        fit: str = "stretch",
        path: str = "CheXpert-v1.0-small/valid/patient1/study1/view1_frontal.jpg",
        **known: Mapping,
    ) -> View:
        original = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        preprocessing = Preprocessing(16, fit)
        return View(
            path, torch.from_numpy(preprocessing.apply(original))[None], original, preprocessing.matrix(*shape), **known
        )

    return make


@pytest.fixture
def make_explanation(make_view: Callable[..., View]) -> Callable[..., Explanation]:
    """An explanation of Edema by a map of one value, or by a given one."""

    def make(
        signed: np.ndarray | float,
        observation: str = "Edema",
        view: View | None = None,
        explainer: str = "gradcam",
        **more: Mapping,
    ) -> Explanation:
        signed = np.full((16, 16), signed, dtype="float32") if isinstance(signed, float) else signed
        attribution = Attribution(signed, more.get("members", {}), {"layer": more.get("layer", "input"), "of": "logit"})
        return Explanation(view or make_view(), observation, 0.25, explainer, attribution)

    return make
