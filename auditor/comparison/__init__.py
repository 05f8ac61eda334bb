"""Two audits of the same samples side by side: what changed, with paired tests."""

from auditor.comparison.compare import compare
from auditor.comparison.headline import summary
from auditor.comparison.records import Comparison

__all__ = ["Comparison", "compare", "summary"]
