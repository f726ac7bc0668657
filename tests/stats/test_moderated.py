"""An effect along a moderator: against statsmodels, CR2 spelt out, a grid for the region, and coverage."""

from __future__ import annotations

import numpy as np
import statsmodels.api as sm

from gmvcausal.stats.moderated import Along, band, interacted, least_squares, region


def sample(n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    w, treated, room = rng.gamma(2, 3, n), rng.random(n) < 0.4, rng.integers(0, 15, n)
    y = 3 + 0.5 * w + treated * (1 + 0.3 * w) + rng.normal(size=n) * (1 + 0.2 * w) + rng.normal(size=15)[room]
    return y, treated, w, np.unique(room, return_inverse=True)[1]


def test_the_interacted_regression_is_that_of_statsmodels_with_hc2() -> None:
    y, treated, w, _ = sample()
    found = interacted(y, treated, w, 4.0, None)
    assert found is not None
    z = w - 4.0
    fit = sm.OLS(y, np.column_stack([np.ones(len(y)), z, treated, treated * z])).fit(cov_type="HC2")
    np.testing.assert_allclose(found.value, fit.params[2:], rtol=1e-9)
    np.testing.assert_allclose(found.cov, fit.cov_params()[2:, 2:], rtol=1e-8)
    bent = sm.OLS(y, np.column_stack([np.ones(len(y)), z, z * z, treated, treated * z, treated * z * z])).fit(
        cov_type="HC2", use_t=True
    )
    np.testing.assert_allclose(found.bend, bent.pvalues[5], rtol=1e-6)


def test_clusters_are_those_of_bell_and_mccaffrey() -> None:
    y, treated, w, room = sample()
    x = np.column_stack([np.ones(len(y)), (w - 5) / 4, treated, treated * (w - 5) / 4])
    found = least_squares(x, y, room)
    bread = np.linalg.inv(x.T @ x)
    rest, meat = y - x @ (bread @ x.T @ y), np.zeros((4, 4))
    for g in range(room.max() + 1):
        own = x[room == g]
        values, vectors = np.linalg.eigh(np.eye(len(own)) - own @ bread @ own.T)
        score = own.T @ (vectors @ np.diag(values**-0.5) @ vectors.T) @ rest[room == g]
        meat += np.outer(score, score)
    np.testing.assert_allclose(found.influence.T @ found.influence, bread @ meat @ bread, rtol=1e-8)
    alone = least_squares(x, y, np.arange(len(y)))
    np.testing.assert_allclose(alone.influence, least_squares(x, y).influence, rtol=1e-8, atol=1e-12)


def test_eight_rows_by_hand() -> None:
    """Controls on the line 1 + w with residuals of 1 and -1; treated exactly on 2 + 3 w."""
    w = np.array([0.0, 0, 2, 2, 0, 1, 2, 3])
    y = np.array([0.0, 2, 2, 4, 2, 5, 8, 11])
    found = interacted(y, np.arange(8) > 3, w, 1.0, None)
    assert found is not None
    np.testing.assert_allclose(found.value, [5 - 2, 3 - 1], rtol=1e-12)
    # Each control has leverage 1/2, so HC2 squares are 2; at w = 1 weights are 1/4, of the slope they are 1/4.
    np.testing.assert_allclose(found.cov, [[4 * 2 / 16, 0], [0, 4 * 2 / 16]], atol=1e-12)
    np.testing.assert_allclose(found.df(np.array([1.0, 0.0])), 2.0, rtol=1e-12)


def test_size_scale_and_order_do_not_matter() -> None:
    y, treated, w, room = sample()
    base = interacted(y, treated, w, 4.0, room)
    order = np.random.default_rng(1).permutation(len(y))
    mixed = interacted(y[order], treated[order], w[order], 4.0, room[order])
    lifted = interacted(y + 1e7, treated, w, 4.0, room)
    scaled = interacted(100 * y, treated, 1000 * w, 4000.0, room)
    assert base is not None and mixed is not None and lifted is not None and scaled is not None
    np.testing.assert_allclose(mixed.value, base.value, rtol=1e-10)
    np.testing.assert_allclose(mixed.cov, base.cov, rtol=1e-9)
    np.testing.assert_allclose(lifted.value, base.value, rtol=1e-7)
    np.testing.assert_allclose(lifted.cov, base.cov, rtol=1e-7)
    np.testing.assert_allclose(scaled.value, base.value * [100, 0.1], rtol=1e-9)
    swapped = interacted(y, ~treated, w, 4.0, room)
    assert swapped is not None
    np.testing.assert_allclose(swapped.value, -base.value, rtol=1e-9)


def test_a_moderator_that_does_not_vary_on_a_side_has_no_line() -> None:
    y, treated, w, _ = sample()
    assert interacted(y, treated, np.where(treated, 3.0, w), 4.0, None) is None


def test_the_region_is_what_a_grid_shows() -> None:
    y, treated, w, _ = sample(400)
    line = interacted(y - 3 * treated, treated, w, 4.0, None)
    assert line is not None
    found = region(line.value, line.cov, 2.5, (0.0, 20.0), 4.0)
    grid = np.linspace(0, 20, 4001)
    take = line.at(grid)
    away = np.abs(take @ line.value) > 2.5 * np.sqrt(np.einsum("ij,jk,ik->i", take, line.cov, take))
    inside = np.zeros(len(grid), dtype=bool)
    for low, high in found:
        inside |= (grid >= low) & (grid <= high)
    assert found and 0 < inside.sum() < len(grid) and (inside == away).mean() > 0.999


def test_intervals_hold_and_bands_hold_for_all_values_together() -> None:
    """True effect 1 + 0.3 w, errors that grow with w: 160 samples, so that 95 % is seen within 3.5 points."""
    rng = np.random.default_rng(0)
    slope = joint = alone = 0
    reps, truth = 160, lambda w: 1 + 0.3 * w
    for k in range(reps):
        w, treated = rng.gamma(3, 2, 80), rng.permutation(np.arange(80) < 40)
        y = 0.5 * w + treated * truth(w) + rng.normal(size=80) * (1 + 0.2 * w)
        line = interacted(y, treated, w, 6.0, None)
        assert line is not None
        both = band(line, (1.0, 12.0), 0.95, k, simultaneous=True)
        one = band(line, (1.0, 12.0), 0.95, k, simultaneous=False)
        real = truth(both.places)
        joint += bool(((both.low <= real) & (real <= both.high)).all())
        alone += bool(((one.low <= real) & (real <= one.high)).all())
        load = np.array([0.0, 1.0])
        from scipy import stats

        half = stats.t.ppf(0.975, line.df(load)) * np.sqrt(line.cov[1, 1])
        slope += abs(line.value[1] - 0.3) <= half
    assert 0.9 < slope / reps < 0.99 and 0.9 < joint / reps <= 1
    assert alone / reps < joint / reps - 0.02


def test_bands_contain_the_intervals() -> None:
    y, treated, w, room = sample()
    line: Along | None = interacted(y, treated, w, 4.0, room)
    assert line is not None
    wide, narrow = (band(line, (0.0, 15.0), 0.95, 0, simultaneous=s) for s in (True, False))
    assert wide.critical > narrow.critical and (wide.low < narrow.low).all()


def direct_df(x: np.ndarray, weight: np.ndarray, room: np.ndarray) -> float:
    """From the whole n x n matrices: trace squared over the trace of the square (Bell and McCaffrey 2002)."""
    away = np.eye(len(x)) - x @ np.linalg.inv(x.T @ x) @ x.T
    columns = []
    for g in np.unique(room):
        own = np.flatnonzero(room == g)
        values, vectors = np.linalg.eigh(away[np.ix_(own, own)])
        columns.append(away[:, own] @ (vectors @ np.diag(values**-0.5) @ vectors.T) @ weight[own])
    inner = np.column_stack(columns).T @ np.column_stack(columns)
    return float(np.trace(inner) ** 2 / (inner * inner).sum())


def test_degrees_of_freedom_are_those_of_the_whole_matrices() -> None:
    y, _, w, room = sample()
    treated = room % 2 == 1
    for cluster in (None, room):
        found = interacted(y, treated, w, 4.0, cluster)
        assert found is not None
        for load in (np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([1.0, 7.0])):
            parts = []
            for on in (False, True):
                own = treated == on
                x = np.column_stack([np.ones(own.sum()), w[own] - 4.0])
                code = np.arange(own.sum()) if cluster is None else cluster[own]
                weight = x @ np.linalg.inv(x.T @ x) @ load
                variance = float(((found.influence[found.side == on] @ load) ** 2).sum())
                parts.append((variance, direct_df(x, weight, code)))
            df = sum(v for v, _ in parts) ** 2 / sum(v * v / d for v, d in parts)
            np.testing.assert_allclose(found.df(load), df, rtol=1e-8)


def test_degrees_of_freedom_of_clusters_that_hold_both_sides() -> None:
    y, treated, w, room = sample()
    found = interacted(y, treated, w, 4.0, room)
    assert found is not None and (found.side == 2).all()
    z = w - 4.0
    x = np.column_stack([np.ones(len(y)), z, treated, treated * z]).astype(float)
    weight = x @ np.linalg.inv(x.T @ x) @ np.array([0.0, 0, 0, 1])
    np.testing.assert_allclose(found.df(np.array([0.0, 1.0])), direct_df(x, weight, room), rtol=1e-8)
