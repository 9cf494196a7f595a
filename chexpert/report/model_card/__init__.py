"""The model card of a run: MODEL_CARD.md."""
