"""What a run or an audit found, told from plain files and tables: no model is needed."""

from chexpert.report.audit import describe_audit
from chexpert.report.comparison import describe_comparison
from chexpert.report.comparison_files import write_comparison
from chexpert.report.evaluation import describe_evaluation
from chexpert.report.exploration import draw_exploration
from chexpert.report.localization import describe_localization
from chexpert.report.quality import quality_table
from chexpert.report.reproduction import describe_reproduction
from chexpert.report.run_page import write_report
from chexpert.report.shortcut import count_tested, describe_shortcuts
from chexpert.report.tables import describe

__all__ = [
    "count_tested",
    "describe",
    "describe_audit",
    "describe_comparison",
    "describe_evaluation",
    "describe_localization",
    "describe_reproduction",
    "describe_shortcuts",
    "draw_exploration",
    "quality_table",
    "write_comparison",
    "write_report",
]
