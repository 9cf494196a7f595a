"""Which regions led to a prediction."""

from chexpert.explain.attribution import Attribution, Explainer
from chexpert.explain.callback import ExplainCallback
from chexpert.explain.gradcam import GradCAM
from chexpert.explain.integrated_gradients import IntegratedGradients
from chexpert.explain.lime import Lime
from chexpert.explain.occlusion import Occlusion
from chexpert.explain.random_map import RandomMap
from chexpert.explain.rise import Rise

__all__ = [
    "Attribution",
    "ExplainCallback",
    "Explainer",
    "GradCAM",
    "IntegratedGradients",
    "Lime",
    "Occlusion",
    "RandomMap",
    "Rise",
]
