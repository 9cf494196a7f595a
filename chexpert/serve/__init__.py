"""A local viewer of a trained model: a small server on this machine alone, and its page."""
