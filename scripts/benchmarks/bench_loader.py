"""Speed of loading at 224 px against the loader of the original notebooks, and against decoding alone."""

from collections import deque
from collections.abc import Callable
from functools import partial

from rounds import parse, ratios, spread, take_turns, write

from chexpert.console import open_streams

BATCH = 32
# What is compared: the goal for the ratio of the first to the second, under a name.
GOALS = {
    "float batch, decoding": ("notebook", "decode, float", 3),
    "float batch, from the cache": ("notebook", "cache, float", 6),
    "uint8 batch, from the cache": ("notebook", "cache, uint8", 40),
    "share of the decode-only limit": ("decode only", "decode, uint8", 0.7),
    "v1.0-size images, 2 workers each": ("notebook, v1.0", "decode, float, v1.0", 2),
}


def make_cases(images: int, large: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name; each case loads all of its images once."""
    import torch  # after the parsing, so that --help is quick
    from images import CACHE, enlarge, list_images
    from loaders import make_notebook, make_ours, make_ready

    from chexpert.data import read_gray

    torch.set_num_threads(1)
    files = list_images(images)
    large_files = enlarge(files[:large])
    ours, cached = make_ours(files, BATCH), make_ours(files, BATCH, cache=CACHE)
    ours_large = make_ours(large_files, BATCH // 4, workers=2)  # a batch or more for each worker
    drain: Callable[..., object] = partial(deque, maxlen=0)  # a list would measure the allocation of every batch
    return {
        "notebook": partial(drain, make_notebook(files, BATCH, 0)),
        "decode only": lambda: drain(read_gray(file) for file in files),
        "decode, uint8": partial(drain, ours),
        "decode, float": lambda: drain(map(make_ready, ours)),
        "cache, uint8": partial(drain, cached),
        "cache, float": lambda: drain(map(make_ready, cached)),
        "notebook, v1.0": partial(drain, make_notebook(large_files, BATCH // 4, 2)),
        "decode, float, v1.0": lambda: drain(map(make_ready, ours_large)),
    }


def main() -> None:
    given = parse(__doc__, images=2000, large=40)
    seconds = take_turns(make_cases(given.images, given.large), given.rounds)
    print(f"{given.images} images and {given.large} of v1.0's size, {given.rounds} rounds: median [min .. max]")
    for name, values in seconds.items():
        count = given.large if "v1.0" in name else given.images
        print(f"  {name:<34} {spread([count / value for value in values], 0)} images/s")
    found = {name: ratios(seconds, slow, fast) for name, (slow, fast, _) in GOALS.items()}
    for name, values in found.items():
        print(f"  {name:<34} {spread(values, 2)} times, goal {GOALS[name][2]}")
    write(given.json, {"images": given.images, "large": given.large, "seconds": seconds, "ratios": found})


if __name__ == "__main__":
    open_streams()
    main()
