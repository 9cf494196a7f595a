"""Make report.html of a run again, from its files alone: no model, no torch, no network; runs of any age.

python scripts/make_report.py outputs/RUN --out report.html
Exit code 2: there is nothing to report.
"""

import argparse
from pathlib import Path

from chexpert.console import open_streams


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder")
    add("--out", type=Path, metavar="FILE", help="by default RUN/report.html; an older one is replaced")
    add("--ids", choices=("hash", "path"), default="hash", help="name images by hashes (hash), or as they are (path)")
    return parser


def main() -> None:
    parser = make_parser()
    given = parser.parse_args()
    from chexpert.errors import UserError, get_exit_code
    from chexpert.report import write_report
    from chexpert.runs import files as run_files  # after the parsing, so that --help is quick

    for wrong in run_files.find_clashes([given.out], ()):
        parser.error(wrong)
    try:
        path = write_report(given.run, given.ids, given.out)
    except (UserError, OSError) as error:
        parser.exit(get_exit_code(error), f"error: {error}\n")
    print(f"written: {path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    open_streams()
    main()
