"""What a backbone saw before a run."""

import pytest

from chexpert.models.history import SENTENCES, History, describe_contamination, describe_history
from chexpert.weights import read_cards


@pytest.mark.parametrize(
    ("pretrained", "card", "tag", "expected"),
    [
        (False, None, "a1_in1k", "no"),
        (True, None, "a1_in1k", "no"),
        (True, None, "laion2b_ft_in12k_in1k", "no"),
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


def test_a_run_that_starts_from_another_has_its_sentence():
    assert describe_contamination([History("a file", "no")], {"contamination": "seen"}) == "seen"
    assert describe_contamination([History("a file", "no")], {}) == SENTENCES["unknown"]
