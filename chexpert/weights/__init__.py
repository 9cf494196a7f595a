"""Cards of public weights, and what a value of ``pretrained`` names. Nothing here needs torch."""

from chexpert.weights.card import FOLDER, SENTENCES, WeightCard, find_card, find_near, read_cards
from chexpert.weights.source import HUB, Source, fill_options, find_source, names_a_file

__all__ = [
    "FOLDER",
    "HUB",
    "SENTENCES",
    "Source",
    "WeightCard",
    "fill_options",
    "find_card",
    "find_near",
    "find_source",
    "names_a_file",
    "read_cards",
]
