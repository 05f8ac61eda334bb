"""Region effects: the tests of necessity and sufficiency, by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from auditor.interventions.region_effects import RegionTest
from auditor.interventions.region_search import MaskedRegion
from auditor.interventions.regions import Region


@pytest.fixture
def tested() -> RegionTest:
    return RegionTest(
        masked=MaskedRegion(Region(0, 0, 0.5, 0.5), "blur"),
        corrected=np.array([True] * 9 + [False]),
        corrected_by_control=np.array([True] * 2 + [False] * 8),
        flipped=np.array([True, True, True, False, True, False]),
        flipped_by_control=np.array([False, False, False, False, False, True]),
        donors=np.array([7, 7, 3, 3, 5, 9]),
    )


def test_necessity_is_the_mcnemar_test_of_corrected_failures(tested: RegionTest) -> None:
    change, p_value = tested.necessity()
    assert change.value == pytest.approx(0.7)
    # Seven failures are corrected here only and none by the control only: mid-p of a fair coin.
    assert p_value == pytest.approx(2 * 0.5**7 - 0.5**7)


def test_sufficiency_is_a_sign_flip_test_over_donors(tested: RegionTest) -> None:
    change, p_value = tested.sufficiency(0)
    # Differences by donor: 0.5 for 3, 1 for 5, 1 for 7 and -1 for 9.
    differences = np.array([0.5, 1, 1, -1])
    assert change.value == pytest.approx(differences.mean())
    # The share of the 16 sign patterns with a sum as large as the observed one.
    sums = [abs(np.dot(signs, differences)) for signs in product((1, -1), repeat=4)]
    assert p_value == pytest.approx(np.mean([one >= 1.5 for one in sums]))
