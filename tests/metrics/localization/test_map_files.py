"""Files of attribution maps."""

import numpy as np
import pytest

from chexpert.errors import UserError
from chexpert.metrics import LocalMap, find_maps, write_map
from chexpert.observations import LOCALIZED

VIEW = "patient1_study1_view1_frontal"
LOCAL = LocalMap(np.eye(3, dtype="float32"), 0.25, 70, 50, (3, 2), np.diag([0.5, 0.25, 1]), (9, 8))


def test_what_is_written_is_found_and_reads_back(tmp_path):
    path = write_map(tmp_path / f"{VIEW}_Edema_map.npz", LOCAL)
    assert path.name == "patient1_study1_view1_frontal_Edema_map.npz"
    files, notes = find_maps(tmp_path, LOCALIZED)
    assert (files, notes) == ([(path, VIEW, "Edema")], [])
    read = files[0].read()
    assert (read.map == LOCAL.map).all()
    assert (*read[1:5], read.shape) == (0.25, 70, 50, (3, 2), (9, 8))
    assert (read.matrix == LOCAL.matrix).all()


def test_a_map_needs_no_grid(tmp_path):
    path = write_map(tmp_path / f"{VIEW}_Edema_map.npz", LocalMap(*LOCAL[:4]))
    assert read(path)[1:] == (0.25, 70, 50, None, None, None)


@pytest.mark.parametrize("named", [f"{VIEW}_Edema", "patient2_study1_view1_frontal_Lung Opacity"])
def test_a_map_that_says_it_is_anothers_is_reported(tmp_path, named):
    whose = {"view": np.array(VIEW), "observation": np.array("Lung Opacity")}
    assert read(write_map(tmp_path / "own" / f"{VIEW}_Airspace Opacity_map.npz", LOCAL, **whose))
    path = write_map(tmp_path / "renamed" / f"{named}_map.npz", LOCAL, **whose)
    message = f"this is the map of {VIEW}, Lung Opacity, named as {', '.join(named.rsplit('_', 1))}"
    with pytest.raises(UserError, match=message):
        read(path)


def test_maps_are_found_in_any_depth_in_the_order_of_views(tmp_path):
    write_map(tmp_path / "b" / "patient1_Edema_map.npz", LOCAL)
    write_map(tmp_path / "a/deep" / "patient2_Edema_map.npz", LOCAL)
    write_map(tmp_path / "patient1_Atelectasis_map.npz", LOCAL)
    found = [file[1:] for file in find_maps(tmp_path, LOCALIZED)[0]]
    assert found == [("patient1", "Atelectasis"), ("patient1", "Edema"), ("patient2", "Edema")]


@pytest.mark.parametrize("name", ["Lung Opacity", "Airspace Opacity"])
def test_either_spelling_is_read(tmp_path, name):
    write_map(tmp_path / f"{VIEW}_{name}_map.npz", LOCAL)
    assert find_maps(tmp_path, LOCALIZED)[0][0].observation == "Lung Opacity"


def test_other_observations_are_ignored_with_a_note(tmp_path):
    for name in ("Edema", "Pneumonia", "Cough"):
        write_map(tmp_path / f"{VIEW}_{name}_map.npz", LOCAL)
    files, notes = find_maps(tmp_path, LOCALIZED)
    assert [file.observation for file in files] == ["Edema"]
    assert notes == [
        "1 map ignored: Cough is not an observation of CheXpert",
        "1 map ignored: Pneumonia has no masks in CheXlocalize",
    ]


def test_two_maps_of_the_same_are_reported(tmp_path):
    write_map(tmp_path / "gradcam" / f"{VIEW}_Airspace Opacity_map.npz", LOCAL)
    write_map(tmp_path / "lime" / f"{VIEW}_Lung Opacity_map.npz", LOCAL)
    with pytest.raises(UserError, match=f"two maps of {VIEW}, Lung Opacity"):
        find_maps(tmp_path, LOCALIZED)


def test_a_folder_without_maps_is_reported(tmp_path):
    with pytest.raises(UserError, match="no maps"):
        find_maps(tmp_path, LOCALIZED)
    with pytest.raises(UserError, match="no such folder"):
        find_maps(tmp_path / "absent", LOCALIZED)


def read(path):
    return find_maps(path.parent, LOCALIZED)[0][0].read()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"map": np.array([[0, np.nan]])}, "not finite"),
        ({"map": np.array([[0, np.inf]])}, "not finite"),
        ({"map": np.zeros((1, 3, 3))}, "shape"),
        ({"map": np.zeros((0, 3))}, "shape"),
        ({"map": np.array([["a"]])}, "no map"),
        ({"map": np.array([[None]], dtype=object)}, "allow_pickle"),
        ({"probability": np.nan}, "probability nan"),
        ({"probability": 1.5}, "probability 1.5"),
        ({"probability": np.zeros(2)}, "no map"),
        ({"probability": "high"}, "probability high"),
        ({"width": 0}, "width 0"),
        ({"height": 2.5}, "height 2.5"),
        ({"grid": np.array([3])}, "no map"),
        ({"grid": 3}, "no map"),
        ({"grid": np.array([0, 3])}, "0 x 3 cells"),
        ({"matrix": np.eye(2)}, "the matrix"),
        ({"matrix": np.zeros((3, 3))}, "the matrix"),
        ({"matrix": np.full((3, 3), np.nan)}, "the matrix"),
    ],
)
def test_what_is_no_map_is_reported_with_its_file(tmp_path, changed, message):
    path = write_map(tmp_path / f"{VIEW}_Edema_map.npz", LOCAL)
    np.savez(path, **(LOCAL._asdict() | changed))
    with pytest.raises(UserError, match=message) as error:
        read(path)
    assert str(path) in str(error.value)


def test_a_missing_array_is_reported(tmp_path):
    path = write_map(tmp_path / f"{VIEW}_Edema_map.npz", LOCAL)
    np.savez(path, map=LOCAL.map)
    with pytest.raises(UserError, match="probability"):
        read(path)


@pytest.mark.parametrize("damage", ["empty", "cut", "other"])
def test_a_damaged_file_is_reported(tmp_path, damage):
    path = write_map(tmp_path / f"{VIEW}_Edema_map.npz", LOCAL)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "other": b"no zip at all"}[damage])
    with pytest.raises(UserError, match="no map"):
        read(path)
