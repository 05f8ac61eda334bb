"""The accuracy in the target population, from weights in the data or from stated shares."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auditor.phrasing import condition, several
from auditor.records import AuditData, Estimate, PopulationRecord, PopulationValue
from auditor.records.predictions import WEIGHT
from auditor.statistics import Floats, Integers, raked_weights, weighted_share


def population_record(
    audit: AuditData, weight: str | None, shares: Mapping[str, Mapping[str, float]]
) -> PopulationRecord | None:
    """The accuracy in the target population.

    Args:
        audit: the audited data; weights are in the column ``data.weight`` of its predictions.
        weight: name of the column with weights in the data; None where there is none.
        shares: shares of the target population by attribute and value; each attribute sums to about 1.

    Returns:
        The record; None if neither weights nor shares are given.
    """
    if weight is not None:
        return _weighted(audit, weight)
    return _with_shares(audit, shares) if shares else None


def _weighted(audit: AuditData, name: str) -> PopulationRecord:
    weights = audit.predictions[WEIGHT].to_numpy(dtype=np.float64)
    if not (weights > 0).any():
        return PopulationRecord(
            source="weights",
            names=[name],
            accuracy=None,
            n_left_out=len(weights),
            not_estimated="no evaluated sample has a positive weight",
        )
    empty = PopulationRecord(source="weights", names=[name], accuracy=None, n_left_out=0)
    return _estimated(empty, audit, weights, None)


def _with_shares(audit: AuditData, shares: Mapping[str, Mapping[str, float]]) -> PopulationRecord:
    columns = [_codes(audit, name, list(given)) for name, given in shares.items()]
    codes = np.stack(columns)
    wanted = [np.array(list(given.values())) / sum(given.values()) for given in shares.values()]
    values = [
        PopulationValue(
            attribute=name, value=value, share=float(share), n_samples=int((column == k).sum())
        )
        for (name, given), column, target in zip(shares.items(), columns, wanted, strict=True)
        for k, (value, share) in enumerate(zip(given, target, strict=True))
    ]
    record = PopulationRecord(
        source="shares",
        names=list(shares),
        accuracy=None,
        n_left_out=int((codes < 0).any(axis=0).sum()),
        values=values,
    )
    missing = [
        condition(one.attribute, one.value) for one in values if one.share and not one.n_samples
    ]
    if missing:
        reason = f"no evaluated sample has {several(missing, 4)}, which the population has"
        return record.model_copy(update={"not_estimated": reason})
    weights = raked_weights(codes, wanted)
    if weights is None:
        reason = (
            "no weights give these samples the shares of all attributes at once, because some "
            "combinations of values do not occur"
        )
        return record.model_copy(update={"not_estimated": reason})
    return _estimated(record, audit, weights, codes)


def _codes(audit: AuditData, attribute: str, values: list[str]) -> Integers:
    """(n,) position of each sample's value among some values; -1 for another value."""
    column = audit.predictions[attribute]
    place = {value: k for k, value in enumerate(values)}
    of_category = [place.get(str(value), -1) for value in column.cat.categories]
    return np.array([*of_category, -1], dtype=np.int64)[column.cat.codes]


def _estimated(
    record: PopulationRecord, audit: AuditData, weights: Floats, codes: Integers | None
) -> PopulationRecord:
    correct = 1.0 - audit.predictions["failure"].to_numpy(dtype=np.float64)
    groups = None if audit.clusters is None else audit.clusters.of_sample
    found = weighted_share(correct, weights, groups, codes)
    return record.model_copy(
        update={
            "accuracy": Estimate.of(found.share),
            "n_left_out": int((weights <= 0).sum()),
            "effective_size": found.effective_size,
            "design_effect": None if np.isnan(found.design_effect) else found.design_effect,
        }
    )
