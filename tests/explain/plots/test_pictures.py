from pathlib import Path

import numpy as np
import pytest
from helpers.golden import check_golden
from matplotlib.backends.backend_agg import FigureCanvasAgg

from chexpert.explain.plots import find_scale, plot_explainer_sheet, plot_picture, plot_view_sheet
from chexpert.explain.plots.overlay import SILENT
from chexpert.explain.plots.page import wrap

RAMP = np.linspace(-1, 2, 256, dtype="float32").reshape(16, 16)


def read(figure) -> str:
    """Return all texts on a figure, one a line."""
    texts = [text.get_text() for text in figure.texts]
    texts += [text.get_text() for axis in figure.axes for text in axis.texts]
    texts += [text.get_text() for axis in figure.axes if axis.axison for text in axis.get_xticklabels()]
    return "\n".join(texts) + "\n"


def shades(figure) -> np.ndarray:
    FigureCanvasAgg(figure).draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)


def test_texts_of_a_picture(make_view, make_explanation):
    explanation = make_explanation(RAMP, view=make_view(truth={"Edema": 1}), layer={"backbone": "resnet18.layer4"})
    text = read(plot_picture(explanation, find_scale([explanation])))
    check_golden(text, Path(__file__).parents[1] / "golden" / "picture.txt")


@pytest.mark.parametrize(("signed", "silent"), [(RAMP, False), (-1.0, True), (0.0, True)])
def test_map_without_positive_evidence_is_labeled(make_explanation, signed, silent):
    explanation = make_explanation(signed)
    assert (SILENT in read(plot_picture(explanation, find_scale([explanation])))) is silent


def test_faint_map_beside_a_strong_one_is_not_stretched(make_explanation):
    sheet = plot_explainer_sheet([[make_explanation(1.0), make_explanation(0.01, "Fracture")]])
    assert read(sheet).count(SILENT) == 1


def test_red_is_where_the_map_is_positive_and_blue_where_negative(make_view, make_explanation):
    halves = np.concatenate([np.full((16, 8), -1), np.ones((16, 8))], axis=1).astype("float32")
    view = make_view()
    view.original[:] = 128
    rgb = shades(plot_picture(make_explanation(halves, view=view), find_scale([make_explanation(halves)])))
    red, blue = rgb[..., 0] - rgb[..., 2] > 100, rgb[..., 2] - rgb[..., 0] > 80
    assert np.argwhere(red)[:, 1].mean() > np.argwhere(blue)[:, 1].mean() + 100
    assert min(red.sum(), blue.sum()) > 10_000


def test_finding_is_outlined_where_its_mask_is_known(make_view, make_explanation):
    mask = np.zeros((40, 32), dtype=bool)
    mask[10:20, 10:20] = True
    explanation = make_explanation(RAMP, view=make_view(masks={"Edema": mask}))
    figure = plot_picture(explanation, find_scale([explanation]))
    assert " outlines " in read(figure)
    assert [len(axis.lines) for axis in figure.axes] == [1, 1, 0]  # image, overlay, bar


def test_members_share_one_scale_beside_their_disagreement(make_explanation):
    members = {"strong": np.full((16, 16), 4.0), "weak_with_a_long_name": np.full((16, 16), 0.4), "silent": -RAMP / 100}
    explanation = make_explanation(RAMP, members=members)
    figure = plot_picture(explanation, find_scale([explanation]))
    text = read(figure)
    assert all(name in text for name in members)
    assert "disagreement" in text
    assert text.count("-4\n0\n+4") == 3
    assert text.count(SILENT) == 1
    overlays = [axis.images[1].get_array() for axis in figure.axes if len(axis.images) == 2]
    assert [round(float(overlay.max()), 2) for overlay in overlays[1:3]] == [1.0, 0.1]


def test_view_sheet_has_rows_of_observations(make_explanation):
    methods = {
        name: [
            make_explanation(RAMP, observation, explainer=name) for observation in ("Edema", "Fracture", "Pneumonia")
        ]
        for name in ("gradcam", "lime")
    }
    figure = plot_view_sheet(methods)
    assert len(figure.axes) == 3 * 3 + 2  # image and two explainers a row, one bar a column
    text = read(figure)
    assert [text.count(name) for name in ("Fracture", "gradcam", "lime")] == [1, 3, 3]


def test_explainer_sheet_has_rows_of_views_of_any_shape(make_view, make_explanation):
    wide = make_view((32, 64), path="valid/patient2/study1/view1_frontal.jpg")
    figure = plot_explainer_sheet([[make_explanation(RAMP)], [make_explanation(RAMP, view=wide) for _ in range(2)]])
    assert len(figure.axes) == 3 + 4
    boxes = [axis.get_window_extent() for axis in figure.axes]
    assert [round(box.width / box.height, 2) for box in (boxes[0], boxes[3])] == [0.8, 2.0]


def test_panels_and_texts_neither_overlap_nor_leave_the_figure(make_view, make_explanation):
    view = make_view((24, 64), path="a/very/long_folder_name_without_an_end_of_it_or_any_blank_to_break_at/view.jpg")
    members = {f"member_{k}": RAMP for k in range(6)}
    explanation = make_explanation(
        RAMP, "Enlarged Cardiomediastinum", view, layer=dict.fromkeys(members, "x" * 40), members=members
    )
    figure = plot_picture(explanation, find_scale([explanation]))
    shades(figure)
    whole = figure.bbox
    boxes = [axis.get_window_extent() for axis in figure.axes] + [text.get_window_extent() for text in figure.texts]
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= whole.x1
        assert box.y1 <= whole.y1
    overlapping = [
        (a, b) for k, a in enumerate(boxes) for b in boxes[:k] if a.shrunk(0.9, 0.9).overlaps(b.shrunk(0.9, 0.9))
    ]
    assert overlapping == []


def test_lines_break_at_blanks_and_only_inside_too_long_names():
    assert wrap("Pleural Effusion\np = 0.31", 1.0) == ["Pleural", "Effusion", "p = 0.31"]
    assert wrap("x" * 30, 1.0) == ["x" * 14, "x" * 14, "xx"]
