"""How often a whole audit decodes each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from auditor import image_cache
from auditor.config import AuditConfig
from auditor.preparation import prepare
from auditor.progress import Advance, Silent
from auditor.records import DecodedImage, Images
from auditor.runner import audit
from benchmarks.kill import write_inputs

REFERENCE = 60
"""Reference images."""


@dataclass
class Phases(Silent):
    """Whether the predictions are still to come, are being computed, or are done."""

    now: str = "before"

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        if name == "predict":
            self.now = "predict"
        with super().stage(name, total) as advance:
            yield advance
        self.now = "later" if self.now == "predict" else self.now


@dataclass(frozen=True)
class Counted:
    """Images that count how often each of them was decoded, in each phase."""

    images: Images
    phases: Phases
    counts: dict[str, Counter[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> DecodedImage:
        self.counts.setdefault(self.phases.now, Counter())[index] += 1
        return self.images[index]


@dataclass(frozen=True)
class Turned:
    """The first images, turned by 90 degrees, so that none is a copy whose original a report would show."""

    images: Images

    def __len__(self) -> int:
        return REFERENCE

    def __getitem__(self, index: int) -> DecodedImage:
        one = self.images[index]
        return DecodedImage(one.image.rotate(90), f"turned {one.sha256}")


def test_whole_audit_decodes_each_image_at_most_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_cache, "MEGABYTES", 0.2)  # of 0.6: the others are kept in the file
    prepared = prepare(AuditConfig.load(write_inputs(tmp_path), ["workers=0"]))
    phases = Phases()
    images = Counted(prepared.dataset.images, phases)
    reference = Counted(Turned(prepared.dataset.images), phases)
    dataset = replace(
        prepared.dataset,
        images=images,
        reference=prepared.dataset.samples.iloc[:REFERENCE],
        reference_images=reference,
    )
    run = audit(replace(prepared, dataset=dataset), tmp_path / "run", progress=phases)
    result = run.read_result()
    assert result.summary.n_failures > 100
    # The outputs of the network are recognised on 16 images, and its dependence on the batch is tried.
    assert sorted(images.counts["before"].values()) == [2] * 16
    assert images.counts["predict"] == Counter(range(len(dataset)))
    assert set(images.counts["later"].values()) == {1}
    assert len(images.counts["later"]) >= result.summary.n_failures
    # For the comparison of images, the search for copies, and the outputs of the network.
    assert reference.counts == {"later": Counter(range(REFERENCE))}
