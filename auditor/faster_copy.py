"""A faster copy of the audited model, for searches: with batch normalisation folded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from auditor.audited_model import AuditedModel
from auditor.autograd.batch_norm_folding import fold
from auditor.autograd.model_state import copy_of, unwrap
from auditor.autograd.user_code import user_code
from auditor.errors import ModelError

_TOLERANCE = 1e-4
"""Largest difference of the logits, as a share of their norm."""


def faster_copy(model: AuditedModel, images: Tensor) -> AuditedModel:
    """A copy that computes the same logits up to rounding, or the model itself if there is none.

    Args:
        model: the audited model; left unchanged.
        images: (n, 3, H, W) uint8, at least one, on which the copy is compared.
    """
    module = unwrap(model.module)
    if not any(isinstance(part, nn.BatchNorm2d) for part in module.modules()):
        return model
    inputs = model.inputs(images[:1])
    try:
        with user_code(module, inputs, memory=True):  # a network may define its own copying
            copy = copy_of(module)
            folded = fold(copy, inputs)
        faster = replace(model, module=copy)
        own, other = model.logits(images), faster.logits(images)
    except ModelError:
        return model  # such a network can only be run as it is
    close = np.linalg.norm(own - other) <= _TOLERANCE * np.linalg.norm(own)
    return faster if folded and close else model
