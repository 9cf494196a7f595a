"""Compare explainers of finished runs by what is stored of their maps; neither a model nor torch is needed."""

from chexpert.evaluation.explainers.leaderboard import compare_explainers
from chexpert.evaluation.explainers.metrics import METRICS, SORTED_BY

__all__ = ["METRICS", "SORTED_BY", "compare_explainers"]
