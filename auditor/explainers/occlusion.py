"""Occlusion: the drop of the logit when a part of the image is occluded."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from auditor.registry import Options, plugin

if TYPE_CHECKING:
    from torch import Tensor, memory_format

    from auditor.autograd.graph import Rule
    from auditor.autograd.recording import Recording


@plugin("explainer", "occlusion")
class Occlusion(Options):
    """Drop of the logit when a square is occluded; slow, but without gradients: the baseline.

    Reference:
        Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 2.2
        and figure 6. Departure: the value of a pixel is the mean over the squares that cover it.
    """

    window: float = Field(default=0.25, gt=0, le=1)
    """Side of the square, as a share of the shorter side of the image."""

    stride: float = Field(default=0.5, gt=0, le=1)
    """Step between squares, as a share of their side."""

    value: float = Field(default=0.0, ge=-1e6, le=1e6)
    """Value of the square, in preprocessed images; 0 is the mean colour if they are centred."""

    batch_size: int = Field(default=64, ge=1, le=65_536)
    """Images in one forward pass."""

    rule: ClassVar[Rule] = "plain"
    needs_layer: ClassVar[bool] = False

    def attribute(
        self, recording: Recording, targets: Tensor, rows: Tensor | None = None
    ) -> Tensor:
        """(n, 1, H, W), signed: logit − logit of the occluded image; see ``Explainer.attribute``."""
        import torch

        from auditor.autograd.forward import in_best_layout
        from auditor.autograd.user_code import user_code

        images, logits = recording.images, recording.logits
        if rows is not None:
            images, logits = images[rows], logits[rows]
        n, _, height, width = images.shape
        squares = self.squares(height, width)
        drops = images.new_zeros((n, 1, height, width))
        n_squares = images.new_zeros((1, 1, height, width))
        for top, bottom, left, right in squares:
            n_squares[:, :, top:bottom, left:right] += 1
        jobs = [(row, square) for row in range(n) for square in squares]
        with torch.no_grad():
            for start in range(0, len(jobs), self.batch_size):
                part = jobs[start : start + self.batch_size]
                occluded = images[[row for row, _ in part]]
                for k, (_, (top, bottom, left, right)) in enumerate(part):
                    occluded[k, :, top:bottom, left:right] = self.value
                with user_code(recording.model, occluded):
                    scores = in_best_layout(
                        recording.model, occluded.device, partial(_scores, recording, occluded)
                    )
                for k, (row, (top, bottom, left, right)) in enumerate(part):
                    drop = logits[row, targets[row]] - scores[k, targets[row]]
                    drops[row, :, top:bottom, left:right] += drop
        return drops / n_squares

    def squares(self, height: int, width: int) -> list[tuple[int, int, int, int]]:
        """All squares as (top, bottom, left, right); together they cover the image."""
        side = max(1, round(self.window * min(height, width)))
        step = max(1, round(self.stride * side))

        def starts(length: int) -> list[int]:
            return sorted({*range(0, length - side, step), length - side})

        return [
            (top, top + side, left, left + side) for top in starts(height) for left in starts(width)
        ]


def _scores(recording: Recording, occluded: Tensor, layout: memory_format) -> Tensor:
    scores: Tensor = recording.model(occluded.contiguous(memory_format=layout))
    return scores
