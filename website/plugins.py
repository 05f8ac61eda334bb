"""Pages of the explainers and of the documents."""

from __future__ import annotations

import inspect

from auditor import registry
from auditor.plugin_descriptions import of_class
from auditor.registry import Kind
from website.markdown import GENERATED, inline, options_table, paragraphs


def explainers() -> str:
    """The page of the attribution methods."""
    return _page(
        "explainer",
        "Attribution methods",
        """
        `explain.explainer` selects the method of the detail view, in reports and for `auditor explain`;
        from Python, `auditor.explain(…, explainer=NAME)` does. Every number in a report comes from
        Grad-CAM, whatever is selected here. [How far the maps can be trusted](maps.md) describes how
        each audit tests its maps, and [architectures](architectures.md) where guided backpropagation is
        defined.
        """,
    )


def documents() -> str:
    """The page of the documents."""
    return _page(
        "renderer",
        "Documents",
        """
        `report.formats` lists the documents that an audit writes; `html` and `pdf` by default. `auditor
        render RUN --format NAME` writes another one later, from the run folder alone. Options are
        stated by document, for example `report: {options: {pdf: {failures: 100}}}`.
        """,
    )


def _page(kind: Kind, title: str, introduction: str) -> str:
    lines = [f"# {title}", "", GENERATED, "", inline(introduction)]
    for name, plugin in registry.all_of(kind).items():
        if plugin.__module__.startswith("auditor."):
            lines += ["", f"## `{name}`"]
            for one in paragraphs(inspect.getdoc(plugin) or ""):
                lines += ["", one]
            lines += options_table(of_class(name, plugin).options)
    return "\n".join(lines) + "\n"
