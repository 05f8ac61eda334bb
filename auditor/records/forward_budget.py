"""The budget of forward passes that checks share."""

from __future__ import annotations

from dataclasses import dataclass

MAP_PASSES = 3
"""Forward passes that a map costs, about."""


@dataclass
class ForwardBudget:
    """How many images checks may still run through the model beyond predicting and explaining.

    What fits is decided from numbers of images, before they are run, so that it never depends on time.

    Attributes:
        limit: number of images in all; None for no limit.
        used: number of images so far; a map counts as `MAP_PASSES`.
    """

    limit: int | None = None
    used: int = 0
    _reserve: int = 0

    def spend(self, images: int) -> None:
        """Counts images that were run."""
        self.used += images

    def share_among(self, checks: int) -> None:
        """Leaves equal parts of what is left to the checks that come later.

        Args:
            checks: number of checks that share what is left, the current one included.
        """
        left = 0 if self.limit is None else max(self.limit - self.used, 0)
        self._reserve = left - left // max(checks, 1)

    def allows(self, images: float) -> bool:
        """Whether the current check may run so many images."""
        return self.limit is None or self.used + images <= self.limit - self._reserve

    def missing(self, images: float) -> str:
        """Why so many images are not run, as the end of a sentence."""
        left = 0 if self.limit is None else max(self.limit - self._reserve - self.used, 0)
        return (
            f"it takes up to {round(images):,} forward passes, and {left:,} of {self.limit:,} are left for "
            "it (checks.budget.forwards)"
        )
