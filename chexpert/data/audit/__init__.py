"""The audit: what a copy of CheXpert holds, against what was published, and what is wrong with it."""

from chexpert.data.audit.audit import Audit, audit_copy
from chexpert.data.audit.counting import count_labels, count_split
from chexpert.data.audit.defect import Defect
from chexpert.data.audit.manifest import compare_manifest, read_manifest, write_manifest

__all__ = [
    "Audit",
    "Defect",
    "audit_copy",
    "compare_manifest",
    "count_labels",
    "count_split",
    "read_manifest",
    "write_manifest",
]
