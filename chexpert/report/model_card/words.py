"""What a reader of the field calls the parts of a training, in the place of their classes and keys."""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.report.names import hide_value
from chexpert.runs.config_keys import flatten

CLASSES = {
    "Single": "one network with a linear classifier on its pooled features",
    "Combined": "several networks whose pooled features are joined before one linear classifier",
    "Probe": "a classifier on the pooled features of frozen networks",
    "Augmentation": "random changes of each training image",
    "MaskedBCE": "binary cross-entropy over the labels that are not left out",
    "WeightedBCE": "binary cross-entropy weighted by class frequency, over the labels that are not left out",
    "FocalLoss": "focal loss",
    "AsymmetricLoss": "asymmetric loss",
    "AUCMarginLoss": "AUC margin loss",
    "Adam": "Adam",
    "AdamW": "AdamW",
    "SGD": "stochastic gradient descent",
    "PESG": "PESG, the optimizer of the AUC margin loss",
    "ConstantLR": "constant learning rate",
    "CosineAnnealingLR": "cosine decay",
    "OneCycle": "one-cycle learning rate",
    "ReduceLROnPlateau": "lower learning rate whenever the validation metric stays",
    "StepLR": "lower learning rate by steps",
    "WarmupCosine": "linear warm-up, then cosine decay",
    "EMA": "exponential moving average of the weights",
    "SWA": "stochastic weight averaging",
}
"""By class name: of every class that the files of conf/ can choose here."""
TITLES = {
    "loss": "Loss",
    "optimizer": "Optimizer",
    "scheduler": "Learning rate schedule",
    "averaging": "Weight averaging",
    "data.batch_size": "Batch size",
    "data.augmentation": "Augmentation",
    "data.dev": "Share of patients held out to choose the epoch",
    "data.folds": "Folds of the patients",
    "data.fold": "Fold held out, from 0 on",
    "trainer.max_epochs": "Epochs, at most",
    "trainer.precision": "Numbers",
    "backbone_lr_factor": "Learning rate of the backbone, relative to the classifier",
    "layer_decay": "Decay of the learning rate from layer to layer",
    "unfreeze_epoch": "Epochs of training the classifier alone",
    "early_stopping": "Epochs without improvement until training stops",
    "seed": "Seed",
}
"""By key of the config: the settings that the card lists. The other ones stand in the run's config.yaml."""
PRECISIONS = {"32-true": "32 bits", "32": "32 bits", "16-mixed": "16 and 32 bits", "bf16-mixed": "bfloat16 and 32 bits"}
PARAMETERS = {"lr": "learning rate", "max_lr": "highest learning rate"}
NOTHING: tuple[Any, ...] = (None, {}, [])


def name_class(node: Any) -> str:
    """Return what a class of the config is called; one's own by its class name, since its module is private."""
    name = str(node.get("_target_", "")).rpartition(".")[2] if isinstance(node, Mapping) else ""
    return CLASSES.get(name, name)


def list_settings(config: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield name and value of the settings of the training, where the run has them."""
    for key, title in TITLES.items():
        node: Any = config
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        if node not in NOTHING:
            yield title, _describe(key, node)


def _describe(key: str, node: Any) -> str:
    if not isinstance(node, Mapping):
        return PRECISIONS.get(str(node), str(hide_value(key, node)))
    flat = {name: value for name, value in flatten(node).items() if not name.rpartition(".")[2].startswith("_")}
    given = [f"{PARAMETERS.get(name, name.replace('_', ' '))} {hide_value(f'{key}.{name}', value)}"
             for name, value in flat.items() if value not in NOTHING]  # fmt: skip
    return "; ".join(filter(None, (name_class(node), ", ".join(given))))
