"""Memory on this machine: what loader workers gather over epochs, and the peak of explaining by LIME."""

import multiprocessing
import re
import resource
import sys
from pathlib import Path

from films import CACHE, find_films
from loaders import make_ours
from rounds import parse, write

EPOCHS = 10


def worker_memory(rows: int, films: int, *, cached: bool) -> list[float]:
    """MiB that two workers have to themselves after each epoch over ``rows`` views, on Linux.

    Not their resident size: it counts the mapped cache, and what they share with their parent until they write to it.
    """
    files = (find_films(films) * -(-rows // films))[:rows]
    loader, memory = make_ours(files, 32, cache=CACHE if cached else None, workers=2), list[float]()
    for _ in range(EPOCHS):
        for _batch in loader:
            pass
        rollups = [Path(f"/proc/{worker.pid}/smaps_rollup").read_text() for worker in multiprocessing.active_children()]
        memory.append(sum(int(re.findall(r"Private_Dirty: +(\d+)", rollup)[0]) for rollup in rollups) / 1024)
    return memory


def lime_memory(names: str, size: int, samples: int) -> float:
    """Peak MiB of a process that builds a model, combined where several are named, and explains one film by LIME."""
    import torch

    from chexpert.explain import Lime
    from chexpert.models import Backbone, Combined, Single

    members = {name: Backbone(name) for name in names.split(",")}
    model = Combined(members, 5) if len(members) > 1 else Single(members[names], 5)
    film = torch.randint(60, 200, (1, size, size), dtype=torch.uint8)
    Lime(samples=samples)(model, film[None], [[0, 1, 2]])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def main() -> None:
    given = parse(__doc__, backbone="densenet121", size=224, films=2000, rows=20_000)
    found: dict[str, object] = {}
    if sys.platform == "linux":
        for name, cached in (("decoding", False), ("from the cache", True)):
            found[name] = memory = worker_memory(given.rows, given.films, cached=cached)
            print(f"  two workers, {given.rows} views an epoch, {name}: MiB " + " ".join(f"{m:.0f}" for m in memory))
    for samples in (100, 1000):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found[f"LIME, {samples}"] = mib = pool.apply(lime_memory, (given.backbone, given.size, samples))
        print(f"  {given.backbone}, LIME of {samples} samples: peak {mib:.0f} MiB")
    write(given.json, found)


if __name__ == "__main__":
    main()
