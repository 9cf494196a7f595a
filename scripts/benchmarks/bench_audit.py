"""Speed of the audit on this machine: tables, plots, and decoding with hashing on one core, in interleaved rounds.

For tables of the real size: python tests/helpers/real_csv.py OUT, then OUT as `root`. For the images: any copy, or a
phantom.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from chexpert.console import open_streams

IMAGES = 200


def make_cases(root: Path, images: Path | None) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    from chexpert.data.audit import audit_copy, count_split
    from chexpert.data.audit.images import inspect_image
    from chexpert.data.sources.detect_layout import find_layout
    from chexpert.data.summary import fingerprint
    from chexpert.report import plot_exploration

    layout = find_layout(root)
    frame = layout.read("train")
    folder = Path(tempfile.mkdtemp(prefix="plots"))
    cases: dict[str, Callable[[], object]] = {
        f"read train, {len(frame):,} rows": lambda: layout.read("train"),
        "count": lambda: count_split(frame),
        "fingerprint": lambda: fingerprint(frame),
        "audit of the tables (--no-images)": lambda: audit_copy(root, decode=False),
        "plots": lambda: plot_exploration({"train": frame}, None, folder),
    }
    if images:
        files = [str(path) for path in sorted(images.rglob("*.jpg"))[:IMAGES]]
        cases[f"decode and hash {len(files)} images, one core"] = lambda: [inspect_image(file) for file in files]
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="a copy with a train.csv; its images are not looked at")
    parser.add_argument("--images", type=Path, help=f"folder of JPEGs, of which {IMAGES} are decoded and hashed")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds, after one that is not")
    given = parser.parse_args()
    cases = make_cases(given.root, given.images)
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(given.rounds + 1):
        for name, case in cases.items():
            started = time.perf_counter()
            case()
            seconds[name].append(time.perf_counter() - started)
    for name, (_, *counted) in seconds.items():
        low, middle, high = (f(counted) for f in (min, statistics.median, max))
        print(f"  {name:<40} {middle:7.2f} s [{low:.2f} .. {high:.2f}]")


if __name__ == "__main__":
    open_streams()
    main()
