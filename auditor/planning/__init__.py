"""Planning: how many samples acceptance criteria need, before any data is collected."""

from auditor.planning.assumptions import Assumptions
from auditor.planning.plan import Plan, PlannedCriterion, plan_of

__all__ = ["Assumptions", "Plan", "PlannedCriterion", "plan_of"]
