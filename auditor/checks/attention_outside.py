"""Attention outside: how much of the evidence lies off the object, for whom, and does it matter?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from auditor.phrasing import effect, interval, percent, points, whom
from auditor.records import (
    MISSING,
    AuditData,
    Claim,
    Examination,
    Maps,
    ModelAccess,
    Skipped,
    SliceKey,
)
from auditor.registry import Options, plugin
from auditor.statistics import Floats, Integers, MeanGap, stratified_mean_gap

NAME = "attention-outside"
_SHOWN = 12
_AT_ONCE = 128
"""Boxes or masks in memory at a time."""
_LIMITS = (
    "A map shows where the evidence for the label comes from, at the target layer's resolution; where "
    "the box is coarse, so is the share outside of it."
)


@plugin("check", NAME)
class AttentionOutside(Options):
    """How much of the evidence lies outside of the object, for whom, and does it go with failure?

    Needs boxes or masks. The share of each Grad-CAM of the label that lies outside of the object is
    compared within labels: between each attribute value and the others, and between failures and
    the rest. The samples were drawn at random, not by how the model did on them. A map accuses
    nobody, so this is never graver than a note.
    """

    min_gap: float = Field(0.1, ge=0, le=1)
    """Smallest gap of the share outside that is told; its interval must lie above."""
    min_maps: int = Field(12, ge=2)
    """Smallest number of maps on each side."""
    max_samples: int = Field(800, ge=20)
    """Samples whose boxes or masks are read at most, drawn at random."""
    permutations: int = Field(1999, ge=99)
    """Random orders; the smallest p-value is one in so many and one."""

    def examine(self, audit: AuditData) -> Examination:
        """Measures what lies outside, and compares it."""
        if audit.maps is None or audit.model is None:
            return _skipped("no attribution maps of attribute values, or no model at hand")
        rows = audit.maps.rows
        if len(rows) > self.max_samples:
            drawn = np.random.default_rng(audit.seed).permutation(rows)[: self.max_samples]
            rows = np.sort(drawn).astype(np.int64)
        outside = _outside(audit.model, audit.maps, rows)
        if outside is None:
            return _skipped("the data has no boxes or masks that say where the object is")
        known = np.isfinite(outside)
        if int(known.sum()) < 2 * self.min_maps:
            return _skipped(
                f"only {int(known.sum())} of {len(rows)} samples have both evidence in their map and an "
                "object that the network sees"
            )
        share = dict(zip(rows[known].tolist(), outside[known].tolist(), strict=True))
        claims = [
            *self._of_failures(audit, share),
            *(one for name in audit.attributes for one in self._of_values(audit, share, name)),
        ]
        return Examination(tuple(claims))

    def _of_failures(self, audit: AuditData, share: dict[int, float]) -> Iterator[Claim]:
        rows, values = np.array(list(share), dtype=np.int64), np.array(list(share.values()))
        failed = audit.predictions["failure"].to_numpy(dtype=bool)[rows]
        found = self._compared(audit, rows, values, failed)
        if found is None:
            return
        rest = float(values[~failed].mean())
        yield self._claim(
            audit,
            SliceKey(),
            found,
            rows[failed],
            values[failed],
            title=f"For failures, {percent(rest + found.gap.value)} of the evidence lies outside of the "
            f"object; {percent(rest)} for correct samples",
            statement=f"Of {len(rows)} samples drawn at random, {int(failed.sum())} are misclassified; "
            f"{points(found.gap.value)} more of their label's evidence lie outside of the object than "
            f"for correct samples of the same labels ({interval(found.gap, ' points')}).",
            limits=f"{_LIMITS} A model that misses the object for any reason looks elsewhere: which is "
            "the cause, this can't say.",
        )

    def _of_values(self, audit: AuditData, share: dict[int, float], name: str) -> Iterator[Claim]:
        assert audit.maps is not None
        cells = [c for c in audit.maps.cells if c.attribute == name and c.value != MISSING]
        rows_of: dict[str, list[int]] = {}
        for cell in cells:
            rows_of.setdefault(cell.value, []).extend(r for r in cell.rows.tolist() if r in share)
        mean = {k: float(np.mean([share[r] for r in some])) for k, some in rows_of.items() if some}
        worst = sorted(mean, key=lambda value: -mean[value])
        # Of two values one is enough: the comparison of the other is the same one.
        for value in worst[:1] if len(worst) == 2 else worst:
            rows = np.array([r for some in rows_of.values() for r in some], dtype=np.int64)
            values = np.array([share[r] for r in rows.tolist()])
            inside = (audit.predictions[name] == value).to_numpy(dtype=bool)[rows]
            found = self._compared(audit, rows, values, inside)
            if found is None:
                continue
            key = SliceKey(attributes={name: value})
            rest = float(values[~inside].mean())
            yield self._claim(
                audit,
                key,
                found,
                rows[inside],
                values[inside],
                title=f"For {whom(key)}, {percent(rest + found.gap.value)} of the evidence lies outside "
                f"of the object; {percent(rest)} for the others",
                statement=f"In the Grad-CAMs of {int(inside.sum())} {whom(key)}, drawn at random, "
                f"{points(found.gap.value)} more of the evidence for the label lie outside of the "
                f"object than in {int((~inside).sum())} others of the same labels "
                f"({interval(found.gap, ' points')}).",
                limits=_LIMITS,
            )

    def _compared(
        self, audit: AuditData, rows: Integers, values: Floats, inside: NDArray[np.bool_]
    ) -> MeanGap | None:
        label = audit.predictions["label"].cat.codes.to_numpy(dtype=np.int64)[rows]
        found = stratified_mean_gap(
            values, inside, label, n_permutations=self.permutations, seed=audit.seed
        )
        return None if min(found.n_slice, found.n_rest) < self.min_maps else found

    def _claim(
        self,
        audit: AuditData,
        key: SliceKey,
        found: MeanGap,
        rows: Integers,
        values: Floats,
        *,
        title: str,
        statement: str,
        limits: str,
    ) -> Claim:
        shown = rows[np.argsort(-values, kind="stable")[:_SHOWN]]
        return Claim(
            check=NAME,
            title=title,
            slice=key,
            # Without an effect the test counts, and nothing is told of it.
            effect=effect("share of the evidence outside of the object, gap", found.gap)
            if found.gap.low > self.min_gap
            else None,
            limit=self.min_gap,
            p_value=found.p_value,
            support=found.n_slice,
            samples=tuple(audit.predictions["sample"].iloc[shown].astype(str)),
            statement=statement,
            action="Look at what lies beside the object in these images; vary it in the training data.",
            limits=limits,
            evidence={"share_outside": float(values.mean()), "n_rest": found.n_rest},
            ceiling="note",
        )


def _outside(model: ModelAccess, maps: Maps, rows: Integers) -> Floats | None:
    """Share of each map's evidence outside of the object.

    Args:
        model: knows where the objects are.
        maps: of the rows and more.
        rows: (n,) positions in the predictions.

    Returns:
        (n,), NaN where there is no evidence or no object; None where the data has no objects.
    """
    parts: list[Floats] = []
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        objects = model.objects(some)
        if objects is None:
            return None
        cams = maps.of(some).astype(np.float64)
        covered = _coverage(objects, cams.shape[1], cams.shape[2])
        mass = cams.sum((1, 2))
        there = (mass > 0) & objects.any((1, 2))
        inside: Floats = (cams * covered).sum((1, 2))
        share = np.divide(inside, mass, out=np.full(len(some), np.nan), where=there)
        parts.append(1 - share)
    return np.concatenate(parts) if parts else np.zeros(0)


def _coverage(objects: NDArray[np.bool_], height: int, width: int) -> Floats:
    """How much of the patch behind each place of a map the object covers, (n, height, width).

    Patches have equal sides, and a pixel that lies in two counts for each by its part.
    """
    down, across = (
        _parts(length, places)
        for length, places in ((objects.shape[1], height), (objects.shape[2], width))
    )
    covered: Floats = down @ objects.astype(np.float64) @ across.T
    return covered


def _parts(length: int, places: int) -> Floats:
    """(places, length): the share of a place that each pixel makes up."""
    edges = np.arange(places + 1) * length / places
    pixels = np.arange(length)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: Floats = np.maximum(shared, 0) * places / length
    return weights


def _skipped(reason: str) -> Examination:
    return Examination(skipped=(Skipped(check=NAME, reason=reason),))
