"""Every command of every page is run at small size; those that take more than seconds are marked slow."""

import re
from pathlib import Path

import pytest
from helpers.command_folder import SMALL, SMALL_PHANTOM, copy_folder, place_on_leaderboard, write_folder
from helpers.commands import run_command
from helpers.pages import PROJECT, list_commands, split
from helpers.runs import leaving_plots_out

NOT_RUN = {
    r"(\.venv/bin/)?(python3? -m )?(pip|pytest)\b": "installs packages, or is a test itself",
    r"(\.venv|my_env)/bin/python -m pip|python3 -m venv": "builds an environment; done before any test",
    r"python scripts/": "older names of commands, which tests/cli calls",
    r"make \w+": "builds .venv; demo, test, check and docs run before each release",
    r"python -c": "measured, or needs a network",
    r"python tests/|python train\.py": "how a measurement was made",
    r"python exported/": "needs an exported model; tests/inference/exported runs the script",
    r"tensorboard|chexpert serve": "a server that does not end; tests/serve starts the viewer",
    r"sbatch": "needs a cluster; tests/systems runs the script with stand-ins",
    r"torchrun": "needs four machines",
    r"chexpert train -m hydra/launcher=slurm ": "needs a cluster",
    r"chexpert push (?!.*--dry-run)|chexpert \w+ hf:": "needs the Hub; tests/inference/test_push.py has a stand-in",
    r"(docker|apptainer|srun|sbatch) ": "needs a container engine or a cluster",
    r"chexpert train .*pretrained=(rad-dino|xrv-)": "needs the file of public weights; tests/engine runs made-up ones",
}
"""Commands that cannot run here, by pattern, and why; test_commands.py parses them."""
FAST = (
    "audit",
    "compare",
    "defer",
    "doctor",
    "evaluate",
    "explain-leaderboard",
    "external",
    "learn-targets",
    "localize",
    "phantom",
    "reproduce",
    "weights",
)
SLOW_OPTIONS = ("--figures", "--leaderboard")
ENDS = {
    "audit faulty": {1}, "defer RUN --risk": {0, 2}, "doctor": {0, 1}, "drift": {0, 1}, "reproduce": {3},
    "export --check": {2},  # the file is of another command
    "gate RUN": {0, 2},  # RUN may have one
    "predict RUN images/ accepted.csv": {0, 1}, "shortcuts": {0, 1, 3},
    "soup RUN SOUP": {2},  # one epoch has one checkpoint
    "recalibrate": {0, 2},  # so small a phantom may have too few positives
}  # fmt: skip
"""Exit codes other than 0, by the first words of a command."""
FIRST = {
    "experiment=libauc_stage2": "experiment=libauc_stage1 hydra.run.dir=RUN",
    "experiment=nih_stage2": "experiment=nih_stage1 data.root=nih hydra.run.dir=RUN",
    "experiment=pham_stage2": "experiment=pham_stage1 hydra.run.dir=outputs/pham_stage1/2026-01-01",
    "labels=self_trained": "labels=ignore predict_train=true hydra.run.dir=outputs/chexpert/2026-01-01",
    "model.members.densenet.pretrained": "data=small backbone=densenet121 hydra.run.dir=outputs/chexpert/2026-01-01",
    "audit-labels outputs/folds": "-m data.folds=2 data.fold=0,1 data=small hydra.sweep.dir=outputs/folds",
    "outputs/folds/0": "-m data.folds=2 data.fold=0,1 data=small hydra.sweep.dir=outputs/folds",
    "<job>": "-m seed=0,1 hydra.sweep.dir=outputs/chexpert/2026-01-01",
    "gradient_times_input": "allow=[mylab.losses,mylab.labels,mylab.networks,mylab.explainers] experiment=mylab "
    f"--config-dir {PROJECT / 'docs/examples/mylab/conf'} hydra.run.dir=RUN",
    "hydra.sweeper.n_trials=80": "-m hydra/sweeper=optuna hydra.sweeper.n_trials=1 optimizer.lr=interval(1e-4,1e-3) "
    "hydra.sweep.dir=outputs/chexpert/2026-01-01",
}
"""The training that a command of a page builds on, by a word of the command."""
COMMANDS = [one for one in list_commands() if not any(re.match(pattern, one) for pattern in NOT_RUN)]


def is_fast(command: str) -> bool:
    if any(option in command for option in SLOW_OPTIONS):
        return False
    return command.split()[1] in FAST or "--" in command.split()[1] or command.endswith(("--help", "--cfg job"))


@pytest.fixture(scope="module")
def template(tmp_path_factory, phantom):
    folder = tmp_path_factory.mktemp("commands")
    write_folder(folder, phantom)
    return folder


@pytest.fixture
def folder(template, tmp_path):
    return copy_folder(template, tmp_path / "work")


def make_small(name: str, words: list[str]) -> list[str]:
    """Return the words of a command with settings that make it small."""
    if name == "phantom":
        smaller = {"200": "8", "50": "8"}
        return [*(smaller.get(word, word) for word in words), "--valid", "4", "--size", "64", "--workers", "1"]
    if name == "predict":
        return ["0.4" if word == "0.1" else word for word in words]  # few patients are in the development split
    if name == "explain":
        return [re.sub(r"(samples|count)=\d+", r"\1=2", word) for word in words] + (
            ["explain.count=1", "explain.score=0"] if not any("image" in word for word in words) else []
        )
    if name not in ("train", "demo") or {"--help", "--cfg"} & {*words}:
        return words
    if any(word.startswith("resume=outputs") for word in words):  # with the settings that it had
        return [re.sub(r"n_trials=\d+", "n_trials=2", word) for word in words]
    return _make_training_small([re.sub(r"n_trials=\d+", "n_trials=2", word) for word in words])


def _make_training_small(words: list[str]) -> list[str]:
    painted = not any(word.startswith(("data=", "experiment=", "data.root=")) for word in words)
    swept = [_shorten_sweep(word) for word in words] if "-m" in words and "optuna" not in " ".join(words) else words
    swept = [word.replace("data.dev=0.05", "data.dev=0.3") for word in swept]  # of few patients
    kept = [
        word for word in SMALL if not ("data.batch_size=" in " ".join(words) and word.startswith("data.batch_size"))
    ]
    ended = [word for word in words if word == "trainer.max_epochs=0"]
    limited = ["trainer.devices=1"] if words == ["trainer=ddp"] else []
    return [*swept, *kept, *ended, *limited, *(SMALL_PHANTOM if painted else [])]


def _shorten_sweep(word: str) -> str:
    """Keep two values of a sweep over seeds or folds, and one of others."""
    key, _, values = word.partition("=")
    if "," not in values or values.startswith("["):
        return word
    count = 2 if key in ("seed", "data.fold", "labels") else 1
    return f"{key}={','.join(values.split(',')[:count])}"


def run(folder: Path, name: str, words: list[str], root: Path):
    """Run a command in the folder, as an installed ``chexpert`` would."""
    script = folder / "chexpert_command.py"
    script.write_text(
        f"import sys\nsys.path[0] = {str(PROJECT)!r}\nsys.path.insert(1, {str(PROJECT / 'docs/examples/mylab')!r})\n"
        "from chexpert.cli.main import main\nif __name__ == '__main__':\n    main()\n"
    )
    environment = {"CHEXPERT_ROOT": str(root), "HF_HUB_OFFLINE": "1", "MLFLOW_TRACKING_URI": "sqlite:///server.db"}
    return run_command(str(script), name, *words, cwd=folder, environment=environment, within=leaving_plots_out)


def remove_outputs(folder: Path, name: str, words: list[str]) -> None:
    """Remove what a command writes anew and another one reads."""
    named = [words[place + 1] for place, word in enumerate(words) if word in ("--out", "--save-segmentations")]
    named += {"predict": words[2:3], "phantom": words[:1], "external": words[1:2]}.get(name, [])
    for one in named:
        remove(folder / one)


def remove(path: Path) -> None:
    """Remove a file; put a folder, on which others may build, aside."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        path.rename(path.with_name(f"{path.name} before"))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "command", [one if is_fast(one) else pytest.param(one, marks=pytest.mark.slow) for one in COMMANDS]
)
def test_command_of_a_page_runs(folder, phantom, command):
    _, name, *words = split(command.replace("$CHEXPERT_ROOT", str(phantom)))
    root = folder / "full" if "data=full" in words else phantom
    for first in [training for key, training in FIRST.items() if key in command]:
        trained = first.split()
        remove(folder / trained[-1].partition("=")[2])
        before = run(folder, "train", make_small("train", trained), root)
        assert before.returncode == 0, before.stderr
    if "--leaderboard" in words:
        place_on_leaderboard(folder)
    if "--check" in words:
        run(folder, "audit", [str(phantom), "--manifest", "manifest.txt"], root)
    if "--evaluation" in words:
        tables = ["--predictions", "ensemble.csv", "--labels", "L.csv"]
        run(folder, "evaluate", [*tables, "--out", words[-1]], root)
    remove_outputs(folder, name, words)
    done = run(folder, name, make_small(name, words), root)
    codes = next((codes for start, codes in ENDS.items() if command.startswith(f"chexpert {start}")), {0})
    assert done.returncode in codes, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def test_every_command_that_is_not_run_stands_on_a_page():
    assert [pattern for pattern in NOT_RUN if not any(re.match(pattern, one) for one in list_commands())] == []
