"""Acceptance criteria: those of the configuration, and defaults that every useful model meets."""

from auditor.judging.criteria.alerts import with_missed_criteria
from auditor.judging.criteria.examine import ExaminedCriteria, examine_criteria
from auditor.judging.criteria.names import KnownNames, require_known_names

__all__ = [
    "ExaminedCriteria",
    "KnownNames",
    "examine_criteria",
    "require_known_names",
    "with_missed_criteria",
]
