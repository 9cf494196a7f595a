"""The note on counts that differ from the published ones, at the start of a run."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from chexpert.data.sources.published_counts import BY_VIEWS, PUBLISHED, describe_counts
from chexpert.engine.summary import count_rows, find_notes

CONFIG = {"explain": {"views": ["a"], "count": 1}, "explainer": {}}


def make_frame(images, studies):
    """So many images of so many studies; of each patient there is one study."""
    rows = np.minimum(np.arange(images), studies - 1)
    return pd.DataFrame({"patient": rows, "study": "study1"})


def make_data(views="all", variant="small", *, synthetic=False, **counts):
    rows = {split: BY_VIEWS[split][views] for split in ("train", "valid")} | counts
    frames = {split: make_frame(*own) for split, own in rows.items()}
    return SimpleNamespace(
        frames=frames, datasets={"valid": range(234)}, batch_size=2, views=views, root="/data/x y", synthetic=synthetic,
        layout=SimpleNamespace(variant=variant),
    )  # fmt: skip


@pytest.mark.parametrize("variant", ["small", "full"])
@pytest.mark.parametrize("views", ["all", "frontal"])
def test_published_counts_give_no_note(variant, views):
    assert list(find_notes(make_data(views, variant, test=BY_VIEWS["test"][views]), CONFIG)) == []


def test_other_counts_give_one_note():
    data = make_data("frontal", train=(191_025, 187_624), valid=(202, 199))
    (note,) = find_notes(data, CONFIG)
    assert all(count in note for count in ("191,025", "191,027", "187,624", "187,625", "199", "200", "'/data/x y'"))
    assert "202" not in note


def test_more_than_the_published_images_give_a_note():
    (note,) = find_notes(make_data(train=(223_500, 187_641)), CONFIG)
    assert ("223,500" in note, "187,641" in note) == (True, False)


@pytest.mark.parametrize(
    "data",
    [
        make_data(train=(5_000, 4_000), valid=(20, 20)),
        make_data(train=(223_413, 187_640), synthetic=True),
        make_data("frontal", "plus", train=(191_000, 187_000)),
    ],
    ids=["part", "synthetic", "CheXpert Plus"],
)
def test_parts_phantoms_and_other_data_sets_give_none(data):
    assert list(find_notes(data, CONFIG)) == []


def test_patients_that_are_held_out_count_as_train():
    data = make_data(train=(200_000, 170_000), dev=(23_414, 17_641))
    assert count_rows(data) == {"train": (223_414, 187_641), "valid": (234, 200)}
    assert list(find_notes(data, CONFIG)) == []


def test_only_evaluated_splits_give_none():
    assert describe_counts({"valid": (233, 200)}, "all") is None


def test_counts_by_views_are_those_of_the_audit():
    for split, published in PUBLISHED.items():
        assert BY_VIEWS[split]["all"] == (published["images"], published["studies"])
        assert BY_VIEWS[split]["frontal"][0] + BY_VIEWS[split]["lateral"][0] == published["images"]
    train = PUBLISHED["train"]
    assert BY_VIEWS["train"]["frontal"] == (train["frontals"], train["studies"] - train["studies_without_frontal"])
