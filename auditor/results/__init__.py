"""The result of an audit in Python: its tables, its documents, and how a notebook shows it."""

from auditor.results.audit_result import AuditResult

__all__ = ["AuditResult"]
