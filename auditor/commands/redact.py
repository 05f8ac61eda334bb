"""``auditor render RUN --redact``, and the redacted copy that ``report.redact`` asks for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auditor.commands.shared import print_seal
from auditor.console import line
from auditor.exit_codes import err as err_console
from auditor.exit_codes import out as out_console

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auditor.run_folder import RunFolder


class RedactImages(StrEnum):
    """What becomes of the images."""

    BLUR = "blur"
    DROP = "drop"
    KEEP = "keep"


RedactOption = Annotated[
    RedactImages | None,
    typer.Option(
        help="Write a redacted copy instead, without paths, with pseudonyms for ids, and with its images "
        "blurred, dropped or kept."
    ),
]
CopyOption = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for the redacted copy; default: <RUN>-redacted."),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        help="File with the key of the pseudonyms, made if it does not exist; default: <OUT>.key. Keep it "
        "inside the house."
    ),
]
ReplaceOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace an earlier redacted copy.")
]


@dataclass(frozen=True)
class CopyPlace:
    """Where a redacted copy is written.

    Attributes:
        out: its folder; None: beside the run.
        key: file with the key; None: beside the copy.
        overwrite: whether an earlier copy is replaced.
    """

    out: Path | None = None
    key: Path | None = None
    overwrite: bool = False

    def require_unused(self) -> None:
        """Makes sure that no option was given without ``--redact``."""
        from auditor.errors import UsageError

        if self != CopyPlace():
            raise UsageError(
                "--out, --key, --overwrite: expected --redact beside them; it is missing: documents of the "
                "run itself are written into its folder"
            )

    def folder(self, run: Path) -> Path:
        """The folder of the copy of a run."""
        return self.out or run.with_name(f"{run.name}-redacted")


def require_alone(about: Path | None, previous: Path | None) -> None:
    """Makes sure that nothing is to be stored in the run, which a redacted copy leaves as it is."""
    from auditor.errors import UsageError

    if about is not None or previous is not None:
        raise UsageError(
            "--redact: expected neither --about nor --previous beside it; they are stored in the run: render "
            "the run with them first, then write the copy"
        )


def _require_outside(run: Path, final: Path, key: Path) -> None:
    """Makes sure that the run stays as it is, and that the key is not sent with the copy."""
    from auditor.errors import UsageError
    from auditor.file_system import real_path

    copy, key = real_path(final), real_path(key)
    if run != copy and copy.is_relative_to(run):
        raise UsageError(
            f"--out: expected a folder outside of the run, which a copy must not change; got {copy}"
        )
    for folder, name in ((run, "run"), (copy, "copy")):
        if key.is_relative_to(folder):
            raise UsageError(
                f"--key: expected a file outside of the {name}, with which it would be passed on; got {key}"
            )


def write_copy(
    store: RunFolder,
    place: CopyPlace,
    formats: Sequence[str],
    templates: Path | None = None,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Writes a redacted copy and prints where it is.

    Args:
        store: the finished run.
        place: of the copy.
        formats: names of renderer plug-ins.
        templates: folder of the caller's own templates.
        changes: settings that replace those of the run's configuration.
    """
    from auditor import terminal
    from auditor.config import RedactSection
    from auditor.config.loading import validate
    from auditor.redaction.copy import write_redacted
    from auditor.redaction.pseudonyms import read_or_make_key

    stated = store.read_result().provenance.stated.report.redact or {}
    settings = validate(
        RedactSection, {**stated, **(changes or {})}, None, "provenance.config.report.redact."
    )
    final = place.folder(store.path)
    key = place.key or final.with_name(f"{final.name}.key")
    _require_outside(store.path, final, key)
    store.require_place(final, overwrite=place.overwrite)
    makes_key = not key.exists()
    try:
        found = write_redacted(
            store,
            final,
            settings,
            read_or_make_key(key),
            formats=formats,
            templates=templates,
            overwrite=place.overwrite,
        )
    except BaseException:
        if makes_key:
            key.unlink(missing_ok=True)
        raise
    terminal.print_paths(out_console, [final / one.name for one in found.documents.paths])
    print_seal(found.run.path)
    if found.n_dropped:
        text = (
            f"{found.n_dropped} images are grey instead of blurred: images of up to 64 pixels a side, or "
            "enlarged from so few, can be recognised all the same"
        )
        out_console.print(line(text), soft_wrap=True)
    text = f"key of the pseudonyms: {key} (keep it, and do not send it with the copy)"
    out_console.print(line(text), soft_wrap=True)
    terminal.print_lines(err_console, found.documents.notes)
    if found.documents.missing:
        raise found.documents.missing[0]
