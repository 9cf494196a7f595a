"""Cards of public weights, and what a value of ``pretrained`` names. Nothing here needs torch."""

from chexpert.weights.card import FOLDER, SENTENCES, WeightCard, get_card, list_near_names, read_cards
from chexpert.weights.source import HUB, Source, fill_options, names_a_file, parse_source

__all__ = [
    "FOLDER",
    "HUB",
    "SENTENCES",
    "Source",
    "WeightCard",
    "fill_options",
    "get_card",
    "list_near_names",
    "names_a_file",
    "parse_source",
    "read_cards",
]
