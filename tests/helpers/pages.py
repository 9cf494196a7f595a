"""The pages of the documentation, and the commands that stand on them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]
DECISIONS = PROJECT / "docs/decisions"
PAGES = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "UPGRADING.md")),
    *sorted((PROJECT / "docs").rglob("*.md")),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
PROGRAMS = ("chexpert", "python", "python3", "pip", "make", "pytest", "sbatch", "torchrun", "tensorboard", "docker")
BARE = ("chexpert train", "chexpert demo", "chexpert doctor")
"""Commands that need no argument; the name of another one alone is no command."""


def list_commands(program: str = "") -> list[str]:
    """Return the commands of all pages that begin with this word; decisions name those of their day."""
    pages = [page for page in PAGES if DECISIONS not in page.parents]
    found = [command for page in pages for command in read_commands(page.read_text(encoding="utf-8"))]
    return sorted({command for command in found if f"{command} ".startswith(f"{program} " if program else "")})


def read_commands(text: str) -> Iterator[str]:
    """Yield the commands in the blocks and in the spans of a page."""
    for language, block in BLOCK.findall(text):
        joined = re.sub(r"\s*\\\n\s*", " ", block)
        for line in joined.splitlines() if language in ("", "text") else ():
            yield from (part for part in _strip(line, language == "text") if _is_command(part))
    for span in SPAN.findall(BLOCK.sub("", text)):
        line = " ".join(span.split())
        if _is_command(line) and not re.search(r"(?<!=)\[|(?<!=)\.\.\.$", line):  # more than a form of it
            yield line


def _strip(line: str, described: bool) -> list[str]:
    """Split a line into its commands, without its comment; in the text of ``--help`` a description follows blanks."""
    words = re.split(r"\s{3,}(?=\S)", line.strip())[0] if described else re.split(r"\s{2,}#|^#", line)[0]
    return [part.strip().removeprefix("srun ") for part in words.split(";")]


def _is_command(line: str) -> bool:
    if line in BARE:
        return True
    program, _, arguments = line.removeprefix(".venv/bin/").partition(" ")
    name, _, words = arguments.partition(" ")
    if program == "chexpert":
        return name.startswith("--") or (name.islower() and bool(words) and not _is_option(words))
    return program in PROGRAMS and bool(arguments)


def _is_option(words: str) -> bool:
    """Return whether these are the options of a command that needs more than options, such as ``--top-k``."""
    return bool(re.fullmatch(r"(ROOT )?--[a-z-]+", words)) and words != "--help"


def split(command: str) -> list[str]:
    """Return the words of a command, with a value for each placeholder."""
    values = {"<time>": "2026-01-01", "<job>": "0", "<name>": "chexpert", "<sweep>": "sweep", "TIME": "2026-01-01"}
    for name, value in values.items():
        command = command.replace(name, value)
    return shlex.split(command.replace("/.../", "/chexpert/2026-01-01/"))
