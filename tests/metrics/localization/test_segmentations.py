"""CheXlocalize's files of masks."""

import json

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.metrics import Segmentations, write_segmentations
from chexpert.metrics.localization.run_lengths import encode

MASK = np.zeros((5, 7), bool)
MASK[1:3, 2:5] = True
VIEW = "patient1_study1_view1_frontal"


def make(**masks):
    return Segmentations({VIEW: {name.replace("_", " "): encode(mask) for name, mask in masks.items()}}, "gt.json")


def test_masks_have_chexperts_names():
    masks = make(Airspace_Opacity=MASK, Edema=~MASK)
    assert masks.observations() == {"Lung Opacity", "Edema"}
    assert (masks.masks(VIEW)["Lung Opacity"] == MASK).all()
    assert (masks.mask(VIEW, "Edema") == ~MASK).all()


def test_both_spellings_are_read():
    assert (make(Lung_Opacity=MASK).mask(VIEW, "Lung Opacity") == MASK).all()


def test_empty_or_unlisted_mask_has_no_pixel():
    masks = make(Edema=MASK & ~MASK)
    for view, name in ((VIEW, "Edema"), (VIEW, "Atelectasis"), ("another", "Edema")):
        assert masks.mask(view, name) is None
        assert masks.area(view, name) == 0


def test_size_of_a_view_is_that_of_its_masks():
    assert make(Edema=MASK).size(VIEW) == (5, 7)
    assert make().size(VIEW) is None
    assert make().size("another") is None


def test_areas_and_intersections_are_counted():
    truth, predicted = make(Edema=MASK), make(Edema=np.roll(MASK, 1, 1), Atelectasis=MASK)
    assert truth.area(VIEW, "Edema") == 6
    assert truth.intersection(predicted, VIEW, "Edema") == 4
    assert truth.intersection(predicted, VIEW, "Atelectasis") == 0


def test_written_masks_have_chexlocalizes_names_and_read_back(tmp_path):
    path = tmp_path / "new/pred.json"
    write_segmentations(path, {VIEW: {"Lung Opacity": encode(MASK)}})
    assert list(json.loads(path.read_text())[VIEW]) == ["Airspace Opacity"]
    assert (Segmentations.read(path).mask(VIEW, "Lung Opacity") == MASK).all()


def test_damaged_mask_is_an_error_of_its_file_view_and_observation(tmp_path):
    path = tmp_path / "gt.json"
    path.write_text(json.dumps({VIEW: {"Edema": {"size": [5, 9], "counts": ";230009"}}}))
    with raises("damaged-file", f"{path}, {VIEW}, Edema") as error:
        Segmentations.read(path)
    assert "45" in error.value.message


def test_masks_of_two_sizes_in_one_view_are_an_error():
    with raises("mask-size", f"gt.json, {VIEW}, Atelectasis"):
        make(Edema=MASK, Atelectasis=MASK.T)


def test_observation_under_both_names_is_an_error():
    with raises("repeated", f"gt.json, {VIEW}, Lung Opacity"):
        make(Airspace_Opacity=MASK, Lung_Opacity=MASK)


def test_unknown_observations_are_noted_with_a_suggestion():
    notes = make(Edma=MASK, Edema=MASK, Airspace_opacity=MASK, Cough=MASK, Fracture=MASK).note_unknown()
    for note, name in zip(notes, ("Airspace opacity", "Cough", "Edma"), strict=True):
        assert f"1 mask ignored in gt.json: {name!r}" in note
    assert [note.rpartition("; ")[2] for note in (notes[0], notes[2])] == ["Airspace Opacity?", "Edema?"]
    assert "?" not in notes[1]


@pytest.mark.parametrize("masks", [{"Edma": MASK}, {"Cough": MASK}, {}])
def test_file_without_an_observation_is_an_error(masks):
    with raises("missing-observation", "gt.json"):
        make(**masks).note_unknown()


@pytest.mark.parametrize("text", ["[]", "{", '{"view": []}', '"text"', None])
def test_missing_file_or_one_of_another_form_is_an_error(tmp_path, text):
    path = tmp_path / "gt.json"
    if text is not None:
        path.write_text(text)
    with raises("damaged-file" if text else "missing-file", path):
        Segmentations.read(path)
