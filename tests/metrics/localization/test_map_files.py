"""Files of attribution maps."""

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.metrics import LocalMap, find_maps, write_map
from chexpert.observations import LOCALIZED

VIEW = "patient1_study1_view1_frontal"
LOCAL = LocalMap(np.eye(3, dtype="float32"), 0.25, 70, 50, (3, 2), np.diag([0.5, 0.25, 1]), (9, 8))


def test_written_map_is_found_and_reads_back(tmp_path):
    path = write_map(tmp_path / f"{VIEW}_Edema_map.npz", LOCAL)
    assert path.name == "patient1_study1_view1_frontal_Edema_map.npz"
    files, notes = find_maps(tmp_path, LOCALIZED)
    assert (files, notes) == ([(path, VIEW, "Edema")], [])
    read = files[0].read()
    assert (read.map == LOCAL.map).all()
    assert (*read[1:5], read.shape) == (0.25, 70, 50, (3, 2), (9, 8))
    assert (read.matrix == LOCAL.matrix).all()


def test_grid_is_optional(tmp_path):
    path = write_map(tmp_path / f"{VIEW}_Edema_map.npz", LocalMap(*LOCAL[:4]))
    assert read(path)[1:] == (0.25, 70, 50, None, None, None)


@pytest.mark.parametrize("named", [f"{VIEW}_Edema", "patient2_study1_view1_frontal_Lung Opacity"])
def test_map_under_the_name_of_another_is_an_error(tmp_path, named):
    arrays = {"view": np.array(VIEW), "observation": np.array("Lung Opacity")}
    assert read(write_map(tmp_path / "own" / f"{VIEW}_Airspace Opacity_map.npz", LOCAL, **arrays))
    path = write_map(tmp_path / "renamed" / f"{named}_map.npz", LOCAL, **arrays)
    with raises("file-name", path):
        read(path)


def test_maps_are_found_at_any_depth_in_the_order_of_views(tmp_path):
    write_map(tmp_path / "b" / "patient1_Edema_map.npz", LOCAL)
    write_map(tmp_path / "a/deep" / "patient2_Edema_map.npz", LOCAL)
    write_map(tmp_path / "patient1_Atelectasis_map.npz", LOCAL)
    found = [file[1:] for file in find_maps(tmp_path, LOCALIZED)[0]]
    assert found == [("patient1", "Atelectasis"), ("patient1", "Edema"), ("patient2", "Edema")]


@pytest.mark.parametrize("name", ["Lung Opacity", "Airspace Opacity"])
def test_both_spellings_are_read(tmp_path, name):
    write_map(tmp_path / f"{VIEW}_{name}_map.npz", LOCAL)
    assert find_maps(tmp_path, LOCALIZED)[0][0].observation == "Lung Opacity"


def test_other_observations_are_ignored_with_a_note(tmp_path):
    for name in ("Edema", "Pneumonia", "Cough"):
        write_map(tmp_path / f"{VIEW}_{name}_map.npz", LOCAL)
    files, notes = find_maps(tmp_path, LOCALIZED)
    assert [file.observation for file in files] == ["Edema"]
    for note, name in zip(notes, ("Cough", "Pneumonia"), strict=True):
        assert f"1 map ignored: {name}" in note


def test_two_maps_of_one_view_and_observation_are_an_error(tmp_path):
    one = write_map(tmp_path / "gradcam" / f"{VIEW}_Airspace Opacity_map.npz", LOCAL)
    other = write_map(tmp_path / "lime" / f"{VIEW}_Lung Opacity_map.npz", LOCAL)
    with raises("repeated", f"{one} and {other}"):
        find_maps(tmp_path, LOCALIZED)


def test_missing_folder_or_one_without_maps_is_an_error(tmp_path):
    with raises("missing-map", tmp_path):
        find_maps(tmp_path, LOCALIZED)
    with raises("missing-folder", tmp_path / "none"):
        find_maps(tmp_path / "none", LOCALIZED)


def read(path):
    return find_maps(path.parent, LOCALIZED)[0][0].read()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"map": np.array([[0, np.nan]])}, "finite"),
        ({"map": np.array([[0, np.inf]])}, "finite"),
        ({"map": np.zeros((1, 3, 3))}, "(1, 3, 3)"),
        ({"map": np.zeros((0, 3))}, "(0, 3)"),
        ({"map": np.array([["a"]])}, ""),
        ({"map": np.array([[None]], dtype=object)}, "allow_pickle"),
        ({"probability": np.nan}, "probability nan"),
        ({"probability": 1.5}, "probability 1.5"),
        ({"probability": np.zeros(2)}, ""),
        ({"probability": "high"}, "probability high"),
        ({"width": 0}, "width 0"),
        ({"height": 2.5}, "height 2.5"),
        ({"grid": np.array([3])}, ""),
        ({"grid": 3}, ""),
        ({"grid": np.array([0, 3])}, "0 x 3"),
        ({"matrix": np.eye(2)}, "matrix"),
        ({"matrix": np.zeros((3, 3))}, "matrix"),
        ({"matrix": np.full((3, 3), np.nan)}, "matrix"),
    ],
)
def test_invalid_array_is_an_error_of_its_file(tmp_path, changed, named):
    path = write_map(tmp_path / f"{VIEW}_Edema_map.npz", LOCAL)
    np.savez(path, **(LOCAL._asdict() | changed))
    with raises("damaged-file", path) as error:
        read(path)
    assert named in error.value.message


def test_missing_array_is_an_error(tmp_path):
    path = write_map(tmp_path / f"{VIEW}_Edema_map.npz", LOCAL)
    np.savez(path, map=LOCAL.map)
    with raises("damaged-file", path) as error:
        read(path)
    assert "probability" in error.value.message


@pytest.mark.parametrize("damage", ["empty", "cut", "other"])
def test_damaged_file_is_an_error(tmp_path, damage):
    path = write_map(tmp_path / f"{VIEW}_Edema_map.npz", LOCAL)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "other": b"no zip at all"}[damage])
    with raises("damaged-file", path):
        read(path)
