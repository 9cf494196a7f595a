"""A run from its config to its run folder: set up, fit, evaluate the best weights, explain."""
