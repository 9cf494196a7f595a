"""CheXlocalize's files of masks."""

import json

import numpy as np
import pytest

from chexpert.errors import UserError
from chexpert.metrics import Segmentations, write_segmentations
from chexpert.metrics.localization.run_lengths import encode

MASK = np.zeros((5, 7), bool)
MASK[1:3, 2:5] = True
VIEW = "patient1_study1_view1_frontal"


def make(**masks):
    return Segmentations({VIEW: {name.replace("_", " "): encode(mask) for name, mask in masks.items()}}, "gt.json")


def test_masks_are_given_by_chexperts_names():
    masks = make(Airspace_Opacity=MASK, Edema=~MASK)
    assert masks.observations() == {"Lung Opacity", "Edema"}
    assert (masks.masks(VIEW)["Lung Opacity"] == MASK).all()
    assert (masks.mask(VIEW, "Edema") == ~MASK).all()


def test_either_spelling_is_read():
    assert (make(Lung_Opacity=MASK).mask(VIEW, "Lung Opacity") == MASK).all()


def test_an_empty_mask_and_one_that_is_not_listed_have_no_pixel():
    masks = make(Edema=MASK & ~MASK)
    for view, name in ((VIEW, "Edema"), (VIEW, "Atelectasis"), ("another", "Edema")):
        assert masks.mask(view, name) is None
        assert masks.area(view, name) == 0


def test_the_size_of_a_view_is_that_of_its_masks():
    assert make(Edema=MASK).size(VIEW) == (5, 7)
    assert make().size(VIEW) is None
    assert make().size("another") is None


def test_areas_and_intersections_need_no_decoding():
    truth, predicted = make(Edema=MASK), make(Edema=np.roll(MASK, 1, 1), Atelectasis=MASK)
    assert truth.area(VIEW, "Edema") == 6
    assert truth.intersection(predicted, VIEW, "Edema") == 4
    assert truth.intersection(predicted, VIEW, "Atelectasis") == 0


def test_what_is_written_is_spelled_as_chexlocalize_does_and_reads_back(tmp_path):
    path = tmp_path / "new/pred.json"
    write_segmentations(path, {VIEW: {"Lung Opacity": encode(MASK)}})
    assert list(json.loads(path.read_text())[VIEW]) == ["Airspace Opacity"]
    assert (Segmentations.read(path).mask(VIEW, "Lung Opacity") == MASK).all()


def test_a_broken_mask_is_reported_with_its_file_view_and_observation(tmp_path):
    path = tmp_path / "gt.json"
    path.write_text(json.dumps({VIEW: {"Edema": {"size": [5, 9], "counts": ";230009"}}}))
    with pytest.raises(UserError, match="45") as error:
        Segmentations.read(path)
    assert f"{path}, {VIEW}, Edema" in str(error.value)


def test_masks_of_two_sizes_in_one_view_are_reported():
    with pytest.raises(UserError, match="two sizes"):
        make(Edema=MASK, Atelectasis=MASK.T)


def test_one_observation_under_both_names_is_reported():
    with pytest.raises(UserError, match="both its names"):
        make(Airspace_Opacity=MASK, Lung_Opacity=MASK)


def test_names_that_are_not_known_are_noted_with_what_may_be_meant():
    masks = make(Edma=MASK, Edema=MASK, Airspace_opacity=MASK, Cough=MASK, Fracture=MASK)
    assert masks.note_unknown() == [
        "1 mask ignored in gt.json: 'Airspace opacity' is not an observation of CheXpert; Airspace Opacity?",
        "1 mask ignored in gt.json: 'Cough' is not an observation of CheXpert",
        "1 mask ignored in gt.json: 'Edma' is not an observation of CheXpert; Edema?",
    ]


@pytest.mark.parametrize("masks", [{"Edma": MASK}, {"Fracture": MASK}, {}])
def test_a_file_without_any_of_the_ten_is_reported(masks):
    with pytest.raises(UserError, match=r"none of the ten"):
        make(**masks).note_unknown()


@pytest.mark.parametrize("text", ["[]", "{", '{"view": []}', '"text"'])
def test_another_file_is_reported(tmp_path, text):
    (tmp_path / "gt.json").write_text(text)
    with pytest.raises(UserError, match=r"gt\.json"):
        Segmentations.read(tmp_path / "gt.json")


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        Segmentations.read(tmp_path / "gt.json")
