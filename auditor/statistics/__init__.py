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
from auditor.statistics.cluster_sample import LEAST_CLUSTERS
from auditor.statistics.clustered_dependence import clustered_dependence
from auditor.statistics.clustered_gaps import (
    ClusteredGaps,
    ClusteredMeanGap,
    clustered_gap,
    clustered_mean_gap,
)
from auditor.statistics.clustered_interaction import clustered_interaction
from auditor.statistics.clustered_maps import clustered_map_difference
from auditor.statistics.clusters import ClusterDesign, cluster_design, clustered_wilson
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
    newcombe,
    rank_correlation,
    wilson,
)
from auditor.statistics.means import MapDifference, MeanGap, map_difference, stratified_mean_gap
from auditor.statistics.multiplicity import q_values
from auditor.statistics.paired import PairedMean, PairedShares, mcnemar, sign_flip
from auditor.statistics.permutation import MonteCarlo, sequential_p_value
from auditor.statistics.regression import AdjustedGap, adjusted_gap
from auditor.statistics.series import Series, find_series
from auditor.statistics.shares import Confusions, Representation, confusions, representation

__all__ = [
    "LEAST_CLUSTERS",
    "AdjustedGap",
    "Association",
    "Calibration",
    "ClassRates",
    "ClusterDesign",
    "ClusteredGaps",
    "ClusteredMeanGap",
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
    "MonteCarlo",
    "PairedMean",
    "PairedShares",
    "Representation",
    "Series",
    "adjusted_gap",
    "association",
    "calibration",
    "class_rates",
    "cluster_design",
    "clustered_dependence",
    "clustered_gap",
    "clustered_interaction",
    "clustered_map_difference",
    "clustered_mean_gap",
    "clustered_wilson",
    "collection_plan",
    "conditional_dependence",
    "confusions",
    "cramers_v",
    "detectable_gap",
    "fairness_distances",
    "find_series",
    "map_difference",
    "mcnemar",
    "newcombe",
    "proportion_gap",
    "q_values",
    "rank_correlation",
    "representation",
    "sequential_p_value",
    "sign_flip",
    "simultaneous_gaps",
    "stratified_gap",
    "stratified_interaction",
    "stratified_mean_gap",
    "wilson",
]
