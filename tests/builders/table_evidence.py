"""Evidence made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from auditor.config import SliceSection
from auditor.records import AuditData
from auditor.stages.slicing import slice_samples

MakeEvidence = Callable[..., AuditData]


@pytest.fixture
def make_evidence() -> MakeEvidence:
    """Makes evidence from labels, predictions and attributes, in the way the runner does."""

    def make(
        label: Sequence[str],
        predicted: Sequence[str],
        attributes: Mapping[str, Sequence[Any]],
        *,
        classes: tuple[str, ...],
        reference: pd.DataFrame | None = None,
        confidence: Sequence[float] | None = None,
        min_support: int = 30,
    ) -> AuditData:
        n = len(label)
        usable = pd.DataFrame(
            {
                "sample": [f"s{k}" for k in range(n)],
                "path": [f"s{k}.png" for k in range(n)],
                "label": pd.Categorical(list(label), categories=list(classes)),
                "predicted": pd.Categorical(list(predicted), categories=list(classes)),
                "confidence": np.full(n, 0.9) if confidence is None else confidence,
                "loss": np.arange(n, dtype=np.float64),
                "failure": np.array(label, dtype=object) != np.array(predicted, dtype=object),
                **{name: list(values) for name, values in attributes.items()},
            }
        )
        section = SliceSection(min_support=min_support)
        cut = slice_samples(usable, reference, classes, tuple(attributes), section)
        return cut.audit_data(classes, alpha=0.05, min_support=min_support, seed=0)

    return make
