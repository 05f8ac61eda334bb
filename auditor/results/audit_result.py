"""``AuditResult``: a finished run in Python, with everything that its folder holds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import PrivateAttr

from auditor import records
from auditor.errors import DataError, OutputExistsError
from auditor.file_system import refusal, require_writable
from auditor.manifest import record_rendering
from auditor.run_folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

Table = Literal["findings", "slices", "predictions", "failures"]


class AuditResult(records.AuditResult):
    """A finished run: the content of ``audit.json``, and the folder that it was read from.

    A notebook shows it with its outcome and its findings.

    Example:
        >>> import numpy as np, torch
        >>> import auditor
        >>> random = np.random.default_rng(0)
        >>> images = [(random.integers(0, 256, (16, 16, 3), np.uint8), k % 2) for k in range(60)]
        >>> model = torch.nn.Sequential(
        ...     torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
        ...     torch.nn.Flatten(), torch.nn.Linear(4, 2))
        >>> result = auditor.audit(
        ...     model, images, classes=["cat", "dog"], preprocess={}, out="reports/pets",
        ...     report={"formats": []}, explain={"trust_samples": 0})
        >>> len(result.predictions)
        60
        >>> again = auditor.AuditResult.load("reports/pets")
        >>> again.outcome.state == result.outcome.state
        True
    """

    _folder: Path | None = PrivateAttr(None)

    @classmethod
    def load(cls, run: Path | str) -> AuditResult:
        """Reads a finished run.

        Args:
            run: its folder.

        Raises:
            DataError: the folder does not hold a finished run, or its result can't be read.
        """
        if not isinstance(run, str | os.PathLike):
            raise DataError(f"expected the path of the folder of a finished run; got {run!r}")
        store = RunFolder.open(Path(run))
        stored = store.read_result()
        # The fields were validated when they were read.
        result = cls.model_construct(_fields_set=stored.model_fields_set, **dict(stored))
        result._folder = store.path  # noqa: SLF001 - of this class
        return result

    @property
    def folder(self) -> Path:
        """The run folder, absolute.

        Raises:
            DataError: the result was not read from a folder.
        """
        if self._folder is None:
            raise DataError(
                "expected a result that was read from a run folder; this one was not: use `AuditResult.load`"
            )
        return self._folder

    def frame(self, name: Table) -> pd.DataFrame:
        """One of the tables of the run.

        Args:
            name: ``findings``, one row per finding; ``slices``, one row per slice; ``predictions``, one row
                per sample, as in ``predictions.parquet``; or ``failures``, the samples of the
                predictions with a wrong prediction, those with the largest loss first.

        Returns:
            A new table. Rates and gaps are shares (0 to 1); ``…_low`` and ``…_high`` are the limits of
            the 95 % interval; what was not tested is missing.

        Raises:
            DataError: there is no such table, or the run folder was moved or removed.
        """
        from auditor.results import frames

        if name in ("findings", "slices"):
            return frames.findings(self) if name == "findings" else frames.slices(self)
        if name not in ("predictions", "failures"):
            raise DataError(
                f"frame: expected 'findings', 'slices', 'predictions' or 'failures'; got {name!r}"
            )
        table = frames.predictions(self._store())
        return table if name == "predictions" else frames.failures(table)

    @property
    def predictions(self) -> pd.DataFrame:
        """One row per sample; see `frame`."""
        return self.frame("predictions")

    @property
    def failures(self) -> pd.DataFrame:
        """The samples with a wrong prediction, those with the largest loss first; see `frame`."""
        return self.frame("failures")

    def render(self, formats: Sequence[str] | str | None = None) -> list[Path]:
        """Writes the documents of the run again; needs neither the model nor the data.

        Args:
            formats: names of renderer plug-ins, such as ``["html", "csv"]``; None: as configured.

        Returns:
            The documents that were written.

        Raises:
            ConfigError: there is no renderer of that name.
            DataError: the run was altered after the audit, moved or removed.
            MissingDependencyError: a document needs a library that is not installed; the others are
                written.
        """
        from auditor.report import documents

        store = self._store()
        names = documents.configured(store) if formats is None else formats
        names = [names] if isinstance(names, str) else list(dict.fromkeys(names))
        require_writable(store.path)
        with record_rendering(store.path):
            written = documents.write(store, names)
        if written.missing:
            raise written.missing[0]
        return list(written.paths)

    def save(self, folder: Path | str, *, overwrite: bool = False) -> Path:
        """Copies the run folder, with all documents.

        Args:
            folder: where to; must not exist, or be empty.
            overwrite: whether to replace a finished run there; other files are never replaced.

        Returns:
            The folder of the copy, absolute. The result still belongs to the first one.

        Raises:
            OutputExistsError: there is something at that place, or another process is writing there.
            FileSystemError: the file system refuses the copy.
            DataError: the run folder was moved or removed.
        """
        store = self._store()
        place = RunFolder.require_place(Path(folder), overwrite=overwrite)
        if place == store.path or place in store.path.parents:
            raise OutputExistsError(
                f"{place}: expected a folder outside of the run {store.path}: choose another folder"
            )
        copy = RunFolder.begin(place, overwrite=overwrite)
        try:
            shutil.copytree(store.path, copy.path, dirs_exist_ok=True)
            return copy.publish().path
        except BaseException as error:
            copy.discard()
            if isinstance(error, OSError):
                raise refusal(error, place) or error from error
            raise

    def _repr_html_(self) -> str:
        from auditor.results.notebook_view import as_html

        return as_html(self, self._folder)

    def _store(self) -> RunFolder:
        folder = self.folder
        try:
            RunFolder.locate(folder)
        except DataError as error:
            raise DataError(
                f"{folder}: expected the run that this result was read from; it was moved or removed: "
                "read it again with `AuditResult.load`"
            ) from error
        return RunFolder.open(folder)
