"""Large models, and the metrics of the demo; takes minutes. Run with -m slow."""

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from chexpert.engine.train import run

CONF = Path(__file__).parents[2] / "conf"


def start(folder: Path, *overrides: str) -> dict:
    folder.mkdir()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        run(compose("train", list(overrides)), folder)
    return json.loads((folder / "metrics.json").read_text())["valid"]


@pytest.mark.slow
@pytest.mark.parametrize("model", [["model=combined_six"], ["backbone=efficientnet_b5", "data.image_size=456"]])
def test_large_model_trains_one_step_and_is_explained(tmp_path, model):
    small = "trainer.limit_train_batches=1 trainer.limit_val_batches=1 data.batch_size=2 trainer.max_epochs=1"
    images = "explain.count=1 data.root.patients=8 data.root.valid=8 explainer=[lime] explainer.lime.samples=200"
    start(tmp_path / "run", *model, *small.split(), *images.split(), f"data.root.parent={tmp_path / 'phantom'}")
    assert len(json.loads((tmp_path / "run/explanations/lime/manifest.json").read_text())) == 3


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_demo_learns_every_observation_imperfectly(tmp_path):
    labeled = start(tmp_path / "run", "experiment=demo", "explainer=[]", f"data.root.parent={tmp_path / 'phantom'}")
    assert labeled["auroc_mean"] >= 0.85
    assert all(0.80 <= auroc["value"] <= 0.97 for auroc in labeled["auroc"].values())


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_demo_maps_hit_the_learned_observations(tmp_path):
    options = ["explainer=[hirescam,gradcam,random]", "explain.score=100", f"data.root.parent={tmp_path / 'phantom'}"]
    start(tmp_path / "run", "experiment=demo", *options)
    scored = json.loads((tmp_path / "run/explanations/quality.json").read_text())["explainers"]
    learned = [
        metrics
        for metrics in scored["hirescam"]["observations"].values()
        if metrics["auroc"] is not None and metrics["auroc"] >= 0.8 and (metrics["ceiling"] or 0) >= 0.9
    ]
    assert learned
    for metrics in learned:
        assert metrics["hit_normalized"]["value"] >= 0.5
        assert metrics["relevance_over_area"]["value"] >= 2
        assert metrics["gap_over_random"]["value"] >= 0.10
    assert scored["gradcam"]["sanity"]["passed"]
