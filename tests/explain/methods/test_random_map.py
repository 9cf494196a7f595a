import numpy as np
import torch

from chexpert.explain import RandomMap
from chexpert.models import Backbone, Single


def draw(seed: int, image: torch.Tensor, output: int = 0) -> np.ndarray:
    return RandomMap(seed)(MODEL, image[None], [[output]])[0][0].signed


MODEL = Single(Backbone("resnet10t"), outputs=2)
IMAGE = torch.zeros(1, 48, 48, dtype=torch.uint8)


def test_its_peak_falls_in_a_mask_as_often_as_the_mask_is_large_also_at_the_border():
    corner, middle = np.zeros((48, 48), bool), np.zeros((48, 48), bool)
    corner[:16, :24], middle[12:30, 20:40] = True, True
    peaks = [draw(seed, IMAGE).argmax() for seed in range(2000)]
    for mask in (corner, middle):
        assert abs(mask.ravel()[peaks].mean() - mask.mean()) <= 0.03


def test_it_is_smooth_and_of_both_signs_with_mean_0():
    signed = draw(0, IMAGE)
    assert signed.dtype == np.float32
    assert abs(signed.mean()) < 1e-5
    assert abs(np.diff(signed, axis=0)).max() < 1.5 < np.ptp(signed)


def test_seed_film_and_output_decide():
    other = IMAGE.clone()
    other[0, 3, 3] = 1
    assert (draw(0, IMAGE) == draw(0, IMAGE)).all()
    for different in (draw(1, IMAGE), draw(0, other), draw(0, IMAGE, output=1)):
        assert abs(np.corrcoef(draw(0, IMAGE).ravel(), different.ravel())[0, 1]) < 0.5


def test_it_asks_nothing_of_the_model(monkeypatch):
    monkeypatch.setattr(MODEL, "forward", None)
    draw(0, IMAGE)
    assert RandomMap().passes(3) == 0
