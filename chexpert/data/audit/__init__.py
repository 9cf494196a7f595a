"""The audit: what a copy of CheXpert holds, against what was published, and what is wrong with it."""

from chexpert.data.audit.audit import audit_copy
from chexpert.data.audit.changes import compare_manifest
from chexpert.data.audit.counting import count_labels, count_split
from chexpert.data.audit.defect import Defect
from chexpert.data.audit.result import Audit

__all__ = [
    "Audit",
    "Defect",
    "audit_copy",
    "compare_manifest",
    "count_labels",
    "count_split",
]
