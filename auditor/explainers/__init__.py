"""Explainers: methods for attribution maps, one per file, and the functions that run them.

``explain`` computes one map per image, ``explain_batch`` several from one forward pass. Importing
this package does not import torch; using it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditor.explainers.explanation import BatchExplanation, Explainer, Explanation

if TYPE_CHECKING:
    from auditor.autograd.precision import Accelerated, accelerate
    from auditor.autograd.preflight import Preflight
    from auditor.autograd.target_layer import TargetLayer, find_layer
    from auditor.explainers.api import explain, explain_batch

__all__ = [
    "Accelerated",
    "BatchExplanation",
    "Explainer",
    "Explanation",
    "Preflight",
    "TargetLayer",
    "accelerate",
    "explain",
    "explain_batch",
    "find_layer",
]

_LAZY = {
    "Preflight": "auditor.autograd.preflight",
    "Accelerated": "auditor.autograd.precision",
    "TargetLayer": "auditor.autograd.target_layer",
    "explain": "auditor.explainers.api",
    "explain_batch": "auditor.explainers.api",
    "find_layer": "auditor.autograd.target_layer",
    "accelerate": "auditor.autograd.precision",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
