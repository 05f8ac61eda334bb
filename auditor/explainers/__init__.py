"""Attribution maps: one method a file, one forward for all of them.

``explain`` serves a person with a model and pictures, ``explain_batch`` the audit. Importing this
room does not import torch; using it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditor.explainers.explanation import BatchExplanation, Explainer, Explanation

if TYPE_CHECKING:
    from auditor.explainers.api import explain, explain_batch
    from auditor.explainers.layers import TargetLayer, find_layer
    from auditor.explainers.precision import Quick, quicken
    from auditor.explainers.preflight import Preflight

__all__ = [
    "BatchExplanation",
    "Explainer",
    "Explanation",
    "Preflight",
    "Quick",
    "TargetLayer",
    "explain",
    "explain_batch",
    "find_layer",
    "quicken",
]

_HOMES = {
    "Preflight": "preflight",
    "Quick": "precision",
    "TargetLayer": "layers",
    "explain": "api",
    "explain_batch": "api",
    "find_layer": "layers",
    "quicken": "precision",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
