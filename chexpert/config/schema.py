"""The schema of the top level: a key that is not here is refused."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf

GROUP_KEYS = (
    "data",
    "labels",
    "backbone",
    "model",
    "loss",
    "optimizer",
    "scheduler",
    "averaging",
    "distill",
    "trainer",
    "explainer",
    "logger",
)
"""Top-level keys that a config group fills."""

LISTED = ("explainer", "logger")
"""Those of which several options are chosen at once, each a node of its own name."""


OPTIONAL = ("averaging", "distill")
"""Those that may be null."""


@dataclass
class ExplainConfig:
    """Which views and observations are explained after fitting."""

    views: list[str] | None = None
    count: int = 4
    top: int = 3
    observations: Any = None
    masks: Any = None
    score: int = 32
    passes: int = 5000
    minutes: Any = "auto"


@dataclass
class Config:
    """The top level of train.yaml; a key that is not here is refused."""

    name: str = MISSING
    seed: int = MISSING
    observations: Any = MISSING
    mean_over: Any = MISSING
    pretrained: Any = MISSING
    start_from: str | None = None
    channels_last: bool = MISSING
    backbone_lr_factor: float = MISSING
    layer_decay: float | None = None
    unfreeze_epoch: int = MISSING
    compile: bool = MISSING
    features: str | None = None
    early_stopping: int | None = None
    level: str = MISSING
    study_score: str = MISSING
    predict_train: bool = MISSING
    calibration: str | None = None
    thresholds: Any = MISSING
    gate: str | None = None
    tta: Any = None
    resume: str | None = None
    save_every_n_minutes: float = MISSING
    save_top_k: int = MISSING
    save_every_n_steps: int | None = None
    recipe: Any = None
    trial: Any = None
    explain: ExplainConfig = field(default_factory=ExplainConfig)
    data: Any = field(default_factory=dict)
    labels: Any = field(default_factory=dict)
    backbone: Any = field(default_factory=dict)
    model: Any = field(default_factory=dict)
    loss: Any = field(default_factory=dict)
    optimizer: Any = field(default_factory=dict)
    scheduler: Any = field(default_factory=dict)
    averaging: Any = field(default_factory=dict)
    distill: Any = field(default_factory=dict)
    trainer: Any = field(default_factory=dict)
    explainer: Any = field(default_factory=dict)
    logger: Any = field(default_factory=dict)


def make_schema() -> DictConfig:
    """Return the schema, open below each group: there the Python signatures define which keys exist.

    So ``data.batch_size=8`` needs no ``+`` although YAML does not restate the default, and :func:`validate_args`
    reports ``data.batch_sise=8``.
    """
    schema = OmegaConf.structured(Config)
    for group in GROUP_KEYS:
        OmegaConf.set_struct(schema[group], False)
    return schema
