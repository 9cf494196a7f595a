"""No name of a patient, study or image stands in what a report writes, whichever data set it is of."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers.cli import run_cli
from helpers.external_trees import write_mimic, write_nih, write_padchest, write_rsna, write_vindr
from helpers.report_runs import CONFIG, STATE, edit_json, make_run
from helpers.scored_explainers import write_run

from chexpert.data.sources.detect_layout import find_layout
from chexpert.evaluation.join import join_labels
from chexpert.evaluation.predictions import Named, read_labels, read_predictions
from chexpert.inference.inputs import InputImage
from chexpert.inference.output_table import hash_own_names
from chexpert.inference.result_rows import ResultRows
from chexpert.metrics import find_study
from chexpert.report import write_report
from chexpert.report.names import HIDDEN, hide_value, names_file
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import is_hash, name_safely
from chexpert.runs.identifiers import SETS, is_public, names_patient

WRITERS = {
    "nih": write_nih, "mimic": write_mimic, "vindr": write_vindr, "rsna": write_rsna, "padchest": write_padchest,
}  # fmt: skip
LEAST = 8
"""Characters of an identifier: ``study1`` is none."""


@pytest.fixture(scope="module", params=SETS)
def frame(request, tmp_path_factory):
    layout = find_layout(WRITERS[request.param](tmp_path_factory.mktemp(request.param)))
    return layout.read("train")


@pytest.fixture
def run(frame, tmp_path):
    """A run whose files name images, patients and studies in every place that a report reads."""
    paths, row = list(frame["path"]), frame.iloc[0]
    folder = make_run(tmp_path / "run", images=paths[:8], rows=40)
    edit_json(folder / run_files.METRICS, lambda content: content | {"skipped": [paths[0], row["view"]]})
    why = f"patient {row['patient']} is in both train and valid"
    words = [f"explain.views=[{paths[0]}]", f"labels.corrections={row['view']}", f"+note={row['patient']}"]
    run_files.write_json(folder / run_files.STATE, STATE | {"why": why, "overrides": words})
    config = CONFIG | {"explain": {"views": paths[:2]}, "note": row["patient"], "start": row["view"]}
    (folder / run_files.CONFIG).write_text(yaml.safe_dump(config))
    left_out = {"predictions": paths[:3], "labels": [row["patient"], row["view"]]}
    edit_json(folder / run_files.EVALUATION / "valid.json", lambda content: content | {"left_out": left_out})
    return folder


def list_identifiers(frame):
    """Whatever the reader calls an image, its patient and its study, in full and without the folders."""
    columns = [frame[column] for column in ("path", "key", "patient", "study", "view", "place")]
    parts = {name.rpartition("/")[2].rpartition(".")[0] or name for column in columns for name in column}
    return {name for name in parts.union(*columns) if len(name) >= LEAST}


def test_nothing_that_a_report_writes_has_an_identifier(frame, run):
    before = {path for path in run.rglob("*") if path.is_file()}
    page = write_report(run)
    written = [path for path in run.rglob("*") if path.is_file() and (path not in before or path == page)]
    assert {path.name for path in written} == {"report.html", "MODEL_CARD.md", "ids.salt"}
    identifiers = list_identifiers(frame)
    assert len(identifiers) > len(frame)
    for path in written:
        text = path.read_text()
        assert [name for name in identifiers if name in text] == []
    shown = write_report(run, ids="path", out=run.parent / "shown.html").read_text()
    assert frame["path"].iloc[0] in shown
    assert frame["patient"].iloc[0] in shown


def test_flags_of_a_study_name_no_view(frame):
    images = [InputImage(name, name) for name in frame["path"]]
    rows = ResultRows(images, (), "study", "max", ["Edema"], lambda name: name_safely(name, "pepper"))
    flags = rows.flag({image.name: "inverted" for image in images})[run_files.FLAGS]
    assert all("inverted" in text for text in flags)
    assert [name for name in list_identifiers(frame) for text in flags if name in text] == []


def test_views_of_chexpert_are_named_in_flags():
    name = "CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg"
    rows = ResultRows([InputImage(name, name)], (), "study", "max", ["Edema"], lambda one: name_safely(one, "pepper"))
    assert rows.flag({name: "inverted"}) == {run_files.FLAGS: ["view1_frontal.jpg: inverted"]}


def test_one_image_has_one_hash_in_every_command(frame):
    images = [InputImage(name, name) for name in frame["path"]]
    assert hash_own_names(images, [Path("labels.csv")], "pepper") == {}


def test_each_identifier_is_recognized_in_a_text(frame):
    for column in ("path", "patient", "view"):
        for name in frame[column]:
            assert names_patient(f"the first: {name}, line 3")
            assert names_file(name)
            assert hide_value("note", name) == HIDDEN
    assert all(names_patient(study) for study in frame["study"] if len(study) >= LEAST)


def test_tables_of_predictions_name_views_and_studies_by_hashes_and_are_still_evaluated(frame, tmp_path):
    salt = "pepper"
    (tmp_path / "ids.salt").write_text(f"{salt}\n")
    paths, labels = list(frame["path"]), tmp_path / "labels.csv"
    assert all(map(is_public, paths))
    run_files.write_table(labels, ["Path", "Edema"], [(path, row % 2) for row, path in enumerate(paths)])
    for key, names in (("Path", paths), ("Study", list(dict.fromkeys(map(find_study, paths))))):
        called = [name_safely(name, salt) for name in names]
        assert all(map(is_hash, called))
        predictions = tmp_path / f"{key}.csv"
        run_files.write_predictions(predictions, ["Edema"], [(name, [0.5]) for name in called], key=key)
        level = "image" if key == "Path" else "study"
        rows = read_labels(labels) if key == "Path" else Named(labels, "Study", names, {"Edema": np.zeros(len(names))})
        joined = join_labels(read_predictions(predictions), rows, level)
        assert set(joined.names) == set(names)
        assert joined.left_out == {"predictions": [], "labels": []}
    views = Named(labels, "Path", paths, {"Edema": np.zeros(len(paths))})
    assert set(join_labels(read_predictions(tmp_path / "Study.csv"), views).names) == set(map(find_study, paths))


@pytest.mark.parametrize(
    "text",
    [
        "resnet10t", "2026-11-25T06:04:12+00:00", "ab" * 32, "id-a1497aa4f99d", "5 patients in 12 studies", "study1",
        "hf:OWNER/NAME@" + "ab" * 20, "p.25", "vit_base_patch14_dinov2", "1e-3", "densenet121.ra_in1k", "20261125",
        "0.00023441242342342343", "0.3333333333333333", "1.2345678901234567e-05", "seed=20251130123456789",
    ],
)  # fmt: skip
def test_other_words_are_no_identifiers(text):
    assert not names_patient(text)


def test_names_of_chexpert_are_identifiers_too():
    assert names_patient("patient64541 is in both")
    assert names_patient("valid/patient64541/study1/view1_frontal.jpg")


def test_leaderboard_of_explainers_has_no_identifier(frame, tmp_path):
    values = {"iou": [0.5, 0.6], "hit": [1.0, 0.0], "chance": [0.1, 0.1], "reachable": [0.9, 0.9]}
    run = write_run(tmp_path / "run", {"lime": {"Edema": values}})
    row = frame.iloc[0]
    entry = {"view": row["path"], "observation": "Edema", "probability": 0.5, "note": row["view"], "superpixels": 60}
    (run / "explanations/lime").mkdir(exist_ok=True)
    entry |= {"options": {"patient": row["patient"], "kernel": 3}}
    (run / "explanations/lime" / run_files.MANIFEST).write_text(json.dumps([entry]))
    done = run_cli("explain-leaderboard", run, "--bootstrap", 20, "--out", tmp_path / "board")
    assert done.returncode == 0, done.stderr
    written = [done.stdout, *(path.read_text() for path in Path(tmp_path / "board").iterdir())]
    identifiers = list_identifiers(frame)
    assert [name for text in written for name in identifiers if name in text] == []
