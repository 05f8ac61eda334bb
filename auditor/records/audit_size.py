"""The size of an audit, from which its cost is estimated before it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AuditSize:
    """What is known or expected before an audit.

    Attributes:
        n_samples: number of samples.
        n_failures: expected number of failures, from a trial on a few images.
        n_classes: number of classes.
        n_values: number of attribute values with enough samples to be tested.
        n_reference: number of reference images; 0 where there are none.
        has_expected: whether a published accuracy is stated.
    """

    n_samples: int
    n_failures: float
    n_classes: int
    n_values: int
    n_reference: int = 0
    has_expected: bool = False


@dataclass(frozen=True)
class Passes:
    """Number of forward passes of one image. A map costs about as much as three.

    Attributes:
        least: if nothing is found that has to be confirmed.
        most: if every budget of the check is used.
    """

    least: float = 0.0
    most: float = 0.0
