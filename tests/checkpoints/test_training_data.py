"""What best.json says of the training data."""

from chexpert.checkpoints.training_data import describe_training_data
from chexpert.runs import files as run_files


def test_counts_layout_and_unlabeled_outputs_leave_and_no_folder(tmp_path):
    counts = {"images": 3, "studies": 2, "patients": 1, "fingerprint": "ab"}
    own = {"layout": "NIH ChestX-ray14", "folder": "/home/jdoe", "not_labeled": ["Fracture", "Lung Opacity"]}
    run_files.write_json(tmp_path / "data.json", {"splits": {"train": counts | own}})
    assert describe_training_data(tmp_path, ["Edema", "Lung Opacity"]) == {
        "training_data": {"layout": "NIH ChestX-ray14"} | counts, "not_labeled": ["Lung Opacity"],
    }  # fmt: skip
    assert "not_labeled" not in describe_training_data(tmp_path, ["Edema"])


def test_run_that_does_not_record_its_data(tmp_path):
    assert describe_training_data(tmp_path, ["Edema"]) == {}
