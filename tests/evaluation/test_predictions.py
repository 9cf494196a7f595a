"""Files of predictions and labels: joined by name in any order and spelling; each error has its line."""

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.evaluation import read_labeled_scores, read_labels, read_predictions

PREDICTIONS = """Path,Edema,Cardiomegaly
CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg,0.5,0.1
CheXpert-v1.0/valid/patient64541/study1/view2_lateral.jpg,0.25,0.75
CheXpert-v1.0/valid/patient64542/study1/view1_frontal.jpg,0.125,0.2
"""
LABELS = """Study,Cardiomegaly,Edema,Fracture
valid/patient64542/study1,1.0,,0.0
valid/patient64541/study1,0.0,1.0,1.0
valid/patient64543/study1,0.0,0.0,0.0"""


@pytest.fixture
def files(tmp_path):
    """Writes texts to predictions and labels."""

    def write(predictions=PREDICTIONS, labels=LABELS):
        paths = tmp_path / "p.csv", tmp_path / "l.csv"
        for path, text in zip(paths, (predictions, labels), strict=True):
            path.write_text(text)
        return paths

    return write


def test_views_are_joined_with_the_labels_of_their_studies(files):
    labeled = read_labeled_scores(*files())
    assert labeled.names == ["CheXpert-v1.0/valid/patient64541/study1", "CheXpert-v1.0/valid/patient64542/study1"]
    assert labeled.observations == ["Edema", "Cardiomegaly"]
    assert labeled.scores.tolist() == [[0.5, 0.75], [0.125, 0.2]]  # the maximum over views
    assert np.nan_to_num(labeled.labels, nan=-9).tolist() == [[1, 0], [-9, 1]]


def test_study_score_may_be_the_mean_over_views(files):
    assert read_labeled_scores(*files(), views="mean").scores[0].tolist() == pytest.approx([0.375, 0.425])


def test_rows_and_observations_of_one_side_are_left_out(files):
    labeled = read_labeled_scores(*files())
    assert labeled.left_out == {"predictions": [], "labels": ["valid/patient64543/study1"]}
    assert labeled.not_evaluated == {"predictions": [], "labels": ["Fracture"]}


def test_order_of_rows_and_columns_does_not_matter(files):
    header, *rows = PREDICTIONS.splitlines()
    turned = "\n".join(",".join([cells[0], *cells[:0:-1]]) for cells in (r.split(",") for r in [header, *rows[::-1]]))
    one, other = read_labeled_scores(*files()), read_labeled_scores(*files(turned))
    assert other.names == one.names
    assert other.scores[:, ::-1].tolist() == one.scores.tolist()


def test_level_image_keeps_views_and_numbers_studies(files):
    labels = """Path,Edema
small/valid/patient64541/study1/view1_frontal.jpg,1
small/valid/patient64541/study1/view2_lateral.jpg,1
small/valid/patient64542/study1/view1_frontal.jpg,0
"""
    labeled = read_labeled_scores(*files(labels=labels), level="image")
    assert (len(labeled.names), labeled.studies.tolist()) == (3, [0, 0, 1])


@pytest.mark.parametrize("spelling", ["pleural_effusion", "Pleural Effusion", "Effusion", "PLEURAL EFFUSION"])
def test_observation_is_read_in_any_spelling(files, spelling):
    paths = files(f"Study,{spelling}\nvalid/patient1/study1,2.5\n")
    assert list(read_predictions(paths[0]).columns) == ["Pleural Effusion"]


def test_any_scale_and_a_column_of_row_numbers_are_read(files):
    paths = files(",Study,Edema\n0,a,-17.5\n1,b,1e3\n")
    assert read_predictions(paths[0]).columns["Edema"].tolist() == [-17.5, 1000]


def test_spaces_around_names_do_not_matter(files):
    assert read_labeled_scores(*files("Study,Edema\n a ,0.5\nb,0.7\n", "Study,Edema\na,1\n b,0\n")).names == ["a", "b"]


def test_other_columns_become_groups(files):
    labels = """Path,Sex,Age,Frontal/Lateral,AP/PA,Support Devices,Edema,Race
a/view1_frontal.jpg,Female,61,Frontal,AP,1,1,A
b/view1_frontal.jpg,Unknown,0,Lateral,,0,0,B
"""
    assert read_labels(files(labels=labels)[1]).groups == {
        "sex": ["Female", ""],
        "age": ["60 to 79", ""],
        "view": ["Frontal", "Lateral"],
        "ap_pa": ["AP", ""],
        "devices": ["with devices", "without devices"],
        "race": ["A", "B"],
    }


def test_group_is_read_in_any_case_and_only_once(files):
    assert read_labels(files(labels="Study,age,SEX,Edema\na,33,F,1\n")[1]).groups == {"age": ["under 40"], "sex": ["F"]}
    with raises("ambiguous-column", "column site"):
        read_labels(files(labels="Study,Site,site,Edema\na,x,y,1\n")[1])


def test_prior_study_is_read_from_the_number_of_the_study_or_from_a_column(files):
    labels = (
        "Path,Edema\np/patient00001/study1/view1_frontal.jpg,1\np/patient00001/study12/view1_frontal.jpg,0\na.png,0\n"
    )
    assert read_labels(files(labels=labels)[1]).groups == {"prior": ["no prior study", "prior study", ""]}
    labels = "Path,Edema,Study Order\np/patient00001/study1/view1_frontal.jpg,1,3\nb.png,0,1\nc.png,0,\n"
    assert read_labels(files(labels=labels)[1]).groups == {"prior": ["prior study", "no prior study", ""]}


def test_group_that_differs_between_views_is_mixed(files):
    labels = """Path,Frontal/Lateral,AP/PA,Edema
v/patient1/study1/view1_frontal.jpg,Frontal,AP,1
v/patient1/study1/view2_lateral.jpg,Lateral,,1
"""
    predictions = "Path,Edema\nv/patient1/study1/view1_frontal.jpg,1\nv/patient1/study1/view2_lateral.jpg,0\n"
    assert read_labeled_scores(*files(predictions, labels)).groups == {"view": ["mixed"], "ap_pa": ["AP"]}


P1 = "Study,Edema\na,0.5\nb,0.7\n"
L1 = "Study,Edema\na,1\nb,0\n"


@pytest.mark.parametrize(
    ("predictions", "labels", "code", "where", "named"),
    [
        ("", L1, "empty-table", "p.csv", ""),
        ("Study,Edema\n", L1, "empty-table", "p.csv", ""),
        (P1, "", "empty-table", "l.csv", ""),
        (P1, "Study,Edema\nc,1\n", "no-overlap", "p.csv and l.csv", "Study"),
        (P1, "Study,Fracture\na,1\n", "no-overlap", "p.csv and l.csv", "observation"),
        (P1 + "a,0.1\n", L1, "repeated", "p.csv, line 4, column Study", "'a'"),
        (P1, L1 + "b,0\n", "repeated", "l.csv, line 4, column Study", "'b'"),
        ("Study,Edema\na,0.5\nb,high\n", L1, "cell", "p.csv, line 3, column Edema", "'high'"),
        ("Study,Edema\na,0_9\n", L1, "cell", "p.csv, line 2, column Edema", "'0_9'"),
        ("Study,Edema\na,nan\n", L1, "cell", "p.csv, line 2, column Edema", "'nan'"),
        ("Study,Edema\na,inf\n", L1, "cell", "p.csv, line 2, column Edema", "'inf'"),
        ("Study,Edema\na,\n", L1, "cell", "p.csv, line 2, column Edema", "''"),
        (P1, "Study,Edema\na,2\nb,0\n", "cell", "l.csv, line 2, column Edema", "'2'"),
        (P1, "Study,Edema\na,1\nb,-1.0\n", "cell", "l.csv, line 3, column Edema", "'-1.0'"),
        ("Study,Edema,edema_prob\na,0.5,0.5\n", L1, "unknown-observation", "p.csv, line 1", "'edema_prob'"),
        ("Study,Edma\na,0.5\n", L1, "unknown-observation", "p.csv, line 1", "'Edma'"),
        ("Study,Edema,edema\na,1,1\n", L1, "ambiguous-column", "p.csv, line 1", "'edema'"),
        ("Study,Edema,Edema\na,1,1\n", L1, "repeated", "p.csv, line 1", "Edema"),
        ("Study,Path,Edema\na,a,1\n", L1, "ambiguous-column", "p.csv, line 1", "Path and Study"),
        ("Name,Edema\na,1\n", L1, "missing-column", "p.csv, line 1", ""),
        ("Study,Edema\na,0.5,7\n", L1, "field-count", "p.csv, line 2", "3"),
        ("Study,Edema\na\n", L1, "field-count", "p.csv, line 2", "1"),
        ("Study\na\n", L1, "missing-observation", "p.csv, line 1", ""),
    ],
)
def test_wrong_table_is_an_error_at_its_place(files, tmp_path, predictions, labels, code, where, named):
    with raises(code) as caught:
        read_labeled_scores(*files(predictions, labels))
    assert caught.value.where.replace(f"{tmp_path}/", "") == where
    assert named in caught.value.message
    assert caught.value.hint


def test_studies_are_an_error_at_level_image(files):
    predictions, labels = files(P1, L1)
    with raises("level", predictions):
        read_labeled_scores(predictions, labels, level="image")


def test_missing_file_is_an_error(tmp_path):
    with raises("missing-file", tmp_path / "none.csv"):
        read_predictions(tmp_path / "none.csv")


def test_different_labels_within_a_study_are_an_error(files):
    rows = "Path,Edema\nstudy1/1.jpg,1\nstudy1/2.jpg,0\n"
    with raises("label-conflict", "study1"):
        read_labeled_scores(*files(rows, rows))


def test_images_in_one_folder_are_not_one_study(files):
    rows = "Path,Edema\n" + "".join(f"images/{number}.png,{number % 2}\n" for number in range(6))
    for level in ("image", "study"):
        assert read_labeled_scores(*files(rows, rows), level=level).studies.tolist() == list(range(6))


def test_views_of_two_dataset_folders_are_one_study(files):
    rows = "Path,Edema\nCheXpert-v1.0-small/valid/patient1/study1/view1_frontal.jpg,0.9\n"
    labeled = read_labeled_scores(*files(rows + "CheXpert-v1.0/valid/patient1/study1/view2_lateral.jpg,0.2\n",
                                "Study,Edema\nvalid/patient1/study1/,1\n"))  # fmt: skip
    assert labeled.scores.tolist() == [[0.9]]


def respell(text, mark=""):
    """A table as pandas and a spreadsheet save it."""
    rows = ["".join(f'"{cell}",' for cell in line.split(",")) for line in text.strip().splitlines()]
    return mark + "".join(f"{number or ''},{row}x\r\n" for number, row in enumerate(rows)) + "\r\n,,,,\r\n"


def test_tables_of_pandas_and_spreadsheets_are_read(files, capsys):
    one = read_labeled_scores(*files())
    labels = respell(LABELS).replace('""', '"nan"').replace("valid/", "D:\\data\\valid\\")
    other = read_labeled_scores(*files(respell(PREDICTIONS, "\ufeff"), labels))
    assert np.array_equal(other.scores, one.scores)
    assert np.array_equal(other.labels, one.labels, equal_nan=True)
    assert "'x'" in capsys.readouterr().err


def test_view_is_joined_whatever_its_ending(files):
    rows = "Path,Edema\nvalid/patient1/study1/view1_frontal.png,1\nvalid/patient2/study1/view1_frontal.JPEG,0\n"
    names = rows.replace(".png", ".jpg").replace(".JPEG", ".jpg")
    assert read_labeled_scores(*files(rows, names), level="image").scores.tolist() == [[1], [0]]


def test_studies_of_mimic_are_joined_by_number(files):
    labels = "subject_id,study_id,Edema\n10000032,50414267,1.0\n10000032,53189527.0,\n"
    predictions = "Path,Edema\nfiles/p10/p10000032/s50414267/a.jpg,0.5\nfiles/p10/p10000032/s50414267/b.jpg,0.7\n"
    labeled = read_labeled_scores(*files(predictions, labels))
    assert (labeled.scores.tolist(), labeled.labels.tolist(), labeled.groups) == ([[0.7]], [[1]], {})


def test_rows_that_a_gate_refused_are_left_out_and_counted(tmp_path, capsys):
    path = tmp_path / "p.csv"
    path.write_text("Path,Edema,flags\na.png,0.25,\nb.png,,inverted\nc.png,0.5,inverted\n")
    found = read_predictions(path)
    assert (found.names, found.columns["Edema"].tolist()) == (["a.png", "c.png"], [0.25, 0.5])
    assert "1 rows without probabilities" in capsys.readouterr().err
    path.write_text("Path,Edema,flags\nb.png,,inverted\n")
    with raises("empty-table", path):
        read_predictions(path)
    path.write_text("Path,Edema,flags\na.png,,\nb.png,,inverted\n")
    with raises("cell", f"{path}, line 2, column Edema"):
        read_predictions(path)
