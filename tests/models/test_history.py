"""What a backbone saw before a run."""

import json

import pytest
import safetensors.torch
import torch

from chexpert.models import Backbone, Single
from chexpert.models.convert import convert
from chexpert.models.history import History, describe_contamination, describe_history, describe_run
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
