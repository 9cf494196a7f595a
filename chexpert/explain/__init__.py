"""Which regions led to a prediction."""

from chexpert.explain.attribution import Attribution, Explainer, explaining
from chexpert.explain.callback import ExplainCallback
from chexpert.explain.explained_views import ExplainedViews
from chexpert.explain.explainer_check import try_explainers
from chexpert.explain.explanation import Explanation
from chexpert.explain.failures import Failures
from chexpert.explain.masks import find_masks
from chexpert.explain.methods.cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from chexpert.explain.methods.integrated_gradients import IntegratedGradients
from chexpert.explain.methods.latent_shift import LatentShift
from chexpert.explain.methods.lime import Lime
from chexpert.explain.methods.occlusion import Occlusion
from chexpert.explain.methods.patch_logits import PatchLogits
from chexpert.explain.methods.random_map import RandomMap
from chexpert.explain.methods.rise import Rise
from chexpert.explain.methods.score_cam import ScoreCAM
from chexpert.explain.packages.captum import Captum
from chexpert.explain.packages.grad_cam import GradCamPackage
from chexpert.explain.packages.lime import LimePackage
from chexpert.explain.quality.evaluate import ExplainerEvaluation, Rows
from chexpert.explain.quality.scored_views import choose_scored
from chexpert.explain.quality.table import score_explainers
from chexpert.explain.session import explain_view, explain_views
from chexpert.explain.time_budget import TimeBudget, resolve_minutes
from chexpert.explain.view import View, make_view, open_view
from chexpert.explain.view_selection import choose_rows, find_views, hide_names

__all__ = [
    "Attribution",
    "Captum",
    "EigenCAM",
    "ExplainCallback",
    "ExplainedViews",
    "Explainer",
    "ExplainerEvaluation",
    "Explanation",
    "Failures",
    "GradCAM",
    "GradCAMPlusPlus",
    "GradCamPackage",
    "HiResCAM",
    "IntegratedGradients",
    "LatentShift",
    "LayerCAM",
    "Lime",
    "LimePackage",
    "Occlusion",
    "PatchLogits",
    "RandomMap",
    "Rise",
    "Rows",
    "ScoreCAM",
    "TimeBudget",
    "View",
    "choose_rows",
    "choose_scored",
    "explain_view",
    "explain_views",
    "explaining",
    "find_masks",
    "find_views",
    "hide_names",
    "make_view",
    "open_view",
    "resolve_minutes",
    "score_explainers",
    "try_explainers",
]
