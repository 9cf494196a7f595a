"""``chexpert COMMAND ...``: finds the module of the command, reads its arguments, runs it and reports its error."""

import os
import shlex
import sys
from argparse import ArgumentError, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import NoReturn

from chexpert.cli.allow import take_allowed
from chexpert.console import open_streams
from chexpert.errors import UserError, get_exit_code

COMMANDS = {
    "demo": "train, evaluate and explain on synthetic images: the first thing to run",
    "train": "train a model, evaluate it, explain it; sweeps with -m",
    "doctor": "report what is installed and what is missing",
    "audit": "check a copy of CheXpert",
    "audit-labels": "list the labels that are most likely wrong",
    "phantom": "write synthetic images with labels and masks, laid out as CheXpert",
    "learn-targets": "learn what a report label says of a finding: targets of labels=learned",
    "evaluate": "evaluate predictions against labels",
    "compare": "rank runs, sweeps and predictions, with paired differences",
    "ensemble": "average checkpoints or predictions",
    "soup": "average the weights of checkpoints into one network",
    "predict": "predict images by a trained model",
    "export": "write a trained model as one ONNX file, with its preprocessing and calibration",
    "gate": "fit the checks by which predict flags images that are no frontal radiograph or unlike the training images",
    "defer": "list the studies that a reader should see, and the risk of the others",
    "explain": "explain a trained model on images",
    "explain-leaderboard": "compare explainers across runs, with paired differences",
    "counterfactual": "show images with a finding lowered and raised, by a trained model",
    "localize": "score attribution maps against masks",
    "external": "write labels and masks of an external data set: NIH, MIMIC-CXR, VinDr-CXR, RSNA, PadChest",
    "drift": "compare images with those of a trained model's own data",
    "shortcuts": "look for shortcuts of a trained model",
    "reproduce": "check a run against the published metric of a recipe",
    "recalibrate": "fit calibration and thresholds anew on a few expert labels",
    "serve": "show a trained model in a browser, for single images",
    "report": "write report.html and MODEL_CARD.md of a run again",
    "push": "put the model of a run on the Hugging Face Hub",
    "weights": "list public weights for backbones, and convert a file of weights",
    "networks": "try networks of timm as backbones",
}

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C has ended, as shells have it: 128 and the number of the signal."""


def main(name: str | None = None) -> None:
    """Run a command, and exit with its code.

    Args:
        name: of the command, whose arguments are the whole command line; by default its first word is the name.
    """
    open_streams()
    if "_ARGCOMPLETE" in os.environ:
        _complete()
    try:
        sys.exit(_run(name, sys.argv[1:]) if name else _read_and_run(sys.argv[1:]))
    except (UserError, OSError) as error:  # OSError: a full disk, a file that may not be read
        print(f"error: {error}", file=sys.stderr)
        sys.exit(get_exit_code(error))
    except KeyboardInterrupt:  # of a training: see chexpert.signals
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


class Parser(ArgumentParser):
    """The parser of a command; its errors are those of the project."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message, code="command-line", where=self.prog, hint=f"{self.prog} --help")


def import_command(name: str) -> ModuleType:
    """Import the module of a command; ``explain-leaderboard`` is that of ``explain_leaderboard``."""
    return import_module(f"chexpert.cli.{name.replace('-', '_')}")


def make_parser(name: str) -> ArgumentParser:
    """Return the parser of a command; ``train`` and ``demo`` have none, since Hydra reads their arguments."""
    module = import_command(name)
    parser = Parser(prog=f"chexpert {name}", description=module.__doc__, formatter_class=RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    return parser


def _run(name: str, words: Sequence[str]) -> int | None:
    arguments = take_allowed(words)
    module = import_command(name)
    if not hasattr(module, "add_arguments"):
        return module.run(arguments)
    parser = make_parser(name)
    try:
        return module.run(module.parse(parser, arguments) if hasattr(module, "parse") else parser.parse_args(arguments))
    except ArgumentError as error:
        parser.error(str(error))


def _read_and_run(words: Sequence[str]) -> int | None:
    """Run the command that is the first word, or print what was asked for instead of one."""
    name, *arguments = words or ["--help"]
    if name in COMMANDS:
        return _run(name, arguments)
    if name in ("--help", "-h", "help"):
        print(_describe_commands())
        return None
    if name == "--version":
        print(f"chexpert {version('chexpert')}")
        return None
    if "=" in name:
        hint = shlex.join(["chexpert", "train", *words])
    else:
        near = get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "chexpert --help lists the commands"
    raise UserError("no such command", code="command-line", where=name, hint=hint)


def _describe_commands() -> str:
    lines = [f"  {name:<19} {line}" for name, line in COMMANDS.items()]
    return "\n".join(
        [
            "chexpert COMMAND ...",
            "",
            "Experiments on CheXpert: train, evaluate by AUROC, explain. Not a medical device.",
            "",
            *lines,
            "",
            "chexpert COMMAND --help describes a command; chexpert --version prints the version.",
            "Every command takes allow=MODULE for your own classes.",
        ]
    )


def _complete() -> None:
    """Answer the shell's request for completions; argcomplete exits the process."""
    import argcomplete

    parser = ArgumentParser(prog="chexpert")
    subparsers = parser.add_subparsers()
    typed = os.environ.get("COMP_LINE", "").split()
    for name in COMMANDS:
        one = subparsers.add_parser(name)
        if name in typed:
            module = import_command(name)
            getattr(module, "add_arguments", _add_settings)(one)
    argcomplete.autocomplete(parser)


def _add_settings(parser: ArgumentParser) -> None:
    """Add the words of ``train``, which completion alone reads by argparse."""
    from chexpert.cli.corrections.completion import list_words

    typed = os.environ.get("COMP_LINE", "").split()[2:]
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("--config-dir", "-cd")
    settings = parser.add_argument("settings", nargs="*")
    settings.completer = lambda prefix, **_: list_words(prefix, typed)  # type: ignore[attr-defined]
