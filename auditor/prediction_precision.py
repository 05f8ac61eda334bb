"""What the chosen arithmetic does to the predictions, for the provenance of an audit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.audited_model import AuditedModel
from auditor.autograd.arithmetic import mixed_dtype
from auditor.phrasing import count, plural


def precision_note(model: AuditedModel, images: NDArray[np.uint8]) -> str:
    """Names the arithmetic, and compares its probabilities with those in full precision.

    Args:
        model: the audited model.
        images: uint8 (n, 3, H, W), at least one; resized and cropped.

    Returns:
        One line; empty for full precision.

    Raises:
        ModelError: the network does not run in this arithmetic.
    """
    if model.precision == "exact":
        return ""
    dtype = str(mixed_dtype(model.device)).removeprefix("torch.")
    name = {"tf32": "TF32", "amp": f"automatic mixed precision ({dtype})"}[model.precision]
    pixels = torch.from_numpy(images)
    found = model.probabilities(pixels)
    exact = replace(model, precision="exact").probabilities(pixels)
    largest = float(np.abs(found - exact).max())
    changed = int((model.rule.decide(found) != model.rule.decide(exact)).any(1).sum())
    return (
        f"predictions in {name}: on {plural(len(images), 'image')}, probabilities differ from full "
        f"precision by at most {largest:.1g}, and {count(changed)} predictions differ"
    )
