"""Attributes of the samples: reading their cells, guessing their types, forming categories."""
