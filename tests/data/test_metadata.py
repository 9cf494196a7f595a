"""Metadata and gray statistics of the views, and ties of labels."""

import numpy as np
import pandas as pd
import pytest

from chexpert.data import CheXpertDataModule, LabelPolicy
from chexpert.data.metadata import GRAY, METADATA, describe_gray, describe_metadata, measure_ties, read_known


def test_metadata_match_values_by_hand():
    frame = pd.DataFrame({
        "sex": ["Male", "Female", "Unknown", ""],
        "age": [60.0, 31.0, 0.0, np.nan],
        "projection": ["frontal_ap", "frontal_pa", "lateral", "frontal"],
    })  # fmt: skip
    assert METADATA == ("male", "sex unknown", "age", "age unknown", "AP", "PA", "lateral")
    assert describe_metadata(frame).tolist() == [
        [1, 0, 60, 0, 1, 0, 0],
        [0, 0, 31, 0, 0, 1, 0],
        [0, 1, 0, 0, 0, 0, 1],
        [0, 1, 0, 1, 0, 0, 0],
    ]


def test_gray_statistics_match_values_by_hand():
    image = np.full((20, 20), 100, dtype=np.uint8)
    image[0] = 0  # 20 of the 76 pixels of a border that is one pixel wide
    found = dict(zip(GRAY, describe_gray(image, (390, 320)), strict=True))
    assert found["mean"] == 95
    assert found["spread"] == pytest.approx((0.05 * 95**2 + 0.95 * 5**2) ** 0.5)
    assert found["percentile 1"] == 0
    assert found["percentile 50"] == found["percentile 99"] == 100
    assert found["dark share of the border"] == pytest.approx(20 / 76)
    assert (found["width"], found["height"]) == (390, 320)


@pytest.fixture
def data(write_chexpert, make_row):
    cells = [{"Edema": "1.0", "Sex": "Male"}, {"Edema": "0.0", "Age": "40"}, {"Edema": "-1.0"}, {}]
    train = [make_row(own, patient=patient) for patient, own in enumerate(cells, start=1)]
    root = write_chexpert(train, [make_row({"Edema": "0.0"}, split="valid")])
    policy = LabelPolicy(uncertain="ignore", blank="zeros")
    data = CheXpertDataModule(root, ["Edema"], policy, image_size=32, num_workers=0)
    data.setup("fit")
    return data


def test_views_of_the_training_split_are_read(data):
    known = read_known(data, "train")
    assert known.names == list(data.frames["train"]["path"])
    assert known.metadata[:, 0].tolist() == [1, 0, 0, 0]
    assert known.metadata[:, 2].tolist() == [60, 40, 60, 60]
    assert known.gray.shape == (4, len(GRAY))
    assert known.gray[:, -2:].tolist() == [[32, 40]] * 4
    assert known.labels[:, 0].tolist() == pytest.approx([1, 0, np.nan, 0], nan_ok=True)


def test_ties_of_training_labels_match_values_by_hand(write_chexpert, make_row):
    # of four known pairs: (1, 1), (1, blank), (0, 0), (0, 0); the fifth device is uncertain, the sixth edema unknown
    edema = ["1.0", "1.0", "0.0", "0.0", "1.0", "-1.0"]
    device = ["1.0", "", "0.0", "0.0", "-1.0", "1.0"]
    cells = [{"Edema": e, "Support Devices": d} for e, d in zip(edema, device, strict=True)]
    root = write_chexpert([make_row(own, patient=patient) for patient, own in enumerate(cells, start=1)])
    data = CheXpertDataModule(root, ["Edema"], LabelPolicy(uncertain="ignore"), image_size=32, num_workers=0)
    data.setup("fit")
    assert measure_ties(data, "Support Devices") == {"Edema": pytest.approx(3**-0.5)}
    assert np.isnan(measure_ties(data, "Fracture")["Edema"])


def test_views_are_limited_and_selected_by_the_seed(data):
    assert len(read_known(data, "train", most=3).names) == 3
    assert read_known(data, "train", most=2, seed=1).names == read_known(data, "train", most=2, seed=1).names
    assert len({tuple(read_known(data, "train", most=2, seed=seed).names) for seed in range(8)}) > 1
