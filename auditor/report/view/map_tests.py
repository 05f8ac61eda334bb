"""The tests of an audit's maps, each with its result, and the conclusion from them in a few sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.phrasing import count, plural
from auditor.records.explanations import ExplanationsRecord, MapTestName, MapTestRecord
from auditor.report.view import map_sanity

_TITLES: Mapping[MapTestName, str] = {
    "deletion": "Deletion",
    "insertion": "Insertion",
    "occlusion": "Agreement with occlusion",
    "randomization": "Randomized weights",
    "edges": "Edge detector",
}
_RULES: Mapping[MapTestName, str] = {
    "deletion": (
        "The strongest parts of the map are masked first. The probability of the class must fall faster "
        "than with the parts in random order."
    ),
    "insertion": (
        "The strongest parts of the map are revealed first. The probability of the class must rise "
        "faster than with the parts in random order."
    ),
    "occlusion": (
        "The map must agree with the drop of the score when each part is masked, more than its parts in "
        "random order would."
    ),
    "randomization": (
        "With random weights, the map must not resemble the original more than maps of different images "
        "resemble each other. Otherwise it does not depend on what the network has learned."
    ),
    "edges": (
        "The map must not resemble the edges of its image more than those of other images. Edges do not "
        "depend on any network."
    ),
}
_NAMES = {"grad-cam": "Grad-CAM", "guided-backprop": "Guided backpropagation"}


@dataclass(frozen=True)
class MapTestView:
    """A test of the maps.

    Attributes:
        name: what was tested.
        passed: whether it is passed.
        value: what was measured, with its interval.
        mark: the pass mark.
        rule: what the map must do, and why.
    """

    name: str
    passed: bool
    value: str
    mark: str
    rule: str

    @property
    def result(self) -> str:
        """The result with its sign."""
        return "✓ passed" if self.passed else "✗ not passed"


@dataclass(frozen=True)
class MapTestGroup:
    """The tests of one kind of map.

    Attributes:
        explainer: whose maps were tested.
        conclusion: how many tests they pass.
        tests: one each.
    """

    explainer: str
    conclusion: str
    tests: tuple[MapTestView, ...]


def map_test_groups(tests: Sequence[MapTestRecord]) -> tuple[MapTestGroup, ...]:
    """The tests by explainer, those of Grad-CAM first."""
    return tuple(
        MapTestGroup(name, _passes(name, own), tuple(_view(one) for one in own))
        for explainer, name in _NAMES.items()
        if (own := [one for one in tests if one.explainer == explainer])
    )


def maps_text(explanations: ExplanationsRecord) -> str:
    """What is known of the maps, for the first page; of older results, their measures; may be empty."""
    tests = explanations.map_tests
    return conclusion(tests) if tests else map_sanity.summary(explanations.sanity)


def conclusion(tests: Sequence[MapTestRecord]) -> str:
    """What the tests say of the maps in a few sentences; empty without tests."""
    return " ".join(_conclusion(tests))


def _conclusion(tests: Sequence[MapTestRecord]) -> Iterator[str]:
    cam, guided = ([one for one in tests if one.explainer == explainer] for explainer in _NAMES)
    if cam:
        yield f"{_passes('Grad-CAM', cam)}; {_advice(cam)}."
    if guided:
        passes = _passes("Guided backpropagation", guided).removesuffix(" here")
        yield f"{passes}; no number in this report rests on it."
    if tests:
        yield f"Tested on {plural(max(one.n_samples for one in tests), 'sample')}."


def _passes(name: str, tests: Sequence[MapTestRecord]) -> str:
    passed = sum(one.passed for one in tests)
    if len(tests) == 1 and not passed:
        return f"{name} does not pass its only test here"
    if passed == len(tests):
        every = {1: "its only test", 2: "both tests"}.get(passed, f"all {passed} tests")
        return f"{name} passes {every} here"
    return f"{name} passes {passed or 'none'} of {plural(len(tests), 'test')} here"


def _advice(tests: Sequence[MapTestRecord]) -> str:
    """What the maps are good for; one that does not depend on the weights is good for nothing."""
    passed = [one for one in tests if one.passed]
    depends = {one.test: one.passed for one in tests}.get("randomization")
    if depends is False:
        return "its maps may not depend on what the network has learned, so do not rely on them"
    if not passed:
        return "do not rely on the maps"
    if len(passed) < len(tests) or depends is None:
        return "treat the maps as hints"
    return "the maps show where the network finds evidence, which is not proof of a cause"


def _view(one: MapTestRecord) -> MapTestView:
    numbers = (one.value.value, one.value.low, one.value.high)
    decimals = 3 if any(0 < abs(number) < 0.005 for number in numbers) else 2
    mean, low, high = (_number(number, decimals) for number in numbers)
    if one.map_area is not None and one.random_area is not None:
        value = (
            f"mean probability {_number(one.map_area)}, in random order "
            f"{_number(one.random_area)}; better by {mean} ({low} to {high})"
        )
    else:
        value = f"rank correlation {mean} ({low} to {high})"
    below = one.test in {"randomization", "edges"}
    return MapTestView(
        name=_TITLES[one.test],
        passed=one.passed,
        value=f"{value}; {count(one.n_samples)} samples",
        mark=f"interval up to {_number(one.mark)}" if below else "interval above 0",
        rule=_RULES[one.test],
    )


def _number(value: float, decimals: int = 2) -> str:
    text = f"{value:.{decimals}f}"
    return text.replace("-", "−") if float(text) else text.removeprefix("-")
