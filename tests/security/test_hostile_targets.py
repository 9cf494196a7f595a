"""Configs that would run code: all are refused with one message, and nothing was called."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, open_dict

import chexpert
from chexpert.config import build, resolve
from chexpert.errors import UserError
from chexpert.inference.explain import explain_run
from chexpert.inference.opened_run import open_data
from chexpert.inference.predict import find_roots

CONF = Path(__file__).parents[2] / "conf"
MARKER = "MARKER"  # stands for a file that only the hostile code would make


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
    node("torch.optim.adam.Adam"),  # harmless, but by a way that is not on the list
    node("torch.optim.lr_scheduler.StepLR"),  # the package of others
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
"""Trusted packages, by other ways or for other things than a config needs."""

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
"""Names that are none."""

SPECIAL = [
    ADAM | {"_args_": [MARKER]},
    ADAM | {"_recursive_": False},
    ADAM | {"_convert_": "object"},
    ADAM | {"_partial_": "os.mkdir"},
    ADAM | {"_execution_whitelist_": ["os"]},
]
"""Keys by which Hydra would build otherwise."""

ELSEWHERE = [
    ("optimizer.lr", MKDIR),
    ("trainer.profiler", node("pytorch_lightning.profilers.SimpleProfiler", dirpath=MARKER)),
    ("trainer.plugins", [MKDIR]),
    ("trainer.strategy", node("pytorch_lightning.strategies.DDPStrategy", ddp_comm_hook=MKDIR)),
    ("trainer.limit_val_batches", [[MKDIR]]),
    ("loss", node("torch.nn.BCEWithLogitsLoss", weight=MKDIR)),
    ("data.root", MKDIR),
    ("data.root.parent", MKDIR),
    ("data.augmentation.rotation", [0, [MKDIR]]),
    ("labels.uncertain", {"Edema": MKDIR}),
    ("model.backbone", node("chexpert.models.pretrained.create_pretrained", name=MARKER)),
    ("model.backbone", node("chexpert.models.Backbone", name="resnet18", options={"act_layer": {"deep": MKDIR}})),
    ("explainer.evil", MKDIR),
    ("explainer.lime.fill", node("chexpert.explain.ExplainCallback", folder=MARKER)),
    ("evil", MKDIR),
    ("optimizer.lr", f"${{oc.create:{{_target_:os.mkdir,path:{MARKER}}}}}"),
    ("optimizer.lr", f"\\${{oc.create:{{_target_:os.mkdir,path:{MARKER}}}}}"),
    ("optimizer.betas", [0.9, f"\\${{oc.create:{{_target_:os.mkdir,path:{MARKER}}}}}"]),
    ("optimizer._target_", "${oc.env:HOSTILE}"),
    ("optimizer._target_", "\\${oc.env:HOSTILE}"),
    ("scheduler._target_", "${explainer.lime._target_}"),
    ("backbone.options", {"checkpoint_path": MARKER}),
    ("backbone.options", {"pretrained_cfg_overlay": {"file": MARKER}}),
]
"""Nested, in lists, by interpolation."""

HOSTILE = [("optimizer", {"lr": 1e-3, **each}) for each in [*PLAIN, *ALIASES, *SPELLINGS, *SPECIAL]] + ELSEWHERE


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


def set_value(cfg: DictConfig, where: str, value: Any) -> DictConfig:
    cfg = OmegaConf.create(cfg)
    OmegaConf.set_struct(cfg, False)
    with open_dict(cfg):
        OmegaConf.update(cfg, where, value, merge=False, force_add=True)
    return cfg


def test_there_are_enough():
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize(("where", "value"), HOSTILE, ids=map(str, range(len(HOSTILE))))
def test_a_hostile_config_is_refused_with_one_message_and_nothing_is_called(good, marker, where, value):
    with pytest.raises(UserError) as caught:
        resolve(set_value(good, where, value))
    message = str(caught.value)
    assert message.count("hint:") == 1, message
    assert ("the top level" if where == "evil" else where.partition(".")[0]) in message.partition("where:")[2]


@pytest.mark.parametrize("value", [*PLAIN, *ALIASES, *SPELLINGS], ids=str)
def test_what_was_not_checked_is_not_built_either(marker, value):
    with pytest.raises(UserError, match="_target_"):
        build(value, "optimizer")
    with pytest.raises(UserError, match="_target_"):
        build(ADAM | {"lr": [{"x": value}]}, "optimizer")


def test_of_a_node_with_one_bad_part_the_good_parts_are_not_called_either(marker, monkeypatch):
    monkeypatch.setattr("chexpert.data.find_phantom", called := pytest.fail)
    root = node("chexpert.data.find_phantom", parent=MARKER)
    with pytest.raises(UserError, match="not trusted"):
        build(node("chexpert.data.CheXpertDataModule", root=root, augmentation=MKDIR), "data")
    assert called is pytest.fail


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    """What a checkpoint carries; the weights come after it, so that none are needed here."""
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


def save(metadata: dict[str, Any], path: Path, where: str, value: Any) -> Path:
    config = OmegaConf.to_container(set_value(OmegaConf.create(metadata["config"]), where, value))
    model = chexpert.models.Single(chexpert.models.Backbone("mnasnet_small"), 1)
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"chexpert": metadata | {"config": config}, "state_dict": state}, path)
    return path


MODELS = [("model", each) for each in [MKDIR, *ALIASES, *SPELLINGS]] + [
    ("model.backbone", MKDIR),
    ("model.backbone", node("chexpert.models.pretrained.create_pretrained", name=MARKER)),
    ("model.backbone.options", {"act_layer": MKDIR}),
    ("model.backbone.options", {"checkpoint_path": MARKER}),
    ("model.backbone.options", [MKDIR]),
    ("model.backbone.name", "hf-hub:stranger/model"),
    ("model.backbone.name", f"local-dir:{MARKER}"),
    ("model.backbone.name", 7),
    ("model.dropout", f"${{oc.create:{{_target_:os.mkdir,path:{MARKER}}}}}"),
    ("model", "chexpert.models.Single"),
]


@pytest.mark.parametrize(("where", "value"), MODELS, ids=map(str, range(len(MODELS))))
def test_a_hostile_model_in_a_checkpoint_is_refused_and_nothing_is_called(
    metadata, marker, tmp_path_factory, where, value
):
    path = save(metadata, tmp_path_factory.mktemp("stranger") / "best.ckpt", where, value)
    with pytest.raises(UserError, match=r"where: (?s:.*)best\.ckpt"):
        chexpert.load(path)


@pytest.mark.parametrize("value", [MKDIR, *ALIASES[:4]], ids=str)
def test_a_hostile_card_beside_safetensors_is_refused_too(metadata, marker, tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("stranger")
    content = torch.load(save(metadata, folder / "best.ckpt", "model", value), weights_only=True)
    safetensors.torch.save_file(content["state_dict"], folder / "best.safetensors")
    (folder / "best.json").write_text(json.dumps(content["chexpert"]))
    with pytest.raises(UserError, match="not trusted"):
        chexpert.load(folder / "best.safetensors")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("data", MKDIR),
        ("data.root", MKDIR),
        ("data.augmentation", node("chexpert.runs.files.write_json", path=MARKER, content=1)),
        ("data.root", node("chexpert.data.write_phantom", root=MARKER)),
        ("explainer.lime", MKDIR),
        ("explainer.lime", node("chexpert.explain.Lime", fill=MKDIR)),
        ("explainer.lime", node("${oc.env:HOSTILE}", path=MARKER)),
    ],
)
def test_what_else_a_checkpoint_says_is_refused_where_it_is_used(metadata, marker, tmp_path_factory, where, value):
    path = save(metadata, tmp_path_factory.mktemp("stranger") / "best.ckpt", where, value)
    with pytest.raises(UserError, match="not trusted"):
        explain_run(path, [], ["lime"], CONF, out=path.parent / "out")
    assert not (path.parent / "out").exists()


def test_a_table_is_not_sought_below_a_root_that_a_checkpoint_would_have_made_by_code(
    metadata, marker, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("stranger")
    path = save(metadata, folder / "best.ckpt", "data.root", MKDIR | {"parent": str(folder)})
    with pytest.raises(UserError, match="not trusted"):
        find_roots(chexpert.load(path), folder / "images.csv", None)


def test_the_labels_of_a_checkpoint_are_not_built_unchecked(metadata, marker, tmp_path_factory):
    path = save(metadata, tmp_path_factory.mktemp("stranger") / "best.ckpt", "labels", MKDIR)
    (path.parent / "CheXpert-v1.0-small").mkdir()
    for split in ("train", "valid"):
        (path.parent / f"CheXpert-v1.0-small/{split}.csv").touch()
    with pytest.raises(UserError, match="not trusted"):
        open_data(chexpert.load(path), path.parent, learned=True)
