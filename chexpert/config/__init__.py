"""The schema of the top level, and everything that can be wrong with a config before data or weights are read."""

from hydra.core.config_store import ConfigStore

from chexpert.config.allowed_targets import PARTIAL, TARGET, check_targets, find_target, walk
from chexpert.config.checks import (
    CALIBRATIONS,
    GROUPS,
    LEVELS,
    STUDY_SCORES,
    find_checkpoint,
    find_explain_errors,
    validate_args,
    write_list,
)
from chexpert.config.compose_run import ComposedRun, compose_run, raising_hydra_errors
from chexpert.config.hydra_callbacks import SweepTable
from chexpert.config.instantiate import build, raising_build_errors
from chexpert.config.recipe import compose_recipe
from chexpert.config.resolution import find_notices, resolve
from chexpert.config.run_folder import RunFolder, find_config_dir, list_typed, repeat
from chexpert.config.schema import ExplainConfig, make_schema
from chexpert.config.training_checks import LIMITS, find_backbones
from chexpert.config.unknown_key import unknown_key_error
from chexpert.sweep import register

__all__ = [
    "CALIBRATIONS",
    "GROUPS",
    "LEVELS",
    "LIMITS",
    "PARTIAL",
    "STUDY_SCORES",
    "TARGET",
    "ComposedRun",
    "ExplainConfig",
    "RunFolder",
    "SweepTable",
    "build",
    "check_targets",
    "compose_recipe",
    "compose_run",
    "find_backbones",
    "find_checkpoint",
    "find_config_dir",
    "find_explain_errors",
    "find_notices",
    "find_target",
    "list_typed",
    "raising_build_errors",
    "raising_hydra_errors",
    "repeat",
    "resolve",
    "unknown_key_error",
    "validate_args",
    "walk",
    "write_list",
]

register()
ConfigStore.instance().store(name="schema", node=make_schema())
