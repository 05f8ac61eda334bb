"""Audited models on the CPU around any network."""

from __future__ import annotations

import torch
from torch import nn

from auditor.audited_model import AuditedModel
from auditor.autograd.target_layer import TargetLayer
from auditor.config import Preprocess
from auditor.records.decisions import DecisionRule

NO_LAYER = TargetLayer("none", 1, 1, 1, "NCHW", None, "not used by the test")
"""For tests that compute no maps."""


def audited(
    module: nn.Module,
    n_classes: int = 3,
    *,
    preprocess: Preprocess | None = None,
    layer: TargetLayer = NO_LAYER,
    batch_size: int = 4,
    workers: int = 0,
) -> AuditedModel:
    """A model whose classes are the letters of the alphabet, or numbers where there are many."""
    names = list("abcdefgh"[:n_classes]) if n_classes <= 8 else [str(k) for k in range(n_classes)]
    return AuditedModel(
        module=module,
        rule=DecisionRule.single_label(names),
        layer=layer,
        preprocess=preprocess or Preprocess(),
        device=torch.device("cpu"),
        batch_size=batch_size,
        workers=workers,
    )
