"""Label policies on phantoms, whose reports have a known truth: mean AUROC on truth and on report labels, paired.

An encoder is trained on the phantom of seed 0 by its report labels. On each other phantom, every policy trains a linear
head on the encoder's features, with the same patients held out. These are evaluated by truth and by their report labels
(blank as negative), the same images by both. Targets are learned twice: by expectation maximization from three patient
folds of the training patients, which sees no truth, and from the truth of some of their studies. Differences are to the
first policy, on all phantoms together, with whole patients resampled.

    python scripts/benchmarks/label_policies.py OUT [--seeds 1 2 3] [--expert 200]

Encoder, phantoms and the scores of heads that are in OUT are not made again.
"""

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chexpert.console import open_streams

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ROOT = Path(__file__).parents[2]
ENCODER = ("data.root.patients=150", "data.root.valid=60", "data.root.size=96", "data.image_size=64",
           "optimizer.lr=1e-3", "trainer.max_epochs=6", "data.num_workers=0", "explainer=[]", "logger=[]")  # fmt: skip
PHANTOM: dict[str, Any] = {"patients": 370, "valid": 20, "size": 96, "workers": 1}
HELD, FOLDS = 0.4, 3
PENALTY, STEPS = 0.01, 100
"""Of the squared weights of a head, beside the mean loss; steps of L-BFGS, which converges in fewer."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for encoder, phantoms and scores")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="phantoms of the policies (1 2 3)")
    parser.add_argument("--expert", type=int, default=200, help="studies whose truth is given (200)")
    parser.add_argument("--replicates", type=int, default=1000)
    given = parser.parse_args()
    out = given.out.resolve()
    if not (encoder := out / "encoder/checkpoints/best.ckpt").exists():
        words = [*ENCODER, f"data.root.parent={out}", f"hydra.run.dir={out / 'encoder'}"]
        subprocess.run([sys.executable, str(ROOT / "train.py"), *words], cwd=ROOT, check=True)
    for seed in given.seeds:
        if not (out / f"{seed}.npz").exists():
            score_policies(out, encoder, seed, given.expert)
    print("\n".join(describe(out, given.seeds, given.replicates)))


def score_policies(out: Path, encoder: Path, seed: int, studies: int) -> None:
    """Write the scores of every policy on the held-out patients of a phantom, with both kinds of labels."""
    import numpy as np

    from chexpert.data import LabelPolicy, find_phantom
    from chexpert.data.labels import hard_labels
    from chexpert.data.split import hold_out
    from chexpert.observations import COMPETITION
    from chexpert.runs.files import write_predictions

    began, names, folder = time.process_time(), list(COMPETITION), out / str(seed)
    root = find_phantom(out, seed=seed, **PHANTOM)
    frame, features = read_features(root, encoder)
    frame = frame.assign(row=np.arange(len(frame)))
    train, held = hold_out(frame, 0, HELD, seed)
    shown, vectors = read_truth(root, train), features[train["row"]]
    write_targets(folder, train, vectors, shown, studies, seed)
    ignoring = fit_head(vectors, LabelPolicy("ignore").apply(train, names))
    rows = zip(train["path"], predict(vectors, ignoring).tolist(), strict=True)
    write_predictions(folder / "train.csv", names, rows)
    learned: dict[str, Any] = {"uncertain": "learned", "blank": "learned"}
    policies = {
        "lsr": LabelPolicy([0.55, 0.85], seed=seed),
        "ones": LabelPolicy("ones"),
        "zeros": LabelPolicy("zeros"),
        "ignore": LabelPolicy("ignore"),
        "self_trained": LabelPolicy("self_trained", predictions=folder / "train.csv"),
        "learned, EM": LabelPolicy(**learned, certain="learned", file=folder / "em.json"),
        "learned, EM, certain=hard": LabelPolicy(**learned, file=folder / "em.json"),
        "learned, expert": LabelPolicy(**learned, certain="learned", file=folder / "expert.json"),
    }
    targets = {name: policy.apply(train, names) for name, policy in policies.items()}
    targets["truth"] = targets["lsr"]._replace(values=shown.astype("float32"), mask=np.ones(shown.shape, bool))
    scores = {name: predict(features[held["row"]], fit_head(vectors, own)) for name, own in targets.items()}
    reports, mask = hard_labels(held, names, blank_is_negative=True)
    labels: dict[str, Any] = {"truth": read_truth(root, held), "reports": np.where(mask, reports, np.nan)}
    patients = np.unique(held["patient"].to_numpy(str), return_inverse=True)[1]
    shares = compute_shares(frame, read_truth(root, frame))
    np.savez(
        out / f"{seed}.npz",
        policies=list(scores),
        scores=list(scores.values()),
        patients=patients,
        shares=shares,
        **labels,
    )
    print(f"phantom {seed}: {time.process_time() - began:.0f} s of processor time", flush=True)


def read_features(root: Path, encoder: Path) -> "tuple[pd.DataFrame, np.ndarray]":
    """Return the frontal training views of a phantom, and the encoder's standardized features (N, F) of them."""
    import numpy as np
    import torch

    from chexpert.checkpoints import load
    from chexpert.data import CheXpertDataModule, LabelPolicy

    loaded = load(encoder)
    data = CheXpertDataModule(root, loaded.observations, LabelPolicy("ignore"), image_size=64, num_workers=0)
    data.setup("fit")
    with torch.inference_mode():
        parts = [loaded.model.pool(batch.images) for batch in data.predict_dataloader()]
    features = torch.cat(parts).numpy().astype("float64")
    return data.frames["train"], (features - features.mean(0)) / np.maximum(features.std(0), 1e-6)


def read_truth(root: Path, frame: "pd.DataFrame") -> "np.ndarray":
    """Return the findings (N, 5) in {0, 1} that these views of a phantom show."""
    import numpy as np

    from chexpert.observations import COMPETITION

    with (root / "phantom/truth.csv").open(encoding="utf-8", newline="") as stream:
        rows = {"/".join(row["Path"].removesuffix(".jpg").split("/")[-3:]): row for row in csv.DictReader(stream)}
    keys = [key.partition("/")[2] for key in frame["key"]]
    return np.array([[float(rows[key][name]) for name in COMPETITION] for key in keys])


def write_targets(
    folder: Path, train: "pd.DataFrame", vectors: "np.ndarray", shown: "np.ndarray", studies: int, seed: int
) -> None:
    """Write the targets that are learned by expectation maximization, and those from the truth of some studies."""
    import numpy as np

    from chexpert.data import LabelPolicy
    from chexpert.data.split import place_patients
    from chexpert.inference.learn_targets import fill_content
    from chexpert.metrics.label_noise import count_truth, learn_from_scores
    from chexpert.observations import COMPETITION
    from chexpert.runs.files import write_json

    fold = (place_patients(train["patient"], seed + 1000) * FOLDS).astype(int)
    scores = np.empty(shown.shape)
    for own in range(FOLDS):
        kept = fold != own
        head = fit_head(
            vectors[kept], LabelPolicy("ignore").apply(train[kept].reset_index(drop=True), list(COMPETITION))
        )
        scores[~kept] = predict(vectors[~kept], head)
    first = ~train.duplicated(["patient", "study"]).to_numpy()  # one frontal view a study, but for a few
    patients = np.unique(train["patient"].to_numpy(str), return_inverse=True)[1]
    places = np.flatnonzero(first)
    some = places[:: max(1, len(places) // studies)][:studies]
    for name, method in (("em", "expectation maximization"), ("expert", "expert labels")):
        found = {}
        for c, finding in enumerate(COMPETITION):
            labels = train[finding].to_numpy("float64")
            found[finding] = (
                learn_from_scores(labels[first], scores[first, c], patients[first], fold[first])
                if name == "em"
                else count_truth(labels[some], shown[some, c])
            )
        where = {"labels": "train.csv", "synthetic": True, "studies": len(places if name == "em" else some)}
        write_json(folder / f"{name}.json", fill_content({"method": method, "fitted_on": where}, found))


def fit_head(vectors: "np.ndarray", targets: Any) -> "np.ndarray":
    """Return weights and bias (F + 1, 5) of the least loss with the penalty."""
    import torch

    from chexpert.training import MaskedBCE

    inputs = torch.tensor(vectors)
    values, mask = torch.tensor(targets.values, dtype=torch.float64), torch.tensor(targets.mask)
    weights = torch.zeros(inputs.shape[1] + 1, values.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer, loss = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe"), MaskedBCE()

    def compute() -> torch.Tensor:
        optimizer.zero_grad()
        total = loss(inputs @ weights[:-1] + weights[-1], values, mask) + PENALTY * (weights[:-1] ** 2).sum()
        total.backward()
        return total

    optimizer.step(compute)
    return weights.detach().numpy()


def predict(vectors: "np.ndarray", head: "np.ndarray") -> "np.ndarray":
    """Return the probabilities (N, 5)."""
    from scipy.special import expit

    return expit(vectors @ head[:-1] + head[-1])


def compute_shares(frame: "pd.DataFrame", shown: "np.ndarray") -> "np.ndarray":
    """Return P(finding | label) among all training views, and their number, (5, 4, 2)."""
    import numpy as np

    from chexpert.metrics.label_noise import index_labels
    from chexpert.observations import COMPETITION

    found = np.full((len(COMPETITION), 4, 2), np.nan)
    for c, name in enumerate(COMPETITION):
        places = index_labels(frame[name])
        for place in np.unique(places):
            own = shown[places == place, c]
            found[c, place] = own.mean(), len(own)
    return found


def describe(out: Path, seeds: list[int], replicates: int) -> Iterator[str]:
    """Yield lines: of each policy the mean AUROC by both kinds of labels, and its difference to the first policy."""
    import numpy as np

    from chexpert.metrics.comparison import paired_interval

    found: dict[tuple[str, str], list[np.ndarray]] = {}
    rows = 0
    for seed in seeds:
        with np.load(out / f"{seed}.npz") as read:
            counts = resample(read["patients"], replicates, seed)
            rows += len(read["patients"])
            policies = read["policies"].tolist()
            for name, scores in zip(policies, read["scores"], strict=True):
                for kind in ("truth", "reports"):
                    found.setdefault((name, kind), []).append(mean_auroc(scores, read[kind], counts))
    yield f"{rows} held-out images of {len(seeds)} phantoms: mean AUROC (by phantom), difference to {policies[0]}"
    for name in policies:
        cells = []
        for kind in ("truth", "reports"):
            own, first = found[name, kind], found[policies[0], kind]
            gain = np.mean(own, axis=0) - np.mean(first, axis=0)
            interval = paired_interval(gain[0], gain[1:], rows)
            each = " ".join(f"{part[0]:.3f}" for part in own)
            span = f"{interval.value:+.4f} [{interval.ci_low:+.4f}, {interval.ci_high:+.4f}]"
            cells.append(f"{kind} {np.mean(own, axis=0)[0]:.4f} ({each}) {span}")
        yield f"{name:<26}{'   '.join(cells)}"
    for seed in seeds:
        yield from describe_targets(out, seed)


def resample(patients: "np.ndarray", replicates: int, seed: int) -> "np.ndarray":
    """Return how often each image counts: once, then in each replicate of whole patients, (1 + R, N)."""
    import numpy as np

    from chexpert.metrics.resampling import resample_studies

    return np.vstack([np.ones((1, len(patients)), np.uint8), resample_studies(patients, replicates, seed)])


def mean_auroc(scores: "np.ndarray", labels: "np.ndarray", counts: "np.ndarray") -> "np.ndarray":
    """Return the mean AUROC over observations, (1 + R,)."""
    import numpy as np

    from chexpert.metrics.resampling import weighted_aurocs

    known = np.isfinite(labels)
    columns = [
        weighted_aurocs(scores[known[:, c], c], labels[known[:, c], c], counts[:, known[:, c]])
        for c in range(labels.shape[1])
    ]
    return np.nanmean(columns, axis=0)


def describe_targets(out: Path, seed: int) -> Iterator[str]:
    """Yield the true share of each label value among all training views, and the targets that were learned."""
    import numpy as np

    from chexpert.data.labels.learned_targets import get_values, read_targets_file
    from chexpert.observations import COMPETITION, REPORT_LABELS

    with np.load(out / f"{seed}.npz") as read:
        shares = read["shares"]
    for c, name in enumerate(COMPETITION):
        columns = [
            get_values(read_targets_file(out / str(seed) / f"{kind}.json", [name]), name) for kind in ("em", "expert")
        ]
        for place, label in enumerate(REPORT_LABELS):
            share, count = shares[c, place]
            em, expert = (column[place] for column in columns)
            yield f"  {seed} {name:<18}{label:<6} true {share:.3f} of {count:.0f}  EM {em:.3f}  expert {expert:.3f}"


if __name__ == "__main__":
    open_streams()
    main()
