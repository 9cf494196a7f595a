"""The step before Hydra: what cannot be run as it is typed is answered with the command that was meant."""

import shlex
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from chexpert.cli.corrections.arguments import Typed, read_words, split_commas
from chexpert.cli.corrections.keys import check_key
from chexpert.cli.corrections.near_names import Answer
from chexpert.cli.corrections.reference import write_reference
from chexpert.cli.corrections.settings import Settings
from chexpert.cli.corrections.values import check_value
from chexpert.errors import UserError, UserErrors
from chexpert.observations import COMPETITION

HELP = {"--help", "-h", "help", "-help", "--h"}


def answer(arguments: Sequence[str], conf: Path) -> list[str] | None:
    """Return the arguments for Hydra; None after the help or the version, which were printed.

    Args:
        arguments: words of the command line, without the name of the program.
        conf: folder of the configs, with train.yaml and a folder for each group.

    Returns:
        Hydra's own options, then the settings, with ``~`` replaced by the home folder as in a shell.

    Raises:
        UserError: the arguments cannot be run as they are typed, or a folder of options cannot be used.
    """
    if "--version" in arguments:
        print(f"chexpert {version('chexpert')}")
        return None
    own = find_own_folder(arguments)
    try:
        settings = Settings(conf, own)
        if HELP & set(arguments):
            print(write_reference(settings))
            return None
        return check(arguments, settings)
    except RecursionError as error:
        hint = "see the defaults of its files"
        message = "options choose each other in a circle"
        raise UserError(message, code="conflict", where=f"--config-dir {own}", hint=hint) from error


def find_own_folder(arguments: Sequence[str]) -> Path | None:
    """Return the folder of ``--config-dir``, None where there is none."""
    options = [option.partition("=") for option in read_words(arguments).options]
    folders = [Path(value) for name, _, value in options if name in ("--config-dir", "-cd") and value]
    return folders[-1] if folders else None


def check(arguments: Sequence[str], settings: Settings) -> list[str]:
    """Check the arguments and return them for Hydra.

    Args:
        arguments: words of the command line, without the name of the program.
        settings: the keys, groups and options that exist.

    Returns:
        Hydra's own options, then the settings, with ``~`` replaced by the home folder.

    Raises:
        UserError: a setting cannot be run as typed; the message has all such settings and the command that was meant.
    """
    typed = read_words(arguments)
    chosen = settings.choose(find_choices(typed, settings))
    answers: list[Answer] = []
    meant: list[str] = []
    for setting, words in typed.settings:
        found = check_setting(setting, words, typed, settings, chosen)
        if found:
            answers.append(found)
            meant += found.meant or []
        else:
            meant.append(expand_home(setting))
    if not answers:
        return [*typed.options, *meant]
    raise make_error(answers, add_mean(meant), typed)


def find_choices(typed: Typed, settings: Settings) -> dict[str, str]:
    """Return the typed options of groups, and the typed classes."""
    pairs = [setting.lstrip("+").partition("=") for setting, _ in typed.settings]
    kept = (*settings.groups, *(f"{group}._target_" for group in settings.groups))
    return {key: value for key, equals, value in pairs if equals and key in kept}


def check_setting(
    setting: str, words: str, typed: Typed, settings: Settings, chosen: dict[str, object]
) -> Answer | None:
    """Return the error of one setting, or of how it was typed."""
    found = find_answer(setting, typed, settings, chosen)
    if found:
        return found._replace(where=words)
    if setting != words or words in typed.torn:
        return Answer("a setting is key=value, and one word for the shell", words, [expand_home(setting)])
    return None


def find_answer(
    setting: str, typed: Typed, settings: Settings, chosen: dict[str, object], depth: int = 3
) -> Answer | None:
    """Return the error of one setting; the settings meant in its place are checked too, since they must run."""
    found = check_key(setting, settings, chosen) or check_value(setting, settings, chosen, sweep=typed.sweep)
    if found is None or not found.meant or not depth or found.meant == [setting]:
        return found
    chosen = chosen | find_choices(Typed([], [(one, one) for one in found.meant], set()), settings)
    sweep = typed if "-m" not in found.meant else typed._replace(options=["-m"])
    meant: list[str] = []
    for one in found.meant:
        inner = None if one == "-m" else find_answer(one, sweep, settings, chosen, depth - 1)
        if inner and inner.meant is None:
            return found._replace(meant=None, hint=f"{one}: {inner.message}; {inner.hint}")
        meant += [expand_home(one)] if inner is None or inner.meant is None else inner.meant
        found = found._replace(hint="\n  or:    ".join(filter(None, [found.hint, inner.hint if inner else ""])))
    return found._replace(meant=meant)


def expand_home(setting: str) -> str:
    """Return a setting with ``~`` replaced, as shells replace it where a word begins with it.

    >>> expand_home("data.root=~nobody-of-this-name/x"), expand_home("~averaging")
    ('data.root=~nobody-of-this-name/x', '~averaging')
    """
    key, equals, value = setting.partition("=")
    parts = [_expand(part) if part.startswith("~") else part for part in split_commas(value)]
    return f"{key}{equals}{','.join(parts)}"


def _expand(path: str) -> str:
    try:
        return str(Path(path).expanduser())
    except RuntimeError:  # nobody of this name
        return path


def add_mean(meant: list[str]) -> list[str]:
    """Add the mean over the same list to the settings if the usual one has observations that are not in it.

    >>> add_mean(["observations=[Edema]", "seed=1"])
    ['observations=[Edema]', 'seed=1', 'mean_over=[Edema]']
    """
    value = dict(one.partition("=")[::2] for one in meant).get("observations", "")
    one_list = value.startswith("[") and len(split_commas(value)) == 1
    if not one_list or any(one.startswith("mean_over=") for one in meant) or all(name in value for name in COMPETITION):
        return meant
    return [*meant, f"mean_over={value}"]


def make_error(answers: Sequence[Answer], meant: Sequence[str], typed: Typed) -> UserError:
    """Return one error: each answer with its own hint, and the whole command where it is clear."""
    clear = all(answer.meant is not None for answer in answers)
    sweep = any(word == "-m" for word in meant)
    words = [*(["-m"] if sweep and not typed.sweep else []), *typed.options, *(w for w in meant if w != "-m")]
    command = shlex.join(["chexpert", "train", *words])
    if len(answers) == 1:
        first = answers[0]
        lines = [command if clear else "", first.hint or ("" if clear else "chexpert train --help")]
        return UserError(
            first.message, code=first.code, where=first.where, hint="\n  or:    ".join(filter(None, lines))
        )
    errors = [
        UserError(one.message, code=one.code, where=one.where, hint=one.hint if one.meant is None else _join(one))
        for one in answers
    ]
    whole = f"\nall of it: {command}" if clear else ""
    return UserErrors(errors, end=whole)


def _join(answer: Answer) -> str:
    return shlex.join(answer.meant) if answer.meant else "leave it out" if answer.meant == [] else "see --help"
