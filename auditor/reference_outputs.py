"""What the network makes of reference images: each is decoded and run once for all checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, compress

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from auditor.audited_model import AuditedModel
from auditor.bounded_cache import BoundedCache
from auditor.errors import DataError
from auditor.input_pipeline import readable
from auditor.records import Dataset, Images
from auditor.records.forward_budget import ForwardBudget
from auditor.records.predictions import OK, PATH
from auditor.records.small_copies import Detail, KeptCopies


@dataclass(frozen=True)
class ReferenceOutputs:
    """The outputs of the model for reference images.

    Attributes:
        model: the audited model.
        dataset: the reference images; see `with_images`.
        budget: counts the images that are run.
        kept: logits and features (K + C,) by position.
    """

    model: AuditedModel
    dataset: Dataset
    budget: ForwardBudget
    kept: BoundedCache[int]

    def features_and_probabilities(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Features (n, C) and probabilities (n, K), each computed once as far as they fit.

        Args:
            rows: (n,) positions in the reference images, at least one.

        Raises:
            DataError: an image can't be read, or two images have different sizes after preprocessing.
        """
        found = {row: one for row in rows.tolist() if (one := self.kept.get(row)) is not None}
        new = [row for row in dict.fromkeys(rows.tolist()) if row not in found]
        if new:
            self.budget.spend(len(new))
            batches = self.model.batches(self.dataset, np.array(new, dtype=np.int64))
            images = (readable(batch, self.dataset) for batch in batches)
            for row, one in zip(new, chain.from_iterable(map(self._run, images)), strict=True):
                self.kept.add(row, one)
                found[row] = one
        both = np.stack([found[row] for row in rows.tolist()])
        n_classes = len(self.model.classes)
        log_probabilities = self.model.rule.log_probabilities(both[:, :n_classes])
        return both[:, n_classes:].astype(np.float32), np.exp(log_probabilities)

    def read_ahead(self, rows: NDArray[np.int64], copies: KeptCopies, detail: Detail) -> None:
        """Decodes images once for both: their small copies and what the network makes of them.

        It does so as far as both can be kept and the budget allows. What is left out or can't be read is left
        to whoever asks for it.

        Args:
            rows: (n,) positions in the reference images.
            copies: receives the small copies.
            detail: what is needed of them.
        """
        unknown = [row for row in rows.tolist() if row not in self.kept]
        new = [row for row in dict.fromkeys(unknown) if not copies.knows(row, detail)]
        size = 8 * (len(self.model.classes) + self.model.layer.channels)
        new = new[: min(self.kept.room_for(size), copies.room)]
        if not new or not self.budget.allows(len(new)):
            return
        try:
            for batch in self.model.batches(
                self.dataset, np.array(new, dtype=np.int64), copied=detail
            ):
                for row, copy in zip(batch.rows.tolist(), batch.copies, strict=True):
                    copies.add(row, copy)
                present = compress(batch.rows.tolist(), [one == OK for one in batch.status])
                self.budget.spend(len(batch.images))
                if len(batch.images):
                    for row, both in zip(present, self._run(batch.images), strict=True):
                        self.kept.add(row, both)
        except DataError:
            return  # images of different sizes: whoever needs their outputs will say so

    def _run(self, images: Tensor) -> Iterator[NDArray[np.float64]]:
        """Logits and features (K + C,) of each image."""
        outputs = self.model.outputs(images)
        return (np.append(*one) for one in zip(outputs.logits, outputs.features, strict=True))


def with_images(dataset: Dataset, images: Images) -> Dataset:
    """A data set with other images, which have numbers instead of paths."""
    names = [f"image {k}" for k in range(len(images))]
    samples = pd.DataFrame({PATH: names}, index=pd.Index(names))
    return replace(dataset, images=images, samples=samples)
