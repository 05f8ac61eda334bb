"""Finds near-duplicates: equal files, images with similar fingerprints, and transformed copies."""
