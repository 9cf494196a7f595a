"""Run folders as runs leave them, without a model."""

import numpy as np
import yaml

from chexpert.observations import COMPETITION
from chexpert.runs import files as run_files

STUDIES = [f"CheXpert-v1.0-small/valid/patient{64541 + row}/study1" for row in range(120)]
RNG = np.random.default_rng(0)
LABELS = (RNG.random((120, 5)) < 0.35).astype("float64")
NOISE = RNG.normal(size=(120, 5))


def make_scores(skill, seed=0):
    """Scores that share most of their noise, as models of the same images do."""
    own = np.random.default_rng(seed).normal(size=LABELS.shape)
    return 1 / (1 + np.exp(-(skill * LABELS + 0.8 * NOISE + 0.6 * own)))


def make_run(
    folder, skill=1.0, *, seed=0, state="finished", why=None, observations=COMPETITION, chosen="dev", **config
):
    settings = {"name": "made", "seed": seed, "study_score": "max", "labels": {"seed": seed}} | config
    folder.mkdir(parents=True)
    (folder / run_files.CONFIG).write_text(yaml.safe_dump(settings))
    run_files.write_json(folder / run_files.STATE, {"state": state, "why": why, "started": "2026-11-25T10:00:00+00:00"})
    if state != "finished":
        return folder
    columns = [list(COMPETITION).index(name) for name in observations]
    views = [f"{study}/view1_frontal.jpg" for study in STUDIES]
    scores = make_scores(skill, seed)[:, columns].tolist()
    run_files.write_predictions(run_files.predictions(folder, "valid"), observations, zip(views, scores, strict=True))
    truth = [[view, *map(str, row)] for view, row in zip(views, LABELS[:, columns], strict=True)]
    run_files.write_table(run_files.labels(folder, "valid"), ["Path", *observations], truth)
    valid = {"level": "study", "labels": "valid.csv", "n": 120}
    run_files.write_json(folder / run_files.METRICS, {"valid": valid, "epoch_chosen_on": chosen, "skipped": []})
    return folder
