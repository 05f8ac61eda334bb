"""Which samples belong together, in a sentence for every document."""

from __future__ import annotations

from auditor.phrasing.numbers import count, plural
from auditor.records import ClusterRecord, Summary


def clusters_text(clusters: ClusterRecord | None, summary: Summary) -> str:
    """How samples are clustered and what that costs; empty where all are taken to be independent.

    Args:
        clusters: of the audit.
        summary: how many samples were evaluated.
    """
    if clusters is None:
        return ""
    if clusters.largest == 1:
        return (
            f"Every sample is a cluster by {clusters.name} of its own, so that samples count as "
            "independent."
        )
    text = f"Samples are clustered by {clusters.name}: {plural(clusters.n_clusters, 'cluster')}, "
    if clusters.design_effect is None:
        text += "with a design effect that these samples cannot show."
    else:
        worth = round(summary.n_evaluated / clusters.design_effect)
        text += (
            f"design effect {clusters.design_effect:.1f}, so that {count(summary.n_evaluated)} samples "
            f"say as much about the error rate as {count(worth)} independent ones."
        )
    if clusters.n_missing:
        text += (
            f" The {clusters.name} of {plural(clusters.n_missing, 'sample')} is not known; each counts "
            "as a cluster of its own."
        )
    return text
