import numpy as np

from chexpert.explain import Attribution


def test_map_is_the_positive_part_over_its_maximum():
    attribution = Attribution(np.array([[-2.0, 0.0, 1.0, 4.0]], dtype="float32"))
    assert attribution.map.tolist() == [[0.0, 0.0, 0.25, 1.0]]
    assert attribution.has_evidence


def test_map_without_positive_evidence_is_zero():
    attribution = Attribution(np.array([[-2.0, -1.0]], dtype="float32"))
    assert attribution.map.tolist() == [[0.0, 0.0]]
    assert not attribution.has_evidence
