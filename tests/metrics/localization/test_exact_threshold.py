"""The exact search for a threshold, compared with trying every value of every map."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from chexpert.metrics import LocalMap, Segmentations, find_maps, iou, write_map
from chexpert.metrics.localization import exact_threshold
from chexpert.metrics.localization.chexlocalize import localize_maps
from chexpert.metrics.localization.exact_threshold import search_threshold, search_thresholds
from chexpert.metrics.localization.overlap import stretch
from chexpert.metrics.localization.run_lengths import encode
from chexpert.observations import LOCALIZED


def make_images(seed, levels=None):
    """Maps that have to do with their masks; of so many values where that is given."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(rng.integers(1, 5)):
        shape = rng.integers(4, 13, 2)
        field = gaussian_filter(rng.normal(size=shape), 2)
        mask = field > np.quantile(field, rng.uniform(0.3, 0.95))
        map = stretch(field + rng.normal(size=shape) * rng.uniform(0, 0.2))
        images.append((stretch(np.floor(map * levels)) if levels else map, mask))
    return images


def mean_iou(images, threshold):
    return np.mean([iou(map > threshold, mask, true_positives_only=True) for map, mask in images])


@pytest.mark.parametrize("bins", [2, 64, 1 << 16])
@pytest.mark.parametrize("levels", [None, 3, 20])
def test_no_other_threshold_is_better_or_lower(bins, levels, monkeypatch):
    monkeypatch.setattr(exact_threshold, "BINS", bins)
    for seed in range(5):
        images = make_images(seed, levels)
        values = np.unique(np.concatenate([map.ravel() for map, _ in images]))[:-1]
        means = np.array([mean_iou(images, value) for value in values])
        assert search_threshold(lambda images=images: images) == values[means >= means.max() - 1e-12][0]


def test_without_an_image_there_is_no_threshold():
    assert search_threshold(lambda: []) is None


def test_exact_threshold_of_maps_is_at_least_as_good_as_tuned_ones(tmp_path):
    truth = {}
    for number, (map, mask) in enumerate(make_images(3)):
        truth[f"v{number}"] = {"Edema": encode(mask), "Pneumothorax": encode(mask & ~mask)}
        for name in truth[f"v{number}"]:
            write_map(tmp_path / f"v{number}_{name}_map.npz", LocalMap(map, 0.5, *mask.shape[::-1]))
    listed, files = Segmentations(truth, "gt.json"), find_maps(tmp_path, LOCALIZED)[0]
    assert list(search_thresholds(listed, files)) == ["Edema"]  # no mask of the other has a pixel
    tables = [localize_maps(listed, files, "tuned", candidates=each, replicates=20) for each in ("exact", (0.2, 0.3))]
    assert tables[0]["Edema"]["miou"] >= tables[1]["Edema"]["miou"]
    assert tables[0]["Pneumothorax"]["tuned_images"] == 0
