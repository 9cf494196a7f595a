"""Values that Hydra's grammar does not read without quotes."""

from pathlib import Path

import pytest
from helpers.errors import raises
from hydra.core.override_parser.overrides_parser import OverridesParser

from chexpert.config.quoting import quote_values


def read(argument):
    """Return the value that Hydra reads from an argument."""
    override = OverridesParser.create().parse_override(quote_values([argument])[0])
    if override.is_sweep_override():
        return [value.text for value in override.value().list]
    return override.value()


@pytest.mark.parametrize(
    "path",
    [
        "outputs/k/checkpoints/step=0000002.ckpt",
        "outputs/k/checkpoints/epoch=03-auroc_mean=0.91234.ckpt",
        "outputs/x/lr=0.1,seed=1",
        "outputs/a b/(c)",
        "outputs/été/it's",
        "outputs/plain/2026-11-28",
    ],
)
def test_path_is_read_as_typed(path):
    assert read(f"start_from={path}") == path


@pytest.mark.parametrize("name", ["a,b", "a, b (c) [d] {e}=f", "choice(1)", "x=1"])
def test_existing_folder_is_one_path(tmp_path, name):
    (tmp_path / name).mkdir()
    assert read(f"data.root={tmp_path}/{name}") == f"{tmp_path}/{name}"


def test_list_of_existing_folders_is_a_sweep(tmp_path):
    folders = [f"{tmp_path}/seed={seed}" for seed in (1, 2)]
    for folder in folders:
        Path(folder).mkdir()
    assert read(f"start_from={','.join(folders)}") == folders


@pytest.mark.parametrize(
    "argument",
    [
        "-m",
        "seed=0,1",
        "data.root=a/b,c/d",
        "data.root='a/b=c'",
        "optimizer.lr=tag(log, interval(1e-6, 1e-1))",
        "labels.predictions=choice(a/b,c/d)",
        "hydra.run.dir=outputs/${now:%Y}/x",
    ],
)
def test_readable_argument_is_unchanged(argument):
    assert quote_values([argument]) == [argument]


@pytest.mark.parametrize(
    ("typed", "read_as"),
    [
        ("name=röntgen", "röntgen"),
        ("data.root=/daten/Röntgen (1)", "/daten/Röntgen (1)"),
        ("name=a=b", "a=b"),
        ("name=run(1)", "run(1)"),
        ("name=it's", "it's"),
    ],
)
def test_letters_that_hydra_needs_quoted_are_read(typed, read_as):
    assert read(typed) == read_as


def test_each_value_of_a_sweep_is_quoted_separately():
    quoted = quote_values(["-m", "data.root=/a,/données", "seed=0,1"])
    assert quoted == ["-m", "data.root=/a,'/données'", "seed=0,1"]


@pytest.mark.parametrize("typed", ["explain.views=[a/b=c]", "data.root='a", "seed", "data.root={a,b}}"])
def test_unreadable_argument_is_an_error_with_its_place(typed):
    with raises("hydra-syntax", typed):
        quote_values([typed])
