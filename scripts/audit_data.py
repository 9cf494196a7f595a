"""Audit a copy of CheXpert: what is there, how it differs from what was published, and what is wrong with it.

Exit code 0: no error (warnings may be); 1: errors; 2: the command itself is wrong.
"""

import argparse
import sys
from pathlib import Path

from chexpert.console import open_streams

VARIANTS = ("auto", "small", "full", "plus")  # of detect_layout, whose import makes --help slow


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="the folder above CheXpert-v1.0[-small], or that one itself")
    parser.add_argument("--no-images", action="store_true", help="look at the tables only")
    parser.add_argument("--variant", default="auto", choices=VARIANTS, help="where several copies lie there")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all counts and defects")
    parser.add_argument("--manifest", type=Path, metavar="OUT", help="write the SHA-256 of every file")
    parser.add_argument("--check", type=Path, metavar="MANIFEST", help="hold every file against its SHA-256")
    parser.add_argument("--figures", type=Path, metavar="DIR", help="plot the exploration as PNG files")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; by default one for each processor")
    given = parser.parse_args()
    if given.no_images and (given.manifest or given.check):
        parser.error("--manifest and --check read every file: leave out --no-images")
    if given.workers is not None and given.workers < 1:
        parser.error(f"--workers {given.workers}: a whole number, at least 1")
    if not given.root.expanduser().is_dir():
        parser.error(f"{given.root} is not a folder")

    from chexpert.data.audit import audit_copy
    from chexpert.data.sources.manifest import read_manifest, write_manifest
    from chexpert.errors import UserError, get_exit_code
    from chexpert.report import describe_audit, plot_exploration
    from chexpert.runs import files as run_files  # after the parsing, so that --help is quick

    def report(path: Path, description: str) -> None:  # not to stdout, where the verdict stands last
        print(f"written: {path}, {description}", file=sys.stderr)

    for wrong in run_files.find_clashes([given.json, given.manifest], [given.figures]):
        parser.error(wrong)
    try:
        known = read_manifest(given.check) if given.check else None
        options = {"decode": not given.no_images, "known": known, "workers": given.workers}
        audit = audit_copy(given.root, variant=given.variant, **options)
    except UserError as error:
        parser.exit(get_exit_code(error), f"error: {error}\n")
    content = audit.to_json()
    print(describe_audit(content), flush=True)  # first: whatever becomes of the files, it was worth the wait
    try:
        if given.json:
            run_files.write_json(given.json, content)
            report(given.json, "all counts and defects")
        if given.manifest:
            write_manifest(given.manifest, audit.hashes)
            report(given.manifest, f"SHA-256 of {len(audit.hashes):,} files; later: --check {given.manifest}")
        if given.figures:
            plots = plot_exploration(audit.frames, audit.images, given.figures)
            report(given.figures, f"{len(plots)} PNG files")
    except (UserError, OSError) as error:
        parser.exit(get_exit_code(error), f"error: {error}\n")
    sys.exit(0 if audit.passed else 1)


if __name__ == "__main__":
    open_streams()
    main()
