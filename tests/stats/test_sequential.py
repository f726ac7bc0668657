"""Many looks: published bounds, known size and power, what must never move."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special, stats

from gmvcausal import InputError
from gmvcausal.stats import anytime
from gmvcausal.stats.paths import paths
from gmvcausal.stats.sequential import crossing, spending_bounds, spent, stage_wise_quantiles

FIVE = [0.2, 0.4, 0.6, 0.8, 1.0]


def walks(reps: int, looks: int, seed: int = 1) -> np.ndarray:
    """z at equally spaced looks, under no effect."""
    steps = np.random.default_rng(seed).normal(size=(reps, looks))
    return np.cumsum(steps, axis=1) / np.sqrt(np.arange(1, looks + 1))


# --- published numbers --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("spending", "published"),
    [
        # Lan and DeMets 1983 with five equal looks, two-sided .05, as printed by ldbounds
        ("obrien_fleming", [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
        ("pocock", [2.4380, 2.4268, 2.4101, 2.3966, 2.3859]),
    ],
)
def test_published_bounds(spending: str, published: list[float]) -> None:
    # ldbounds integrates on a coarse grid: its fourth decimal is off by one. The next tests hold ours to 1e-11.
    np.testing.assert_allclose(spending_bounds(FIVE, spending=spending).z, published, atol=1.2e-4)


def test_classic_constants() -> None:
    """Pocock's 2.413 and O'Brien and Fleming's 2.040 at five looks cross with probability .05 (their tables)."""
    assert crossing(FIVE, [2.413] * 5).sum() == pytest.approx(0.05, abs=5e-5)
    assert crossing(FIVE, 2.040 / np.sqrt(FIVE)).sum() == pytest.approx(0.05, abs=5e-5)
    # Armitage, McPherson and Rowe 1969: repeated tests at 1.96, two, five and ten looks
    for looks, chance in ((2, 0.083), (5, 0.142), (10, 0.193)):
        assert crossing(np.arange(1, looks + 1), [1.96] * looks).sum() == pytest.approx(chance, abs=6e-4)


def test_two_looks_against_adaptive_quadrature() -> None:
    b = spending_bounds([0.3, 1.0])

    def cross_second(x: float) -> float:
        ends = (b.z[1] - np.sqrt(0.3) * x, b.z[1] + np.sqrt(0.3) * x)
        return float(stats.norm.pdf(x) * sum(stats.norm.sf(end / np.sqrt(0.7)) for end in ends))

    second = integrate.quad(cross_second, -b.z[0], b.z[0], epsabs=1e-14, epsrel=1e-13)[0]
    assert 2 * stats.norm.sf(b.z[0]) + second == pytest.approx(0.05, abs=1e-12)


# --- known size and power -----------------------------------------------------------------------------------
@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("times", [np.arange(1, 15) / 14, np.array([0.01, 0.011, 0.5, 0.97, 1.0]), np.array([1.0])])
def test_bounds_spend_what_they_may(spending: str, sides: int, times: np.ndarray) -> None:
    b = spending_bounds(times, spending=spending, sides=sides)
    np.testing.assert_allclose(np.cumsum(crossing(times, b.z, sides=sides)), b.spent, atol=1e-11)
    np.testing.assert_allclose(b.spent, spent(times, spending=spending, sides=sides), atol=1e-15)


def test_size_and_power_over_14_looks_by_simulation() -> None:
    z = walks(40_000, 14)
    times = np.arange(1, 15) / 14
    b = spending_bounds(times)
    assert 0.045 < (np.abs(z) >= b.z).any(axis=1).mean() < 0.055
    assert (np.abs(z) >= 1.96).any(axis=1).mean() == pytest.approx(crossing(times, [1.96] * 14).sum(), abs=0.007)
    shifted = np.abs(z + 3 * np.sqrt(times)) >= b.z
    first = np.array([np.mean(np.argmax(shifted, axis=1)[shifted.any(axis=1)] == k) for k in range(14)])
    expected = crossing(times, b.z, drift=3.0)
    np.testing.assert_allclose(first * shifted.any(axis=1).mean(), expected, atol=0.008)


def test_stage_wise_p_is_uniform_and_agrees_with_the_bounds() -> None:
    z = walks(500, 5, seed=4)
    b = spending_bounds(FIVE)
    p = np.array([b.p_value(row) for row in z])
    crossed = np.abs(z) >= b.z
    np.testing.assert_array_equal(p[:, -1] <= 0.05, crossed.any(axis=1))
    assert stats.kstest(p[:, -1], "uniform").pvalue > 0.001
    early = crossed[:, :4].any(axis=1)
    assert (p[early, -1] <= b.spent[3] + 1e-12).all()


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("drift", [0.0, 2.0, -1.5])
def test_stage_wise_quantiles_cover(sides: int, drift: float) -> None:
    """The chance of the result or more, at the true effect, is uniform; so intervals from it cover, medians halve."""
    times = np.arange(1, 5) / 4
    b = spending_bounds(times, spending="pocock", sides=sides)
    chances = []
    for row in walks(400, 4, seed=9) + drift * np.sqrt(times):
        out = (np.abs(row) if sides == 2 else row) >= b.z
        at = int(np.argmax(out)) if out.any() else 3
        sign = -1.0 if sides == 2 and row[at] < 0 else 1.0
        ends = np.append(b.z[:at], sign * row[at])
        walk = paths(times[: at + 1], sides, lambda k, _, ends=ends: ends[k], sign * drift * np.sqrt(times[at]))
        chance = sum(tail(float(ends[k]), upper=True) for k, tail in walk)
        chances.append(chance if sign > 0 else 1 - chance)
    assert stats.kstest(chances, "uniform").pvalue > 1e-3
    # and the quantiles are the inverse of these chances, for the last row
    found = stage_wise_quantiles(b, float(row[at]), at, [chances[-1]])
    assert found[0] == pytest.approx(drift * np.sqrt(times[at]), abs=1e-5)


def test_stage_wise_estimates_shrink_early_stops() -> None:
    b = spending_bounds(FIVE)
    low, middle, high = stage_wise_quantiles(b, 3.5, 1)
    assert low < middle < 3.5 < high
    np.testing.assert_allclose(stage_wise_quantiles(b, -3.5, 1), [-high, -middle, -low], atol=1e-6)
    np.testing.assert_allclose(
        stage_wise_quantiles(spending_bounds([1.0]), 2.0, 0), 2 + 1.959964 * np.array([-1, 0, 1]), atol=1e-6
    )


def test_what_is_left_when_the_plan_is_over_or_barely_begun() -> None:
    over = spending_bounds([0.5, 1.2, 1.5], maximum=1.0)
    assert np.isinf(over.z[2])
    assert over.spent[-1] == pytest.approx(0.05)
    begun = spending_bounds([1, 3], maximum=10)
    assert begun.spent[-1] == pytest.approx(float(spent(0.3)))
    same = spending_bounds([0.5, 0.50001, 1.0])  # a look that adds nothing is no look
    assert np.isinf(same.z[0])
    np.testing.assert_allclose(same.z[1:], spending_bounds([0.50001, 1.0]).z)
    with_p = same.p_value([9.0, 1.0, 1.0])
    assert with_p[0] == 1.0


def test_relations() -> None:
    a = spending_bounds(FIVE).z
    np.testing.assert_allclose(spending_bounds(np.array(FIVE) * 1e7).z, a, rtol=1e-9)  # units do not matter
    np.testing.assert_allclose(spending_bounds(FIVE, sides=1, alpha=0.025).z, a, atol=1e-8)
    assert (spending_bounds(FIVE, alpha=0.01).z > a).all()
    state = np.random.get_state()[1].copy()  # noqa: NPY002  # to see that nobody touched it
    spending_bounds(FIVE)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002  # the global state is what must not move


# --- confidence sequences -----------------------------------------------------------------------------------
def test_mixture_is_the_integral_over_a_normal_prior() -> None:
    z, v, prior = 1.7, 40.0, 9.0

    def likelihood(mu: float) -> float:
        return np.exp(mu * z * np.sqrt(v) - mu**2 * v / 2) * stats.norm.pdf(mu, scale=prior**-0.5)

    two = integrate.quad(likelihood, -4, 4)[0]
    one = 2 * integrate.quad(likelihood, 0, 4)[0]
    assert np.exp(anytime.log_evidence([z], [v], prior)[0]) == pytest.approx(two, rel=1e-8)
    assert np.exp(anytime.log_evidence([z], [v], prior, 1)[0]) == pytest.approx(one, rel=1e-8)


@pytest.mark.parametrize("sides", [1, 2])
def test_sequence_holds_at_all_times_and_p_agrees(sides: int) -> None:
    z, v = walks(4_000, 100, seed=2), np.arange(1, 101.0)
    c = anytime.mixture_critical(v, sides=sides)
    out = (np.abs(z) if sides == 2 else z) >= c
    assert out.any(axis=1).mean() < 0.05
    p = np.array([anytime.mixture_p(row, v, sides=sides) for row in z[:500]])
    np.testing.assert_array_equal(p[:, -1] <= 0.05, out[:500].any(axis=1))
    assert (np.diff(p, axis=1) <= 0).all()


def test_sequence_is_narrowest_where_it_is_tuned() -> None:
    at = [anytime.mixture_critical([50.0], tuned_at=t)[0] for t in (10, 40, 50, 62, 300)]
    assert np.argmin(at) == 2


# --- sample ratio -------------------------------------------------------------------------------------------
def test_sequential_srm_is_a_ratio_of_likelihoods() -> None:
    """Against the product of predictive probabilities, user by user."""
    arms = np.random.default_rng(0).integers(0, 2, 40)
    share, size, evidence = np.array([0.3, 0.7]), 20.0, 0.0
    counts = np.zeros(2)
    for arm in arms:
        evidence += np.log((size * share[arm] + counts[arm]) / (size + counts.sum())) - np.log(share[arm])
        counts[arm] += 1
    p = anytime.sequential_srm(counts[None, :], share, concentration=size)[0]
    assert p == pytest.approx(min(1.0, np.exp(-evidence)), rel=1e-10)
    assert special.gammaln(size) > 0


def test_sequential_srm_size_and_power() -> None:
    rng = np.random.default_rng(3)
    total = np.arange(1, 101) * 1_000
    for share, low, high in ((0.5, 0.0, 0.05), (0.51, 0.95, 1.0)):
        treated = np.cumsum(rng.binomial(1_000, share, size=(400, 100)), axis=1)
        p = np.array([anytime.sequential_srm(np.column_stack([total - n, n]))[-1] for n in treated])
        assert low <= (p <= 0.05).mean() <= high


def test_bad_input() -> None:
    with pytest.raises(InputError, match="must grow"):
        spending_bounds([0.2, 0.2])
    with pytest.raises(InputError, match="positive and finite"):
        spending_bounds([0.0, 0.2])
    with pytest.raises(InputError, match="spending must be one of"):
        spending_bounds([1.0], spending="haybittle")
    with pytest.raises(InputError, match="sides"):
        spending_bounds([1.0], sides=3)
    with pytest.raises(InputError, match="do not fall"):
        anytime.sequential_srm([[10, 10], [9, 12]])
    with pytest.raises(InputError, match="shares"):
        anytime.sequential_srm([[10, 10]], [0.5, 0.0])
    with pytest.raises(InputError, match="tuned_at"):
        anytime.mixture_critical([1.0], tuned_at=-1)
