from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from builders.audited_models import audited
from torch import Tensor, nn

from auditor.prediction_precision import precision_note


class Mean(nn.Module):
    """Two logits whose products are exact in bfloat16, except for those of white images."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(1, 2, bias=False)
        self.head.weight.data = torch.tensor([[1.0], [0.0]])

    def forward(self, x: Tensor) -> Tensor:
        # 1 + 2^-9 becomes 1 in bfloat16, and the difference of the logits 2^-9 becomes 0.
        white = x.mean((1, 2, 3)) > 0.5
        logits: Tensor = self.head(torch.where(white, 1 + 2.0**-9, 1.0)[:, None])
        return logits - torch.tensor([1.0, 0.0])


IMAGES = np.zeros((3, 3, 2, 2), np.uint8)
IMAGES[1] = 255


def test_precision_note_of_mixed_precision_gives_the_largest_change() -> None:
    # 1 / (1 + exp(-2^-9)) - 1/2 = 0.000488; the order of two equal logits is that of the classes.
    model = replace(audited(Mean(), 2), precision="amp")
    assert precision_note(model, IMAGES) == (
        "predictions in automatic mixed precision (bfloat16): on 3 images, probabilities differ from "
        "full precision by at most 0.0005, and 0 predictions differ"
    )


def test_precision_note_of_full_precision_is_empty() -> None:
    assert precision_note(audited(Mean(), 2), IMAGES) == ""
