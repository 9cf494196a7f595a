"""Texts of a Markdown file: whatever comes from a run is escaped, so that no name of an observation becomes markup."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from chexpert.report.html.render import UNSHOWN

MARKUP = re.compile(
    r"[\\`*|~$]|\[(?![\d.,–\s-]+\](?![(:\[]))"  # an interval in brackets is no link
    r"|(?<![^\W_])_|_(?![^\W_])|^[#+-](?=\s)|^=+$|^(?=\d+[.)]\s)"
)
BREAKS = re.compile(r"[^\S\u00a0]+")
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
ADDRESS = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(?=:)|\b(www)(?=\.)|(?<=\S)@(?=\S)")
ZERO_WIDTH = "&#8203;"
"""Between a scheme and its colon: pages of repositories make links of addresses that stand in a text."""


class Markdown(str):
    """A text that is Markdown already."""

    __slots__ = ()


def escape(value: Any) -> Markdown:
    r"""Return a text as Markdown that shows it; a text of several lines becomes one.

    >>> print(escape("a_b *c* <img> [x](y) | $1$ specificity_0.9"))
    a_b \*c\* &lt;img&gt; \[x](y) \| \$1\$ specificity_0.9
    >>> print(escape("0.85 [0.80, 0.90] [1](2)"))
    0.85 [0.80, 0.90] \[1](2)
    """
    if isinstance(value, Markdown):
        return value
    text = UNSHOWN.sub("\ufffd", BREAKS.sub(" ", str(value)).strip())
    text = MARKUP.sub(lambda match: f"\\{match[0]}" if match[0] else ZERO_WIDTH, text)
    text = re.sub("[&<>]", lambda match: ENTITIES[match[0]], text)
    return Markdown(ADDRESS.sub(lambda match: f"{match[0]}{ZERO_WIDTH}", text))


def make_table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> Markdown:
    r"""Return a table; all columns but the first are aligned to the right.

    >>> print(make_table(["name", "n"], [["a|b", 3]]))
    | name | n |
    |---|---:|
    | a\|b | 3 |
    """
    lines = [header, *rows]
    rule = "|---" + "|---:" * (len(header) - 1) + "|"
    texts = [f"| {' | '.join(escape(cell) for cell in line)} |" for line in lines]
    return Markdown("\n".join([texts[0], rule, *texts[1:]]))


def make_facts(facts: Iterable[tuple[str, object]]) -> Markdown:
    """Return a list of names with their values.

    >>> print(make_facts([("seed", 3)]))
    - **seed**: 3
    """
    return Markdown("\n".join(f"- **{escape(name)}**: {escape(value)}" for name, value in facts))


def make_block(text: str) -> Markdown:
    """Return a block of code, which shows a text as it is."""
    shown = UNSHOWN.sub("\ufffd", text.replace("\n", " "))
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", shown)), default=0))
    return Markdown(f"{fence}text\n{shown}\n{fence}")
