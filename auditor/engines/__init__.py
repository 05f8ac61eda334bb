"""Engines: where the blocks of predictions and explanations are computed."""
