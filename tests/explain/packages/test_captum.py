"""Attributions of captum through the project's own explainer."""

import json

import captum.attr
import numpy as np
import pytest
import torch
from helpers.errors import raises

from chexpert.explain import Captum
from chexpert.explain.methods.fills import fill_image
from chexpert.models import Backbone, Single

OUTPUT = 2
WIDE = {"sliding_window_shapes": [1, 32, 16], "strides": [1, 16, 16]}


def explain(model, images, **options):
    return Captum(**options)(model, images[:1], [[OUTPUT]])[0][0]


def prepare(images):
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    return images[:1].float() / 255


def make_baselines(images, *fills):
    gray = images[0, 0].numpy()
    return torch.from_numpy(np.stack([fill_image(gray, fill) for fill in fills]))[:, None].float() / 255


@pytest.mark.filterwarnings("ignore::UserWarning")  # captum, of its hooks and of inputs without a gradient
@pytest.mark.parametrize(
    ("method", "options", "arguments"),
    [
        ("Saliency", {}, {}),
        ("Saliency", {"abs": False}, {"abs": False}),
        ("InputXGradient", {}, {}),
        ("IntegratedGradients", {"n_steps": 6}, {"n_steps": 6, "baselines": True}),
        ("GradientShap", {"n_samples": 3, "stdevs": 0.1}, {"n_samples": 3, "stdevs": 0.1, "baselines": True}),
        ("Occlusion", WIDE, {"sliding_window_shapes": (1, 32, 16), "strides": (1, 16, 16), "baselines": True}),
        pytest.param(
            "Occlusion",
            {},
            {"sliding_window_shapes": (1, 8, 6), "strides": (1, 4, 3), "baselines": True},
            marks=pytest.mark.slow,
        ),
        ("DeepLift", {}, {"baselines": True}),
        ("Deconvolution", {}, {}),
        ("GuidedBackprop", {}, {}),
    ],
)
@pytest.mark.parametrize("model", ["single", "combined"])
def test_map_equals_captum_by_hand(request, images, model, method, options, arguments):
    model = request.getfixturevalue(model)
    found = explain(model, images, method=method, options=options, batch_size=4)
    if "baselines" in arguments:
        arguments = arguments | {"baselines": make_baselines(images, "black")}
    relus = [module for module in model.modules() if getattr(module, "inplace", False)]
    for relu in relus:
        relu.inplace = False  # or the hooks of guided backpropagation fail
    by_hand = getattr(captum.attr, method)(model).attribute(prepare(images), target=OUTPUT, **arguments)
    for relu in relus:
        relu.inplace = True
    assert by_hand.abs().max() > 0
    assert abs(found.signed - by_hand[0, 0].detach().numpy()).max() <= 1e-6 * max(1, by_hand.abs().max().item())
    assert (found.signed.shape, found.manifest["method"]) == (tuple(images.shape[-2:]), method)
    json.dumps(found.manifest, allow_nan=False)


@pytest.mark.parametrize("method", ["KernelShap", "Lime", "FeatureAblation", "ShapleyValueSampling", "DeepLiftShap"])
def test_further_methods_of_captum_explain(single, images, method):
    few = {} if method in ("FeatureAblation", "DeepLiftShap") else {"n_samples": 5}
    fill = ["black", "blur"] if method == "DeepLiftShap" else "black"
    found = explain(single, images, method=method, superpixels=5, options=few, fill=fill)
    assert np.isfinite(found.signed).all()


def test_a_distribution_has_several_baselines():
    (error,) = Captum.validate_args(method="DeepLiftShap")
    assert (error.code, error.where.split()[-1]) == ("value", "fill")
    assert Captum.validate_args(method="DeepLiftShap", fill=["black", "blur"]) == []


def test_chunks_change_nothing(single, images):
    for method, options in (("IntegratedGradients", {"n_steps": 7}), ("Occlusion", WIDE)):
        one, many = (explain(single, images, method=method, options=options, batch_size=size) for size in (2, 64))
        assert abs(one.signed - many.signed).max() <= 1e-5


def test_noise_tunnel_repeats_another_method(single, images):
    options = {"attribution_method": "Saliency", "abs": False, "nt_samples": 3, "stdevs": 0.2}
    found = explain(single, images, method="NoiseTunnel", options=options)
    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(single))
    by_hand = tunnel.attribute(
        prepare(images), nt_samples=3, stdevs=0.2, nt_samples_batch_size=16, abs=False, target=OUTPUT
    )
    assert abs(found.signed - by_hand[0, 0].detach().numpy()).max() <= 1e-6
    assert found.manifest["options"] == options
    assert Captum(method="NoiseTunnel", options=options).passes(2) == 2 * 3 * 3


def test_superpixels_are_features_and_several_fills_are_a_distribution(single, images):
    ablated = explain(single, images, method="FeatureAblation", superpixels=6, fill="mean")
    assert 1 < len(np.unique(ablated.signed)) <= 10
    one, three = (explain(single, images, method="GradientShap", fill=fill) for fill in ("black", ["black", "blur"]))
    assert abs(one.signed - three.signed).max() > 0
    assert three.manifest["fill"] == "black, blur"


@pytest.mark.parametrize(
    ("options", "code", "where", "fact"),
    [
        ({"method": "GradientShapp"}, "choice", "method", "GradientShap"),
        ({"method": "saliency"}, "choice", "method", "Saliency"),
        ({"method": "LayerGradCam"}, "choice", "method", "explainer.a.method=IntegratedGradients"),
        ({"method": "LayerIntegratedGradients"}, "choice", "method", "explainer.a.method=IntegratedGradients"),
        ({"method": "NeuronGuidedBackprop"}, "choice", "method", "explainer.a.method=GuidedBackprop"),
        ({"method": "FeaturePermutation"}, "choice", "method", "explainer.a.method=FeatureAblation"),
        ({"method": "ShapleyValues"}, "choice", "method", "explainer.a.method=ShapleyValueSampling"),
        ({"method": "Saliency", "options": {"n_steps": 3}}, "unknown-key", "options.n_steps", "abs"),
        ({"options": {"n_steps": 0}}, "value", "options.n_steps", "1"),
        ({"options": 3}, "value", "options", "mapping"),
        ({"options": {"n_step": 3}}, "unknown-key", "options.n_step", "n_steps"),
        ({"options": {"internal_batch_size": 3}}, "unknown-key", "options.internal_batch_size", "n_steps"),
        ({"method": "NoiseTunnel", "options": {"attribution_method": "Salience"}}, "choice", "x", "Saliency"),
        ({"fill": "white"}, "choice", "fill", "black"),
        ({"fill": ["black", "blur"]}, "value", "fill", "GradientShap"),
        ({"superpixels": 1}, "value", "superpixels", "2"),
    ],
)
def test_wrong_arguments_are_one_error(options, code, where, fact):
    (error,) = Captum.validate_args(**options)
    placed = error.within("explainer.a")
    where = "options.attribution_method" if where == "x" else where
    assert (error.code, placed.where) == (code, f"explainer.a.{where}")
    assert fact in placed.hint


def test_methods_that_need_what_the_network_lacks_are_errors(images):
    torch.manual_seed(0)
    model = Single(Backbone("test_efficientnet"), 3)
    with raises("explainer", "explainer.captum.method") as error:
        Captum("GuidedBackprop").check(model)
    assert "InputXGradient" in error.value.hint
    Captum("InputXGradient").check(model)
    with raises("explainer", "explainer.captum.method") as error:
        explain(model, images, method="LRP")
    assert "DeepLift" in error.value.hint


def test_trial_takes_few_passes(single, images):
    explainer = Captum("IntegratedGradients", options={"n_steps": 400})
    assert (explainer.passes(1), explainer.cheapen().passes(1)) == (1200, 6)
    explainer.cheapen()(single, images, [[0], []])


def test_without_captum_there_is_one_error_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (error,) = Captum.validate_args(method="Saliency")
    assert (error.code, error.where, error.hint) == (
        "not-installed",
        "explainer.captum",
        "pip install 'chexpert[captum]'",
    )
    with raises("not-installed", "explainer.captum"):
        Captum()
