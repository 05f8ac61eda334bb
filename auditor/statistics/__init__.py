"""Statistics on numpy arrays: estimates with intervals and tests from counts and numbers.

All functions are pure: they do not access samples, models or files.
"""

from auditor.statistics.adjusted import AdjustedGaps, adjusted_gaps
from auditor.statistics.association import (
    Association,
    association,
    collection_plan,
    cramers_v,
)
from auditor.statistics.calibration import Calibration, calibration
from auditor.statistics.class_order import exchanged_classes
from auditor.statistics.closed_testing import after_omnibus, hochberg, holm, worse_p_values
from auditor.statistics.cluster_sample import LEAST_CLUSTERS
from auditor.statistics.clustered_adjusted import clustered_adjusted_gaps
from auditor.statistics.clustered_dependence import clustered_dependence
from auditor.statistics.clustered_gaps import (
    ClusteredGaps,
    ClusteredMeanGap,
    clustered_gap,
    clustered_mean_gap,
)
from auditor.statistics.clustered_interaction import clustered_interaction
from auditor.statistics.clustered_maps import clustered_map_difference
from auditor.statistics.clusters import (
    ClusterDesign,
    cluster_design,
    clustered_wilson,
    design_effect_interval,
    inflation_of_rates,
)
from auditor.statistics.criterion import (
    EveryClass,
    JudgedNumber,
    judge_against_chance,
    judge_against_majority,
    judge_interval,
)
from auditor.statistics.decomposition import (
    LARGEST_UNEXPLAINED,
    Explanation,
    GapDecomposition,
    decompose_gap,
)
from auditor.statistics.dependence import Dependence, conditional_dependence
from auditor.statistics.fairness import (
    ClassRates,
    FairnessDistances,
    class_rates,
    fairness_distances,
)
from auditor.statistics.futility import is_futile, stages
from auditor.statistics.gaps import (
    Gaps,
    detectable_gap,
    exact_p_value,
    proportion_gap,
    stratified_gap,
)
from auditor.statistics.gatekeeping import Gatekept, gatekeeping
from auditor.statistics.interaction import (
    Interactions,
    interaction_cells,
    interaction_signs,
    stratified_interaction,
)
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
from auditor.statistics.operating_curves import (
    CurvePoints,
    precision_recall_points,
    reliability_bins,
    roc_points,
)
from auditor.statistics.overconfidence import Overconfidence, overconfidence
from auditor.statistics.overconfidence_gap import overconfidence_gap
from auditor.statistics.paired import PairedMean, PairedShares, mcnemar, sign_flip
from auditor.statistics.pairwise import (
    Extremes,
    ValueComparisons,
    compare_with_best,
    compare_with_reference,
    largest_difference,
    smallest_ratio,
)
from auditor.statistics.partial_pooling import partially_pooled
from auditor.statistics.permutation import MonteCarlo, sequential_p_value
from auditor.statistics.population import WeightedShare, kish_size, raked_weights, weighted_share
from auditor.statistics.power import (
    GateRule,
    detectable_by,
    doubt_power,
    gate_power,
)
from auditor.statistics.ratios import Ratios, stratified_ratio
from auditor.statistics.series import Series, cluster_p_value, find_series
from auditor.statistics.shares import Confusions, RepresentationShares, confusions, representation
from auditor.statistics.smooth_rate import SmoothRate, smooth_rate
from auditor.statistics.trend import Trends, trend

__all__ = [
    "LARGEST_UNEXPLAINED",
    "LEAST_CLUSTERS",
    "AdjustedGaps",
    "Association",
    "Calibration",
    "ClassRates",
    "ClusterDesign",
    "ClusteredGaps",
    "ClusteredMeanGap",
    "Confusions",
    "CurvePoints",
    "Dependence",
    "EveryClass",
    "Explanation",
    "Extremes",
    "FairnessDistances",
    "Floats",
    "GapDecomposition",
    "Gaps",
    "GateRule",
    "Gatekept",
    "Integers",
    "Interactions",
    "Interval",
    "Intervals",
    "JudgedNumber",
    "MapDifference",
    "MeanGap",
    "MonteCarlo",
    "Overconfidence",
    "PairedMean",
    "PairedShares",
    "Ratios",
    "RepresentationShares",
    "Series",
    "SmoothRate",
    "Trends",
    "ValueComparisons",
    "WeightedShare",
    "adjusted_gaps",
    "after_omnibus",
    "association",
    "calibration",
    "class_rates",
    "cluster_design",
    "cluster_p_value",
    "clustered_adjusted_gaps",
    "clustered_dependence",
    "clustered_gap",
    "clustered_interaction",
    "clustered_map_difference",
    "clustered_mean_gap",
    "clustered_wilson",
    "collection_plan",
    "compare_with_best",
    "compare_with_reference",
    "conditional_dependence",
    "confusions",
    "cramers_v",
    "decompose_gap",
    "design_effect_interval",
    "detectable_by",
    "detectable_gap",
    "doubt_power",
    "exact_p_value",
    "exchanged_classes",
    "fairness_distances",
    "find_series",
    "gate_power",
    "gatekeeping",
    "hochberg",
    "holm",
    "inflation_of_rates",
    "interaction_cells",
    "interaction_signs",
    "is_futile",
    "judge_against_chance",
    "judge_against_majority",
    "judge_interval",
    "kish_size",
    "largest_difference",
    "map_difference",
    "mcnemar",
    "mid_p",
    "overconfidence",
    "overconfidence_gap",
    "partially_pooled",
    "precision_recall_points",
    "proportion",
    "proportion_gap",
    "q_values",
    "raked_weights",
    "rank_correlation",
    "reliability_bins",
    "representation",
    "roc_points",
    "sequential_p_value",
    "sign_flip",
    "smallest_ratio",
    "smooth_rate",
    "stages",
    "stratified_gap",
    "stratified_interaction",
    "stratified_mean_gap",
    "stratified_ratio",
    "trend",
    "weighted_share",
    "wilson",
    "worse_p_values",
]
