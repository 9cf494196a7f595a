"""Paths that Hydra's grammar does not read, as the command line is given them."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from chexpert.config.quoting import quote_values
from chexpert.errors import UserError


def read(argument):
    """What Hydra makes of the value of an argument."""
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
def test_a_path_reaches_the_config_as_it_was_typed(path):
    assert read(f"start_from={path}") == path


@pytest.mark.parametrize("name", ["a,b", "a, b (c) [d] {e}=f", "choice(1)", "x=1"])
def test_a_folder_that_is_there_is_one_path(tmp_path, name):
    (tmp_path / name).mkdir()
    assert read(f"data.root={tmp_path}/{name}") == f"{tmp_path}/{name}"


def test_folders_that_are_there_make_a_sweep(tmp_path):
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
def test_what_hydra_reads_stays(argument):
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
def test_letters_that_hydra_does_not_take_without_quotes_are_read(typed, read_as):
    assert read(typed) == read_as


def test_in_a_sweep_each_value_is_quoted_by_itself():
    quoted = quote_values(["-m", "data.root=/a,/données", "seed=0,1"])
    assert quoted == ["-m", "data.root=/a,'/données'", "seed=0,1"]


@pytest.mark.parametrize("typed", ["explain.views=[a/b=c]", "data.root='a", "seed", "data.root={a,b}}"])
def test_what_hydra_reads_in_no_way_is_reported_with_its_place(typed):
    with pytest.raises(UserError) as caught:
        quote_values([typed])
    assert caught.value.where == typed
