"""Renderers: one file a document format."""
