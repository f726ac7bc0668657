"""Placebo runs and permutation of the lot: by hand, by brute force, and on known truth."""

import itertools
import math

import numpy as np
import pytest

from gmvcausal.stats.few_treated import Contrasts, permutation, placebo_runs


def one_treated(own: float, controls: list[float], scales: list[float] | None = None) -> Contrasts:
    value = np.array([own, *controls])[:, None]
    scale = np.array(scales or [1.0] * len(value))[:, None]
    role = np.array([0] + [-1] * len(controls))
    return Contrasts(value, scale, np.ones(len(value)), role, np.ones(1))


def test_one_treated_by_hand() -> None:
    """Estimate 10 - 0; the placebos' largest ratio is that of the control at 4, three controls being left."""
    runs = placebo_runs(one_treated(10.0, [4.0, -4.0, 2.0, -2.0]), seed=0)
    assert runs.estimate == 10
    # A run at 4 compares with the mean -4/3 of the rest: 16/3, over its own scale 1 and that of a mean of three.
    assert runs.ratios[0] == pytest.approx(16 / 3 / math.sqrt(1 + 1 / 3), rel=1e-12)
    assert runs.p_value == pytest.approx(1 / 5, rel=1e-9)
    low, high = runs.limits(0.8)
    half = runs.ratios[0] * math.sqrt(1 + 1 / 4)
    assert (low, high) == pytest.approx((10 - half, 10 + half))
    assert runs.limits(0.95) == (-math.inf, math.inf)  # four controls cannot reject at 5 %


def test_p_value_and_interval_say_the_same() -> None:
    rng = np.random.default_rng(0)
    for seed in range(300):
        k = 1 + seed % 3
        value, scale = rng.normal(size=(41 + k, 1)), rng.uniform(0.5, 2, (41 + k, 1))
        value[:k] += 2.2 * scale[:k]
        role = np.where(np.arange(41 + k) < k, 0, -1)
        c = Contrasts(value * scale, scale, np.ones(41 + k), role, np.ones(1))
        lot = permutation(c, (role >= 0).astype(float)[:, None], seed, draws=199)
        for runs in (placebo_runs(c, seed, draws=199), lot):
            low, high = runs.limits(0.95)
            assert (low > 0 or high < 0) == (runs.p_value < 0.05)
            assert low <= runs.estimate <= high


def test_a_wild_room_is_measured_by_its_own_past() -> None:
    """A change of 100 in a room that always moved by 100 is nothing; in a quiet one it is all."""
    controls = [0.5, -1.0, 0.5, 0.0, 0.3, -0.3]
    wild = placebo_runs(one_treated(100.0, controls, [100.0] + [1.0] * 6), seed=0)
    quiet = placebo_runs(one_treated(100.0, controls, [1.0] * 7), seed=0)
    assert quiet.p_value == pytest.approx(1 / 7) and wild.p_value > 1 / 7


def test_small_treated_rooms_carry_the_noise_of_the_controls() -> None:
    """The treated never move; what is left of chance is the controls' mean, and it is in the scale."""
    rng = np.random.default_rng(5)
    rejected = 0
    for rep in range(400):
        role = np.where(np.arange(40) < 5, 0, -1)
        sd = np.where(role == 0, 0.1, 1.0)
        path = rng.normal(size=(40, 12)) * sd[:, None]
        c = Contrasts(path[:, -1:], path[:, :10].std(axis=1, ddof=1, keepdims=True), np.ones(40), role, np.ones(1))
        rejected += placebo_runs(c, rep, draws=199).p_value < 0.05
    assert rejected / 400 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_gmv_in_other_units_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    value, scale = rng.normal(size=(30, 2)), rng.uniform(1, 2, (30, 2))
    role = np.array([0, 0, 1] + [-1] * 27)
    size = rng.integers(1, 9, 30).astype(float)
    share = np.array([0.3, 0.7])
    a = placebo_runs(Contrasts(value, scale, size, role, share), seed=5)
    b = placebo_runs(Contrasts(100 * value, 100 * scale, size, role, share), seed=5)
    assert a.p_value == b.p_value
    np.testing.assert_allclose(np.array(b.limits(0.9)), 100 * np.array(a.limits(0.9)), rtol=1e-12)


def test_a_control_that_never_moved_is_not_drawn() -> None:
    runs = placebo_runs(one_treated(9.0, [1.0, -1.0, 0.0, 0.0], [1.0, 1, 1, 1, 0]), seed=0)
    assert len(runs.ratios) == 3 and np.isfinite(runs.ratios).all() and runs.estimate == 9.0


def test_all_sets_are_taken_where_they_are_few() -> None:
    value = np.random.default_rng(0).normal(size=(24, 1))
    role = np.where(np.arange(24) < 2, 0, -1)
    c = Contrasts(value, np.ones((24, 1)), np.ones(24), role, np.ones(1))
    assert len(placebo_runs(c, 0).ratios) == math.comb(22, 2)
    assert placebo_runs(c, 0).p_value == placebo_runs(c, 1).p_value
    lot = permutation(c, (role >= 0).astype(float)[:, None], 0)
    assert len(lot.runs) == math.comb(24, 2) - 1 and np.abs(lot.overlap).max() < 1


def test_the_estimate_weighs_roles_and_sizes() -> None:
    """Role 0: clusters 10 (size 1) and 40 (size 3), less 5; role 1: 7 less 1; weights .25 and .75."""
    value = np.array([[10.0, 0], [40, 0], [0, 7], [5, 1], [5, 1]])
    c = Contrasts(
        value, np.ones((5, 2)), np.array([1.0, 3, 2, 1, 1]), np.array([0, 0, 1, -1, -1]), np.array([0.25, 0.75])
    )
    assert c.estimate == pytest.approx(0.25 * (130 / 4 - 5) + 0.75 * 6, rel=1e-14)


def test_permutation_against_all_drawings() -> None:
    """Seven of eight rooms: the p-value is the share of all drawings, and the limits are where it crosses the level."""
    rng = np.random.default_rng(4)
    value = rng.normal(size=8)
    value[:2] += 2
    role = np.array([0, 0] + [-1] * 6)
    c = Contrasts(value[:, None], np.ones((8, 1)), np.ones(8), role, np.ones(1))
    lot = permutation(c, (role >= 0).astype(float)[:, None], 0, draws=20_000)

    def p(delta: float) -> float:
        shifted = value - delta * (role >= 0)
        drawn = [shifted[list(i)].mean() - np.delete(shifted, i).mean() for i in itertools.combinations(range(8), 2)]
        return float(np.mean(np.abs(drawn) >= abs(drawn[0]) - 1e-12))

    assert lot.p_value == pytest.approx(p(0.0), abs=0.012)
    low, high = lot.limits(0.8)
    assert p(low + 0.02) > 0.2 > p(low - 0.02)
    assert p(high - 0.02) > 0.2 > p(high + 0.02)


@pytest.mark.parametrize(("treated", "spread"), [(1, 0.0), (3, 0.0), (1, 0.6), (5, 0.6)])
def test_size_under_persistent_shocks(treated: int, spread: float) -> None:
    """AR(.7), 60 rooms, no effect, the largest treated: 5 % within three Monte Carlo errors (and the scale's noise)."""
    rng = np.random.default_rng(7)
    reps, weeks, rooms = 600, 16, 60
    sd = np.sort(np.exp(spread * rng.normal(size=rooms)))[::-1]
    rejected = 0
    for rep in range(reps):
        shock = rng.normal(size=(rooms, weeks))
        shock[:, 0] /= math.sqrt(1 - 0.49)
        for t in range(1, weeks):
            shock[:, t] += 0.7 * shock[:, t - 1]
        y = shock * sd[:, None]
        value = (y[:, 8:].mean(axis=1) - y[:, 7])[:, None]
        scale = (y - y[treated:].mean(axis=0))[:, :8].std(axis=1, ddof=1)[:, None]
        role = np.where(np.arange(rooms) < treated, 0, -1)
        runs = placebo_runs(Contrasts(value, scale, np.ones(rooms), role, np.ones(1)), rep, draws=299)
        rejected += runs.p_value < 0.05
    assert abs(rejected / reps - 0.05) < 3 * math.sqrt(0.05 * 0.95 / reps)
