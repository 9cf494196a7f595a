import numpy as np
import pytest

from chexpert.data.phantom.tables.disease import FINDINGS, label_truth, sample_margins, share
from chexpert.data.phantom.tables.labeler import UNCERTAIN, label_report, label_visual
from chexpert.observations import OBSERVATIONS

ABSENT = dict.fromkeys(FINDINGS, -0.5)
COUNT = 4000

# Percent of 1, -1 and 0 in train.csv of CheXpert, 223,414 rows.
CHEXPERT = {
    "No Finding": (10.0, 0, 0),
    "Enlarged Cardiomediastinum": (4.8, 5.6, 9.7),
    "Cardiomegaly": (12.1, 3.6, 5.0),
    "Lung Opacity": (47.3, 2.5, 3.0),
    "Lung Lesion": (4.1, 0.7, 0.6),
    "Edema": (23.4, 5.8, 9.3),
    "Consolidation": (6.6, 12.4, 12.6),
    "Pneumonia": (2.7, 8.4, 1.3),
    "Atelectasis": (14.9, 15.1, 0.6),
    "Pneumothorax": (8.7, 1.4, 25.2),
    "Pleural Effusion": (38.6, 5.2, 15.8),
    "Pleural Other": (1.6, 1.2, 0.1),
    "Fracture": (4.1, 0.3, 1.1),
    "Support Devices": (51.9, 0.5, 2.8),
}


def sample_studies(enriched: bool, **options: float) -> list[dict[str, float]]:
    return [sample_margins(0, "train", patient, 1, enriched=enriched, **options) for patient in range(COUNT)]


@pytest.fixture(scope="module")
def plain() -> list[dict[str, float]]:
    return sample_studies(enriched=False)


@pytest.fixture(scope="module")
def reported(plain: list[dict[str, float]]) -> list[dict[str, str]]:
    rng = np.random.default_rng(0)
    return [label_report(margins, rng, enriched=False) for margins in plain]


def list_positives(labels: dict[str, str]) -> list[str]:
    return [name for name, label in labels.items() if label == "1.0"]


def test_parents_of_positive_findings_are_positive() -> None:
    assert list_positives(label_truth(ABSENT)) == ["No Finding"]
    wet = label_truth(ABSENT | {"Edema": 0.1, "Cardiomegaly": 0.2})
    assert list_positives(wet) == ["Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Edema"]
    assert list_positives(label_truth(ABSENT | {"Lung Lesion": 0.1})) == ["Lung Opacity", "Lung Lesion"]
    assert list_positives(label_truth(ABSENT | {"Fracture": 0.1})) == ["Fracture"]
    assert list_positives(label_truth(ABSENT | {"Support Devices": 1.0})) == ["No Finding", "Support Devices"]


def test_pneumonia_is_a_consolidation(plain: list[dict[str, float]]) -> None:
    pneumonias = [margins for margins in plain if margins["Pneumonia"] > 0]
    assert len(pneumonias) > 100
    assert all(margins["Consolidation"] > 0 for margins in pneumonias)


@pytest.mark.parametrize("enriched", [True, False])
def test_truth_frequencies_match_the_stated_shares(enriched: bool) -> None:
    margins = sample_studies(enriched)
    for name in set(FINDINGS) - {"Pneumonia"}:
        found = np.mean([one[name] > 0 for one in margins])
        assert found == pytest.approx(share(name, enriched), abs=0.03)  # 3.8 standard errors of 4,000


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_report_label_frequencies_match_chexpert(reported: list[dict[str, str]], name: str) -> None:
    found = [labels[name] for labels in reported]
    for label, percent in zip(("1.0", "-1.0", "0.0"), CHEXPERT[name], strict=True):
        assert 100 * found.count(label) / COUNT == pytest.approx(percent, abs=7 if name == "No Finding" else 6)
    if name in UNCERTAIN:  # the states that policies are about are closer
        assert 100 * found.count("1.0") / COUNT == pytest.approx(CHEXPERT[name][0], abs=2.5)
        assert 100 * found.count("-1.0") / COUNT == pytest.approx(CHEXPERT[name][1], abs=2)


def test_correlations_of_reported_positives_match_chexpert(reported: list[dict[str, str]]) -> None:
    found = {name: np.array([labels[name] == "1.0" for labels in reported], float) for name in OBSERVATIONS}
    pairs = {
        ("Cardiomegaly", "Edema"): 0.17,
        ("Edema", "Pleural Effusion"): 0.13,
        ("Support Devices", "Pleural Effusion"): 0.15,
        ("Support Devices", "Edema"): 0.12,
        ("Edema", "Pneumothorax"): -0.13,
    }
    for (one, other), phi in pairs.items():
        assert np.corrcoef(found[one], found[other])[0, 1] == pytest.approx(phi, abs=0.05)


def test_parents_are_blank_as_often_as_in_chexpert(reported: list[dict[str, str]]) -> None:
    hearts = [one["Enlarged Cardiomediastinum"] for one in reported if one["Cardiomegaly"] == "1.0"]
    assert hearts.count("") / len(hearts) == pytest.approx(0.91, abs=0.04)
    wet = [one["Lung Opacity"] for one in reported if one["Edema"] == "1.0"]
    assert wet.count("1.0") / len(wet) == pytest.approx(0.525, abs=0.08)


def test_no_finding_is_positive_exactly_without_a_pathology(reported: list[dict[str, str]]) -> None:
    for labels in reported:
        others = {label for name, label in labels.items() if name not in ("No Finding", "Support Devices")}
        assert labels["No Finding"] == ("" if others & {"1.0", "-1.0"} else "1.0")


def test_reports_miss_two_to_three_percent_of_clear_findings() -> None:
    rng = np.random.default_rng(0)
    found = [label_report(dict.fromkeys(FINDINGS, 0.95), rng)["Edema"] for _ in range(2000)]
    assert 1 - found.count("1.0") / 2000 == pytest.approx(0.025, abs=0.011)  # 3 standard errors


def test_only_borderline_findings_are_uncertain() -> None:
    rng = np.random.default_rng(0)
    clear = [label_report(dict.fromkeys(FINDINGS, margin), rng)["Edema"] for margin in (0.9, -2.0) for _ in range(200)]
    near = [label_report(ABSENT | {"Edema": 0.02}, rng)["Edema"] for _ in range(200)]
    assert "-1.0" not in clear
    assert near.count("-1.0") / 200 == pytest.approx(0.6, abs=0.1)


def test_visual_labels_are_0_or_1_and_near_the_truth(plain: list[dict[str, float]]) -> None:
    rng = np.random.default_rng(0)
    pairs = [(label_truth(margins), label_visual(margins, rng)) for margins in plain[:1000]]
    assert {label for _, seen in pairs for label in seen.values()} == {"0.0", "1.0"}
    agree = np.mean([truth["Edema"] == seen["Edema"] for truth, seen in pairs])
    assert agree == pytest.approx(0.95, abs=0.025)


@pytest.mark.parametrize("tie", [0.85, 0.5, 0.15])
def test_shortcut_ties_devices_to_cardiomegaly(tie: float) -> None:
    margins = sample_studies(enriched=True, shortcut=tie)
    large = [one["Support Devices"] > 0 for one in margins if one["Cardiomegaly"] > 0]
    normal = [one["Support Devices"] > 0 for one in margins if one["Cardiomegaly"] <= 0]
    assert np.mean(large) == pytest.approx(tie, abs=0.05)
    assert np.mean(normal) == pytest.approx(1 - tie, abs=0.04)


def test_shortcut_changes_devices_only() -> None:
    one, two = sample_margins(0, "valid", 1, 1, shortcut=0.9), sample_margins(0, "valid", 1, 1)
    assert {name for name in FINDINGS if one[name] != two[name]} == {"Support Devices"}


def test_studies_of_a_patient_are_correlated() -> None:
    first = [sample_margins(0, "train", patient, 1)["Edema"] for patient in range(1000)]
    second = [sample_margins(0, "train", patient, 2)["Edema"] for patient in range(1000)]
    # Half of the variance of the latent normals stays; of ranks that is a correlation of 6/pi asin(.5/2) = .48.
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.48, abs=0.08)
