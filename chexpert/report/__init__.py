"""What a run found, told from plain files: no model is needed."""

from chexpert.report.tables import auroc_table, describe

__all__ = ["auroc_table", "describe"]
