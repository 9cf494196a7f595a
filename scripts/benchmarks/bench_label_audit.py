"""Label audit on phantoms with planted flips: how many are among the first labels, and what their correction gives.

For each phantom 5 % of the training labels are flipped, models of patient folds predict what they were not trained on,
and the first 5 % of the labels of each observation are listed. Printed is how many times as many flips these hold as a
random list (goal: 4), with a 95 % interval over studies, for each method of the audit and for cleanlab's on the same
predictions. Then the listed labels are corrected by the phantom's truth, and both sets of labels are trained on: the
paired difference in mean AUROC on the truth of valid. Runs that are in --out are not trained again. With --encoder RUN
a logistic regression on the pooled features of that run takes the place of the networks. Needs cleanlab.
"""

import argparse
from pathlib import Path
from typing import Any

from rounds import write

from chexpert.console import open_streams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of the phantoms (1 2 3)")
    parser.add_argument("--patients", type=int, default=370, help="of a phantom (370)")
    parser.add_argument("--valid", type=int, default=240, help="its patients in valid (240)")
    parser.add_argument("--size", type=int, default=64, help="of its images in pixels (64)")
    parser.add_argument("--image-size", type=int, default=48, help="of the model's input in pixels (48)")
    parser.add_argument("--epochs", type=int, default=3, help="of each run (3)")
    parser.add_argument("--folds", type=int, default=3, help="of the patients (3)")
    parser.add_argument("--flips", type=float, default=0.05, help="share of flipped labels (.05)")
    parser.add_argument("--top", type=float, default=0.05, help="share of listed labels (.05)")
    parser.add_argument("--no-pairs", action="store_true", help="train nothing on corrected labels")
    parser.add_argument("--encoder", type=Path, metavar="RUN", help="a probe of this run in the place of networks")
    parser.add_argument("--out", type=Path, default=Path("outputs/bench/label_audit"), help="folder of the runs")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write what was measured there")
    given = parser.parse_args()
    import label_audit as bench  # after the parsing, so that --help is quick
    import numpy as np
    from label_probe import Probe

    found, pairs, corrected = [], [], []
    for seed in given.seeds:
        root, path = bench.prepare(given, seed), given.out / f"seed{seed}/corrections.csv"
        probe = Probe(given, seed, root) if given.encoder else None
        predicted = probe.predict_folds() if probe else bench.predict_folds(given, seed, root)
        found.append(bench.count_flips(given, root, predicted))
        corrected.append(bench.write_corrections(given, root, predicted, path))
        if not given.no_pairs:
            pairs.append(probe.train_pair(path) if probe else bench.train_pair(given, seed, root, path))
    table = {
        method: {
            name: bench.lift(np.concatenate([one[method][name] for one in found])) for name in found[0][method]
        }
        for method in found[0]
    }  # fmt: skip
    for method, cells in table.items():
        print(method)
        for name, (value, low, high, share) in cells.items():
            print(f"  {name:<20} {value:>5.1f} x [{low:.1f}, {high:.1f}], {100 * share:.0f} % of the flips")
    content: dict[str, Any] = {"table": table, "corrected": corrected}
    if pairs:
        content["auroc"] = bench.compare_pairs(pairs)
        value, low, high = content["auroc"]["difference"]
        each = ", ".join(f"{old:.3f} to {new:.3f}" for old, new in content["auroc"]["aurocs"])
        print(f"{corrected} labels corrected by truth: mean AUROC {value:+.3f} [{low:+.3f}, {high:+.3f}]; {each}")
    write(given.json, content)


if __name__ == "__main__":
    open_streams()
    main()
