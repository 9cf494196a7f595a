"""A trained model as one file with all that it needs, for machines without this project."""
