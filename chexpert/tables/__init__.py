"""CSV files: their text by whatever program they were saved, and their columns by name."""
