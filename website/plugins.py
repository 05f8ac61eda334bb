"""Pages of the explainers and of the documents."""

from __future__ import annotations

import inspect
from typing import cast

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


def adapters() -> str:
    """The page of the options of classifiers and data sets."""
    introduction = """
    The section `model` of a configuration has the options of its adapter beside the keys that all adapters
    share, and so has the section `data`. [All settings](settings.md) lists the shared keys.
    """
    lines = ["# Options of the adapters", "", GENERATED, "", inline(introduction)]
    for kind, title in (("classifier", "Classifiers"), ("dataset", "Data sets")):
        lines += ["", f"## {title}", *_sections(cast("Kind", kind), "###")]
    return "\n".join(lines) + "\n"


def _page(kind: Kind, title: str, introduction: str) -> str:
    lines = [f"# {title}", "", GENERATED, "", inline(introduction), *_sections(kind, "##")]
    return "\n".join(lines) + "\n"


def _sections(kind: Kind, level: str) -> list[str]:
    """Lines about each plug-in of a kind."""
    lines = []
    for name, plugin in registry.all_of(kind).items():
        if plugin.__module__.startswith("auditor."):
            lines += ["", f"{level} `{name}`"]
            for one in paragraphs(inspect.getdoc(plugin) or ""):
                lines += ["", one]
            lines += options_table(of_class(name, plugin).options)
    return lines
