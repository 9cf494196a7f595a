"""In which form CheXpert lies there, and where the image of a view is."""

import pytest

from chexpert.data.sources.detect_layout import find_layout
from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS

NAMED = [
    ("small", "CheXpert-v1.0-small"),
    ("small", "chexpert/v1.0-small"),
    ("full", "CheXpert-v1.0"),
    ("full", "chexpert/v1.0"),
]
FIRST = "train/patient00001/study1/view1_frontal"
BATCHES = {n: f"CheXpert-v1.0 batch {n} ({name})" for n, name in enumerate(["validate & csv", "train 1", "train 2"], 1)}


@pytest.fixture
def write_tables(tmp_path, write_table, make_row):
    """Writes train.csv and valid.csv of one row each into a folder under the root, which it returns."""

    def write(folder):
        for split in ("train", "valid"):
            write_table(tmp_path / folder / f"{split}.csv", [make_row({"Edema": "1.0"}, split=split)])
        return tmp_path

    return write


def place(layout, split="train"):
    """Where the only view of a split lies below the root of the layout."""
    return layout.locate(layout.read(split))[0].relative_to(layout.folder).as_posix()


@pytest.mark.parametrize(("variant", "folder"), NAMED)
def test_a_folder_of_a_known_name_is_found_under_the_root(write_tables, variant, folder):
    layout = find_layout(write_tables(folder))
    assert (layout.name, layout.variant) == (folder, variant)
    assert layout.folder == write_tables(folder) / folder
    assert place(layout) == f"{FIRST}.jpg"


@pytest.mark.parametrize(("variant", "folder"), NAMED)
def test_the_root_may_be_that_folder_itself(write_tables, variant, folder):
    layout = find_layout(write_tables(folder) / folder, variant)
    assert (layout.name, layout.folder) == (folder, write_tables(folder) / folder)


def test_the_root_may_be_a_link_with_the_folders_name(write_tables):
    root = write_tables("disk7")
    (root / "CheXpert-v1.0").symlink_to(root / "disk7")
    assert find_layout(root / "CheXpert-v1.0").variant == "full"


def test_the_other_variant_is_not_taken(write_tables):
    with pytest.raises(UserError, match=r"no full CheXpert there; found: CheXpert-v1\.0-small"):
        find_layout(write_tables("CheXpert-v1.0-small"), "full")


def test_two_variants_under_one_root_are_chosen_between(write_tables):
    root = write_tables("CheXpert-v1.0-small")
    write_tables("CheXpert-v1.0")
    assert find_layout(root, "full").name == "CheXpert-v1.0"
    with pytest.raises(UserError, match=r"several copies of CheXpert(?s:.*)data=small"):
        find_layout(root)


def test_a_root_that_does_not_exist_is_told(tmp_path):
    with pytest.raises(UserError, match=r"not a folder(?s:.*)nowhere"):
        find_layout(tmp_path / "nowhere")


def test_a_bare_copy_is_small_or_full_by_its_paths(write_tables, tmp_path, write_table, make_row):
    assert find_layout(write_tables(".")).variant == "small"
    row = make_row({"Path": f"CheXpert-v1.0/{FIRST}.jpg"})
    write_table(tmp_path / "train.csv", [row])
    assert find_layout(tmp_path).variant == "full"


def test_a_flat_copy_is_placed_by_patient_study_and_view(write_tables):
    root = write_tables(".")
    (root / "images").mkdir()
    (root / "images" / "patient00001_study1_view1_frontal.jpg").touch()
    layout = find_layout(root)
    assert layout.name.startswith("flat")
    assert place(layout) == "images/patient00001_study1_view1_frontal.jpg"


@pytest.fixture
def batches(tmp_path, write_table, make_row):
    """AIMI's first three folders, with one patient at each end of the ids of two of them."""
    for name in BATCHES.values():
        (tmp_path / name).mkdir()
    train = [make_row(patient=patient) for patient in (1, 21513, 21514, 43017)]
    for split, rows in {"train": train, "valid": [make_row(split="valid")]}.items():
        write_table(tmp_path / BATCHES[1] / f"{split}.csv", rows)
    return tmp_path


def test_aimis_batches_are_chosen_by_patient(batches):
    layout = find_layout(batches)
    assert layout.name == "CheXpert-v1.0 in AIMI's batches"
    folders = [file.relative_to(batches).parts[:2] for file in layout.locate(layout.read("train"))]
    patients = ["patient00001", "patient21513", "patient21514", "patient43017"]
    assert folders == list(zip([BATCHES[2]] * 2 + [BATCHES[3]] * 2, patients, strict=True))
    assert place(layout, "valid") == f"{BATCHES[1]}/valid/patient64541/study1/view1_frontal.jpg"


def test_a_missing_batch_is_named(batches, write_table, make_row):
    write_table(batches / BATCHES[1] / "train.csv", [make_row(patient=43018)])
    layout = find_layout(batches)
    with pytest.raises(UserError, match="batch 4 of CheXpert is not there, in which patient43018 lies"):
        layout.locate(layout.read("train"))


def test_a_batch_unpacked_with_its_train_level_is_read_too(batches):
    (batches / BATCHES[2] / "train").mkdir()
    layout = find_layout(batches)
    assert layout.locate(layout.read("train"))[0].parts[-4:-2] == ("train", "patient00001")


def test_another_labelers_labels_are_joined_by_view(write_tables, tmp_path, write_table, make_row):
    root = write_tables("CheXpert-v1.0-small")
    folder = root / "CheXpert-v1.0-small"
    write_table(folder / "train.csv", [make_row({"Age": "33"}), make_row(patient=2)])
    rows = [make_row({"Edema": "-1.0"}, patient=2), make_row({"Edema": "0.0"})]
    write_table(folder / "train_cheXbert.csv", rows)
    frame = find_layout(root).read("train", "chexbert")
    assert frame["patient"].tolist() == ["patient00001", "patient00002"]
    assert frame["Edema"].tolist() == [0, -1]
    assert frame.loc[0, "age"] == 33


def test_a_view_without_a_label_of_the_other_labeler_is_refused(write_tables, write_table, make_row):
    root = write_tables("CheXpert-v1.0-small")
    write_table(root / "CheXpert-v1.0-small" / "train_visualCheXbert.csv", [make_row(patient=2)])
    with pytest.raises(UserError, match=r"no labels for 1 of 1 views(?s:.*)visualCheXbert"):
        find_layout(root).read("train", "visualchexbert")


def test_a_whole_label_file_beside_a_part_is_read_for_its_rows(write_tables, write_table, make_row, capsys):
    root = write_tables("CheXpert-v1.0-small")
    rows = [make_row({"Edema": "-1.0"}, patient=patient) for patient in range(9)]
    write_table(root / "CheXpert-v1.0-small" / "train_cheXbert.csv", rows)
    frame = find_layout(root).read("train", "chexbert")
    assert (frame["patient"].tolist(), frame["Edema"].tolist()) == (["patient00001"], [-1])
    assert "8 rows passed over" in capsys.readouterr().err


def test_a_labeler_that_is_not_there_is_told_with_its_file(write_tables):
    with pytest.raises(UserError, match=r"no labels of 'chexbert'(?s:.*)put train_cheXbert\.csv beside"):
        find_layout(write_tables("CheXpert-v1.0-small")).read("train", "chexbert")


@pytest.fixture
def test_set(tmp_path, write_table, make_row):
    """CheXlocalize's copy: the table of the test images, that of the studies, and one study of two views."""
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


def test_the_test_set_is_read_by_image_and_by_study_alike(test_set):
    by_image = find_layout(test_set).read("test")
    (test_set / "CheXpert" / "test_labels.csv").unlink()
    layout = find_layout(test_set)
    by_study = layout.read("test")
    columns = ["path", "key", "split", "patient", "study", "view", *OBSERVATIONS]
    assert by_image[columns].equals(by_study[columns])
    assert [file.is_file() for file in layout.locate(by_study)] == [True, True]


def test_two_files_of_one_view_of_the_test_set_are_refused(test_set):
    (test_set / "CheXpert" / "test_labels.csv").unlink()
    study = test_set / "CheXpert" / "test" / "patient64741" / "study1"
    (study / "view1_frontal.png").touch()
    with pytest.raises(UserError, match=r"view1_frontal\.jpg and view1_frontal\.png") as caught:
        find_layout(test_set).read("test")
    assert caught.value.where == str(study)
    (study / "view1_frontal.jpg").unlink()
    keys = [f"test/patient64741/study1/{view}" for view in ("view1_frontal", "view2_lateral")]
    assert list(find_layout(test_set).read("test")["key"]) == keys


def test_tables_of_the_test_set_that_contradict_each_other_are_refused(test_set):
    path = test_set / "CheXpert" / "groundtruth.csv"
    path.write_text(path.read_text().replace("1.0,", "0.0,"))
    with pytest.raises(UserError, match=r"labels of 2 views differ, the first of patient64741/study1"):
        find_layout(test_set).read("test")


def test_a_study_without_an_image_is_told(test_set):
    (test_set / "CheXpert" / "test_labels.csv").unlink()
    for file in (test_set / "CheXpert" / "test").rglob("*.jpg"):
        file.unlink()
    with pytest.raises(UserError, match="no view of patient64741/study1"):
        find_layout(test_set).read("test")


def test_a_copy_to_train_on_goes_before_one_that_is_only_judged(test_set, write_tables):
    assert find_layout(write_tables("CheXpert-v1.0")).name == "CheXpert-v1.0"


def test_chexlocalizes_valid_images_lie_under_val(test_set, write_table, make_row):
    folder = test_set / "CheXpert"
    write_table(folder / "val_labels.csv", [make_row(split="valid")], ("Path", *OBSERVATIONS))
    (folder / "val").mkdir()
    assert place(find_layout(test_set), "valid") == "val/patient64541/study1/view1_frontal.jpg"


def test_a_split_that_is_not_there_is_told(write_tables):
    with pytest.raises(UserError, match=r"no test table(?s:.*)test_labels\.csv or groundtruth\.csv"):
        find_layout(write_tables("CheXpert-v1.0-small")).read("test")


def test_a_flat_copy_may_have_flat_paths_too(write_tables, write_table, make_row):
    root = write_tables(".")
    name = "images/patient00001_study1_view1_frontal.jpg"
    (root / "images").mkdir()
    (root / name).touch()
    write_table(root / "train.csv", [make_row({"Path": name})])
    assert place(find_layout(root)) == name


def test_a_stray_file_makes_no_flat_copy(write_tables):
    root = write_tables(".")
    for name in (f"{FIRST}.jpg", "patient00001_study1_view1_frontal.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    assert place(find_layout(root)) == f"{FIRST}.jpg"


def test_one_folder_by_two_names_is_one_copy(write_tables):
    root = write_tables("CheXpert-v1.0-small")
    (root / "chexpert").mkdir()
    (root / "chexpert" / "v1.0-small").symlink_to(root / "CheXpert-v1.0-small")
    assert find_layout(root).name == "CheXpert-v1.0-small"


def test_an_odd_file_beside_the_views_of_a_study_is_refused(test_set):
    (test_set / "CheXpert" / "test_labels.csv").unlink()
    (test_set / "CheXpert/test/patient64741/study1/view1_frontal_old.jpg").touch()
    with pytest.raises(UserError, match=r"no name of a view(?s:.*)view1_frontal_old"):
        find_layout(test_set).read("test")


@pytest.mark.parametrize("folder", ["archive", "CheXpert-v1.0-small-224", "chexpert/CheXpert-v1.0-small", "a/b"])
def test_a_folder_of_any_name_is_found_below_the_root(write_tables, folder):
    layout = find_layout(write_tables(folder))
    assert (layout.folder.name, layout.variant) == (folder.rpartition("/")[2], "small")


def test_two_folders_of_other_names_are_both_named(write_tables):
    write_tables("one")
    with pytest.raises(UserError, match=r"several copies(?s:.*)/one;(?s:.*)/two"):
        find_layout(write_tables("two"))


def test_a_folder_with_another_train_table_is_no_copy(write_tables, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/train.csv").write_text("image,cat\na.jpg,1\n")
    assert find_layout(write_tables("archive")).folder.name == "archive"


def test_known_names_go_before_others(write_tables):
    write_tables("archive")
    assert find_layout(write_tables("CheXpert-v1.0-small")).name == "CheXpert-v1.0-small"


def test_tables_may_be_in_capitals_or_called_val(write_tables):
    root = write_tables("CheXpert-v1.0-small")
    for old, new in (("train.csv", "Train.CSV"), ("valid.csv", "val.csv")):
        (root / "CheXpert-v1.0-small" / old).rename(root / "CheXpert-v1.0-small" / new)
    layout = find_layout(root)
    assert {split: path.name for split, path in layout.tables.items()} == {"train": "Train.CSV", "valid": "val.csv"}


@pytest.mark.parametrize("name", ["train.csv.gz", "train.xlsx", "train.tsv"])
def test_a_table_that_is_not_unpacked_is_named(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(UserError, match="no CheXpert") as told:
        find_layout(tmp_path)
    assert name in told.value.hint


def test_a_flat_copy_may_be_of_png(write_tables):
    root = write_tables(".")
    (root / "images").mkdir()
    (root / "images/patient00001_study1_view1_frontal.png").touch()
    layout = find_layout(root)
    files, present = layout.find(layout.read("train"))
    assert (present.all(), files[0].endswith(".png")) == (True, True)


def test_the_views_of_a_study_may_be_png(test_set):
    expected = find_layout(test_set).read("test")["key"].tolist()
    (test_set / "CheXpert" / "test_labels.csv").unlink()
    for file in (test_set / "CheXpert" / "test").rglob("*.jpg"):
        file.rename(file.with_suffix(".png"))
    layout = find_layout(test_set)
    frame = layout.read("test")
    assert frame["key"].tolist() == expected
    assert layout.find(frame)[1].all()
