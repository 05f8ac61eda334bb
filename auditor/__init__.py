"""Audits image classifiers and writes the report that decides whether they ship."""
