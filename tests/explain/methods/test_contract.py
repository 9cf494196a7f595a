"""The contract of every explainer in conf/explainer, on every backbone in conf/backbone."""

import copy
import inspect
import json
import random
import tempfile
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.autoencoders import write_random_autoencoder
from hydra.utils import get_object, instantiate
from omegaconf import OmegaConf

from chexpert.explain import LayerCAM
from chexpert.models import Backbone, Combined, Model, Single

CONF = Path(__file__).parents[3] / "conf"
EXPLAINERS = sorted(path.stem for path in CONF.glob("explainer/*.yaml"))
BACKBONES = sorted(path.stem for path in CONF.glob("backbone/*.yaml"))
# arguments that cost time, wherever an explainer has them
CHEAP = {"samples": 12, "num_samples": 12, "superpixels": 6, "channels": 3, "masks": 6, "steps": 3, "patch": 0.5}
FEW = 8  # forward passes: explainers that take more are run on the smallest networks only
SMALLEST = ("resnet10t", "mnasnet_100")
FAST = (*SMALLEST, "densenet121", "efficientnet_b0")  # the others take longer to build than to explain
VIEWS, OUTPUTS = 3, [[2, 0], [1], [0, 1, 2]]


class BrokenError(Exception):
    """Raised in the middle of an explanation."""


@cache
def make_autoencoder() -> str:
    """Return the file of an autoencoder of 64 x 64 pixels with random weights."""
    return write_random_autoencoder(Path(tempfile.mkdtemp()) / "autoencoder.safetensors", 64)


def make_explainer(name):
    cfg = OmegaConf.merge({"seed": 0}, OmegaConf.load(CONF / "explainer" / f"{name}.yaml"))[name]
    known = inspect.signature(get_object(cfg["_target_"])).parameters
    cheap = CHEAP | {"stride": 0.25} if "patch" in known else CHEAP
    if "autoencoder" in known:
        cheap = cheap | {"autoencoder": make_autoencoder()}
    return instantiate(cfg, **{key: value for key, value in cheap.items() if key in known})


@pytest.fixture(autouse=True)
def first_steps(monkeypatch):
    """Integrated gradients take the steps that they are given, and are not repeated with more."""
    monkeypatch.setattr("chexpert.explain.methods.integrated_gradients.MOST_STEPS", 1)


@cache
def make_backbone(option) -> Model:
    if option == "combined":
        return make_combined()
    torch.manual_seed(0)
    cfg = OmegaConf.load(CONF / "backbone" / f"{option}.yaml")
    return Single(Backbone(cfg["name"], options=cfg.get("options")), outputs=3)


@cache
def make_combined() -> Combined:
    torch.manual_seed(0)
    members = {"a": Backbone("resnet10t"), "b": Backbone("mnasnet_small", options={"output_stride": 16})}
    return Combined(members, outputs=3)


def make_images(count=VIEWS):
    return torch.randint(0, 256, (count, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def prepare(model: Model) -> None:
    """A state that no default would restore: mixed modes, a frozen weight, a gradient half way through a step."""
    model.train()
    parts = list(model.modules())
    parts[-1].eval()
    parts[len(parts) // 2].eval()
    weights = list(model.parameters())
    weights[0].requires_grad_(False)
    weights[-1].grad = torch.ones_like(weights[-1])


def describe(model: Model) -> dict:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "modes": [module.training for module in model.modules()],
        "hooks": sum(len(getattr(module, kind)) for module in model.modules() for kind in hooks),
        "trainable": [weight.requires_grad for weight in model.parameters()],
        "gradients": [None if weight.grad is None else weight.grad.sum().item() for weight in model.parameters()],
        "modes of torch": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "random": (torch.get_rng_state().tolist(), repr(np.random.get_state()), random.getstate()),  # noqa: NPY002
    }


def pair_up() -> list:
    """Explainers and backbones that are tested together."""
    pairs = []
    for name in EXPLAINERS:
        few = make_explainer(name).passes(1) <= FEW
        for backbone in ("combined", *(BACKBONES if few else SMALLEST)):
            marks = () if backbone in ("combined", *FAST) else pytest.mark.slow
            pairs.append(pytest.param(name, backbone, marks=marks))
    return pairs


@pytest.mark.parametrize(("name", "backbone"), pair_up())
def test_explainer_changes_nothing_even_after_an_error(name, backbone, monkeypatch):
    model, explainer, images = make_backbone(backbone), make_explainer(name), make_images(1)
    prepare(model)
    before, state = describe(model), {key: value.clone() for key, value in model.state_dict().items()}

    explainer(model, images, [[0]])
    assert describe(model) == before

    def fail(maps):
        raise BrokenError

    for method in ("score", "weigh"):
        monkeypatch.setattr(model, method, fail)
    runs = explainer.passes(1) > 0  # the control does not run the model
    with pytest.raises(BrokenError) if runs else nullcontext():
        explainer(model, images, [[0]])
    assert describe(model) == before
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("backbone", FAST)
def test_finer_map_changes_nothing_even_after_an_error(backbone, monkeypatch):
    model, explainer, images = copy.deepcopy(make_backbone(backbone)), LayerCAM(stride=16), make_images(1)
    prepare(model)
    before = describe(model)

    def fail(features, size):
        raise BrokenError

    with monkeypatch.context() as patch:
        patch.setattr(model.members["backbone"], "to_map", fail)
        with pytest.raises(BrokenError):
            explainer(model, images, [[0]])
    assert describe(model) == before
    explainer(model, images, [[0]])
    assert describe(model) == before


@pytest.fixture(params=["single", "combined"])
def model(request):
    return make_backbone("resnet10t" if request.param == "single" else "combined")


@pytest.fixture(params=EXPLAINERS)
def explainer(request):
    return make_explainer(request.param)


def test_each_output_has_a_map_and_a_manifest(model, explainer):
    explained = explainer(model, make_images(), OUTPUTS)
    assert [len(own) for own in explained] == [2, 1, 3]
    for attribution in (attribution for own in explained for attribution in own):
        assert attribution.signed.shape == (64, 64)
        assert attribution.signed.dtype == np.float32
        assert np.isfinite(attribution.signed).all()
        assert attribution.manifest["explainer"] == explainer.name
        json.dumps(attribution.manifest, allow_nan=False)


def test_flat_image_has_finite_maps_and_manifests(model, explainer):
    ((attribution,),) = explainer(model, torch.full((1, 1, 64, 64), 0, dtype=torch.uint8), [[1]])
    assert np.isfinite(attribution.signed).all()
    json.dumps(attribution.manifest, allow_nan=False)


def test_batch_with_different_outputs_equals_single_calls(model, explainer):
    images = make_images()
    for image, own, together in zip(images, OUTPUTS, explainer(model, images, OUTPUTS), strict=True):
        for output, attribution in zip(own, together, strict=True):
            ((alone,),) = explainer(model, image[None], [[output]])
            assert abs(alone.signed - attribution.signed).max() <= 1e-5 * abs(alone.signed).max()


def test_view_without_outputs_gets_no_attributions(model, explainer):
    empty, full = explainer(model, make_images(2), [[], [1]])
    assert (empty, len(full)) == ([], 1)


def test_frozen_weights_and_inference_mode_give_the_same_map(model, explainer):
    images = make_images(1)
    frozen = copy.deepcopy(model).requires_grad_(False)
    ((expected,),) = explainer(model.requires_grad_(True), images, [[1]])
    ((of_frozen,),) = explainer(frozen, images, [[1]])
    modes = [module.training for module in model.modules()]
    with torch.inference_mode():
        ((inside,),) = explainer(model, images.clone(), [[1]])
    assert [module.training for module in model.modules()] == modes
    assert all(weight.requires_grad for weight in model.parameters())
    assert (of_frozen.signed == expected.signed).all()
    assert (inside.signed == expected.signed).all()


@pytest.mark.gpu
@pytest.mark.parametrize("stride", [None, 16])
@pytest.mark.parametrize("backbone", FAST)
def test_map_of_a_stage_is_the_same_on_a_gpu(backbone, stride, full_precision):
    model, explainer = make_backbone(backbone), LayerCAM(stride=stride)
    ((expected,),) = explainer(model, make_images(1), [[1]])
    ((ours,),) = explainer(copy.deepcopy(model).to("cuda"), make_images(1).to("cuda"), [[1]])
    assert abs(ours.signed - expected.signed).max() <= 1e-3 * abs(expected.signed).max()


@pytest.fixture
def full_precision(monkeypatch):
    """Convolutions on a GPU in float32, not in TF32, which has 10 bits of precision."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.mark.gpu
def test_explainer_gives_the_same_map_on_a_gpu(model, explainer, full_precision):
    on_gpu, images = copy.deepcopy(model).to("cuda"), make_images()
    random_before = torch.cuda.get_rng_state()
    ours = explainer(on_gpu, images.to("cuda"), OUTPUTS)
    assert torch.equal(torch.cuda.get_rng_state(), random_before)
    for mine, expected in zip(ours, explainer(model, images, OUTPUTS), strict=True):
        for one, other in zip(mine, expected, strict=True):
            assert abs(one.signed - other.signed).max() <= 1e-2 * abs(other.signed).max()


@pytest.mark.gpu
@pytest.mark.parametrize("backbone", ["efficientnet_b4", "combined"])
@pytest.mark.parametrize("name", ["lime", "occlusion", "rise", "integrated_gradients"])
def test_memory_of_a_gpu_is_bounded(backbone, name):
    """The notebooks ran out of memory where LIME met EfficientNet and the combined model."""
    model, explainer = copy.deepcopy(make_backbone(backbone)).to("cuda"), make_explainer(name)
    explainer.memory = 256
    for setting in set(CHEAP) & set(vars(explainer)) - {"superpixels", "patch", "steps"}:
        setattr(explainer, setting, 600)
    image = torch.randint(0, 256, (1, 1, 380, 380), dtype=torch.uint8, device="cuda")
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    explainer(model, image, [[0, 1]])
    assert torch.cuda.max_memory_allocated() - before <= 2 * 256 * 2**20


@pytest.mark.parametrize(
    ("images", "outputs", "fact"),
    [
        (torch.zeros(2, 1, 64, 64, dtype=torch.uint8), [[0]], "^2 .* 1$"),
        (torch.zeros(1, 1, 64, 64, dtype=torch.uint8), [[0, 3]], r"\[3\]"),
        (torch.zeros(1, 1, 64, 64, dtype=torch.uint8), [[-1]], r"\[-1\]"),
        (torch.zeros(1, 1, 64, 64), [[0]], "float32"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), [[0]], r"\(1, 3, 64, 64\)"),
    ],
)
def test_wrong_images_or_outputs_are_a_value_error(explainer, images, outputs, fact):
    with pytest.raises(ValueError, match=fact):
        explainer(make_backbone("resnet10t"), images, outputs)
