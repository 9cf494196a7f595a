"""The tables of the phantom: patients, diseases, labels."""
