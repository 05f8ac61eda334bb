"""The self-test: how often would this audit find a gap of that size in data like these?

The predictions of a run are taken, and whatever makes them depend on an attribute is removed: among
the samples of one label, the outcomes (prediction, confidence, loss) are dealt out anew at random.
What an audit with the run's own settings still finds is a false alarm. Then a gap is planted in one
value of an attribute, and the audit is judged again: is it found, and is it named?

No image is read and no model is asked, so what only an intervention, a map or a hidden slice can
show is not tested here; of the checks, those that need no images run.
"""

from auditor.selftest.gaps import independent, planted
from auditor.selftest.tables import Outcomes, Tables, of_config, of_run
from auditor.selftest.trial import (
    GAPS,
    OF_DATA,
    OF_MAPS,
    ROUNDS,
    Detection,
    SelfTest,
    accusations,
    exact,
    n_audits,
    selftest,
)

__all__ = [
    "GAPS",
    "OF_DATA",
    "OF_MAPS",
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
