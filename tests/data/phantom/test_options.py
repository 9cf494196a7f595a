import inspect
from dataclasses import fields

import pytest
from helpers.errors import raises
from omegaconf import OmegaConf

from chexpert.data.phantom import Options, find_phantom
from chexpert.data.phantom.tables.cohort import number_patient

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


def test_every_option_changes_the_folder_name() -> None:
    names = {Options(**other).name() for other in OTHERS} | {Options().name()}
    assert len(names) == len(OTHERS) + 1
    assert {name for other in OTHERS for name in other} == {field.name for field in fields(Options)}


def test_find_phantom_has_every_option_and_its_default() -> None:
    taken = inspect.signature(find_phantom).parameters
    for field in fields(Options):
        assert field.name in taken
        if field.name not in ("strength", "counterfactuals", "defects"):
            assert taken[field.name].default == getattr(Options(), field.name)


def test_order_of_strengths_does_not_change_the_name() -> None:
    one, two = {"Edema": 0.5, "Fracture": 2.0}, {"Fracture": 2.0, "Edema": 0.5}
    assert Options(strength=one).name() == Options(strength=two).name()


@pytest.mark.parametrize(
    ("option", "unknown"),
    [
        ({"layout": "smal"}, "smal"),
        ({"layout": None}, None),
        ({"defects": ["gone"]}, "gone"),
        ({"defects": [["missing"]]}, ["missing"]),
        ({"strength": {"Oedema": 1}}, "Oedema"),
        ({"counterfactuals": ["No Finding"]}, "No Finding"),
    ],
)
def test_unknown_choice_is_an_error(option: dict[str, object], unknown: object) -> None:
    with raises("choice") as caught:
        Options(**option)
    assert next(iter(option)) in str(caught.value)
    assert repr(unknown) in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("patients", -1),
        ("patients", 1.5),
        ("patients", True),
        ("patients", "a"),
        ("patients", 64514),
        ("valid", None),
        ("valid", 10201),
        ("test", 20500),
        ("size", 8),
        ("size", 16.5),
        ("size", 4097),
        ("seed", "0"),
        ("labelers", "no"),
        ("enriched", 2),
        ("laterals", 0.5),
        ("laterals", "x"),
        ("laterals", float("nan")),
        ("laterals", False),
        ("shortcut", 1.5),
        ("shortcut", "a"),
        ("shortcut", float("nan")),
        ("strength", ["Edema"]),
        ("strength", None),
        ("defects", "missing"),
        ("defects", {"missing": 1}),
        ("counterfactuals", "Edema"),
        ("counterfactuals", 3),
    ],
)
def test_impossible_value_is_an_error(option: str, value: object) -> None:
    with raises("value") as caught:
        Options(**{option: value})
    assert option in str(caught.value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("factor", [0, "2", float("inf"), None])
def test_impossible_strength_of_a_finding_is_an_error(factor: object) -> None:
    with raises("value") as caught:
        Options(strength={"Edema": factor})
    assert "strength[Edema]" in str(caught.value)
    assert repr(factor) in str(caught.value)


@pytest.mark.parametrize(
    ("options", "named"), [({"patients": 0, "valid": 0}, "patients"), ({"layout": "plus", "test": 3}, "test")]
)
def test_impossible_combination_is_an_error(options: dict[str, object], named: str) -> None:
    with raises("value") as caught:
        Options(**options)
    assert named in caught.value.where


def test_patients_of_the_largest_phantom_have_unique_numbers() -> None:
    most = {"train": 64513, "valid": 10200, "test": 20499}
    Options(patients=most["train"], valid=most["valid"], test=most["test"])
    numbers = [number_patient(split, index) for split, count in most.items() for index in range(count)]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) == 99999  # five digits in a path


def test_containers_of_a_config_are_accepted() -> None:
    from_config = OmegaConf.create({"strength": {"Edema": 2}, "defects": ["missing"], "counterfactuals": []})
    assert Options(**from_config) == Options(strength={"Edema": 2}, defects=("missing",))
