"""The options of a group on the command line: what was probably meant by one that is not there."""

import re
from collections.abc import Iterator

from chexpert.cli.corrections.arguments import split_commas, walk_values
from chexpert.cli.corrections.near_names import Answer, find_near
from chexpert.cli.corrections.settings import LISTED, Settings, list_networks
from chexpert.runs.config_keys import RENAMED, flatten


def check_group(key: str, group: str, value: str, settings: Settings) -> Answer | None:
    """The options that are chosen from a group."""
    wrong = [word for word in _list_options(value) if word not in settings.groups[group]]
    if not wrong:
        return _check_recipes(value, settings) if group == "experiment" else None
    if group in LISTED and value.strip("[]").lower() in ("none", "null", "false", "no", "off", "0"):
        return Answer(f"no {group} is an empty list", meant=[f"{key}=[]"])
    if len(wrong) > 1 or "@" in key or group != key.lstrip("+"):
        near = [name for word in wrong for name in find_near(word, settings.groups[group])[:1]]
        return Answer(
            _describe_unknown(wrong, group),
            hint="did you mean " + ", ".join(near) if near else _list_known(group, settings),
        )
    return _find_option(group, wrong[0], value, settings)


def _check_recipes(value: str, settings: Settings) -> Answer | None:
    """Recipes with keys that were renamed; Hydra would only print that there is no such key."""
    for name in (one for chosen in _list_options(value) for one in settings.list_inherited(chosen)):
        if old := [key for key in flatten(settings.read_option("experiment", name)) if key in RENAMED]:
            hint = ", ".join(f"{key} is now {RENAMED[key]}" for key in old)
            return Answer(f"conf/experiment/{name}.yaml has keys that were renamed", hint=hint, code="renamed-key")
    return None


def _list_options(value: str) -> Iterator[str]:
    for word in walk_values(value):
        yield from (part.strip(" '\"") for part in split_commas(word.strip("[]")) if part.strip())


def _describe_unknown(words: list[str], group: str) -> str:
    return f"no option of {group}: {', '.join(words)}"


def _list_known(group: str, settings: Settings) -> str:
    if group in LISTED:
        usual = settings.defaults[group]
        shown = ",".join([*usual, *(name for name in settings.groups[group] if name not in usual)][:2])
        return f"one or more of {', '.join(settings.groups[group])}: {group}=[{shown}]"
    return f"{group}= one of {', '.join(settings.groups[group])}" + "; any timm name: backbone.name=..." * (
        group == "backbone"
    )


def _find_option(group: str, word: str, value: str, settings: Settings) -> Answer:
    """The option that was meant by a word that is none of the group."""
    message, options = _describe_unknown([word], group), settings.groups[group]
    alone = value.strip() == word
    if word.lower() in ("none", "null", "no", "off", "false"):
        nothing = {"averaging": [], "experiment": [], "scheduler": ["scheduler=constant"]}  # Hydra takes no null here
        return Answer(message, meant=nothing.get(group), hint="" if group in nothing else _list_known(group, settings))
    if (group, word.lower()) == ("trainer", "cuda"):
        return Answer(message, meant=["trainer=gpu"])
    same = [
        option for option in options if _shorten(option) == _shorten(word) or _has_class(group, option, word, settings)
    ]
    other = [name for name, known in settings.groups.items() if word in known and name != group]
    near = same[:1] or ([] if other else find_near(word, options))
    if near:
        hint = "any timm name: backbone.name=..." if group == "backbone" else ""
        also = f"{', '.join(near[1:])}" if near[1:] else ""
        if group in ("backbone", "model") and word in list_networks():
            return Answer(message, meant=[f"backbone.name={word}"])
        return Answer(
            message, meant=[f"{group}={value.replace(word, near[0])}"], hint="; ".join(filter(None, [also, hint]))
        )
    if other and alone:
        return Answer(message, meant=[f"{other[0]}={word}"], hint=_also(word, options))
    if group == "data" and alone and "/" in word:
        return Answer(message, meant=["data=chexpert", f"data.root={word}"])
    if group in ("backbone", "model", "experiment") and alone:
        return _find_network(group, message, word, settings)
    return Answer(message, hint=_list_known(group, settings))


def _also(word: str, options: list[str]) -> str:
    near = find_near(word, options)
    return f"the option {near[0]}" if near else ""


def _shorten(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _has_class(group: str, option: str, word: str, settings: Settings) -> bool:
    """Whether a word is the class of an option, as torch calls it."""
    target = str(settings.list_nodes(group).get(option, {}).get("_target_", ""))
    return group not in ("backbone", "data", "labels", "trainer") and target.rpartition(".")[2].lower() == word.lower()


def _find_network(group: str, message: str, word: str, settings: Settings) -> Answer:
    networks = list_networks()
    if word in networks or word.startswith(("timm/", "hf-hub:", "hf_hub:")) or word.partition(".")[0] in networks:
        return Answer(message, meant=[f"backbone.name={word}"])
    if near := find_near(word, settings.groups["backbone"]):
        return Answer(message, meant=[f"backbone={near[0]}"], hint="any timm name: backbone.name=...")
    if near := find_near(word, networks):
        return Answer(message, meant=[f"backbone.name={near[0]}"])
    return Answer(message, hint=_list_known(group, settings))
