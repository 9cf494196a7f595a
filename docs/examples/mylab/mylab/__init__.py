"""An example of one's own parts: a loss, a backbone, a label policy and an explainer."""
