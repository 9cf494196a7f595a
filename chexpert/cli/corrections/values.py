"""Values on the command line: ``none``, nothing at all, several of them, and what is no number."""

import re
from collections.abc import Mapping
from pathlib import Path

from chexpert.cli.corrections.arguments import close_brackets, split_commas, walk_values
from chexpert.cli.corrections.near_names import Answer, find_near
from chexpert.cli.corrections.options import check_group
from chexpert.cli.corrections.settings import LISTED, Settings, list_networks
from chexpert.cli.corrections.sources import Argument
from chexpert.observations import OBSERVATIONS

NONE = ("none", "None", "NONE", "nil", "Null_")
NOTHING = {"pretrained": "false", "data.test": "false", "calibration": "null", "explainer": "[]", "logger": "[]"}
"""Words for none, where the default or annotation does not say that it is null."""
LISTS = ("observations", "mean_over", "explain.views", "explain.observations", "trainer.devices", "labels.uncertain")
FILES = (
    "data.root", "data.test", "data.manifest", "labels.file", "labels.predictions", "start_from", "pretrained",
    "explain.masks",
)  # fmt: skip
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
        check_group(key, group, value, settings) if group in settings.groups else None,
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
    if key in (*LISTS, *LISTED) or _is_list(key, settings):
        return Answer("a list stands in square brackets", meant=[listed])
    if "Sequence" in _get_annotation(key, settings):  # one value or several
        return Answer("a list stands in square brackets", hint=f"{listed}; values of a sweep: -m {key}={value}")
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


def _get_annotation(key: str, settings: Settings) -> str:
    found = find_argument(key, settings)
    return found.annotation if found else ""


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
    if group in LISTED:
        option, _, name = name.partition(".")
        return settings.list_keys(group, option).get(name)
    options = settings.find_options(group, name) if name else []
    return settings.list_keys(group, options[0]).get(name) if options else None


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
        return Answer("true, false, a name of chexpert weights list, or the path of a file", meant=[f"{key}={meant}"])
    if plain == "data.image_size" and (sides := re.fullmatch(r"(\d+)\s*[xX*]\s*(\d+)", value)):
        return Answer("height and width stand in square brackets", meant=[f"{key}=[{sides[1]},{sides[2]}]"])
    kind = "number" if is_number(found.default) else "truth" if found.default.lower() in ("true", "false") else ""
    for word in walk_values(value):
        if READ_BY_HYDRA.match(word):  # one of several, as in 224,[384,320]
            continue
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
