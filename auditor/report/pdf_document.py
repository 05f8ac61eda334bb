"""HTML to PDF by WeasyPrint: tagged, reproducible, and without access to files or servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import ImageFile

from auditor.errors import MissingDependencyError
from auditor.garbage_collection import paused_collection
from auditor.report.svg_text import texts_as_runs

_HOW_TO_INSTALL = """\
the PDF needs WeasyPrint and the system library Pango, which cannot be loaded ({reason}); the other \
documents are written without it. Install Pango with
  Debian, Ubuntu: apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0
  Fedora:         dnf install pango
  macOS:          brew install pango
  Windows:        install MSYS2, then run there: pacman -S mingw-w64-x86_64-pango
and write it again with `auditor render RUN --format pdf`"""


@dataclass(frozen=True)
class AttachedFile:
    """A file inside a PDF.

    Attributes:
        path: where it is.
        description: what it is.
        moment: its date inside the document.
    """

    path: Path
    description: str
    moment: datetime


def require_weasyprint() -> ModuleType:
    """Imports WeasyPrint.

    Raises:
        MissingDependencyError: WeasyPrint, or Pango, which it needs, is not installed.
    """
    # On import, WeasyPrint makes Pillow fill in the missing part of truncated images, for the whole
    # process: the next audit would accept them.
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        # WeasyPrint raises OSError where Pango's shared library cannot be opened.
        reason = str(error).strip().splitlines()[0]
        raise MissingDependencyError(_HOW_TO_INSTALL.format(reason=reason)) from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
    module: ModuleType = weasyprint
    return module


def write_pdf(
    page: str,
    path: Path,
    identifier: str,
    files: Mapping[str, tuple[bytes, str]] | None = None,
    attached: Sequence[AttachedFile] = (),
) -> frozenset[str]:
    """Writes a page as a tagged PDF/UA-1, or with attachments as a tagged PDF/A-3.

    Args:
        page: HTML; its images come from ``data:`` addresses and from ``files``.
        path: of the document.
        identifier: of what the document is about; with equal ones, equal pages make equal documents.
        files: content and media type by address.
        attached: files to put inside.

    Returns:
        The characters that no installed font has; they are shown as boxes.

    Raises:
        MissingDependencyError: WeasyPrint, or Pango, which it needs, is not installed.
    """
    weasyprint = require_weasyprint()
    attachments = [
        weasyprint.Attachment(
            string=one.path.read_bytes(),
            name=one.path.name,
            description=one.description,
            created=one.moment,
            modified=one.moment,
            relationship="Data",
        )
        for one in attached
    ]
    missing: set[str] = set()

    def finish(document: Any, pdf: Any) -> None:
        missing.update(chr(code) for font in document.fonts.values() for code in font.missing)
        _make_signature_fields(pdf)
        _keep_data(pdf)

    with paused_collection(), texts_as_runs(weasyprint.svg):
        weasyprint.HTML(string=page, url_fetcher=fetcher(weasyprint, files or {})).write_pdf(
            path,
            pdf_variant="pdf/a-3a" if attachments else "pdf/ua-1",
            pdf_identifier=identifier.encode(),
            attachments=attachments or None,
            finisher=finish,
        )
    return frozenset(missing)


def _make_signature_fields(pdf: Any) -> None:
    """Makes the fields of signatures fields for digital signatures, which HTML has no element for."""
    for one in pdf.objects:
        if isinstance(one, dict) and one.get("FT") == "/Tx" and _name(one).startswith("signature-"):
            one["FT"] = "/Sig"
            for key in ("V", "DA", "Ff"):
                one.pop(key, None)


def _keep_data(pdf: Any) -> None:
    """Lets each object of a finished document be turned into bytes once.

    pydyf does that for the file and again for its checksum, which compresses every stream twice.
    """
    kinds = {kind: _keeping_data(kind) for kind in set(map(type, pdf.objects))}
    for one in pdf.objects:
        one.__class__ = kinds[type(one)]


def _keeping_data(kind: Any) -> Any:
    """A class of pydyf's whose objects remember their bytes."""
    kept = cached_property(kind.data.fget)
    kept.__set_name__(kind, "data")
    return type(kind.__name__, (kind,), {"data": kept})


def _name(field: dict[str, Any]) -> str:
    return str(getattr(field.get("T"), "string", ""))


def font_files() -> dict[str, tuple[bytes, str]]:
    """Content and media type of the fonts that ``pdf/fonts.css`` names, by address."""
    folder = resources.files("font_source_sans_pro") / "files"
    return {
        f"run:font/{weight}": (
            (folder / f"SourceSansPro-{weight}.ttf").read_bytes(),
            "font/ttf",
        )
        for weight in ("Regular", "Bold")
    }


def fetcher(weasyprint: ModuleType, files: Mapping[str, tuple[bytes, str]]) -> Any:
    """A fetcher that knows these files and ``data:`` addresses, and refuses everything else."""
    base: Any = weasyprint.urls.URLFetcher

    class OwnFiles(base):  # type: ignore[misc, unused-ignore]
        def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
            if url in files:
                body, kind = files[url]
                return weasyprint.urls.URLFetcherResponse(url, body, headers={"Content-Type": kind})
            return super().fetch(url, headers)

    return OwnFiles(allowed_protocols=["data"])
