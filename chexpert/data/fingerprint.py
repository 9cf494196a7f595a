"""One short name for exactly these views with exactly these labels."""

import hashlib

import numpy as np
import pandas as pd

from chexpert.observations import OBSERVATIONS

# One character a label: positive, uncertain, negative, blank.
_STATES = {1.0: "1", -1.0: "-", 0.0: "0"}


def fingerprint(frame: pd.DataFrame) -> str:
    """SHA-256, in hex, of the sorted lines ``key|states`` of a split.

    The states are one character an observation, in CheXpert's order: 1, - (uncertain), 0 and . (blank). So it depends
    on every view and every label, but not on the order of the rows or columns, nor on the copy (small, full, AIMI) in
    which the split is read.
    """
    labels = frame[list(OBSERVATIONS)].to_numpy("float32")
    states = np.full(labels.shape, ".", dtype="U1")
    for label, letter in _STATES.items():
        states[labels == label] = letter
    spelled = np.ascontiguousarray(states).view(f"U{len(OBSERVATIONS)}").ravel().tolist() if len(frame) else []
    lines = sorted(f"{key}|{row}\n" for key, row in zip(frame["key"], spelled, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
