"""The label audit's benchmark by a probe: logistic regression on pooled features of one trained run, in seconds."""

from argparse import Namespace
from pathlib import Path

import numpy as np
from label_audit import Pair, Predicted, find_study
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chexpert.checkpoints import read_metadata
from chexpert.data import CheXpertDataModule, LabelPolicy
from chexpert.data.split import place_patients
from chexpert.inference.neighbors import compute_features, read_images
from chexpert.observations import COMPETITION


def open_data(given: Namespace, root: Path, corrections: Path | None = None) -> CheXpertDataModule:
    """Open a phantom at the size of the encoder."""
    size = read_metadata(given.encoder)["preprocessing"]["size"]
    policy, options = LabelPolicy("ignore"), {"image_size": size, "num_workers": 0}
    data = CheXpertDataModule(root, list(COMPETITION), policy, corrections=corrections, **options)
    data.setup("fit")
    return data


class Probe:
    """The pooled features of a phantom's training and validation views."""

    def __init__(self, given: Namespace, seed: int, root: Path) -> None:
        self.given, self.seed, self.root = given, seed, root
        data = open_data(given, root)
        self.train, self.valid = data.frames["train"], data.frames["valid"]
        images = read_images([*self.train["file"], *self.valid["file"]], data.preprocessing)
        features, self.how = compute_features(given.encoder, [image for image in images if image is not None])
        self.features = {"train": features[: len(self.train)], "valid": features[len(self.train) :]}

    def predict_folds(self) -> Predicted:
        """Predict each training view by the regression of the fold that holds it out."""
        labels = self.train[list(COMPETITION)].to_numpy("float64")
        folds = (place_patients(self.train["patient"], self.seed) * self.given.folds).astype(int)
        probabilities = np.empty(labels.shape)
        for fold in range(self.given.folds):
            out = folds == fold
            x = self.features["train"]
            probabilities[out] = fit_predict(x[~out], labels[~out], x[out])
        return Predicted(list(self.train["path"]), labels, probabilities)

    def train_pair(self, corrections: Path) -> Pair:
        """Fit to the flipped labels and to the corrected ones, and predict valid."""
        corrected = open_data(self.given, self.root, corrections).frames["train"]
        columns = list(COMPETITION)
        before, after = (
            fit_predict(self.features["train"], frame[columns].to_numpy("float64"), self.features["valid"])
            for frame in (self.train, corrected)
        )
        studies = [find_study(path) for path in self.valid["path"]]
        return Pair(before, after, self.valid[columns].to_numpy("float64"), studies)


def fit_predict(features: np.ndarray, labels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Fit one regression for each observation, and return probabilities (n, 5) of other rows; blank counts as 0."""
    found = []
    for column in labels.T:
        known = column != -1
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=300))
        model.fit(features[known], (column[known] == 1).astype(int))
        found.append(model.predict_proba(others)[:, 1])
    return np.column_stack(found)
