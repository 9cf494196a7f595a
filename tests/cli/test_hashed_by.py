"""--hashed-by of models of the Hub, whose salt lies in the cache."""

import hashlib
import json
from unittest import mock

import pytest
from helpers.cli import run_cli
from huggingface_hub import constants

from chexpert.runs.anonymize import SALT, hash_name

COMMIT = "0123456789" * 4
NAME = f"hf:me/model@{COMMIT}"


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """A commit in the cache of the Hub, with the salt that ``chexpert predict`` leaves there."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "hub/models--me--model/snapshots" / COMMIT
    folder.mkdir(parents=True)
    (folder / "best.safetensors").write_bytes(b"weights")
    digests = {"best.safetensors": hashlib.sha256(b"weights").hexdigest()}
    (folder / "best.json").write_text(json.dumps({"sha256": digests}))
    (folder / SALT).write_text("secret")
    return folder / "best.safetensors"


def test_names_hashed_by_a_model_of_the_hub_are_joined(cached, tmp_path):
    names, labels = [tmp_path / "p.csv", tmp_path / "l.csv"]
    files = {"a.png": (0.9, 1), "b.png": (0.2, 0), "c.png": (0.4, 0)}
    hashed = {hash_name(file, "secret"): own for file, own in files.items()}
    names.write_text("Study,Edema\n" + "".join(f"{name},{own[0]}\n" for name, own in hashed.items()))
    labels.write_text("Study,Edema\n" + "".join(f"{file},{own[1]}\n" for file, own in files.items()))
    done = run_cli(
        "evaluate", "--predictions", names, "--labels", labels, "--out", tmp_path / "e.json", "--bootstrap", 10,
        "--mean-over", "Edema", "--hashed-by", NAME,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "e.json").read_text())["auroc"]["Edema"]["value"] == 1


@pytest.mark.parametrize(
    ("words", "function"),
    [
        ("compare {}/p.csv --labels {}/l.csv", "chexpert.evaluation.compare"),
        ("defer {}", "chexpert.inference.defer.defer"),
        ("recalibrate {} --labels {}/l.csv --out {}/new", "chexpert.evaluation.recalibrate.recalibrate"),
    ],
)
def test_every_command_takes_a_model_of_the_hub(cached, tmp_path, words, function):
    with mock.patch(function, side_effect=SystemExit(7)) as called:
        done = run_cli(*words.replace("{}", str(tmp_path)).split(), "--hashed-by", NAME, tmp_path)
    assert (done.returncode, called.call_args.kwargs["hashed_by"]) == (7, [cached, tmp_path])
