"""Maps as small pictures: their place on the image, and their colors."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from chexpert.data import Preprocessing
from chexpert.explain.geometry import carry_whole
from chexpert.metrics import LocalMap, write_map
from chexpert.report.html.overlay import encode, plot_overlay, spread


def decode(address: str) -> np.ndarray:
    """(h, w, 4) uint8."""
    kind, _, content = address.partition(";base64,")
    assert kind == "data:image/png"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGBA"))


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(64, 80), (80, 64), (64, 64)])
def test_map_is_placed_as_by_the_explainer(fit, shape):
    matrix = Preprocessing(size=64, fit=fit).matrix(*shape)
    signed = np.random.default_rng(0).normal(size=(64, 64)).astype("float32")
    placed = spread(signed, matrix, shape[::-1])
    expected = carry_whole(signed, matrix, shape)
    if placed.shape != expected.shape:  # a map is as large as its image here, and as the model's input there
        expected = np.asarray(Image.fromarray(expected).resize(placed.shape[::-1], Image.Resampling.BILINEAR))
    assert placed.shape == shape
    inner = (slice(4, -4), slice(4, -4))
    assert np.corrcoef(placed[inner].ravel(), expected[inner].ravel())[0, 1] > 0.85


def test_cropped_margins_have_no_evidence():
    matrix = Preprocessing(size=64, fit="crop").matrix(64, 96)
    placed = spread(np.ones((64, 64), "float32"), matrix, (96, 64))
    assert (placed[:, :15] == 0).all()
    assert (placed[:, -15:] == 0).all()
    assert (placed[2:-2, 18:-18] == 1).all()


def test_red_is_for_blue_is_against_zero_is_transparent():
    red, clear, blue = decode(encode(np.array([[1.0, 0.0, -1.0]])))[0].astype(int)
    assert red[0] > red[2] + 100
    assert blue[2] > blue[0] + 100
    assert (clear[3], red[3], blue[3]) == (0, 217, 217)


def test_scale_has_the_full_color(tmp_path):
    signed = np.full((8, 8), 0.5, "float32")
    path = write_map(tmp_path / "a_map.npz", LocalMap(signed, 0.5, 8, 8, None, np.eye(3), (8, 8)), signed=signed)
    (full, size), (half, _) = plot_overlay(path, 0.5), plot_overlay(path, 1.0)
    assert size == (8, 8)
    assert (decode(full)[4, 4, 3], decode(half)[4, 4, 3]) == (217, 124)


def test_unreadable_map_is_none(tmp_path):
    (tmp_path / "bad_map.npz").write_bytes(b"PK\x03\x04")
    assert plot_overlay(tmp_path / "bad_map.npz", 1.0) is None
    assert plot_overlay(tmp_path / "none_map.npz", 1.0) is None
