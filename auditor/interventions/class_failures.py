"""Failures with one predicted class, and the correctly classified images for interventions on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from auditor.discovery.sample_splitting import half_of_clusters
from auditor.interventions.infill import Infill
from auditor.interventions.regions import ImageArray
from auditor.records import AuditData, ModelAccess
from auditor.records.predictions import LOSS, codes
from auditor.statistics import Floats, Integers

_RECIPIENTS = 2
"""Recipient images per failure to test: a region flips fewer predictions than it corrects."""


@dataclass(frozen=True)
class InterventionSamples:
    """Positions in ``AuditData.predictions`` of the images that interventions need.

    Attributes:
        failures: (n,) failures with the predicted class.
        label: (n,) their labels' indices.
        before: (n,) probabilities of their labels, as predicted.
        infill_donors: (n,) for each failure, a correctly classified image that has neither its label
            nor the predicted class; None if some failure has no such image.
        class_images: (at most n,) correctly classified images of the class.
        recipients: (m,) correctly classified images of other labels, drawn at random.
        donors: (m,) for each recipient, a failure with the predicted class. All those in `failures`
            occur, and where there are more recipients than failures, failures repeat in turn.
        control_donors: (m,) for each recipient, a correctly classified image, of its donor's label
            where there is one.
    """

    failures: Integers
    label: Integers
    before: Floats
    infill_donors: Integers | None
    class_images: Integers
    recipients: Integers
    donors: Integers
    control_donors: Integers

    def batches(self, size: int) -> Iterator[InterventionSamples]:
        """Divides the failures into batches, with their infill donors and nothing else."""
        none = np.zeros(0, dtype=np.int64)
        for start in range(0, len(self.failures), size):
            batch = slice(start, start + size)
            yield replace(
                self,
                failures=self.failures[batch],
                label=self.label[batch],
                before=self.before[batch],
                infill_donors=None if self.infill_donors is None else self.infill_donors[batch],
                class_images=none,
                recipients=none,
                donors=none,
                control_donors=none,
            )

    def at(self, failures: Integers, recipients: Integers) -> InterventionSamples:
        """The failures at some positions (k,), and the recipients at some positions."""
        infill_donors = self.infill_donors
        return replace(
            self,
            failures=self.failures[failures],
            label=self.label[failures],
            before=self.before[failures],
            infill_donors=None if infill_donors is None else infill_donors[failures],
            recipients=self.recipients[recipients],
            donors=self.donors[recipients],
            control_donors=self.control_donors[recipients],
        )

    def load(self, model: ModelAccess) -> InterventionImages:
        """Reads all images, each once."""
        none = np.zeros(0, dtype=np.int64)
        infill_donors = none if self.infill_donors is None else self.infill_donors
        parts = (self.failures, infill_donors, self.recipients, self.donors, self.control_donors)
        rows, inverse = np.unique(np.concatenate(parts), return_inverse=True)
        ends = np.cumsum([len(part) for part in parts])
        failures, infill, recipients, donors, controls = np.split(
            model.images(rows)[inverse], ends[:-1]
        )
        return InterventionImages(
            infill=Infill(failures, None if self.infill_donors is None else infill),
            recipients=recipients,
            donors=donors,
            control_donors=controls,
        )


@dataclass(frozen=True)
class InterventionImages:
    """The images of `InterventionSamples`.

    Attributes:
        infill: the failures with what can replace a region of them.
        recipients: (m, 3, H, W).
        donors: (m, 3, H, W), one a recipient.
        control_donors: (m, 3, H, W), one a recipient.
    """

    infill: Infill
    recipients: ImageArray
    donors: ImageArray
    control_donors: ImageArray


@dataclass(frozen=True)
class ClassFailures:
    """Failures with one predicted class; search and test have no image in common.

    Attributes:
        code: index of the predicted class.
        total: number of failures that are examined.
        search: failures on which to search for a region.
        test: failures on which to test it.
        rest: all other failures with the predicted class, without recipients.
        cluster: (N,) cluster of each audited sample; None where all are independent.
    """

    code: int
    total: int
    search: InterventionSamples
    test: InterventionSamples
    rest: InterventionSamples
    cluster: Integers | None = None

    @classmethod
    def draw(
        cls,
        audit: AuditData,
        code: int,
        n_search: int,
        n_test: int,
        *,
        among: Integers | None = None,
    ) -> ClassFailures:
        """Draws failures for the search, a third of them at most, and for the test.

        Both have no cluster in common.

        Args:
            audit: the audited data, with at least three failures that have the predicted class.
            code: index of the predicted class.
            n_search: largest number of failures for the search.
            n_test: largest number of failures for the test.
            among: positions of the failures to examine, at least three; None for all.
        """
        frame = audit.predictions
        generator = np.random.default_rng([audit.seed, code])
        label, predicted = codes(frame["label"]), codes(frame["predicted"])
        of_class = np.flatnonzero((predicted == code) & (label != code))
        failures = generator.permutation(of_class if among is None else among)
        others = np.setdiff1d(of_class, failures)
        correct = generator.permutation(np.flatnonzero(predicted == label))
        first = min(n_search, len(failures) // 3)
        cluster = None if audit.clusters is None else audit.clusters.of_sample
        if cluster is not None:
            # In whole clusters, in random order.
            _, first_seen, place = np.unique(
                cluster[failures], return_index=True, return_inverse=True
            )
            failures = failures[np.argsort(first_seen[place], kind="stable")]
        search, held_out = failures[:first], failures[first:]
        recipients = correct[::2], correct[1::2]
        if cluster is not None:
            held_out = held_out[~np.isin(cluster[held_out], cluster[search])]
            half = half_of_clusters(cluster, label, generator)
            recipients = correct[half[correct]], correct[~half[correct]]
        probability = np.exp(-frame[LOSS].to_numpy(dtype=np.float64))
        draw = _SampleDraw(label, probability, code, generator)
        return cls(
            code=code,
            total=len(failures),
            search=draw.samples(search, search, recipients[0], n_search),
            test=draw.samples(held_out[:n_test], held_out, recipients[1], _RECIPIENTS * n_test),
            rest=draw.samples(np.append(held_out[n_test:], others), held_out, recipients[1], 0),
            cluster=cluster,
        )


@dataclass(frozen=True)
class _SampleDraw:
    """Draws the correctly classified images for some failures.

    Attributes:
        label: (N,) label indices of all samples.
        probability: (N,) probabilities of their labels.
        code: index of the predicted class.
        generator: source of randomness.
    """

    label: Integers
    probability: Floats
    code: int
    generator: np.random.Generator

    def samples(
        self, failures: Integers, donors: Integers, correct: Integers, n_recipients: int
    ) -> InterventionSamples:
        """Draws images for some failures.

        Args:
            failures: their positions.
            donors: positions of failures whose content is given to recipients.
            correct: positions of correctly classified images.
            n_recipients: largest number of recipients.
        """
        label = self.label
        of_class, others = (
            correct[label[correct] == self.code],
            correct[label[correct] != self.code],
        )
        infill_donors = np.full(len(failures), -1, dtype=np.int64)
        for one in np.unique(label[failures]):
            candidates = others[label[others] != one]
            own = label[failures] == one
            if len(candidates):
                infill_donors[own] = self.generator.choice(candidates, int(own.sum()))
        recipients = others[:n_recipients]
        donors = np.resize(donors, len(recipients))
        control_donors = np.empty_like(donors)
        for one in np.unique(label[donors]):
            same_label = others[label[others] == one]
            own = label[donors] == one
            candidates = same_label if len(same_label) else others
            control_donors[own] = self.generator.choice(candidates, int(own.sum()))
        return InterventionSamples(
            failures=failures,
            label=label[failures],
            before=self.probability[failures],
            infill_donors=infill_donors if (infill_donors >= 0).all() else None,
            class_images=of_class[: len(failures)],
            recipients=recipients,
            donors=donors,
            control_donors=control_donors,
        )
