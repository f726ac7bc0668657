"""Power arithmetic: statsmodels as the second implementation, published numbers, known truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower, TTestIndPower, normal_power_het

from gmvcausal import DesignError, InputError
from gmvcausal.stats import power as pw

NAMES = {"two-sided": "two-sided", "greater": "larger", "less": "smaller"}


@pytest.mark.parametrize("alternative", list(NAMES))
@pytest.mark.parametrize(
    ("n", "d", "ratio"), [(5, 0.5, 1), (12, 1.1, 2), (300, 0.2, 0.5), (50_000, 0.02, 1), (9, -0.8, 3)]
)
def test_equal_to_statsmodels(alternative: str, n: int, d: float, ratio: float) -> None:
    se = np.sqrt(1 / n + 1 / (n * ratio))
    ours = pw.power_t(d, se, n + n * ratio - 2, alternative=alternative)
    theirs = TTestIndPower().power(d, n, 0.05, ratio=ratio, alternative=NAMES[alternative])
    assert ours == pytest.approx(theirs, abs=1e-8)
    theirs = NormalIndPower().power(d, n, 0.05, ratio=ratio, alternative=NAMES[alternative])
    assert pw.power_t(d, se, alternative=alternative) == pytest.approx(theirs, abs=1e-8)


def test_proportions_equal_statsmodels() -> None:
    p0, p1, n = 0.05, 0.055, 20_000
    variance = pw.proportion(p0).variance + pw.proportion(p1).variance
    theirs = normal_power_het(p1 - p0, n, 0.05, std_null=np.sqrt(variance), std_alternative=np.sqrt(variance))
    assert pw.power_t(p1 - p0, np.sqrt(variance / n)) == pytest.approx(theirs, abs=1e-8)


def test_the_t_joins_the_normal() -> None:
    assert pw.power_t(2.8, 1.0, 9.9e6) == pytest.approx(float(pw.power_t(2.8, 1.0, 1.1e7)), abs=1e-6)
    assert pw.power_t(80.0, 1.0, 5) == pytest.approx(1.0)
    assert pw.power_t(0.0, 1.0, 4) == pytest.approx(0.05, abs=1e-9)


@pytest.mark.parametrize("alternative", list(NAMES))
@pytest.mark.parametrize("df", [3.0, 30.0, np.inf])
def test_detectable_is_the_inverse(alternative: str, df: float) -> None:
    effect = pw.detectable_t(2.5, df, power=0.9, alternative=alternative)
    assert (effect < 0) == (alternative == "less")
    assert pw.power_t(effect, 2.5, df, alternative=alternative) == pytest.approx(0.9, abs=1e-9)


def test_lewis_and_rao() -> None:
    """Lewis and Rao 2015: sales 7 (sd 75), cost .14, margin .5, a return of 25 %; arithmetic, 1e-6."""
    lift = 0.14 * 1.25 / 0.5
    assert lift == pytest.approx(0.35, rel=1e-12)
    assert (lift / (2 * 75)) ** 2 == pytest.approx(5.444444444444443e-06, rel=1e-6)
    assert lift / (75 * np.sqrt(2 / 1e6)) == pytest.approx(3.2998316455372216, rel=1e-6)
    assert pw.size_normal(lift, 75.0**2, 75.0**2) / 2 == pytest.approx(720815.4858075696, rel=1e-6)


def test_moments_of_gmv_in_two_parts() -> None:
    rng = np.random.default_rng(0)
    sigma, mu, n = 0.5, 3.0, 2_000_000
    amount = stats.lognorm(s=sigma, scale=np.exp(mu))
    y = np.where(rng.uniform(size=n) < 0.1, rng.lognormal(mu, sigma, n), 0.0)
    base = pw.two_part(0.1, float(amount.mean()), float(amount.std()))
    assert base.mean == pytest.approx(y.mean(), rel=0.01)
    assert base.variance == pytest.approx(y.var(), rel=0.01)
    assert base.skewness == pytest.approx(stats.skew(y), rel=0.02)
    assert pw.proportion(0.1).skewness == pytest.approx(stats.bernoulli.stats(0.1, moments="s"))


def test_ratio_is_the_delta_method() -> None:
    rng = np.random.default_rng(1)
    orders = rng.poisson(0.4, 400_000).astype(float)
    gmv = orders * rng.lognormal(3, 0.5, 400_000)
    base = pw.ratio(gmv.mean(), gmv.std(), orders.mean(), orders.std(), float(np.corrcoef(gmv, orders)[0, 1]))
    linear = (gmv - base.mean * orders) / orders.mean()
    assert base.mean == pytest.approx(gmv.sum() / orders.sum())
    assert base.variance == pytest.approx(linear.var(), rel=1e-9)


def test_design_effect_by_simulation() -> None:
    """Variance of the mean of clusters of unequal size, against units that know nothing of each other."""
    rng = np.random.default_rng(2)
    icc, sizes = 0.1, np.tile([5, 15, 40], 20)
    cv = sizes.std() / sizes.mean()
    means = [
        np.repeat(rng.normal(0, np.sqrt(icc), 60), sizes) @ np.ones(sizes.sum()) / sizes.sum()
        + rng.normal(0, np.sqrt((1 - icc) / sizes.sum()))
        for _ in range(20_000)
    ]
    assert np.var(means) * sizes.sum() == pytest.approx(pw.design_effect(sizes.mean(), icc, cv), rel=0.04)
    assert pw.design_effect(1, 0.3) == pytest.approx(1.0)


def test_bad_input() -> None:
    with pytest.raises(InputError, match="positive"):
        pw.power_t(1.0, 0.0)
    with pytest.raises(InputError, match="alternative must be"):
        pw.power_t(1.0, 1.0, alternative="both")
    with pytest.raises(InputError, match="must exceed alpha"):
        pw.detectable_t(1.0, power=0.04)
    with pytest.raises(DesignError, match="never found"):
        pw.size_normal(-1.0, 1.0, 1.0, alternative="greater")
