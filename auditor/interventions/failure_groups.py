"""Failures called one class, and recognised images beside them: who is searched and tested on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from auditor.interventions.infill import Infill
from auditor.interventions.regions import ImageArray
from auditor.records import AuditData, ModelAccess
from auditor.records.predictions import codes
from auditor.statistics import Integers

_HOSTS = 2
"""Times as many images are given the failures' content as are mended: a turn is rarer."""


@dataclass(frozen=True)
class Group:
    """Failures called a class, and images that the model recognises.

    No image is in the group to search on and in that to test on.

    Attributes:
        rows: (n,) positions of failures called the class.
        label: (n,) their labels' indices.
        lenders: (n,) positions of recognised images, each of another label than its failure's and
            not of the class; None where some failure has no such image.
        own: (at most n,) positions of recognised images of the class.
        hosts: (m,) positions of recognised images of other labels, drawn at random.
        givers: (m,) positions of failures called the class, those above among them; where there are
            more hosts, again in turn.
        plain: (m,) positions of recognised images, each of its giver's label where there is one.
    """

    rows: Integers
    label: Integers
    lenders: Integers | None
    own: Integers
    hosts: Integers
    givers: Integers
    plain: Integers

    def parts(self, size: int) -> Iterator[Group]:
        """The same failures and their lenders, so many at a time, with nothing else."""
        none = np.zeros(0, dtype=np.int64)
        for start in range(0, len(self.rows), size):
            some = slice(start, start + size)
            yield replace(
                self,
                rows=self.rows[some],
                label=self.label[some],
                lenders=None if self.lenders is None else self.lenders[some],
                own=none,
                hosts=none,
                givers=none,
                plain=none,
            )

    def shown(self, model: ModelAccess) -> Shown:
        """All their images, each read once."""
        lent = np.zeros(0, dtype=np.int64) if self.lenders is None else self.lenders
        parts = (self.rows, lent, self.hosts, self.givers, self.plain)
        read, place = np.unique(np.concatenate(parts), return_inverse=True)
        ends = np.cumsum([len(part) for part in parts])
        failures, lenders, hosts, givers, plain = np.split(model.images(read)[place], ends[:-1])
        fills = Infill.of(failures, None if self.lenders is None else lenders)
        return Shown(fills, hosts, givers, plain)


@dataclass(frozen=True)
class Shown:
    """The images of a group.

    Attributes:
        fills: the failures with what their regions may be replaced with.
        hosts: (m, 3, H, W).
        givers: (m, 3, H, W), one a host.
        plain: (m, 3, H, W), one a host.
    """

    fills: Infill
    hosts: ImageArray
    givers: ImageArray
    plain: ImageArray


@dataclass(frozen=True)
class Mistaken:
    """Failures called one class, some to search on and others to test on.

    Attributes:
        code: index of the class.
        total: how many failures these are.
        search: to find the region on.
        test: to test it on.
        rest: all others that are called the class, with no hosts.
    """

    code: int
    total: int
    search: Group
    test: Group
    rest: Group

    @classmethod
    def drawn(
        cls,
        audit: AuditData,
        code: int,
        search: int,
        test: int,
        *,
        among: Integers | None = None,
    ) -> Mistaken:
        """Draws a third of the failures for the search, at most, and of the rest those to test.

        Args:
            audit: of the audit; at least three failures are called the class.
            code: index of the class.
            search: largest number of failures to search on.
            test: largest number of failures to test on.
            among: positions of the failures called it that are meant, three at least; None for all.
        """
        frame = audit.predictions
        generator = np.random.default_rng([audit.seed, code])
        label, predicted = codes(frame["label"]), codes(frame["predicted"])
        called = np.flatnonzero((predicted == code) & (label != code))
        failures = generator.permutation(called if among is None else among)
        others = np.setdiff1d(called, failures)
        known = generator.permutation(np.flatnonzero(predicted == label))
        first = min(search, len(failures) // 3)
        parts = (
            (failures[:first], failures[:first], known[::2], search),
            (failures[first:][:test], failures[first:], known[1::2], _HOSTS * test),
            (np.append(failures[first:][test:], others), failures[first:], known[1::2], 0),
        )
        groups = [_group(label, code, generator, *part) for part in parts]
        return cls(code, len(failures), *groups)


def _group(
    label: Integers,
    code: int,
    generator: np.random.Generator,
    rows: Integers,
    givers: Integers,
    pool: Integers,
    most: int,
) -> Group:
    own, strangers = pool[label[pool] == code], pool[label[pool] != code]
    lenders = np.full(len(rows), -1, dtype=np.int64)
    for one in np.unique(label[rows]):
        others = strangers[label[strangers] != one]
        mine = label[rows] == one
        if len(others):
            lenders[mine] = generator.choice(others, int(mine.sum()))
    hosts = strangers[:most]
    givers = np.resize(givers, len(hosts))
    plain = np.empty_like(givers)
    for one in np.unique(label[givers]):
        alike = strangers[label[strangers] == one]
        mine = label[givers] == one
        plain[mine] = generator.choice(alike if len(alike) else strangers, int(mine.sum()))
    lent = lenders if (lenders >= 0).all() else None
    return Group(rows, label[rows], lent, own[: len(rows)], hosts, givers, plain)
