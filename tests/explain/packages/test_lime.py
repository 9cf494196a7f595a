"""LIME by its authors' package through the project's own explainer."""

import numpy as np
import pytest
import torch
from lime.lime_image import LimeImageExplainer

from chexpert.explain import LimePackage

SETTINGS = {"num_samples": 40, "seed": 3}


@pytest.fixture
def smooth():
    """A view with several segments."""
    y, x = np.indices((64, 48))
    gray = 120 + 60 * np.sin(y / 9) * np.cos(x / 7) + np.random.default_rng(0).normal(0, 12, (64, 48))
    return torch.from_numpy(gray.clip(0, 255).astype("uint8"))[None, None]


def run_by_hand(model, view, **options):
    def classify(images):
        with torch.no_grad():
            return model(torch.from_numpy(images[..., 0].copy())[:, None]).double().sigmoid().numpy()

    rgb = np.repeat(view[0, 0].numpy()[..., None], 3, axis=2)
    explained = LimeImageExplainer(random_state=3).explain_instance(
        rgb, classify, labels=(2, 0), top_labels=None, num_samples=40, **options
    )
    return explained, [np.vectorize(dict(explained.local_exp[c]).get)(explained.segments) for c in (2, 0)]


@pytest.mark.parametrize("hide_color", [None, 7])
@pytest.mark.parametrize("model", ["single", "combined", "transformer"])
def test_map_equals_the_package_by_hand(request, smooth, model, hide_color):
    model = request.getfixturevalue(model)
    ((found, other),) = LimePackage(**SETTINGS, hide_color=hide_color)(model, smooth, [[2, 0]])
    explained, (expected, of_other) = run_by_hand(model, smooth, hide_color=hide_color)
    assert len(np.unique(explained.segments)) > 1
    assert abs(found.signed - expected).max() <= 1e-6
    assert abs(other.signed - of_other).max() <= 1e-6
    assert abs(found.signed).max() > 0
    assert other.manifest["r2"] == pytest.approx(explained.score)  # the package keeps that of the last output
    assert found.manifest["superpixels"] == len(np.unique(explained.segments))
    assert (found.manifest["of"], len(found.manifest["notes"])) == ("probability", 1)


@pytest.mark.parametrize("segmentation", ["slic", "felzenszwalb"])
def test_every_segment_has_a_weight(single, smooth, segmentation):
    options = {"n_segments": 6, "compactness": 50} if segmentation == "slic" else {"scale": 100}
    explainer = LimePackage(**SETTINGS, segmentation=segmentation, segmentation_options=options)
    ((found,),) = explainer(single, smooth, [[1]])
    assert len(np.unique(found.signed)) == found.manifest["superpixels"] > 1


def test_nothing_is_printed_and_batches_change_nothing(single, smooth, capsys):
    maps = [LimePackage(**SETTINGS, batch_size=size)(single, smooth, [[1]])[0][0].signed for size in (3, 40)]
    assert abs(maps[0] - maps[1]).max() <= 1e-6
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "code", "where", "fact"),
    [
        ({"segmentation": "quikshift"}, "choice", "segmentation", "quickshift"),
        ({"segmentation_options": {"max_distance": 3}}, "unknown-key", "segmentation_options.max_distance", "max_dist"),
        ({"num_samples": 1}, "value", "num_samples", "2"),
        ({"of": "odds"}, "choice", "of", "logit"),
        ({"feature_selection": "all"}, "choice", "feature_selection", "none"),
        ({"distance_metric": "cosinus"}, "choice", "distance_metric", "cosine"),
        ({"kernel_width": 0}, "value", "kernel_width", "0"),
        ({"hide_color": "mean"}, "value", "hide_color", "null"),
    ],
)
def test_wrong_arguments_are_one_error(options, code, where, fact):
    (error,) = LimePackage.validate_args(**options)
    assert (error.code, error.within("explainer.a").where) == (code, f"explainer.a.{where}")
    assert fact in error.hint
