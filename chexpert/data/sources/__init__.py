"""The forms in which CheXpert lies on disk, and how they are read."""
