"""Memory that loader workers gather over epochs, on Linux; bench_explain_memory.py has that of explaining."""

import multiprocessing
import re
from pathlib import Path

from rounds import parse, write

from chexpert.console import open_streams

EPOCHS = 10


def worker_memory(rows: int, images: int, *, cached: bool) -> list[float]:
    """MiB that two workers have to themselves after each epoch over ``rows`` views, on Linux.

    Not their resident size: it counts the mapped cache, and what they share with their parent until they write to it.
    """
    from images import CACHE, list_images  # after the parsing, so that --help is quick
    from loaders import make_ours

    files = (list_images(images) * -(-rows // images))[:rows]
    loader, memory = make_ours(files, 32, cache=CACHE if cached else None, workers=2), list[float]()
    for _ in range(EPOCHS):
        for _batch in loader:
            pass
        rollups = [
            Path(f"/proc/{worker.pid}/smaps_rollup").read_text(encoding="utf-8")
            for worker in multiprocessing.active_children()
        ]
        memory.append(sum(int(re.findall(r"Private_Dirty: +(\d+)", rollup)[0]) for rollup in rollups) / 1024)
    return memory


def main() -> None:
    given = parse(__doc__, images=2000, rows=20_000)
    found = {}
    for name, cached in (("decoding", False), ("from the cache", True)):
        found[name] = memory = worker_memory(given.rows, given.images, cached=cached)
        print(f"  two workers, {given.rows} views an epoch, {name}: MiB " + " ".join(f"{m:.0f}" for m in memory))
    write(given.json, found)


if __name__ == "__main__":
    open_streams()
    main()
