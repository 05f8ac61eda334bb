"""What `auditor plan` assumes about samples that have not been collected yet."""

from __future__ import annotations

from pydantic import Field

from auditor.registry import Options


class PlanSection(Options):
    """Assumptions for `auditor plan`, which says how many samples the criteria need; audits ignore them."""

    assume: dict[str, float] = {}
    """Assumed values of metrics, such as `sensitivity: 0.95`; `prevalence`: share of the positive class;
    `correlation` within clusters of `per-cluster` samples; `<metric>-sd`: standard deviation of one
    sample's contribution, for metrics without a formula."""
    values: dict[str, tuple[str, ...]] = {}
    """Values of attributes, such as `sex: [f, m]`, where the data do not exist yet."""
    power: float = Field(0.8, gt=0.5, lt=1)
    """Probability with which a criterion is to be met if the assumptions hold."""
