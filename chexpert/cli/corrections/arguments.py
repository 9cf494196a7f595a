"""From what the shell hands over to Hydra's options and to ``key=value``, with what a space has torn apart joined."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

SINGLE_PROCESS = (
    "--hydra-help",
    "--version",
    "--resolve",
    "--run",
    "-r",
    "--multirun",
    "-m",
    "--shell-completion",
    "-sc",
)
WITH_VALUE = ("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-dir", "-cd", "--experimental-rerun")
CHOSEN = ("--config-name", "-cn")
SWEEP = ("-m", "--multirun")
QUOTES = ("'", '"')
CLOSING = {"(": ")", "[": "]", "{": "}", "'": "'", '"': '"'}
MEANT_SWEEP = ("-multirun", "--sweep", "--multi-run", "--multi_run", "--multi", "-M", "-sweep")


class Typed(NamedTuple):
    """What was typed: Hydra's own options, and the settings as they were meant, each with the words it stood in.

    Attributes:
        options: Hydra's, each one word.
        settings: each with its words.
        torn: those words that the shell has taken for several.
    """

    options: list[str]
    settings: list[tuple[str, str]]
    torn: set[str]

    @property
    def sweep(self) -> bool:
        """Whether several jobs are asked for."""
        return bool(set(SWEEP) & set(self.options))


def read_words(arguments: Sequence[str]) -> Typed:
    """Sort the typed words; a setting that differs from its words was not typed as Hydra wants it.

    >>> read_words(["-m", "labels=zeros,", "ones", "--epochs", "3", "lr", "=", "1"]).settings
    [('labels=zeros,ones', 'labels=zeros, ones'), ('epochs=3', '--epochs 3'), ('lr=1', 'lr = 1')]
    """
    options: list[str] = []
    settings: list[tuple[str, str]] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        name, _, value = word.partition("=")
        if word in MEANT_SWEEP:
            settings.append(("-m", word))
        elif word in SINGLE_PROCESS:
            options.append(word)
        elif name in WITH_VALUE and not (name in ("--cfg", "-c") and _is_file(value or "".join(words[:1]))):
            options.append("=".join([word] if value else [word, *_take(words, 1)]))
        elif name in ("--info", "-i"):
            given = words and "=" not in words[0] and words[0][:1] != "-"
            options.append(word if value else f"{word}={_take(words, 1)[0] if given else 'all'}")
        elif re.match(r"--?[A-Za-z]", word):
            settings.append(_read_flag(word, words))
        elif "=" in word.strip()[1:]:
            settings.append(_join(word, words))
        else:
            settings.append(_read_bare(word, words))
    return Typed(options, settings, {words for _, words in settings if words not in arguments})


def _is_file(value: str) -> bool:
    return value.endswith((".yaml", ".yml", ".json"))


def _take(words: list[str], count: int) -> list[str]:
    taken, words[:count] = words[:count], []
    return taken


def _is_value(word: str) -> bool:
    """Whether a word stands for itself: no option, no setting."""
    return not re.match(r"--?[A-Za-z]|~\w|[+~]*[\w./@-]+=", word)


def _read_flag(word: str, words: list[str]) -> tuple[str, str]:
    """``--key=value``, ``--key value``, or ``--key`` alone."""
    key, equals, value = word.partition("=")
    key = key.lstrip("-")
    if equals:
        return f"{key}={value}", word
    taken = _take(words, 1) if words and _is_value(words[0]) else []
    if not taken and key.lower().startswith(("no-", "no_")):
        return f"{key[3:]}=false", word
    return f"{key}={taken[0] if taken else 'true'}", " ".join([word, *taken])


def _join(word: str, words: list[str]) -> tuple[str, str]:
    """A setting with the words behind it that belong to its value."""
    setting, typed = word, word
    while words and _is_value(words[0]) and words[0].strip() not in ("=", "train") and words[1:2] != ["="]:
        more = words.pop(0)
        setting, typed = _glue(setting, more), f"{typed} {more}"
    return setting, typed


def _glue(setting: str, more: str) -> str:
    if setting.endswith(("=", ",")) or more.startswith(","):
        return setting + more
    value = setting.partition("=")[2]
    numbers = all(re.fullmatch(r"[\d.,e+-]+", part) for part in (value, more))
    return f"{setting},{more}" if numbers else f"{setting} {more}"


def _read_bare(word: str, words: list[str]) -> tuple[str, str]:
    """``key = value``; or a word that is no setting."""
    typed = [word]
    if words and words[0].startswith("=") and re.fullmatch(r"[+~]*[\w./@-]+", word):
        typed += _take(words, 1 if len(words[0]) > 1 else 2)
        return _join("".join(typed), words)[0], " ".join(typed)
    if words and "=" in word and not words[0].startswith("-"):
        typed += _take(words, 1)
    return "".join(typed), " ".join(typed)


def split_commas(value: str) -> list[str]:
    """Return the parts of a value between commas that stand in no bracket and no quotes.

    >>> split_commas("a,[b,c],'d,e'"), split_commas("choice(a,b)")
    (['a', '[b,c]', "'d,e'"], ['choice(a,b)'])
    """
    parts, depth, quote = [""], 0, ""
    for letter in value:
        quote = "" if letter == quote else quote or (letter if letter in "'\"" else "")
        depth += (not quote and letter in "([{") - (not quote and letter in ")]}")
        if letter == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def close_brackets(value: str) -> str:
    """Return a value with its missing brackets and quotes added, and closing ones that match nothing removed.

    >>> close_brackets("[Edema"), close_brackets("{Pleural Effusion: [0.5,1}"), close_brackets("['a]']")
    ('[Edema]', '{Pleural Effusion: [0.5,1]}', "['a]']")
    >>> close_brackets("tag(log, interval(1e-5, 1e-2)"), close_brackets("Edema]")
    ('tag(log, interval(1e-5, 1e-2))', 'Edema')
    """
    closed, wanted = "", ""
    for letter in value:
        if closed.endswith("\\") or (wanted[:1] in QUOTES and letter != wanted[:1]):
            pass
        elif letter in wanted:
            inner, _, wanted = wanted.partition(letter)
            closed += inner
        elif letter in CLOSING:
            wanted = CLOSING[letter] + wanted
        elif letter in ")]}":
            continue
        closed += letter
    return closed + wanted


def walk_values(value: str) -> Iterator[str]:
    """Yield the plain values of a sweep or of one value; nothing of functions such as ``choice(...)``."""
    for part in split_commas(value):
        if not re.match(r"\w+\(", part.strip()):
            yield part.strip()
