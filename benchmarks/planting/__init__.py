"""Planted gaps and shortcuts: what ``benchmarks.planted`` measures the audit with."""
