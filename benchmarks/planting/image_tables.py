"""What many image audits add up to, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from auditor.selftest import exact
from benchmarks.planting.image_audits import Record
from benchmarks.planting.table_audits import shown, table

USED, UNUSED = 0.2, 0.03
"""Falls of accuracy from which on, and up to which, a network uses the shortcut or does not."""
LARGE = 0.2
"""Gap from which on a hidden slice should be found."""
_PRECISE = 0.8


def summary(records: Sequence[Record]) -> str:
    """Tables by shortcut and the targets over all cases."""
    head = (
        "shortcut",
        "strength",
        "cases",
        "gap",
        "fall",
        "named",
        "first",
        "confirmed",
        "placed",
        "hidden slice",
        "any finding",
        "Domino",
        "SpRAy",
        "threshold",
    )
    groups: dict[tuple[str, float], list[Record]] = {}
    for one in records:
        groups.setdefault((one.shortcut, one.strength), []).append(one)
    rows = [
        (
            name,
            strength,
            len(group),
            f"{np.mean([one.gap for one in group]):.0%}",
            f"{np.mean([one.fall for one in group]):.0%}",
            *(
                f"{sum(bool(value) for value in values)}/{len(values)}"
                for values in (
                    [one.named for one in group],
                    [one.first for one in group],
                    [one.confirmed for one in group],
                    [one.placed for one in group if one.placed is not None],
                    [(one.hidden or 0) >= _PRECISE for one in group],
                    [(one.any_finding or 0) >= _PRECISE for one in group],
                    [one.domino >= _PRECISE for one in group],
                    [one.spray >= _PRECISE for one in group],
                    [one.threshold for one in group],
                )
            ),
        )
        for (name, strength), group in sorted(groups.items())
    ]
    return (
        table(head, rows)
        + "\n\n"
        + table(("over all cases", "share", "of"), list(_targets(records)))
    )


def _targets(records: Sequence[Record]) -> Iterator[tuple[str, str, str]]:
    large = [one for one in records if one.gap >= LARGE]
    used = [one for one in records if one.fall >= USED and one.gap >= LARGE]
    unused = [one for one in records if abs(one.fall) <= UNUSED and one.strength == 0]
    in_place = [one for one in used if one.placed is not None]
    hidden = [one for one in used if one.hidden_placed is not None]
    whole = [one for one in used if one.placed is None]
    clean = [one for one in records if one.strength == 0]
    questions: list[tuple[str, list[bool]]] = [
        ("annotated, gap of 10 points: named", [o.named for o in records if o.gap >= 0.1]),
        ("annotated, gap of 10 points: named first", [o.first for o in records if o.gap >= 0.1]),
        ("region planted and used: pointed at", [bool(o.placed) for o in in_place]),
        ("region planted and used: confirmed", [o.confirmed for o in in_place]),
        ("used, of the whole image: confirmed", [o.confirmed for o in whole]),
        ("not used: confirmed", [o.confirmed for o in unused]),
        ("not used: held against the model", [o.named for o in unused]),
        ("any strength: an innocent attribute accused", [bool(o.accused) for o in records]),
        ("clean: anything supported or confirmed", [bool(o.others) or o.named for o in clean]),
        ("clean: a hidden slice supported", [o.hidden is not None for o in clean]),
        ("clean: a property of the images accused", [o.property_accused for o in clean]),
        (
            "hidden, gap of 20 points: hidden slice or cluster",
            [(o.hidden or 0) >= _PRECISE for o in large],
        ),
        (
            "hidden, gap of 20 points: these or a property",
            [(o.any_finding or 0) >= _PRECISE for o in large],
        ),
        ("hidden, gap of 20 points: Domino's best of five", [o.domino >= _PRECISE for o in large]),
        (
            "hidden, gap of 20 points: Domino's, as many as the audit shows",
            [o.domino_equal >= _PRECISE for o in large],
        ),
        ("hidden, gap of 20 points: SpRAy's best of five", [o.spray >= _PRECISE for o in large]),
        (
            "hidden, gap of 20 points: SpRAy's, as many as the audit shows",
            [o.spray_equal >= _PRECISE for o in large],
        ),
        (
            "hidden, region planted and used: confirmed there",
            [bool(o.hidden_placed) for o in hidden],
        ),
        ("group accuracy below a threshold: innocent coin", [o.threshold_accused for o in records]),
        ("gap of 20 points: cleanlab's score, mended", [o.spurious < 0.3 for o in large]),
        ("gap of 20 points: cleanlab's score as it is", [o.spurious_by_index < 0.3 for o in large]),
        ("clean: cleanlab's score, mended", [o.spurious < 0.3 for o in clean]),
        ("clean: cleanlab's score as it is", [o.spurious_by_index < 0.3 for o in clean]),
    ]
    for question, answers in questions:
        if answers:
            yield question, shown(exact(sum(answers), len(answers))), str(len(answers))
