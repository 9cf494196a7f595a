"""A run folder of a stranger: overrides that its state.json may add to the command line, and others."""

import json
from pathlib import Path

import pytest
from helpers.errors import raises

from chexpert.runs import files as run_files
from chexpert.runs.resume import replay


def leave(folder: Path, *overrides: str, name: str = run_files.STATE) -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({"state": "stopped", "overrides": overrides}))
    return f"resume={folder}"


@pytest.mark.parametrize(
    "override",
    [
        "+hydra.callbacks.evil={_target_:os.mkdir,path:x}",
        "hydra.callbacks.run_folder._target_=os.system",
        "++hydra.callbacks.run_folder.x=1",
        "hydra.launcher._target_=os.system",
        "hydra.launcher.setup=[touch x]",
        "hydra.sweeper._target_=os.system",
        "hydra.sweeper.params={_target_:os.mkdir}",
        "hydra.sweeper.study=${oc.env:HOME}",
        "hydra.sweeper.storage=postgresql://elsewhere/trials",
        "hydra/job_logging=evil",
        "hydra.job_logging.handlers.x={class:logging.FileHandler,filename:x}",
        "hydra.searchpath=[file:///tmp/evil]",
        "hydra.job.env_set.LD_PRELOAD=/tmp/evil.so",
        "hydra.run.dir=/etc",
        "+labels@hydra.callbacks.x=ones",
        "~hydra.callbacks",
        "--config-dir=/tmp/evil",
        "-cd/tmp/evil",
        "--multirun",
        "logger.mlflow.tracking_uri=http://elsewhere",
        "+logger.wandb.mode=online",
        "++logger.wandb.mode=online",
        "logger.wandb={mode:online}",
        "logger={wandb:{_target_:chexpert.engine.trackers.Wandb,mode:online}}",
        "'logger.wandb.mode'=online",
        "logger.mlflow={tracking_uri:'http://elsewhere'}",
        "+logger={mlflow:{tracking_uri:'http://elsewhere'}}",
        "logger.csv._target_=chexpert.engine.trackers.Wandb",
        "logger.csv={_target_:chexpert.engine.trackers.Wandb,mode:online}",
        "+logger@logger.wandb=wandb",
        "+labels@logger.wandb=ones",
        "+hydra.sweeper.params={logger.wandb.mode:online}",
        "+hydra.sweeper.params={+hydra.job_logging.formatters.x:'{():pathlib.Path.touch}'}",
        "+hydra.sweeper.params.logger.wandb.mode=online",
    ],
)
@pytest.mark.parametrize("name", [run_files.STATE, run_files.SWEEP])
def test_hydra_nodes_and_options_of_a_file_are_an_error(tmp_path, override, name):
    resume = leave(tmp_path / "run", "seed=1", override, name=name)
    with raises("conflict", tmp_path / "run") as caught:
        replay([resume])
    assert override in caught.value.message
    assert override in replay([resume, override])  # typed, it is the user's own


def test_choices_of_a_sweep_are_repeated(tmp_path):
    overrides = ["seed=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra/sweeper=optuna",
                 "hydra.launcher.partition=gpu-a100",
                 "hydra.sweeper.n_trials=30", "hydra.sweeper.params.lr='interval(1e-5, 1e-2)'"]  # fmt: skip
    resume = leave(tmp_path / "sweep", *overrides, name=run_files.SWEEP)
    assert replay([resume])[1:-2] == overrides


def test_choice_and_plain_settings_of_local_trackers_are_repeated(tmp_path):
    overrides = ["logger=[tensorboard,wandb]", "logger=[]", "logger=csv", "logger.tensorboard.histograms=true"]
    resume = leave(tmp_path / "run", *overrides)
    assert replay([resume])[:4] == overrides
