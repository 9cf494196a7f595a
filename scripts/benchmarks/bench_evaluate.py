"""Speed of the bootstrap on this machine, against a loop over scikit-learn; time and memory of a whole evaluation.

The bootstrap has 500 studies x 5 observations; the evaluation 44,000 views x 14 observations with groups.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

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


def measure_command(rows: int, replicates: int, rounds: int) -> dict[str, list[float]]:
    """Run ``chexpert evaluate`` with the groups sex, age and view; return what each round needs."""
    from evaluation_tables import write_tables

    needs: dict[str, list[float]] = {"seconds": [], "seconds of user CPU": [], "peak MiB": []}
    with tempfile.TemporaryDirectory() as folder:
        predictions, labels = write_tables(Path(folder), rows)
        files = ["--predictions", str(predictions), "--labels", str(labels), "--out", str(Path(folder, "O.json"))]
        options = ["--bootstrap", str(replicates), "--group-by", "sex", "age", "view"]
        command = [sys.executable, "-m", "chexpert", "evaluate", *files, *options]
        for _ in range(rounds):
            started = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                raise SystemExit(f"chexpert evaluate ended with status {status}")
            measured = time.perf_counter() - started, usage.ru_utime, usage.ru_maxrss / 1024
            for values, value in zip(needs.values(), measured, strict=True):
                values.append(value)
    return needs


def main() -> None:
    given = parse(__doc__, studies=500, replicates=1000, rows=44_000)
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
    needs = measure_command(given.rows, given.replicates, given.rounds)
    print(f"chexpert evaluate, {given.rows} views x 14, {given.replicates} replicates, groups, {given.rounds} rounds")
    for name, values in needs.items():
        print(f"  {name:<24} {spread(values)}")
    content = {"studies": given.studies, "replicates": given.replicates, "seconds": seconds}
    write(given.json, content | {"rows": given.rows, "command": needs})


if __name__ == "__main__":
    open_streams()
    main()
