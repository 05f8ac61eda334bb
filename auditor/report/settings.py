"""Checks the section ``report`` of a configuration before anything is computed."""

from __future__ import annotations

from pathlib import Path

from jinja2 import TemplateSyntaxError

from auditor.config import ReportSection
from auditor.errors import ConfigError
from auditor.report.templating import environment
from auditor.report.view.compliance import rules


def require_report_settings(report: ReportSection) -> None:
    """Makes sure that rules and templates exist and can be read.

    Raises:
        ConfigError: there is no rule of a name, no folder of templates, or one of them has an error.
    """
    rules(report.compliance)
    if report.templates is not None:
        _require_templates(report.templates)


def _require_templates(folder: Path) -> None:
    jinja = environment(folder)
    for path in sorted(one for one in folder.rglob("*") if one.suffix in {".html", ".md"}):
        try:
            jinja.parse(path.read_text(encoding="utf-8"))
        except TemplateSyntaxError as error:
            raise ConfigError(
                f"report.templates: {path}, line {error.lineno}: {error.message}: expected a valid "
                "Jinja template"
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"report.templates: {path}: expected a readable template in UTF-8; {error}"
            ) from error
