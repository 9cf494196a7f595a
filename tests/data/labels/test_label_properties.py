"""Every label policy on random tables, against a slow reference without arrays."""

import hashlib
import math

import numpy as np
import pandas as pd
import pytest
from helpers.configs import CONF
from helpers.learned_targets import write_targets
from omegaconf import OmegaConf

from chexpert.data import LabelPolicy
from chexpert.observations import COMPETITION, OBSERVATIONS
from chexpert.runs import files as run_files

CONFIGURED = [
    OmegaConf.to_container(OmegaConf.create({"labels": OmegaConf.load(path), "seed": 0}).labels, resolve=True)
    for path in sorted((CONF / "labels").glob("*.yaml"))
]
RULES = [
    "zeros",
    "ones",
    "ignore",
    "three_class",
    "self_trained",
    "learned",
    0.0,
    0.3,
    1,
    [0, 0.3],
    [0.55, 0.85],
    [0.4, 0.4],
    [0, 1],
]

# Irvin et al. 2019, Fig. 1, independently of the package.
LINES = [
    ["Enlarged Cardiomediastinum", "Cardiomegaly"],
    ["Lung Opacity", "Lung Lesion"],
    ["Lung Opacity", "Edema"],
    ["Lung Opacity", "Consolidation", "Pneumonia"],
    ["Lung Opacity", "Atelectasis"],
]


def compute_reference(row, key, names, policy, predicted, learned, epoch):
    """Return (target, mask) of each observation of one view, then (is uncertain, mask) of the three-class ones."""
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
        place = {1: 0, 0: 1, -1: 2}.get(label, 3)
        if label in (0, 1):
            either = [policy["uncertain"], policy.get("blank", "zeros")]
            either = [
                (one[name] if name in one else one["default"]) if isinstance(one, dict) else one for one in either
            ]
            target = label
            if policy.get("certain") == "learned" and "learned" in either and learned[name][place] is not None:
                target = learned[name][place]
        elif rule == "learned":
            target = learned[name][place]
        elif rule in ("ignore", "three_class"):
            target = None
        elif rule == "self_trained":
            target = predicted[key][OBSERVATIONS.index(name)]
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


def make_policy(rng):
    """Return rules of every form, for all observations or by name, and every switch."""

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
        "certain": ["hard", "learned"][rng.integers(2)],
    }


def check_table(seed, predictions, predicted, file, learned):
    """Compare one policy of conf/labels and a random one with the reference, on one random table."""
    rng = np.random.default_rng(seed)
    keys = rng.choice(sorted(predicted), rng.integers(1, 7), replace=False).tolist()
    labels = rng.choice([1, 0, -1, math.nan], (len(keys), 14)).astype("float32")
    frame = pd.DataFrame(labels, columns=list(OBSERVATIONS)).assign(key=keys)
    for policy in [CONFIGURED[seed % len(CONFIGURED)], make_policy(rng)]:
        policy = policy | {"seed": int(rng.integers(100))}
        for key in ("_target_", "default"):
            policy.pop(key, None)
        names = list(
            rng.permutation(OBSERVATIONS if policy.get("conditional") else rng.choice([*COMPETITION], 3, False))
        )
        epoch = int(rng.integers(5))
        targets, mask, random_targets = LabelPolicy(**policy, predictions=predictions, file=file).apply(frame, names)
        if random_targets is not None:
            random_targets.fill(targets, range(len(keys)), epoch)
        rows = frame.to_dict("records")
        expected = [compute_reference(row, row["key"], names, policy, predicted, learned, epoch) for row in rows]
        assert (targets.dtype, mask.dtype, targets.shape) == (np.float32, bool, mask.shape)
        assert 0 <= targets.min() <= targets.max() <= 1
        assert np.abs(targets - [[target for target, _ in row] for row in expected]).max() <= 1e-7
        assert (mask == [[unmasked for _, unmasked in row] for row in expected]).all()


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """Return predictions of a first run on 20 views, and learned targets, each as a file and by key."""
    rng = np.random.default_rng(0)
    predicted = {f"train/patient{n:05d}/study{n % 3}/view1_frontal": rng.random(14).tolist() for n in range(20)}
    file = tmp_path_factory.mktemp("first") / "train.csv"
    run_files.write_predictions(file, OBSERVATIONS, ((f"{key}.jpg", row) for key, row in predicted.items()))
    values = rng.random((14, 4)).tolist()
    learned = {
        name: [None if value < 0.1 else value for value in own] for name, own in zip(OBSERVATIONS, values, strict=True)
    }
    return file, predicted, write_targets(file.with_name("targets.json"), learned), learned


def test_configured_policies_are_found():
    assert len(CONFIGURED) >= 10


def test_policies_match_a_slow_reference(first_run):
    for seed in range(100):
        check_table(seed, *first_run)


@pytest.mark.slow
def test_policies_match_a_slow_reference_on_2500_tables(first_run):
    for seed in range(100, 2600):
        check_table(seed, *first_run)
