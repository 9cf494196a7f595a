"""The charts of a training, in order."""

from chexpert.engine.tensorboard_layout import make_layout


def test_mean_is_the_first_chart_before_each_observation():
    layout = make_layout(["Edema", "Lung Opacity"])
    assert list(layout) == ["AUROC", "loss"]
    assert layout["AUROC"] == {
        "mean": ["Multiline", ["^val/auroc_mean$"]],
        "Edema": ["Multiline", ["^val/auroc/Edema$"]],
        "Lung Opacity": ["Multiline", [r"^val/auroc/Lung\ Opacity$"]],
    }
