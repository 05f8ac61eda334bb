"""Configurations that are made from what a user names: a model, its weights, and data."""
