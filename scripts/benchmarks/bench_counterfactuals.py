"""Counterfactual images by Latent Shift against the phantom's exact ones: a change inside the finding, and only there.

For each seed a phantom is generated, a classifier and an autoencoder are trained on it, and the logit of each true
positive is lowered. Printed are means over images with 95 % intervals: the share inside the mask of the finding of the
absolute change (goal .6), of the change weighed by the gradient (the explainer latent_shift), of HiRes-CAM's positive
evidence, of a random map and of the exact change; and the movement of the other logits over the own one (goal below
.5), of Latent Shift and of the exact images. Runs that are in --out are not trained again.

On a CPU: --seeds 1 --size 64 --patients 100 --epochs 8 --views 8 is a small form.
"""

import argparse
from pathlib import Path

from rounds import write

from chexpert.console import open_streams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seeds", type=int, default=3, help="of phantom, classifier and autoencoder (3)")
    parser.add_argument("--size", type=int, default=128, help="image size in pixels (128)")
    parser.add_argument("--patients", type=int, default=370, help="of the phantom (370)")
    parser.add_argument("--epochs", type=int, default=10, help="of the classifier (10)")
    parser.add_argument("--autoencoder-epochs", type=int, default=30, help="(30)")
    parser.add_argument(
        "--views", type=int, default=40, help="true positives of an observation and a seed, at most (40)"
    )
    parser.add_argument("--out", type=Path, default=Path("outputs/bench/counterfactuals"), help="folder of the runs")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write what was measured there")
    given = parser.parse_args()
    from counterfactuals import measure_seed, prepare_seed, summarize  # after the parsing, so that --help is quick

    rows = []
    for seed in range(given.seeds):
        run, root = prepare_seed(given, seed)
        rows += measure_seed(run, root, given, seed)
    table = summarize(rows)
    for name, cells in table.items():
        print(name)
        for column, interval in cells.items():
            value, low, high, n = interval[:4]
            print(f"  {column:<46} {value:.2f} [{low:.2f}, {high:.2f}] {n}")
    write(given.json, {"table": table, "rows": rows})


if __name__ == "__main__":
    open_streams()
    main()
