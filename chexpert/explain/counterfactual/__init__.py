"""Counterfactual images: how an image would look if the model saw more, or less, of a finding in it."""
