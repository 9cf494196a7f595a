import inspect
from dataclasses import fields

import pytest
from omegaconf import OmegaConf

from chexpert.data.phantom import Options, find_phantom
from chexpert.data.phantom.tables.cohort import number_patient
from chexpert.errors import UserError

OTHERS = [
    {"patients": 1},
    {"valid": 1},
    {"test": 1},
    {"size": 32},
    {"seed": 1},
    {"layout": "full"},
    {"labelers": True},
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
        ({"patients": 0, "valid": 0}, "nothing to paint"),
        ({"patients": 1.5}, "patients = 1.5 is not possible"),
        ({"patients": True}, "patients = True is not possible"),
        ({"patients": "a"}, "patients = 'a' is not possible"),
        ({"patients": 64514}, "patients = 64514 is not possible"),
        ({"valid": None}, "valid = None is not possible"),
        ({"valid": 10201}, "valid = 10201 is not possible"),
        ({"test": 20500}, "test = 20500 is not possible"),
        ({"size": 16.5}, "size = 16.5 is not possible"),
        ({"size": 4097}, "size = 4097 is not possible"),
        ({"seed": "0"}, "seed = '0' is not possible"),
        ({"layout": None}, "unknown layout: None"),
        ({"labelers": "no"}, "labelers = 'no' is not possible"),
        ({"enriched": 2}, "enriched = 2 is not possible"),
        ({"laterals": "x"}, "laterals = 'x' is not possible"),
        ({"laterals": float("nan")}, "laterals = nan is not possible"),
        ({"laterals": False}, "laterals = False is not possible"),
        ({"shortcut": "a"}, "shortcut = 'a' is not possible"),
        ({"shortcut": float("nan")}, "shortcut = nan is not possible"),
        ({"strength": {"Edema": "2"}}, "strength[Edema] = '2' is not possible"),
        ({"strength": {"Edema": float("inf")}}, "strength[Edema] = inf is not possible"),
        ({"strength": {"Edema": None}}, "strength[Edema] = None is not possible"),
        ({"strength": ["Edema"]}, "strength = ['Edema'] is not possible"),
        ({"strength": None}, "strength = None is not possible"),
        ({"defects": "missing"}, "defects = 'missing' is not possible"),
        ({"defects": [["missing"]]}, "unknown defects: ['missing']"),
        ({"defects": {"missing": 1}}, "defects = {'missing': 1} is not possible"),
        ({"counterfactuals": "Edema"}, "counterfactuals = 'Edema' is not possible"),
        ({"counterfactuals": 3}, "counterfactuals = 3 is not possible"),
    ],
)
def test_what_is_not_possible_is_refused(option: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        Options(**option)
    assert message in str(caught.value)


def test_the_largest_phantom_gives_every_patient_a_number_of_its_own() -> None:
    most = {"train": 64513, "valid": 10200, "test": 20499}
    Options(patients=most["train"], valid=most["valid"], test=most["test"])
    numbers = [number_patient(split, index) for split, count in most.items() for index in range(count)]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) == 99999  # five digits in a path


def test_lists_and_mappings_of_a_config_are_taken() -> None:
    from_config = OmegaConf.create({"strength": {"Edema": 2}, "defects": ["missing"], "counterfactuals": []})
    assert Options(**from_config) == Options(strength={"Edema": 2}, defects=("missing",))
