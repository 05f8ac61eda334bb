"""Two audits of the same samples side by side: what changed, and whether that is more than chance."""

from auditor.comparison.compare import compare
from auditor.comparison.records import Comparison
from auditor.comparison.view import summary

__all__ = ["Comparison", "compare", "summary"]
