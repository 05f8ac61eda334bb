"""Writes what a comparison found: ``comparison.json`` for machines, ``comparison.html`` for people."""

from __future__ import annotations

from pathlib import Path

from auditor.comparison.records import Comparison
from auditor.comparison.view import (
    STATUS,
    STATUS_MEANING,
    build_view,
    moved,
    name_of,
    signed,
)
from auditor.errors import OutputExistsError
from auditor.report.templating import environment
from auditor.store import RunFolder

JSON, HTML = "comparison.json", "comparison.html"

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write(
    comparison: Comparison, before: RunFolder, after: RunFolder, out: Path
) -> tuple[Path, ...]:
    """Writes the documents of a comparison.

    Args:
        comparison: of these two runs.
        before: the earlier run.
        after: the later run.
        out: a folder that is new, empty, or holds an earlier comparison, which is replaced.

    Returns:
        The paths of the documents.

    Raises:
        OutputExistsError: the folder holds something else.
        DataError: a run lacks pictures that its result refers to.
    """
    check_place(out)
    page = html(comparison, before, after)
    out.mkdir(parents=True, exist_ok=True)
    texts = {JSON: comparison.model_dump_json(indent=1), HTML: page}
    for name, text in texts.items():
        aside = out / f"{name}.partial"
        aside.write_text(text, encoding="utf-8")
        aside.replace(out / name)
    return tuple(out / name for name in texts)


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


def html(comparison: Comparison, before: RunFolder, after: RunFolder) -> str:
    """The comparison as one page that opens from disk and asks no server for anything.

    Raises:
        DataError: a run lacks pictures that its result refers to.
    """
    return (
        environment()
        .get_template("comparison.html")
        .render(
            view=build_view(comparison, before, after),
            policy=_POLICY,
            status=STATUS,
            status_meaning=STATUS_MEANING,
            signed=signed,
            moved=moved,
            name_of=name_of,
        )
    )
