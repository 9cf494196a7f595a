"""Localization: attribution maps against masks, scored as CheXlocalize does."""
