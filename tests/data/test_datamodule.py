"""CheXpert for Lightning, on copies of a few images."""

import json
import re
import shutil
import traceback

import numpy as np
import pytest
import torch
from helpers.errors import raises
from PIL import Image

from chexpert.data import Augmentation, CheXpertDataModule, LabelPolicy, list_differences, list_repaired, summary
from chexpert.data.loader import Share, make_loader
from chexpert.data.sources.manifest import CHANGED, hash_file, write_manifest
from chexpert.engine.resume_checks import check_data
from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS
from chexpert.runs import files as run_files

NAMES = ["Edema", "Fracture"]
FOLDER = "CheXpert-v1.0-small"


@pytest.fixture
def rows(make_row):
    return [make_row({"Edema": "1.0", "Fracture": "-1.0"}, patient=patient) for patient in range(5)]


@pytest.fixture
def make_data(write_chexpert, rows):
    """A datamodule on a copy of ``train`` and ``valid`` rows; ``damage(folder)`` may change it before it is read."""

    def make(train=rows, valid=None, *, damage=None, stage="fit", **options):
        root = write_chexpert(train, valid)
        if damage:
            damage(root / FOLDER)
        options = {"labels": LabelPolicy("ones"), "image_size": 16, "batch_size": 2, "num_workers": 0} | options
        data = CheXpertDataModule(root, NAMES, **options)
        data.setup(stage)
        return data

    return make


def read_epoch(data, loader):
    """The batches of an epoch as the model gets them."""
    return [data.on_after_batch_transfer(batch, 0) for batch in loader]


def image(split, patient):
    return f"{split}/patient{patient + 64540 * (split == 'valid'):05d}/study1/view1_frontal.jpg"


def remove(split, patient):
    return lambda folder: (folder / image(split, patient)).unlink()


def truncate(split, patient):
    def damage(folder):
        path = folder / image(split, patient)
        path.write_bytes(path.read_bytes()[:300])

    return damage


def test_training_batches_hold_every_view_once(make_data, rows):
    data = make_data()
    batches = list(data.train_dataloader())
    assert [len(batch.paths) for batch in batches] == [2, 3]  # one that is left over joins the batch before it
    assert sorted(path for batch in batches for path in batch.paths) == [row["Path"] for row in rows]


def test_images_are_uint8_and_not_normalized(make_data):
    batch = next(iter(make_data().train_dataloader()))
    assert (batch.images.dtype, tuple(batch.images.shape)) == (torch.uint8, (2, 1, 16, 16))
    assert batch.images.max() > 100


def test_training_targets_follow_the_policy(make_data):
    data = make_data(labels=LabelPolicy(0.25))
    assert data.datasets["train"].targets.tolist() == [[1, 0.25]] * 5
    assert data.datasets["train"].mask.all()


def test_three_class_policy_appends_targets(make_data):
    batch = next(iter(make_data(labels=LabelPolicy("three_class")).train_dataloader()))
    assert batch.targets.tolist() == [[1, 0, 0, 1]] * 2
    assert batch.mask.tolist() == [[True, False, True, True]] * 2


def read_fractures(data, epoch):
    """The targets of the uncertain label in an epoch, by path."""
    loader = data.train_dataloader()
    loader.batch_sampler.sampler.set_epoch(epoch)
    return {path: float(row[1]) for batch in loader for path, row in zip(batch.paths, batch.targets, strict=True)}


def test_random_targets_change_by_epoch_only_with_redraw(make_data):
    fixed, resampled = (make_data(labels=LabelPolicy([0, 1], redraw=redraw)) for redraw in (False, True))
    assert read_fractures(fixed, 0) == read_fractures(fixed, 1)
    first, second = read_fractures(resampled, 0), read_fractures(resampled, 1)
    assert all(first[path] != second[path] for path in first)
    assert read_fractures(resampled, 0) == first
    assert len(set(first.values())) == 5


def test_resampled_targets_do_not_depend_on_workers_or_order(make_data):
    policy = LabelPolicy([0, 1], redraw=True)
    expected = read_fractures(make_data(labels=policy), 3)
    assert read_fractures(make_data(labels=policy, num_workers=2), 3) == expected
    assert read_fractures(make_data(labels=policy, seed=7), 3) == expected


def test_predict_loader_keeps_file_order_without_augmentation(make_data, rows):
    plain, moved = make_data(), make_data(augmentation=Augmentation())
    batches = list(moved.predict_dataloader())
    assert [path for batch in batches for path in batch.paths] == [row["Path"] for row in rows]
    assert torch.equal(batches[0].images[0], plain.datasets["train"][0, 0].images[0])
    assert moved.datasets["train"].augmentation is not None


def test_validation_labels_are_not_changed(make_data, make_row):
    cells = [{"Edema": "1.0", "Fracture": "0.0"}, {"Edema": "-1.0", "Fracture": ""}]
    valid = [make_row(cell, patient=n, split="valid") for n, cell in enumerate(cells)]
    batch = next(iter(make_data(valid=valid).val_dataloader()))
    assert batch.targets.tolist() == [[1, 0], [0, 0]]
    assert batch.mask.tolist() == [[True, True], [False, False]]


def test_only_training_is_augmented(make_data):
    plain, moved = make_data(), make_data(augmentation=Augmentation(rotation=0, shift=0, scale=(1.2, 1.3)))
    trained, labeled = moved.datasets["train"][0, 0], moved.datasets["valid"][0, 0]
    assert not torch.equal(moved.on_after_batch_transfer(trained, 0).images, plain.datasets["train"][0, 0].images)
    assert torch.equal(moved.on_after_batch_transfer(labeled, 0).images, plain.datasets["valid"][0, 0].images)


def test_image_without_contrast_is_flagged_once(make_data, capsys):
    data = make_data()
    Image.fromarray(np.zeros((40, 32), np.uint8)).save(data.datasets["train"].files[0])
    for _ in range(2):
        data.on_after_batch_transfer(data.datasets["train"][0, 0], 0)
    assert list(data.flagged) == [data.datasets["train"].paths[0]]
    assert capsys.readouterr().err.count(data.datasets["train"].paths[0]) == 1


def test_batch_is_augmented_once(make_data):
    data = make_data(augmentation=Augmentation())
    batch = data.on_after_batch_transfer(data.datasets["train"][0, 0], 0)
    assert batch.matrices is None
    assert data.on_after_batch_transfer(batch, 0) is batch


GRAYS = {"brightness": 0.3, "contrast": 0.3, "gamma": [0.7, 1.4], "noise": 0.1, "blur": 1.0, "cutout": 1}


def read_images(data):
    """The images of an epoch by path."""
    batches = read_epoch(data, data.train_dataloader())
    return {path: image for batch in batches for path, image in zip(batch.paths, batch.images, strict=True)}


@pytest.mark.parametrize("options", [{"batch_size": 5}, {"num_workers": 2}], ids=str)
def test_augmented_images_depend_on_seed_epoch_and_row_alone(make_data, options):
    augmentation = Augmentation(**GRAYS)
    images = read_images(make_data(augmentation=augmentation))
    others = read_images(make_data(augmentation=augmentation, **options))
    assert len(images) == 5
    assert all(torch.equal(image, others[path]) for path, image in images.items())
    moved = read_images(make_data(augmentation=Augmentation()))
    assert not any(torch.equal(image, moved[path]) for path, image in images.items())
    other_seed = read_images(make_data(augmentation=augmentation, seed=1))
    assert not any(torch.equal(image, other_seed[path]) for path, image in images.items())


def test_two_processes_see_the_images_of_one(make_data):
    data = make_data(augmentation=Augmentation(**GRAYS))
    images = read_images(data)
    for rank in (0, 1):
        views = data.datasets["train"]
        loader = make_loader(views, batch_size=2, workers=0, shuffle=True, seed=0, share=Share(rank, 2))
        for batch in read_epoch(data, loader):
            for path, image in zip(batch.paths, batch.images, strict=True):
                assert torch.equal(image, images[path])


def test_grays_change_after_the_geometry(make_data):
    data = make_data(augmentation=Augmentation(**GRAYS))
    raw = data.datasets["train"].read([(0, 0), (0, 1)])
    batch = data.on_after_batch_transfer(raw, 0)
    moved = make_data(augmentation=Augmentation()).on_after_batch_transfer(raw._replace(grays=None), 0)
    assert torch.equal(batch.images, data.augmentation.apply(moved.images, raw.grays))
    assert batch.grays is None
    assert data.on_after_batch_transfer(batch, 0) is batch


def test_tensors_of_a_batch_are_moved_and_the_rest_stays(make_data, rows):
    data = make_data(rows)
    batch = data.datasets["train"].read([(0, 0)])
    moved = data.transfer_batch_to_device(batch, torch.device("meta"), 0)
    devices = [part.device.type for part in moved if isinstance(part, torch.Tensor)]
    assert devices == ["meta"] * (3 + (batch.matrices is not None))
    assert (moved.paths, moved.rows) == (batch.paths, batch.rows)


def test_validation_keeps_the_file_order(make_data, make_row):
    valid = [make_row(patient=patient, split="valid") for patient in (3, 1, 2)]
    paths = [path for batch in make_data(valid=valid).val_dataloader() for path in batch.paths]
    assert paths == [row["Path"] for row in valid]


def test_only_the_chosen_views_are_read(make_data, make_row, rows):
    lateral = make_row(patient=9, view="view2_lateral")
    assert len(make_data([*rows, lateral]).datasets["train"]) == 5
    assert len(make_data([*rows, lateral], views="all").datasets["train"]) == 6


def test_split_without_the_chosen_views_is_an_error(make_data, tmp_path):
    with raises("missing-view", tmp_path / FOLDER / "train.csv") as caught:
        make_data(views="lateral")
    assert "data.views=all" in caught.value.hint


@pytest.mark.parametrize(("workers", "cached"), [(2, False), (0, True), (2, True)])
def test_workers_and_cache_do_not_change_batches(make_data, tmp_path, workers, cached):
    options = {"num_workers": workers, "cache": tmp_path / "cache" if cached else None}
    plain, other = (make_data(augmentation=Augmentation(), **given) for given in ({}, options))
    for split in ("train_dataloader", "val_dataloader"):
        first, second = (read_epoch(data, getattr(data, split)()) for data in (plain, other))
        assert [batch.paths for batch in first] == [batch.paths for batch in second]
        assert all(torch.equal(a.images, b.images) for a, b in zip(first, second, strict=True))
        assert all(torch.equal(a.targets, b.targets) for a, b in zip(first, second, strict=True))


def test_cache_has_one_file_per_split(make_data, tmp_path):
    make_data(cache=tmp_path / "cache")
    assert sorted(file.name.split("-")[0] for file in (tmp_path / "cache").glob("*.films")) == ["train", "valid"]


def test_another_epoch_has_another_order_and_augmentation(make_data):
    data = make_data(augmentation=Augmentation())
    loader = data.train_dataloader()
    epochs = []
    for epoch in (0, 1):
        loader.batch_sampler.sampler.set_epoch(epoch)
        epochs.append(
            {
                path: image
                for batch in read_epoch(data, loader)
                for path, image in zip(batch.paths, batch.images, strict=True)
            }
        )
    first, second = epochs
    assert list(first) != list(second)
    assert all(not torch.equal(first[path], second[path]) for path in first)


def test_another_seed_has_another_order(make_data):
    orders = [[path for batch in make_data(seed=n).train_dataloader() for path in batch.paths] for n in (0, 0, 1)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


@pytest.mark.parametrize("split", ["train", "valid"])
def test_missing_image_is_an_error(make_data, tmp_path, split):
    with raises("missing-image", tmp_path / FOLDER / f"{split}.csv") as caught:
        make_data(damage=remove(split, 1))
    assert image(split, 1) in caught.value.message
    assert "data.on_missing=skip" in caught.value.hint


def test_missing_image_is_skipped_and_counted(make_data, capsys):
    data = make_data(damage=remove("train", 3), on_missing="skip", skip_limit=0.5)
    gone = f"{FOLDER}/{image('train', 3)}"
    assert data.skipped == {gone}
    assert gone not in data.datasets["train"].paths
    assert len(data.datasets["train"]) == 4
    assert gone in capsys.readouterr().err


def test_skipping_keeps_labels_with_their_views(make_data, make_row):
    train = [make_row({"Edema": label}, patient=n) for n, label in enumerate(["1.0", "0.0", "1.0"])]
    data = make_data(train, damage=remove("train", 0), on_missing="skip", skip_limit=0.5)
    batch = data.datasets["train"].read([(0, 0), (0, 1)])
    assert batch.paths == [row["Path"] for row in train[1:]]
    assert batch.targets[:, 0].tolist() == [0, 1]


def test_skipping_all_views_of_a_split_is_an_error(make_data, tmp_path):
    with raises("missing-image", tmp_path / FOLDER / "valid.csv"):
        make_data(damage=remove("valid", 1), on_missing="skip")


def make_limited(make_data, make_row, gone, damage, limit, views=20, **options):
    """A data module of 20 training views, of which these patients' images are damaged."""
    train = [make_row({"Edema": "1.0"}, patient=patient) for patient in range(views)]

    def damage_some(folder):
        for patient in gone:
            damage("train", patient)(folder)

    return make_data(train, damage=damage_some, on_missing="skip", skip_limit=limit, **options)


def test_more_missing_images_than_the_limit_stop(make_data, make_row, tmp_path):
    with raises("missing-image", tmp_path / FOLDER / "train.csv") as caught:
        make_limited(make_data, make_row, (3, 4), remove, 0.05)
    assert [int(number) for number in re.findall(r"\d+", caught.value.message)[:2]] == [2, 20]
    assert caught.value.hint.endswith("data.skip_limit=0.1")


@pytest.mark.parametrize(("gone", "limit"), [((3,), 0.05), ((3, 4), 0.1), ((), 0.0), (range(10), 0.5)])
def test_as_many_missing_images_as_the_limit_are_skipped(make_data, make_row, gone, limit):
    """The limit of the hint works too."""
    assert len(make_limited(make_data, make_row, gone, remove, limit).skipped) == len(gone)


def test_by_default_one_missing_image_of_a_small_set_stops(make_data, make_row):
    for views, stops in ((99, True), (100, False)):
        train = [make_row({"Edema": "1.0"}, patient=patient) for patient in range(views)]
        if stops:
            with pytest.raises(UserError) as caught:
                make_data(train, damage=remove("train", 3), on_missing="skip")
            assert caught.value.code == "missing-image"
        else:
            assert len(make_data(train, damage=remove("train", 3), on_missing="skip").skipped) == 1


def test_limit_counts_missing_and_unreadable_images_together(make_data, make_row, tmp_path):
    def damage(split, patient):
        return (remove if patient == 3 else truncate)(split, patient)

    data = make_limited(make_data, make_row, (3, 4), damage, 0.1)
    read_epoch(data, data.train_dataloader())
    read_epoch(data, data.train_dataloader())  # none is counted again
    assert len(data.skipped) == 2
    data = make_limited(make_data, make_row, (3, 4), damage, 0.05)
    with raises("unreadable-image", tmp_path / FOLDER / "train.csv") as caught:
        read_epoch(data, data.train_dataloader())
    assert [int(number) for number in re.findall(r"\d+", caught.value.message)[:2]] == [2, 20]


def test_views_held_out_of_train_count_as_views_of_train(make_data, make_row):
    data = make_limited(make_data, make_row, (3, 4), truncate, 0.1, dev=0.5)
    read_epoch(data, data.train_dataloader())
    read_epoch(data, data._loader("dev", shuffle=False))
    assert len(data.skipped) == 2


def test_skipped_images_of_other_processes_are_limited(make_data, make_row):
    data = make_limited(make_data, make_row, (3,), truncate, 0.05)
    read_epoch(data, data.train_dataloader())
    with pytest.raises(UserError) as caught:
        data.add_skipped({f"{FOLDER}/{image('train', 3)}", f"{FOLDER}/{image('train', 7)}"})
    assert caught.value.code == "unreadable-image"


@pytest.mark.parametrize("built", [False, True])
def test_limit_holds_in_a_cache(make_data, make_row, tmp_path, built):
    folder = tmp_path / "cache"
    if built:
        data = make_limited(make_data, make_row, (3, 4), truncate, 0.1, cache=folder)
        read_epoch(data, data.train_dataloader())
        data = CheXpertDataModule(
            data.root, NAMES, LabelPolicy("ones"), image_size=16, on_missing="skip", skip_limit=0.05, cache=folder
        )
        with raises("unreadable-image", tmp_path / FOLDER / "train.csv"):
            data.setup("fit")
    else:
        with raises("unreadable-image", tmp_path / FOLDER / "train.csv"):
            make_limited(make_data, make_row, (3, 4), truncate, 0.05, cache=folder)


@pytest.mark.parametrize("workers", [0, 2])
def test_truncated_image_is_an_error(make_data, tmp_path, workers):
    with pytest.raises(UserError) as caught:
        list(make_data(damage=truncate("train", 3), num_workers=workers).train_dataloader())
    assert caught.value.where == str(tmp_path / FOLDER / image("train", 3))
    traceback.clear_frames(caught.tb)  # in a cycle with the loader, whose collection would wait 10 s for its workers


def test_truncated_image_is_skipped_and_counted_once(make_data, capsys):
    data = make_data(damage=truncate("train", 3), on_missing="skip", skip_limit=0.5)
    for _ in range(2):
        read_epoch(data, data.train_dataloader())
    gone = f"{FOLDER}/{image('train', 3)}"
    assert data.skipped == {gone}
    assert capsys.readouterr().err.count(gone) == 1


@pytest.mark.parametrize("kind", ["flagged", "skipped"])
def test_first_ten_flagged_or_skipped_images_are_printed(make_data, capsys, kind):
    data = make_data()
    batch = data.datasets["train"][0, 0]
    for number in range(25):
        names = {"flagged": [(f"image{number}.jpg", "no contrast")], "skipped": [f"image{number}.jpg"]}
        data.on_after_batch_transfer(batch._replace(**{kind: names[kind]}), 0)
    lines = capsys.readouterr().err.splitlines()
    assert [f"image{number}.jpg" in line for number, line in enumerate(lines)] == [True] * 10 + [False]
    assert "metrics.json" in lines[10]
    assert len(getattr(data, kind)) == data.lines[kind].count == 25


def test_second_setup_reads_nothing(make_data):
    data = make_data()
    train = data.datasets["train"]
    (data.root / FOLDER / "train.csv").unlink()
    data.setup("validate")
    assert data.datasets["train"] is train


def test_valid_arguments_have_no_errors(write_chexpert, rows):
    root = write_chexpert(rows)
    assert CheXpertDataModule.validate_args(root=root, image_size=64, views="all", resize_mode="pad") == []
    assert CheXpertDataModule.validate_args(root={"_target_": "chexpert.data.find_phantom"}) == []


@pytest.mark.parametrize(
    ("key", "value", "code", "hint"),
    [
        ("variant", "tiny", "choice", "auto, small, full, plus"),
        ("views", "front", "choice", "frontal, lateral, all"),
        ("resize_mode", "squeeze", "choice", "stretch, crop, pad"),
        ("on_missing", "ignore", "choice", "stop, skip"),
        ("labeler", "me", "choice", "null, chexbert, visualchexbert, impression, findings, report"),
        ("skip_limit", 1.5, "value", "0.01"),
        ("skip_limit", True, "value", "0.01"),
        ("dev", 1.5, "value", "0.05"),
        ("folds", 1, "value", "2"),
        ("image_size", 0, "value", "8"),
        ("image_size", 224.5, "value", "8"),
        ("batch_size", 0, "value", "1"),
        ("num_workers", -1, "value", "0"),
        ("cache", True, "value", "outputs/cache"),
        ("cache", "", "value", "outputs/cache"),
    ],
)
def test_wrong_argument_is_an_error_at_its_key(write_chexpert, rows, key, value, code, hint):
    (error,) = CheXpertDataModule.validate_args(root=write_chexpert(rows), **{key: value})
    assert (error.code, error.where) == (code, f"data.{key}")
    assert repr(value) in error.message
    assert hint in error.hint


def test_missing_dataset_is_an_error(tmp_path):
    (unset,), (empty,) = (CheXpertDataModule.validate_args(root=root) for root in (None, tmp_path))
    assert (unset.code, unset.where) == ("missing-dataset", "data.root")
    assert "data.root=..." in unset.hint
    assert "CHEXPERT_ROOT" in unset.hint
    assert (empty.code, empty.where) == ("missing-dataset", f"data.root={tmp_path}")


def test_all_errors_are_returned_at_once():
    errors = CheXpertDataModule.validate_args(root=None, image_size=0, views="front")
    assert {error.where for error in errors} == {"data.root", "data.image_size", "data.views"}


def test_dev_split_is_held_out_by_patient(make_data, make_row):
    train = [make_row(patient=n, view=f"view{v}_frontal") for n in range(40) for v in (1, 2)]
    data = make_data(train, dev=0.3)
    kept, held = (set(data.frames[split]["patient"]) for split in ("train", "dev"))
    assert not kept & held
    assert len(kept) + len(held) == 40
    assert len(data.datasets["train"]) == 2 * len(kept)
    assert (data.selection_split, data.reported) == ("dev", ["dev", "valid"])


def test_blanks_of_the_dev_split_are_negative(make_data, make_row):
    train = [make_row({"Edema": "1.0", "Fracture": ("-1.0", "")[n % 2]}, patient=n) for n in range(40)]
    data = make_data(train, dev=0.3)
    patients = data.frames["dev"]["patient"].str[7:].astype(int).to_numpy()
    dev = data.datasets["dev"]
    assert dev.targets.tolist() == [[1, 0]] * len(patients)
    assert dev.mask[:, 1].tolist() == (patients % 2 == 1).tolist()
    assert data.datasets["train"].mask.all()
    assert data.sources["dev"]["labels"] == "train.csv"


def test_patient_in_two_splits_is_an_error_at_every_setup(make_row, write_chexpert, rows):
    shared = make_row({"Path": f"{FOLDER}/valid/patient00001/study2/view1_frontal.jpg"}, split="valid")
    root = write_chexpert(rows, [shared])
    data = CheXpertDataModule(root, NAMES, LabelPolicy("ones"), image_size=16, num_workers=0)
    for _ in range(2):
        with raises("shared-patients", root / FOLDER) as caught:
            data.setup("fit")
        assert "patient00001" in caught.value.message


def test_training_is_read_after_an_evaluation(make_data):
    data = make_data(stage="validate")
    assert data.selection_split is None
    data.setup("fit")
    assert (data.selection_split, data.reported, list(data.datasets)) == ("valid", ["valid"], ["train", "valid"])


@pytest.mark.parametrize(
    ("options", "code", "where", "hint"),
    [
        ({"fold": 3}, "conflict", "data.folds", "data.folds=..."),
        ({"folds": 3}, "conflict", "data.fold", "data.fold=..."),
        ({"folds": 3, "fold": 3}, "value", "data.fold", "2"),
        ({"dev": 0.1, "folds": 5, "fold": 1}, "conflict", "data.dev, data.folds", ""),
        ({"test": True}, "missing-table", "{folder}", "test_labels.csv or groundtruth.csv"),
        ({"test": "/no/such"}, "missing-folder", "data.test=/no/such", ""),
        ({"test": 3}, "value", "data.test", "true, false"),
        ({"labeler": "chexbert"}, "missing-table", "data.labeler", "train_cheXbert.csv"),
        ({"labeler": "impression"}, "choice", "data.labeler", "chexbert, visualchexbert"),
        ({"manifest": "/no/such"}, "missing-file", "data.manifest", "chexpert audit"),
    ],
)
def test_wrong_arguments_for_this_dataset_are_errors(write_chexpert, rows, options, code, where, hint):
    root = write_chexpert(rows)
    (error,) = CheXpertDataModule.validate_args(root=root, **options)
    assert (error.code, error.where) == (code, where.format(folder=root / FOLDER))
    assert hint in error.hint


def test_folds_hold_out_every_patient_once(make_data, make_row):
    train = [make_row(patient=n) for n in range(40)]
    held = [set(make_data(train, folds=3, fold=fold).frames["dev"]["patient"]) for fold in range(3)]
    assert len(set.union(*held)) == sum(map(len, held)) == 40


def test_test_split_is_read_on_request(make_data, make_row, write_table):
    def add_test(folder):
        row = make_row({"Edema": "1.0"}, split="test")
        write_table(folder / "test_labels.csv", [row], ("Path", *OBSERVATIONS))
        file = folder / row["Path"].split("/", 1)[1]
        file.parent.mkdir(parents=True)
        shutil.copy(folder / image("train", 1), file)

    assert make_data(damage=add_test, test=True).datasets["test"].targets.tolist() == [[1, 0]]


def test_test_split_can_be_in_another_folder(make_data, make_row, write_table, tmp_path):
    row = make_row({"Edema": "1.0"}, split="test")
    elsewhere = tmp_path / "elsewhere"
    table = write_table(elsewhere / "CheXpert" / "test_labels.csv", [row], ("Path", *OBSERVATIONS))
    with raises("missing-image", table):
        make_data(test=str(elsewhere))


def test_evaluation_needs_no_training_table(make_data):
    data = make_data(damage=lambda folder: (folder / "train.csv").unlink(), stage="validate")
    assert list(data.datasets) == ["valid"]


@pytest.fixture
def make_with_manifest(make_data, tmp_path):
    """A datamodule with a manifest, on a copy that ``change(folder)`` changes after the manifest is written."""

    def make(change, **options):
        def damage(folder):
            files = [file for file in folder.rglob("*") if file.is_file()]
            write_manifest(tmp_path / "manifest", {str(file.relative_to(folder)): hash_file(file) for file in files})
            change(folder)

        return make_data(damage=damage, manifest=str(tmp_path / "manifest"), **options)

    return make


def replace_image(folder):
    shutil.copy(folder / image("train", 2), folder / image("train", 3))


def test_unchanged_files_are_read_with_a_manifest(make_with_manifest):
    assert sum(len(batch.paths) for batch in make_with_manifest(lambda folder: None).train_dataloader()) == 5


@pytest.mark.parametrize("cached", [False, True])
def test_replaced_image_is_an_error_with_a_manifest(make_with_manifest, tmp_path, cached):
    with pytest.raises(UserError) as caught:
        list(make_with_manifest(replace_image, cache=tmp_path / "cache" if cached else None).train_dataloader())
    assert CHANGED in caught.value.message
    assert image("train", 3) in str(caught.value)


def test_replaced_image_is_skipped_with_on_missing_skip(make_with_manifest):
    data = make_with_manifest(replace_image, on_missing="skip", skip_limit=0.5)
    read_epoch(data, data.train_dataloader())
    assert data.skipped == {f"{FOLDER}/{image('train', 3)}"}


def test_cache_without_manifest_is_not_used_with_one(make_data, make_with_manifest, tmp_path):
    list(make_data(cache=tmp_path / "cache", damage=replace_image).train_dataloader())
    with pytest.raises(UserError) as caught:
        list(make_with_manifest(replace_image, cache=tmp_path / "cache").train_dataloader())
    assert CHANGED in caught.value.message


def test_changed_table_is_an_error_with_a_manifest(make_with_manifest, tmp_path):
    def change_label(folder):
        table = folder / "train.csv"
        table.write_text(table.read_text().replace("-1.0", "1.0", 1))

    with raises("changed-file", tmp_path / FOLDER / "train.csv"):
        make_with_manifest(change_label)


def test_view_missing_from_the_manifest_is_an_error(make_with_manifest, tmp_path):
    def remove_line(folder):
        manifest = tmp_path / "manifest"
        manifest.write_text("".join(line for line in manifest.open() if image("train", 3) not in line))

    with raises("other-data", "data.manifest") as caught:
        make_with_manifest(remove_line)
    assert image("train", 3) in caught.value.message


def test_summary_counts_and_identifies_the_splits(make_data, make_row):
    data = make_data([make_row(patient=n) for n in range(40)], dev=0.3)
    kept, again = data.summarize(), make_data([make_row(patient=n) for n in reversed(range(40))], dev=0.3).summarize()
    assert kept["splits"]["valid"]["layout"] == FOLDER
    assert {name: split["fingerprint"] for name, split in kept["splits"].items()} == {
        name: split["fingerprint"] for name, split in again["splits"].items()
    }
    counts = [[split[unit] for unit in ("images", "studies", "patients")] for split in kept["splits"].values()]
    assert [sum(column) for column in zip(*counts, strict=True)] == [41, 41, 41]


def test_differences_of_splits_with_equal_labels_are_listed(make_data):
    before = make_data().summarize()["splits"]
    assert list_differences(before, make_data().summarize()["splits"]) == []
    policies = LabelPolicy("ones", blank="ones"), LabelPolicy("zeros", blank="zeros")
    one, other = (make_data(labels=policy).summarize()["splits"] for policy in policies)
    (difference,) = list_differences(one, other)
    assert re.match("train:.*targets", difference)
    mixed = json.loads(json.dumps(before))
    mixed["train"]["content"]["order"] = "0"
    (difference,) = list_differences(mixed, before)
    assert re.match("train:.*order", difference)
    images = mixed["valid"]["content"]["images"]
    images |= dict.fromkeys(images, "0")
    (difference,) = list_differences({"valid": mixed["valid"]}, before)
    assert re.match("valid:.* 1 .* 1 ", difference)
    del before["train"]["content"]  # as an older version left it
    assert list_differences({"train": before["train"]}, mixed) == []


@pytest.mark.parametrize("changed", [0, 1, 2, 3, 16])
def test_up_to_two_repaired_images_are_the_same_data(changed, make_data, make_row):
    before = make_data([make_row(patient=n) for n in range(40)]).summarize()["splits"]
    now = json.loads(json.dumps(before))
    images = now["train"]["content"]["images"]
    images |= dict.fromkeys([*images][:changed], "0")
    repaired = list_repaired(before, now)
    name = image("train", 0).removesuffix(".jpg")
    assert [re.findall(r"\d+", line.partition(name)[0]) for line in repaired] == [["16", str(changed)]] * (changed > 0)
    assert list_differences(before, now) == repaired * (changed >= summary.OTHERS)


def test_resuming_reads_each_image_once_and_notes_repaired_ones(make_data, tmp_path, monkeypatch, capsys):
    before = make_data(damage=truncate("train", 3)).summarize()
    run = tmp_path / "run"
    run.mkdir()
    run_files.write_json(run / run_files.DATA, before)
    run_files.write_json(run / run_files.METRICS, {"skipped": [image("train", 4)]})
    data, read, digest = make_data(), [], summary._digest_file
    monkeypatch.setattr(summary, "_digest_file", lambda path: read.append(path) or digest(path))
    check_data(run, data)
    data.summarize()
    assert len(read) == len(set(read)) == 6
    (note,) = capsys.readouterr().err.splitlines()
    assert re.match(f"note: train:.* 5 .* 1 .*{image('train', 3).removesuffix('.jpg')}$", note)


def test_skipped_views_are_not_in_the_summary(make_data):
    data = make_data(damage=truncate("train", 3), on_missing="skip", skip_limit=0.5)
    before = data.summarize()["splits"]["train"]
    read_epoch(data, data.train_dataloader())
    after = data.summarize()["splits"]["train"]
    assert (before["images"], after["images"]) == (5, 4)
    assert before["fingerprint"] != after["fingerprint"]
