"""The schema of the top level, and everything that can be wrong with a config before data or weights are read."""

from hydra.core.config_store import ConfigStore

from chexpert.config.folder import RunFolder
from chexpert.config.problems import CALIBRATIONS, GROUPS, LEVELS, STUDY_SCORES, find_explain_problems, find_problems
from chexpert.config.resolving import find_notices, resolve
from chexpert.config.schema import ExplainConfig, make_schema
from chexpert.config.targets import check_targets

__all__ = [
    "CALIBRATIONS",
    "GROUPS",
    "LEVELS",
    "STUDY_SCORES",
    "ExplainConfig",
    "RunFolder",
    "check_targets",
    "find_explain_problems",
    "find_notices",
    "find_problems",
    "resolve",
]

ConfigStore.instance().store(name="schema", node=make_schema())
