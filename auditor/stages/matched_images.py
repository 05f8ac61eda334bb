"""Matched images: store the images of copies, so that a report shows the members of each group."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

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

    def __post_init__(self) -> None:
        table = self.samples.table
        self._row_of = {str(sample): row for row, sample in enumerate(table[SAMPLE])}
        self._paths = [str(one) for one in table[PATH]] if PATH in table else []

    @cached_property
    def _training_row_of(self) -> dict[str, int]:
        names = image_names(self.samples.dataset.reference_images) or ()
        return {name: row for row, name in enumerate(names)}

    def add(self, members: Iterable[SampleRef]) -> None:
        """Reads the images that were not read before."""
        for one in members:
            if (one.source, one.sample) in self._seen:
                continue
            self._seen.add((one.source, one.sample))
            found = self._reference(one) if one.source == "reference" else self._audited(one)
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

    def _audited(self, one: SampleRef) -> tuple[Images, int, str] | None:
        row = self._row_of.get(one.sample)
        if row is None:
            return None
        return self.samples.originals, row, self._paths[row] if self._paths else ""

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
