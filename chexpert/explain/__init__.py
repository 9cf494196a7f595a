"""Which regions led to a prediction."""

from chexpert.explain.attribution import Attribution, Explainer
from chexpert.explain.callback import ExplainCallback
from chexpert.explain.gradcam import GradCAM
from chexpert.explain.lime import Lime

__all__ = ["Attribution", "ExplainCallback", "Explainer", "GradCAM", "Lime"]
