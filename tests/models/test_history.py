"""What a backbone saw before a run."""

import json

import pytest
import safetensors.torch
import torch

from chexpert.models import Backbone, Single
from chexpert.models.convert import convert
from chexpert.models.history import (
    History,
    add_teachers,
    describe_contamination,
    describe_history,
    describe_run,
    merge_contamination,
)
from chexpert.weights import SENTENCES, read_cards


@pytest.mark.parametrize(
    ("pretrained", "card", "tag", "expected"),
    [
        (False, None, "a1_in1k", "no"),
        (True, None, "a1_in1k", "no"),
        (True, None, "augreg_in21k_ft_in1k", "no"),
        (True, None, "fb_in22k_ft_in1k_384", "no"),
        (True, None, "sw_r448_e450_in1k", "no"),
        (True, None, "fcmae_ft_in22k_in1k", "no"),
        (True, None, "laion2b_ft_in12k_in1k", "unknown"),
        (True, None, "clip_laion2b_augreg_ft_in12k_in1k_384", "unknown"),
        (True, None, "openai_ft_in1k", "unknown"),
        (True, None, "fb_swsl_ig1b_ft_in1k", "unknown"),
        (True, None, "fb_ssl_yfcc100m_ft_in1k", "unknown"),
        (True, None, "m30m_ft_in22k_in1k", "unknown"),
        (True, None, "ns_jft_in1k", "unknown"),
        (True, None, "bd_ssld_6m_in1k", "unknown"),
        (True, None, "swag_lc_in1k", "unknown"),
        (True, None, "webli_ft_in1k", "unknown"),
        (True, None, "fb_inw21k", "unknown"),
        (True, None, "ft_in1k", "unknown"),
        (True, None, "mae", "unknown"),
        (True, None, "lvd142m", "unknown"),
        (True, None, None, "unknown"),
        ("x.pt", None, "a1_in1k", "unknown"),
        ("rad-dino", "rad-dino", None, "yes"),
        ("biomedclip:x.pt", "biomedclip", None, "unknown"),
        ("xrv-resnet50-all", "xrv-resnet50-all", None, "no"),
    ],
)
def test_history_of_weights(pretrained, card, tag, expected):
    found = describe_history(pretrained, card and read_cards()[card], {"tag": tag})
    assert found.saw_chexpert == expected


@pytest.mark.parametrize(
    ("seen", "sentence"), [(["no", "yes", "unknown"], "yes"), (["no", "unknown"], "unknown"), (["no", "no"], "no")]
)
def test_the_worst_member_counts(seen, sentence):
    found = describe_contamination([History(f"net {number}", one) for number, one in enumerate(seen)])
    assert found.startswith(SENTENCES[sentence])
    assert found.count("net") == len(seen)


NO = f"{SENTENCES['no']} before this run (random weights)"
YES = f"{SENTENCES['yes']} before this run (rad-dino)"
RUNS = [
    ({"synthetic": False, "contamination": NO}, "yes", "random weights"),
    ({"synthetic": False, "contamination": None}, "yes", "weights of unknown origin"),
    ({"config": {"data": {"root": "/data/CheXpert"}}}, "yes", "weights of unknown origin"),
    ({"synthetic": True, "contamination": NO}, "no", "random weights"),
    ({"synthetic": True, "contamination": YES}, "yes", "rad-dino"),
    ({"synthetic": True, "contamination": None}, "unknown", "weights of unknown origin"),
    ({"synthetic": True}, "unknown", "weights of unknown origin"),
    ({"synthetic": True, "contamination": 3}, "unknown", "weights of unknown origin"),
    ({"contamination": NO, "config": {"data": {"variant": "nih"}}}, "no", "random weights"),
    ({"config": {"data": {"variant": "mimic"}}}, "unknown", "weights of unknown origin"),
    (
        {"contamination": NO, "origin": "NIH ChestX-ray14", "config": {"data": {"variant": "auto"}}},
        "no",
        "random weights",
    ),
    ({"contamination": NO, "origin": "CheXpert", "config": {"data": {"variant": "auto"}}}, "yes", "random weights"),
    ({"contamination": NO, "config": {"data": {"variant": "chexpert_512"}}}, "yes", "random weights"),
]


@pytest.mark.parametrize(("metadata", "seen", "began"), RUNS)
def test_weights_of_an_earlier_run_saw_its_images(metadata, seen, began):
    found = describe_run(metadata)
    assert found.saw_chexpert == seen
    assert found.weights.endswith(f", which began with {began}")
    line = describe_contamination([found])
    assert line.startswith(SENTENCES[seen])
    again = describe_run({"synthetic": True, "contamination": line})
    assert again.saw_chexpert == seen
    assert again.weights.endswith(f"which began with {found.weights}")


UNKNOWN = f"{SENTENCES['unknown']} before this run (timm's mae)"


@pytest.mark.parametrize(
    ("sentences", "seen"),
    [
        ([NO, NO], "no"),
        ([NO, YES], "yes"),
        ([UNKNOWN, NO], "unknown"),
        ([NO, UNKNOWN, YES], "yes"),
        ([NO, None], "unknown"),
    ],
)
def test_averaged_weights_saw_what_one_member_saw(sentences, seen):
    found = merge_contamination(sentences)
    assert found.startswith(SENTENCES[seen])
    assert all(name in found for own, name in ((NO, "random weights"), (YES, "rad-dino")) if own in sentences)
    assert describe_run({"synthetic": True, "contamination": found}).saw_chexpert == seen
    assert merge_contamination(reversed(sentences)).startswith(SENTENCES[seen])


def test_each_member_has_one_verdict():
    """Verdicts of what a member was made of stand in brackets, at any depth."""
    two = describe_contamination([History("rad-dino", "yes"), History("timm's a1", "no")])
    merged = merge_contamination([NO, two, f"{NO}; taught by an earlier run: unknown"])
    each = "random weights: no, (rad-dino: yes, timm's a1: no): yes, "
    each += "(random weights, taught by an earlier run: unknown): no"
    assert merged == f"{SENTENCES['yes']} before this run ({each})"
    again = merge_contamination([NO, merged])
    assert again == f"{SENTENCES['yes']} before this run (random weights: no, ({each}): yes)"
    taught = add_teachers(NO, [{"origin": describe_run({"contamination": two}).weights, "saw_chexpert": "yes"}])
    began = "an earlier run trained on CheXpert, which began with rad-dino: yes, timm's a1: no"
    assert taught.endswith(f"(random weights); taught by ({began}): yes")


def test_averaged_weights_keep_what_all_members_say():
    assert merge_contamination([YES, YES]) == YES
    assert merge_contamination([None, None]) is None


@pytest.mark.parametrize("own", [NO, UNKNOWN, YES])
@pytest.mark.parametrize("teacher", ["no", "unknown", "yes"])
def test_a_taught_network_saw_what_a_teacher_saw(own, teacher):
    """Also where it is a teacher, a start or a member itself."""
    of_own = describe_run({"synthetic": True, "contamination": own}).saw_chexpert
    worst = min(of_own, teacher, key=("yes", "unknown", "no").index)
    found = add_teachers(own, [{"origin": "an earlier run", "saw_chexpert": teacher}])
    assert found.startswith(SENTENCES[worst])
    assert found.endswith(f"; taught by an earlier run: {teacher}")
    assert describe_run({"origin": "NIH ChestX-ray14", "contamination": found}).saw_chexpert == worst
    assert merge_contamination([NO, found]).startswith(SENTENCES[worst])
    assert add_teachers(found, [{"origin": "another"}]) == found


@pytest.mark.parametrize("kind", ["torch", "json beside", "converted"])
@pytest.mark.parametrize(("metadata", "seen", "began"), RUNS[:5])
def test_a_file_of_an_earlier_run_has_its_history(tmp_path, kind, metadata, seen, began):
    network = Single(Backbone("test_resnet", mean=0.2, std=0.1), outputs=2)
    state = {f"model.{key}": value for key, value in network.state_dict().items()}
    file = tmp_path / "best.ckpt"
    metadata = {**metadata, "observations": ["Edema", "Cardiomegaly"]}
    torch.save({"state_dict": state, "chexpert": metadata}, file)
    if kind == "converted":
        convert(file, file := tmp_path / "one.safetensors")
    elif kind == "json beside":
        file = tmp_path / "best.safetensors"
        safetensors.torch.save_file(network.state_dict(), file)
        file.with_suffix(".json").write_text(json.dumps(metadata))
    found = Backbone("test_resnet", str(file))
    assert found.history.saw_chexpert == seen
    assert found.history.weights.endswith(began)
    assert (found.mean.item(), found.std.item()) == pytest.approx((0.2, 0.1))
