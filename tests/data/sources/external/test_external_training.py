"""External data sets in the data module: what they do not label is masked, wherever it is read."""

import numpy as np
import pytest
import torch
from helpers.errors import raises
from helpers.external_trees import write_nih

from chexpert.data import CheXpertDataModule, LabelPolicy
from chexpert.observations import COMPETITION, OBSERVATIONS


def open_data(root, observations=OBSERVATIONS, labels=None, **options):
    options = {"image_size": 16, "batch_size": 4, "num_workers": 0, "variant": "nih", "test": True} | options
    data = CheXpertDataModule(root, list(observations), labels or LabelPolicy("three_class", blank="zeros"), **options)
    data.setup("fit")
    return data


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_nih(tmp_path_factory.mktemp("nih"), patients=60, images=1)


def test_absent_observations_are_masked_in_each_split_and_others_are_not(root, caplog):
    data = open_data(root, dev=0.2)
    absent = np.isin(OBSERVATIONS, data.layout.absent)
    assert sorted(data.datasets) == ["dev", "test", "train", "valid"]
    for name, views in data.datasets.items():
        mask = views.mask.numpy()
        width = 2 * len(OBSERVATIONS) if name == "train" else len(OBSERVATIONS)
        assert mask.shape[1] == width
        assert not mask[:, np.tile(absent, width // 14)].any()
        assert mask[:, : len(OBSERVATIONS)][:, ~absent].all()
    assert data.sources["train"]["not_labeled"] == list(data.layout.absent)
    summary = data.summarize()["splits"]
    assert {name: split["patients"] for name, split in summary.items()}.keys() == {"train", "valid", "dev", "test"}
    assert isinstance(next(iter(data.train_dataloader())).images, torch.Tensor)


def test_blanks_as_ones_do_not_reach_an_absent_observation(root):
    data = open_data(root, labels=LabelPolicy("ones", blank="ones"))
    targets, mask = data.datasets["train"].targets.numpy(), data.datasets["train"].mask.numpy()
    assert not mask[:, OBSERVATIONS.index("Fracture")].any()
    assert targets[mask].mean() < 0.5  # NIH's negatives are 0, not blank


def test_run_of_absent_observations_alone_is_refused(root):
    with raises("missing-labels", str(root)):
        open_data(root, ["Fracture", "Support Devices"])


def test_competition_needs_no_mask(root):
    assert open_data(root, COMPETITION).datasets["train"].mask.all()


def test_external_test_set_beside_a_copy_of_chexpert(root, write_chexpert, make_row):
    copy = write_chexpert([make_row({"Edema": "1.0"}, patient=number) for number in range(3)])
    data = open_data(copy, ["Edema", "Fracture"], LabelPolicy("ones"), variant="auto", test=str(root))
    assert data.datasets["test"].mask.numpy()[:, 0].all()
    assert not data.datasets["test"].mask.numpy()[:, 1].any()
    assert data.datasets["train"].mask.all()
