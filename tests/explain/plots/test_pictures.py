import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from chexpert.explain.plots import find_scale, plot_explainer_sheet, plot_picture, plot_view_sheet
from chexpert.explain.plots.page import wrap

RAMP = np.linspace(-1, 2, 256, dtype="float32").reshape(16, 16)


def read(figure) -> str:
    """All text on a figure, line breaks as blanks."""
    texts = [text.get_text() for text in figure.texts]
    texts += [text.get_text() for axis in figure.axes for text in axis.texts]
    texts += [text.get_text() for axis in figure.axes for text in axis.get_xticklabels()]
    return " ".join(texts)


def shades(figure) -> np.ndarray:
    FigureCanvasAgg(figure).draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)


def test_a_picture_names_observation_probability_truth_explainer_layer_view_scale_and_unit(make_view, make_explanation):
    explanation = make_explanation(RAMP, view=make_view(truth={"Edema": 1}), layer={"backbone": "resnet18.layer4"})
    text = read(plot_picture(explanation, find_scale([explanation])))
    assert "Edema, p = 0.25, truly present" in text
    assert "patient1_study1_view1_frontal" in text
    assert "gradcam: resnet18.layer4" in text
    assert "activation x gradient of the logit" in text
    assert "-2 0 +2" in text
    assert "outlines" not in text


@pytest.mark.parametrize(("signed", "said"), [(RAMP, False), (-1.0, True), (0.0, True)])
def test_a_map_without_positive_evidence_says_so(make_explanation, signed, said):
    explanation = make_explanation(signed)
    assert ("no positive evidence" in read(plot_picture(explanation, find_scale([explanation])))) is said


def test_a_faint_map_beside_a_strong_one_says_no_positive_evidence_instead_of_being_stretched(make_explanation):
    sheet = plot_explainer_sheet([[make_explanation(1.0), make_explanation(0.01, "Fracture")]])
    assert read(sheet).count("no positive evidence") == 1


def test_red_lies_where_the_map_speaks_for_and_blue_where_it_speaks_against(make_view, make_explanation):
    halves = np.concatenate([np.full((16, 8), -1), np.ones((16, 8))], axis=1).astype("float32")
    view = make_view()
    view.original[:] = 128
    rgb = shades(plot_picture(make_explanation(halves, view=view), find_scale([make_explanation(halves)])))
    red, blue = rgb[..., 0] - rgb[..., 2] > 100, rgb[..., 2] - rgb[..., 0] > 80
    assert np.argwhere(red)[:, 1].mean() > np.argwhere(blue)[:, 1].mean() + 100
    assert min(red.sum(), blue.sum()) > 10_000


def test_the_finding_is_outlined_where_its_mask_is_known_and_the_legend_says_so(make_view, make_explanation):
    mask = np.zeros((40, 32), dtype=bool)
    mask[10:20, 10:20] = True
    explanation = make_explanation(RAMP, view=make_view(masks={"Edema": mask}))
    figure = plot_picture(explanation, find_scale([explanation]))
    assert "yellow outlines the finding" in read(figure)
    assert [len(axis.lines) for axis in figure.axes] == [1, 1, 0]  # image, overlay, bar


def test_members_have_one_scale_and_show_their_disagreement(make_explanation):
    members = {"strong": np.full((16, 16), 4.0), "weak_with_a_long_name": np.full((16, 16), 0.4), "silent": -RAMP / 100}
    explanation = make_explanation(RAMP, members=members)
    figure = plot_picture(explanation, find_scale([explanation]))
    text = read(figure)
    assert "member strong" in text
    assert text.count("-4 0 +4") == 3
    assert "disagreement of the members" in text
    assert text.count("no positive evidence") == 1
    overlays = [axis.images[1].get_array() for axis in figure.axes if len(axis.images) == 2]
    assert [round(float(overlay.max()), 2) for overlay in overlays[1:3]] == [1.0, 0.1]


def test_a_sheet_of_a_view_has_a_row_an_observation_and_a_column_an_explainer(make_explanation):
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


def test_a_sheet_of_an_explainer_has_a_row_a_view_of_any_shape_and_number_of_observations(make_view, make_explanation):
    wide = make_view((32, 64), path="valid/patient2/study1/view1_frontal.jpg")
    figure = plot_explainer_sheet([[make_explanation(RAMP)], [make_explanation(RAMP, view=wide) for _ in range(2)]])
    assert len(figure.axes) == 3 + 4
    boxes = [axis.get_window_extent() for axis in figure.axes]
    assert [round(box.width / box.height, 2) for box in (boxes[0], boxes[3])] == [0.8, 2.0]


def test_panels_texts_and_bars_neither_overlap_nor_leave_the_figure(make_view, make_explanation):
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


def test_lines_break_at_blanks_and_inside_a_name_only_where_it_is_too_long():
    assert wrap("Pleural Effusion\np = 0.31", 1.0) == ["Pleural", "Effusion", "p = 0.31"]
    assert wrap("x" * 30, 1.0) == ["x" * 14, "x" * 14, "xx"]
