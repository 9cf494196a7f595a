"""The cards of public weights: every one is read, and says where it is from and what it is of."""

import re

import pytest
import timm
import yaml
from helpers.errors import raises

from chexpert.models import Backbone
from chexpert.models.key_layouts import KEY_LAYOUTS
from chexpert.weights import FOLDER, list_near_names, parse_source, read_cards

CARDS = read_cards()
FAMILIES = {
    "rad_dino": 1, "medical_mae": 2, "eva_x": 3, "torchxrayvision_densenet121": 6, "torchxrayvision_resnet50": 1,
    "medical_patch_net": 2, "cxformer": 2, "biomedclip": 1, "xrayclip": 1, "ark": 1,
}  # fmt: skip
ONE = {
    key: value
    for key, value in yaml.safe_load((FOLDER / "xrayclip.yaml").read_text(encoding="utf-8")).items()
    if key != "weights"
}
OWN = yaml.safe_load((FOLDER / "xrayclip.yaml").read_text(encoding="utf-8"))["weights"]["xrayclip"]


def test_each_family_has_its_cards():
    found = {file.stem: len(yaml.safe_load(file.read_text("utf-8"))["weights"]) for file in FOLDER.iterdir()}
    assert found == FAMILIES
    assert len(CARDS) == sum(FAMILIES.values())


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_a_card_is_whole(card):
    assert re.fullmatch(r"[a-z0-9_-]+", card.name)
    assert card.source.startswith("https://")
    assert timm.is_model(card.network)
    assert card.layout in KEY_LAYOUTS
    assert card.url is None or card.url.endswith(f"/{card.file}")
    assert card.sha256 is None or re.fullmatch("[0-9a-f]{64}", card.sha256)
    assert card.patch is None or card.image_size % card.patch == 0
    assert (card.non_commercial is None) == (card.license == "not stated")
    assert ("NC" in card.license or "non-commercial" in card.license) == (card.non_commercial is True)
    assert card.saw_chexpert_source
    assert "No real file was at hand" in card.checked
    assert 0 <= card.gray_mean < 1
    assert 0 < card.gray_std <= 1


def write_card(tmp_path, shared, own):
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(shared | {"weights": {"one": own}}), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("shared", "own", "named"),
    [
        (ONE, {key: value for key, value in OWN.items() if key != "sha256"}, "missing .'sha256'"),
        (ONE | {"size": 3}, OWN, "unknown .'size'"),
        (ONE | {"sha256": None}, OWN, "for the family too: .'sha256'"),
        (ONE, OWN | {"saw_chexpert": True}, "saw_chexpert is True"),
        (ONE, OWN | {"std": [1.0]}, "mean and std"),
        (ONE | {"format": "pickle"}, OWN, "format is 'pickle'"),
    ],
)
def test_a_wrong_card_is_an_error(tmp_path, shared, own, named):
    with pytest.raises(ValueError, match=named):
        read_cards(write_card(tmp_path, shared, own))


def test_a_card_in_one_file_is_whole(tmp_path):
    assert list(read_cards(write_card(tmp_path, ONE, OWN))) == ["one"]


@pytest.mark.parametrize(
    ("value", "card", "repository", "file"),
    [
        ("rad-dino", "rad-dino", None, None),
        ("rad-dino:x.pt", "rad-dino", None, "x.pt"),
        ("./rad-dino", None, None, "./rad-dino"),
        ("C:/x.pt", None, None, "C:/x.pt"),
        ("rad-dino:", None, None, "rad-dino:"),
        ("hf:microsoft/rad-dino", "rad-dino", None, None),
        ("hf-hub:microsoft/rad-dino", "rad-dino", None, None),
        ("hf-hub:timm/resnet18.a1_in1k", None, "timm/resnet18.a1_in1k", None),
        ("hf:timm/resnet18.a1_in1k", None, "timm/resnet18.a1_in1k", None),
    ],
)
def test_source_of_a_value(value, card, repository, file):
    found = parse_source(value)
    assert (found.card and found.card.name, found.repository, found.file) == (card, repository, file)


def test_near_names():
    assert list_near_names("RAD_DINO")[0] == "rad-dino"
    assert list_near_names("medmae-vit-b")[0] == "medical-mae-vit-b"
    assert list_near_names("zzz") == []


@pytest.mark.parametrize(
    "value", ["hf:", "hf-hub:", "hf:a", "hf:a/", "hf:/b", "hf:a/../b", "hf:a/..", "hf:a/b/c", "hf:a b/c"]
)
def test_no_form_of_a_repository_is_an_error(value):
    with raises("value", f"pretrained=hf:{value.partition(':')[2]}"):
        parse_source(value)
    (error,) = Backbone.validate_args("resnet18", value)
    assert error.code == "value"
