"""An extension of griffe: the docstrings of this project are read as reStructuredText, the site as Markdown."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
ROLE = re.compile(r":\w+:`[~.]?([^`]*)`")


class Docstrings(griffe.Extension):
    """Put examples into blocks of code, and what a role names into code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object, once it was read."""
        if obj.docstring:
            examples = EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
            obj.docstring.value = ROLE.sub(r"`\1`", examples)
