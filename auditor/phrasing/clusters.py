"""The clusters of the samples, in a sentence for every document."""

from __future__ import annotations

from auditor.phrasing.numbers import count, plural
from auditor.records import ClusterRecord, Summary
from auditor.records.predictions import SAMPLE


def cluster_count(number: int, name: str | None, *, named: bool = True) -> str:
    """A number of clusters: ``69 clusters by patient``, and ``69 samples`` of a multi-label task.

    Args:
        number: of clusters.
        name: of the column with the clusters; ``sample`` where the decisions on one sample are a
            cluster.
        named: whether to name the column.
    """
    if name == SAMPLE:
        return plural(number, "sample")
    return f"{plural(number, 'cluster')} by {name}" if named else plural(number, "cluster")


def clusters_text(clusters: ClusterRecord | None, summary: Summary) -> str:
    """The clusters and their design effect; empty if all samples are treated as independent.

    Args:
        clusters: clusters of the audit.
        summary: the number of evaluated samples.
    """
    if clusters is None:
        return ""
    if clusters.largest == 1:
        if summary.n_decisions:
            return "There is one decision on each sample, and samples count as independent."
        return f"No two samples have the same {clusters.name}, so samples count as independent."
    if summary.n_decisions and clusters.n_clusters == summary.n_evaluated:
        text = f"The decisions on one sample count as dependent: {plural(clusters.n_clusters, 'sample')}, "
    else:
        text = (
            f"Samples are clustered by {clusters.name}: {plural(clusters.n_clusters, 'cluster')}, "
        )
    if clusters.design_effect is None:
        text += "with a design effect that cannot be estimated from these samples."
    else:
        n = summary.n_decisions or summary.n_evaluated
        what = "samples" if n == summary.n_evaluated else "decisions"
        worth = round(n / clusters.design_effect)
        text += (
            f"design effect {clusters.design_effect:.1f}, so that {count(n)} {what} "
            f"carry as much information about the error rate as {count(worth)} independent ones."
        )
    if clusters.n_missing:
        text += (
            f" The {clusters.name} of {plural(clusters.n_missing, 'sample')} is unknown; each counts as a "
            "separate cluster."
        )
    return text
