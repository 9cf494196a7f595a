"""Values that are typed: options of groups, ``none``, nothing at all, several of them, and what is no number."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from chexpert.cli.arguments import close_brackets, split_commas, walk_values
from chexpert.cli.near_names import Answer, find_near
from chexpert.cli.settings import Settings, list_networks
from chexpert.cli.sources import Argument
from chexpert.observations import OBSERVATIONS
from chexpert.runs.config_keys import RENAMED, flatten

NONE = ("none", "None", "NONE", "nil", "Null_")
NOTHING = {"pretrained": "false", "data.test": "false", "calibration": "null", "explainer": "[]"}
"""Words for none, where the default or annotation does not say that it is null."""
LISTS = ("observations", "mean_over", "explain.views", "explain.observations", "trainer.devices", "labels.uncertain")
FILES = ("data.root", "data.test", "data.manifest", "labels.predictions", "start_from", "pretrained", "explain.masks")
"""Settings that name what must be there."""
READ_BY_HYDRA = re.compile(r"""^\s*(?:[\[{'"]|\$\{|\w+\()""")


def check_value(setting: str, settings: Settings, chosen: Mapping[str, object], *, sweep: bool) -> Answer | None:
    """Return the error of the value of a setting whose key is known."""
    key, _, value = setting.partition("=")
    plain = key.lstrip("+")
    group = plain.partition("@")[0]
    if key.startswith("~") or plain.startswith("hydra"):
        return None
    if value.strip() in ("", "''", '""'):
        found = _find_setting(plain, settings)
        none = NOTHING.get(plain) or ("null" if found and _can_be_null(found) else "")
        hint = f"{plain}=..." + f", or {plain}={none} for none" * bool(none)
        return Answer("an empty value: a variable that is not set?", hint=hint)
    closed = close_brackets(value)
    if closed != value and (READ_BY_HYDRA.match(value) or value.endswith(("]", "}"))):
        return Answer("brackets or quotes that do not match", meant=[f"{key}={closed}"])
    checks = [
        _check_several(key, value, settings, sweep),
        _check_group(key, group, value, settings) if group in settings.groups else None,
        _check_none(key, value, group, settings),
        _check_kind(plain, key, value, settings, chosen),
    ]
    return next(filter(None, checks), None)


def _can_be_null(found: Argument) -> bool:
    return found.default in ("null", "None") or "None" in found.annotation


def _check_several(key: str, value: str, settings: Settings, sweep: bool) -> Answer | None:
    """Values between commas, which is a sweep."""
    if re.fullmatch(r"\(.*,.*\)", value):
        return Answer("a list stands in square brackets", meant=[f"{key}=[{value[1:-1]}]"])
    parts = split_commas(value)
    if len(parts) == 1 or re.match(r"\w+\(", value) or ("/" in value and Path(value).exists()):
        return None
    if not all(part.strip() for part in parts):
        kept = ",".join(part for part in parts if part.strip())
        return Answer("a comma too many", meant=[f"{key}={kept}"])
    if re.fullmatch(r"0,0\d+" if sweep else r"0,\d+", value) and _is_fraction(key, settings):
        return Answer("decimals stand behind a point", meant=[f"{key}={value.replace(',', '.')}"])
    if sweep:
        return None
    if key in ("observations", "mean_over", "explain.observations"):
        parts = [next((name for name in OBSERVATIONS if name.lower() == one.strip().lower()), one) for one in parts]
    listed = f"{key}=[{','.join(part.strip() for part in parts)}]"
    if key in LISTS or key == "explainer" or _is_list(key, settings):
        return Answer("a list stands in square brackets", meant=[listed])
    if (
        key.lstrip("+") in FILES
        and "/" in value
        and not all(part.startswith("/") or Path(part).exists() for part in parts)
    ):
        hint = f"a path that is there; several are a sweep, each whole: -m {key}=/A,/B"
        return Answer(f"no such file or folder: {value}", hint=hint)
    return Answer("several values are a sweep, which is asked for by -m", meant=["-m", f"{key}={value}"])


def _is_fraction(key: str, settings: Settings) -> bool:
    """Whether a key is a number that need not be whole."""
    found = _find_setting(key, settings)
    return found is not None and is_number(found.default) and not found.default.lstrip("-").isdigit()


def _is_list(key: str, settings: Settings) -> bool:
    found = find_argument(key, settings)
    return found is not None and (
        found.default.startswith(("(", "[")) or bool(re.match("(?i)tuple|list", found.annotation))
    )


def _find_setting(key: str, settings: Settings) -> Argument | None:
    """A key of the config itself, or the argument of a class that it sets."""
    return settings.top.get(key) or find_argument(key, settings)


def find_argument(key: str, settings: Settings) -> Argument | None:
    """Return the argument of a class that a dotted key sets, of the first option that has it."""
    group, _, name = key.partition(".")
    if group == "explainer":
        explainer, _, name = name.partition(".")
        return settings.list_keys(group, explainer).get(name)
    options = settings.find_options(group, name) if name else []
    return settings.list_keys(group, options[0]).get(name) if options else None


def _check_group(key: str, group: str, value: str, settings: Settings) -> Answer | None:
    """The options that are chosen from a group."""
    wrong = [word for word in _list_options(value) if word not in settings.groups[group]]
    if not wrong:
        return _check_recipes(value, settings) if group == "experiment" else None
    if group == "explainer" and value.strip("[]").lower() in ("none", "null", "false", "no", "off", "0"):
        return Answer("no explainers are an empty list", meant=[f"{key}=[]"])
    if len(wrong) > 1 or "@" in key or group != key.lstrip("+"):
        near = [name for word in wrong for name in find_near(word, settings.groups[group])[:1]]
        return Answer(
            _describe(wrong, group), hint="did you mean " + ", ".join(near) if near else _list(group, settings)
        )
    return _find_option(group, wrong[0], value, settings)


def _check_recipes(value: str, settings: Settings) -> Answer | None:
    """Recipes with keys that were renamed; Hydra would only print that there is no such key."""
    for name in (one for chosen in _list_options(value) for one in settings.list_inherited(chosen)):
        if old := [key for key in flatten(settings.read_option("experiment", name)) if key in RENAMED]:
            hint = ", ".join(f"{key} is now {RENAMED[key]}" for key in old)
            return Answer(f"conf/experiment/{name}.yaml has keys that were renamed", hint=hint)
    return None


def _list_options(value: str) -> Iterator[str]:
    for word in walk_values(value):
        yield from (part.strip(" '\"") for part in split_commas(word.strip("[]")) if part.strip())


def _describe(words: list[str], group: str) -> str:
    return f"no option of {group}: {', '.join(words)}"


def _list(group: str, settings: Settings) -> str:
    return f"{group}= one of {', '.join(settings.groups[group])}" + "; any timm name: backbone.name=..." * (
        group == "backbone"
    )


def _find_option(group: str, word: str, value: str, settings: Settings) -> Answer:
    """The option that was meant by a word that is none of the group."""
    message, options = _describe([word], group), settings.groups[group]
    alone = value.strip() == word
    if word.lower() in ("none", "null", "no", "off", "false"):
        nothing = {"averaging": [], "experiment": [], "scheduler": ["scheduler=constant"]}  # Hydra takes no null here
        return Answer(message, meant=nothing.get(group), hint="" if group in nothing else _list(group, settings))
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
    return Answer(message, hint=_list(group, settings))


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
    return Answer(message, hint=_list(group, settings))


def _check_none(key: str, value: str, group: str, settings: Settings) -> Answer | None:
    """``None`` is a word; nothing is null."""
    if value.strip() not in NONE or group in settings.groups:
        return None
    return Answer(f"{value} is a word here; nothing is null", meant=[f"{key}=null"])


def _check_kind(plain: str, key: str, value: str, settings: Settings, chosen: Mapping[str, object]) -> Answer | None:
    """Words where numbers, or true and false, are meant; a list where rules by observation stand."""
    if plain == "labels.uncertain" and value.startswith("["):
        return _check_bounds(value, settings, chosen)
    if plain in ("observations", "mean_over", "explain.observations") and re.fullmatch(r"[A-Z][A-Za-z ]+", value):
        return Answer("a list of names, or competition, or all", meant=[f"{key}=[{value}]"])
    if plain == "resume" and value.lower() in ("true", "yes", "on", "last"):
        return Answer("auto, or the folder of a run or sweep", meant=[f"{key}=auto"])
    if plain == "backbone.name":
        return _check_network(value, settings)
    found = _find_setting(plain, settings)
    if found is None or READ_BY_HYDRA.match(value):
        return None
    if plain == "early_stopping" and value.lower() in ("true", "yes", "on"):
        return Answer("epochs without a better metric, or null", hint="early_stopping=5")
    if plain == "data.test" and value.lower() in ("yes", "no", "on", "off"):
        meant = "false" if value.lower() in ("no", "off") else "true"
        return Answer("true, false, or a folder", meant=[f"{key}={meant}"])
    if plain == "pretrained" and value.lower() in ("yes", "no", "on", "off", "imagenet"):
        meant = "false" if value.lower() in ("no", "off") else "true"
        return Answer("true, false, or the path of a file", meant=[f"{key}={meant}"])
    kind = "number" if is_number(found.default) else "truth" if found.default.lower() in ("true", "false") else ""
    for word in walk_values(value):
        if kind == "truth" and "str" not in found.annotation and word.lower() in ("yes", "on", "no", "off"):
            meant = "true" if word.lower() in ("yes", "on") else "false"
            return Answer("true or false", meant=[f"{key}={value.replace(word, meant)}"])
        if kind == "number" and not re.search("str", found.annotation) and not is_number(word) and word != "null":
            return Answer(f"a number is needed: {word!r}", hint=f"a number, such as {plain}={found.default}")
    return None


def is_number(text: str) -> bool:
    """Return whether a text is a number, as Hydra reads it.

    >>> is_number("1e-3"), is_number("inf"), is_number("high"), is_number("True")
    (True, True, False, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_bounds(value: str, settings: Settings, chosen: Mapping[str, object]) -> Answer | None:
    node = settings.read_option("labels", str(chosen.get("labels")))
    if not isinstance(node.get("uncertain"), dict):
        return None
    message = f"labels={chosen['labels']} has rules by observation, and these are bounds of one rule"
    return Answer(
        message,
        meant=None,
        hint=f"labels=lsr 'labels.uncertain={value}'; beside the others: 'labels.uncertain={{default: {value}}}'",
    )


def _check_network(value: str, settings: Settings) -> Answer | None:
    networks = list_networks()
    for word in walk_values(value):
        base = word.partition(".")[0]
        if not re.fullmatch(r"\w+", base) or base in networks or not networks:
            continue
        near = find_near(base, networks)
        meant = [f"backbone.name={value.replace(word, near[0])}"] if near else None
        also = f"{', '.join(near[1:])}" if near[1:] else ""
        return Answer(f"timm has no model {word!r}", meant=meant, hint=also)
    return None
