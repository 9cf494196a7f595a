"""List public weights for backbones, show what is known of one, or convert a file of weights to safetensors.

chexpert weights list
chexpert weights show rad-dino
chexpert weights convert RUN/checkpoints/best.ckpt OUT.safetensors
"""

import textwrap
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chexpert.weights import WeightCard

WIDTH = 100
NUMBER_OF_VALUES = {"list": 0, "show": 1, "convert": 2}
"""Behind each action."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    parser.add_argument("action", choices=tuple(NUMBER_OF_VALUES), help="what to do")
    parser.add_argument(
        "values",
        nargs="*",
        metavar="NAME | FILE OUT",
        help="of show: a name; of convert: two files",
    )


def parse(parser: ArgumentParser, arguments: list[str]) -> Namespace:
    """Return the arguments, whose number depends on the action."""
    given = parser.parse_args(arguments)
    if len(given.values) != NUMBER_OF_VALUES[given.action]:
        wanted = {"list": "nothing", "show": "one name", "convert": "FILE and OUT.safetensors"}[given.action]
        raise ArgumentError(None, f"{given.action} takes {wanted}, not {len(given.values)} values")
    return given


def run(given: Namespace) -> None:
    """Print the list or a card, or convert a file."""
    if given.action == "convert":
        from chexpert.models.convert import convert  # torch: seconds

        count = convert(Path(given.values[0]), Path(given.values[1]))
        print(f"{count} tensors written to {given.values[1]}")
        return
    lines = list_cards() if given.action == "list" else show_card(given.values[0])
    print("\n".join(lines))


def list_cards() -> Iterator[str]:
    """Yield a line for each card."""
    from chexpert.weights import read_cards

    cards = read_cards()
    width = max(map(len, cards))
    for name, card in cards.items():
        use = "non-commercial, " if card.non_commercial else "no license, " if card.non_commercial is None else ""
        yield f"{name:<{width}}  {card.title} ({card.image_size} px, {use}{describe_seen(card)})"
    yield "Use one: pretrained=NAME backbone.name=NETWORK; what is known of one: chexpert weights show NAME"


def describe_seen(card: "WeightCard") -> str:
    """Return whether the weights of a card saw images of CheXpert, in words."""
    from chexpert.weights import SENTENCES

    return SENTENCES[card.saw_chexpert].removeprefix("the backbone ")


def describe_pooling(card: "WeightCard") -> str:
    """Return which value of the config is the pooling of a card's authors."""
    if card.pooling_value is None:
        return "no value of backbone.pooling does the same, and the mean is the default"
    return f"backbone.pooling={card.pooling_value}" + ", the default" * (card.pooling_value == "avg")


def show_card(name: str) -> Iterator[str]:
    """Yield the lines of a card.

    Raises:
        UserError: there is none of this name.
    """
    from chexpert.errors import UserError
    from chexpert.weights import get_card, list_near_names

    card = get_card(name)
    if card is None:
        near = " or ".join(f"chexpert weights show {one}" for one in list_near_names(name))
        hint = near or "chexpert weights list"
        raise UserError(f"no public weights of the name {name!r}", code="choice", where="weights", hint=hint)
    size = f"{card.size_mb:g} MB" if card.size_mb else "unknown size"
    statistics = ", or ".join(f"{one.gray_mean:.8g}, {one.gray_std:.8g}" for one in card.list_statistics())
    rows = {
        "name": card.name,
        "title": card.title,
        "source": card.source,
        "file": f"{card.file or 'name not known'} ({card.format.replace('_', ' ')}, {size})",
        "address": card.url or (f"https://huggingface.co/{card.repository}" if card.repository else "see source"),
        "sha256": card.sha256 or "not known here",
        "license": card.license + ", non-commercial" * (card.non_commercial is True),
        "network": " ".join([card.network, *(f"{key}={value}" for key, value in card.options.items())]),
        "image size": f"{card.image_size} px" + (f", a multiple of {card.patch}" if card.patch else ", or any other"),
        "mean, std": f"{statistics} of gray values in [0, 1]",
        "pooling": f"{card.pooling} (of the authors; {describe_pooling(card)})",
        "input": card.preprocessing or "resized and normalized",
        "CheXpert": f"{describe_seen(card)}: {card.saw_chexpert_source}",
        "checked": card.checked,
    }
    for title, text in rows.items():
        text += f" (assumed: {card.assumed[title]})" if title in card.assumed else ""
        indent = f"{title + ':':<12}"
        yield textwrap.fill(" ".join(text.split()), WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent),
                            break_long_words=False, break_on_hyphens=False)  # fmt: skip
    image_size = f" data.image_size={card.image_size}"
    file = ":FILE" if (card.url is None and card.repository is None) or card.format == "pickled_module" else ""
    if card.format == "pickled_module":
        yield f"{'make FILE:':<12}chexpert weights convert DOWNLOADED OUT.safetensors says how"
    yield f"{'use:':<12}pretrained={card.name}{file} backbone.name={card.network}{image_size}"
