"""Names of images, folders and runs in a report."""

import pytest

from chexpert.report.names import HIDDEN, LONGEST, Names, find_common, name_folder, name_run, name_runs
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import hash_name


@pytest.fixture
def hashed(tmp_path):
    (tmp_path / "ids.salt").write_text("a\n")
    return Names("hash", tmp_path)


def test_images_are_hashed_and_paths_of_settings_hidden(hashed):
    assert hashed.image("ward 3/DOE^JANE.dcm") == hash_name("ward 3/DOE^JANE.dcm", "a") == "id-a1497aa4f99d"
    settings = {"views": ["x.jpg"], "root": "~/jane", "n": 3, "deep": [{"file": "C:\\jane"}], "backbone": "resnet10t"}
    assert hashed.settings(settings) == {
        "views": [hash_name("x.jpg", "a")], "root": HIDDEN, "n": 3, "deep": [{"file": HIDDEN}], "backbone": "resnet10t",
    }  # fmt: skip


def test_command_keeps_its_keys(hashed):
    words = ["chexpert", "train", "data.root=/data/jane", "explain.views=[JANE]", "optimizer.lr=1e-3", "-m"]
    assert hashed.command(words) == f"chexpert train data.root={HIDDEN} explain.views={HIDDEN} optimizer.lr=1e-3 -m"


def test_kind_path_hides_nothing(tmp_path):
    names = Names("path", tmp_path)
    assert names.image("a/b.jpg") == names.path("a/b.jpg") == "a/b.jpg"
    assert not (tmp_path / "ids.salt").exists()


def test_missing_folder_has_a_salt_in_memory(tmp_path):
    one, other = (Names("hash", tmp_path / "gone") for _ in range(2))
    assert one.image("a") == one.image("a") != other.image("a")


def test_unknown_kind_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="plain"):
        Names("plain", tmp_path)


def test_settings_of_files_are_hidden_whatever_their_value(tmp_path):
    names = Names("hash", tmp_path)
    config = {"data": {"root": "DOE_1950", "views": "frontal"}, "labels": {"predictions": "DOE"}, "pretrained": "auto"}
    assert names.settings(config) == {
        "data": {"root": "[a path]", "views": "frontal"},
        "labels": {"predictions": "[a path]"},
        "pretrained": "auto",
    }
    command = names.command(["train.py", "data.root=DOE_1950", "hydra.run.dir=DOE", "+explain.views=[DOE]", "seed=1"])
    assert "DOE" not in command
    assert command.endswith("seed=1")
    assert Names("path", tmp_path).settings(config) == config


def test_run_is_named_by_its_overrides_without_paths():
    words = ["model=combined", "+seed=1", "name=x", "data.root=/data/DOE", "hydra.run.dir=/home/DOE", "pretrained=DOE"]
    assert name_run(words) == "model=combined, seed=1, pretrained=[a path]"
    assert name_run(["name=x", "resume=auto"]) == "defaults"
    assert len(name_run([f"labels.uncertain.Edema=0.{n}" for n in range(9)])) == LONGEST


def test_job_is_named_by_the_keys_of_its_sweep(tmp_path):
    run_files.write_json(tmp_path / run_files.SWEEP, {"overrides": ["data=small", "seed=0,1"]})
    run_files.write_json(tmp_path / "1/state.json", {"overrides": ["data=small", "seed=1"]})
    assert name_folder(tmp_path / "1") == "seed=1"
    (tmp_path / "1/state.json").write_text("{")
    assert name_folder(tmp_path / "1") == "1"
    (tmp_path / run_files.SWEEP).unlink()
    run_files.write_json(tmp_path / "1/state.json", {"overrides": ["data=small", "seed=1"]})
    assert name_folder(tmp_path / "1") == "data=small, seed=1"


def test_runs_are_named_by_overrides_that_differ():
    runs = [["data=small", "seed=0"], ["data=small", "seed=1", "data.root=/a"], ["data=small"]]
    assert name_runs(runs) == ["seed=0", "seed=1", "nothing else"]
    assert find_common(runs) == ["data=small"]
    assert name_runs([["data=small"]]) == ["data=small"]
