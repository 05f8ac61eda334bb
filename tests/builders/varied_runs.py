"""Synthetic runs of every size: with few and many failures, classes and attributes, and odd names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from builders.synthetic_plan import Plan
from builders.synthetic_run import build_run

from auditor.manifest import write_manifest
from auditor.records import AuditResult
from auditor.run_folder import RunFolder

NAMES = {
    "hebrew": "תא חד-גבישי פגום",
    "arabic": "خلية شمسية أحادية",
    "chinese": "单晶硅太阳能电池组件缺陷检测",
    "emoji": "🦊🐻 zoo " + "🦊" * 40,
    "one long word": "x" * 300,
    "many words": "a very long name made of many ordinary words " * 6,
}
"""Names that are hard to lay out."""


@dataclass(frozen=True)
class Size:
    """What a report is about.

    Attributes:
        failures: exact number of failures.
        classes: number of classes, at least 2.
        attributes: number of attributes: 0, or at least 2.
        names: ``ordinary``, ``mixed`` for all of `NAMES`, or one of them.
    """

    failures: int
    classes: int
    attributes: int
    names: str

    def __str__(self) -> str:
        return f"{self.failures}-{self.classes}-{self.attributes}-{self.names}".replace(" ", "_")


def varied_run(folder: Path, size: Size) -> RunFolder:
    """Writes a run of a size.

    Args:
        folder: where; must not exist.
        size: of the run.
    """
    store = build_run(folder, _plan(size))
    table = pd.read_parquet(store.path / "predictions.parquet")
    result = store.read_result()
    first, second = list(table.columns)[-2:]
    if size.attributes == 0:
        table = table.drop(columns=[first, second])
        result = _without_attributes(result)
    else:
        copies = [f"{second} {k}" for k in range(3, size.attributes + 1)]
        table = table.assign(**dict.fromkeys(copies, table[second]))
        result = _with_copies(result, second, copies)
    table.to_parquet(store.path / "predictions.parquet", index=False)
    store.write_result(result)
    write_manifest(store.path)
    return store


def _plan(size: Size) -> Plan:
    names = _names(size.names)
    plan = Plan(
        samples=max(300, size.failures * 3 // 2),
        side=24,
        drawn=6,
        failures=size.failures,
        guided=size.failures < 1000,
    )
    if size.names == "ordinary":
        classes = ("functional", "defective")
    else:
        a, b, c, d, e, f = names
        classes = (a, e)
        plan = replace(plan, name=f"{a} {d}", attributes=(c, b), levels=((a, d), (b, e, f)))
    more = tuple(f"{classes[k % 2]} {k}" for k in range(2, size.classes))
    return replace(plan, classes=(*classes, *more))


def _names(which: str) -> tuple[str, ...]:
    """Six different names."""
    if which in NAMES:
        return tuple(f"{NAMES[which]} {k}" if k else NAMES[which] for k in range(6))
    return tuple(NAMES.values())


def _without_attributes(result: AuditResult) -> AuditResult:
    explanations = result.explanations.model_copy(update={"means": [], "units": []})
    config = {**result.provenance.config}
    config["about"] = {**config["about"], "sensitive": []}
    return result.model_copy(
        update={
            "provenance": result.provenance.model_copy(update={"config": config}),
            "slices": [],
            "findings": [
                one.model_copy(update={"evidence": [], "supporting": []})
                for one in result.findings
                if not one.slice.attributes
            ],
            "tested": [one for one in result.tested if not one.slice.attributes],
            "explanations": explanations,
            "metrics": [one for one in result.metrics if not one.slice.attributes],
            "curves": [one for one in result.curves if not one.slice.attributes],
        }
    )


def _with_copies(result: AuditResult, name: str, copies: list[str]) -> AuditResult:
    """A result in which some attributes are copies of another."""
    single = [one for one in result.slices if list(one.attributes) == [name]]
    more = [
        one.model_copy(update={"attributes": {copy: one.attributes[name]}})
        for copy in copies
        for one in single
    ]
    return result.model_copy(update={"slices": [*result.slices, *more]})
