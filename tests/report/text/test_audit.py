"""What an audit says on a terminal."""

import pytest

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


def test_the_layout_comes_first_and_the_verdict_last():
    lines = describe_audit(make_content()).splitlines()
    assert lines[0] == "CheXpert-v1.0-small in /data"
    assert lines[-1] == "passed: no error, no warning"


def test_published_sizes_stand_beside_the_found_ones():
    text = describe_audit(make_content(images=233, published={"images": 234, "studies": 200, "patients": 200}))
    assert "          valid  published\nimages      233        234\nstudies     200        200\n" in text
    assert "  2 of 3 published counts are met" in text


def test_without_published_sizes_there_is_no_column_for_them():
    assert "published" not in describe_audit(make_content())


def test_published_labels_stand_below_where_they_differ():
    published = {key: make_counts()[key] for key in ("images", "studies", "patients")}
    published["labels"] = {name: dict(counts) for name, counts in make_counts()["labels"].items()}
    published["labels"]["Edema"]["blank"] = 5
    lines = describe_audit(make_content(published=published)).splitlines()
    row = next(i for i, line in enumerate(lines) if line.startswith("  Edema"))
    assert lines[row].split() == ["Edema", "1", "2", "3", "4"]
    assert lines[row + 1].split() == ["published", "1", "2", "3", "5"]
    assert not lines[row + 2].startswith("    published")


def test_errors_stand_by_kind_errors_first_the_first_three_of_them_with_one_hint():
    errors = [make_error("size", "warning"), *(make_error(where=f"train/{i}") for i in range(5))]
    text = describe_audit(make_content(errors))
    expected = [
        "error: missing, 5",
        "  train/0: this image is missing",
        "  train/1: this image is missing",
        "  train/2: this image is missing",
        "  ... and 2 more (all of them: --json OUT)",
        "  hint: restore it",
        "",
        "warning: size, 1",
    ]
    assert "\n".join(expected) in text


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [
        (["error"], "failed: 1 error, no warning"),
        (["error", "error", "warning"], "failed: 2 errors, 1 warning"),
        (["warning"] * 1200, "passed: no error, 1,200 warnings"),
    ],
)
def test_the_verdict(severities, verdict):
    errors = [make_error(severity=severity) for severity in severities]
    assert describe_audit(make_content(errors)).splitlines()[-1] == verdict


def test_without_a_copy_only_the_error_is_reported():
    text = describe_audit({"layout": None, "defects": [make_error("layout")]})
    assert text.splitlines()[0] == "no copy of CheXpert was found"


def test_a_file_name_with_odd_bytes_can_be_printed():
    text = describe_audit(make_content([make_error(where="caf\udce9.jpg")]))
    assert "  caf\\udce9.jpg: this image is missing" in text.splitlines()


def test_the_labels_of_another_labeler_are_one_line():
    content = make_content()
    content["valid"]["labels_by_labeler"] = {"chexbert": make_counts()["labels"]}
    line = "  labels by chexbert  positive: 14, uncertain: 28, negative: 42, blank: 56"
    assert line in describe_audit(content).splitlines()


def test_a_split_without_ages_says_so():
    content = make_content()
    content["valid"]["age"] |= {"known": 0, "least": None}
    assert "age              not given" in describe_audit(content)
