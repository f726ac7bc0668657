"""Kaplan-Meier and counts under censoring: published numbers, statsmodels, by hand, coverage."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from gmvcausal.stats.survival import at, kaplan_meier, log_log, mean_counts, restricted_mean, wilson

# Remission of acute myelogenous leukaemia, maintained arm (Miller 1981): R's survival::aml.
WEEKS = np.array([9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161.0])
RELAPSE = np.array([1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0], dtype=bool)
# lifelines 0.30.3, KaplanMeierFitter().fit(WEEKS, RELAPSE): survival_function_, confidence_interval_ (log-log).
TOLD = {
    9: (0.9090909090909092, 0.5080802057699292, 0.9866738226678231),
    13: (0.8181818181818182, 0.4474286146821811, 0.9511622285824918),
    18: (0.715909090909091, 0.3501903859079383, 0.8990239741910536),
    23: (0.6136363636363638, 0.26575204000128605, 0.8352992432502216),
    31: (0.490909090909091, 0.16733090977685078, 0.7533997903708115),
    34: (0.36818181818181833, 0.09282957493698518, 0.657040832398164),
    48: (0.18409090909090914, 0.01173848012318958, 0.5250148427266417),
}


def test_published_curve_and_limits():
    found = kaplan_meier(WEEKS, RELAPSE)
    for week, (share, low, high) in TOLD.items():
        here = at(found, np.array([float(week)]))
        assert here.share[0] == pytest.approx(share, abs=1e-12)
        assert log_log(here.share[0], here.std_error[0], 0.95) == pytest.approx((low, high), abs=1e-8)
    # lifelines: restricted_mean_survival_time(fit, t=48).
    assert restricted_mean(found, 48.0)[0] == pytest.approx(31.843181818181822, abs=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_is_that_of_statsmodels(seed):
    rng = np.random.default_rng(seed)
    time, stop = rng.integers(0, 12, 80).astype(float), rng.integers(1, 12, 80).astype(float)
    event = time <= stop
    seen = np.minimum(time, stop)
    other = SurvfuncRight(seen, event.astype(int))
    found = kaplan_meier(seen, event)
    np.testing.assert_allclose(found.time, other.surv_times)
    here = at(found, found.time)
    np.testing.assert_allclose(found.share, other.surv_prob, atol=1e-12)
    live = found.share > 0
    np.testing.assert_allclose(here.std_error[live], other.surv_prob_se[live], rtol=1e-10)
    np.testing.assert_array_equal(found.at_risk, other.n_risk)


def test_by_hand():
    # Five users: events at 1, 2, 2; one lost at 2 (at risk there), one watched to 5.
    found = kaplan_meier(np.array([1.0, 2, 2, 2, 5]), np.array([True, True, True, False, False]))
    assert found.share == pytest.approx([4 / 5, 4 / 5 * 2 / 4])
    assert found.greenwood == pytest.approx([1 / 20, 1 / 20 + 2 / 8])
    area, error = restricted_mean(found, 4.0)
    assert area == pytest.approx(1 + 0.8 + 2 * 0.4)
    # Areas beyond: 0.8 + 0.8 after the first, 0.8 after the second.
    assert error**2 == pytest.approx(1.6**2 / 20 + 0.8**2 * 2 / 8)
    here = at(found, np.array([0.5, 1.0, 3.0]))
    assert here.share == pytest.approx([1, 0.8, 0.4])
    cov = here.cov()
    assert cov[1, 2] == pytest.approx(0.8 * 0.4 / 20) and cov[0].max() == 0
    np.testing.assert_allclose(np.sqrt(np.diag(cov)), here.std_error)
    everybody = kaplan_meier(np.array([1.0, 2.0]), np.array([True, True]))
    assert (
        at(everybody, np.array([3.0])).std_error[0] == 0
        and np.isfinite(at(everybody, np.array([1.0, 3.0])).cov()).all()
    )
    assert np.isnan(log_log(1.0, 0.0, 0.95)).all()


def test_without_censoring_it_is_the_share():
    time = np.array([1.0, 1, 2, 3, 7])
    found = at(kaplan_meier(time, np.ones(5, dtype=bool)), np.array([2.0]))
    assert found.share[0] == pytest.approx(0.4) and found.std_error[0] ** 2 == pytest.approx(0.4 * 0.6 / 5)
    whole = mean_counts(np.array([[1.0, 2], [0, 1], [3, 0]]), np.ones((3, 2), dtype=bool))
    assert whole.mean.tolist() == pytest.approx([4 / 3, 7 / 3])
    assert whole.std_error[1] == pytest.approx(np.std([3, 1, 3], ddof=1) / np.sqrt(3))


def test_counts_by_hand():
    counts = np.array([[1.0, 0], [0, 2], [2, 9]])
    whole = np.array([[True, True], [True, True], [True, False]])
    found = mean_counts(counts, whole)
    own = np.array([0 / 3 + (0 - 1) / 2, -1 / 3 + (2 - 1) / 2, 1 / 3])
    assert found.std_error[1] ** 2 == pytest.approx((own**2).sum() * 2 / 1)


def test_wilson_is_statsmodels():
    from statsmodels.stats.proportion import proportion_confint

    hits, n = np.array([0.0, 3, 10]), np.array([10.0, 17, 10])
    low, high = wilson(hits, n, 0.9)
    other = proportion_confint(hits, n, 0.1, "wilson")
    np.testing.assert_allclose(low, other[0], atol=1e-12)
    np.testing.assert_allclose(high, other[1], atol=1e-12)


def test_covers_the_truth_under_censoring():
    rng = np.random.default_rng(3)
    runs = 400
    hits = np.zeros(3)
    for _ in range(runs):
        time, stop = rng.exponential(4.0, 150), rng.uniform(1, 12, 150)
        found = kaplan_meier(np.minimum(time, stop), time <= stop)
        here = at(found, np.array([4.0]))
        low, high = log_log(here.share[0], here.std_error[0], 0.95)
        hits[0] += low <= np.exp(-1) <= high
        area, error = restricted_mean(found, 8.0)
        hits[1] += abs(area - 4 * (1 - np.exp(-2))) <= 1.96 * error
        counts = rng.poisson(rng.gamma(5.0, 0.1, (150, 1)), (150, 8)).astype(float)
        made = mean_counts(counts, stop[:, None] >= np.arange(1, 9))
        hits[2] += abs(made.mean[-1] - 4.0) <= 1.97 * made.std_error[-1]
    assert (hits / runs > 0.92).all() and (hits / runs < 0.98).all()
