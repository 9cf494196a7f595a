"""Maps of the grad-cam package through the project's own explainer."""

import copy

import numpy as np
import pytest
import pytorch_grad_cam
import torch
from helpers.errors import raises
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from chexpert.explain import GradCAM, GradCamPackage, HiResCAM, LayerCAM
from chexpert.explain.packages.grad_cam_methods import list_classes
from chexpert.models import Backbone, Combined, Probe, Single

OUTPUT = 2
FAST = sorted({*list_classes()} - {"AblationCAM", "ScoreCAM", "SESS"})
OWN = {"GradCAM": GradCAM, "HiResCAM": HiResCAM, "LayerCAM": LayerCAM}


def explain(model, images, **options):
    return GradCamPackage(**options)(model, images[:1], [[OUTPUT]])[0][0]


def run_by_hand(model, images, method, **options):
    """The package on the model itself, with its last stage as the target layer."""
    model, built = copy.deepcopy(model), getattr(pytorch_grad_cam, method)
    layers = [] if method == "FullGrad" else [model.members["backbone"].net.layer4]
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    torch.manual_seed(OUTPUT)
    np.random.seed(OUTPUT)  # noqa: NPY002
    asked = {"target_idx": OUTPUT} if method == "FinerCAM" else {"targets": [ClassifierOutputTarget(OUTPUT)]}
    return built(model, layers)(images[:1].float() / 255, **asked, **options)[0]


def test_classes_are_those_that_the_package_exports():
    assert {"XGradCAM", "AblationCAM", "FullGrad", "FinerCAM", "KPCA_CAM", "ShapleyCAM"} <= {*list_classes()}
    assert not {"ActivationsAndGradients", "AblationLayer", "DeepFeatureFactorization"} & {*list_classes()}


@pytest.mark.parametrize("method", FAST)
def test_map_equals_the_package_by_hand(single, images, method):
    found = explain(single, images, method=method)
    by_hand = run_by_hand(single, images, method)
    assert by_hand.max() > 0 or method in ("FEM", "RandomCAM")  # 4 cells have none two deviations above their mean
    assert abs(found.signed - by_hand).max() <= 1e-6
    assert found.manifest["method"] == method
    assert found.manifest["notes"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["AblationCAM", "ScoreCAM", "SESS"])
def test_map_of_many_passes_equals_the_package_by_hand(single, images, method):
    assert abs(explain(single, images, method=method).signed - run_by_hand(single, images, method)).max() <= 1e-6


def test_ablation_of_few_channels_equals_the_package_by_hand(images):
    torch.manual_seed(0)
    model = Single(Backbone("test_resnet", options={"channels": [8, 8, 8, 8]}), 3).eval()
    found = explain(model, images, method="AblationCAM", batch_size=3)
    assert abs(found.signed - run_by_hand(model, images, "AblationCAM")).max() <= 1e-6
    assert abs(found.signed).max() > 0


@pytest.mark.parametrize(("method", "stride"), [("GradCAM", None), ("HiResCAM", 16), ("LayerCAM", 16)])
@pytest.mark.parametrize("model", ["single", "combined", "transformer"])
def test_map_is_the_own_one_stretched(request, images, model, method, stride, monkeypatch):
    model = request.getfixturevalue(model)
    ours, theirs = (
        explainer(model, images[:1], [[OUTPUT]])[0][0]
        for explainer in (OWN[method](stride), GradCamPackage(method, stride))
    )
    assert theirs.manifest["grid"] == ours.manifest["grid"]
    assert theirs.manifest["layer"] == ours.manifest["layer"]
    monkeypatch.setattr("chexpert.explain.methods.cam.upsample", lambda maps, *size: maps)
    raw = OWN[method](stride)(model, images[:1], [[OUTPUT]])[0][0]
    of_member = raw.members or {"": raw.signed}
    given = theirs.members or {"": theirs.signed}
    assert of_member.keys() == given.keys()
    for name, cells in of_member.items():
        expected = scale_cam_image(scale_cam_image(np.maximum(cells, 0)[None], images.shape[:-3:-1]))[0]
        assert abs(given[name] - expected).max() <= 1e-5
    assert abs(theirs.signed - sum(given.values())).max() <= 1e-6


@pytest.mark.parametrize("pooling", ["cls", "cls+avg", "max"])
def test_class_token_has_the_map_that_its_attention_reads(images, pooling):
    torch.manual_seed(0)
    model = Single(Backbone("test_vit", options={"img_size": [64, 48], "depth": 2}, pooling=pooling), 3).eval()
    found = explain(model, images, method="HiResCAM")
    assert found.signed.shape == (64, 48)
    assert found.manifest["grid"] == [4, 3]
    if pooling == "cls":
        ours = HiResCAM()(model, images[:1], [[OUTPUT]])[0][0]
        assert np.corrcoef(np.maximum(ours.signed, 0).ravel(), found.signed.ravel())[0, 1] > 0.9
        assert found.manifest["layer"] == ours.manifest["layer"]


def test_map_of_a_transformer_equals_the_package_with_its_reshaping(transformer, images):
    model = copy.deepcopy(transformer)

    def reshape(tokens):
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (4, 3))

    layer = model.members["backbone"].net.norm
    cam = pytorch_grad_cam.HiResCAM(model, [layer], reshape_transform=reshape)
    by_hand = cam(images[:1].float() / 255, [ClassifierOutputTarget(OUTPUT)])[0]
    assert abs(explain(transformer, images, method="HiResCAM").signed - by_hand).max() <= 1e-6


def test_probe_is_explained(images):
    model = Probe(Backbone("test_resnet"), 3, members={"b": Backbone("test_efficientnet")}).eval()
    torch.nn.init.normal_(model.head.weight)
    found = explain(model, images, method="XGradCAM")
    assert {*found.members} == {"backbone", "b"}


def test_full_gradient_of_a_combined_model_is_one_map(images):
    torch.manual_seed(0)
    model = Combined({"a": Backbone("test_resnet"), "b": Backbone("test_resnet")}, 3).eval()
    found = explain(model, images, method="FullGrad")
    assert (found.members, found.signed.max() > 0) == ({}, True)


def test_full_gradient_of_a_transformer_is_an_error(transformer, images):
    with raises("explainer", "explainer.grad_cam_package.method") as error:
        explain(transformer, images, method="FullGrad")
    assert "XGradCAM" in error.value.hint
    explain(transformer, images, method="XGradCAM")


def test_comparison_of_a_single_output_is_an_error(images):
    model = Single(Backbone("test_resnet"), 1)
    with raises("explainer", "explainer.grad_cam_package.method"):
        GradCamPackage("FinerCAM").check(model)


def test_options_reach_the_class_and_its_call(single, images):
    smooth = explain(single, images, method="GradCAM", options={"eigen_smooth": True})
    assert abs(smooth.signed - run_by_hand(single, images, "GradCAM", eigen_smooth=True)).max() <= 1e-6


@pytest.mark.skipif("RefineCAM" not in list_classes(), reason="a release of the package without RefineCAM")
@pytest.mark.parametrize("base", ["LayerCAM", "ShapleyCAM"])
def test_method_of_another_method_is_that_of_one_layer(single, images, base):
    found = explain(single, images, method="RefineCAM", options={"base_method": base})
    assert abs(found.signed - run_by_hand(single, images, base)).max() <= 1e-6


@pytest.mark.parametrize(
    ("options", "code", "where", "fact"),
    [
        ({"method": "XGrad"}, "choice", "method", "XGradCAM"),
        ({"method": "xgradcam"}, "choice", "method", "XGradCAM"),
        ({"method": "AblationLayer"}, "choice", "method", "AblationCAM"),
        ({"method": "FEM", "options": {"kk": 1}}, "unknown-key", "options.kk", "k"),
        ({"options": {"ablation_layer": 1}}, "unknown-key", "options.ablation_layer", "eigen_smooth"),
        ({"method": "FinerCAM", "options": {"base_method": "Grad"}}, "choice", "options.base_method", "GradCAM"),
        ({"method": "FinerCAM", "options": {"base_method": "FullGrad"}}, "choice", "options.base_method", "GradCAM"),
        ({"options": 3}, "value", "options", "options"),
        ({"batch_size": 0}, "value", "batch_size", "1"),
    ],
)
def test_wrong_arguments_are_one_error(options, code, where, fact):
    (error,) = GradCamPackage.validate_args(**options)
    assert (error.code, error.within("explainer.a").where) == (code, f"explainer.a.{where}")
    assert fact in error.hint


def test_passes_are_of_the_members_and_channels(single, combined):
    explainer = GradCamPackage("ScoreCAM")
    explainer.check(combined)
    assert explainer.passes(2) == 2 * (2 * 2 + sum(member.width for member in combined.members.values()))
    plain = GradCamPackage("XGradCAM")
    plain.check(single)
    assert plain.passes(3) == 3
    assert explainer.cheapen().method == "GradCAM"
    assert explainer.method == "ScoreCAM"


@pytest.mark.skipif("SESS" not in list_classes(), reason="a release of the package without SESS")
def test_trial_of_windows_has_one(single, images):
    cheap = GradCamPackage("SESS", options={"scales": [64, 96]}).cheapen()
    assert cheap.options == {"num_scales": 1}
    cheap(single, images, [[0], []])
