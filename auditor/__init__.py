"""Audits image classifiers and writes the report that decides whether they ship.

``auditor.audit`` runs an audit and ``auditor.explain`` computes attribution maps. Importing this package
does not import torch; using it does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["AuditResult", "__version__", "audit", "explain"]

if TYPE_CHECKING:
    from auditor.api import audit
    from auditor.explaining.api import explain
    from auditor.results import AuditResult

_LAZY = {
    "audit": "auditor.api",
    "explain": "auditor.explaining.api",
    "AuditResult": "auditor.results",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'auditor' has no attribute {name!r}")
