"""From labels {1, 0, -1, blank} to targets: rules by observation, the hierarchy, self-training."""

from chexpert.data.labels.policy import LabelPolicy, find_scarce, hard_labels
from chexpert.data.labels.targets import RandomTargets, Targets, mask_unlabeled

__all__ = ["LabelPolicy", "RandomTargets", "Targets", "find_scarce", "hard_labels", "mask_unlabeled"]
