"""The audit of one copy of CheXpert: what is there, and what is wrong with it."""

from collections.abc import Mapping
from pathlib import Path

from chexpert.data.audit import consistency
from chexpert.data.audit.changes import compare_manifest
from chexpert.data.audit.defect import as_defect
from chexpert.data.audit.external import check_external
from chexpert.data.audit.image_files import check_images
from chexpert.data.audit.missing_tables import find_lost_tables
from chexpert.data.audit.result import Audit
from chexpert.data.audit.tables import check_table, read_tables
from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.external import ExternalLayout
from chexpert.errors import UserError


def audit_copy(
    root: str | Path,
    *,
    variant: str = "auto",
    decode: bool = True,
    known: Mapping[str, str] | None = None,
    workers: int | None = None,
    within_train: bool = False,
) -> Audit:
    """Audit the CheXpert dataset that lies under a root.

    Args:
        root: folder of the dataset, as `chexpert.data.sources.detect_layout.find_layout` takes it.
        variant: ``small``, ``full``, ``plus`` or ``auto``, as there.
        decode: whether to check the images too: are they there, and can they be decoded.
        known: {relative path: SHA-256} of an earlier manifest to compare the files with.
        workers: number of processes; None for one for each processor.
        within_train: whether to look for nearly the same images of different patients within train too, not only
            between splits.

    Returns:
        The audit: layout, tables, counts, hashes and defects. Where more than one dataset lies under the root, that is
        its one defect.

    Raises:
        UserError: there is no dataset, or none of this variant; or a worker process was ended from outside, mostly for
            lack of memory.
    """
    audit = Audit()
    try:
        audit.layout = find_layout(root, variant, where="")
    except UserError as error:
        if error.code == "missing-dataset":
            raise
        audit.defects.append(as_defect("layout", error))
        return audit
    if isinstance(audit.layout, ExternalLayout):
        audit.defects += check_external(audit.layout, audit.external)
    else:
        audit.defects += find_lost_tables(audit.layout)
    audit.defects += read_tables(audit, audit.layout)
    for split, frame in audit.frames.items():
        audit.defects += check_table(audit, split, frame)
    audit.defects += consistency.find_shared_patients(audit.frames, audit.layout.restore)
    if decode:
        audit.defects += check_images(audit, audit.layout, known or (), workers, within_train=within_train)
    if known is not None:
        audit.defects += compare_manifest(known, audit.hashes)
    return audit
