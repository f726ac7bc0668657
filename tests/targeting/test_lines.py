"""Lines on the scale of a link: against statsmodels, scikit-learn and the normal likelihood; by hand; metamorphic."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.line import Line, columns_of, fit_least_squares, fit_line, likeliest
from gmvcausal.stats.nuisance.outcomes import cross_fit
from gmvcausal.stats.nuisance.parts import fit_part


def world(n: int, seed: int) -> tuple[Any, Any, Any, Any]:
    """Features, arm, whether bought, and amounts; with gaps and a category."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[:, 3] = rng.integers(0, 3, n)
    arm = rng.permutation(n) % 2
    eta = -0.5 + 0.8 * x[:, 0] + 0.4 * (x[:, 3] == 1) + arm * (0.3 + 0.5 * x[:, 1])
    buys = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    amount = np.exp(2 + 0.5 * x[:, 0].astype(float)) * rng.gamma(2, 0.5, n)
    x[rng.random(n) < 0.1, 2] = np.nan
    return x, arm, buys, amount


def test_without_a_penalty_it_is_the_glm_of_statsmodels() -> None:
    sm = pytest.importorskip("statsmodels.api")
    x, _, buys, amount = world(2000, 0)
    columns = columns_of(x, [])
    assert columns is not None and columns.width == 5  # four numbers and a mark of gaps
    rows = np.arange(0, 2000, 2)
    z = sm.add_constant(columns.dense(x[rows]))
    families = {"binary": (buys, sm.families.Binomial()), "gamma": (amount, sm.families.Gamma(sm.families.links.Log()))}
    for objective, (target, family) in families.items():
        found = fit_line(columns, x, rows, target[rows], objective, ridge=0.0)
        same = sm.GLM(target[rows], z, family=family).fit(tol=1e-14, maxiter=200).params
        np.testing.assert_allclose([found.constant, *found.slope], same, atol=1e-7)  # steps below 1e-6 end it


def test_with_a_penalty_it_is_the_one_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression, Ridge

    x, _, buys, amount = world(1500, 1)
    columns, rows = columns_of(x, [3]), np.arange(1500)
    assert columns is not None and columns.width == 7
    z = columns.dense(x)
    found = fit_line(columns, x, rows, buys, "binary", ridge=7.0)
    same = LogisticRegression(C=1 / 7, tol=1e-12, max_iter=5000, solver="newton-cg").fit(z, buys)
    np.testing.assert_allclose([found.constant, *found.slope], [*same.intercept_, *same.coef_[0]], atol=1e-6)
    weight = np.random.default_rng(0).random(1500)
    line, used = fit_least_squares(columns, x, rows, amount, weight, ridge=3.0)
    plain = Ridge(alpha=3.0).fit(z, amount, sample_weight=weight)
    np.testing.assert_allclose([line.constant, *line.slope], [plain.intercept_, *plain.coef_], rtol=1e-8)
    assert used == 3.0


def test_the_penalty_is_the_likeliest_of_the_grid() -> None:
    """The normal likelihood of the centred outcomes, whose covariance is s² (I + zz' / ridge) and s² at its maximum."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=(40, 3))
    z -= z.mean(axis=0)
    y = z @ np.array([0.6, 0.0, -0.3]) + rng.normal(size=40)
    y -= y.mean()
    value, vector = np.linalg.eigh(z.T @ z)
    found = likeliest(value, vector.T @ (z.T @ y), float(y @ y), 40)
    basis = np.linalg.qr(np.column_stack([np.ones(40), rng.normal(size=(40, 39))]))[0][:, 1:]  # free of the constant

    def said(ridge: float) -> float:
        cov = basis.T @ (np.eye(40) + z @ z.T / ridge) @ basis
        own = basis.T @ y
        return float(-0.5 * np.linalg.slogdet(cov)[1] - 39 / 2 * np.log(own @ np.linalg.solve(cov, own)))

    assert all(said(found) >= said(found * 10.0**step) for step in (-1, -0.5, -0.25, 0.25, 0.5, 1))
    assert said(found) > -39 / 2 * np.log(y @ y)
    assert likeliest(value, vector.T @ (z.T @ np.tile([1.0, -1.0], 20)) * 0, 40.0, 40) == np.inf  # nothing to learn


def test_by_hand() -> None:
    """Eight rows: a mean 3, slope (sum of xy) / (sum of x² + ridge) = 8 / (8 + 8)."""
    x = np.array([[-1], [-1], [-1], [-1], [1], [1], [1], [1]], dtype=np.float32)
    y = np.array([1.0, 2, 2, 3, 3, 4, 4, 5])
    columns = columns_of(x, [])
    assert columns is not None and columns.spread.tolist() == [1.0]
    line, _ = fit_least_squares(columns, x, np.arange(8), y, np.ones(8), ridge=8.0)
    assert (line.constant, line.slope.tolist()) == (3.0, [0.5])
    assert line.predict(np.array([[2], [9], [np.nan]], dtype=np.float32)).tolist() == [4.0, 4.5, 3.0]  # 3 at the most
    same = Line.from_dict(json.loads(json.dumps(line.to_dict())))
    assert same.predict(x).tolist() == line.predict(x).tolist()


def test_too_many_columns_get_no_line() -> None:
    x = np.random.default_rng(0).normal(size=(30, 201)).astype(np.float32)
    assert columns_of(x, []) is None and columns_of(x[:, :200], []) is not None
    y = np.arange(30.0)
    mu, models = cross_fit(Bins(x, (), 0, 1), np.arange(30) % 2, y, np.arange(30) // 2 % 2, 2, "plain")
    assert np.isfinite(mu).all() and not any(part.lines for model in models for part in model.parts)  # type: ignore[union-attr]
    frame = pd.DataFrame(x, columns=[f"x{j}" for j in range(201)]).assign(on=np.arange(30) // 2 % 2, y=y)
    m = gc.uplift(frame, outcome="y", treatment="on", features=list(frame.columns[:201]), propensity=0.5, folds=2)
    assert any("no straight lines" in note for note in m.manifest.notes)


@pytest.mark.parametrize("kind", ["hurdle", "plain"])
def test_order_of_rows_and_unit_of_money_do_not_matter(kind: str) -> None:
    x, arm, buys, amount = world(3000, 4)
    y, fold = (buys * amount if kind == "hurdle" else 10 + amount), np.arange(3000) % 3
    mu, _ = cross_fit(Bins(x, (3,), 0, 1), fold, y, arm, 2, kind)
    dear, _ = cross_fit(Bins(x, (3,), 0, 1), fold, 100 * y, arm, 2, kind)
    np.testing.assert_allclose(dear, 100 * mu, rtol=1e-4)
    at = np.random.default_rng(0).permutation(3000)
    mixed, _ = cross_fit(Bins(x[at], (3,), 0, 1), fold[at], y[at], arm[at], 2, kind)
    np.testing.assert_allclose(mixed, mu[at], rtol=1e-3)


def test_arms_named_the_other_way_round() -> None:
    """What arms share is their mixture: exchanging the arms exchanges the columns."""
    x, arm, buys, _ = world(2000, 5)
    bins, rows, columns = Bins(x, (3,), 0, 1), np.arange(2000), columns_of(x, [3])
    one = fit_part(bins, columns, rows, buys, arm, 2, "binary").predict(x)
    other = fit_part(bins, columns, rows, buys, 1 - arm, 2, "binary").predict(x)
    np.testing.assert_allclose(other[:, ::-1], one, atol=1e-5)


def test_straight_effects_are_found_and_absent_ones_are_not_invented() -> None:
    x, arm, buys, _ = world(8000, 6)
    part = fit_part(Bins(x, (3,), 0, 1), columns_of(x, [3]), np.arange(8000), buys, arm, 2, "binary")
    assert part.lines[0].slope[1] == pytest.approx(0.5 * x[:, 1].std(), abs=0.15)
    even = np.random.default_rng(7).permutation(8000) % 2
    none = fit_part(Bins(x, (3,), 0, 1), columns_of(x, [3]), np.arange(8000), buys, even, 2, "binary")
    assert np.abs(none.lines[0].slope).max() < 0.08
