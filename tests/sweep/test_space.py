"""Hydra's sweeps as Optuna's distributions."""

import pytest
from helpers.errors import raises
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from chexpert.sweep.space import list_values, parse_space


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        ("interval(1e-5, 1e-3)", FloatDistribution(1e-5, 1e-3)),
        ("tag(log, interval(1e-5, 1e-3))", FloatDistribution(1e-5, 1e-3, log=True)),
        ("interval(8, 64)", FloatDistribution(8, 64)),
        ("interval(0, 0.5)", FloatDistribution(0, 0.5)),
        ("tag(log, int(interval(8, 64)))", IntDistribution(8, 64, log=True)),
        ("int(interval(1, 5))", IntDistribution(1, 5)),
        ("range(8, 33, 8)", IntDistribution(8, 32, step=8)),
        ("range(10)", IntDistribution(0, 9)),
        ("range(5, 0, -2)", IntDistribution(1, 5, step=2)),
        ("range(0.1, 0.35, 0.1)", FloatDistribution(0.1, 0.3, step=0.1)),
        ("choice(8, '16 x', true)", CategoricalDistribution(["8", r"16\ x", "True"])),
        ("zeros,ones", CategoricalDistribution(["zeros", "ones"])),
        ("[a,b],[c]", CategoricalDistribution(["[a,b]", "[c]"])),
    ],
)
def test_sweep_is_parsed_to_its_distribution(sweep, expected):
    assert parse_space({}, [f"key={sweep}"]) == ({"key": expected}, [])


def test_single_values_are_fixed_and_the_command_line_wins():
    params = {"optimizer.lr": "interval(0.1, 1)", "labels": "choice(zeros, ones)", "seed": 3, "save_top_k": None}
    typed = ["labels=lsr", "+x@y='a b'", "~data.image_size", "optimizer.lr=interval(0, 0.5)"]
    space, fixed = parse_space(params, typed)
    assert space == {"optimizer.lr": FloatDistribution(0, 0.5)}
    assert fixed == ["labels=lsr", "seed=3", "save_top_k=null", "+x@y='a b'", "~data.image_size"]


@pytest.mark.parametrize("arguments", [[], ["seed=0"]])
def test_search_without_a_space_is_an_error(arguments):
    with raises("search", "the command line and hydra.sweeper.params"):
        parse_space({}, arguments)


@pytest.mark.parametrize("sweep", ["interval(2, 1)", "range(3, 3)", "tag(log, interval(0, 1))"])
def test_empty_interval_is_an_error(sweep):
    with raises("search", f"optimizer.lr={sweep}"):
        parse_space({}, [f"optimizer.lr={sweep}"])


def test_grid_has_the_values_of_its_sweep():
    space, _ = parse_space({}, ["a=range(1, 6, 2)", "b=range(0.1, 0.35, 0.1)", "c=x,y", "d=interval(0.0, 1.0)"])
    assert [list_values(key, space[key]) for key in "abc"] == [[1, 3, 5], [0.1, 0.2, 0.3], ["x", "y"]]
    with raises("search", "d"):
        list_values("d", space["d"])
