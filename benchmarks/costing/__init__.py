"""Parts of ``benchmarks.cost``."""
