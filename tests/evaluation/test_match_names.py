"""Images other than CheXpert's are joined with their labels by file name, hashed or not."""

import pytest
from helpers.errors import raises

from chexpert.evaluation import compare, evaluate_files, read_labeled_scores
from chexpert.runs.anonymize import SALT, hash_name, name_safely

VALUES = ("0.9", "0.2", "0.1")


@pytest.fixture
def files(tmp_path):
    """Writes predictions and labels of the same rows under two spellings; returns both paths."""

    def write(names, labels, key="Study"):
        for file, head, own, cells in (("p.csv", key, names, VALUES), ("l.csv", "Path", labels, "100")):
            rows = [f"{name},{cell}\n" for name, cell in zip(own, cells, strict=False)]
            (tmp_path / file).write_text(f"{head},Edema\n{''.join(rows)}")
        return tmp_path / "p.csv", tmp_path / "l.csv"

    return write


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["images/a.png", "images/b.png"], ["a.png", "b.png"]),
        (["/data/x/a.png", "/data/x/b.png"], ["x/a.png", "x/b.png"]),
        (["a.png", "b.png"], ["images/a.png", "images/b.png"]),
        (["images/a.png", "images/b.dcm"], ["a", "b"]),
        (["a", "b"], ["images/a.JPG", "images/b.tiff"]),
        (["p1/scan.png", "p2/scan.png"], ["p1/scan.png", "p2/scan.png"]),
        (["images/p1/scan.png", "images/p2/scan.png"], ["p1/scan.png", "p2/scan.png"]),
        (["images\\a.png", "./images/b.png"], ["a.png", "b.png"]),
        (["1.2.840.10008", "1.2.840.10009"], ["1.2.840.10008", "1.2.840.10009"]),
    ],
)
@pytest.mark.parametrize("key", ["Study", "Path"])
@pytest.mark.parametrize("level", ["study", "image"])
def test_spellings_of_one_file_are_joined(files, names, labels, key, level):
    if (key, level) == ("Study", "image"):
        return
    labeled = read_labeled_scores(*files(names, labels, key), level=level)
    assert labeled.scores[:, 0].tolist() == [0.9, 0.2]
    assert labeled.labels[:, 0].tolist() == [1, 0]
    assert labeled.left_out == {"predictions": [], "labels": []}


@pytest.mark.parametrize("level", ["study", "image"])
def test_chexpert_paths_with_backslashes_are_joined(files, level):
    views = [f"CheXpert-v1.0-small/valid/patient6454{number}/study1/view1_frontal.jpg" for number in (1, 2, 3)]
    labeled = read_labeled_scores(*files(views, [view.replace("/", "\\") for view in views], "Path"), level=level)
    assert labeled.labels[:, 0].tolist() == [1, 0, 0]


def test_joined_rows_are_counted_in_notes(files, capsys):
    predictions, labels = files(["images/a.png", hash_name("b.png", "salt")], ["a.png", "ward/b.png"])
    run = predictions.parent / "run"
    run.mkdir()
    (run / SALT).write_text("salt")
    read_labeled_scores(predictions, labels)
    by_name, by_hash = capsys.readouterr().err.splitlines()
    assert (" 1 " in by_name, " 1 " in by_hash) == (True, True)
    assert "images/a.png" in by_name
    assert str(run) in by_hash


@pytest.mark.parametrize(
    ("names", "labels", "both"),
    [
        (["p1/scan.png", "p2/scan.png"], ["scan.png"], ("p1/scan.png", "p2/scan.png")),
        (["scan.png"], ["p1/scan.png", "p2/scan.png"], ("p1/scan.png", "p2/scan.png")),
        (["images/a.png", "images/a.dcm"], ["a"], ("images/a.png", "images/a.dcm")),
    ],
)
def test_ambiguous_name_is_an_error(files, names, labels, both):
    predictions, truth = files(names, labels)
    with raises("ambiguous-row", predictions if len(names) > 1 else "the labels") as caught:
        read_labeled_scores(predictions, truth)
    assert all(name in caught.value.message for name in both)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("a.png", "a.jpg"),
        ("x/a.png", "y/a.png"),
        ("CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg", "view1_frontal.jpg"),
        ("view1_frontal.jpg", "CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg"),
    ],
)
def test_names_of_other_images_are_not_joined(files, name, label):
    predictions, labels = files([name], [label], "Path")
    with raises("no-overlap", f"{predictions} and {labels}"):
        read_labeled_scores(predictions, labels)


def salted(folder, salt):
    folder.mkdir(parents=True)
    (folder / SALT).write_text(salt + "\n")
    return folder


@pytest.mark.parametrize("place", ["run", "../elsewhere/run"])
def test_hashed_names_are_joined_by_the_salt_of_their_run(tmp_path, files, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    run = salted(tmp_path / place, "secret")
    names = ["p1/scan.png", "p2/scan.png", "b.png"]
    predictions, labels = files([hash_name(name, "secret") for name in names], [*names[:2], "images/b.png"])
    if place != "run":
        with raises("no-overlap", f"{predictions} and {labels}") as caught:
            read_labeled_scores(predictions, labels)
        assert "--hashed-by" in caught.value.hint
    given = [] if place == "run" else [run]
    content = evaluate_files(predictions, labels, hashed_by=given, mean_over=["Edema"], replicates=10)
    assert content["auroc"]["Edema"]["value"] == 1
    assert content["n"] == 3


def test_salts_of_runs_below_outputs_are_found(tmp_path, files, monkeypatch):
    monkeypatch.chdir(tmp_path)
    salted(tmp_path / "outputs/x/2026", "other")
    salted(tmp_path / "outputs/y/2026/3", "secret")
    labeled = read_labeled_scores(
        *files([hash_name("a.png", "secret"), hash_name("b.png", "secret")], ["a.png", "b.png"])
    )
    assert labeled.labels[:, 0].tolist() == [1, 0]


def test_files_hashed_by_two_runs_are_compared(tmp_path, files):
    predictions, labels = files(["images/a.png", "images/b.png"], ["a.png", "b.png"])
    runs = [salted(tmp_path / name, name) for name in "xy"]
    hashed = []
    for name in "xy":
        hashed.append(tmp_path / f"{name}.csv")
        rows = [f"{hash_name(file, name)},{score}\n" for file, score in (("b.png", 0.3), ("a.png", 0.6))]
        hashed[-1].write_text("Study,Edema\n" + "".join(rows))
    content = compare([predictions, *hashed], labels=labels, replicates=10, hashed_by=runs)
    assert [model["left_out"] for model in content["models"]] == [0, 0, 0]


MIMIC = [f"MIMIC-CXR/p10/p1000003{number}/s5041426{number}" for number in (1, 2, 3)]


@pytest.mark.parametrize("spelled", ["{}", "{}.0", "s{}"])
def test_hashed_studies_are_joined_with_the_tables_of_mimic(files, spelled):
    predictions, labels = files([name_safely(name, "secret") for name in MIMIC], "abc")
    rows = [f"{spelled.format(name[-8:])},{cell}" for name, cell in zip(MIMIC, "100", strict=True)]
    labels.write_text("\n".join(["study_id,Edema", *rows]) + "\n")
    run = salted(predictions.parent / "elsewhere", "secret")
    labeled = read_labeled_scores(predictions, labels, hashed_by=[run])
    assert labeled.labels[:, 0].tolist() == [1, 0, 0]
    assert labeled.scores[:, 0].tolist() == [0.9, 0.2, 0.1]


def test_hashed_views_do_not_join_labels_of_studies(files):
    """From the name of a study alone, those of its views are not known."""
    studies = [f"PadChest/patient{number}/study{number}" for number in (101, 102, 103)]
    predictions, labels = files(
        [name_safely(f"{one}/{one[-3:] * 6}_a.png", "secret") for one in studies], "abc", "Path"
    )
    labels.write_text("\n".join(["Study,Edema", *(f"{one},1" for one in studies)]) + "\n")
    run = salted(predictions.parent / "elsewhere", "secret")
    with raises("no-overlap", f"{predictions} and {labels}") as caught:
        read_labeled_scores(predictions, labels, hashed_by=[run])
    assert "--ids path" in caught.value.hint
    assert "--level study" in caught.value.hint
