"""Map clusters: images called the same for evidence of another kind, which are wrong more often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from auditor.discovery.sample_splitting import (
    Mask,
    SampleSplit,
    codes,
    jaccard,
    stratified_failures,
)
from auditor.discovery.slice_description import distinctive_values
from auditor.discovery.spectral_clusters import Clusters, cluster_maps
from auditor.imaging.location import evidence_shares, grid, place_of_gain
from auditor.phrasing import (
    effect,
    interval,
    numbers,
    percent,
    points,
    quoted,
    several,
    signed_points,
)
from auditor.records import AuditData, Claim, Examination, Skipped, SliceKey
from auditor.registry import Options, plugin
from auditor.statistics import Floats, Integers

NAME = "map-clusters"
_SHOWN = 12
_ROOM = 1.1
"""Times the smallest support that a group of the search half must hold: the other may hold less."""
_RESAMPLES = 8
_KEPT = 0.8
"""Part of the search half that a repeated search sees."""
_ONE_LABEL = 0.6
"""From this share of the failures on, one label makes a group a confusion of two classes."""


@plugin("check", NAME)
class MapClusters(Options):
    """Are images that are called one class for evidence at another place wrong more often?

    Spectral relevance analysis with a test behind it. Of the images called a class, right and wrong
    ones together, the Grad-CAMs of that class are divided into clusters, on one half of them drawn
    at random. There the clusters are put in order of their error rate, and the order is cut where
    the difference is clearest. Who of the other half is in the worse group is decided by the map
    alone; only there its error rate is compared with the others called the same, and so is its
    excess: failure less the doubt that the model admits. Hard images fail, but the model knows; a
    shortcut fails with confidence. The larger p-value counts. A group that changes when the search is
    repeated on a part of the maps is dropped. Where nearly everything that is called a class is
    wrong, there is no gap to be found within it: that class's own error rate says so.

    Reference:
        S. Lapuschkin et al., "Unmasking Clever Hans predictors and assessing what machines really
        learn", Nature Communications 10 (2019) 1096; stability by searching again in subsets: C.
        Hennig, "Cluster-wise assessment of cluster stability", Computational Statistics and Data
        Analysis 52 (2007) 258-271.
    """

    min_gap: float = Field(0.2, ge=0, le=1)
    """Smallest gap that is told, in the error rate and in the excess: both intervals must lie above.
    Every network looks elsewhere in some images that it fares somewhat worse with."""
    min_failures: int = Field(8, ge=5)
    """Failures called a class that the half for the search must hold."""
    max_classes: int = Field(5, ge=1)
    """How many classes are looked at: those that most failures are called."""
    max_samples: int = Field(1000, ge=100)
    """Maps that are made in all, of images drawn at random."""
    min_stability: float = Field(0.6, ge=0, le=1)
    """Smallest mean overlap (Jaccard) with the groups found on parts of the maps."""

    def examine(self, audit: AuditData) -> Examination:
        """Searches on one half of the maps of each class, tests on the other."""
        if audit.model is None:
            reason = "the model is not at hand to be asked again"
            return Examination(skipped=(Skipped(check=NAME, reason=reason),))
        drawn = self._drawn(audit)
        left_out = len(audit.classes) - len(drawn)
        skipped = []
        if left_out:
            reason = (
                f"{left_out} of {len(audit.classes)} classes: {2 * audit.min_support} images "
                f"called so and {2 * self.min_failures} failures among them are needed, and only the "
                f"{self.max_classes} that most failures are called are looked at"
            )
            skipped.append(Skipped(check=NAME, reason=reason))
        if not drawn:
            return Examination(skipped=tuple(skipped))
        rows = np.concatenate(drawn)
        share, some = evidence_shares(
            audit.model.cams(rows, codes(audit.predictions["predicted"])[rows])
        )
        generator = np.random.default_rng(audit.seed)
        sample_split = SampleSplit.of(audit, rows[some], "predicted", generator)
        claims: list[Claim] = []
        alike: list[str] = []
        for code in np.unique(codes(audit.predictions["predicted"])[rows]):
            claim = self._examined(audit, sample_split, share[some], int(code))
            if claim is None:
                alike.append(audit.classes[code])
            else:
                claims.append(claim)
        if alike:
            reason = (
                f"images called {several(alike, len(alike))}: their maps are of one kind, or their "
                f"clusters differ too little in the half for the search or hold fewer than "
                f"{audit.min_support} images of the other"
            )
            skipped.append(Skipped(check=NAME, reason=reason))
        return Examination(tuple(claims), tuple(skipped))

    def _drawn(self, audit: AuditData) -> list[Integers]:
        """Random images of the classes that most failures are called, by class.

        Which classes these are depends on how many of the images called so are wrong, but not on
        which: under the null hypothesis that says nothing of the maps.
        """
        predicted = codes(audit.predictions["predicted"])
        failure = audit.predictions["failure"].to_numpy(dtype=np.bool_)
        wrong = np.bincount(predicted[failure], minlength=len(audit.classes))
        called = np.bincount(predicted, minlength=len(audit.classes))
        enough = (called >= 2 * audit.min_support) & (wrong >= 2 * self.min_failures)
        order = np.argsort(-wrong, kind="stable")
        chosen = order[enough[order]][: self.max_classes]
        generator = np.random.default_rng(audit.seed)
        room = self.max_samples
        drawn: list[Integers] = []
        # The smallest first: what they leave of their share is the larger ones'.
        for left, code in enumerate(chosen[np.argsort(called[chosen], kind="stable")]):
            rows = generator.permutation(np.flatnonzero(predicted == code))
            rows = rows[: room // (len(chosen) - left)]
            room -= len(rows)
            drawn.append(rows)
        return drawn

    def _examined(
        self, audit: AuditData, sample_split: SampleSplit, share: Floats, code: int
    ) -> Claim | None:
        """The test of the worse group of a class; None where there is none to be tested."""
        called = sample_split.predicted == code
        search, test = (
            np.flatnonzero(called & half) for half in (sample_split.search, sample_split.test)
        )
        if int(sample_split.failure[search].sum()) < self.min_failures:
            return None
        least = _ROOM * audit.min_support
        group = _worse(share[search], sample_split.failure[search], least, audit.seed)
        if group is None:
            return None
        inside = np.zeros(len(called), dtype=np.bool_)
        inside[test] = group.holds(share[test])
        if not audit.min_support <= int(inside.sum()) < len(test):
            return None
        return self._claim(audit, sample_split, share, group, inside)

    def _claim(
        self,
        audit: AuditData,
        sample_split: SampleSplit,
        share: Floats,
        group: _Group,
        inside: Mask,
    ) -> Claim:
        code = int(sample_split.predicted[inside][0])
        called = sample_split.predicted == code
        others = called & sample_split.test & ~inside
        gaps = sample_split.gap(inside, sample_split.predicted)
        excess = sample_split.excess_gap(inside, sample_split.predicted)
        gap = gaps.gap[0]
        p_value = max(float(gaps.p_value[0]), excess.p_value)
        large = gap.low > self.min_gap and excess.gap.low > self.min_gap
        # Searching again takes longer than all the rest, and bears on nothing but what is told.
        stability = _stability(audit, sample_split, share, inside) if large else None
        stays = (
            ""
            if stability is None
            else f" Searched again in parts of the maps, {percent(stability)} of the group stay the same."
        )
        rate, rest = (
            float(sample_split.failure[inside].mean()),
            float(sample_split.failure[others].mean()),
        )
        own_map, other_map = share[inside].mean(0), share[others].mean(0)
        place = place_of_gain(own_map - other_map)
        name = quoted(audit.classes[code])
        mostly = _mostly(audit, sample_split.rows[inside & sample_split.failure])
        of_one = "" if mostly is None else f" (mostly {quoted(mostly)})"
        marked = [
            one
            for one in distinctive_values(audit, sample_split, inside, "predicted")
            if one.name != "label"
        ]
        what = f" What marks them: {several([str(one) for one in marked[:2]])}." if marked else ""
        members = np.flatnonzero(inside)
        members = members[np.argsort(group.distance(share[members]), kind="stable")]
        typical = audit.predictions.iloc[sample_split.rows[members]]
        failing = np.flatnonzero(called & sample_split.failure)
        failing = sample_split.rows[failing[group.holds(share[failing])]]
        shown = typical["sample"].astype(str)
        return Claim(
            check=NAME,
            title=f"Among the images called {name}, those whose evidence lies at the {place} are "
            f"wrong in {percent(rate)} of the cases{of_one}, the others in {percent(rest)}",
            slice=SliceKey(predicted=audit.classes[code]),
            # Without an effect the test counts, and nothing is told of it.
            effect=effect("error-rate gap of a cluster of maps", gap)
            if stability is not None and stability >= self.min_stability
            else None,
            limit=self.min_gap,
            p_value=p_value if np.isfinite(p_value) else 1.0,
            support=int(inside.sum()),
            samples=tuple(shown[typical["failure"]][:_SHOWN]),
            statement=f"Found on one half of the Grad-CAMs of images called {name} and tested on the "
            f"other: of {int((inside | others).sum())} images, the maps of {int(inside.sum())} fall "
            f"into the clusters whose evidence lies at the {place}. {percent(rate)} of these are wrong, "
            f"and {percent(rest)} of the others: a gap of {points(gap.value)} "
            f"({interval(gap, ' points')}), and {signed_points(excess.gap.value)} beyond the doubt that "
            f"the model admits.{what}{stays}",
            action=f"Look at what these images show at the {place}. If it does not belong to "
            f"{name}, add it as an attribute and audit again: then it can be tested by its name.",
            limits="It shows that images with such maps are wrong more often, not that what lies at "
            "that place misleads: two classes that look alike may give such maps as well.",
            evidence={
                "error_rate": rate,
                "rest_error_rate": rest,
                "excess_gap": numbers(excess.gap),
                "stability": stability,
                "marked_by": [str(one) for one in marked],
                "place": place,
                "failures_mostly": mostly,
                "clusters": group.clusters.count,
                "clusters_in_the_group": len(group.chosen),
                "typical": list(shown[:_SHOWN]),
                "mean_map": grid(own_map),
                "mean_map_of_others": grid(other_map),
                "difference": grid(own_map - other_map),
            },
            weight=max(0.0, gap.value) * int(inside.sum()),
            # As long as nobody has said what lies there, it is to be looked at, and stops no release.
            # What misleads draws images of many classes; those of one may just look alike.
            ceiling="warning" if mostly is None else "note",
            explained_by=tuple(one.name for one in marked if one.tells),
            accounts_for=frozenset(failing.tolist()),
        )


@dataclass(frozen=True)
class _Group:
    """Clusters of maps that are wrong more often than the others.

    Attributes:
        clusters: all of them.
        chosen: which ones.
    """

    clusters: Clusters
    chosen: Integers

    def holds(self, share: Floats) -> Mask:
        """Whether maps fall into it."""
        return np.isin(self.clusters.assign(share), self.chosen)

    def distance(self, share: Floats) -> Floats:
        """How far maps are from the nearest centre of its clusters."""
        centres = np.stack(
            [self.clusters.maps[self.clusters.members == one].mean(0) for one in self.chosen]
        )
        apart = share.reshape(len(share), 1, -1) - centres
        nearest: Floats = np.sqrt((apart**2).sum(-1)).min(1)
        return nearest


def _worse(share: Floats, failure: Mask, at_least: float, seed: int) -> _Group | None:
    """Puts clusters in order of their error rate and cuts where the difference is clearest."""
    clusters = cluster_maps(share, seed)
    if clusters is None:
        return None
    sizes = np.bincount(clusters.members, minlength=clusters.count)
    rate = np.bincount(clusters.members[failure], minlength=clusters.count) / sizes
    order = np.argsort(-rate, kind="stable")
    best, found = 0.0, None
    for cut in range(1, clusters.count):
        inside = np.isin(clusters.members, order[:cut])
        gap = stratified_failures(failure, inside, np.zeros(len(failure), dtype=np.int64)).gap[0]
        # How many of its own margins of error the gap is large.
        clear = gap.value / (gap.value - gap.low)
        if inside.sum() >= at_least and clear > best:
            best, found = clear, _Group(clusters, order[:cut])
    return found


def _stability(audit: AuditData, sample_split: SampleSplit, share: Floats, inside: Mask) -> float:
    """Mean overlap of the group, among the maps to test on, with those of repeated searches."""
    called = sample_split.predicted == sample_split.predicted[inside][0]
    search, test = (
        np.flatnonzero(called & half) for half in (sample_split.search, sample_split.test)
    )
    generator = np.random.default_rng(audit.seed)
    least = _KEPT * _ROOM * audit.min_support
    overlaps = []
    for _ in range(_RESAMPLES):
        kept = generator.permutation(search)[: round(_KEPT * len(search))]
        again = _worse(share[kept], sample_split.failure[kept], least, audit.seed)
        same = None if again is None else again.holds(share[test])
        overlaps.append(0.0 if same is None else jaccard(inside[test], same))
    return float(np.mean(overlaps))


def _mostly(audit: AuditData, rows: Integers) -> str | None:
    """The label that most of some failures bear; with two classes all do, which says nothing."""
    if len(audit.classes) == 2 or not len(rows):
        return None
    counts = audit.predictions["label"].iloc[rows].value_counts()
    return str(counts.index[0]) if counts.iloc[0] >= _ONE_LABEL * len(rows) else None
