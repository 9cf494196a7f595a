"""The quality of explanations: localization, faithfulness, sanity."""
