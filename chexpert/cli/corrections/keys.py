"""Keys that are typed: those of this project, those of others, and near ones."""

import re
from collections.abc import Mapping

from chexpert.cli.corrections.names import PLAIN, find_name, normalize, translate
from chexpert.cli.corrections.near_names import Answer, find_near
from chexpert.cli.corrections.settings import LISTED, Settings, list_networks
from chexpert.cli.corrections.sources import is_installed
from chexpert.errors import advise_extra
from chexpert.runs.config_keys import RENAMED

KEY = re.compile(r"(?P<sign>[+~]{0,2})(?P<key>[^=]*)(?P<equals>=?)(?P<value>.*)", re.DOTALL)
PLUGINS = {
    **dict.fromkeys(("local", "joblib"), ("hydra_plugins.hydra_joblib_launcher", "sweep")),
    **dict.fromkeys(
        ("slurm", "slurm_local", "submitit_slurm", "submitit_local"), ("hydra_plugins.hydra_submitit_launcher", "slurm")
    ),
    "optuna": ("optuna", "sweep"),
}
"""The module that each launcher and sweeper needs, and the extra that installs it."""
OPEN = ("_target_", "_partial_", "_recursive_", "_convert_")


def check_key(setting: str, settings: Settings, chosen: Mapping[str, object]) -> Answer | None:
    """Return the error of the key of a setting, None if no error is found here."""
    match = KEY.fullmatch(setting)
    assert match
    sign, key, equals, value = match.groups()
    if key in RENAMED:
        return Answer(
            f"{key} was renamed to {RENAMED[key]}", meant=[f"{sign}{RENAMED[key]}{equals}{value}"], code="renamed-key"
        )
    if setting == "-m":
        return Answer("a sweep is asked for by -m", meant=["-m"])
    if key in ("hydra/launcher", "hydra/sweeper"):
        return _check_plugin(key, value)
    if sign == "~" or key.startswith("hydra") or "@" in key:
        return None
    if not equals:
        return _check_word(setting, settings)
    if key in settings.groups or key in settings.top or key == "explain":
        plus = sign and key in settings.top
        return Answer("this key is there, and takes no +", meant=[f"{key}={value}"]) if plus else None
    if key == "trial":
        return None
    return (_check_inner if "." in key else _check_flat)(key, value, settings, chosen)


def _check_plugin(key: str, name: str) -> Answer | None:
    """A launcher or sweeper that has to be installed first; Hydra itself would list those that are."""
    if name not in PLUGINS:
        near = find_near(name, PLUGINS)
        return Answer(f"no {key} of this name", meant=[f"{key}={near[0]}"]) if near and name != "basic" else None
    module, extra = PLUGINS[name]
    return None if is_installed(module) else Answer(f"{key}={name} is not installed", hint=advise_extra(extra))


def _check_word(word: str, settings: Settings) -> Answer | None:
    """A word without a value."""
    groups = [group for group, options in settings.groups.items() if word in options]
    message = "a setting is key=value"
    if word in ("train", "fit", "run"):
        return Answer(f"{message}; chexpert train trains", meant=[])
    if len(groups) == 1 or "backbone" in groups:
        return Answer(message, meant=[f"{'backbone' if 'backbone' in groups else groups[0]}={word}"])
    if groups:
        return Answer(message, hint=" or ".join(f"{group}={word}" for group in groups))
    if word in list_networks():
        return Answer(message, meant=[f"backbone.name={word}"])
    if "/" in word:
        return Answer(
            message, hint=f"data.root={word}, resume={word} (a run to resume) or start_from={word} (its weights)"
        )
    near = find_near(word, [*settings.groups, *settings.top])
    return Answer(message, hint=f"{near[0]}=..." if near else "chexpert train --help")


def _check_flat(key: str, value: str, settings: Settings, chosen: Mapping[str, object]) -> Answer:
    """A key of the top level that is not there."""
    message = f"unknown key {key!r}"
    target = find_name(key)
    if target:
        return _translate(message, key, target, value, settings)
    places = [
        f"{group}.{key}" for group in settings.groups if group not in LISTED and settings.find_options(group, key)
    ]
    places += [name for name in settings.top if name.endswith(f".{key}")]
    fitting = [
        place
        for place in places
        if key in settings.list_keys(place.partition(".")[0], str(chosen.get(place.partition(".")[0])))
    ]
    places = fitting or places
    if len(places) == 1:
        group = places[0].partition(".")[0]
        beside = [] if fitting or group in ("explain",) else [f"{group}={settings.find_options(group, key)[0]}"]
        return Answer(message, meant=[*beside, f"{places[0]}={value}"])
    if places:
        return Answer(message, hint=" or ".join(f"{place}={value}" for place in places))
    near = find_near(key, [*settings.groups, *(name for name in settings.top if "." not in name)], 0.7)
    if near:
        return Answer(message, meant=[f"{near[0]}={value}"])
    if other := find_near(normalize(key), (name for name in PLAIN if len(name) > 3), 0.75):
        target = find_name(other[0])
        assert target
        return _translate(message, other[0], target, value, settings)
    return Answer(message, hint="chexpert train --help lists all keys")


def _translate(message: str, key: str, target: str, value: str, settings: Settings) -> Answer:
    meant = translate(key, target, value)
    hint = "" if meant else _hint_of(target, settings)
    return Answer(message, meant=meant, hint=hint)


def _hint_of(target: str, settings: Settings) -> str:
    if target == "scheduler.warmup":
        return "scheduler=warmup_cosine scheduler.warmup=0.05: a share of all steps"
    if target == "trainer.max_epochs":
        return f"{target}=... counts epochs; less than one: trainer.limit_train_batches=..."
    if target in settings.groups:
        return f"{target}= one of {', '.join(settings.groups[target])}"
    return f"{target}=..."


def _check_inner(key: str, value: str, settings: Settings, chosen: Mapping[str, object]) -> Answer | None:
    """A key with a dot."""
    message = f"unknown key {key!r}"
    first, _, rest = key.partition(".")
    groups = [*settings.groups, "explain"]
    if first not in groups:
        target = find_name(first) if find_name(first) in groups else None
        near = [target] if target else find_near(first, groups, 0.7)
        if not near:
            return Answer(message, hint="groups are " + ", ".join(groups))
        return Answer(message, meant=[f"{near[0]}.{rest}={value}"])
    name, _, inner = rest.partition(".")
    if first == "labels" and " " in rest:
        return Answer("a key has no space", meant=[f"labels.{name}={{{inner}: {value}}}"])
    if first in (*LISTED, "experiment", "model") or name in OPEN or f"{first}._target_" in chosen:
        return None  # whose classes say themselves what is wrong
    if options := settings.find_options(first, name):
        return _check_chosen(first, name, rest, value, options, settings, chosen)
    open_ended = any(settings.takes_any(first, option) for option in settings.list_nodes(first)) and first != "loss"
    return None if open_ended or key == "labels.default" else _find_inner(message, first, rest, value, settings)


def _find_inner(message: str, group: str, key: str, value: str, settings: Settings) -> Answer:
    """The key that was meant by an unknown one of a group."""
    target = find_name(key)
    if target and target.startswith(f"{group}."):
        return Answer(message, meant=translate(key, target, value))
    known = {name for option in settings.list_nodes(group) for name in settings.list_keys(group, option)}
    known |= {name.removeprefix("explain.") for name in settings.top if name.startswith(f"{group}.")}
    if near := find_near(key, known):
        return Answer(message, meant=[f"{group}.{near[0]}={value}"])
    if target:
        return _translate(message, key, target, value, settings)
    return Answer(message, hint=f"known are {', '.join(sorted(known))}")


def _check_chosen(
    group: str, key: str, rest: str, value: str, options: list[str], settings: Settings, chosen: Mapping[str, object]
) -> Answer | None:
    """A key of another option than the one that is chosen."""
    option = chosen.get(group)
    if option is None:
        shown = "|".join(options)
        meant = [f"{group}={options[0]}", f"{group}.{rest}={value}"] if len(options) == 1 else None
        return Answer(f"no {group} is chosen", meant=meant, hint="" if meant else f"choose one: {group}={shown}")
    if option not in settings.list_nodes(group) or option in options or settings.takes_any(group, str(option)):
        return None
    message = f"{group}={option} has no {key}"
    if len(options) == 1:
        return Answer(message, meant=[f"{group}={options[0]}", f"{group}.{rest}={value}"])
    return Answer(message, hint=f"it is of {group}=" + f", {group}=".join(options))
