"""Frames without files, for the parts of the audit that read no disk."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest

from chexpert.observations import OBSERVATIONS


@pytest.fixture
def make_frame() -> Callable[..., pd.DataFrame]:
    """Return a function that makes a frame of places (patient/study/view) and labels; unnamed labels are blank."""

    def make(*rows: tuple[str, Mapping[str, float]], split: str = "train") -> pd.DataFrame:
        labels = pd.DataFrame([labels for _, labels in rows], columns=list(OBSERVATIONS), dtype="float32")
        places = [place.split("/") for place, _ in rows]
        patient, study, view = (list(parts) for parts in zip(*places, strict=True))
        kind = pd.Series(view).str.rpartition("_")[2]
        return pd.DataFrame({
            "key": [f"{split}/{place}" for place, _ in rows], "split": split, "patient": patient, "study": study,
            "view": view, "projection": np.where(kind == "frontal", "frontal_ap", "lateral"), "sex": "Female",
            "age": 60.0,
        }).join(labels)  # fmt: skip

    return make
