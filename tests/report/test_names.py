"""What a report calls films and folders."""

import pytest

from chexpert.identity import hash_name
from chexpert.report.names import HIDDEN, Names


@pytest.fixture
def hashed(tmp_path):
    (tmp_path / "ids.salt").write_text("a\n")
    return Names("hash", tmp_path)


def test_films_have_hashes_and_settings_lose_paths(hashed):
    assert hashed.film("ward 3/DOE^JANE.dcm") == hash_name("ward 3/DOE^JANE.dcm", "a") == "id-a1497aa4f99d"
    settings = {"views": ["x.jpg"], "root": "~/jane", "n": 3, "deep": [{"file": "C:\\jane"}], "backbone": "resnet10t"}
    assert hashed.settings(settings) == {
        "views": [hash_name("x.jpg", "a")], "root": HIDDEN, "n": 3, "deep": [{"file": HIDDEN}], "backbone": "resnet10t",
    }  # fmt: skip


def test_a_command_keeps_its_keys(hashed):
    words = ["python", "train.py", "data.root=/data/jane", "explain.views=[JANE]", "optimizer.lr=1e-3", "-m"]
    assert hashed.command(words) == f"python train.py data.root={HIDDEN} explain.views={HIDDEN} optimizer.lr=1e-3 -m"


def test_path_leaves_all_as_it_is(tmp_path):
    names = Names("path", tmp_path)
    assert names.film("a/b.jpg") == names.path("a/b.jpg") == "a/b.jpg"
    assert not (tmp_path / "ids.salt").exists()


def test_a_folder_that_cannot_be_written_to_has_a_salt_for_once(tmp_path):
    one, other = (Names("hash", tmp_path / "gone") for _ in range(2))
    assert one.film("a") == one.film("a") != other.film("a")


def test_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match="hash or path"):
        Names("plain", tmp_path)


def test_settings_that_name_files_are_hidden_whatever_they_look_like(tmp_path):
    names = Names("hash", tmp_path)
    config = {"data": {"root": "DOE_1950", "views": "frontal"}, "labels": {"predictions": "DOE"}, "pretrained": "auto"}
    assert names.settings(config) == {
        "data": {"root": "[a path]", "views": "frontal"},
        "labels": {"predictions": "[a path]"},
        "pretrained": "auto",
    }
    told = names.command(["train.py", "data.root=DOE_1950", "hydra.run.dir=DOE", "+explain.views=[DOE]", "seed=1"])
    assert "DOE" not in told
    assert told.endswith("seed=1")
    assert Names("path", tmp_path).settings(config) == config
