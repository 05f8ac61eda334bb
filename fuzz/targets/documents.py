"""A hostile ``audit.json`` as PDF: the page, what it asks for, and for some inputs the document itself."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from auditor.report import pdf_document
from auditor.report.renderers import pdf
from auditor.report.view import compliance
from auditor.report.view.report_view import build_view
from auditor.run_folder import RESULT
from fuzz import runs
from fuzz.edits import MARKERS, apply, mutate_edits, parse_edits
from fuzz.target import BrokenPromiseError, Reader, Target

_DOCUMENTS = 16
"""One of so many inputs becomes a document, which takes a second or more."""
_BASE: list[Any] = []


def _open(folder: Path) -> Reader:
    run = runs.small_run(folder)
    path = run.path / RESULT
    base = json.loads(path.read_text(encoding="utf-8"))
    _BASE[:] = [base]
    runs.remember(compliance, "_read")
    runs.remember(pdf, "environment")
    write = pdf_document.write_pdf
    weasyprint = pdf_document.require_weasyprint()
    whole = [False]
    asked = _watch_addresses()

    def watched(
        page: str,
        path: Path,
        identifier: str,
        files: Mapping[str, tuple[bytes, str]],
        attached: tuple[Any, ...] = (),
    ) -> frozenset[str]:
        runs.require_no_markers(page)
        _require_own_addresses(weasyprint, page, files)
        if not whole[0]:
            return frozenset()
        asked.clear()
        missing = write(page, path, identifier, files, attached)
        foreign = [one for one in asked if one not in files and not one.startswith("data:")]
        if foreign:
            raise BrokenPromiseError(f"the document asks for {foreign[0]!r}")
        return missing

    vars(pdf)["write_pdf"] = watched

    def read(data: bytes) -> None:
        edits = parse_edits(data)
        if edits is None:
            path.write_bytes(data)
        else:
            path.write_text(json.dumps(apply(base, edits)), encoding="utf-8")
        whole[0] = zlib.crc32(data) % _DOCUMENTS == 0
        pdf.PdfReport().render(build_view(run), run.path)

    return read


def _watch_addresses() -> list[str]:
    """The addresses that WeasyPrint asks for, from styles and charts, too."""
    asked: list[str] = []
    make = pdf_document.fetcher

    def watched(weasyprint: ModuleType, files: Mapping[str, tuple[bytes, str]]) -> Any:
        made = make(weasyprint, files)
        fetch = made.fetch

        def noted(url: str, headers: Mapping[str, str] | None = None) -> Any:
            asked.append(url)
            return fetch(url, headers)

        made.fetch = noted
        return made

    pdf_document.fetcher = watched
    return asked


def _require_own_addresses(
    weasyprint: Any, page: str, files: Mapping[str, tuple[bytes, str]]
) -> None:
    """Looks at the addresses of what a page shows.

    Raises:
        BrokenPromiseError: one is no file of the document.
    """
    root = weasyprint.HTML(string=page).etree_element
    for one in root.iter():
        names = ["src", "data", "poster", "background", "xlink:href"]
        if str(one.tag).lower() in {"link", "image", "use", "base"}:
            names.append("href")
        for address in filter(None, map(one.get, names)):
            if address not in files and not address.startswith("data:"):
                raise BrokenPromiseError(f"the page asks for {address!r}")


def _seeds() -> Iterator[bytes]:
    yield b"[]"
    for place in (
        ["findings", 0, "title"],
        ["provenance", "config", "name"],
        ["classes", 0, "name"],
    ):
        for text in (" ".join(MARKERS), '<img src="file:///etc/passwd">', "url(http://x/y.png)"):
            yield json.dumps([[place, "set", text]]).encode()


def _mutate(data: bytes, rng: random.Random) -> bytes:
    return mutate_edits(data, rng, _BASE[0])


TARGET = Target(
    name="documents",
    about="edits to an `audit.json` → the page of the PDF and what it asks for, some documents",
    open=_open,
    seeds=_seeds,
    mutate=_mutate,
    kept=8,
    longest=16384,
    seconds=20.0,
)
