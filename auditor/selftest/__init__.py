"""The self-test: how often would this audit find a gap of a given size in data like these?

It takes the predictions of a run and removes every dependence on attributes: among the samples of one
label, the outcomes (prediction, confidence, loss) are permuted. Whatever an audit with the run's own
settings still finds is a false alarm. Then a gap is planted in one value of an attribute, and the audit
is judged again: is the gap found and named?

The self-test reads no images and runs no model. Only checks that need neither take part; what only an
intervention, a map or a hidden slice can show is not tested.
"""

from auditor.selftest.detection import (
    GAPS,
    OUTCOME_KINDS,
    ROUNDS,
    Detection,
    SelfTest,
    accusations,
    exact,
    n_audits,
    selftest,
)
from auditor.selftest.gaps import independent, planted
from auditor.selftest.tables import Outcomes, Tables, of_config, of_run

__all__ = [
    "GAPS",
    "OUTCOME_KINDS",
    "ROUNDS",
    "Detection",
    "Outcomes",
    "SelfTest",
    "Tables",
    "accusations",
    "exact",
    "independent",
    "n_audits",
    "of_config",
    "of_run",
    "planted",
    "selftest",
]
