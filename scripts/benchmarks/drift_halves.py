"""How often ``chexpert drift`` reports a difference where there is none: the patients of one split halved at random.

    python scripts/benchmarks/drift_halves.py RUN --split train --halves 200

Features are computed once. The halves are two sets without a difference: something may differ, after the correction, in
one of twenty divisions, and one of twenty single tests may have p < .05.
"""

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--split", choices=("train", "dev", "valid"), default="train")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--halves", type=int, default=200)
    parser.add_argument("--permutations", type=int, default=2000)
    given = parser.parse_args()
    import numpy as np  # after the parsing, so that --help is quick

    from chexpert.checkpoints import load
    from chexpert.inference.drift import Side, read_side, run_tests
    from chexpert.inference.drift_sets import read_reference
    from chexpert.inference.image_features import ImageFeatures
    from chexpert.metrics.comparison import adjust_holm
    from chexpert.metrics.two_sample import PatientPermutations

    loaded = load(given.run)
    whole = read_side(loaded, read_reference(loaded, given.split)[1].sample_patients(given.images, 0), iter)
    _, patients = np.unique(whole.set.patients, return_inverse=True)
    any_differs, small, tests = 0, 0, 0
    for seed in range(given.halves):
        chosen = np.random.default_rng(seed).permutation(patients.max() + 1) < (patients.max() + 1) // 2
        sides = []
        for half in (False, True):
            rows = np.flatnonzero(chosen[patients] == half)
            parts = [part[rows] for part in whole.features[1:]]
            sides.append(Side(whole.set.select(rows.tolist()), ImageFeatures(rows.tolist(), *parts), 0))
        order = np.concatenate([side.features.rows for side in sides])
        second = np.repeat([False, True], [len(side.features.rows) for side in sides])
        divisions = PatientPermutations(second, patients[order], given.permutations, seed)
        ps = np.array([test["p"] for test in run_tests(loaded, sides, divisions)])
        small, tests = small + int((ps < 0.05).sum()), tests + int(np.isfinite(ps).sum())
        any_differs += min(p for p in adjust_holm(ps.tolist()) if p == p) < 0.05
    sizes = f"{len(whole.set.images)} images of {patients.max() + 1} patients of {given.split}"
    print(f"{sizes}, halved {given.halves} times: something differs in {any_differs}")
    print(f"{small} of {tests} single tests have p < .05 ({small / tests:.3f})")


if __name__ == "__main__":
    main()
