"""Tiny runs that are taught by others."""

import json
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.configs import make
from helpers.errors import raises
from helpers.resumed_runs import SHORT, check_equal, stop_at
from helpers.runs import start

from chexpert.checkpoints import read_checkpoint
from chexpert.config import resolve
from chexpert.engine.distillation import teach
from chexpert.engine.setup import prepare
from chexpert.engine.summary import print_summary
from chexpert.engine.teachers import read_teacher, shows_same_images
from chexpert.evaluation import read_predictions
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping
from chexpert.signals import Stopped

OPTIONS = ["explainer=[]", "logger=[]"]


@pytest.fixture(scope="module")
def folds(tmp_path_factory, phantom) -> list[Path]:
    outputs = tmp_path_factory.mktemp("folds")
    found = [outputs / f"fold{fold}" for fold in (0, 1)]
    for fold, folder in enumerate(found):
        start(folder, phantom, *OPTIONS, "data.folds=2", f"data.fold={fold}")
    return found


def teachers(*paths: Path) -> list[str]:
    return ["distill=teachers", f"distill.teachers=[{','.join(map(str, paths))}]"]


@pytest.fixture(scope="module")
def taught(tmp_path_factory, phantom, folds) -> Path:
    folder = tmp_path_factory.mktemp("taught") / "run"

    def keep_summary(*given):
        text = print_summary(*given)
        (folder.parent / "summary.txt").write_text(text)
        return text

    with mock.patch("chexpert.engine.fit.print_summary", keep_summary):
        start(folder, phantom, *OPTIONS, *teachers(*folds), "distill.weight=0.75", "labels=ignore")
    return folder


def test_each_view_is_taught_by_the_fold_that_held_it_out(taught, folds):
    content = read_mapping(taught / "distillation.json")
    table = read_predictions(run_files.teachers_table(taught))
    held = [read_predictions(run_files.predictions(fold, "dev")) for fold in folds]
    assert sorted(table.names) == sorted(name for own in held for name in own.names)
    for own in held:
        for name, values in own.columns.items():
            places = [table.names.index(view) for view in own.names]
            assert table.columns[name][places].tolist() == values.tolist()
    assert [own["from_tables"] for own in content["teachers"]] == [len(own.names) for own in held]
    assert all(own["out_of_fold"] for own in content["teachers"])
    assert content["taught"] == content["views"]


def test_differences_and_origin_are_written(taught, folds):
    content = read_mapping(taught / "distillation.json")
    assert content["missing"] == []
    assert set(content["comparisons"]["valid"]["members"]) == {fold.name for fold in folds}
    assert content["comparisons"]["valid"]["ensemble"]["difference"]["ci_low"] is not None
    metadata = read_checkpoint(taught)[0]
    assert [own["name"] for own in metadata["made_of"]["teachers"]] == ["teacher 1", "teacher 2"]
    first = content["teachers"][0]
    assert (first["name"], first["licenses"]) == ("fold0", [])
    assert first["contamination"] == read_checkpoint(folds[0])[0]["contamination"]
    assert first["saw_chexpert"] == "no"  # it was trained on synthetic images
    assert metadata["contamination"].endswith(f"; taught by {first['origin']}: no")
    assert read_mapping(taught / "metrics.json")["contamination"] == metadata["contamination"]
    assert f"weights:    {metadata['contamination']}\n" in (taught.parent / "summary.txt").read_text()
    assert "fold0" not in (taught / "checkpoints/best.json").read_text()
    text = (taught / "checkpoints/best.json").read_text()
    assert json.loads(text)["made_of"]["kind"] == "distilled"
    assert str(folds[0].parent) not in text


def open_data(phantom: Path, folder: Path, *overrides: str):
    """Return the data of a run as it would train on them."""
    from chexpert.engine.build import build_model

    folder.mkdir(exist_ok=True)
    plain = resolve(make("data=small", f"data.root={phantom}", "data.image_size=64", "data.num_workers=0",
                         "pretrained=false", "backbone=resnet10t", *OPTIONS, *overrides))  # fmt: skip
    return prepare(plain, build_model(plain), "fit", folder)


def test_targets_are_mixed_and_masked_ones_filled(phantom, folds, tmp_path):
    plain = open_data(phantom, tmp_path / "plain", "labels=ignore").datasets["train"]
    mixed = open_data(phantom, tmp_path / "own", "labels=ignore", *teachers(*folds), "distill.weight=0.75")
    views = mixed.datasets["train"]
    table = read_predictions(run_files.teachers_table(tmp_path / "own"))
    order = [table.names.index(path) for path in mixed.frames["train"]["path"]]
    q = np.column_stack([table.columns[name] for name in mixed.observations])[order]
    assert not plain.mask.all()
    expected = np.where(plain.mask, 0.75 * q + 0.25 * plain.targets.numpy(), q).astype("float32")
    assert torch.equal(views.targets, torch.tensor(expected))
    assert bool(views.mask.all())


def test_model_is_run_where_no_table_has_a_view(phantom, folds, tmp_path):
    """Asked for, a fold teaches what it was trained on; computed in one pass, as its own table has it."""
    options = [*teachers(folds[0]), "distill.out_of_fold=false", "data.batch_size=8"]
    open_data(phantom, tmp_path, *options)
    content = read_mapping(tmp_path / "distillation.json")
    table = read_predictions(run_files.teachers_table(tmp_path))
    own = read_predictions(run_files.predictions(folds[0], "dev"))
    assert content["taught"] == content["views"] == 39
    assert content["teachers"][0]["from_tables"] == len(own.names) < 39
    alone = tmp_path / "alone"
    shutil.copytree(folds[0], alone / "fold")
    (alone / "fold/predictions/dev.csv").unlink()
    open_data(phantom, tmp_path / "other", *teachers(alone / "fold"), *options[2:])
    computed = read_predictions(run_files.teachers_table(tmp_path / "other"))
    assert computed.names == table.names
    for name in table.columns:
        np.testing.assert_allclose(computed.columns[name], table.columns[name], atol=1e-6)


def test_fold_alone_leaves_other_views_to_their_labels(phantom, folds, tmp_path):
    open_data(phantom, tmp_path, *teachers(folds[0]))
    content = read_mapping(tmp_path / "distillation.json")
    assert 0 < content["taught"] < content["views"]


def test_table_of_other_images_of_the_same_names_is_not_read(folds, phantom):
    frame = pd.DataFrame({"key": ["train/patient00001/study1/view1_frontal"], "file": [str(phantom / "none")]})
    assert not shows_same_images(folds[0], "dev", frame)
    assert not shows_same_images(folds[0], "none", frame)


def test_resumed_run_reads_its_table_and_refuses_changed_teachers(phantom, folds, tmp_path):
    copies = [Path(shutil.copytree(fold, tmp_path / fold.name)) for fold in folds]
    run = tmp_path / "run"
    first = open_data(phantom, run, *teachers(*copies)).datasets["train"]
    shutil.move(copies[0], tmp_path / "moved")  # gone: the table has what it taught
    again = open_data(phantom, run, *teachers(*copies)).datasets["train"]
    assert torch.equal(first.targets, again.targets)
    shutil.copytree(folds[1], copies[0])
    with raises("other-weights", copies[0]):
        open_data(phantom, run, *teachers(*copies))
    shutil.rmtree(copies[0])
    table = run_files.teachers_table(run)
    table.write_text(table.read_text().replace("0.", "0.1", 1))
    with raises("changed-file", table):
        open_data(phantom, run, *teachers(*copies))


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        (["distill.weight=0.5"], "distill.weight"),
        (["distill.temperature=2"], "distill.temperature"),
        (["distill.out_of_fold=false"], "distill.out_of_fold"),
    ],
)
def test_resumed_run_keeps_its_settings(phantom, folds, tmp_path, overrides, where):
    open_data(phantom, tmp_path, *teachers(*folds), "distill.weight=0.75")
    with raises("conflict", where):
        open_data(phantom, tmp_path, *teachers(*folds), "distill.weight=0.75", *overrides)


def test_resumed_run_keeps_its_teachers_and_lets_their_weights_go(phantom, folds, tmp_path, monkeypatch):
    copies = [Path(shutil.copytree(fold, tmp_path / fold.name)) for fold in folds]
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    open_data(phantom, run, *teachers(*(copy.relative_to(tmp_path) for copy in copies)))
    written = (run / "distillation.json").read_text()
    for others in (
        [tmp_path / "never", copies[1]],
        copies[:1],
    ):
        with raises("conflict", "distill.teachers"):
            open_data(phantom, run, *teachers(*others))
    with raises("other-weights", copies[1]):
        open_data(phantom, run, *teachers(*reversed(copies)))
    shutil.rmtree(copies[0] / "checkpoints")  # the folder stays
    open_data(phantom, run, *teachers(*copies))
    assert (run / "distillation.json").read_text() == written


def test_stopped_run_resumes_to_the_same_bits(phantom, folds, undisturbed, monkeypatch, tmp_path):
    options = [*teachers(*folds), "labels=lsr", "labels.redraw=true"]
    whole = undisturbed(*options)
    with monkeypatch.context() as patch:
        stop_at(patch, "training_step", 6)
        with pytest.raises(Stopped):
            start(tmp_path, phantom, *SHORT, *options)
    start(tmp_path, phantom, *SHORT, *options, "resume=auto")
    check_equal(tmp_path, whole)


def test_teachers_that_cannot_teach_are_errors(phantom, folds, tmp_path):
    with raises("missing-file", f"distill.teachers: {tmp_path / 'none'}"):
        read_teacher(tmp_path / "none", ["Edema"])
    with raises("other-observations", f"distill.teachers: {folds[0]}"):
        read_teacher(folds[0], ["Fracture"])
    seed = tmp_path / "seed"
    start(seed, phantom, *OPTIONS)
    with raises("no-overlap", "distill.out_of_fold"):
        open_data(phantom, tmp_path / "run", *teachers(seed), "distill.out_of_fold=true")


def test_without_teachers_nothing_is_written(phantom, tmp_path):
    data = open_data(phantom, tmp_path)
    teach({"distill": None}, data, tmp_path)
    assert not (tmp_path / "distillation.json").exists()
