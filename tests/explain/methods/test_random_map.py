import numpy as np
import torch

from chexpert.explain import RandomMap
from chexpert.models import Backbone, Single


def make_map(seed: int, image: torch.Tensor, output: int = 0) -> np.ndarray:
    return RandomMap(seed)(MODEL, image[None], [[output]])[0][0].signed


MODEL = Single(Backbone("resnet10t"), outputs=2)
IMAGE = torch.zeros(1, 48, 48, dtype=torch.uint8)


def test_peak_is_uniform_over_the_image():
    corner, middle = np.zeros((48, 48), bool), np.zeros((48, 48), bool)
    corner[:16, :24], middle[12:30, 20:40] = True, True
    peaks = [make_map(seed, IMAGE).argmax() for seed in range(2000)]
    for mask in (corner, middle):
        assert abs(mask.ravel()[peaks].mean() - mask.mean()) <= 0.03


def test_map_is_smooth_with_mean_0():
    signed = make_map(0, IMAGE)
    assert signed.dtype == np.float32
    assert abs(signed.mean()) < 1e-5
    assert abs(np.diff(signed, axis=0)).max() < 1.5 < np.ptp(signed)


def test_seed_image_and_output_decide_the_map():
    other = IMAGE.clone()
    other[0, 3, 3] = 1
    assert (make_map(0, IMAGE) == make_map(0, IMAGE)).all()
    for different in (make_map(1, IMAGE), make_map(0, other), make_map(0, IMAGE, output=1)):
        assert abs(np.corrcoef(make_map(0, IMAGE).ravel(), different.ravel())[0, 1]) < 0.5


def test_random_map_does_not_run_the_model(monkeypatch):
    monkeypatch.setattr(MODEL, "forward", None)
    make_map(0, IMAGE)
    assert RandomMap().passes(3) == 0
