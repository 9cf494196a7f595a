"""What single settings are worth on a small set of real images: out-of-fold AUROC, patient folds, several seeds.

The rows of train.csv and valid.csv are pooled, since both are few; the patients of one in twenty stay behind as
valid.csv, which every run needs, and are not counted. Each setting trains one run for each fold and seed, validates
once, after its last epoch, and so is not helped by a choice of the epoch. The AUROC of a seed is the share of pairs of
a positive and a negative row of the same held-out fold that are in order; settings are compared by the mean over seeds,
paired, with whole patients resampled. Blank labels count as negative, and uncertain ones are left out. A setting
``{"mean_of": [NAME, ...]}`` averages the probabilities of others.

    python scripts/benchmarks/small_data.py DATA OUT [--only NAME ...] [--folds 5] [--seeds 3]

Runs that are in OUT are not trained again. Processor time is that of one run, or of all runs of an average.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chexpert.console import open_streams

if TYPE_CHECKING:
    import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of CheXpert-v1.0-small with few images")
    parser.add_argument("out", type=Path, help="folder for the runs")
    parser.add_argument("--settings", type=Path, default=Path(__file__).with_name("small_data_settings.json"))
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the file of settings; the first is the reference")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--replicates", type=int, default=1000)
    given = parser.parse_args()
    import numpy as np  # after the parsing, so that --help is quick
    from out_of_fold import Scores, pool, read_scores, read_truth, resample, train

    from chexpert.metrics.resampling import resample_studies

    settings: dict[str, Any] = json.loads(given.settings.read_text(encoding="utf-8"))
    names = given.only or list(settings)
    given.out.mkdir(parents=True, exist_ok=True)
    root = pool(given.data, given.out.resolve() / "data")
    paths, labels, patients = read_truth(root)
    resampled = resample_studies(np.unique(patients, return_inverse=True)[1], given.replicates, 0)
    counts = np.vstack([np.ones((1, len(paths)), np.uint8), resampled])  # the first holds every row once
    seconds_file = given.out / "seconds.json"
    seconds = json.loads(seconds_file.read_text(encoding="utf-8")) if seconds_file.exists() else {}
    reference = None
    for name in names:
        parts = settings[name]["mean_of"] if isinstance(settings[name], dict) else [name]
        for part in parts:
            if part not in seconds:
                seconds[part] = train(root, given.out.resolve() / part, settings[part], given.folds, given.seeds)
                seconds_file.write_text(json.dumps(seconds, indent=2), encoding="utf-8")
        read = [read_scores(given.out / part, paths, given.seeds) for part in parts]
        if any((one.folds != read[0].folds).any() for one in read):
            raise SystemExit(f"{name}: its parts have other folds")
        scores = Scores(np.mean([one.probabilities for one in read], axis=0), read[0].folds)
        spent = sum(seconds[part] for part in parts) / (given.folds * given.seeds)
        found = resample(scores, labels, counts)
        reference = found if reference is None else reference
        print(describe(name, found, reference, len(paths), spent), flush=True)


def describe(name: str, found: "np.ndarray", reference: "np.ndarray", n: int, spent: float) -> str:
    """Return the line of a setting: mean AUROC, its difference with interval, processor time of a run."""
    from chexpert.metrics.comparison import paired_interval

    gain = paired_interval(found[0] - reference[0], found[1:] - reference[1:], n)
    interval = f"{gain.value:+.4f} [{gain.ci_low:+.4f}, {gain.ci_high:+.4f}]"
    return f"{name:<28} {found[0]:.4f}  {interval}  {spent:6.0f} s of CPU"


if __name__ == "__main__":
    open_streams()
    main()
