"""CheXpert for Lightning, on copies of a few images."""

import json
import shutil
import traceback

import numpy as np
import pytest
import torch
from PIL import Image

from chexpert.data import Augmentation, CheXpertDataModule, LabelPolicy, list_differences, list_repaired, summary
from chexpert.data.sources.manifest import hash_file, write_manifest
from chexpert.engine.resume_checks import check_data
from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS
from chexpert.runs import files as run_files

NAMES = ["Edema", "Fracture"]


@pytest.fixture
def rows(make_row):
    return [make_row({"Edema": "1.0", "Fracture": "-1.0"}, patient=patient) for patient in range(5)]


@pytest.fixture
def make_data(write_chexpert, rows):
    """A datamodule on a copy of ``train`` and ``valid`` rows; ``spoil(folder)`` may damage it before it is read."""

    def make(train=rows, valid=None, *, spoil=None, stage="fit", **options):
        root = write_chexpert(train, valid)
        if spoil:
            spoil(root / "CheXpert-v1.0-small")
        options = {"labels": LabelPolicy("ones"), "image_size": 16, "batch_size": 2, "num_workers": 0} | options
        data = CheXpertDataModule(root, NAMES, **options)
        data.setup(stage)
        return data

    return make


def finish(data, loader):
    """The batches of an epoch as the model gets them."""
    return [data.on_after_batch_transfer(batch, 0) for batch in loader]


def image(split, patient):
    return f"{split}/patient{patient + 64540 * (split == 'valid'):05d}/study1/view1_frontal.jpg"


def remove(split, patient):
    return lambda folder: (folder / image(split, patient)).unlink()


def truncate(split, patient):
    def spoil(folder):
        path = folder / image(split, patient)
        path.write_bytes(path.read_bytes()[:300])

    return spoil


def test_training_batches_hold_every_view_once(make_data, rows):
    data = make_data()
    batches = list(data.train_dataloader())
    assert [len(batch.paths) for batch in batches] == [2, 3]  # one that is left over joins the batch before it
    assert sorted(path for batch in batches for path in batch.paths) == [row["Path"] for row in rows]


def test_images_travel_as_uint8_without_normalization(make_data):
    batch = next(iter(make_data().train_dataloader()))
    assert (batch.images.dtype, tuple(batch.images.shape)) == (torch.uint8, (2, 1, 16, 16))
    assert batch.images.max() > 100


def test_training_targets_follow_the_policy(make_data):
    data = make_data(labels=LabelPolicy(0.25))
    assert data.datasets["train"].targets.tolist() == [[1, 0.25]] * 5
    assert data.datasets["train"].mask.all()


def test_three_classes_append_their_targets(make_data):
    batch = next(iter(make_data(labels=LabelPolicy("three_class")).train_dataloader()))
    assert batch.targets.tolist() == [[1, 0, 0, 1]] * 2
    assert batch.mask.tolist() == [[True, False, True, True]] * 2


def fractures(data, epoch):
    """The target of the uncertain label by path, as the loader hands it over in an epoch."""
    loader = data.train_dataloader()
    loader.batch_sampler.sampler.set_epoch(epoch)
    return {path: float(row[1]) for batch in loader for path, row in zip(batch.paths, batch.targets, strict=True)}


def test_a_draw_is_for_good_unless_each_epoch_is_to_draw_anew(make_data):
    once, anew = (make_data(labels=LabelPolicy([0, 1], redraw=redraw)) for redraw in (False, True))
    assert fractures(once, 0) == fractures(once, 1)
    first, second = fractures(anew, 0), fractures(anew, 1)
    assert all(first[path] != second[path] for path in first)
    assert fractures(anew, 0) == first
    assert len(set(first.values())) == 5


def test_a_new_draw_does_not_depend_on_workers_or_order(make_data):
    policy = LabelPolicy([0, 1], redraw=True)
    alone = fractures(make_data(labels=policy), 3)
    assert fractures(make_data(labels=policy, num_workers=2), 3) == alone
    assert fractures(make_data(labels=policy, seed=7), 3) == alone


def test_training_views_are_predicted_in_file_order_without_augmentation(make_data, rows):
    plain, moved = make_data(), make_data(augmentation=Augmentation())
    batches = list(moved.predict_dataloader())
    assert [path for batch in batches for path in batch.paths] == [row["Path"] for row in rows]
    assert torch.equal(batches[0].images[0], plain.datasets["train"][0, 0].images[0])
    assert moved.datasets["train"].augmentation is not None


def test_validation_takes_labels_as_they_are(make_data, make_row):
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


def test_a_film_without_contrast_is_told_and_counted_once(make_data, capsys):
    data = make_data()
    Image.fromarray(np.zeros((40, 32), np.uint8)).save(data.datasets["train"].files[0])
    for _ in range(2):
        data.on_after_batch_transfer(data.datasets["train"][0, 0], 0)
    assert list(data.flagged) == [data.datasets["train"].paths[0]]
    assert capsys.readouterr().err.count("contrast") == 1


def test_a_batch_is_augmented_once(make_data):
    data = make_data(augmentation=Augmentation())
    batch = data.on_after_batch_transfer(data.datasets["train"][0, 0], 0)
    assert batch.matrices is None
    assert data.on_after_batch_transfer(batch, 0) is batch


def test_validation_keeps_the_order_of_the_file(make_data, make_row):
    valid = [make_row(patient=patient, split="valid") for patient in (3, 1, 2)]
    paths = [path for batch in make_data(valid=valid).val_dataloader() for path in batch.paths]
    assert paths == [row["Path"] for row in valid]


def test_only_the_chosen_views_are_read(make_data, make_row, rows):
    lateral = make_row(patient=9, view="view2_lateral")
    assert len(make_data([*rows, lateral]).datasets["train"]) == 5
    assert len(make_data([*rows, lateral], views="all").datasets["train"]) == 6


def test_a_split_without_the_chosen_views_is_told(make_data):
    with pytest.raises(UserError, match=r"no lateral view(?s:.*)data\.views=all"):
        make_data(views="lateral")


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_neither_workers_nor_the_cache_change_anything(make_data, tmp_path, workers, cached):
    options = {"num_workers": workers, "cache": tmp_path / "cache" if cached else None}
    plain, other = (make_data(augmentation=Augmentation(), **given) for given in ({}, options))
    for split in ("train_dataloader", "val_dataloader"):
        first, second = (
            [data.on_after_batch_transfer(b, 0) for b in getattr(data, split)()] for data in (plain, other)
        )
        assert [batch.paths for batch in first] == [batch.paths for batch in second]
        assert all(torch.equal(a.images, b.images) for a, b in zip(first, second, strict=True))
        assert all(torch.equal(a.targets, b.targets) for a, b in zip(first, second, strict=True))


def test_the_cache_has_a_file_for_each_split(make_data, tmp_path):
    make_data(cache=tmp_path / "cache")
    assert sorted(file.name.split("-")[0] for file in (tmp_path / "cache").glob("*.films")) == ["train", "valid"]


def test_another_epoch_has_another_order_and_another_augmentation(make_data):
    data = make_data(augmentation=Augmentation())
    loader = data.train_dataloader()
    epochs = []
    for epoch in (0, 1):
        loader.batch_sampler.sampler.set_epoch(epoch)
        epochs.append(finish(data, loader))
    first, second = ({path: image for batch in batches for path, image in pairs(batch)} for batches in epochs)
    assert list(first) != list(second)
    assert all(not torch.equal(first[path], second[path]) for path in first)


def test_another_seed_has_another_order(make_data):
    orders = [[path for batch in make_data(seed=n).train_dataloader() for path in batch.paths] for n in (0, 0, 1)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def pairs(batch):
    return zip(batch.paths, batch.images, strict=True)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_missing_image_stops_with_its_path(make_data, split):
    with pytest.raises(UserError, match=rf"1 of \d listed images(?s:.*){image(split, 1)}(?s:.*)on_missing=skip"):
        make_data(spoil=remove(split, 1))


def test_a_missing_image_is_skipped_and_counted(make_data, capsys):
    data = make_data(spoil=remove("train", 3), on_missing="skip")
    gone = f"CheXpert-v1.0-small/{image('train', 3)}"
    assert data.skipped == {gone}
    assert gone not in data.datasets["train"].paths
    assert len(data.datasets["train"]) == 4
    assert gone in capsys.readouterr().err


def test_skipping_keeps_labels_beside_their_views(make_data, make_row):
    train = [make_row({"Edema": label}, patient=n) for n, label in enumerate(["1.0", "0.0", "1.0"])]
    data = make_data(train, spoil=remove("train", 0), on_missing="skip")
    batch = data.datasets["train"].read([(0, 0), (0, 1)])
    assert batch.paths == [row["Path"] for row in train[1:]]
    assert batch.targets[:, 0].tolist() == [0, 1]


def test_skipping_every_view_of_a_split_is_refused(make_data):
    with pytest.raises(UserError, match=r"valid\.csv"):
        make_data(spoil=remove("valid", 1), on_missing="skip")


def test_a_truncated_image_stops_with_its_path(make_data):
    with pytest.raises(UserError, match=image("train", 3)):
        list(make_data(spoil=truncate("train", 3)).train_dataloader())


def test_a_truncated_image_stops_a_worker_with_its_path(make_data):
    with pytest.raises(UserError, match=image("train", 3)) as caught:
        list(make_data(spoil=truncate("train", 3), num_workers=2).train_dataloader())
    traceback.clear_frames(caught.tb)  # in a cycle with the loader, whose collection would wait 10 s for its workers


def test_a_truncated_image_is_skipped_and_counted_once(make_data, capsys):
    data = make_data(spoil=truncate("train", 3), on_missing="skip")
    for _ in range(2):
        for batch in data.train_dataloader():
            data.on_after_batch_transfer(batch, 0)
    gone = f"CheXpert-v1.0-small/{image('train', 3)}"
    assert data.skipped == {gone}
    assert capsys.readouterr().err.count(gone) == 1


@pytest.mark.parametrize("kind", ["flagged", "skipped"])
def test_of_many_flagged_or_skipped_images_the_first_ten_are_printed_and_all_are_kept(make_data, capsys, kind):
    data = make_data()
    batch = data.datasets["train"][0, 0]
    for number in range(25):
        names = {"flagged": [(f"image{number}.jpg", "no contrast")], "skipped": [f"image{number}.jpg"]}
        data.on_after_batch_transfer(batch._replace(**{kind: names[kind]}), 0)
    lines = capsys.readouterr().err.splitlines()
    assert [f"image{number}.jpg" in line for number, line in enumerate(lines)] == [True] * 10 + [False]
    assert "metrics.json" in lines[10]
    assert len(getattr(data, kind)) == data.lines[kind].count == 25


def test_a_second_setup_reads_nothing(make_data):
    data = make_data()
    train = data.datasets["train"]
    (data.root / "CheXpert-v1.0-small" / "train.csv").unlink()
    data.setup("validate")
    assert data.datasets["train"] is train


def test_good_arguments_have_no_problems(write_chexpert, rows):
    root = write_chexpert(rows)
    assert CheXpertDataModule.validate_args(root=root, image_size=64, views="all", resize_mode="pad") == []


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("variant", "tiny", "one of auto, small, full, plus"),
        ("views", "front", "one of frontal, lateral, all"),
        ("resize_mode", "squeeze", "one of stretch, crop, pad"),
        ("on_missing", "ignore", "one of stop, skip"),
        ("labeler", "me", "one of null, chexbert, visualchexbert, impression, findings, report"),
        ("dev", 1.5, "a share between 0 and 1"),
        ("folds", 1, "at least 2"),
        ("image_size", 0, "at least 8"),
        ("image_size", 224.5, "a whole number"),
        ("batch_size", 0, "at least 1"),
        ("num_workers", -1, "at least 0"),
        ("cache", True, "outputs/cache"),
        ("cache", "", "outputs/cache"),
    ],
)
def test_a_wrong_argument_is_told_with_its_key_and_its_mend(write_chexpert, rows, key, value, hint):
    (error,) = CheXpertDataModule.validate_args(root=write_chexpert(rows), **{key: value})
    assert repr(value) in error
    assert f"data.{key}" in error
    assert hint in error


def test_a_missing_root_is_told_with_the_ways_to_set_it():
    (error,) = CheXpertDataModule.validate_args(root=None)
    assert "data.root=..." in error
    assert "CHEXPERT_ROOT" in error


def test_a_root_without_chexpert_is_told(tmp_path):
    (error,) = CheXpertDataModule.validate_args(root=tmp_path)
    assert "no CheXpert there" in error


def test_a_root_yet_to_be_made_is_not_looked_at():
    assert CheXpertDataModule.validate_args(root={"_target_": "chexpert.data.find_phantom"}) == []


def test_all_problems_are_told_at_once():
    assert len(CheXpertDataModule.validate_args(root=None, image_size=0, views="front")) == 3


def test_a_development_split_is_held_out_of_training_by_patient(make_data, make_row):
    train = [make_row(patient=n, view=f"view{v}_frontal") for n in range(40) for v in (1, 2)]
    data = make_data(train, dev=0.3)
    kept, held = (set(data.frames[split]["patient"]) for split in ("train", "dev"))
    assert not kept & held
    assert len(kept) + len(held) == 40
    assert len(data.datasets["train"]) == 2 * len(kept)
    assert (data.choosing, data.reported) == ("dev", ["dev", "valid"])


def test_blanks_of_a_development_split_are_judged_as_negative(make_data, make_row):
    train = [make_row({"Edema": "1.0", "Fracture": ("-1.0", "")[n % 2]}, patient=n) for n in range(40)]
    data = make_data(train, dev=0.3)
    patients = data.frames["dev"]["patient"].str[7:].astype(int).to_numpy()
    dev = data.datasets["dev"]
    assert dev.targets.tolist() == [[1, 0]] * len(patients)
    assert dev.mask[:, 1].tolist() == (patients % 2 == 1).tolist()
    assert data.datasets["train"].mask.all()
    assert data.sources["dev"]["labels"] == "train.csv"


def test_a_refused_setup_is_refused_again(make_data, make_row, write_chexpert, rows):
    shared = make_row({"Path": "CheXpert-v1.0-small/valid/patient00001/study2/view1_frontal.jpg"}, split="valid")
    data = CheXpertDataModule(write_chexpert(rows, [shared]), NAMES, LabelPolicy("ones"), image_size=16, num_workers=0)
    for _ in range(2):
        with pytest.raises(UserError, match="both in train and in valid"):
            data.setup("fit")


def test_training_is_read_after_judging_alone(make_data):
    data = make_data(stage="validate")
    assert data.choosing is None
    data.setup("fit")
    assert (data.choosing, list(data.datasets)) == ("valid", ["train", "valid"])


@pytest.mark.parametrize(
    ("options", "where", "hint"),
    [
        ({"fold": 3}, "data.folds", "give both"),
        ({"folds": 3}, "data.fold", "give both"),
        ({"folds": 3, "fold": 3}, "data.fold", "0 to 2"),
        ({"test": True}, "small", "expected test_labels.csv or groundtruth.csv there"),
        ({"test": "/no/such"}, "data.test=/no/such", "give the folder"),
        ({"test": 3}, "data.test", "true, false, or a folder"),
        ({"labeler": "chexbert"}, "data.labeler", "put train_cheXbert.csv beside train.csv"),
        ({"labeler": "impression"}, "data.labeler", "one of chexbert, visualchexbert"),
        ({"manifest": "/no/such"}, "data.manifest", "audit_data.py"),
    ],
)
def test_what_the_copy_or_the_settings_lack_is_told_before_reading(write_chexpert, rows, options, where, hint):
    (error,) = CheXpertDataModule.validate_args(root=write_chexpert(rows), **options)
    assert where in error
    assert hint in error


def test_a_fold_is_held_out(make_data, make_row):
    train = [make_row(patient=n) for n in range(40)]
    held = [set(make_data(train, folds=3, fold=fold).frames["dev"]["patient"]) for fold in range(3)]
    assert len(set.union(*held)) == sum(map(len, held)) == 40


def test_without_a_development_split_the_epoch_is_chosen_on_valid(make_data):
    assert (make_data().choosing, make_data().reported) == ("valid", ["valid"])


def test_a_patient_in_two_splits_is_refused(make_data, make_row):
    shared = make_row({"Path": "CheXpert-v1.0-small/valid/patient00001/study2/view1_frontal.jpg"}, split="valid")
    with pytest.raises(UserError, match=r"1 patients are both in train and in valid, the first: patient00001"):
        make_data(valid=[shared])


def test_the_test_set_is_read_where_asked(make_data, make_row, write_table, tmp_path):
    def add_test(folder):
        row = make_row({"Edema": "1.0"}, split="test")
        write_table(folder / "test_labels.csv", [row], ("Path", *OBSERVATIONS))
        file = folder / row["Path"].split("/", 1)[1]
        file.parent.mkdir(parents=True)
        shutil.copy(folder / image("train", 1), file)

    assert make_data(spoil=add_test, test=True).datasets["test"].targets.tolist() == [[1, 0]]


def test_a_test_set_may_lie_in_another_copy(make_data, make_row, write_table, tmp_path):
    row = make_row({"Edema": "1.0"}, split="test")
    elsewhere = tmp_path / "elsewhere"
    write_table(elsewhere / "CheXpert" / "test_labels.csv", [row], ("Path", *OBSERVATIONS))
    with pytest.raises(UserError, match=r"1 of 1 listed images are missing(?s:.*)elsewhere"):
        make_data(test=str(elsewhere))


def test_only_judging_needs_no_training_table(make_data):
    def remove_train(folder):
        (folder / "train.csv").unlink()

    data = make_data(spoil=remove_train, stage="validate")
    assert list(data.datasets) == ["valid"]


def test_both_ways_of_holding_out_are_refused(write_chexpert, rows):
    errors = CheXpertDataModule.validate_args(root=write_chexpert(rows), dev=0.1, folds=5, fold=1)
    assert len(errors) == 1
    assert "both a development split and folds" in errors[0]


@pytest.fixture
def write_known(tmp_path):
    """Writes the manifest of the copy as it is, and returns its path."""

    def write(folder):
        files = [file for file in folder.rglob("*") if file.is_file()]
        write_manifest(tmp_path / "manifest", {str(file.relative_to(folder)): hash_file(file) for file in files})

    return write


@pytest.fixture
def manifested(make_data, write_known, tmp_path):
    """A datamodule that holds its copy, damaged after the manifest was written, against this."""

    def make(damage, **options):
        def spoil(folder):
            write_known(folder)
            damage(folder)

        return make_data(spoil=spoil, manifest=str(tmp_path / "manifest"), **options)

    return make


def change_film(folder):
    """Another picture that decodes as well as the first."""
    shutil.copy(folder / image("train", 2), folder / image("train", 3))


def test_what_is_as_in_the_manifest_is_read(manifested):
    assert sum(len(batch.paths) for batch in manifested(lambda folder: None).train_dataloader()) == 5


@pytest.mark.parametrize("cached", [False, True])
def test_a_changed_picture_never_reaches_a_model(manifested, tmp_path, cached):
    with pytest.raises(UserError, match=rf"(?s){image('train', 3)}.*changed since|changed since.*{image('train', 3)}"):
        list(manifested(change_film, cache=str(tmp_path / "cache") if cached else None).train_dataloader())


def test_a_changed_picture_is_skipped_and_counted_where_that_is_wanted(manifested):
    data = manifested(change_film, on_missing="skip")
    finish(data, data.train_dataloader())
    assert data.skipped == {f"CheXpert-v1.0-small/{image('train', 3)}"}


def test_a_cache_without_a_manifest_does_not_serve_a_run_with_one(make_data, manifested, tmp_path):
    list(make_data(cache=str(tmp_path / "cache"), spoil=change_film).train_dataloader())
    with pytest.raises(UserError, match="changed since"):
        list(manifested(change_film, cache=str(tmp_path / "cache")).train_dataloader())


def test_a_changed_table_is_refused_even_if_it_is_valid(manifested):
    def change_label(folder):
        table = folder / "train.csv"
        table.write_text(table.read_text().replace("-1.0", "1.0", 1))

    with pytest.raises(UserError, match=r"changed since the manifest was written(?s:.*)train\.csv"):
        manifested(change_label)


def test_a_view_that_the_manifest_does_not_know_is_refused(manifested, tmp_path):
    def forget(folder):
        manifest = tmp_path / "manifest"
        manifest.write_text("".join(line for line in manifest.open() if image("train", 3) not in line))

    with pytest.raises(UserError, match=rf"1 of 5 files are not in the manifest, the first: {image('train', 3)}"):
        manifested(forget)


def test_a_run_keeps_which_data_it_has_seen(make_data, make_row):
    data = make_data([make_row(patient=n) for n in range(40)], dev=0.3)
    kept, again = data.summarize(), make_data([make_row(patient=n) for n in reversed(range(40))], dev=0.3).summarize()
    assert kept["splits"]["valid"]["layout"] == "CheXpert-v1.0-small"
    assert {name: split["fingerprint"] for name, split in kept["splits"].items()} == {
        name: split["fingerprint"] for name, split in again["splits"].items()
    }
    counts = [[split[unit] for unit in ("images", "studies", "patients")] for split in kept["splits"].values()]
    assert [sum(column) for column in zip(*counts, strict=True)] == [41, 41, 41]


def test_other_data_of_equal_labels_are_told_apart(make_data, tmp_path):
    before = make_data().summarize()["splits"]
    assert list_differences(before, make_data().summarize()["splits"]) == []
    policies = LabelPolicy("ones", blank="ones"), LabelPolicy("zeros", blank="zeros")
    one, other = (make_data(labels=policy).summarize()["splits"] for policy in policies)
    assert list_differences(one, other) == ["train: other targets for the same labels"]
    mixed = json.loads(json.dumps(before))
    mixed["train"]["content"]["order"] = "0"
    assert list_differences(mixed, before) == ["train: the same rows in another order"]
    images = mixed["valid"]["content"]["images"]
    images |= dict.fromkeys(images, "0")
    assert list_differences({"valid": mixed["valid"]}, before)[0].startswith("valid: of 1 compared images 1")
    del before["train"]["content"]  # as an older version left it
    assert list_differences({"train": before["train"]}, mixed) == []


@pytest.mark.parametrize("changed", [0, 1, 2, 3, 16])
def test_one_or_two_repaired_images_are_noted_and_three_are_other_data(changed, make_data, make_row):
    before = make_data([make_row(patient=n) for n in range(40)]).summarize()["splits"]
    now = json.loads(json.dumps(before))
    images = now["train"]["content"]["images"]
    images |= dict.fromkeys([*images][:changed], "0")
    told = [
        f"train: of 16 compared images {changed} have other bytes, such as {image('train', 0).removesuffix('.jpg')}"
    ]
    assert list_repaired(before, now) == told * (changed > 0)
    assert list_differences(before, now) == told * (changed >= summary.OTHERS)


def test_where_a_run_goes_on_each_image_is_read_once_and_repaired_ones_are_told(
    make_data, tmp_path, monkeypatch, capsys
):
    before = make_data(spoil=truncate("train", 3)).summarize()
    run = tmp_path / "run"
    run.mkdir()
    run_files.write_json(run / run_files.DATA, before)
    run_files.write_json(run / run_files.METRICS, {"skipped": [image("train", 4)]})
    data, read, digest = make_data(), [], summary._digest_file
    monkeypatch.setattr(summary, "_digest_file", lambda path: read.append(path) or digest(path))
    check_data(run, data)
    data.summarize()
    assert len(read) == len(set(read)) == 6
    note = f"note: train: of 5 compared images 1 have other bytes, such as {image('train', 3).removesuffix('.jpg')}\n"
    assert capsys.readouterr().err == note


def test_what_was_skipped_is_not_among_the_data_that_a_run_has_seen(make_data):
    data = make_data(spoil=truncate("train", 3), on_missing="skip")
    before = data.summarize()["splits"]["train"]
    finish(data, data.train_dataloader())
    after = data.summarize()["splits"]["train"]
    assert (before["images"], after["images"]) == (5, 4)
    assert before["fingerprint"] != after["fingerprint"]
