"""Detection of the layout of a dataset folder, and the image file of each view."""

import re

import pytest
from helpers.errors import raises

from chexpert.data.sources.detect_layout import find_layout
from chexpert.observations import OBSERVATIONS

NAMED = [
    ("small", "CheXpert-v1.0-small"),
    ("small", "chexpert/v1.0-small"),
    ("full", "CheXpert-v1.0"),
    ("full", "chexpert/v1.0"),
]
FIRST = "train/patient00001/study1/view1_frontal"
FLAT = "images/patient00001_study1_view1_frontal.jpg"
BATCHES = {n: f"CheXpert-v1.0 batch {n} ({name})" for n, name in enumerate(["validate & csv", "train 1", "train 2"], 1)}


@pytest.fixture
def write_tables(tmp_path, write_table, make_row):
    """Write train.csv and valid.csv of one row each into a folder under the root; return the root."""

    def write(folder):
        for split in ("train", "valid"):
            write_table(tmp_path / folder / f"{split}.csv", [make_row({"Edema": "1.0"}, split=split)])
        return tmp_path

    return write


def place(layout, split="train"):
    """Return the path of the first view of a split below the dataset folder."""
    return layout.locate(layout.read(split))[0].relative_to(layout.folder).as_posix()


@pytest.mark.parametrize(("variant", "folder"), NAMED)
def test_folder_of_a_known_name_is_found_under_the_root(write_tables, variant, folder):
    layout = find_layout(write_tables(folder))
    assert (layout.name, layout.variant) == (folder, variant)
    assert layout.folder == write_tables(folder) / folder
    assert place(layout) == f"{FIRST}.jpg"


@pytest.mark.parametrize(("variant", "folder"), NAMED)
def test_root_can_be_the_folder_of_a_known_name(write_tables, variant, folder):
    layout = find_layout(write_tables(folder) / folder, variant)
    assert (layout.name, layout.folder) == (folder, write_tables(folder) / folder)


def test_root_can_be_a_link_with_a_known_name(write_tables):
    root = write_tables("disk7")
    (root / "CheXpert-v1.0").symlink_to(root / "disk7")
    assert find_layout(root / "CheXpert-v1.0").variant == "full"


def test_missing_variant_is_an_error_that_names_the_other(write_tables):
    root = write_tables("CheXpert-v1.0-small")
    with raises("missing-dataset", f"data.root={root}") as caught:
        find_layout(root, "full")
    assert f"{root}/CheXpert-v1.0-small" in caught.value.message


@pytest.mark.parametrize("folders", [("CheXpert-v1.0-small", "CheXpert-v1.0"), ("one", "two")])
def test_two_datasets_under_one_root_are_an_error(write_tables, folders):
    root, _ = (write_tables(folder) for folder in folders)
    with raises("ambiguous-dataset", f"data.root={root}") as caught:
        find_layout(root)
    assert all(f"{root}/{folder}" in caught.value.message.split("; ")[n] for n, folder in enumerate(folders))
    assert ("data=small" in caught.value.hint) == (folders[0] == "CheXpert-v1.0-small")


def test_variant_selects_one_of_two_datasets(write_tables):
    write_tables("CheXpert-v1.0-small")
    assert find_layout(write_tables("CheXpert-v1.0"), "full").name == "CheXpert-v1.0"


def test_missing_root_is_an_error(tmp_path):
    with raises("missing-folder", f"data.root={tmp_path / 'nowhere'}"):
        find_layout(tmp_path / "nowhere")


def test_variant_of_a_bare_folder_is_read_from_its_paths(write_tables, tmp_path, write_table, make_row):
    assert find_layout(write_tables(".")).variant == "small"
    row = make_row({"Path": f"CheXpert-v1.0/{FIRST}.jpg"})
    write_table(tmp_path / "train.csv", [row])
    assert find_layout(tmp_path).variant == "full"


@pytest.fixture
def make_flat(write_tables):
    """Write the tables and one image of a flat dataset folder; return the folder."""

    def make(name):
        root = write_tables(".")
        (root / "images").mkdir()
        (root / name).touch()
        return root

    return make


@pytest.mark.parametrize("listed", [f"CheXpert-v1.0-small/{FIRST}.jpg", FLAT])
def test_flat_image_is_placed_by_patient_study_and_view(make_flat, write_table, make_row, listed):
    root = make_flat(FLAT)
    write_table(root / "train.csv", [make_row({"Path": listed})])
    layout = find_layout(root)
    assert layout.name.startswith("flat")
    assert place(layout) == FLAT


def test_flat_images_can_be_png(make_flat):
    layout = find_layout(make_flat(FLAT.replace(".jpg", ".png")))
    files, present = layout.find(layout.read("train"))
    assert (present.all(), files[0].endswith(".png")) == (True, True)


@pytest.fixture
def batches(tmp_path, write_table, make_row):
    """AIMI's first three folders, with the first and the last patient of two of them."""
    for name in BATCHES.values():
        (tmp_path / name).mkdir()
    train = [make_row(patient=patient) for patient in (1, 21513, 21514, 43017)]
    for split, rows in {"train": train, "valid": [make_row(split="valid")]}.items():
        write_table(tmp_path / BATCHES[1] / f"{split}.csv", rows)
    return tmp_path


def test_patient_number_selects_the_aimi_batch(batches):
    layout = find_layout(batches)
    assert layout.name == "CheXpert-v1.0 in AIMI's batches"
    folders = [file.relative_to(batches).parts[:2] for file in layout.locate(layout.read("train"))]
    patients = ["patient00001", "patient21513", "patient21514", "patient43017"]
    assert folders == list(zip([BATCHES[2]] * 2 + [BATCHES[3]] * 2, patients, strict=True))
    assert place(layout, "valid") == f"{BATCHES[1]}/valid/patient64541/study1/view1_frontal.jpg"


def test_missing_aimi_batch_is_an_error(batches, write_table, make_row):
    write_table(batches / BATCHES[1] / "train.csv", [make_row(patient=43018)])
    layout = find_layout(batches)
    with raises("missing-image", batches) as caught:
        layout.locate(layout.read("train"))
    assert re.findall(r"batch \d|patient\d+", caught.value.message) == ["batch 4", "patient43018"]


def test_aimi_batch_can_have_a_train_folder(batches):
    (batches / BATCHES[2] / "train").mkdir()
    layout = find_layout(batches)
    assert layout.locate(layout.read("train"))[0].parts[-4:-2] == ("train", "patient00001")


def test_labels_of_another_labeler_are_joined_by_view(write_tables, tmp_path, write_table, make_row):
    root = write_tables("CheXpert-v1.0-small")
    folder = root / "CheXpert-v1.0-small"
    write_table(folder / "train.csv", [make_row({"Age": "33"}), make_row(patient=2)])
    rows = [make_row({"Edema": "-1.0"}, patient=2), make_row({"Edema": "0.0"})]
    write_table(folder / "train_cheXbert.csv", rows)
    frame = find_layout(root).read("train", "chexbert")
    assert frame["patient"].tolist() == ["patient00001", "patient00002"]
    assert frame["Edema"].tolist() == [0, -1]
    assert frame.loc[0, "age"] == 33


def test_view_without_labels_of_the_other_labeler_is_an_error(write_tables, write_table, make_row):
    root = write_tables("CheXpert-v1.0-small")
    folder = root / "CheXpert-v1.0-small"
    labels = write_table(folder / "train_visualCheXbert.csv", [make_row(patient=2)])
    with raises("missing-labels", f"{labels} and {folder / 'train.csv'}") as caught:
        find_layout(root).read("train", "visualchexbert")
    assert FIRST in caught.value.message


def test_further_rows_of_another_labeler_are_counted(write_tables, write_table, make_row, capsys):
    root = write_tables("CheXpert-v1.0-small")
    rows = [make_row({"Edema": "-1.0"}, patient=patient) for patient in range(9)]
    labels = write_table(root / "CheXpert-v1.0-small" / "train_cheXbert.csv", rows)
    frame = find_layout(root).read("train", "chexbert")
    assert (frame["patient"].tolist(), frame["Edema"].tolist()) == (["patient00001"], [-1])
    assert f"{labels}: 8 " in capsys.readouterr().err


def test_missing_labeler_is_an_error_that_names_its_file(write_tables):
    with raises("missing-table", "data.labeler") as caught:
        find_layout(write_tables("CheXpert-v1.0-small")).read("train", "chexbert")
    assert "train_cheXbert.csv" in caught.value.hint


@pytest.fixture
def chexlocalize(tmp_path, write_table, make_row):
    """CheXlocalize's dataset folder: the tables of test images and of test studies, and one study of two views."""
    folder = tmp_path / "CheXpert"
    rows = [make_row({"Edema": "1.0"}, split="test", view=view) for view in ("view1_frontal", "view2_lateral")]
    rows = [row | {"Path": row["Path"].replace("-small", "")} for row in rows]
    write_table(folder / "test_labels.csv", rows, ("Path", *OBSERVATIONS))
    row = {"Study": "CheXpert-v1.0/test/patient64741/study1"} | {name: rows[0][name] for name in OBSERVATIONS}
    table = write_table(folder / "groundtruth.csv", [row], ("Study", *OBSERVATIONS))
    table.write_text(table.read_text().rstrip("\n"))
    for view in ("view1_frontal", "view2_lateral"):
        file = folder / "test" / "patient64741" / "study1" / f"{view}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


@pytest.fixture
def study(chexlocalize):
    """CheXlocalize's dataset folder without the table of test images; return the only study."""
    (chexlocalize / "CheXpert" / "test_labels.csv").unlink()
    return chexlocalize / "CheXpert" / "test" / "patient64741" / "study1"


def test_image_and_study_tables_give_the_same_test_set(chexlocalize):
    by_image = find_layout(chexlocalize).read("test")
    (chexlocalize / "CheXpert" / "test_labels.csv").unlink()
    layout = find_layout(chexlocalize)
    frame = layout.read("test")
    columns = ["path", "key", "split", "patient", "study", "view", *OBSERVATIONS]
    assert by_image[columns].equals(frame[columns])
    assert [file.is_file() for file in layout.locate(frame)] == [True, True]


def test_two_files_of_one_test_view_are_an_error(chexlocalize, study):
    (study / "view1_frontal.png").touch()
    with raises("ambiguous-image", study) as caught:
        find_layout(chexlocalize).read("test")
    assert all(name in caught.value.message for name in ("view1_frontal.jpg", "view1_frontal.png"))


@pytest.mark.parametrize("views", ["view1_frontal", "view*"])
def test_views_of_a_study_can_be_png(chexlocalize, study, views):
    for file in sorted(study.glob(f"{views}.jpg")):
        file.rename(file.with_suffix(".png"))
    layout = find_layout(chexlocalize)
    frame = layout.read("test")
    assert list(frame["key"]) == [f"test/patient64741/study1/{view}" for view in ("view1_frontal", "view2_lateral")]
    assert layout.find(frame)[1].all()


def test_different_labels_in_the_test_tables_are_an_error(chexlocalize):
    studies = chexlocalize / "CheXpert" / "groundtruth.csv"
    studies.write_text(studies.read_text().replace("1.0,", "0.0,"))
    with raises("label-conflict", f"{studies.with_name('test_labels.csv')} and {studies}") as caught:
        find_layout(chexlocalize).read("test")
    assert all(fact in caught.value.message for fact in (" 2 ", "patient64741/study1"))


def test_study_without_an_image_is_an_error(chexlocalize, study):
    for file in study.iterdir():
        file.unlink()
    with raises("missing-image", study / "view*.*"):
        find_layout(chexlocalize).read("test")


def test_unknown_image_name_in_a_study_is_an_error(chexlocalize, study):
    (study / "view1_frontal_old.jpg").touch()
    with raises("file-name", study / "view1_frontal_old.jpg"):
        find_layout(chexlocalize).read("test")


@pytest.mark.usefixtures("chexlocalize")
def test_dataset_with_train_goes_before_one_without(write_tables):
    assert find_layout(write_tables("CheXpert-v1.0")).name == "CheXpert-v1.0"


def test_valid_images_of_chexlocalize_are_under_val(chexlocalize, write_table, make_row):
    folder = chexlocalize / "CheXpert"
    write_table(folder / "val_labels.csv", [make_row(split="valid")], ("Path", *OBSERVATIONS))
    (folder / "val").mkdir()
    assert place(find_layout(chexlocalize), "valid") == "val/patient64541/study1/view1_frontal.jpg"


def test_missing_table_is_an_error_that_names_its_file(write_tables):
    root = write_tables("CheXpert-v1.0-small")
    with raises("missing-table", root / "CheXpert-v1.0-small") as caught:
        find_layout(root).read("test")
    assert all(name in caught.value.hint for name in ("test_labels.csv", "groundtruth.csv"))


def test_stray_flat_image_does_not_make_the_folder_flat(write_tables):
    root = write_tables(".")
    for name in (f"{FIRST}.jpg", "patient00001_study1_view1_frontal.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    assert place(find_layout(root)) == f"{FIRST}.jpg"


def test_folder_and_a_link_to_it_are_one_dataset(write_tables):
    root = write_tables("CheXpert-v1.0-small")
    (root / "chexpert").mkdir()
    (root / "chexpert" / "v1.0-small").symlink_to(root / "CheXpert-v1.0-small")
    assert find_layout(root).name == "CheXpert-v1.0-small"


@pytest.mark.parametrize("folder", ["archive", "CheXpert-v1.0-small-224", "chexpert/CheXpert-v1.0-small", "a/b"])
def test_folder_of_any_name_is_found_below_the_root(write_tables, folder):
    layout = find_layout(write_tables(folder))
    assert (layout.folder.name, layout.variant) == (folder.rpartition("/")[2], "small")


def test_train_table_of_another_dataset_is_ignored(write_tables, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/train.csv").write_text("image,cat\na.jpg,1\n")
    assert find_layout(write_tables("archive")).folder.name == "archive"


def test_folder_of_a_known_name_goes_before_others(write_tables):
    write_tables("archive")
    assert find_layout(write_tables("CheXpert-v1.0-small")).name == "CheXpert-v1.0-small"


def test_tables_can_have_capitals_or_be_called_val(write_tables):
    root = write_tables("CheXpert-v1.0-small")
    for old, new in (("train.csv", "Train.CSV"), ("valid.csv", "val.csv")):
        (root / "CheXpert-v1.0-small" / old).rename(root / "CheXpert-v1.0-small" / new)
    layout = find_layout(root)
    assert {split: path.name for split, path in layout.tables.items()} == {"train": "Train.CSV", "valid": "val.csv"}


@pytest.mark.parametrize("name", ["train.csv.gz", "train.xlsx", "train.tsv"])
def test_table_that_is_not_csv_is_named_in_the_hint(tmp_path, name):
    (tmp_path / name).touch()
    with raises("missing-dataset", f"data.root={tmp_path}") as caught:
        find_layout(tmp_path)
    assert name in caught.value.hint
