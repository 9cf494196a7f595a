"""The licenses of the weights that a run started from."""

import pytest

from chexpert.weights.license import UNKNOWN, StartLicense, list_licenses


def backbone(pretrained, name="resnet18"):
    return {"_target_": "chexpert.models.Backbone", "name": name, "pretrained": pretrained}


@pytest.mark.parametrize(
    ("pretrained", "expected"),
    [
        (False, []),
        (True, [StartLicense("timm's weights of resnet18", UNKNOWN, None)]),
        ("weights.pt", [StartLicense("a file of weights", UNKNOWN, None)]),
        ("hf:timm/resnet18.a1_in1k", [StartLicense("hf:timm/resnet18.a1_in1k", UNKNOWN, None)]),
        ("hf:../x", [StartLicense("weights of unknown origin", UNKNOWN, None)]),
    ],
)
def test_of_one_network(pretrained, expected):
    assert list_licenses({"backbone": backbone(pretrained)}) == expected


def test_cards_have_their_license_also_as_a_file_of_ones_own():
    (named,) = list_licenses({"backbone": backbone("rad-dino")})
    (file,) = list_licenses({"backbone": backbone("rad-dino:DOE.pt")})
    assert named == file
    assert (named.weights, named.non_commercial) == ("rad-dino", False)
    (other,) = list_licenses({"backbone": backbone("cxformer-b")})
    assert other.non_commercial


def test_members_are_all_listed_once():
    members = {"a": backbone("rad-dino"), "b": backbone("rad-dino"), "c": backbone(False)}
    assert [one.weights for one in list_licenses({"members": members})] == ["rad-dino"]


def test_card_behind_an_earlier_run_is_known_by_the_sentence_of_the_run():
    sentence = "the backbone saw it before this run (an earlier run trained on CheXpert, which began with cxformer-b)"
    found = list_licenses({"backbone": backbone(False)}, "RUN", sentence)
    assert [(one.weights, one.non_commercial) for one in found] == [
        ("cxformer-b", True), ("an earlier run (start_from)", None)
    ]  # fmt: skip
    assert list_licenses({}, None, "which began with rad-dino-like") == []
