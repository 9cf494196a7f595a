"""A run by learned targets: what it prints and keeps of them, and what is checked when it resumes."""

import json

import pytest
from helpers.errors import raises
from helpers.learned_targets import make_targets, write_targets
from helpers.resumed_runs import SHORT, stop_at
from helpers.runs import start

from chexpert.observations import COMPETITION
from chexpert.runs import files as run_files
from chexpert.signals import Stopped

VALUES = {name: [0.9, 0.05, 0.5, 0.1] for name in COMPETITION}


def test_run_keeps_and_prints_its_targets(tmp_path, phantom, capsys):
    file = write_targets(tmp_path / "targets.json", VALUES | {"Fracture": [None] * 4}, synthetic=True)
    start(tmp_path / "run", phantom, "labels=learned", f"labels.file={file}", "explainer=[]")
    kept = json.loads((tmp_path / "run" / run_files.DATA).read_text())["learned_targets"]
    assert kept == make_targets(VALUES, synthetic=True) | {"fingerprint": kept["fingerprint"]}
    assert kept["fingerprint"] == json.loads(file.read_text())["fingerprint"]
    printed = capsys.readouterr()
    assert "-1: 0.50 [0.25, 0.50] (100)" in printed.out + printed.err


def test_three_classes_are_trained_beside_learned_targets(tmp_path, phantom):
    file = write_targets(tmp_path / "targets.json", VALUES, synthetic=True)
    rules = "labels.uncertain={Cardiomegaly: three_class}"
    start(tmp_path / "run", phantom, "labels=learned", f"labels.file={file}", rules, "explainer=[]")


def test_targets_of_other_labels_are_an_error(tmp_path, phantom):
    file = write_targets(tmp_path / "targets.json", VALUES, synthetic=False)
    with raises("other-data", "labels.file"):
        start(tmp_path / "run", phantom, "labels=learned", f"labels.file={file}", "explainer=[]")


def test_resumed_run_has_the_targets_that_it_began_with(tmp_path, phantom, monkeypatch):
    file = write_targets(tmp_path / "targets.json", VALUES, synthetic=True)
    options = [*SHORT, "labels=learned", f"labels.file={file}"]
    with monkeypatch.context() as patch:
        stop_at(patch, "training_step", 7)
        with pytest.raises(Stopped):
            start(tmp_path / "run", phantom, *options)
    write_targets(file, VALUES | {"Edema": [0.8, 0.05, 0.5, 0.1]}, synthetic=True)
    with raises("other-data") as caught:
        start(tmp_path / "run", phantom, *options, "resume=auto")
    assert "other targets" in caught.value.message
    file.unlink()
    moved = write_targets(tmp_path / "moved.json", VALUES, synthetic=True)
    start(tmp_path / "run", phantom, *options[:-1], f"labels.file={moved}", "resume=auto")
