"""Audits of binary and multi-label classifiers, made from truths and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from auditor.config import SliceSection
from auditor.records import AuditData, Clusters, Decisions
from auditor.stages.slicing import slice_samples


def binary_audit(
    truth: ArrayLike,
    score: ArrayLike,
    attributes: Mapping[str, Sequence[Any]],
    *,
    threshold: float = 0.5,
    clusters: NDArray[np.int64] | None = None,
    primary: tuple[str, ...] = ("sensitivity", "specificity"),
) -> AuditData:
    """An audit with the classes ``healthy`` and ``ill``; ``ill`` is the positive class."""
    present, values = np.asarray(truth, dtype=bool), np.asarray(score, dtype=np.float64)
    called = values >= threshold
    codes = np.zeros(len(present), dtype=np.int64)
    decisions = Decisions(("ill",), codes, present, called, values, np.array([threshold]))
    classes = ("healthy", "ill")
    table = _table(present.astype(int), called.astype(int), values, classes, attributes)
    audit = _audit(table, classes, tuple(attributes))
    known = None if clusters is None else Clusters("patient", clusters)
    return replace(
        audit, task="binary", decisions=decisions, clusters=known, primary_metrics=primary
    )


def multi_label_audit(
    truth: NDArray[np.bool_],
    score: NDArray[np.float64],
    attributes: Mapping[str, Sequence[Any]],
    *,
    labels: tuple[str, ...],
    threshold: float = 0.5,
    primary: tuple[str, ...] = ("sensitivity", "specificity"),
) -> AuditData:
    """An audit with one row per sample and label; the decisions of a sample form a cluster.

    Args:
        truth: (m, L) whether each label is present.
        score: (m, L).
        attributes: values of the m samples.
        labels: L names.
        threshold: of all labels.
        primary: the primary metrics.
    """
    m, n_labels = truth.shape
    called = score >= threshold
    of_row = np.tile(np.arange(n_labels, dtype=np.int64), m)
    sample = np.repeat(np.arange(m, dtype=np.int64), n_labels)
    decisions = Decisions(
        labels,
        of_row,
        truth.ravel(),
        called.ravel(),
        score.ravel(),
        np.full(n_labels, threshold),
        sample,
    )
    classes = tuple(name for label in labels for name in (label, f"not {label}"))
    repeated = {name: [values[k] for k in sample.tolist()] for name, values in attributes.items()}
    codes = (2 * of_row + ~truth.ravel(), 2 * of_row + ~called.ravel())
    table = _table(*codes, score.ravel(), classes, repeated)
    audit = _audit(table, classes, tuple(attributes))
    return replace(
        audit,
        task="multi-label",
        decisions=decisions,
        clusters=Clusters("sample", sample),
        primary_metrics=primary,
    )


def _table(
    label: NDArray[np.int64],
    predicted: NDArray[np.int64],
    score: NDArray[np.float64],
    classes: tuple[str, ...],
    attributes: Mapping[str, Sequence[Any]],
) -> pd.DataFrame:
    n = len(label)
    return pd.DataFrame(
        {
            "sample": [f"s{k}" for k in range(n)],
            "path": [f"s{k}.png" for k in range(n)],
            "label": pd.Categorical.from_codes(label, pd.Index(classes)),
            "predicted": pd.Categorical.from_codes(predicted, pd.Index(classes)),
            "confidence": np.maximum(score, 1 - score),
            "loss": np.arange(n, dtype=np.float64),
            "failure": label != predicted,
            **{name: list(values) for name, values in attributes.items()},
        }
    )


def _audit(table: pd.DataFrame, classes: tuple[str, ...], attributes: tuple[str, ...]) -> AuditData:
    cut = slice_samples(table, None, classes, attributes, SliceSection())
    return cut.audit_data(classes, alpha=0.05, min_support=30, seed=0)
