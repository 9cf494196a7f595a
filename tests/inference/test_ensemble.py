"""Ensembles of tiny runs and of made-up predictions."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers.errors import raises
from helpers.runs import start

from chexpert.checkpoints.callbacks import remove_old
from chexpert.data import write_phantom
from chexpert.inference.ensemble import describe_ensemble, ensemble, list_notes
from chexpert.inference.member_scores import find_input
from chexpert.inference.members import find_members, read_lists
from chexpert.runs import files as run_files

OPTIONS = ["trainer.max_epochs=2", "explainer=[]", "data.dev=0.3", "save_top_k=2", "data.test=true"]
EDEMA, FLUID = "Edema", "Pleural Effusion"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    """Two runs on the same images, of seeds 0 and 1: two checkpoints each, chosen on dev."""
    root = tmp_path_factory.mktemp("data") / "phantom"
    write_phantom(root, patients=20, valid=16, test=8, size=96, workers=1)
    folders = [tmp_path_factory.mktemp("outputs") / name for name in ("one", "two")]
    for seed, folder in enumerate(folders):
        start(folder, root, *OPTIONS, f"seed={seed}")
    return folders


def scores(made, observation: str = EDEMA) -> list[float]:
    return made.predictions.columns[observation].tolist()


@pytest.mark.parametrize("split", ["dev", "valid", "test"])
def test_single_best_checkpoint_gives_the_predictions_of_its_run(runs, split, tmp_path):
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


def test_checkpoints_average_like_their_prediction_files(runs):
    made = ensemble(runs, top_k=1)
    files = ensemble([run_files.predictions(folder, "valid") for folder in runs])
    assert scores(made) == scores(files)
    assert list(files.chosen_on.values()) == ["dev", "dev"]


def test_models_with_the_same_input_share_it(runs):
    one, two = (run_files.checkpoint(folder) for folder in runs)
    assert find_input(one, "valid") == find_input(two, "valid")
    assert find_input(one, "dev") != find_input(two, "dev")  # another seed holds other patients out


def test_model_of_another_size_reads_its_own_images(runs, tmp_path):
    small, large = run_files.checkpoint(runs[0]), tmp_path / "large.ckpt"
    content = torch.load(small, weights_only=True)
    content["chexpert"]["preprocessing"]["size"] = content["chexpert"]["config"]["data"]["image_size"] = 96
    torch.save(content, large)
    assert find_input(small, "valid") != find_input(large, "valid")
    one, two, both = (scores(ensemble(paths)) for paths in ([small], [large], [small, large]))
    assert one != two
    assert both == [(a + b) / 2 for a, b in zip(one, two, strict=True)]


def test_dev_splits_of_other_patients_are_an_error(runs):
    with raises("other-rows") as caught:
        ensemble(runs, top_k=1, split="dev")
    assert all(str(folder) in caught.value.where for folder in runs)


def test_metrics_on_the_split_that_chose_the_epochs_are_optimistic(runs):
    dev, valid = ensemble([runs[0]], split="dev"), ensemble([runs[0]], split="valid")
    assert (len(dev.optimistic), valid.optimistic) == (2, [])
    assert len(list_notes(dev)) == len(list_notes(valid)) + 1
    assert "2 of 2 members" in describe_ensemble(dev)


def test_missing_checkpoints_of_a_run_are_noted(runs):
    made = ensemble([runs[0]], top_k=3)
    assert made.short == {runs[0]: 2}
    (note,) = [note for note in list_notes(made) if str(runs[0]) in note]
    assert "save_top_k" in note


def test_last_checkpoint_was_chosen_on_no_split(runs):
    last = run_files.checkpoint(runs[0], "last")
    assert ensemble([last]).chosen_on == {last: None}


def write(path: Path, rows: dict[str, list[float]], key: str = "Path", observations=(EDEMA, FLUID)) -> Path:
    run_files.write_predictions(path, observations, rows.items(), key=key)
    return path


def view(patient: int, number: int = 1) -> str:
    return f"CheXpert-v1.0-small/valid/patient{patient:05d}/study1/view{number}_frontal.jpg"


def test_ranks_average_files_on_different_scales(tmp_path):
    one = write(tmp_path / "one.csv", {view(1): [0.1, 0.5], view(2): [0.2, 0.5]})
    two = write(tmp_path / "two.csv", {view(2): [9.0, -1.0], view(1): [-9.0, 1.0]})
    made = ensemble([one, two], how="rank")
    assert scores(made) == [1, 2]
    assert scores(made, FLUID) == [(1.5 + 2) / 2, (1.5 + 1) / 2]
    assert list(made.chosen_on.values()) == [None, None]
    assert len(list_notes(made)) == 1


def test_studies_are_averaged_after_the_maximum_over_their_views(tmp_path):
    one = write(tmp_path / "one.csv", {view(1): [0.1, 0.5], view(1, 2): [0.7, 0.1]})
    two = write(tmp_path / "two.csv", {view(1).rpartition("/")[0]: [0.3, 0.2]}, key="Study")
    made = ensemble([one, two], level="study").predictions
    assert (made.key, made.names) == ("Study", [view(1).rpartition("/")[0]])
    assert {name: column.tolist() for name, column in made.columns.items()} == {EDEMA: [0.5], FLUID: [0.35]}
    with raises("level", two) as caught:
        ensemble([one, two])
    assert "--level study" in caught.value.hint


def test_each_observation_may_have_its_own_members(tmp_path):
    one = write(tmp_path / "one.csv", {view(1): [0.1, 0.5]})
    two = write(tmp_path / "two.csv", {view(1): [0.3]}, observations=[EDEMA])
    lists = tmp_path / "members.yaml"
    lists.write_text(f"edema: [{one}, {two}]\nPleural Effusion: [{one}]\n")
    made = ensemble(read_lists(lists))
    assert {name: column.tolist() for name, column in made.predictions.columns.items()} == {EDEMA: [0.2], FLUID: [0.5]}
    assert f"{FLUID}: {one}\n" in describe_ensemble(made) + "\n"
    with raises("other-observations", f"{one} and {two}") as caught:
        ensemble([one, two])
    assert FLUID in caught.value.message


@pytest.mark.parametrize("content", ["", "[a.csv]", "Edma: [a.csv]", "Edema: a.csv", "Edema: []", "Edema: [a", "7"])
def test_wrong_member_lists_are_an_error(tmp_path, content):
    lists = tmp_path / "members.yaml"
    lists.write_text(content)
    with raises("unreadable-file" if content == "Edema: [a" else "value", lists):
        read_lists(lists)


def test_checkpoints_of_a_run_are_sorted_by_their_metric(tmp_path):
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
def test_checkpoint_replaces_the_file_of_its_old_name(tmp_path, name, older):
    for stem in (name, older, "best"):
        (tmp_path / f"{stem}.ckpt").touch()
    remove_old(SimpleNamespace(is_global_zero=True), str(tmp_path / f"{name}.ckpt"))
    remove_old(SimpleNamespace(is_global_zero=True), str(tmp_path / "best.ckpt"))
    assert {path.stem for path in tmp_path.iterdir()} == {name, "best"}


def test_folder_without_checkpoints_and_repeated_member_are_errors(tmp_path):
    with raises("missing-file", tmp_path):
        ensemble([tmp_path])
    one = write(tmp_path / "one.csv", {view(1): [0.1, 0.5]})
    with raises("repeated", one):
        ensemble([one, one])
