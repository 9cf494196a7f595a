"""The sweeper as a plugin of Hydra, in a tiny app with the real launchers."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers.cli import run_cli
from helpers.errors import find_places
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from chexpert.config import RunFolder
from chexpert.signals import Stopped

PROJECT = Path(__file__).parents[2]
APP = """
import os
import hydra
import chexpert.config

@hydra.main(version_base="1.3", config_path="conf", config_name="app")
def main(cfg):
    if cfg.y == "bad":
        raise ValueError("bad on purpose")
    if cfg.y == "dies":
        os.kill(os.getpid(), 9)
    return -(cfg.x - 2) ** 2

if __name__ == "__main__":
    main()
"""
CONFIG = f"""
x: 0
y: good
trial: null
hydra: {{output_subdir: null, searchpath: ["file://{PROJECT / "conf"}"]}}
"""


def start_app(folder, *arguments):
    (folder / "conf").mkdir(exist_ok=True)
    (folder / "app.py").write_text(APP)
    (folder / "conf/app.yaml").write_text(CONFIG)
    command = [sys.executable, "app.py", "-m", f"hydra.sweep.dir={folder}/sweep", *arguments]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_parallel_search_survives_a_killed_worker(tmp_path):
    arguments = ["hydra/sweeper=optuna", "hydra.sweeper.sampler=grid", "hydra/launcher=local"]
    done = start_app(tmp_path, *arguments, "x=choice(2)", "y=good,bad,dies")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()
    content = yaml.safe_load((tmp_path / "sweep/best.yaml").read_text())
    assert (content["value"], content["searched"]) == (0, ["x=2", "y=good"])
    assert content["trials"] == {"finished": 1, "pruned": 0, "failed": 2}
    assert "n_jobs=2" in done.stdout
    assert (tmp_path / "sweep/study.db").is_file()


def test_user_error_is_printed_without_a_traceback(tmp_path):
    search = ["-m", "hydra/sweeper=optuna", "hydra.sweeper.sampler=grid", f"hydra.sweep.dir={tmp_path}/sweep"]
    done = run_cli("train", *search, "optimizer.lr=interval(0.0, 1.0)")
    assert done.returncode == 2
    assert find_places(done.stderr) == ["optimizer.lr"]
    assert "Traceback" not in done.stderr


def test_resumed_sweep_sets_the_folder_of_its_jobs(tmp_path):
    (tmp_path / "it's/1").mkdir(parents=True)
    overrides = {"task": ["seed=0,1", "resume=auto"], "hydra": ["hydra.launcher.n_jobs=4"]}
    (tmp_path / "it's/1/sweep.json").write_text(json.dumps({"state": "running", "overrides": ["seed=0,1"]}))
    sweep = {"sweep": {"dir": f"{tmp_path}/it's/2"}, "overrides": overrides}
    config = OmegaConf.create({"resume": "auto", "hydra": sweep | {"runtime": {"config_sources": []}}})
    callback = RunFolder()
    callback.on_multirun_start(config)
    assert config.hydra.sweep.dir == f"{tmp_path}/it's/1"
    override = OverridesParser.create().parse_override(config.hydra.overrides.hydra[-1])
    assert (override.key_or_group, override.value()) == ("hydra.sweep.dir", f"{tmp_path}/it's/1")
    assert isinstance(pickle.loads(pickle.dumps(callback)), RunFolder)
    assert pickle.loads(pickle.dumps(Stopped(15))).code == 143
    with pytest.raises(SystemExit):
        RunFolder().on_multirun_start(config)  # the first one holds the lock


def test_composing_a_config_imports_neither_optuna_nor_torch():
    code = "import sys, chexpert.config; print({'optuna', 'sqlalchemy', 'torch', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
