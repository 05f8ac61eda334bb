from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from auditor.statistics.recalibration import recalibrate
from auditor.statistics.tilted_counts import TiltedCount, similar_cells, tilt_to


def _law(rates: np.ndarray) -> np.ndarray:
    """Poisson-binomial probabilities, one sample after another."""
    law = np.ones(1)
    for rate in rates:
        law = np.convolve(law, [1 - rate, rate])
    return law


@pytest.mark.parametrize(("n", "errors"), [(60, 0), (60, 3), (60, 12), (400, 60), (400, 150)])
def test_tilted_count_tails_equal_those_of_the_poisson_binomial_law(n: int, errors: int) -> None:
    log_odds = np.random.default_rng(n).normal(-2, 1.5, n)
    count = TiltedCount.of(log_odds, errors)
    # Above 40 errors a saddlepoint replaces the law; above 128 samples similar ones share a cell.
    for tilt in (-0.5, 0.0, 0.4):
        law = _law(expit(log_odds + tilt))
        at_most = law[: errors + 1].sum() - law[errors] / 2
        fewer, more = (float(one[0]) for one in count.tails(np.array([tilt])))
        assert fewer == pytest.approx(at_most, rel=0.05, abs=1e-9)
        assert more == pytest.approx(1 - at_most, rel=0.05, abs=1e-9)


def test_tilt_to_reaches_the_expected_number() -> None:
    log_odds, sizes = np.array([-6.0, -1.0, 2.0]), np.array([500.0, 20.0, 3.0])
    for expected in (0.1, 5.0, 300.0, 522.0):
        tilt = tilt_to(log_odds, sizes, expected)
        assert (sizes * expit(log_odds + tilt)).sum() == pytest.approx(expected)


def test_similar_cells_equal_values_share_a_cell() -> None:
    cell = similar_cells(np.array([0.5, -1.0, 0.5, 3.0]))
    assert cell.tolist() == [1, 0, 1, 2]
    many = similar_cells(np.random.default_rng(0).normal(size=5000))
    assert many.min() == 0
    assert len(np.unique(many)) == many.max() + 1 <= 128


def test_recalibrate_fit_is_near_a_logistic_regression() -> None:
    import statsmodels.api as sm

    generator = np.random.default_rng(4)
    stated = generator.beta(1, 4, 4000)
    wrong = generator.random(4000) < expit(0.5 + 1.3 * logit(stated))
    ours = recalibrate(stated, wrong)
    design = sm.add_constant(logit(np.clip(stated, 1e-5, 1)))
    theirs = sm.Logit(wrong.astype(float), design).fit(disp=0)
    assert ours.rates.sum() == pytest.approx(wrong.sum())
    # A prior on the slope and cells of similar samples keep them from being equal.
    assert np.abs(ours.rates - theirs.predict(design)).max() < 0.01


def test_recalibrate_without_errors_assumes_half_an_error() -> None:
    found = recalibrate(np.full(50, 0.1), np.zeros(50, dtype=bool))
    assert found.rates.sum() == pytest.approx(0.5)
    assert found.dispersion == 1.0
