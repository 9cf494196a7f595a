"""The sweeper as Hydra finds it, by a tiny app through the real launchers."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

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


def test_a_search_runs_side_by_side_and_survives_a_worker_that_is_killed(tmp_path):
    arguments = ["hydra/sweeper=optuna", "hydra.sweeper.sampler=grid", "hydra/launcher=local"]
    done = start_app(tmp_path, *arguments, "x=choice(2)", "y=good,bad,dies")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()
    content = yaml.safe_load((tmp_path / "sweep/best.yaml").read_text())
    assert (content["value"], content["searched"]) == (0, ["x=2", "y=good"])
    assert content["trials"] == {"finished": 1, "pruned": 0, "failed": 2}
    assert "n_jobs=2" in done.stdout
    assert (tmp_path / "sweep/study.db").is_file()


def test_what_a_user_can_mend_is_told_in_one_message(tmp_path):
    done = start_app(tmp_path, "hydra/sweeper=optuna", "hydra.sweeper.sampler=grid", "x=interval(0.0, 1.0)")
    assert done.returncode == 1
    assert done.stderr.startswith("error: a grid has no intervals")
    assert "Traceback" not in done.stderr


def test_composing_a_config_imports_neither_optuna_nor_torch():
    code = "import sys, chexpert.config; print({'optuna', 'sqlalchemy', 'torch', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
