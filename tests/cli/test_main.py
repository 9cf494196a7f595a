"""The one way of a command's errors: a message, its place, a hint, and an exit code."""

from pathlib import Path

import pytest
from helpers.cli import run_cli
from helpers.errors import find_places

import chexpert.cli.networks
from chexpert.cli.main import COMMANDS
from chexpert.conf_folder import find_conf
from chexpert.config import compose_run


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("train", "demo")])
def test_wrong_option_is_one_error(name):
    done = run_cli(name, "--nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    message, where, hint = done.stderr.splitlines()
    assert message.startswith("error: ")
    assert (where.split(maxsplit=1), hint.split(maxsplit=1)) == (
        ["where:", f"chexpert {name}"],
        ["hint:", f"chexpert {name} --help"],
    )


def test_missing_argument_is_one_error():
    done = run_cli("predict", "nosuchrun", "x.csv")
    assert (done.returncode, find_places(done.stderr)) == (2, ["chexpert predict"])


def test_renamed_option_is_one_error():
    done = run_cli("evaluate", "--views", "max")
    assert (done.returncode, find_places(done.stderr)) == (2, ["chexpert evaluate"])


def test_interrupted_command_ends_in_one_line(monkeypatch):
    def interrupt(given):
        raise KeyboardInterrupt

    monkeypatch.setattr(chexpert.cli.networks, "run", interrupt)
    done = run_cli("networks", "resnet18")
    assert (done.returncode, len(done.stderr.splitlines())) == (130, 1)


def test_image_of_explain_is_optional():
    done = run_cli("explain")
    assert "RUN" in done.stderr
    assert "IMAGE" not in done.stderr


def test_demo_has_its_own_help():
    done = run_cli("demo", "--help")
    assert (done.returncode, len(done.stdout.splitlines()) < 10) == (0, True)
    assert "experiment=demo" in done.stdout


def test_stray_word_of_the_demo_is_its_own_error():
    done = run_cli("demo", "foo")
    assert (done.returncode, find_places(done.stderr)) == (2, ["foo"])


def test_unknown_tracker_has_the_form_of_a_list_in_its_hint():
    done = run_cli("train", "logger=[foo]")
    assert (done.returncode, find_places(done.stderr)) == (2, ["logger=[foo]"])
    assert done.stderr.rstrip().endswith(" logger=[tensorboard,csv]")


def test_unknown_network_is_one_error():
    done = run_cli("networks", "resnet18x")
    assert (done.returncode, find_places(done.stderr)) == (2, ["resnet18x"])
    assert " resnet18," in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "places"),
    [
        (["data=small", "data.root=/nonexistent"], ["data.root=/nonexistent"]),
        (["data=small", "data.root=/nonexistent", "hydra.run.dir=a/b/c"], ["data.root=/nonexistent"]),
        (["+hydra.job.env_set.CHEXPERT_ALLOW=json"], ["hydra.job.env_set.CHEXPERT_ALLOW"]),
    ],
)
def test_refused_run_leaves_nothing(tmp_path, monkeypatch, words, places):
    monkeypatch.chdir(tmp_path)
    done = run_cli("train", *words)
    assert (done.returncode, find_places(done.stderr)) == (2, places)
    assert list(tmp_path.iterdir()) == []


def test_refused_run_leaves_the_folders_that_were_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a").mkdir()
    run_cli("train", "data=small", "data.root=/nonexistent", "hydra.run.dir=a/b/c")
    assert list(Path("a").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "places"),
    [
        (b"defaults: [override /loss: bce\nname: x", ["own/experiment/bad.yaml, line 2"]),
        (b"a: [1\nb: 2", ["own/experiment/bad.yaml, line 2"]),
        (b"defaults: 3", ["own/experiment/bad.yaml"]),
        (b"defaults: [3]", ["own/experiment/bad.yaml"]),
        (b"- a\n- b", ["own/experiment/bad.yaml"]),
        (b"three", ["own/experiment/bad.yaml"]),
        ("name: r\u00f6ntgen".encode("latin-1"), ["own/experiment/bad.yaml"]),
        (b"", ["--config-dir=own experiment=bad"]),
        (b"# @package _global_\nnosuch: 3", ["--config-dir=own experiment=bad"]),
        (b"# @package _global_\nseed: abc", ["--config-dir=own experiment=bad"]),
        (b"# @package _global_\ndefaults: [override /loss: nosuch]", ["--config-dir=own experiment=bad"]),
        (b"# @package\nseed: 1", ["own/experiment/bad.yaml, line 1"]),
        (b"# @package _global_\nseed: 1\nseed: 2", ["--config-dir=own experiment=bad"]),
        (b"# @package _global_\ndefaults: [bad]", ["--config-dir own"]),
    ],
)
def test_bad_file_of_an_own_folder_is_one_error(tmp_path, monkeypatch, content, places):
    monkeypatch.chdir(tmp_path)
    file = Path("own/experiment/bad.yaml")
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    done = run_cli("train", "--config-dir", "own", "experiment=bad", "--cfg", "job")
    assert (done.returncode, "Traceback" in done.stderr, "HYDRA_FULL_ERROR" in done.stderr) == (2, False, False)
    assert [place.replace("--cfg=job ", "") for place in find_places(done.stderr)] == places


def test_environment_variable_of_a_setting_is_not_written_to_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHEXPERT_ROOT", "nowhere")
    monkeypatch.setenv("ADDRESS", "http://tracking.example")
    composed = compose_run(
        ["data=small", "logger.mlflow.tracking_uri=${oc.env:ADDRESS}", "logger=[mlflow]"], find_conf()
    )
    assert composed.config.logger.mlflow.tracking_uri == "http://tracking.example"
    assert "logger.mlflow.tracking_uri=${oc.env:ADDRESS}" in composed.overrides


def test_environment_variable_that_is_not_set_is_one_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ADDRESS", raising=False)
    done = run_cli("train", "logger=[mlflow]", "logger.mlflow.tracking_uri=${oc.env:ADDRESS}")
    assert (done.returncode, done.stderr.count("error: "), "Traceback" in done.stderr) == (2, 1, False)
