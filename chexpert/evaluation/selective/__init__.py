"""Selective prediction: which rows a model decides, which a reader sees, and the risk of those that it decides."""
