import pytest

from chexpert.explain import GradCAM, IntegratedGradients, Lime, Occlusion, Rise, ScoreCAM

LIME = [
    *({"samples": 0}, {"samples": 1}, {"seed": -1}, {"superpixels": 2.5}, {"fill": "white"}, {"segments": "squares"}),
    *({"of": "softmax"}, {"kernel_width": 0}, {"memory": -1}, {"batch_size": 0}),
    *({"converged": 1}, {"converged": "yes"}, {"precision": "fp16"}),
]


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        *((Lime, option) for option in LIME),
        *((Occlusion, option) for option in ({"patch": 1.5}, {"stride": 0}, {"fill": 3})),
        *((Rise, option) for option in ({"cells": 0}, {"samples": None})),
        *((IntegratedGradients, option) for option in ({"steps": "many"}, {"memory": 0})),
    ],
)
def test_wrong_argument_is_an_error_at_its_key(kind, option):
    (error,) = kind.validate_args(**option)
    key = next(iter(option))
    code = "choice" if key in (*kind.choices, "segments", "precision") else "value"
    assert (error.code, error.where) == (code, f"explainer.{kind.name}.{key}")


@pytest.mark.parametrize(
    ("kind", "option", "code", "where"),
    [
        (GradCAM, {"stride": 0}, "value", "explainer.gradcam.stride"),
        (ScoreCAM, {"channels": 0}, "value", "explainer.scorecam.channels"),
        (ScoreCAM, {"fill": "white"}, "choice", "explainer.scorecam.fill"),
    ],
)
def test_wrong_argument_of_a_cam_is_an_error(kind, option, code, where):
    (error,) = kind.validate_args(**option)
    assert (error.code, error.where) == (code, where)


def test_good_arguments_have_no_errors():
    assert Lime.validate_args(samples=10, fill="mean", batch_size=None) == []
