"""``chexpert.train``: the run of the command, and errors in the place of exits."""

import json
import logging
import signal
from pathlib import Path

import pytest
import yaml
from helpers.errors import raises
from helpers.resumed_runs import stop_at
from helpers.runs import TINY, leaving_plots_out, train
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

import chexpert
from chexpert.own_modules import VARIABLE

SHORT = [*TINY, "data=small", "data.root=data", "explainer=[]", "calibration=null"]


@pytest.fixture(autouse=True)
def here(tmp_path, phantom, monkeypatch):
    """A folder of its own with the phantom as ``data``."""
    (tmp_path / "data").symlink_to(phantom)
    monkeypatch.chdir(tmp_path)


def list_files(folder: Path) -> set[str]:
    """The files of a run, those of TensorBoard without their time."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name if "tfevents" not in name else str(Path(name).parent) for name in found}


def test_run_is_that_of_the_command():
    settings = [*SHORT, "explainer=[gradcam]"]
    done = train(*settings, "hydra.run.dir=command", cwd=Path.cwd(), plotted=True)
    assert done.returncode == 0, done.stderr
    run, command = chexpert.train(*settings), chexpert.open_run("command")
    assert run.folder.parent == Path.cwd() / "outputs/chexpert"
    assert list_files(run.folder) == list_files(command.folder)
    for name in ("predictions/valid.csv", "evaluation/valid.json", "config.yaml", "data.json"):
        assert (run.folder / name).read_text() == (command.folder / name).read_text(), name
    assert run.state["overrides"] == command.state["overrides"] == settings
    assert run.state["command"] == command.state["command"]


def test_two_runs_in_a_process_leave_nothing_of_hydra():
    before = [*logging.getLogger().handlers]
    with leaving_plots_out():
        first, second = (chexpert.train(*SHORT, f"hydra.run.dir={name}", "seed=1") for name in ("one", "two"))
    assert first.predictions().equals(second.predictions())
    assert not GlobalHydra.instance().is_initialized()
    assert HydraConfig.instance().cfg is None
    assert logging.getLogger().handlers == before
    with raises("not-empty", "one"):
        chexpert.train(*SHORT, "hydra.run.dir=one")


def test_few_lines_are_printed_without_a_terminal(capfd):
    with leaving_plots_out():
        chexpert.train(*SHORT, "trainer.max_epochs=3", "save_every_n_minutes=1000")
    out, err = capfd.readouterr()
    assert err.count("epoch ") == 3
    assert len(err.splitlines()) < 20
    assert "\r" not in err
    assert out == ""  # the returned run shows the metrics


def test_interrupted_run_is_resumed(monkeypatch):
    with leaving_plots_out():
        whole = chexpert.train(*SHORT, "trainer.max_epochs=2", "hydra.run.dir=whole")
        with monkeypatch.context() as patched:
            stop_at(patched, "training_step", 7, signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                chexpert.train(*SHORT, "trainer.max_epochs=2")
        (folder,) = Path("outputs/chexpert").iterdir()
        assert chexpert.open_run(folder).state["state"] == "stopped"
        resumed = chexpert.train(f"resume={folder}")
    assert resumed.folder == folder.absolute()
    assert resumed.state["state"] == "finished"
    assert resumed.predictions().equals(whole.predictions())


def test_newest_unfinished_run_is_resumed(monkeypatch):
    with leaving_plots_out():
        with monkeypatch.context() as patched:
            stop_at(patched, "training_step", 3)
            with pytest.raises(SystemExit):  # by SIGTERM
                chexpert.train(*SHORT)
        (folder,) = Path("outputs/chexpert").iterdir()
        assert chexpert.train(*SHORT, "resume=auto").folder == folder.absolute()


def test_own_options_come_from_a_folder():
    recipe = {"trainer": {"max_epochs": 2}, "name": "own"}
    Path("mine/experiment").mkdir(parents=True)
    text = "# @package _global_\n" + yaml.safe_dump(recipe)
    Path("mine/experiment/short.yaml").write_text(text)
    settings = [one for one in SHORT if not one.startswith("trainer.max_epochs")]
    with leaving_plots_out():
        run = chexpert.train(*settings, "experiment=short", config_dir="mine")
    assert (run.config["trainer"]["max_epochs"], run.folder.parent.name) == (2, "own")
    with raises("missing-folder"):
        chexpert.train(*SHORT, config_dir="absent")
    with raises("command-line", "experiment=absent"):
        chexpert.train(*SHORT, "experiment=absent", config_dir="mine")


def test_own_module_is_allowed_by_name(monkeypatch):
    example = Path(__file__).parents[2] / "docs/examples/mylab"
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.syspath_prepend(example)
    own = [*SHORT, "loss=capped_bce"]
    with leaving_plots_out():
        with raises("untrusted-target"):
            chexpert.train(*own, config_dir=example / "conf")
        run = chexpert.train(*own, "allow=mylab.losses", config_dir=example / "conf")
    assert run.config["loss"]["_target_"].startswith("mylab.losses.")
    with raises("not-installed", "allow=absent"):
        chexpert.train(*SHORT, "allow=absent")


@pytest.mark.parametrize(
    ("settings", "code", "where"),
    [
        (["modle=combined"], "command-line", "modle=combined"),
        (["-m", "seed=0,1"], "command-line", "-m"),
        (["seed=0,1"], "command-line", "seed=0,1"),
        (["--cfg=job"], "command-line", "--cfg=job"),
        (["hydra.job.chdir=true"], "unused-setting", "hydra.job.chdir"),
        (["resume=absent"], "missing-run", "resume=absent"),
        (["level=study", "data.root=absent"], "missing-folder", None),
        (["trainer.max_epochs=-3"], None, "trainer.max_epochs"),
    ],
)
def test_wrong_settings_are_an_error_and_leave_no_folder(settings, code, where):
    with pytest.raises(chexpert.UserError) as caught:
        chexpert.train(*SHORT, *settings)
    assert code is None or caught.value.code == code
    assert where is None or caught.value.where == where
    assert not Path("outputs/chexpert").exists() or not list(Path("outputs/chexpert").iterdir())
    assert not GlobalHydra.instance().is_initialized()


def test_sweep_is_not_resumed_here():
    Path("sweep").mkdir()
    Path("sweep/sweep.json").write_text(json.dumps({"state": "running", "overrides": ["seed=0,1"]}))
    with raises("command-line"):
        chexpert.train("resume=sweep")
