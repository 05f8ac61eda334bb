"""Writes the documents of a finished run with the renderers that are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor import registry
from auditor.config.loading import validate
from auditor.errors import ConfigError, DataError, MissingDependencyError
from auditor.report import Renderer
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


@dataclass(frozen=True)
class RenderedDocuments:
    """The documents of a run.

    Attributes:
        paths: the documents that were written.
        missing: one error for each document whose libraries are not installed.
    """

    paths: tuple[Path, ...]
    missing: tuple[MissingDependencyError, ...]


def write(store: RunFolder, formats: Sequence[str]) -> RenderedDocuments:
    """Renders a run.

    A document whose library is missing does not keep the others from being written.

    Args:
        store: a run folder with its ``audit.json``.
        formats: names of renderer plug-ins.

    Raises:
        ConfigError: there is no renderer of that name.
    """
    stated = _report_section(store)["options"]
    renderers = [_renderer(name, stated.get(name, {})) for name in formats]
    view = build_view(store)
    paths: list[Path] = []
    missing: list[MissingDependencyError] = []
    for renderer in renderers:
        try:
            paths.append(renderer.render(view, store.path))
        except MissingDependencyError as error:
            missing.append(error)
    return RenderedDocuments(tuple(paths), tuple(missing))


def configured(store: RunFolder) -> list[str]:
    """The formats that the run's own configuration asks for."""
    return list(_report_section(store)["formats"])


def _report_section(store: RunFolder) -> dict[str, Any]:
    """What the run's own configuration says about documents.

    Raises:
        DataError: it has another form than any audit writes.
    """
    section = store.read_result().provenance.config.get("report", {})
    formats = section.get("formats", []) if isinstance(section, Mapping) else None
    options = section.get("options", {}) if isinstance(section, Mapping) else None
    named = isinstance(formats, list) and all(isinstance(one, str) for one in formats)
    if not named or not isinstance(options, Mapping):
        raise DataError(
            f"{store.path}: audit.json: provenance.config.report: expected `formats`, a list of names, "
            "and `options`, a mapping: restore the run from a backup"
        )
    return {"formats": formats, "options": options}


def _renderer(name: str, stated: Mapping[str, Any]) -> Renderer:
    options = validate(registry.get("renderer", name), stated, None, f"report.options.{name}.")
    if not isinstance(options, Renderer):
        raise ConfigError(
            f"renderer {name!r}: expected a plug-in with `render(view, folder)`; "
            f"{type(options).__qualname__} has none"
        )
    return options
