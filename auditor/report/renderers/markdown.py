"""A model card in Markdown, in the form that the Hugging Face Hub reads.

Reference:
    M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import yaml
from markupsafe import Markup

from auditor.phrasing import slice_name
from auditor.registry import Options, plugin
from auditor.report.markdown_text import markdown_environment, one_line, tidy
from auditor.report.view.report_view import ReportView
from auditor.report.view.supporting import full_statement

FILE = "model_card.md"


@plugin("renderer", "markdown")
class ModelCard(Options):
    """A model card: metadata with metrics for the Hub, then verdict, findings, slices and limits."""

    files: ClassVar[tuple[str, ...]] = (FILE,)

    def render(self, view: ReportView, folder: Path) -> Path:
        """Writes ``model_card.md``.

        Args:
            view: everything that is shown.
            folder: the run folder.
        """
        jinja = markdown_environment(view.templates)
        jinja.filters["full_statement"] = full_statement
        head = Markup(yaml.safe_dump(_head(view), sort_keys=False, allow_unicode=True))  # noqa: S704 - YAML quotes it
        path = folder / FILE
        text = jinja.get_template("markdown/model_card.md").render(view=view, head=head)
        path.write_text(tidy(text), encoding="utf-8")
        return path


def _head(view: ReportView) -> dict[str, Any]:
    metrics: list[dict[str, Any]] = []
    if view.accuracy is not None:
        metrics.append(
            {"type": "accuracy", "name": "Accuracy", "value": round(view.accuracy.value, 4)}
        )
    worst = max(
        (one for one in view.slices if one.gap is not None and one.error_rate is not None),
        key=lambda one: one.gap.value if one.gap is not None else 0.0,
        default=None,
    )
    if worst is not None and worst.error_rate is not None:
        metrics.append(
            {
                "type": "accuracy",
                "name": f"Accuracy on the worst slice ({one_line(slice_name(worst))})",
                "value": round(1 - worst.error_rate.value, 4),
            }
        )
    return {
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "audited"],
        "model-index": [
            {
                "name": one_line(view.name),
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"name": one_line(view.name), "type": "audit"},
                        "metrics": metrics,
                    }
                ],
            }
        ],
    }
