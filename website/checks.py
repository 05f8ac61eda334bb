"""One page for each group of checks: question, method, limits and options."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from typing import cast

from auditor import registry
from auditor.checks import Check
from auditor.plugin_descriptions import of_class
from auditor.records import ClaimKind
from auditor.records.decisions import ALL_TASKS
from website.markdown import GENERATED, cell, inline, options_table, paragraphs

GROUPS: dict[ClaimKind, tuple[str, str, str]] = {
    "data": (
        "data",
        "The data",
        """
        These checks examine the images, labels and attributes. Their findings are warnings at most,
        unless the accuracy is lower as well.
        """,
    ),
    "outcome": (
        "outcomes",
        "The model's outcomes",
        """
        These checks compare the predictions with the labels, on all samples and on slices. Their
        findings may be alerts, which block the gate by default.
        """,
    ),
    "map": (
        "maps",
        "The model's maps and features",
        """
        These checks look for groups of images in attribution maps and in the features of the target
        layer. A map alone proves no failure: a finding of these checks is never more than a warning.
        """,
    ),
    "robustness": (
        "robustness",
        "The model's robustness",
        """
        These checks change the images and predict them again. They test whether a suspected cause
        changes the predictions, and can confirm a finding of another check.
        """,
    ),
}
"""File name, title and introduction of each group, in the order of the documentation."""

_NEEDS = {
    "images": "the image files",
    "maps": "Grad-CAMs",
    "model": "the model",
    "reference": "training data (`data.reference`)",
}
_TASKS = {"single-label": "single-label", "binary": "binary", "multi-label": "multi-label"}
_OVERVIEW = """
A check asks one question. It returns every hypothesis that it tested, and the audit corrects over all
of them. Each check can be switched off, or given other options:
"""
REFERENCE = "**Reference.**"
_NOT_LIMITS = "No conclusion"


def page(kind: ClaimKind) -> str:
    """The page of one group."""
    _, title, introduction = GROUPS[kind]
    lines = [f"# Checks: {title[0].lower()}{title[1:]}", "", GENERATED, "", inline(introduction)]
    for name, check in _of_kind(kind):
        lines += ["", *_described(name, check)]
    return "\n".join(lines) + "\n"


def overview() -> str:
    """Table of all checks with their questions."""
    lines = [
        "# Checks",
        "",
        GENERATED,
        "",
        inline(_OVERVIEW),
        "",
        "```yaml",
        "checks:",
        "  performance-gap: {max_gap: 0.03}",
        "  leakage: false",
        "```",
    ]
    for kind, (file, title, introduction) in GROUPS.items():
        lines += [
            "",
            f"## {title}",
            "",
            inline(introduction),
            "",
            "| check | question |",
            "|---|---|",
        ]
        lines += [
            f"| [`{name}`]({file}.md#{name}) | {cell(_question(check))} |"
            for name, check in _of_kind(kind)
        ]
    return "\n".join(lines) + "\n"


def _question(check: type[Check]) -> str:
    """The question of a check: the first paragraph of its docstring."""
    return paragraphs(inspect.getdoc(check) or "")[0]


def _of_kind(kind: ClaimKind) -> Iterator[tuple[str, type[Check]]]:
    for name, one in registry.all_of("check").items():
        check = cast("type[Check]", one)
        if check.__module__.startswith("auditor.") and check.kind == kind:
            yield name, check


def _described(name: str, check: type[Check]) -> Iterator[str]:
    module = sys.modules[check.__module__]
    title = (module.__doc__ or name).partition(":")[0]
    yield f"## {title} {{#{name}}}"
    yield ""
    yield f"`{name}` · {_applies(check)}"
    question, *others = paragraphs(inspect.getdoc(check) or "")
    references = [one for one in others if one.startswith(REFERENCE)]
    yield from ("", f"**{question}**")
    for one in others:
        if one not in references:
            yield from ("", one)
    limits = [] if any(one.startswith("**Limits") for one in others) else limits_of(check)
    if limits:
        yield from ("", f"**Limits.** {' '.join(limits)}")
    for one in references:
        yield from ("", _resolved(one))
    yield from options_table(of_class(name, check).options)


def _applies(check: type[Check]) -> str:
    parts = []
    if check.needs:
        parts.append(f"needs {', '.join(_NEEDS[one] for one in sorted(check.needs))}")
    elif check.compares_attributes:
        parts.append("needs attributes")
    if check.tasks != ALL_TASKS:
        parts.append(f"tasks: {', '.join(one for one in _TASKS if one in check.tasks)}")
    else:
        parts.append("all tasks")
    if not check.handles_clusters:
        parts.append("skipped if images are clustered")
    return " · ".join(parts)


def _resolved(reference: str) -> str:
    """A reference in which names of functions or modules of this package are replaced by their references."""
    names = re.findall(r"`(auditor[\w.]+)`", reference)
    found = []
    for name in names:
        named = pkgutil.resolve_name(name)
        inside = vars(named).values() if inspect.ismodule(named) else (named,)
        for one in inside:
            if inspect.isfunction(one) and not one.__name__.startswith("_"):
                parts = paragraphs(inspect.getdoc(one) or "")
                found += [part for part in parts if part.startswith(REFERENCE)]
    texts = [
        one.removeprefix(REFERENCE).strip().rstrip(".")
        for one in dict.fromkeys(found)
        if "As `" not in one
    ]
    return f"{REFERENCE} {'. '.join(texts)}." if texts else reference


def limits_of(check: type[Check]) -> list[str]:
    """What the claims of a check state as their limits, read from its source."""
    tree = ast.parse(inspect.getsource(sys.modules[check.__module__]))
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    stated = [
        one.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for one in node.keywords
        if one.arg == "limits"
    ]
    texts = [text for one in stated if (text := _text(one, constants))]
    kept: list[str] = []
    for text in dict.fromkeys(texts):
        if text.startswith(_NOT_LIMITS) or any(text in other for other in texts if other != text):
            continue
        kept.append(text)
    return kept


def _text(node: ast.expr, constants: dict[str, ast.expr]) -> str:
    """A text that is written in the source; empty if it is put together at run time."""
    if isinstance(node, ast.Name) and node.id in constants:
        return _text(constants[node.id], {})
    if isinstance(node, ast.JoinedStr):
        parts = [
            _text(one.value if isinstance(one, ast.FormattedValue) else one, constants)
            for one in node.values
        ]
        return "".join(parts) if all(parts) else ""
    return str(node.value) if isinstance(node, ast.Constant) else ""
