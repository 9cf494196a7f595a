"""The charts of a training, in their order."""

from chexpert.training.tensorboard_layout import make_layout


def test_the_mean_comes_first_and_each_observation_has_a_chart():
    layout = make_layout(["Edema", "Lung Opacity"])
    assert list(layout) == ["AUROC", "loss"]
    assert layout["AUROC"] == {
        "mean": ["Multiline", ["^val/auroc_mean$"]],
        "Edema": ["Multiline", ["^val/auroc/Edema$"]],
        "Lung Opacity": ["Multiline", [r"^val/auroc/Lung\ Opacity$"]],
    }
