"""Targets that are learned from the folds of a sweep, or from expert labels of training studies."""

import json
import math
import re
import shutil

import numpy as np
import pytest
from helpers.cli import run_cli
from helpers.errors import raises
from helpers.folds import write_expert, write_folds, write_reports

from chexpert.data import LabelPolicy, read_frame
from chexpert.data.labels.learned_targets import describe_targets
from chexpert.data.sources.detect_layout import find_layout
from chexpert.inference.learn_targets import learn_targets
from chexpert.metrics.label_noise import count_truth
from chexpert.observations import COMPETITION
from chexpert.runs import files as run_files


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("reports")
    truth = write_reports(root, 600)
    return root, truth, write_folds(root / "sweep", root, truth)


@pytest.fixture
def folds(made, tmp_path):
    """A copy that a test may change, with its own copy of the tables."""
    root, _, sweep = made
    shutil.copytree(root / "CheXpert-v1.0-small", tmp_path / "CheXpert-v1.0-small")
    shutil.copytree(sweep, tmp_path / "sweep")
    for config in tmp_path.glob("sweep/*/config.yaml"):
        config.write_text(config.read_text().replace(str(root), str(tmp_path)))
    return tmp_path / "sweep"


def edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def select_labels(made, name, studies=None):
    root, truth, _ = made
    frame = read_frame(root / "CheXpert-v1.0-small/train.csv").head(studies or 600)
    return frame[name], [truth[own][COMPETITION.index(name)] for own in frame["patient"] + "/study1"]


def test_folds_recover_what_the_reports_mean(made):
    content = learn_targets(made[2], replicates=20)
    assert content["method"] == "expectation maximization"
    assert content["fitted_on"]["labels"] == "train.csv"
    assert (content["fitted_on"]["studies"], content["fitted_on"]["patients"]) == (600, 600)
    for name in COMPETITION:
        labels, shown = select_labels(made, name)
        counted = count_truth(labels, shown)
        for entry, own in zip(content["observations"][name].values(), counted, strict=True):
            assert entry["n"] == own.n
            if own.n > 100:
                assert abs(entry["value"] - own.value) < 0.1
                assert entry["ci_low"] <= entry["value"] <= entry["ci_high"]


def test_expert_labels_are_counted(made, tmp_path):
    file = write_expert(tmp_path / "expert.csv", made[1], 200)
    content = learn_targets(made[2], file)
    assert content["fitted_on"]["studies"] == 200
    entries = content["observations"]["Edema"]
    for entry, own in zip(entries.values(), count_truth(*select_labels(made, "Edema", 200)), strict=True):
        assert entry["n"] == own.n
        assert (entry["value"] or 0) == pytest.approx(0 if math.isnan(own.value) else own.value, abs=1e-6)


def test_policy_reads_what_the_command_writes(made, tmp_path):
    out = tmp_path / "targets.json"
    done = run_cli("learn-targets", str(made[2]), "--out", str(out), "--bootstrap", "10")
    assert done.returncode == 0, done.stderr
    assert f"labels.file={out}" in done.stdout
    written = json.loads(out.read_text())["observations"]["Edema"]
    frame = read_frame(made[0] / "CheXpert-v1.0-small/train.csv")
    targets = LabelPolicy("learned", "learned", certain="learned", file=out).apply(frame, ["Edema"]).values[:, 0]
    for label, key in ((1, "1"), (0, "0"), (-1, "-1")):
        assert np.unique(targets[frame["Edema"] == label]).tolist() == [np.float32(written[key]["value"])]
    again = run_cli("learn-targets", str(made[2]), "--out", str(out))
    assert again.returncode == 2


def test_one_run_with_a_development_split_is_enough(folds):
    edit(folds / "0/config.yaml", "folds: 2, fold: 0", "dev: 0.5")
    content = learn_targets(folds / "0", replicates=10)
    assert 200 < content["fitted_on"]["studies"] < 400


def test_data_that_have_moved_are_given_by_their_root(folds):
    moved = folds.parent / "elsewhere"
    moved.mkdir()
    (folds.parent / "CheXpert-v1.0-small").rename(moved / "CheXpert-v1.0-small")
    for config in folds.glob("*/config.yaml"):
        config.write_text(re.sub("root: '[^']*'", "root: /no/such/folder", config.read_text()))
    with raises("missing-folder", "/no/such/folder"):
        learn_targets(folds)
    assert learn_targets(folds, root=moved, replicates=10)["fitted_on"]["studies"] == 600


def test_run_that_held_nobody_out_is_an_error(folds):
    edit(folds / "0/config.yaml", "folds: 2, fold: 0", "dev: null")
    with raises("missing-split", folds / "0"):
        learn_targets(folds / "0")


def test_run_that_began_from_another_is_an_error(folds):
    for fold in (0, 1):
        edit(folds / f"{fold}/config.yaml", "seed: 0", "seed: 0\nstart_from: outputs/other")
    with raises("conflict", folds / "0"):
        learn_targets(folds)


def test_file_of_predictions_is_an_error(folds):
    file = run_files.predictions(folds / "0", "train")
    file.write_text("Path,Edema\n")
    with raises("missing-run", file):
        learn_targets(file)


def test_unfinished_run_is_an_error(folds):
    file = run_files.predictions(folds / "1", "dev")
    file.unlink()
    with raises("missing-run", folds):
        learn_targets(folds)


def test_folds_of_two_seeds_are_an_error(folds):
    for fold in (0, 1):
        shutil.copytree(folds / str(fold), folds / str(2 + fold))
        edit(folds / f"{2 + fold}/config.yaml", "seed: 0", "seed: 1")
    with raises("repeated", folds):
        learn_targets(folds)


def test_predictions_of_other_observations_are_an_error(folds):
    edit(run_files.predictions(folds / "1", "dev"), "Path,Atelectasis", "Path,Fracture")
    with raises("other-observations", folds / "1"):
        learn_targets(folds)


def test_folds_of_other_labels_are_an_error(folds):
    edit(folds / "1/config.yaml", "labeler: null", "labeler: chexbert")
    with raises("other-config", f"{folds / '0'}, {folds / '1'}"):
        learn_targets(folds)


def test_labels_that_have_changed_are_an_error(folds):
    table = folds.parent / "CheXpert-v1.0-small/train.csv"
    lines = table.read_text().splitlines()
    lines[1:] = [re.sub(r"(,AP)(.*),[^,]*$", r"\1\2,1.0", line) for line in lines[1:]]
    table.write_text("\n".join(lines) + "\n")
    with raises("other-data", folds.parent / "CheXpert-v1.0-small"):
        learn_targets(folds)


def test_corrections_of_what_is_evaluated_are_read_as_the_run_read_them(folds, made):
    """The folds held out corrected labels, so their fingerprints are of those."""
    root, studies = folds.parent, ["train/patient00001/study1", "valid/patient64541/study1"]
    plain = learn_targets(folds, replicates=10)
    frame = find_layout(root).read("train")
    label = 0 if frame["Edema"][0] == 1 else 1
    file = root / "corrections.csv"
    file.write_text("Study,observation,corrected\n" + "".join(f"{name},Edema,{label}\n" for name in studies))
    frame.loc[0, "Edema"] = label
    shutil.rmtree(folds)
    write_folds(folds, root, made[1], frame=frame)
    for config in folds.glob("*/config.yaml"):
        edit(config, "labeler: null", f"labeler: null, corrections: '{file}', correct_evaluated: true")
    content = learn_targets(folds, replicates=10)
    ones = [own["observations"]["Edema"]["1"]["n"] for own in (content, plain)]
    assert ones[0] - ones[1] == (1 if label else -1)
    assert content["fitted_on"]["fingerprint"] != plain["fitted_on"]["fingerprint"]
    for config in folds.glob("*/config.yaml"):
        edit(config, "correct_evaluated: true", "correct_evaluated: false")
    with raises("other-data", root / "CheXpert-v1.0-small"):  # then the held-out labels would not be the corrected ones
        learn_targets(folds)


def test_a_low_fitted_auroc_is_a_warning(made):
    content = learn_targets(made[2], replicates=10)
    assert set(content["fitted_auroc"]) == set(COMPETITION)
    assert all(0.9 < auroc < 1 for auroc in content["fitted_auroc"].values())  # planted: Phi(2.5 / sqrt 2) = .961
    others = dict.fromkeys(COMPETITION, 0.95) | {"Edema": 0.86}
    line = list(describe_targets(content | {"fitted_auroc": others}))[-1]
    assert line.startswith("warning")
    assert "Edema 0.86;" in line
    lines = list(describe_targets(content | {"fitted_auroc": others | {"Edema": 0.95}}))
    assert not any("warning" in line for line in lines)


def test_the_file_names_no_folder_of_this_machine(made, tmp_path):
    """It is made to be passed on, and every run that is trained by it copies it."""
    expert = write_expert(tmp_path / "expert.csv", made[1], 100)
    for content in (learn_targets(made[2], replicates=10), learn_targets(made[2], expert)):
        assert content["fitted_on"]["runs"][0] == "0"
        assert str(made[0]) not in json.dumps(content)


def test_too_few_studies_are_an_error(tmp_path):
    truth = write_reports(tmp_path, 30)
    sweep = write_folds(tmp_path / "sweep", tmp_path, truth)
    with raises("too-few"):
        learn_targets(sweep)
    with raises("too-few"):
        learn_targets(sweep, write_expert(tmp_path / "expert.csv", truth, 8))


def test_expert_labels_of_a_reported_set_are_an_error(made, tmp_path):
    valid = {name: shown for name, shown in made[1].items() if name >= "patient64541"}
    file = write_expert(tmp_path / "expert.csv", valid, 5, "valid")
    with raises("shared-patients", file):
        learn_targets(made[2], file)


def test_expert_labels_of_a_reported_patient_are_an_error(made, tmp_path):
    """A further study of this patient is in train."""
    file = write_expert(tmp_path / "expert.csv", made[1], 100)
    with file.open("a") as stream:
        stream.write("CheXpert-v1.0/train/patient64541/study2,0,0,0,0,0\n")
    with raises("shared-patients", file) as caught:
        learn_targets(made[2], file)
    assert "1 of 101 patients" in caught.value.message


def test_expert_labels_of_unknown_studies_are_an_error(made, tmp_path):
    file = write_expert(tmp_path / "expert.csv", {"patient00700/study1": np.zeros(5)}, 1)
    with raises("no-overlap", file):
        learn_targets(made[2], file)


def test_expert_labels_without_report_labels_are_counted_and_printed(made, tmp_path):
    file = write_expert(
        tmp_path / "expert.csv", dict(list(made[1].items())[:100]) | {"patient00700/study1": np.zeros(5)}, 101
    )
    edit(file, ",Pleural Effusion", ",Note")
    done = run_cli("learn-targets", str(made[2]), "--expert", str(file), "--out", str(tmp_path / "targets.json"))
    assert done.returncode == 0, done.stderr
    assert "left out: 1 expert" in done.stdout
    assert "left out: Pleural Effusion" in done.stdout


def test_expert_labels_of_other_observations_are_an_error(made, tmp_path):
    file = tmp_path / "expert.csv"
    file.write_text("Study,Fracture\nCheXpert-v1.0/train/patient00001/study1,1\n")
    with raises("other-observations", file):
        learn_targets(made[2], file)
