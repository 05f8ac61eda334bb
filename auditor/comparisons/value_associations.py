"""Attribute values that chosen samples are associated with, or that hold most of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.phrasing import condition
from auditor.records import AuditData
from auditor.records.predictions import codes
from auditor.statistics import stratified_gap


def associated_value(audit: AuditData, chosen: NDArray[np.bool_]) -> str | None:
    """The attribute value that chosen samples are most significantly associated with, if any.

    Every value of every attribute and of every property computed from the images is tested within
    labels (Mantel-Haenszel, exact mid-p where counts are small), with a Bonferroni correction over all
    of them. Labels without chosen samples do not contribute to the test.

    Args:
        audit: the audited data.
        chosen: (N,) the samples.

    Returns:
        The value in words, such as ``site = north``; None if no association is significant at
        ``audit.alpha``, or if there is no attribute.
    """
    label = codes(audit.predictions["label"])
    n_labels = len(audit.classes)
    found: list[tuple[float, str]] = []
    for name in (*audit.attributes, *audit.computed):
        column = audit.predictions[name]
        shape = (len(column.cat.categories), n_labels)
        cells = codes(column) * n_labels + label
        totals = np.bincount(cells, minlength=shape[0] * n_labels).reshape(shape)
        counts = np.bincount(cells[chosen], minlength=shape[0] * n_labels).reshape(shape)
        gaps = stratified_gap(counts, totals, counts.sum(0) - counts, totals.sum(0) - totals)
        found += [
            (float(p_value), condition(name, str(value)))
            for p_value, value in zip(gaps.p_value, column.cat.categories, strict=True)
            if np.isfinite(p_value)
        ]
    if not found:
        return None
    least, words = min(found)
    return words if least * len(found) <= audit.alpha else None


def attributes_holding(audit: AuditData, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    """Annotated attributes one value of which holds most of the chosen samples.

    Most is at least half of them, and significantly more than of the other samples of the same labels
    (as in `associated_value`, with a Bonferroni correction over all values).

    Args:
        audit: the audited data.
        chosen: (N,) the samples.

    Returns:
        The attributes, the most significant first.
    """
    label = codes(audit.predictions["label"])
    n_labels, n_chosen = len(audit.classes), int(chosen.sum())
    found: list[tuple[float, str]] = []
    n_tests = 0
    for name in audit.attributes:
        column = audit.predictions[name]
        shape = (len(column.cat.categories), n_labels)
        cells = codes(column) * n_labels + label
        totals = np.bincount(cells, minlength=shape[0] * n_labels).reshape(shape)
        counts = np.bincount(cells[chosen], minlength=shape[0] * n_labels).reshape(shape)
        gaps = stratified_gap(counts, totals, counts.sum(0) - counts, totals.sum(0) - totals)
        n_tests += int(np.isfinite(gaps.p_value).sum())
        holds = (counts.sum(1) >= n_chosen / 2) & (gaps.gap.value > 0)
        found += [
            (float(p_value), name) for p_value in gaps.p_value[holds & np.isfinite(gaps.p_value)]
        ]
    significant = sorted(one for one in found if one[0] * n_tests <= audit.alpha)
    return tuple(dict.fromkeys(name for _, name in significant))
