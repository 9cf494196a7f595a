"""Modules of the user's own: the command line and the environment alone allow them, and classes of the right kind."""

import sys
from pathlib import Path

import pytest
import torch
from helpers.cli import run_cli
from helpers.configs import make
from helpers.errors import raises

from chexpert.cli.allow import take_allowed
from chexpert.cli.corrections import Settings
from chexpert.config.allowed_targets import check_targets, find_target
from chexpert.own_modules import VARIABLE, list_own_modules
from chexpert.runs import files as run_files
from chexpert.runs.resume import replay

CONF = Path(__file__).parents[2] / "conf"
MODULE = '''
import os
from os import system
from torch import nn
from chexpert.explain import Explainer

class Loss(nn.Module):
    def forward(self, logits, targets, mask):
        return logits.sum()

class Unfinished(nn.Module):
    pass

class UnfinishedExplainer(Explainer):
    """Without its method."""

class Plain:
    """Not a module at all."""

class SaysItIsAModule:
    """What it says of itself is not asked."""
    __class__ = nn.Module
    __mro__ = (nn.Module, object)

class Equal:
    def __eq__(self, other):
        return True
    __hash__ = None

class Meta(type):
    @property
    def __mro__(cls):
        return (nn.Module, object)
    def __subclasscheck__(cls, other):
        return True
    def __eq__(cls, other):
        return True
    __hash__ = type.__hash__

class Lying(metaclass=Meta):
    pass

equal = Equal()
instance = SaysItIsAModule()
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write a module of one's own, ``mylab.losses``, which leaves a file once it is imported."""
    package = tmp_path / "mylab"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "losses.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()\n{MODULE}")
    (package / "broken.py").write_text("1 / 0")
    (package / "ending.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "mylab"]:
        del sys.modules[name]


def target(name: str) -> dict:
    return {"_target_": f"mylab.losses.{name}"}


def test_module_that_is_not_allowed_is_not_imported(own):
    with raises("untrusted-target", "loss"):
        find_target(target("Loss"), "loss")
    assert not (own / "imported").exists()


def test_allowed_module_gives_its_class(own, monkeypatch):
    monkeypatch.setenv(VARIABLE, "mylab.losses")
    found = find_target(target("Loss"), "loss")
    assert issubclass(found, torch.nn.Module)
    assert (own / "imported").exists()


@pytest.mark.parametrize("name", ["system", "os", "nn", "Plain", "SaysItIsAModule", "Lying", "equal", "instance"])
def test_other_names_of_an_allowed_module_are_refused(own, monkeypatch, name):
    monkeypatch.setenv(VARIABLE, "mylab.losses")
    with raises("wrong-base", "loss._target_"):
        find_target(target(name), "loss")


def test_class_of_the_standard_library_is_refused(monkeypatch):
    monkeypatch.setenv(VARIABLE, "json")
    with raises("wrong-base", "loss._target_"):
        find_target({"_target_": "json.JSONDecoder"}, "loss")


@pytest.mark.parametrize(
    ("place", "name"),
    [("loss", "Unfinished"), ("explainer.mine", "UnfinishedExplainer")],
)
def test_class_that_lacks_its_method_is_an_error(own, monkeypatch, place, name):
    monkeypatch.setenv(VARIABLE, "mylab.losses")
    errors = [*check_targets(target(name), place)]
    assert [(error.code, error.where) for error in errors] == [("missing-method", f"{place}._target_")]


@pytest.mark.parametrize("name", ["equal", "Lying", "system"])
def test_nothing_of_an_own_module_is_the_data_root(own, monkeypatch, name):
    """A place that names one function of the project."""
    monkeypatch.setenv(VARIABLE, "mylab.losses")
    with raises("untrusted-target", "data.root"):
        find_target(target(name), "data.root")


@pytest.mark.parametrize("place", ["data", "trainer", "trainer.callbacks[0]", "optimizer.lr", "hydra.callbacks.x"])
def test_own_class_stands_only_where_parts_of_models_stand(own, monkeypatch, place):
    monkeypatch.setenv(VARIABLE, "mylab.losses")
    with raises("untrusted-target", place):
        find_target(target("Loss"), place)


@pytest.mark.parametrize("allowed", ["mylab", "mylab.losses.Loss", "mylab.*", "losses"])
def test_other_spellings_allow_nothing(own, monkeypatch, allowed):
    monkeypatch.setenv(VARIABLE, allowed)
    with raises("untrusted-target", "loss"):
        find_target(target("Loss"), "loss")
    assert not (own / "imported").exists()


@pytest.mark.parametrize("name", ["broken", "ending", "missing"])
def test_module_that_cannot_be_imported_is_one_error(own, monkeypatch, name):
    monkeypatch.setenv(VARIABLE, f"mylab.{name}")
    with raises("own-module", f"allow=mylab.{name}"):
        find_target({"_target_": f"mylab.{name}.Loss"}, "loss")


def test_name_that_the_module_lacks_is_an_error(own, monkeypatch):
    monkeypatch.setenv(VARIABLE, "mylab.losses")
    with raises("unknown-target", "loss"):
        find_target(target("Los"), "loss")


@pytest.mark.parametrize("word", ["allow=mylab.losses,mylab.broken", "allow=[mylab.losses, mylab.broken]"])
def test_words_allow_modules_and_are_taken_out(own, monkeypatch, word):
    monkeypatch.setenv(VARIABLE, "")
    assert take_allowed(["seed=1", word, "-m"]) == ["seed=1", "-m"]
    assert list_own_modules() == ["mylab.losses", "mylab.broken"]
    assert not (own / "imported").exists()


@pytest.mark.parametrize(
    ("word", "code"),
    [("allow=no_such_package.x", "not-installed"), ("allow=", "value"), ("allow=my-lab", "value"),
     ("allow=../x", "value"), ("allow=os.", "value"), ("allow=/tmp/x.py", "value"),
     ("allow=__main__", "not-installed"), ("allow=torch.nosuch", "not-installed"),
     ("allow=mylab.nosuch", "not-installed"),
     ("allow=json.decoder.x", "not-installed"), ("allow=mylab.losses.x", "not-installed")],
)  # fmt: skip
def test_wrong_module_is_an_error(own, monkeypatch, word, code):
    monkeypatch.setenv(VARIABLE, "")
    with raises(code, word):
        take_allowed([word])
    assert run_cli("predict", "RUN", "IMAGE", "OUT.csv", word).returncode == 2


def test_module_of_another_package_is_found_without_an_import(own):
    take_allowed(["allow=mylab.losses,json.decoder,torch.optim.lr_scheduler,xml.dom.minidom"])
    assert not (own / "imported").exists()


def test_wrong_module_of_the_environment_is_an_error(monkeypatch):
    monkeypatch.setenv(VARIABLE, "no_such_package")
    with raises("not-installed", f"{VARIABLE}=no_such_package"):
        take_allowed([])


def test_recipe_cannot_allow(own):
    """A config has no such key."""
    with pytest.raises(Exception, match="allow"):
        make("allow=[mylab.losses]")


def test_run_folder_cannot_allow(own, tmp_path):
    """Overrides of a state.json go to Hydra, which knows no such key."""
    run = tmp_path / "run"
    run_files.write_json(run / run_files.STATE, {"state": "stopped", "overrides": ["allow=mylab.losses"]})
    assert "allow=mylab.losses" in replay([f"resume={run}"])
    assert list_own_modules() == []


@pytest.mark.parametrize(
    "text",
    [
        "hydra: {callbacks: {evil: {_target_: os.system}}}",
        "hydra: {callbacks: '${recipe.x}'}\nrecipe: {x: {evil: {_target_: os.system}}}",
        "hydra: {callbacks: {evil: '${recipe.x}'}}\nrecipe: {x: {_target_: os.system}}",
        "hydra: ${recipe}",
        "hydra: {run: '${recipe.x}'}",
        "hydra: {run: {dir: '${oc.env:HOME}'}}",
        "hydra: {run: {dir: {_target_: os.system}}}",
        "hydra: {job: {env_set: {CHEXPERT_ALLOW: mylab.losses}}}",
        "hydra: {job_logging: {formatters: {evil: {'()': pathlib.Path.touch, self: evil}}}}",
        "hydra: {job_logging: {handlers: {evil: {class: logging.FileHandler, filename: evil}}}}",
        "hydra: {hydra_logging: {version: 1}}",
        "hydra: {searchpath: ['file:///tmp/evil']}",
        "hydra: {launcher: {x: [{_target_: os.system}]}}",
        "hydra: {launcher: {setup: [touch evil]}}",
        "hydra: {sweeper: {_target_: os.system}}",
        "hydra: {sweeper: {storage: 'postgresql://elsewhere/trials'}}",
        "hydra: {sweeper: {params: {+hydra.callbacks.evil: '{_target_: os.system}'}}}",
        "hydra: {sweeper: {params: {seed: '${oc.env:HOME}'}}}",
        "hydra.callbacks: {evil: {_target_: os.system}}",
        "x: &x {hydra: {callbacks: {evil: {_target_: os.system}}}}\n<<: *x",
        "# @package hydra.callbacks.evil\n_target_: os.system",
        " # @package hydra.callbacks.evil\n_target_: os.system",
        "   #  @package hydra.callbacks.evil\n_target_: os.system",
        "\n#@x y\n # @package _global_.hydra.callbacks.evil\n_target_: os.system",
        "# @package hydra.job.env_set\nCHEXPERT_ALLOW: mylab.losses",
        "defaults: [/labels@hydra.callbacks.evil: x]",
        "defaults: [override /hydra/callbacks: evil]",
        "defaults: [override hydra/launcher: evil]",
        "defaults: [/hydra/callbacks/evil]",
        "defaults: [{optional /hydra/callbacks: evil}]",
        "defaults: [{/labels: [a, '../hydra/evil']}]",
        "defaults: ['/${oc.select:x,hyd}ra/callbacks/evil']",
        "defaults: ['/labels@${oc.select:x,hyd}ra.callbacks.evil': x]",
    ],
)
def test_recipe_of_an_own_folder_cannot_have_hydra_run_code(tmp_path, text):
    recipe = tmp_path / "experiment/evil.yaml"
    recipe.parent.mkdir()
    recipe.write_text(text)
    with raises("untrusted-target", recipe):
        Settings(CONF, tmp_path)


@pytest.mark.parametrize("name", ["labels/hydra.yaml", "hydra.yaml", "labels/hydra/callbacks/evil.yaml"])
def test_name_hydra_outside_its_folder_is_refused(tmp_path, name):
    """``# @package _name_`` would make the node ``hydra`` of such a file."""
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("# @package _name_\ncallbacks: {evil: {_target_: os.system}}")
    with raises("untrusted-target", file):
        Settings(CONF, tmp_path)


def test_file_behind_a_link_is_checked(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/evil.yaml").write_text("hydra: {callbacks: {evil: {_target_: os.system}}}")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/experiment").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "own/labels").symlink_to(tmp_path / "own")  # an endless folder
    (tmp_path / "own/hydra").symlink_to(tmp_path / "elsewhere")
    with raises("untrusted-target", tmp_path / "own/experiment/evil.yaml"):
        Settings(CONF, tmp_path / "own")


@pytest.mark.parametrize(
    "name",
    ["schema", "hydra/config", "hydra/launcher/basic", "hydra/sweeper/basic", "hydra/launcher/joblib",
     "hydra/launcher/submitit_slurm", "hydra/job_logging/none", "hydra/output/default"],
)  # fmt: skip
def test_option_that_is_chosen_without_being_typed_is_refused(tmp_path, name):
    """Hydra looks into the folder before it looks among its own options."""
    file = tmp_path / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("callbacks: {evil: {_target_: os.system}}")
    with raises("conflict", f"--config-dir {tmp_path}"):
        Settings(CONF, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "# @package _global_\nhydra: {run: {dir: outputs/mine}, sweep: {dir: outputs/mine, subdir: job}}",
        "# @package _global_\nhydra: {sweeper: {n_trials: 4, seed: 1, params: {seed: '1,2', optimizer.lr: 0.1}}}",
        "# @package _global_\n# A recipe of the lab.\ndefaults: [{override /loss: mine}, _self_]\nname: ${oc.env:USER}",
    ],
)
def test_harmless_recipe_is_accepted(tmp_path, text):
    recipe = tmp_path / "experiment/mine.yaml"
    recipe.parent.mkdir()
    recipe.write_text(text)
    assert "mine" in Settings(CONF, tmp_path).groups["experiment"]


def test_option_below_hydra_is_the_choice_of_the_command_line(tmp_path):
    (tmp_path / "hydra/launcher").mkdir(parents=True)
    (tmp_path / "hydra/launcher/mine.yaml").write_text("_target_: hydra_plugins.mine.Launcher")
    Settings(CONF, tmp_path)


def test_module_that_the_environment_gets_later_is_not_allowed(own, monkeypatch):
    """As by a callback of Hydra, before the job."""
    monkeypatch.setenv(VARIABLE, "")
    take_allowed(["allow=mylab.broken"])
    monkeypatch.setenv(VARIABLE, "mylab.losses")
    assert list_own_modules() == ["mylab.broken"]
    with raises("untrusted-target", "loss"):
        find_target(target("Loss"), "loss")
    assert not (own / "imported").exists()


def test_environment_that_hydra_sets_is_refused(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run_cli("train", "trainer=debug", f"+hydra.job.env_set.{VARIABLE}=mylab.losses")
    assert (done.returncode, done.stdout) == (2, "")
    assert not (own / "imported").exists()


def test_file_of_the_same_name_is_an_error(tmp_path):
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss/bce.yaml").write_text("_target_: mylab.losses.Loss")
    with raises("conflict", f"--config-dir {tmp_path}"):
        Settings(CONF, tmp_path)


def test_missing_folder_is_an_error(tmp_path):
    with raises("missing-folder", f"--config-dir {tmp_path / 'none'}"):
        Settings(CONF, tmp_path / "none")


def test_options_of_an_own_folder_are_listed(tmp_path):
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss/mine.yaml").write_text("_target_: mylab.losses.Loss")
    assert "mine" in Settings(CONF, tmp_path).groups["loss"]
    assert "mine" not in Settings(CONF).groups["loss"]
