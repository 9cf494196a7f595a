"""Settings as they are often typed, and the command in the hint of their error: it must run."""

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from helpers.configs import make
from helpers.errors import find_places, raises

from chexpert.cli.corrections import Settings, check, keys
from chexpert.cli.corrections.arguments import split_commas
from chexpert.config import validate_args
from chexpert.config.quoting import quote_values
from chexpert.config.resolution import to_plain
from chexpert.config.schema import LISTED
from chexpert.errors import UserError, UserErrors, advise_extra
from chexpert.runs.config_keys import RENAMED

PROJECT = Path(__file__).parents[3]
SETTINGS = Settings(PROJECT / "conf")
NOT_HERE = {"missing-dataset", "missing-folder", "missing-file"}
"""Codes of errors in paths that are examples."""

MEANT = {
    **{
        f"{old}={value}": f"{RENAMED[old]}={value}"
        for old, value in {
            "keep": 3, "keep_every": 7, "save_minutes": 2, "data.size": 96, "data.workers": 3, "data.fit": "pad",
        }.items()
    },
    "epochs=3": "trainer.max_epochs=3",
    "+epochs=3": "trainer.max_epochs=3",
    "lr=1e-3": "optimizer.lr=1e-3",
    "epochs=3 learning_rate=1e-3 batch_size=32": "trainer.max_epochs=3 optimizer.lr=1e-3 data.batch_size=32",
    "--epochs 3 --lr=1e-3 -b 32 -j 4": "trainer.max_epochs=3 optimizer.lr=1e-3 data.batch_size=32 data.num_workers=4",
    "epochs = 3 lr= 1e-3": "trainer.max_epochs=3 optimizer.lr=1e-3",
    "train epochs=3": "trainer.max_epochs=3",
    "imgsz=320": "data.image_size=320",
    "data.image_size=384x320": "data.image_size=[384,320]",
    "'data.image_size=(384,320)'": "data.image_size=[384,320]",
    "overfit_batches=4": "trainer.limit_train_batches=4",
    "--gpus 1": "trainer=gpu",
    "--gpus 0": "trainer=cpu",
    "--gpu 0": "trainer=gpu trainer.devices=[0]",
    "gpus=4": "trainer=gpu trainer.devices=4",
    "explain.cuont=3": "explain.count=3",
    "gpus=0,1": "trainer.devices=[0,1]",
    "device=cuda:0": "trainer=gpu",
    "device=cpu": "trainer=cpu",
    "--amp": "trainer.precision=16-mixed",
    "wd=1e-4": "optimizer.weight_decay=1e-4",
    "momentum=.9": "optimizer=sgd optimizer.momentum=.9",
    "dropout=.3": "model.dropout=.3",
    "patience=3": "early_stopping=3",
    "arch=resnet34": "backbone.name=resnet34",
    "arch=densnet121": "backbone=densenet121",
    "dataset=/data/x": "data=chexpert data.root=/data/x",
    "data_dir=/data/x": "data.root=/data/x",
    "weights=imagenet": "pretrained=true",
    "--no-pretrained": "pretrained=false",
    "checkpoint=/x/best.ckpt": "start_from=/x/best.ckpt",
    "--resume": "resume=auto",
    "uncertainty=U-Ones": "labels=ones",
    "cache=none": "data.cache=null",
    "optimizer.lr=0,001": "optimizer.lr=0.001",
    "-m optimizer.lr=0,001": "-m optimizer.lr=0.001",
    "data.test=yes": "data.test=true",
    "trainer=cuda": "trainer=gpu",
    "observations=edema,atelectasis": "'observations=[Edema,Atelectasis]' 'mean_over=[Edema,Atelectasis]'",
    "scale=0.9,1.1": "data.augmentation.scale=[0.9,1.1]",
    "random_state=1": "seed=1",
    "backbon=resnet18": "backbone=resnet18",
    "trainer.epochs=4": "trainer.max_epochs=4",
    "data.batchsize=4": "data.batch_size=4",
    "optim.lr=1e-3": "optimizer.lr=1e-3",
    "--config-name densenet121_original": "experiment=densenet121_original",
    "'observations=[Edema'": "observations=[Edema] mean_over=[Edema]",
    "'observations=[Edema, Fracture' mean_over=[Edema]": "'observations=[Edema, Fracture]' mean_over=[Edema]",
    "observations=[Edema, Pleural Effusion": "'observations=[Edema,Pleural Effusion]' "
    "'mean_over=[Edema,Pleural Effusion]'",
    "'observations=Edema]'": "observations=[Edema] mean_over=[Edema]",
    "'labels.uncertain={default: zeros'": "'labels.uncertain={default: zeros}'",
    "labels.uncertain={default: zeros, Edema: [0.5,0.9}": "'labels.uncertain={default: zeros,Edema: [0.5,0.9]}'",
    "-m hydra/launcher=joblb seed=0,1": "-m hydra/launcher=joblib seed=0,1",
    "-m hydra/sweeper=Optuna seed=0,1": "-m hydra/sweeper=optuna seed=0,1",
    "data.root=/my data": "'data.root=/my data'",
    "observations=[Edema, Pleural Effusion]": "'observations=[Edema,Pleural Effusion]' "
    "'mean_over=[Edema,Pleural Effusion]'",
    "observations=Edema": "observations=[Edema] mean_over=[Edema]",
    "'optimizer.betas=(0.9,0.99)'": "optimizer.betas=[0.9,0.99]",
    "-m labels=zeros, ones": "-m labels=zeros,ones",
    "-m seed=0,1 2": "-m seed=0,1,2",
    "-m seed=0,1,": "-m seed=0,1",
    "data.root=/a,/b": "-m data.root=/a,/b",
    "seed=0,1": "-m seed=0,1",
    "--sweep seed=0,1": "-m seed=0,1",
    "backbone=densnet121": "backbone=densenet121",
    "model=densenet121": "backbone=densenet121",
    "model=resnet34": "backbone.name=resnet34",
    "backbone=resnet34": "backbone.name=resnet34",
    "backbone.name=densenet12": "backbone.name=densenet121",
    "densenet121": "backbone=densenet121",
    "explainer=none": "explainer=[]",
    "averaging=none": "",
    "averaging=null seed=1": "seed=1",
    "scheduler=null": "scheduler=constant",
    "optimizer=SGD": "optimizer=sgd",
    "scheduler=CosineAnnealingLR": "scheduler=cosine",
    "loss.pos_weight=auto": "loss=weighted_bce loss.pos_weight=auto",
    "averaging.decay=.99": "averaging=ema averaging.decay=.99",
    "calibration=None": "calibration=null",
    "pretrained=yes": "pretrained=true",
    "compile=yes": "compile=true",
    "'labels.uncertain.Pleural Effusion=ones'": "'labels.uncertain={Pleural Effusion: ones}'",
}  # fmt: skip


@pytest.mark.parametrize("typed", MEANT)
def test_hint_is_a_command_that_runs(typed):
    with pytest.raises(UserError) as caught:
        check(shlex.split(typed), SETTINGS)
    lines = [line for line in str(caught.value).splitlines() if "chexpert train" in line]
    meant = shlex.split(lines[-1].partition("chexpert train")[2])
    assert meant == shlex.split(MEANT[typed])
    assert check(meant, SETTINGS) == meant
    assert compose_first(meant) == []


def compose_first(arguments: list[str]) -> list[UserError]:
    """Return the errors of the config that Hydra composes, of a sweep the first job; without those of missing paths."""
    overrides = [argument for argument in arguments if argument != "-m"]
    if "-m" in arguments:
        overrides = [f"{key}={split_commas(value)[0]}" for key, _, value in (one.partition("=") for one in overrides)]
    plain = to_plain(make(*quote_values(overrides)))
    return [error for error in validate_args(plain) if error.code not in NOT_HERE]


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("start_from=", "start_from=null"),
        ("data.root=", "data.root=..."),
        ("data.image_size=384,320", "data.image_size=[384,320]"),
        ("data.image_size=384,320", "-m data.image_size=384,320"),
        ("data.image_size=large", "data.image_size=224"),
        ("pretrained=", "pretrained=false"),
        ("data.test=", "data.test=false"),
        ("data.cache=", "data.cache=null"),
        ("calibration=", "calibration=null"),
        ("seed=", "seed=..."),
        ("resume=''", "resume=null"),
        ("optimizer.lr=high", "optimizer.lr=3e-4"),
        ("lr=high", "optimizer.lr=3e-4"),
        ("seed=a", "seed=0"),
        ("early_stopping=true", "early_stopping=5"),
        ("warmup=5", "scheduler.warmup=0.05"),
        ("max_steps=9", "trainer.max_epochs="),
        ("max_time=00:01:00", "trainer.max_epochs="),
        ("backbon=x", "backbone.name=..."),
        ("model=nothing_like_it", "combined_six"),
        ("labels=jfhealthcare labels.uncertain=[0,0.3]", "labels=lsr"),
        ("optimizer.momentum=.9", "optimizer=sgd"),
        ("foo=1", "--help"),
        ("data.root=/mnt/a,b/c", "-m data.root=/A,/B"),
        ("start_from=outputs/a,b", "-m start_from=/A,/B"),
        ("explain.zzz=1", "count"),
        ("foo.bar=1", "explain"),
        ("/data/x", "data.root=/data/x"),
    ],
)
def test_unclear_setting_is_an_error_with_a_hint(typed, hint):
    words = shlex.split(typed)
    with raises("command-line", words[-1]) as caught:
        check(words, SETTINGS)
    assert hint in caught.value.hint


def test_all_errors_of_a_command_are_listed():
    typed = ["epochs=3", "seed=1", "foo=1", "keep=3"]
    with raises("several") as caught:
        check(typed, SETTINGS)
    assert isinstance(caught.value, UserErrors)
    assert [(error.code, error.where) for error in caught.value.errors] == [
        ("command-line", "epochs=3"), ("command-line", "foo=1"), ("renamed-key", "keep=3"),
    ]  # fmt: skip
    assert "chexpert train" not in caught.value.end  # as one of them is not clear


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "-m hydra/sweeper=optuna 'optimizer.lr=tag(log, interval(1e-5, 1e-2))' labels=zeros,ones,lsr",
        "-m hydra/launcher=local seed=0,1 hydra.launcher.n_jobs=2",
        "-m 'observations=[Edema],[Atelectasis]' 'mean_over=[Edema],[Atelectasis]' 'seed=range(3)'",
        "-m 'data.image_size=224,[384,320]' data.batch_size=4",
        "'data.image_size=[384,320]' data.resize_mode=pad",
        "-m 'labels.uncertain=zeros,[0.5,0.9]' data.folds=5 data.fold=0,1,2,3,4",
        "model=combined +backbone@model.members.resnet=resnet18 '~backbone@model.members.densenet'",
        "model=combined model.members.densenet.frozen=true model.members.densenet.pretrained=/x/best.ckpt",
        "model=patches backbone.patch=64 data.image_size=512",
        "experiment=medical_patch_net backbone.patch=32",
        "backbone.name=hf-hub:timm/resnet50.a1_in1k backbone.options={drop_rate:0.1}",
        "labels.uncertain.Edema=ones 'labels.blank={default: zeros, Edema: ones}'",
        "labels=jfhealthcare 'labels.uncertain={default: [0,0.3]}' loss=weighted_bce loss.pos_weight=3",
        "optimizer._target_=torch.optim.RMSprop optimizer.alpha=.9 scheduler=plateau scheduler.patience=2",
        "explainer=[lime,rise] explainer.lime.samples=100 explain.views=[a/b.jpg] explain.masks=false",
        "trainer=ddp trainer.devices=[0,1] trainer.limit_train_batches=.1 trainer.precision=bf16-mixed",
        "data=small data.root=/a/b data.augmentation=null data.test=/c data.dev=.1",
        "data.augmentation.scale=[1,1] data.augmentation.flip=0.5 name=a-b.c seed=0 resume=auto",
        "experiment=libauc_stage2 start_from=outputs/x/2026-01-01_00-00-00 optimizer.epoch_decay=0",
        "--cfg=job --resolve hydra.run.dir=/x trainer.max_time=null pretrained=false",
        "--info=defaults 'data.root=\"/a (1)\"' 'data.root=${oc.env:HOME}'",
    ],
)
def test_settings_that_hydra_reads_are_unchanged(typed):
    assert check(shlex.split(typed), SETTINGS) == shlex.split(typed)


@pytest.mark.parametrize(
    "typed",
    ["name=röntgen", "'data.root=/a (1)'", "start_from=/x/step=100.ckpt", "-m data.root=/données,/b", "name=a=b"],
)
def test_letters_that_need_quotes_are_composed(typed):
    assert check(shlex.split(typed), SETTINGS) == shlex.split(typed)
    assert compose_first(shlex.split(typed)) == []


def test_options_of_hydra_come_first():
    typed = "seed=0 --cfg job -m --info labels=zeros,ones --config-dir=/x"
    assert check(shlex.split(typed), SETTINGS) == [
        "--cfg=job", "-m", "--info=all", "--config-dir=/x", "seed=0", "labels=zeros,ones"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "extra"),
    [
        ("hydra/launcher=submitit_slurm", "slurm"),
        ("hydra/launcher=slurm_local", "slurm"),
        ("hydra/launcher=joblib", "sweep"),
        ("hydra/launcher=local", "sweep"),
        ("hydra/sweeper=optuna", "sweep"),
    ],
)
def test_missing_plugin_is_an_error_with_its_extra(monkeypatch, typed, extra):
    assert check([typed], SETTINGS) == [typed]
    monkeypatch.setattr(keys, "is_installed", lambda module: False)
    with raises("command-line", typed) as caught:
        check([typed], SETTINGS)
    assert caught.value.hint == advise_extra(extra)
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    package = keys.PLUGINS[typed.partition("=")[2]][0].rpartition(".")[2].replace("_", "-")
    assert any(requirement.startswith(package) for requirement in extras[extra])


def test_every_option_of_every_group_is_unchanged():
    for group, options in SETTINGS.groups.items():
        for option in options:
            for typed in (f"{group}={option}", f"{group}=[{option}]") if group in LISTED else (f"{group}={option}",):
                assert check([typed], SETTINGS) == [typed]


def test_tilde_is_replaced_by_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    typed = ["-m", "data.root=~/data", "start_from=~", "data.cache=~/a,~/b", "~averaging"]
    meant = ["-m", "data.root=/home/me/data", "start_from=/home/me", "data.cache=/home/me/a,/home/me/b", "~averaging"]
    assert check(typed, SETTINGS) == meant
    monkeypatch.setenv("HOME", "/home/me (1)")
    assert check(["data.root=~/data"], SETTINGS) == ["data.root=/home/me (1)/data"]


def test_train_py_ends_with_code_2_before_hydra_is_imported():
    code = "import sys, runpy; sys.argv = ['train.py', 'epochs=3']; runpy.run_path('train.py', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time:" in line}
    assert done.returncode == 2
    assert find_places(done.stderr) == ["epochs=3"]
    assert "trainer.max_epochs=3" in done.stderr
    assert not {"torch", "hydra", "omegaconf", "numpy"} & loaded


@pytest.mark.parametrize("key", ["data.root", "name", "seed", "optimizer.lr", "data.image_size"])
def test_hint_for_a_required_value_is_not_null(key):
    with raises("command-line", f"{key}=") as caught:
        check([f"{key}="], SETTINGS)
    assert "null" not in caught.value.hint
