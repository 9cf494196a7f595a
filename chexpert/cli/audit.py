"""Audit a copy of CheXpert: what is there, how it differs from what was published, and what is wrong with it.

Exit code 0: no error (warnings may be); 1: errors; 2: the command itself is wrong.
"""

import sys
from argparse import ArgumentError, ArgumentParser, Namespace
from pathlib import Path

from chexpert.cli.shared_arguments import check_paths

VARIANTS = ("auto", "small", "full", "plus", "chexpert_512", "nih", "mimic", "vindr", "rsna", "padchest")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    add = parser.add_argument
    add("root", type=Path, help="the folder that contains CheXpert-v1.0[-small], or that one itself")
    add("--no-images", action="store_true", help="look at the tables only")
    add("--within-train", action="store_true", help="look for near-duplicate images within train too")
    add("--variant", default="auto", choices=VARIANTS, help="where several copies lie there")
    add("--json", type=Path, metavar="OUT", help="write all counts and defects")
    add("--manifest", type=Path, metavar="OUT", help="write the SHA-256 of every file")
    add("--check", type=Path, metavar="MANIFEST", help="hold every file against its SHA-256")
    add("--figures", type=Path, metavar="DIR", help="plot the exploration as PNG files")
    add("--workers", type=int, metavar="N", help="processes; by default one for each processor")


def run(given: Namespace) -> int:
    """Audit, print the result, write the files that were asked for."""
    if given.no_images and (given.manifest or given.check):
        raise ArgumentError(None, "--manifest and --check read every file: leave out --no-images")
    if given.no_images and given.within_train:
        raise ArgumentError(None, "--within-train compares images: leave out --no-images")
    if given.workers is not None and given.workers < 1:
        raise ArgumentError(None, f"--workers {given.workers}: a whole number, at least 1")
    if not given.root.expanduser().is_dir():
        raise ArgumentError(None, f"{given.root} is not a folder")
    check_paths([given.json, given.manifest], [given.figures])

    from chexpert.data.audit import audit_copy
    from chexpert.data.sources.manifest import read_manifest, write_manifest
    from chexpert.report import describe_audit, plot_exploration
    from chexpert.runs.files import write_json

    known = read_manifest(given.check) if given.check else None
    audit = audit_copy(
        given.root, variant=given.variant, decode=not given.no_images, known=known, workers=given.workers,
        within_train=given.within_train,
    )  # fmt: skip
    content = audit.to_json()
    print(describe_audit(content), flush=True)  # first: whatever becomes of the files, it was worth the wait
    if given.json:
        write_json(given.json, content)
        _print_written(given.json, "all counts and defects")
    if given.manifest:
        write_manifest(given.manifest, audit.hashes)
        _print_written(given.manifest, f"SHA-256 of {len(audit.hashes):,} files; later: --check {given.manifest}")
    if given.figures:
        plots = plot_exploration(audit.frames, audit.images, given.figures)
        _print_written(given.figures, f"{len(plots)} PNG files")
    return 0 if audit.passed else 1


def _print_written(path: Path, description: str) -> None:
    print(f"written: {path}, {description}", file=sys.stderr)  # stdout ends with the result
