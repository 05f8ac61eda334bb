"""Sentences that name withheld cells, or small counts of sensitive attributes, are left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from auditor.disclosure.cells import LABEL, PREDICTED, Cell
from auditor.phrasing import several
from auditor.records import SliceKey
from auditor.records.display_names import DisplayNames

NOT_SHOWN = "(not shown)"
"""The value of a withheld cell."""
REMOVED = "(removed)"
"""Stands for a part of a text."""

_EXAMPLES = re.compile(r",? such as (?:[^;.]|\.(?!\s|$))*")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_COUNTED = re.compile(r"(?<![\w.,])(\d+)\s(?:of\s[\d\s]+\s)?[^.;,%\d]{0,40}\bsamples?\b")


@dataclass(frozen=True)
class Wording:
    """What may be said.

    Attributes:
        withheld: the cells that are not shown.
        sensitive: names of the sensitive attributes.
        least: smallest number of samples of a cell that is shown.
        names: display names, which sentences have and records have not.
        least_failures: smallest number of failures, and of correct predictions, of a cell that is shown.
        counts: number of samples of the slices, withheld or not; without the ends of ordered attributes.
        bands: attribute and name of bands that are not slices; earlier versions named them in titles, in
            parentheses.
    """

    withheld: frozenset[Cell]
    sensitive: tuple[str, ...]
    least: int
    names: DisplayNames
    least_failures: int = 1
    counts: Mapping[Cell, int] = field(default_factory=dict)
    bands: frozenset[tuple[str, str]] = frozenset()

    @property
    def small(self) -> str:
        """What the cells that are not shown have."""
        few = f", {self.least_failures} failures or correct predictions"
        return f"fewer than {self.least} samples{few if self.least_failures > 1 else ''}"

    @property
    def note(self) -> str:
        """Stands in place of what is not said."""
        return (
            f"Numbers of cells with {self.small}, or from which these could be "
            f"computed, are not shown: {several(self.shown_attributes, 8)} "
            f"{'is' if len(self.sensitive) == 1 else 'are'} marked as sensitive."
        )

    @property
    def shown_attributes(self) -> tuple[str, ...]:
        """The sensitive attributes with their display names."""
        return tuple(map(self.names.of_attribute, self.sensitive))

    def key(self, one: SliceKey) -> SliceKey:
        """A withheld slice without the values of its sensitive attributes."""
        attributes = {
            name: NOT_SHOWN if name in self.sensitive else value
            for name, value in one.attributes.items()
        }
        return SliceKey(attributes=attributes, label=one.label, predicted=one.predicted)

    def title(self, one: SliceKey) -> str:
        """What a withheld slice is called."""
        names = [self.names.of_attribute(name) for name in one.attributes if name in self.sensitive]
        if not names:
            return f"A finding about {several(self.shown_attributes)} whose numbers are not shown"
        return f"A slice by {several(names)} whose numbers are not shown"

    def allows(self, text: str, about: Iterable[str] = ()) -> bool:
        """Whether a sentence names no withheld cell.

        Args:
            text: the sentence.
            about: sensitive attributes that the text around it is about; their values count as named
                even where the attribute is not.
        """
        known = set(about)
        if known and any(int(n) < self.least for n in _COUNTED.findall(text)):
            return False
        if any(
            f"({value})" in text and self._names_attribute(text, name, known)
            for name, value in self.bands
        ):
            return False
        return not any(
            all(self._names_part(text, *part, known) for part in cell)
            for first, cells in self._by_part.items()
            if self._names_part(text, *first, known)
            for cell in cells
        )

    @cached_property
    def _by_part(self) -> dict[tuple[str, str], list[Cell]]:
        """The withheld cells by one of their parts: there may be thousands of cells, but few parts."""
        found: dict[tuple[str, str], list[Cell]] = {}
        for cell in self.withheld:
            found.setdefault(min(cell), []).append(cell)
        return found

    def named(self, text: str) -> tuple[str, ...]:
        """The sensitive attributes that a text names."""
        return tuple(
            name
            for name in self.sensitive
            if has_word(text, name) or has_word(text, self.names.of_attribute(name))
        )

    def sentences(self, texts: Sequence[str], about: Iterable[str] = ()) -> list[str]:
        """The sentences that may be shown; the note once in place of the others."""
        kept = [one for one in texts if self.allows(one, about)]
        return kept if len(kept) == len(texts) else [*kept, self.note]

    def text(self, text: str, about: Iterable[str] = ()) -> str:
        """A text of one or more sentences, or the note if it may not be shown."""
        return text if self.allows(text, about) else self.note

    def _names_part(self, text: str, name: str, value: str, known: set[str]) -> bool:
        if name in {LABEL, PREDICTED}:
            shown = self.names.of_class(value)
            return has_word(text, value) or has_word(text, shown)
        shown = self.names.of_value(name, value)
        if not (has_word(text, value) or has_word(text, shown)):
            return False
        return self._names_attribute(text, name, known)

    def _names_attribute(self, text: str, name: str, known: set[str]) -> bool:
        shown = self.names.of_attribute(name)
        return name in known or has_word(text, name) or has_word(text, shown)


def without_examples(text: str) -> str:
    """A note without its examples and quotations, which may be anything of the data."""
    return _QUOTED.sub(REMOVED, _EXAMPLES.sub("", text))


def is_few(n: int, support: int, least: int) -> bool:
    """Whether some, but few, of the samples of a cell have an outcome or the other one."""
    return any(0 < one < least for one in (n, support - n))


def has_word(text: str, word: str) -> bool:
    """Whether a name occurs in a text, not as a part of a longer word."""
    return word in text and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None
