"""Writes what a comparison found: JSON for machines, HTML and PDF for people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from auditor.comparison.records import Comparison
from auditor.comparison.view import (
    STATUS,
    STATUS_MEANING,
    ComparisonView,
    build_view,
    moved,
    name_of,
    signed,
)
from auditor.errors import MissingDependencyError, OutputExistsError
from auditor.report.renderers.pdf import typeset
from auditor.report.templating import environment
from auditor.run_folder import RunFolder

JSON, HTML, PDF = "comparison.json", "comparison.html", "comparison.pdf"

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class Written:
    """What came of it.

    Attributes:
        paths: the documents that were written.
        missing: why the PDF could not be; None where it could.
    """

    paths: tuple[Path, ...]
    missing: MissingDependencyError | None


def write(comparison: Comparison, before: RunFolder, after: RunFolder, out: Path) -> Written:
    """Writes the documents of a comparison.

    Args:
        comparison: of these two runs.
        before: the earlier run.
        after: the later run.
        out: a folder that is new, empty, or holds an earlier comparison, which is replaced.

    Returns:
        The documents; the PDF is left out where its libraries are not installed.

    Raises:
        OutputExistsError: the folder holds something else.
        DataError: a run lacks images that its result refers to.
    """
    check_place(out)
    view = build_view(comparison, before, after)
    out.mkdir(parents=True, exist_ok=True)
    texts = {JSON: comparison.model_dump_json(indent=1), HTML: page(view)}
    for name, text in texts.items():
        aside = out / f"{name}.partial"
        aside.write_text(text, encoding="utf-8")
        aside.replace(out / name)
    paths = [out / name for name in texts]
    try:
        identifier = f"{comparison.before.id} {comparison.after.id}"
        typeset(page(view, "comparison_pdf.html"), out / PDF, identifier)
    except MissingDependencyError as error:
        (out / PDF).unlink(missing_ok=True)  # an earlier one would tell of another comparison
        return Written(tuple(paths), error)
    return Written((*paths, out / PDF), None)


def check_place(out: Path) -> None:
    """Makes sure that nothing but an earlier comparison is overwritten.

    Raises:
        OutputExistsError: the place holds something else.
    """
    if out.exists() and not (out / JSON).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise OutputExistsError(
            f"{out}: expected a new folder or an earlier comparison; it holds something else, and is "
            "left alone: choose another folder with --out"
        )


def page(view: ComparisonView, template: str = "comparison.html") -> str:
    """The comparison as one page that opens from disk and asks no server for anything.

    Args:
        view: everything that is shown.
        template: for the screen, or ``comparison_pdf.html`` for paper.
    """
    return (
        environment()
        .get_template(template)
        .render(
            view=view,
            policy=_POLICY,
            status=STATUS,
            status_meaning=STATUS_MEANING,
            signed=signed,
            moved=moved,
            name_of=name_of,
        )
    )
