"""Files for the report: the image and the outline of the finding."""

import numpy as np
import torch
from PIL import Image

from chexpert.explain.export import export_image, trace_outline
from chexpert.explain.plots.canvas import Canvas
from chexpert.explain.view import View
from chexpert.runs import files as run_files


def make_canvas(height: int, width: int) -> Canvas:
    original = np.tile(np.linspace(0, 255, width).astype("uint8"), (height, 1))
    return Canvas.of(View("ward/image.png", torch.zeros(1, 8, 8, dtype=torch.uint8), original, np.eye(3)))


def test_exported_image_is_gray_small_and_without_metadata(tmp_path):
    export_image(tmp_path, make_canvas(1024, 768))
    path = run_files.image(tmp_path, "ward/image.png")
    assert path.relative_to(tmp_path).as_posix() == "images/ward_image.jpg"
    with Image.open(path) as image:
        assert (image.mode, image.size) == ("L", (384, 512))
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert abs(np.asarray(image)[10].astype(int) - np.linspace(0, 255, 384)).max() <= 4


def test_outline_is_a_closed_line_relative_to_the_image():
    mask = np.zeros((100, 200), bool)
    mask[20:40, 50:150] = True
    (line,) = trace_outline(make_canvas(100, 200), mask)
    assert line[0] == line[-1]
    across, down = np.array(line).T
    assert np.allclose((across.min(), across.max(), down.min(), down.max()), (0.25, 0.75, 0.2, 0.4), atol=0.006)
    assert len(line) <= 9


def test_no_mask_has_no_outline():
    assert trace_outline(make_canvas(10, 10), None) == []
