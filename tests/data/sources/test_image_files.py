"""Which images are there, and that no link leads out of the data root."""

import os

import pytest
from helpers.errors import raises

from chexpert.data.sources.image_files import find_present


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "data" / "train" / "a.jpg").touch()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.jpg").touch()
    return tmp_path / "data"


def test_files_are_present_or_not(folder):
    files = [folder / "train" / "a.jpg", folder / "train" / "b.jpg", folder / "valid" / "a.jpg"]
    assert find_present(folder, files).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("link", "target", "image"),
    [
        ("train/b.jpg", "../../outside/a.jpg", "train/b.jpg"),
        ("valid", "../outside", "valid/a.jpg"),
        ("train/patient1", "../../outside", "train/patient1/a.jpg"),
    ],
)
def test_link_out_of_the_root_is_an_error(folder, link, target, image):
    (folder / link).symlink_to(target)
    assert (folder / image).is_file()
    with raises("outside-root", folder / image):
        find_present(folder, [folder / image])


def test_link_within_the_root_is_followed(folder):
    (folder / "valid").symlink_to("train")
    (folder / "train" / "b.jpg").symlink_to("a.jpg")
    assert find_present(folder, [folder / "valid" / "a.jpg", folder / "train" / "b.jpg"]).all()


def test_link_to_nothing_is_absent(folder):
    (folder / "train" / "b.jpg").symlink_to("gone.jpg")
    assert not find_present(folder, [folder / "train" / "b.jpg"]).any()


def test_root_can_be_a_link(folder):
    link = folder.parent / "CheXpert-v1.0"
    link.symlink_to(folder)
    assert find_present(link, [link / "train" / "a.jpg"]).all()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])  # to read a pipe would block
def test_pipe_or_folder_in_place_of_an_image_is_an_error(folder, make):
    make(folder / "train" / "b.jpg")
    with raises("not-a-file", folder / "train" / "b.jpg"):
        find_present(folder, [folder / "train" / "b.jpg"])
