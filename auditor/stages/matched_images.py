"""Matched images: store the images of copies, so that a report shows the members of each group."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from auditor.datasets.images import FileImages, image_names
from auditor.errors import UnreadableImageError
from auditor.evaluated_samples import EvaluatedSamples
from auditor.records import (
    Finding,
    Images,
    MatchedImageRecord,
    SampleGroup,
    SampleGroups,
    SampleRef,
)
from auditor.records.predictions import PATH, SAMPLE
from auditor.run_folder import EXPLANATIONS, ShardWriter

_GROUPS = 12
"""Groups of a finding whose images are stored; those with different labels come first."""
_MEMBERS = 12
"""Members of a group whose images are stored."""
_EDGE = 256
"""Longest side of a stored image, in pixels."""


def store_matched_images(
    samples: EvaluatedSamples, findings: Iterable[Finding], folder: Path
) -> list[MatchedImageRecord]:
    """Stores the images that findings about the data name in groups, such as copies.

    Args:
        samples: the evaluated samples, with their data set.
        findings: of any kind.
        folder: ``explanations/`` of the run; receives the images.

    Returns:
        The stored images, each once; those that cannot be read are left out.
    """
    store = _Store(samples, ShardWriter(folder, "matches"))
    for finding in findings:
        if finding.kind == "data":
            for claim in (finding, *finding.supporting):
                for part in claim.evidence:
                    if isinstance(part, SampleGroups):
                        store.add(_members(part.groups))
    store.flush()
    return store.records


def _members(groups: Sequence[SampleGroup]) -> Iterator[SampleRef]:
    ordered = sorted(groups, key=lambda one: not one.has_different_labels)
    for group in ordered[:_GROUPS]:
        yield from group.members[:_MEMBERS]


@dataclass
class _Store:
    """Collects images, and writes them to one file.

    Attributes:
        samples: the evaluated samples, with their data set.
        shards: writer of the file.
        records: of the images so far.
    """

    samples: EvaluatedSamples
    shards: ShardWriter
    records: list[MatchedImageRecord] = field(default_factory=list)
    _rows: list[dict[str, object]] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    @cached_property
    def _training_row_of(self) -> dict[str, int]:
        names = image_names(self.samples.dataset.reference_images) or ()
        return {name: row for row, name in enumerate(names)}

    def add(self, members: Iterable[SampleRef]) -> None:
        """Reads the images that were not read before."""
        new = [one for one in dict.fromkeys(members) if (one.source, one.sample) not in self._seen]
        row_of = self._rows_of([one.sample for one in new])
        for one in new:
            self._seen.add((one.source, one.sample))
            row = row_of.get(one.sample)
            found = self._reference(one) if one.source == "reference" else self._audited(row)
            if found is None:
                continue
            images, row, path = found
            try:
                image = _thumbnail(images[row].image)
            except UnreadableImageError:
                continue
            place = f"{EXPLANATIONS}/{self.shards.next_name}#{len(self._rows)}"
            self._rows.append({"sample": one.sample, "source": one.source, "image": image})
            self.records.append(
                MatchedImageRecord(sample=one.sample, source=one.source, path=path, image=place)
            )

    def flush(self) -> None:
        """Writes the file, if there is any image."""
        if self._rows:
            self.shards.write(pa.Table.from_pylist(self._rows))

    def _rows_of(self, samples: Sequence[str]) -> dict[str, int]:
        """The positions of some of the evaluated samples, by their ids."""
        column = self.samples.table[SAMPLE]
        rows = np.flatnonzero(column.isin(samples))
        return dict(zip(column.iloc[rows].astype(str), rows.tolist(), strict=True))

    def _audited(self, row: int | None) -> tuple[Images, int, str] | None:
        if row is None:
            return None
        table = self.samples.table
        return self.samples.originals, row, str(table[PATH].iloc[row]) if PATH in table else ""

    def _reference(self, one: SampleRef) -> tuple[Images, int, str] | None:
        """An image of the training data; its name is its path, or its row, counted from 1."""
        images = self.samples.dataset.reference_images
        if images is None:
            return None
        if isinstance(images, FileImages):
            return images, self._training_row_of[one.sample], one.sample
        return images, int(one.sample.removeprefix("row ")) - 1, ""


def _thumbnail(image: Image.Image) -> bytes:
    small = image.convert("RGB")
    small.thumbnail((_EDGE, _EDGE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=85)
    return stream.getvalue()
