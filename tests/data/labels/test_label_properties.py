"""Random tables of labels, every policy, and a slow reference that knows nothing of arrays."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from chexpert.data import LabelPolicy
from chexpert.observations import COMPETITION, OBSERVATIONS
from chexpert.runs import files as run_files

CONF = Path(__file__).parents[2] / "conf" / "labels"
WRITTEN = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CONF.glob("*.yaml"))}
RULES = [
    "zeros",
    "ones",
    "ignore",
    "three_class",
    "self_trained",
    0.0,
    0.3,
    1,
    [0, 0.3],
    [0.55, 0.85],
    [0.4, 0.4],
    [0, 1],
]

# Irvin 2019, figure 1, written down a second time.
LINES = [
    ["Enlarged Cardiomediastinum", "Cardiomegaly"],
    ["Lung Opacity", "Lung Lesion"],
    ["Lung Opacity", "Edema"],
    ["Lung Opacity", "Consolidation", "Pneumonia"],
    ["Lung Opacity", "Atelectasis"],
]


def reference(row, key, names, policy, taught, epoch):
    """(target, learned) of each observation of one view, then (is uncertain, learned) of the three-class ones."""
    labels = dict(row)
    if policy.get("propagate") or policy.get("conditional"):
        for line in LINES:
            for child in line[1:]:
                for ancestor in line[: line.index(child)]:
                    if row[child] == -1 and math.isnan(labels[ancestor]):
                        labels[ancestor] = -1
                    if row[child] == 1:
                        labels[ancestor] = 1
    first, third = [], []
    for name in names:
        label = labels[name]
        asked = True
        if policy.get("conditional") and policy.get("conditional_rows") != "all":
            for line in LINES:
                if name in line[1:]:
                    asked = labels[line[line.index(name) - 1]] == 1
        rules = policy["uncertain"] if label == -1 else policy.get("blank", "zeros")
        rule = (rules[name] if name in rules else rules["default"]) if isinstance(rules, dict) else rules
        if label in (0, 1):
            target = label
        elif rule in ("ignore", "three_class"):
            target = None
        elif rule == "self_trained":
            target = taught[key][OBSERVATIONS.index(name)]
        elif isinstance(rule, str):
            target = {"zeros": 0, "ones": 1}[rule]
        else:
            low, high = rule if isinstance(rule, list) else (rule, rule)
            when = f"|{epoch}" if policy.get("redraw") else ""
            digest = hashlib.blake2b(f"{policy['seed']}|{key}|{name}{when}".encode(), digest_size=8).hexdigest()
            target = low + (high - low) * int(digest, 16) / 16**16
        first.append((0 if target is None else target, target is not None and asked))
        own = policy["uncertain"]
        own = (own[name] if name in own else own["default"]) if isinstance(own, dict) else own
        if own == "three_class":
            third.append((float(label == -1), (target is not None or label == -1) and asked))
    return first + third


def random_policy(rng):
    """Rules of every form, for all observations or mixed, and every switch."""

    def rules(words):
        def one():
            return words[rng.integers(len(words))]

        if rng.random() < 0.3:
            return one()
        some = [name for name in OBSERVATIONS if rng.random() < 0.5]
        return {"default": one()} | {name: one() for name in some}

    return {
        "uncertain": rules(RULES),
        "blank": rules([rule for rule in RULES if rule != "three_class"]),
        "redraw": bool(rng.random() < 0.5),
        "propagate": bool(rng.random() < 0.5),
        "conditional": bool(rng.random() < 0.3),
        "conditional_rows": ["positive_parents", "all"][rng.integers(2)],
    }


def check(seed, predictions, taught):
    """One random table against every policy of conf/labels and a random one."""
    rng = np.random.default_rng(seed)
    keys = rng.choice(sorted(taught), rng.integers(1, 7), replace=False).tolist()
    labels = rng.choice([1, 0, -1, math.nan], (len(keys), 14)).astype("float32")
    frame = pd.DataFrame(labels, columns=list(OBSERVATIONS)).assign(key=keys)
    for policy in [*WRITTEN.values(), random_policy(rng)]:
        policy = policy | {"seed": int(rng.integers(100))}
        policy.pop("_target_", None)
        names = list(
            rng.permutation(OBSERVATIONS if policy.get("conditional") else rng.choice([*COMPETITION], 3, False))
        )
        epoch = int(rng.integers(5))
        targets, mask, random_targets = LabelPolicy(**policy, predictions=predictions).apply(frame, names)
        if random_targets is not None:
            random_targets.fill(targets, range(len(keys)), epoch)
        rows = frame.to_dict("records")
        expected = [reference(row, row["key"], names, policy, taught, epoch) for row in rows]
        assert (targets.dtype, mask.dtype, targets.shape) == (np.float32, bool, mask.shape)
        assert 0 <= targets.min() <= targets.max() <= 1
        assert np.abs(targets - [[target for target, _ in row] for row in expected]).max() <= 1e-7
        assert (mask == [[learned for _, learned in row] for row in expected]).all()


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """The predictions of a first run on 20 views, as a file and by key."""
    rng = np.random.default_rng(0)
    taught = {f"train/patient{n:05d}/study{n % 3}/view1_frontal": rng.random(14).tolist() for n in range(20)}
    file = tmp_path_factory.mktemp("first") / "train.csv"
    run_files.write_predictions(file, OBSERVATIONS, ((f"{key}.jpg", row) for key, row in taught.items()))
    return file, taught


def test_every_policy_agrees_with_a_slow_reference(first_run):
    for seed in range(200):
        check(seed, *first_run)


@pytest.mark.slow
def test_every_policy_agrees_with_a_slow_reference_on_5000_tables(first_run):
    for seed in range(200, 5200):
        check(seed, *first_run)
