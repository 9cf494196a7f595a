"""Which regions led to a prediction."""

from chexpert.explain.attribution import Attribution, Explainer, explaining
from chexpert.explain.callback import ExplainCallback
from chexpert.explain.choice import choose_rows, find_views
from chexpert.explain.eigencam import EigenCAM
from chexpert.explain.failing import Failures
from chexpert.explain.gradcam import GradCAM
from chexpert.explain.gradcam_plus_plus import GradCAMPlusPlus
from chexpert.explain.hirescam import HiResCAM
from chexpert.explain.integrated_gradients import IntegratedGradients
from chexpert.explain.judging import Judging, Rows
from chexpert.explain.layercam import LayerCAM
from chexpert.explain.lime import Lime
from chexpert.explain.masks import find_masks
from chexpert.explain.occlusion import Occlusion
from chexpert.explain.quality import score_explainers
from chexpert.explain.random_map import RandomMap
from chexpert.explain.rise import Rise
from chexpert.explain.scorecam import ScoreCAM
from chexpert.explain.scored import choose_scored
from chexpert.explain.session import explain_views
from chexpert.explain.trying import try_explainers
from chexpert.explain.view import View, open_view

__all__ = [
    "Attribution",
    "EigenCAM",
    "ExplainCallback",
    "Explainer",
    "Failures",
    "GradCAM",
    "GradCAMPlusPlus",
    "HiResCAM",
    "IntegratedGradients",
    "Judging",
    "LayerCAM",
    "Lime",
    "Occlusion",
    "RandomMap",
    "Rise",
    "Rows",
    "ScoreCAM",
    "View",
    "choose_rows",
    "choose_scored",
    "explain_views",
    "explaining",
    "find_masks",
    "find_views",
    "open_view",
    "score_explainers",
    "try_explainers",
]
