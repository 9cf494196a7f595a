"""Configs that would run code: each is one error, and nothing is called."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from helpers.errors import raises
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, open_dict

import chexpert
from chexpert.config import build, resolve
from chexpert.inference.explain import explain_run
from chexpert.inference.opened_run import open_data
from chexpert.inference.predict import find_roots

CONF = Path(__file__).parents[2] / "conf"
MARKER = "MARKER"  # a file that only the hostile code would make


def node(target: Any, **arguments: Any) -> dict[str, Any]:
    return {"_target_": target, **arguments}


MKDIR = node("os.mkdir", path=MARKER)
ADAM = node("torch.optim.Adam", _partial_=True)

PLAIN = [
    MKDIR,
    node("os.system", command=f"mkdir {MARKER}"),
    node("os.makedirs", name=MARKER),
    node("subprocess.run", args=["mkdir", MARKER]),
    node("subprocess.Popen", args=["mkdir", MARKER]),
    node("builtins.eval", _args_=[f"__import__('os').mkdir('{MARKER}')"]),
    node("builtins.open", file=MARKER, mode="w"),
    node("importlib.import_module", name="antigravity"),
    node("runpy.run_path", path_name=MARKER),
    node("pathlib.Path.touch", self=MARKER),
    node("logging.FileHandler", filename=MARKER),
    node("shutil.copyfile", src="/etc/hostname", dst=MARKER),
    node("shutil.rmtree", path="/nowhere"),
    node("pickle.loads", _args_=["x"]),
    node("torch.load", f="x.pt", weights_only=False),
    node("torch.hub.load", repo_or_dir=".", model="x", source="local"),
    node("torch.jit.load", f="x.pt"),
    node("numpy.load", file="x.npy", allow_pickle=True),
    node("pandas.read_pickle", filepath_or_buffer="x"),
    node("joblib.load", filename="x"),
    node("hydra.utils.instantiate", config=MKDIR),
    node("hydra.utils.get_method", path="os.mkdir"),
    node("functools.partial", _args_=["os.mkdir", MARKER]),
    node("urllib.request.urlretrieve", url="http://127.0.0.1:9/", filename=MARKER),
]
"""Code of other packages."""

ALIASES = [
    node("logging.os.mkdir", path=MARKER),
    node("chexpert.engine.train.shutil.os.mkdir", path=MARKER),
    node("chexpert.data.phantom.draft.shutil.rmtree", path="/nowhere"),
    node("chexpert.training.module.torch.load", f="x.pt"),
    node("torch.optim.optimizer.torch.hub.load", repo_or_dir="."),
    node("torch.optim.swa_utils.AveragedModel", model=MKDIR),
    node("torch.optim.adam.Adam"),  # harmless, but not under this name on the list
    node("torch.optim.lr_scheduler.StepLR"),  # on the list of another place
    node("torch.nn.DataParallel", module=MKDIR),
    node("torch.nn.functional.os.mkdir", path=MARKER),
    node("pytorch_lightning.loggers.CSVLogger", save_dir=MARKER),
    node("pytorch_lightning.profilers.SimpleProfiler", dirpath=MARKER),
    node("pytorch_lightning.callbacks.ModelCheckpoint", dirpath=MARKER),
    node("pytorch_lightning.cli.LightningCLI", args=["fit"]),
    node("pytorch_lightning.trainer.trainer.os.mkdir", path=MARKER),
    node("chexpert.data.write_phantom", root=MARKER),
    node("chexpert.runs.files.write_json", path=MARKER, content=1),
    node("chexpert.training.start_scheduler"),
]
"""Parts of trusted packages that no config needs."""

SPELLINGS = [
    node("torch.optim.Adam.__init__"),
    node("torch.optim.__builtins__"),
    node("torch.optim..Adam"),
    node(" torch.optim.Adam"),
    node("torch.optim.Adam\n"),
    node("t\u043erch.optim.Adam"),  # a Cyrillic o
    node("torch.optim.\uff21dam"),  # a full-width A
    node("torch.optim."),
    node(""),
    node(None),
    node(7),
    node(["os.mkdir", MARKER]),
    node(MKDIR),
]
"""Wrong names."""

SPECIAL = [
    ADAM | {"_args_": [MARKER]},
    ADAM | {"_recursive_": False},
    ADAM | {"_convert_": "object"},
    ADAM | {"_partial_": "os.mkdir"},
    ADAM | {"_execution_whitelist_": ["os"]},
]
"""Keys of Hydra's own instantiation."""

UNTRUSTED = "untrusted-target"
ELSEWHERE = [
    ("optimizer.lr", MKDIR, UNTRUSTED, "optimizer.lr"),
    ("trainer.profiler", node("pytorch_lightning.profilers.SimpleProfiler", dirpath=MARKER), UNTRUSTED,
     "trainer.profiler"),
    ("trainer.plugins", [MKDIR], UNTRUSTED, "trainer.plugins[0]"),
    ("trainer.strategy", node("pytorch_lightning.strategies.DDPStrategy", ddp_comm_hook=MKDIR), UNTRUSTED,
     "trainer.strategy"),
    ("trainer.limit_val_batches", [[MKDIR]], UNTRUSTED, "trainer.limit_val_batches[0][0]"),
    ("loss", node("torch.nn.BCEWithLogitsLoss", weight=MKDIR), UNTRUSTED, "loss"),
    ("data.root", MKDIR, UNTRUSTED, "data.root"),
    ("data.root.parent", MKDIR, UNTRUSTED, "data.root.parent"),
    ("data.augmentation.rotation", [0, [MKDIR]], UNTRUSTED, "data.augmentation.rotation[1][0]"),
    ("labels.uncertain", {"Edema": MKDIR}, UNTRUSTED, "labels.uncertain.Edema"),
    ("model.backbone", node("chexpert.models.pretrained.create_pretrained", name=MARKER), UNTRUSTED, "model.backbone"),
    ("model.backbone", node("chexpert.models.Backbone", name="resnet18", options={"act_layer": {"deep": MKDIR}}),
     UNTRUSTED, "model.backbone.options.act_layer.deep"),
    ("explainer.evil", MKDIR, UNTRUSTED, "explainer.evil"),
    ("explainer.lime.fill", node("chexpert.explain.ExplainCallback", folder=MARKER), UNTRUSTED, "explainer.lime.fill"),
    ("evil", MKDIR, "unknown-key", "the top level"),
    ("optimizer.lr", f"${{oc.create:{{_target_:os.mkdir,path:{MARKER}}}}}", UNTRUSTED, "optimizer.lr"),
    ("optimizer.lr", f"\\${{oc.create:{{_target_:os.mkdir,path:{MARKER}}}}}", "unresolved", "optimizer.lr"),
    ("optimizer.betas", [0.9, f"\\${{oc.create:{{_target_:os.mkdir,path:{MARKER}}}}}"], "unresolved",
     "optimizer.betas"),
    ("optimizer._target_", "${oc.env:HOSTILE}", UNTRUSTED, "optimizer"),
    ("optimizer._target_", "\\${oc.env:HOSTILE}", UNTRUSTED, "optimizer"),
    ("scheduler._target_", "${explainer.lime._target_}", UNTRUSTED, "scheduler"),
    ("backbone.options", {"checkpoint_path": MARKER}, "unknown-key", "backbone.options"),
    ("backbone.options", {"pretrained_cfg_overlay": {"file": MARKER}}, "unknown-key", "backbone.options"),
]  # fmt: skip
"""Nested, in lists, by interpolation."""

HOSTILE = [
    *(("optimizer", {"lr": 1e-3, **each}, UNTRUSTED, "optimizer") for each in [*PLAIN, *ALIASES, *SPELLINGS]),
    *(
        ("optimizer", {"lr": 1e-3, **each}, "unknown-key", "optimizer (Adam)")
        if each["_partial_"] is True
        else ("optimizer", {"lr": 1e-3, **each}, "value", "optimizer._partial_")
        for each in SPECIAL
    ),
    *ELSEWHERE,
]
"""Key and value of the config, code and place of the error."""


@pytest.fixture
def marker(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOSTILE", "os.mkdir")
    monkeypatch.chdir(tmp_path)
    yield tmp_path / MARKER
    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.fixture(scope="module")
def good() -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", ["scheduler=constant"])  # whose arguments are no interpolations


def set_value(cfg: DictConfig, key: str, value: Any) -> DictConfig:
    cfg = OmegaConf.create(cfg)
    OmegaConf.set_struct(cfg, False)
    with open_dict(cfg):
        OmegaConf.update(cfg, key, value, merge=False, force_add=True)
    return cfg


@pytest.mark.parametrize(("key", "value", "code", "where"), HOSTILE, ids=map(str, range(len(HOSTILE))))
def test_hostile_config_is_an_error_and_calls_nothing(good, marker, key, value, code, where):
    with raises(code, where):
        resolve(set_value(good, key, value))


@pytest.mark.parametrize("value", [*PLAIN, *ALIASES, *SPELLINGS], ids=str)
def test_unchecked_hostile_node_is_not_built(marker, value):
    with raises(UNTRUSTED, "optimizer"):
        build(value, "optimizer")
    with raises(UNTRUSTED, "optimizer.lr[0].x"):
        build(ADAM | {"lr": [{"x": value}]}, "optimizer")


def test_valid_parts_of_a_hostile_node_are_not_called(marker, monkeypatch):
    called = []
    monkeypatch.setattr("chexpert.data.find_phantom", called.append)
    root = node("chexpert.data.find_phantom", parent=MARKER)
    with raises(UNTRUSTED, "data.augmentation"):
        build(node("chexpert.data.CheXpertDataModule", root=root, augmentation=MKDIR), "data")
    assert called == []


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    """The metadata of a checkpoint."""
    backbone = node("chexpert.models.Backbone", name="mnasnet_small")
    config = {
        "seed": 0,
        "model": node("chexpert.models.Single", backbone=backbone),
        "data": node("chexpert.data.CheXpertDataModule", root="nowhere"),
        "labels": node("chexpert.data.LabelPolicy", uncertain="ones"),
        "explainer": {},
        "explain": {"views": None, "count": 4, "top": 3, "observations": None, "masks": None, "score": 0, "passes": 1},
    }
    return {"config": config, "observations": ["Edema"], "preprocessing": {"size": 64, "fit": "stretch"}}


def save(metadata: dict[str, Any], path: Path, key: str, value: Any) -> Path:
    config = OmegaConf.to_container(set_value(OmegaConf.create(metadata["config"]), key, value))
    model = chexpert.models.Single(chexpert.models.Backbone("mnasnet_small"), 1)
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"chexpert": metadata | {"config": config}, "state_dict": state}, path)
    return path


MODELS = [("model", each, UNTRUSTED) for each in [MKDIR, *ALIASES, *SPELLINGS]] + [
    ("model.backbone", MKDIR, UNTRUSTED),
    ("model.backbone", node("chexpert.models.pretrained.create_pretrained", name=MARKER), UNTRUSTED),
    ("model.backbone.options", {"act_layer": MKDIR}, UNTRUSTED),
    ("model.backbone.options", {"checkpoint_path": MARKER}, "unknown-key"),
    ("model.backbone.options", [MKDIR], UNTRUSTED),
    ("model.backbone.name", "hf-hub:stranger/model", "unknown-backbone"),
    ("model.backbone.name", f"local-dir:{MARKER}", "unknown-backbone"),
    ("model.backbone.name", 7, "value"),
    ("model.dropout", f"${{oc.create:{{_target_:os.mkdir,path:{MARKER}}}}}", "unresolved"),
    ("model", "chexpert.models.Single", "not-a-checkpoint"),
]


@pytest.mark.parametrize(("key", "value", "code"), MODELS, ids=map(str, range(len(MODELS))))
def test_hostile_model_in_a_checkpoint_is_an_error(metadata, marker, tmp_path_factory, key, value, code):
    path = save(metadata, tmp_path_factory.mktemp("stranger") / "best.ckpt", key, value)
    with raises(code) as caught:
        chexpert.load(path)
    assert str(path) in caught.value.where


@pytest.mark.parametrize("value", [MKDIR, *ALIASES[:4]], ids=str)
def test_hostile_metadata_beside_safetensors_are_an_error(metadata, marker, tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("stranger")
    content = torch.load(save(metadata, folder / "best.ckpt", "model", value), weights_only=True)
    safetensors.torch.save_file(content["state_dict"], folder / "best.safetensors")
    (folder / "best.json").write_text(json.dumps(content["chexpert"]))
    with raises(UNTRUSTED) as caught:
        chexpert.load(folder / "best.safetensors")
    assert str(folder / "best.safetensors") in caught.value.where


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [
        ("data", MKDIR, "data"),
        ("data.root", MKDIR, "data.root"),
        ("data.augmentation", node("chexpert.runs.files.write_json", path=MARKER, content=1), "data.augmentation"),
        ("data.root", node("chexpert.data.write_phantom", root=MARKER), "data.root"),
        ("explainer.lime", MKDIR, "explainer.lime"),
        ("explainer.lime", node("chexpert.explain.Lime", fill=MKDIR), "explainer.lime.fill"),
        ("explainer.lime", node("${oc.env:HOSTILE}", path=MARKER), "explainer.lime"),
    ],
)
def test_hostile_data_or_explainer_in_a_checkpoint_is_an_error(metadata, marker, tmp_path_factory, key, value, where):
    path = save(metadata, tmp_path_factory.mktemp("stranger") / "best.ckpt", key, value)
    with raises(UNTRUSTED, where):
        explain_run(path, [], ["lime"], CONF, out=path.parent / "out")
    assert not (path.parent / "out").exists()


def test_hostile_data_root_in_a_checkpoint_is_an_error_for_tables(metadata, marker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stranger")
    path = save(metadata, folder / "best.ckpt", "data.root", MKDIR | {"parent": str(folder)})
    with raises(UNTRUSTED, "data.root"):
        find_roots(chexpert.load(path), folder / "images.csv", None)


def test_hostile_labels_in_a_checkpoint_are_an_error(metadata, marker, tmp_path_factory):
    path = save(metadata, tmp_path_factory.mktemp("stranger") / "best.ckpt", "labels", MKDIR)
    (path.parent / "CheXpert-v1.0-small").mkdir()
    for split in ("train", "valid"):
        (path.parent / f"CheXpert-v1.0-small/{split}.csv").touch()
    with raises(UNTRUSTED, "labels"):
        open_data(chexpert.load(path), path.parent, learned=True)
