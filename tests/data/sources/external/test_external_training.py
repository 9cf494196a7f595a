"""External data sets in the data module: what they do not label is masked, wherever it is read."""

import numpy as np
import pytest
import torch
from helpers.errors import raises
from helpers.external_trees import write_mimic, write_nih, write_padchest, write_rsna, write_vindr

from chexpert.data import CheXpertDataModule, LabelPolicy
from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.external.export import export_split
from chexpert.evaluation.thresholds import get_kind
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


@pytest.mark.parametrize("blank", ["zeros", "ones"])
def test_unknown_labels_of_padchest_are_masked_whatever_the_policy(tmp_path, blank):
    data = open_data(write_padchest(tmp_path), labels=LabelPolicy("three_class", blank=blank), variant="padchest")
    frame, mask = data.frames["train"], data.datasets["train"].mask.numpy()
    unknown = frame["No Finding"].isna().to_numpy()
    assert unknown.any()
    assert not mask[unknown].any()
    assert mask[~unknown][:, OBSERVATIONS.index("No Finding")].all()


def test_study_of_mimic_without_a_report_is_masked_and_counted(tmp_path, caplog):
    root = write_mimic(tmp_path / "root", 8)
    data = open_data(root, variant="mimic", labels=LabelPolicy("ones", blank="zeros"))
    lost = (data.frames["train"]["patient"] == "p10000001").to_numpy()
    mask = data.datasets["train"].mask.numpy()
    assert lost.any()
    assert not mask[lost].any()
    assert mask[~lost].all()
    export_split(find_layout(root), "train", "frontal", tmp_path / "out", None)
    lines = [line.split(",") for line in (tmp_path / "out" / "labels.csv").read_text().splitlines()[1:]]
    assert [set(line[5:]) == {""} for line in lines] == ["p10000001" in line[0] for line in lines]
    assert any("1 of 8 studies" in record.getMessage() for record in caplog.records)


def test_cut_table_of_mimics_labels_is_refused(tmp_path):
    root = write_mimic(tmp_path, 24)
    table = root / "mimic-cxr-2.0.0-chexpert.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:15]))
    with raises("missing-labels", str(table)):
        find_layout(root).read("train")


def test_nih_and_rsna_are_not_training_and_test_set_of_a_run(root, tmp_path):
    other = write_rsna(tmp_path)
    for one, two in ((root, other), (other, root)):
        with raises("shared-patients", "data.root, data.test"):
            open_data(one, ["Pneumonia"], variant="auto", test=str(two))
        (error,) = CheXpertDataModule.validate_args(root=str(one), test=str(two))
        assert (error.code, error.where) == ("shared-patients", "data.root, data.test")


def test_conditional_labels_need_the_parents(root):
    labels = LabelPolicy("ones", conditional=True)
    with raises("missing-labels", "labels.conditional"):
        open_data(root, labels=labels)
    assert open_data(root, ["Pneumothorax"], labels=labels).datasets["train"].mask.all()


def test_kind_of_labels_is_the_data_sets(root, tmp_path):
    kinds = {"nih": "report", "vindr": "radiologists", "rsna": "radiologists"}
    roots = {"nih": root, "vindr": write_vindr(tmp_path / "vindr"), "rsna": write_rsna(tmp_path / "rsna", 40)}
    for variant, kind in kinds.items():
        source = open_data(roots[variant], variant=variant).sources["test"]
        assert get_kind("test", source["labels"], source["labels_by"]) == kind
        assert get_kind("dev", source["labels"], source["labels_by"]) == kind
