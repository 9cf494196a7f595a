"""The search on two small trained models: the device is tied to the finding, or independent of it.

The result of 20 models of the second kind is in docs/decisions/shortcuts.md.
"""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

import chexpert
from chexpert.data import write_phantom
from chexpert.engine.train import run
from chexpert.explain import GradCAM
from chexpert.inference.shortcuts import find_shortcuts

CONF = Path(__file__).parents[2] / "conf"


def train_and_search(folder: Path, tie: float) -> list[dict]:
    """Return the pairs with an alarm; Cardiomegaly is faint, so that the model gains by the device."""
    options = {"shortcut": tie, "counterfactuals": ["Support Devices"], "strength": {"Cardiomegaly": 0.5}}
    root = write_phantom(folder / "phantom", seed=100, size=160, valid=150, **options)
    small = f"experiment=demo data=small data.root={root} data.image_size=128 pretrained=false trainer.max_epochs=6"
    (folder / "run").mkdir()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        run(compose("train", [*small.split(), "explainer=[]", "data.num_workers=1"]), folder / "run")
    content, _ = find_shortcuts(chexpert.load(folder / "run"), GradCAM())
    return [pair for pair in content["pairs"] if pair["alarm"]]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_device_tied_to_cardiomegaly_raises_an_alarm(tmp_path):
    alarms = train_and_search(tmp_path, 0.85)
    assert ("Cardiomegaly", "Support Devices") in [(pair["observation"], pair["suspect"]) for pair in alarms]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_independent_device_raises_no_alarm(tmp_path):
    assert train_and_search(tmp_path, 0.5) == []
