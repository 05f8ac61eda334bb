"""Finds groups of failures without annotations, and describes them by attribute values."""
