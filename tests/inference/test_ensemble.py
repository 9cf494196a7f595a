"""Ensembles of tiny runs and of made-up predictions."""

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hydra import compose, initialize_config_dir

from chexpert.checkpoints.callbacks import remove_old
from chexpert.data import write_phantom
from chexpert.engine.train import run
from chexpert.errors import UserError
from chexpert.inference.ensemble import describe_ensemble, ensemble
from chexpert.inference.member_scores import find_input
from chexpert.inference.members import find_members, read_lists
from chexpert.runs import files as run_files

CONF = Path(__file__).parents[2] / "conf"
TINY = ["data=small", "data.image_size=64", "data.batch_size=8", "data.num_workers=0", "trainer.max_epochs=2",
        "explainer=[]", "trainer.accelerator=cpu", "pretrained=false", "backbone.name=mnasnet_small", "data.dev=0.3",
        "save_top_k=2", "data.test=true"]  # fmt: skip
EDEMA, FLUID = "Edema", "Pleural Effusion"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    """Two runs on the same images, of seeds 0 and 1: two checkpoints each, chosen on dev."""
    root = tmp_path_factory.mktemp("data") / "phantom"
    write_phantom(root, patients=20, valid=16, test=8, size=96, workers=1)
    folders = [tmp_path_factory.mktemp("outputs") / name for name in ("one", "two")]
    for seed, folder in enumerate(folders):
        folder.mkdir()
        with initialize_config_dir(str(CONF), version_base="1.3"):
            run(compose("train", [*TINY, f"data.root={root}", f"seed={seed}"]), folder)
    return folders


def read(path: Path) -> dict[str, dict[str, float]]:
    rows = list(csv.DictReader(path.open()))
    return {row.pop("Path"): {name: float(value) for name, value in row.items()} for row in rows}


def scores(made, observation: str = EDEMA) -> list[float]:
    return made.predictions.columns[observation].tolist()


@pytest.mark.parametrize("split", ["dev", "valid", "test"])
def test_the_best_checkpoint_alone_says_what_its_run_said_to_the_last_digit(runs, split, tmp_path):
    made = ensemble([runs[0]], top_k=1, split=split).predictions
    rows = zip(made.names, zip(*made.columns.values(), strict=True), strict=True)
    run_files.write_predictions(tmp_path / "one.csv", list(made.columns), rows)
    assert (tmp_path / "one.csv").read_bytes() == run_files.predictions(runs[0], split).read_bytes()


def test_all_checkpoints_of_two_runs_are_averaged(runs):
    made = ensemble(runs)
    assert len(made.chosen_on) == 4
    assert set(made.chosen_on.values()) == {"dev"}
    single = [ensemble([path]) for path in made.chosen_on]
    for observation in made.predictions.columns:
        expected = [sum(row) / 4 for row in zip(*(scores(one, observation) for one in single), strict=True)]
        assert scores(made, observation) == pytest.approx(expected, abs=1e-15)
    assert made.labels == runs[0] / "labels/valid.csv"


def test_checkpoints_average_to_the_same_as_the_files_they_predict(runs):
    made = ensemble(runs, top_k=1)
    files = ensemble([run_files.predictions(folder, "valid") for folder in runs])
    assert scores(made) == scores(files)
    assert list(files.chosen_on.values()) == ["dev", "dev"]


def test_images_are_read_once_for_models_that_see_them_alike(runs):
    one, two = (run_files.checkpoint(folder) for folder in runs)
    assert find_input(one, "valid") == find_input(two, "valid")
    assert find_input(one, "dev") != find_input(two, "dev")  # another seed holds other patients out


def test_a_model_of_another_size_sees_images_of_its_own(runs, tmp_path):
    small, large = run_files.checkpoint(runs[0]), tmp_path / "large.ckpt"
    content = torch.load(small, weights_only=True)
    content["chexpert"]["preprocessing"]["size"] = content["chexpert"]["config"]["data"]["image_size"] = 96
    torch.save(content, large)
    assert find_input(small, "valid") != find_input(large, "valid")
    one, two, both = (scores(ensemble(paths)) for paths in ([small], [large], [small, large]))
    assert one != two
    assert both == [(a + b) / 2 for a, b in zip(one, two, strict=True)]


def test_development_splits_of_other_patients_are_no_ensemble(runs):
    with pytest.raises(UserError, match="members of different rows") as error:
        ensemble(runs, top_k=1, split="dev")
    assert all(str(folder) in error.value.where for folder in runs)


def test_metrics_on_the_images_that_chose_the_epoch_are_called_optimistic(runs):
    made = describe_ensemble(ensemble([runs[0]], split="dev"))
    assert "epochs of 2 of 2 members were chosen on these same images" in made
    assert "last.ckpt  the last epoch" in describe_ensemble(ensemble([run_files.checkpoint(runs[0], "last")]))
    text = describe_ensemble(ensemble([runs[0]], split="valid", top_k=3))
    assert "optimistic" not in text
    assert f"{runs[0]} kept only 2" in text
    assert text.count("epoch chosen on dev") == 2


def write(path: Path, rows: dict[str, list[float]], key: str = "Path", observations=(EDEMA, FLUID)) -> Path:
    run_files.write_predictions(path, observations, rows.items(), key=key)
    return path


def view(patient: int, number: int = 1) -> str:
    return f"CheXpert-v1.0-small/valid/patient{patient:05d}/study1/view{number}_frontal.jpg"


def test_ranks_of_files_on_different_scales(tmp_path):
    one = write(tmp_path / "one.csv", {view(1): [0.1, 0.5], view(2): [0.2, 0.5]})
    two = write(tmp_path / "two.csv", {view(2): [9.0, -1.0], view(1): [-9.0, 1.0]})
    made = ensemble([one, two], how="rank")
    assert scores(made) == [1, 2]
    assert scores(made, FLUID) == [(1.5 + 2) / 2, (1.5 + 1) / 2]
    text = describe_ensemble(made)
    assert "how it was chosen is not recorded" in text
    assert "no probabilities" in text


def test_studies_are_averaged_after_the_maximum_over_views_of_each_member(tmp_path):
    one = write(tmp_path / "one.csv", {view(1): [0.1, 0.5], view(1, 2): [0.7, 0.1]})
    two = write(tmp_path / "two.csv", {view(1).rpartition("/")[0]: [0.3, 0.2]}, key="Study")
    made = ensemble([one, two], level="study").predictions
    assert (made.key, made.names) == ("Study", [view(1).rpartition("/")[0]])
    assert {name: column.tolist() for name, column in made.columns.items()} == {EDEMA: [0.5], FLUID: [0.35]}
    with pytest.raises(UserError, match="scores of studies") as error:
        ensemble([one, two])
    assert str(two) in error.value.where


def test_each_observation_may_have_members_of_its_own(tmp_path):
    one = write(tmp_path / "one.csv", {view(1): [0.1, 0.5]})
    two = write(tmp_path / "two.csv", {view(1): [0.3]}, observations=[EDEMA])
    lists = tmp_path / "members.yaml"
    lists.write_text(f"edema: [{one}, {two}]\nPleural Effusion: [{one}]\n")
    made = ensemble(read_lists(lists))
    assert {name: column.tolist() for name, column in made.predictions.columns.items()} == {EDEMA: [0.2], FLUID: [0.5]}
    assert f"{FLUID}: {one}\n" in describe_ensemble(made) + "\n"
    with pytest.raises(UserError, match="members of different observations: Pleural Effusion only in one") as caught:
        ensemble([one, two])
    assert caught.value.where == f"{one} and {two}"


@pytest.mark.parametrize("content", ["", "[a.csv]", "Edma: [a.csv]", "Edema: a.csv", "Edema: []", "Edema: [a", "7"])
def test_lists_that_are_none_are_refused_by_file(tmp_path, content):
    lists = tmp_path / "members.yaml"
    lists.write_text(content)
    with pytest.raises(UserError, match="members") as error:
        read_lists(lists)
    assert error.value.where == str(lists)


def test_the_best_checkpoints_of_each_run_are_taken_in_the_order_of_their_metrics(tmp_path):
    names = ["epoch=00-auroc_mean=0.71000", "epoch=01-auroc_mean=0.80000", "epoch-02-auroc_mean-nan",
             "epoch-03-auroc_mean-0.80000", "best", "last", "step-0000002"]  # fmt: skip
    losses = ["epoch-00-loss-0.41000", "epoch-10-loss--0.39000", "best", "last"]
    for folder, own in (("auroc", names), ("loss", losses), ("single", ["best", "last"])):
        (tmp_path / folder / "checkpoints").mkdir(parents=True)
        for name in own:
            (tmp_path / folder / "checkpoints" / f"{name}.ckpt").touch()
    found = find_members([tmp_path / folder for folder in ("auroc", "loss", "single")], 3)
    assert [path.stem for path in found] == [names[1], names[3], names[0], losses[1], losses[0], "best"]


@pytest.mark.parametrize(
    ("name", "older"),
    [
        ("step-0000002", "step=0000002"),
        ("epoch-03-auroc_mean-0.91234", "epoch=03-auroc_mean=0.91234"),
        ("epoch-03-loss--0.5", "epoch=03-loss=-0.5"),
    ],
)
def test_a_checkpoint_written_again_replaces_the_one_of_its_older_name(tmp_path, name, older):
    for stem in (name, older, "best"):
        (tmp_path / f"{stem}.ckpt").touch()
    remove_old(SimpleNamespace(is_global_zero=True), str(tmp_path / f"{name}.ckpt"))
    remove_old(SimpleNamespace(is_global_zero=True), str(tmp_path / "best.ckpt"))
    assert {path.stem for path in tmp_path.iterdir()} == {name, "best"}


def test_a_folder_without_checkpoints_and_a_member_given_twice_are_refused(tmp_path):
    with pytest.raises(UserError, match="no checkpoint in this folder"):
        ensemble([tmp_path])
    one = write(tmp_path / "one.csv", {view(1): [0.1, 0.5]})
    with pytest.raises(UserError, match="given twice"):
        ensemble([one, one])
