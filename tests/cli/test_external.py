"""``chexpert external``: what it writes and names, and how other commands read it."""

import csv
import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.cli import run_cli
from helpers.errors import raises
from helpers.external_trees import write_mimic, write_nih, write_rsna, write_vindr

from chexpert.data.sources.external import SETS
from chexpert.data.sources.external.open_set import open_external
from chexpert.evaluation import evaluate_files
from chexpert.inference.drift_sets import read_given
from chexpert.inference.inputs import list_images
from chexpert.metrics import LocalMap, write_map


@pytest.fixture(scope="module")
def nih(tmp_path_factory):
    return write_nih(tmp_path_factory.mktemp("nih"))


def read(path):
    with Path(path).open() as file:
        return list(csv.DictReader(file))


def test_labels_of_the_test_split_and_what_is_left_out(nih, tmp_path):
    out = tmp_path / "out"
    done = run_cli("external", str(nih), str(out))
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ("Infiltration", "Support Devices", "12 of 12 views, 6 patients"))
    rows = read(out / "labels.csv")
    assert len(rows) == 12
    assert not {"Lung Opacity", "Fracture", "Support Devices", "Enlarged Cardiomediastinum"} & rows[0].keys()
    assert rows[0]["Path"] == "ChestX-ray14/patient00002/study1/00000002_000.png"
    assert [rows[0][name] for name in ("Sex", "Age", "Frontal/Lateral", "AP/PA", "Edema", "Pneumonia")] == [
        "Male", "22", "Frontal", "PA", "1.0", "0.0",
    ]  # fmt: skip
    assert sorted(path.name for path in out.iterdir()) == ["boxed.csv", "labels.csv", "masks.json"]


def test_table_leads_to_the_images_and_predictions_are_evaluated_on_counterparts_alone(nih, tmp_path):
    out = tmp_path / "out"
    run_cli("external", str(nih), str(out))
    images, aside = list_images([out / "labels.csv"], [nih])
    assert aside == {}
    assert all(Path(image.file).is_file() for image in images)
    assert images[0].study == "ChestX-ray14/patient00002/study1"
    predictions = tmp_path / "p.csv"
    lines = [f"{image.study},{number / 20},0.5" for number, image in enumerate(images)]
    predictions.write_text("\n".join(["Study,Edema,Fracture", *lines]) + "\n")
    content = evaluate_files(predictions, out / "labels.csv", replicates=20)
    assert list(content["auroc"]) == ["Edema"]
    assert content["not_judged"]["predictions"] == ["Fracture"]
    assert content["studies"] == 12


def test_drift_reads_all_splits_with_their_circumstances(nih):
    found = read_given(SimpleNamespace(config={"data": {"views": "frontal"}}), nih)
    assert len(found.images) == 24
    assert len(set(found.patients)) == 12
    assert set(found.metadata["sex"]) == {"Male", "Female"}


def test_printed_commands_name_one_explainer_and_the_observations_with_masks(nih, tmp_path):
    out = tmp_path / "out"
    lines = run_cli("external", str(nih), str(out)).stdout.splitlines()
    explain, localize = (next(line for line in lines if line.startswith(word)) for word in ("explain:", "localize:"))
    words = shlex.split(explain)
    assert words[words.index("--explainer") + 1] == "gradcam"
    assert words[words.index("--observations") + 1 : words.index("--out")] == ["Cardiomegaly", "Lung Lesion"]
    assert words[words.index("--out") + 1] == str(out / "maps")
    words = shlex.split(localize.partition("chexpert ")[2])
    maps = Path(words[words.index("--maps") + 1])
    assert maps == out / "maps" / "gradcam" / "maps"
    for view, names in json.loads((out / "masks.json").read_text()).items():
        for name in names:
            file = maps / f"{view}_{name}_map.npz"
            write_map(file, LocalMap(np.linspace(0, 1, 48 * 48).reshape(48, 48), 0.6, 48, 48))
    words[-1] = str(tmp_path / "localized.json")
    done = run_cli(*words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("write", [write_mimic, write_rsna, write_vindr])
def test_other_sets_are_written_too(write, tmp_path):
    root = write(tmp_path / "root")
    assert run_cli("external", str(root), str(tmp_path / "out"), "--split", "train").returncode == 0
    images, _ = list_images([tmp_path / "out" / "labels.csv"], [root])
    assert images
    assert all(image.file for image in images)


def test_errors_name_what_is_wrong(nih, tmp_path, write_chexpert, make_row):
    copy = write_chexpert([make_row({"Edema": "1.0"})])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for root, out, options in (
        (copy, "a", []),
        (nih, "full", []),
        (nih, "a", ["--views", "lateral"]),
        (nih, "a", ["--labeler", "negbio"]),
        (tmp_path / "full", "a", []),
    ):
        done = run_cli("external", str(root), str(tmp_path / out), *options)
        assert done.returncode == 2
        assert done.stderr.count("error:") == 1
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "a").exists()


def test_wrong_folder_names_the_tables_looked_for_and_what_is_there(tmp_path):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "archive.zip").touch()
    done = run_cli("external", str(tmp_path), str(tmp_path / "out"))
    assert done.returncode == 2
    for data_set in SETS.values():
        assert data_set.expected in done.stderr
        assert data_set.name in done.stderr
    assert "archive.zip, notes.txt" in done.stderr
    assert "CheXpert-v1.0" not in done.stderr
    below = write_nih(tmp_path / "above" / "nih", 2)
    done = run_cli("external", str(below.parent), str(tmp_path / "out"))
    assert f"give {below}" in done.stderr
    with raises("missing-dataset", tmp_path):
        open_external(tmp_path)
    with raises("missing-folder", tmp_path / "gone"):
        open_external(tmp_path / "gone")
    write_rsna(tmp_path, 3)
    write_nih(tmp_path, 2)
    with raises("ambiguous-dataset", tmp_path):
        open_external(tmp_path)


def test_a_copy_of_chexpert_is_named(phantom):
    with raises("input-kind", phantom):
        open_external(phantom)


def test_each_set_has_its_config():
    conf = Path(__file__).parents[2] / "conf" / "data"
    for variant, data_set in SETS.items():
        text = (conf / f"{variant}.yaml").read_text()
        assert f"variant: {variant}\n" in text
        assert data_set.root_variable in text
