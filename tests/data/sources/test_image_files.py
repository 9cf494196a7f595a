"""Which images are there, and that none leads elsewhere."""

import os

import pytest

from chexpert.data.sources.image_files import find_present
from chexpert.errors import UserError


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


def test_a_file_that_links_outside_is_refused(folder):
    (folder / "train" / "b.jpg").symlink_to(folder.parent / "outside" / "a.jpg")
    with pytest.raises(UserError, match=r"a link leads out of the data root(?s:.*)b\.jpg"):
        find_present(folder, [folder / "train" / "b.jpg"])


@pytest.mark.parametrize("target", ["../outside", "../../outside"])
def test_a_folder_that_links_outside_is_refused(folder, target):
    link = folder / "valid" if target == "../outside" else folder / "train" / "patient1"
    link.symlink_to(target)
    with pytest.raises(UserError, match="a link leads out of the data root"):
        find_present(folder, [link / "a.jpg"])


def test_a_link_within_the_root_is_followed(folder):
    (folder / "valid").symlink_to("train")
    (folder / "train" / "b.jpg").symlink_to("a.jpg")
    assert find_present(folder, [folder / "valid" / "a.jpg", folder / "train" / "b.jpg"]).all()


def test_a_link_to_nothing_is_absent(folder):
    (folder / "train" / "b.jpg").symlink_to("gone.jpg")
    assert not find_present(folder, [folder / "train" / "b.jpg"]).any()


def test_the_root_itself_may_be_a_link(folder):
    link = folder.parent / "CheXpert-v1.0"
    link.symlink_to(folder)
    assert find_present(link, [link / "train" / "a.jpg"]).all()


def test_a_pipe_is_refused_since_reading_it_would_block(folder):
    os.mkfifo(folder / "train" / "b.jpg")
    with pytest.raises(UserError, match="not a plain file"):
        find_present(folder, [folder / "train" / "b.jpg"])


def test_a_folder_is_not_an_image(folder):
    with pytest.raises(UserError, match="not a plain file"):
        find_present(folder, [folder / "train"])
