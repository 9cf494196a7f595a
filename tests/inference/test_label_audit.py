"""The audit of labels on run folders whose predictions are made up: no model is trained."""

import csv
import json
import re

import numpy as np
import pytest
import yaml
from helpers.errors import raises

from chexpert.data import CheXpertDataModule, LabelPolicy
from chexpert.inference.label_audit import audit_labels, write_audit
from chexpert.inference.neighbors import compute_features, select_neighbors
from chexpert.runs import files as run_files

NAMES = ["Edema", "Fracture"]
WRONG = {3: 0.97, 8: 0.96}
"""Patients whose Edema is labeled 0 although the made-up models see it."""


@pytest.fixture
def root(write_chexpert, make_row):
    """Thirty patients: Edema 1 of every third, uncertain of patient 5, blank of 7; Fracture 1 of every second."""
    rows = []
    for patient in range(30):
        edema = {5: "-1.0", 7: ""}.get(patient, "1.0" if patient % 3 == 0 and patient not in WRONG else "0.0")
        rows.append(make_row({"Edema": edema, "Fracture": f"{patient % 2}.0"}, patient=patient))
    return write_chexpert(rows)


@pytest.fixture
def make_run(root, tmp_path):
    """Writes the folder of a run that holds patients out: config, data.json and predictions/dev.csv."""

    def make(name, *, seed=0, state="finished", shown=root, **options):
        folder = tmp_path / "runs" / name
        options = {"image_size": 16, "num_workers": 0, "root": str(shown)} | options
        data = CheXpertDataModule(observations=NAMES, labels=LabelPolicy("ignore"), seed=seed, **options)
        data.setup("fit")
        node = {"_target_": "chexpert.data.CheXpertDataModule"} | options
        config = {"seed": seed, "observations": NAMES, "data": node, "labels": {"uncertain": "ignore"}}
        run_files.write_json(folder / run_files.DATA, data.summarize())
        (folder / run_files.CONFIG).write_text(yaml.safe_dump(config))
        run_files.write_json(folder / run_files.STATE, {"state": state, "why": "a reason"})
        if state == "finished":
            for split in set(data.frames) & {"dev", "valid"}:
                paths = list(data.frames[split]["path"])
                rows = [(path, predict(path)) for path in paths]
                run_files.write_predictions(run_files.predictions(folder, split), NAMES, rows)
        return folder

    return make


def predict(path):
    patient = int(re.search("patient0*([0-9]+)", path)[1])
    return [WRONG.get(patient, 0.9 if patient % 3 == 0 else 0.1), 0.8 if patient % 2 else 0.2]


@pytest.fixture
def folds(make_run):
    return [make_run(f"sweep/{fold}", folds=3, fold=fold) for fold in range(3)]


def read_rows(path):
    return list(csv.DictReader(path.open()))


def test_all_folds_audit_every_training_label(folds, tmp_path):
    audit = audit_labels([folds[0].parent], top="3")
    assert audit.content["views"] == 30
    edema, fracture = audit.issues
    assert (edema.positives, edema.negatives, edema.blanks, edema.uncertain) == (9, 20, 1, 1)
    first = {audit.views.names[one.row][26:38] for one in edema.issues[:2]}
    assert first == {f"patient{patient:05d}" for patient in WRONG}
    assert [one.suggested for one in edema.issues[:2]] == ["1", "1"]
    assert [audit.views.names[one.row][26:38] for one in edema.resolved] == ["patient00005"]
    assert edema.resolved[0].suggested == "0"
    assert fracture.errors == (0, 0)
    content = json.loads(json.dumps(audit.content))
    assert content["observations"]["Edema"]["share_wrong_negatives"] == pytest.approx(2 / 20)


def test_seeds_are_averaged(folds, make_run):
    more = [make_run(f"more/{fold}", folds=3, fold=fold, seed=1) for fold in range(3)]
    audit = audit_labels([*folds, *more])
    assert audit.content["source"] == "3 folds of 2 seeds"
    assert len(set(audit.views.names)) == len(audit.views.names) == 30


def test_files_and_page(folds, tmp_path):
    audit = audit_labels(folds, top="4")
    out = tmp_path / "out"
    paths = write_audit(out, audit, sheet=2, neighbors=2)
    assert [path.name for path in paths] == [
        "label_issues.csv", "uncertain_labels.csv", "label_issues.html", "label_issues.json",
    ]  # fmt: skip
    rows = read_rows(out / "label_issues.csv")
    assert len(rows) == 8
    assert (rows[0]["observation"], rows[0]["label"], rows[0]["suggested"], rows[0]["corrected"]) == (
        "Edema",
        "0",
        "1",
        "",
    )
    assert [row["label"] for row in read_rows(out / "uncertain_labels.csv")] == ["-1"]
    page = (out / "label_issues.html").read_text()
    assert page.count('<article class="card">') == 4
    assert page.count("data:image/jpeg;base64,") == 4 * 3
    assert "thumbnails" in page  # there is no model
    assert not re.search(r"(?:src|href)=.?https?:", page)
    assert rows[0]["Path"] in page


def test_names_are_hashed_by_choice(folds, tmp_path):
    audit = audit_labels(folds, top="4")
    write_audit(tmp_path / "paths", audit, sheet=1, neighbors=0)
    write_audit(tmp_path / "hashes", audit, ids="hash", sheet=1, neighbors=1)
    text = "".join((tmp_path / "hashes" / name).read_text() for name in ("label_issues.csv", "label_issues.html"))
    assert "patient0" not in text
    assert "id-" in text
    ranks = [[row["score"] for row in read_rows(tmp_path / name / "label_issues.csv")] for name in ("paths", "hashes")]
    assert ranks[0] == ranks[1]


def test_a_filled_list_goes_back_in(folds, root, tmp_path):
    write_audit(tmp_path / "out", audit_labels(folds, top="2"), sheet=0)
    path = tmp_path / "out" / "label_issues.csv"
    rows = read_rows(path)
    for row in rows:
        row["corrected"] = "1" if row["observation"] == "Edema" else ""
    run_files.write_table(path, list(rows[0]), [list(row.values()) for row in rows])
    options = {"observations": NAMES, "labels": LabelPolicy("ignore"), "image_size": 16, "num_workers": 0}
    data = CheXpertDataModule(root, corrections=path, **options)
    data.setup("fit")
    assert data.summarize()["corrections"]["changed"] == {"Edema": {"0 to 1": 2}}
    assert data.frames["train"].set_index("patient")["Edema"]["patient00003"] == 1


def test_one_run_has_its_held_out_views_audited(make_run):
    run = make_run("one", dev=0.5)
    audit = audit_labels([run])
    assert audit.content["source"] == "one run, its dev split"
    assert 5 < len(audit.views.names) < 25
    assert audit.views.unpredicted == 0
    assert audit_labels([run], split="valid").content["labels_of"] == "valid.csv"


def test_corrected_training_labels_leave_held_out_ones_as_they_were(make_run, root, tmp_path):
    file = tmp_path / "corrections.csv"
    name = "CheXpert-v1.0-small/train/patient00003/study1/view1_frontal.jpg"
    file.write_text(f"Path,observation,corrected\n{name},Edema,1\n")
    runs = [make_run(f"corrected/{fold}", folds=2, fold=fold, corrections=str(file)) for fold in range(2)]
    audit = audit_labels(runs)
    assert audit.views.labels[list(audit.views.names).index(name), 0] == 0
    runs = [
        make_run(f"all/{fold}", folds=2, fold=fold, corrections=str(file), correct_evaluated=True) for fold in range(2)
    ]
    audit = audit_labels(runs)
    assert audit.views.labels[list(audit.views.names).index(name), 0] == 1


def test_training_views_are_refused(make_run):
    with raises("conflict", "--split train"):
        audit_labels([make_run("one", dev=0.5)], split="train")


def test_a_run_that_holds_nothing_out_is_refused(make_run):
    run = make_run("plain")
    with raises("missing-split", run) as caught:
        audit_labels([run])
    assert "--split valid" in caught.value.hint


def test_missing_folds_are_named(folds, make_run):
    with raises("missing-run", folds[0].parent) as caught:
        audit_labels(folds[:2])
    assert "fold 2" in caught.value.message
    failed = make_run("sweep/3", folds=3, fold=2, state="failed")
    with raises("missing-run") as caught:
        audit_labels([*folds[:2], failed])
    assert "a reason" in caught.value.message


def test_mixed_runs_are_refused(folds, make_run):
    with raises("other-config"):
        audit_labels([*folds, make_run("other", folds=2, fold=0)])
    with raises("other-config"):
        audit_labels([*folds, make_run("dev", dev=0.5)])
    with raises("other-config") as caught:
        audit_labels([*folds[:2], make_run("larger", folds=3, fold=2, image_size=24)])
    assert "data.image_size" in caught.value.message
    with raises("repeated"):
        audit_labels([*folds, make_run("again", folds=3, fold=2)])
    with raises("conflict", "--split valid"):
        audit_labels(folds, split="valid")


def test_other_labels_than_the_runs_saw_are_refused(folds, root):
    table = root / "CheXpert-v1.0-small" / "train.csv"
    table.write_text(table.read_text().replace(",-1.0,", ",1.0,"))
    with raises("other-data"):
        audit_labels(folds)


def test_an_observation_that_the_model_lacks_is_refused(folds):
    with raises("unknown-observation", "--observations"):
        audit_labels(folds, observations=["Pneumonia"])
    assert [own.observation for own in audit_labels(folds, observations=["Fracture"]).issues] == ["Fracture"]


def test_studies_are_no_views(folds):
    path = run_files.predictions(folds[0], "dev")
    path.write_text("Study,Edema,Fracture\ntrain/patient00001/study1,0.1,0.2\n")
    with raises("not-probability", path):
        audit_labels(folds)


def test_neighbors_are_of_other_patients():
    features = np.array([[1.0, 0], [0.9, 0.1], [0.6, 0.8], [0, 1.0]])
    assert select_neighbors(features, ["a", "a", "b", "c"], [0, 3], 2) == [[2, 3], [2, 1]]


def test_no_images_have_no_neighbors(tmp_path):
    features, _ = compute_features(tmp_path, [])
    assert features.shape == (0, 0)
    assert select_neighbors(features, [], [], 3) == []
