"""How alike LIME's weights are between seeds: Spearman correlation over superpixels, by samples, plain and in pairs.

The most probable observations of some views of the valid split are explained with several seeds; the mean is over all
pairs of seeds, observations and views. With --bf16 the weights in bfloat16 and in float32 are compared too, on the same
samples.

    python scripts/benchmarks/lime_seeds.py RUN [--views 3] [--seeds 5] [--samples 320 640 1000] [--bf16]
"""

import argparse
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from chexpert.console import open_streams

if TYPE_CHECKING:
    import numpy as np
    import torch

    from chexpert.explain import Lime
    from chexpert.models import Model

TOP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder with a model that was trained on the phantom")
    parser.add_argument("--views", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--samples", type=int, nargs="+", default=[320, 640, 1000])
    parser.add_argument("--bf16", action="store_true", help="explain in bfloat16, too")
    given = parser.parse_args()
    import numpy as np  # after the parsing, so that --help is quick

    import chexpert
    from chexpert.explain import Lime
    from chexpert.inference.opened_run import open_data

    loaded = chexpert.load(given.run)
    dataset = open_data(loaded).datasets["valid"]
    rows = np.random.default_rng(0).permutation(len(dataset.files))[: given.views]
    for samples in given.samples:
        for pairs in (False, True):
            alike, halves, rounded = [], [], []
            for row in rows:
                image = loaded.preprocessing(dataset.files[row])
                methods = [Lime(samples, seed=seed, pairs=pairs) for seed in range(given.seeds)]
                explained = [explain(loaded.model, image, lime) for lime in methods]
                halves += [half for _, own in explained for half in own]
                for (first, _), (second, _) in combinations(explained, 2):
                    alike += correlate(first, second)
                if given.bf16:
                    own = [Lime(samples, seed=seed, pairs=pairs, precision="bf16") for seed in range(given.seeds)]
                    for (weights, _), lime in zip(explained, own, strict=True):
                        rounded += correlate(weights, explain(loaded.model, image, lime)[0])
            kind = "pairs" if pairs else "plain"
            between = f"between seeds {np.mean(alike):.3f}, smallest {min(alike):.3f}"
            print(f"{samples:>5} samples, {kind}: {between}; between halves {np.mean(halves):.3f}", flush=True)
            if rounded:
                print(f"    bfloat16 against float32 {np.mean(rounded):.3f}, smallest {min(rounded):.3f}", flush=True)


def explain(model: "Model", image: "torch.Tensor", lime: "Lime") -> "tuple[np.ndarray, list[float]]":
    """Return the weights (S, TOP) of the superpixels for the most probable observations, and each one's stability."""
    import numpy as np
    import torch

    from chexpert.explain.methods.superpixels import segment

    with torch.no_grad():
        outputs = model.eval()(image[None])[0].argsort(descending=True)[:TOP].tolist()
    (attributions,) = lime(model, image[None], [outputs])
    _, first = np.unique(segment(image[0].numpy(), lime.superpixels), return_index=True)
    weights = np.stack([one.signed.ravel()[first] for one in attributions], axis=1)
    return weights, [one.manifest["stability"] for one in attributions]


def correlate(first: "np.ndarray", second: "np.ndarray") -> list[float]:
    """Return the rank correlation of two runs' weights (S, C) for each of C observations."""
    from chexpert.metrics import spearman

    return [spearman(one, other) for one, other in zip(first.T, second.T, strict=True)]


if __name__ == "__main__":
    open_streams()
    main()
