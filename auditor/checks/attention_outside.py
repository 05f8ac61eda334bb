"""Attention outside: how much of the evidence lies outside of the object, and for which samples?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.checks import Check, Need
from auditor.comparisons.clusters import mean_gap_of
from auditor.phrasing import interval, percent, plural, points, whom
from auditor.records import (
    MISSING,
    AuditData,
    Claim,
    ClaimKind,
    Effect,
    Examination,
    Maps,
    ModelAccess,
    Quantities,
    Quantity,
    Skipped,
    SliceKey,
)
from auditor.records.predictions import codes
from auditor.registry import plugin
from auditor.statistics import Floats, Integers, MeanGap

NAME = "attention-outside"
_SHOWN = 12
"""Samples that are listed at most."""
_BATCH = 128
"""Boxes or masks in memory at a time."""
_LIMITS = (
    "A map shows where the evidence for the label is, at the resolution of the target layer; where the "
    "box is coarse, so is the share outside of it."
)

Mask = NDArray[np.bool_]


@plugin("check", NAME)
class AttentionOutside(Check):
    """How much of the evidence lies outside of the object, for which samples, and for failures?

    Needs boxes or masks. The share of each Grad-CAM of the label that lies outside of the object is
    compared within labels: between each attribute value and the others, and between failures and
    correct samples. The samples were drawn at random, regardless of their outcomes. Maps alone prove
    no failure, so the severity is never higher than a note.
    """

    kind: ClassVar[ClaimKind] = "map"
    handles_clusters: ClassVar[bool] = True
    needs: ClassVar[frozenset[Need]] = frozenset({"maps", "model"})

    min_gap: float = Field(0.1, ge=0, le=1)
    """Smallest gap of the share outside that is reported; its interval must lie above it."""
    min_maps: int = Field(12, ge=2)
    """Smallest number of maps on each side."""
    max_samples: int = Field(800, ge=20)
    """Largest number of samples whose boxes or masks are read; of more, a random sample."""
    permutations: int = Field(1999, ge=99, le=10_000_000)
    """Number of permutations; the smallest possible p-value is 1 / (permutations + 1)."""

    def examine(self, audit: AuditData) -> Examination:
        """Measures the share of evidence outside of the object, and compares it."""
        if audit.maps is None or audit.model is None:
            return _skipped("no attribution maps of attribute values, or no model")
        rows = audit.maps.rows
        if len(rows) > self.max_samples:
            drawn = np.random.default_rng(audit.seed).permutation(rows)[: self.max_samples]
            rows = np.sort(drawn).astype(np.int64)
        outside = share_outside(audit.model, audit.maps, rows)
        if outside is None:
            return _skipped("the data has no boxes or masks of the object")
        known = np.isfinite(outside)
        if int(known.sum()) < 2 * self.min_maps:
            return _skipped(
                f"only {int(known.sum())} of {plural(len(rows), 'sample')} have evidence in their map and "
                "a visible object"
            )
        share = dict(zip(rows[known].tolist(), outside[known].tolist(), strict=True))
        claims = [
            *self._of_failures(audit, share),
            *(one for name in audit.attributes for one in self._of_values(audit, share, name)),
        ]
        return Examination(tuple(claims))

    def _of_failures(self, audit: AuditData, share: dict[int, float]) -> Iterator[Claim]:
        """The claim on failures against correct samples, if there are enough of both."""
        rows, values = np.array(list(share), dtype=np.int64), np.array(list(share.values()))
        failed = audit.predictions["failure"].to_numpy(dtype=bool)[rows]
        found = self._compared(audit, rows, values, failed)
        if found is None:
            return
        yield self._claim(
            audit,
            SliceKey(),
            found,
            title=f"Evidence outside of the object: {percent(found.in_slice)} for failures, "
            f"{percent(found.in_rest)} for correct samples",
            statement=(
                f"Of {len(rows)} samples drawn at random, {int(failed.sum())} are misclassified.",
                (
                    "For these, the share of the evidence outside of the object is "
                    f"{points(found.gap.gap.value)} larger than for correct samples of the same labels "
                    f"({interval(found.gap.gap, ' points')})."
                ),
            ),
            limits=f"{_LIMITS} A model that misses the object for any reason has its evidence elsewhere; "
            "which is the cause remains open.",
        )

    def _of_values(self, audit: AuditData, share: dict[int, float], name: str) -> Iterator[Claim]:
        """Claims on the values of an attribute against the others."""
        assert audit.maps is not None
        cells = [c for c in audit.maps.cells if c.attribute == name and c.value != MISSING]
        rows_of: dict[str, list[int]] = {}
        for cell in cells:
            rows_of.setdefault(cell.value, []).extend(r for r in cell.rows.tolist() if r in share)
        mean = {k: float(np.mean([share[r] for r in some])) for k, some in rows_of.items() if some}
        ordered = sorted(mean, key=lambda value: -mean[value])
        rows = np.array([r for some in rows_of.values() for r in some], dtype=np.int64)
        values = np.array([share[r] for r in rows.tolist()])
        # With two values one comparison is enough: the other is the same with the opposite sign.
        for value in ordered[:1] if len(ordered) == 2 else ordered:
            inside = (audit.predictions[name] == value).to_numpy(dtype=bool)[rows]
            found = self._compared(audit, rows, values, inside)
            if found is None:
                continue
            key = SliceKey(attributes={name: value})
            yield self._claim(
                audit,
                key,
                found,
                title=f"Evidence outside of the object: {percent(found.in_slice)} for {whom(key)}, "
                f"{percent(found.in_rest)} for others",
                statement=(
                    (
                        f"In the Grad-CAMs of {int(inside.sum())} {whom(key)}, drawn at random, the "
                        "share of the evidence outside of the object is "
                        f"{points(found.gap.gap.value)} larger than in {int((~inside).sum())} others of "
                        f"the same labels ({interval(found.gap.gap, ' points')})."
                    ),
                ),
                limits=_LIMITS,
            )

    def _compared(
        self, audit: AuditData, rows: Integers, values: Floats, inside: Mask
    ) -> _Comparison | None:
        """Compares the samples inside with the others; None if there are too few."""
        label = codes(audit.predictions["label"])[rows]
        gap = mean_gap_of(audit, values, inside, label, rows, self.permutations)
        if min(gap.n_slice, gap.n_rest) < self.min_maps or np.isnan(gap.p_value):
            return None
        return _Comparison(
            gap=gap,
            in_rest=float(values[~inside].mean()),
            rows=rows[inside],
            values=values[inside],
        )

    def _claim(
        self,
        audit: AuditData,
        key: SliceKey,
        found: _Comparison,
        *,
        title: str,
        statement: tuple[str, ...],
        limits: str,
    ) -> Claim:
        shown = found.rows[np.argsort(-found.values, kind="stable")[:_SHOWN]]
        effect = Effect.measured(
            "share of the evidence outside of the object, gap", found.gap.gap, "points"
        )
        mean = Quantity(
            name="share outside of the object", value=float(found.values.mean()), unit="share"
        )
        rest = Quantity(name="samples compared with", value=found.gap.n_rest, unit="count")
        return Claim(
            check=NAME,
            kind=self.kind,
            title=title,
            slice=key,
            effect=effect if found.gap.gap.low > self.min_gap else None,
            limit=self.min_gap,
            p_value=found.gap.p_value,
            support=found.gap.n_slice,
            samples=tuple(audit.predictions["sample"].iloc[shown].astype(str)),
            statement=statement,
            action="Look at what lies beside the object in these images, and vary it in the training data.",
            limits=limits,
            evidence=(Quantities(items=(mean, rest)),),
            ceiling="note",
        )


@dataclass(frozen=True)
class _Comparison:
    """Shares of evidence outside of the object, of a slice and of the rest.

    Attributes:
        gap: their difference within labels.
        in_rest: mean share in the rest.
        rows: (n,) positions of the slice in ``AuditData.predictions``.
        values: (n,) shares in the slice.
    """

    gap: MeanGap
    in_rest: float
    rows: Integers
    values: Floats

    @property
    def in_slice(self) -> float:
        """Mean share in the rest plus the gap within labels."""
        return self.in_rest + self.gap.gap.value


def share_outside(model: ModelAccess, maps: Maps, rows: Integers) -> Floats | None:
    """Share of each map's evidence outside of the object.

    Args:
        model: returns where the objects are.
        maps: maps of at least these rows.
        rows: (n,) positions in ``AuditData.predictions``.

    Returns:
        (n,) shares from 0 to 1, NaN where there is no evidence or no object; None if the data has no
        boxes or masks.
    """
    parts: list[Floats] = []
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        objects = model.objects(some)
        if objects is None:
            return None
        cams = maps.of(some).astype(np.float64)
        covered = coverage(objects, cams.shape[1], cams.shape[2])
        mass = cams.sum((1, 2))
        defined = (mass > 0) & objects.any((1, 2))
        inside: Floats = (cams * covered).sum((1, 2))
        share = np.divide(inside, mass, out=np.full(len(some), np.nan), where=defined)
        parts.append(1 - share)
    return np.concatenate(parts) if parts else np.zeros(0)


def coverage(objects: NDArray[np.bool_], height: int, width: int) -> Floats:
    """How much of the patch behind each place of a map is covered by the object.

    Args:
        objects: (n, H, W) masks of the objects.
        height: of the map.
        width: of the map.

    Returns:
        (n, height, width) shares from 0 to 1. Patches have equal sides; a pixel on the boundary of two
        patches counts in each by its part.
    """
    down, across = (
        _pixel_weights(length, places)
        for length, places in ((objects.shape[1], height), (objects.shape[2], width))
    )
    covered: Floats = down @ objects.astype(np.float64) @ across.T
    return covered


def _pixel_weights(length: int, places: int) -> Floats:
    """(places, length): the part of a place that each pixel covers."""
    edges = np.arange(places + 1) * length / places
    pixels = np.arange(length)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: Floats = np.maximum(shared, 0) * places / length
    return weights


def _skipped(reason: str) -> Examination:
    return Examination(skipped=(Skipped(check=NAME, reason=reason),))
