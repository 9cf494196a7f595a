"""Losses on logits, with soft targets and a mask."""
