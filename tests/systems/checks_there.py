"""Run each loss, optimizer, average, validation and explainer on the fake device; print {check: error or null}."""

import inspect
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pretended_device
import torch
from hydra.utils import get_object, instantiate
from omegaconf import OmegaConf

from chexpert.data import Batch
from chexpert.data.augmentation import warp
from chexpert.explain.batched_inference import Probe
from chexpert.explain.quality.deletion_insertion import infer_curves
from chexpert.explain.quality.road import infer_road
from chexpert.explain.quality.sanity import check_sanity
from chexpert.models import Backbone, Combined, Single
from chexpert.training import count_targets, start_optimizer
from chexpert.training.nan_guard import LossWatch, Step, check_weights
from chexpert.training.validation import Validation
from chexpert.training.weight_averaging import EMA

CONF = Path(__file__).parents[2] / "conf"
CHEAP = {"samples": 12, "superpixels": 6, "channels": 3, "steps": 2, "patch": 1.0}
NAMES = ["Edema", "Fracture"]
IMAGES = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
MASK = torch.tensor([[True, True], [True, False]])


def there(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(pretended_device.NAME)


def make(node: str, name: str, **given: object) -> object:
    cfg = OmegaConf.merge({"seed": 0, "trainer": {"max_epochs": 1}}, OmegaConf.load(CONF / node / f"{name}.yaml"))
    cfg = cfg.get(name, cfg.get(node, cfg))
    known = inspect.signature(get_object(cfg["_target_"])).parameters
    if "autoencoder" in known:
        sys.path.append(str(Path(__file__).parents[1]))
        from helpers.autoencoders import write_random_autoencoder

        given["autoencoder"] = write_random_autoencoder(Path(tempfile.mkdtemp()) / "autoencoder.safetensors", 64)
    kept = {key: value for key, value in (CHEAP | given).items() if key in known}
    return instantiate(OmegaConf.create({key: cfg[key] for key in cfg if key not in ("seed", "trainer")}), **kept)


def validate() -> None:
    validation = Validation(NAMES, NAMES)
    validation.begin()
    paths = [f"CheXpert-v1.0/valid/patient{n}/study1/view1_frontal.jpg" for n in range(2)]
    batch = Batch(there(IMAGES), there(TARGETS), there(MASK), paths, [], rows=[0, 1])
    validation.see(batch, there(torch.tensor([[2.0, 0.0], [-1.0, 0.0]])), there(torch.tensor(0.5)))
    shares: list[object] = []

    def collect(found: list, own: object) -> None:
        found[:] = [own]
        shares.append(own)

    torch.distributed.all_gather_object = collect
    validation.gather(1, set(), {})
    assert validation.evaluate_run() == 0.5
    assert validation.auroc["Edema"].value == 1.0


def be_refused() -> None:
    """Check that the device is strict: the other checks depend on it."""
    ones = there(torch.ones(3))
    tries = ones.double, lambda: there(torch.ones(3).double()), lambda: ones + torch.ones(3), ones.numpy
    for refused in (*tries, lambda: ones.sum(dtype=torch.float64)):
        try:
            refused()
        except (TypeError, RuntimeError):
            continue
        raise AssertionError("not refused")
    assert ones.cpu().double().sum() == 3


def train(name: str, optimizer: str) -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64 * 64, 2)).to(pretended_device.NAME)
    loss = make("loss", name, observations=NAMES, counts=count_targets(TARGETS, MASK)).to(pretended_device.NAME)
    duals = getattr(loss, "dual_parameters", list)()
    step = start_optimizer(make("optimizer", optimizer), [], [*model.parameters()], duals)
    for number in range(3):
        value = loss(model(there(IMAGES.float())), there(TARGETS), there(MASK))
        value.backward()
        LossWatch().see(value, Step(0, number, number, []))
        step.step()
    check_weights(model.state_dict(), "here")


def average() -> None:
    weights = [there(torch.zeros(3))]
    EMA(0.9)._kwargs["multi_avg_fn"](weights, [there(torch.ones(3))], there(torch.tensor(3)))
    assert 0 < float(weights[0][0]) < 1


def explain(name: str) -> None:
    model = MODELS[name == "hirescam"]
    explainer = make("explainer", name)
    found = explainer(model, there(IMAGES), [[0, 1], [1]])
    assert [len(own) for own in found] == [2, 1]
    assert all(np.isfinite(one.signed).all() and one.signed.dtype == np.float32 for own in found for one in own)
    if name == "gradcam":
        check_sanity(model, explainer, there(IMAGES), [[0, 1], [1]], found, 60)


def score() -> None:
    image, maps = there(IMAGES[0]), [np.random.default_rng(0).random((64, 64)).astype("float32")]
    assert np.isfinite(infer_curves(MODELS[0], image, maps, Probe())).all()
    assert len(infer_road(MODELS[0], image, maps, [0], Probe())) == 1


def find_checks() -> Iterator[tuple[str, Callable[[], object]]]:
    for name in sorted(path.stem for path in CONF.glob("loss/*.yaml")):
        yield f"loss {name}", partial(train, name, "pesg" if name == "auc_margin" else "adamw")
    for name in sorted(path.stem for path in CONF.glob("optimizer/*.yaml")):
        yield f"optimizer {name}", partial(train, "auc_margin" if name == "pesg" else "bce", name)
    for name in sorted(path.stem for path in CONF.glob("explainer/*.yaml")):
        if name != "captum" or find_spec("captum"):
            yield f"explainer {name}", partial(explain, name)
    yield "refusals", be_refused
    yield "validation", validate
    yield "average", average
    yield "scores of maps", score
    yield "augmentation", lambda: warp(there(IMAGES), there(torch.eye(2, 3).expand(2, 2, 3).contiguous()))


if __name__ == "__main__":
    pretended_device.register()
    torch.manual_seed(0)
    members = {name: Backbone("resnet10t") for name in "ab"}
    MODELS = [one.to(pretended_device.NAME).eval() for one in (Single(Backbone("resnet10t"), 2), Combined(members, 2))]
    results: dict[str, str | None] = {}
    for title, check in find_checks():
        try:
            check()
            results[title] = None
        except Exception as error:
            results[title] = f"{type(error).__name__}: {error}"
    json.dump(results, sys.stdout)
