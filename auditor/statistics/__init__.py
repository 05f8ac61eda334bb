"""Pure statistics on numpy arrays: counts and numbers in, estimates with intervals and tests out.

Nothing here knows of samples, models or files. One idea a module; the public names are these.
"""

from auditor.statistics.association import (
    Association,
    association,
    collection_plan,
    cramers_v,
)
from auditor.statistics.calibration import Calibration, calibration
from auditor.statistics.dependence import Dependence, conditional_dependence
from auditor.statistics.fairness import (
    ClassRates,
    FairnessDistances,
    class_rates,
    fairness_distances,
    simultaneous_gaps,
)
from auditor.statistics.gaps import Gaps, detectable_gap, proportion_gap, stratified_gap
from auditor.statistics.interaction import Interactions, stratified_interaction
from auditor.statistics.intervals import (
    Floats,
    Integers,
    Interval,
    Intervals,
    rank_correlation,
    wilson,
)
from auditor.statistics.means import MapDifference, MeanGap, map_difference, stratified_mean_gap
from auditor.statistics.mid_p import mid_p, proportion
from auditor.statistics.multiplicity import q_values
from auditor.statistics.paired import PairedMean, PairedShares, mcnemar, sign_flip
from auditor.statistics.regression import AdjustedGap, adjusted_gap
from auditor.statistics.shares import Confusions, Representation, confusions, representation

__all__ = [
    "AdjustedGap",
    "Association",
    "Calibration",
    "ClassRates",
    "Confusions",
    "Dependence",
    "FairnessDistances",
    "Floats",
    "Gaps",
    "Integers",
    "Interactions",
    "Interval",
    "Intervals",
    "MapDifference",
    "MeanGap",
    "PairedMean",
    "PairedShares",
    "Representation",
    "adjusted_gap",
    "association",
    "calibration",
    "class_rates",
    "collection_plan",
    "conditional_dependence",
    "confusions",
    "cramers_v",
    "detectable_gap",
    "fairness_distances",
    "map_difference",
    "mcnemar",
    "mid_p",
    "proportion",
    "proportion_gap",
    "q_values",
    "rank_correlation",
    "representation",
    "sign_flip",
    "simultaneous_gaps",
    "stratified_gap",
    "stratified_interaction",
    "stratified_mean_gap",
    "wilson",
]
