"""Label association: does an attribute go along with the label in the data?"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from auditor.comparisons.contingency import ContingencyTable, tables
from auditor.phrasing import effect, percent, quoted
from auditor.records import AuditData, Claim, Examination, Skipped, SliceKey
from auditor.registry import Options, plugin
from auditor.statistics import association

NAME = "label-association"
_DRAWN = 20_000_000
"""Cells of all random tables of a permutation test together: 160 MB at a time."""


@plugin("check", NAME)
class LabelAssociation(Options):
    """Does an attribute go along with the label, in the training data and in the audited data?

    A model can use such an attribute in place of the object, and audited data of that kind can't
    show it. Bias-corrected Cramér's V with its interval and a test of independence. It speaks of
    data, not of outcomes, so it is never graver than a warning.
    """

    max_association: float = Field(0.1, gt=0, le=1)
    """Largest acceptable bias-corrected Cramér's V (0: independent, 1: one tells the other)."""

    def examine(self, audit: AuditData) -> Examination:
        """Measures the association of every attribute with the label."""
        claims, skipped = [], []
        for table in tables(audit):
            used = table.counts[table.counts.sum(1) > 0][:, table.counts.sum(0) > 0]
            if min(used.shape, default=0) < 2:
                what = "label" if used.shape[0] < 2 else "value"
                skipped.append(
                    Skipped(
                        check=NAME,
                        reason=f"{table.attribute}: the {table.data} has only one {what} with it",
                    )
                )
                continue
            claims.append(self._claim(table, used.size, audit.seed))
        if audit.reference is None and audit.attributes:
            skipped.append(
                Skipped(
                    check=NAME,
                    reason="no reference is given, so what the model was trained on was not examined: "
                    "name the training data as `data.reference`",
                )
            )
        else:
            skipped += [
                Skipped(check=NAME, reason=f"{name}: the reference has no such column")
                for name in audit.attributes
                if audit.reference is not None and name not in audit.reference
            ]
        return Examination(tuple(claims), tuple(skipped))

    def _claim(self, table: ContingencyTable, n_cells: int, seed: int) -> Claim:
        found = association(
            table.counts, n_permutations=int(np.clip(_DRAWN // n_cells, 199, 9999)), seed=seed
        )
        counts, name = table.counts, table.attribute
        total = int(counts.sum())
        expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / total
        # Labels and values without a sample are short of nothing.
        residual = np.full_like(counts, np.inf)
        np.divide(counts - expected, np.sqrt(expected), out=residual, where=expected > 0)
        short = np.unravel_index(int(residual.argmin()), residual.shape)
        label, value = table.labels[short[0]], table.values[short[1]]
        share = counts[short] / counts[short[0]].sum()
        others = counts.sum(0)[short[1]] - counts[short]
        rest = others / (total - counts[short[0]].sum())
        strength = found.strength
        over = strength.value > self.max_association
        plan = table.plan(self.max_association) if over else []
        return Claim(
            check=NAME,
            title=f"In the {table.data}, {name} goes along with the label (Cramér's V "
            f"{strength.value:.2f})",
            slice=SliceKey(attributes={name: value}, label=label),
            effect=effect("Cramér's V", strength),
            limit=self.max_association,
            p_value=found.p_value,
            support=total,
            samples=(),
            statement=f"In the {table.data} ({total} samples), {name} and label have a "
            f"bias-corrected Cramér's V of {strength.value:.2f} (95 % interval {strength.low:.2f}–"
            f"{strength.high:.2f}). Scarcest for its label: {name} = {value} is {percent(share)} of "
            f"the {quoted(label)} samples, and {percent(rest)} of those of other labels."
            + _entangled(counts, name),
            action=(table.plan_in_words(self.max_association) or _ADVICE) if over else _ADVICE,
            limits="An association in the data is an opportunity for a shortcut, not proof that the "
            "model took it.",
            evidence={"source": table.source, "counts": _listed(table), "plan": plan},
            ceiling="warning",
        )


_ADVICE = "Keep the attribute balanced over the labels when more images are collected."


def _entangled(counts: np.ndarray[Any, np.dtype[np.float64]], name: str) -> str:
    """Says where attribute and label can't be told apart."""
    seen = counts[counts.sum(1) > 0][:, counts.sum(0) > 0] > 0
    if (seen.sum(1) == 1).all():
        return (
            f" Every label has a single value of {name}, so this data can't tell whether a model goes "
            "by the one or the other."
        )
    return ""


def _listed(table: ContingencyTable) -> dict[str, Any]:
    return {
        "labels": list(table.labels),
        "values": list(table.values),
        "counts": table.counts.astype(int).tolist(),
    }
