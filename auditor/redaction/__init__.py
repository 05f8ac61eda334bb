"""Redacted copies of runs, for readers outside the house."""
