"""Report the results of runs and audits from plain files and tables; no model is needed."""

from chexpert.report.figures.exploration import plot_exploration
from chexpert.report.html.comparison import write_comparison
from chexpert.report.html.explainers import write_explainers
from chexpert.report.html.run_page import write_report
from chexpert.report.html.summary import summarize_run
from chexpert.report.text.audit import describe_audit
from chexpert.report.text.comparison import describe_comparison
from chexpert.report.text.counterfactual import describe_counterfactuals
from chexpert.report.text.drift import describe_drift
from chexpert.report.text.evaluation import describe_evaluation
from chexpert.report.text.explainers import describe_explainers
from chexpert.report.text.explanation_quality import quality_table
from chexpert.report.text.localization import describe_localization
from chexpert.report.text.reproduction import describe_reproduction
from chexpert.report.text.run import describe
from chexpert.report.text.shortcuts import count_tested, describe_shortcuts

__all__ = [
    "count_tested",
    "describe",
    "describe_audit",
    "describe_comparison",
    "describe_counterfactuals",
    "describe_drift",
    "describe_evaluation",
    "describe_explainers",
    "describe_localization",
    "describe_reproduction",
    "describe_shortcuts",
    "plot_exploration",
    "quality_table",
    "summarize_run",
    "write_comparison",
    "write_explainers",
    "write_report",
]
