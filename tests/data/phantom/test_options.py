import inspect
from dataclasses import fields

import pytest

from chexpert.data.phantom import Options, find_phantom
from chexpert.problem import ProblemError

OTHERS = [
    {"patients": 1},
    {"valid": 1},
    {"test": 1},
    {"size": 32},
    {"seed": 1},
    {"layout": "full"},
    {"labellers": True},
    {"enriched": False},
    {"laterals": 0.1},
    {"strength": {"Edema": 0.5}},
    {"strength": {"Edema": 0.6}},
    {"shortcut": 0.5},
    {"counterfactuals": ["Edema"]},
    {"defects": ["missing"]},
]


def test_every_option_that_changes_bytes_changes_the_name() -> None:
    names = {Options(**other).name() for other in OTHERS} | {Options().name()}
    assert len(names) == len(OTHERS) + 1
    assert {name for other in OTHERS for name in other} == {field.name for field in fields(Options)}


def test_find_takes_every_option_with_the_same_default() -> None:
    taken = inspect.signature(find_phantom).parameters
    for field in fields(Options):
        assert field.name in taken
        if field.name not in ("strength", "counterfactuals", "defects"):
            assert taken[field.name].default == getattr(Options(), field.name)


def test_the_order_of_strengths_makes_no_other_phantom() -> None:
    one, two = {"Edema": 0.5, "Fracture": 2.0}, {"Fracture": 2.0, "Edema": 0.5}
    assert Options(strength=one).name() == Options(strength=two).name()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"layout": "smal"}, "unknown layout: 'smal'"),
        ({"defects": ["gone"]}, "unknown defects: 'gone'"),
        ({"strength": {"Oedema": 1}}, "unknown strength: 'Oedema'"),
        ({"strength": {"Edema": 0}}, "strength"),
        ({"counterfactuals": ["No Finding"]}, "unknown counterfactuals: 'No Finding'"),
        ({"laterals": 0.5}, "laterals = 0.5 is not possible"),
        ({"shortcut": 1.5}, "shortcut = 1.5 is not possible"),
        ({"size": 8}, "size = 8 is not possible"),
        ({"patients": -1}, "patients = -1 is not possible"),
        ({"layout": "plus", "test": 3}, "test = 3 is not possible"),
        ({"patients": 0, "valid": 0}, "nothing to draw"),
    ],
)
def test_what_is_not_possible_is_refused(option: dict[str, object], message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        Options(**option)
    assert message in str(caught.value)
