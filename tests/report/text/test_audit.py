"""The text of an audit."""

import re
from pathlib import Path

import pytest
from helpers.golden import check_golden

from chexpert.observations import OBSERVATIONS
from chexpert.report.text.audit import describe_audit


def make_counts(images=234, published=None):
    return {
        "images": images,
        "studies": 200,
        "patients": 200,
        "views": {"frontal_ap": 169, "frontal_pa": 33, "lateral": 32},
        "views_per_study": {"1": 166, "2": 34},
        "sex": {"Female": 106, "Male": 128},
        "age": {"known": images, "zero": 0, "least": 18, "median": 61, "greatest": 90, "at_90": 4},
        "fingerprint": "0123456789abcdef" * 4,
        "labels": {name: {"positive": 1, "uncertain": 2, "negative": 3, "blank": 4} for name in OBSERVATIONS},
        "published": published,
    }


def make_error(kind="missing", severity="error", where="train/a"):
    return {
        "kind": kind,
        "where": where,
        "message": "this image is missing",
        "hint": "restore it",
        "severity": severity,
    }


def make_content(errors=(), **counts):
    layout = {"name": "CheXpert-v1.0-small", "folder": "/data"}
    return {"layout": layout, "valid": make_counts(**counts), "defects": list(errors)}


def test_text_has_counts_beside_published_ones_and_first_errors():
    published = {key: make_counts()[key] for key in ("images", "studies", "patients")}
    published["labels"] = {name: dict(counts) for name, counts in make_counts()["labels"].items()}
    published["labels"]["Edema"]["blank"] = 5
    errors = [make_error("size", "warning"), *(make_error(where=f"train/{i}") for i in range(5))]
    content = make_content(errors, images=233, published=published)
    content["valid"]["labels_by_labeler"] = {"chexbert": make_counts()["labels"]}
    check_golden(describe_audit(content), Path(__file__).parent / "golden/audit.txt")


def test_without_published_counts_there_is_no_column_for_them():
    assert "published" not in describe_audit(make_content())


@pytest.mark.parametrize(
    ("severities", "verdict", "counts"),
    [
        ([], "passed", []),
        (["error"], "failed", ["1"]),
        (["error", "error", "warning"], "failed", ["2", "1"]),
        (["warning"] * 1200, "passed", ["1,200"]),
    ],
)
def test_last_line_has_verdict_and_counts(severities, verdict, counts):
    errors = [make_error(severity=severity) for severity in severities]
    word, _, rest = describe_audit(make_content(errors)).splitlines()[-1].partition(": ")
    assert (word, re.findall(r"[\d,]*\d", rest)) == (verdict, counts)


def test_without_a_dataset_folder_only_the_error_is_listed():
    lines = describe_audit({"layout": None, "defects": [make_error("layout")]}).splitlines()
    assert "error: layout, 1" in lines
    assert lines[-1].startswith("failed: 1 ")
    assert not [line for line in lines if "views" in line]


def test_undecodable_file_name_is_escaped():
    text = describe_audit(make_content([make_error(where="caf\udce9.jpg")]))
    assert "  caf\\udce9.jpg: this image is missing" in text.splitlines()


def test_split_without_ages_has_no_numbers_of_ages():
    content = make_content()
    content["valid"]["age"] |= {"known": 0, "least": None}
    (line,) = (line for line in describe_audit(content).splitlines() if line.startswith("  age"))
    assert not re.search(r"\d", line)
