"""Speed of the bootstrap on this machine: 500 studies x 5 observations, against a loop over scikit-learn."""

from collections.abc import Callable

import numpy as np
from rounds import parse, ratios, spread, take_turns, write

from chexpert.console import open_streams

OBSERVATIONS = 5


def make_cases(studies: int, replicates: int) -> dict[str, Callable[[], np.ndarray]]:
    """What is timed, by name: (R, C) AUROCs of the same resamples, resampling included."""
    from sklearn.metrics import roc_auc_score

    from chexpert.metrics.auroc_intervals import auroc_replicates
    from chexpert.metrics.resampling import resample_studies

    rng = np.random.default_rng(0)
    labels = (rng.random((studies, OBSERVATIONS)) < 0.2).astype("float64")
    scores = rng.normal(size=labels.shape) + labels

    def loop() -> np.ndarray:
        resampled = resample_studies(np.arange(studies), replicates).astype(int)
        rows = [np.repeat(np.arange(studies), counts) for counts in resampled]
        return np.array([[roc_auc_score(labels[r, c], scores[r, c]) for c in range(OBSERVATIONS)] for r in rows])

    return {
        "one pass": lambda: auroc_replicates(scores, labels, resample_studies(np.arange(studies), replicates)),
        "loop over scikit-learn": loop,
    }


def main() -> None:
    given = parse(__doc__, studies=500, replicates=1000)
    cases = make_cases(given.studies, given.replicates)
    one, other = (case() for case in cases.values())
    seconds = take_turns(cases, given.rounds)
    print(
        f"{given.replicates} replicates of {given.studies} x {OBSERVATIONS}, {given.rounds} rounds: median [min .. max]"
    )
    for name, values in seconds.items():
        print(f"  {name:<24} {spread([1000 * value for value in values])}")
    print(f"  times as fast            {spread(ratios(seconds, 'loop over scikit-learn', 'one pass'))}")
    print(f"  largest difference       {np.abs(one - other).max():.1e}")
    write(given.json, {"studies": given.studies, "replicates": given.replicates, "seconds": seconds})


if __name__ == "__main__":
    open_streams()
    main()
