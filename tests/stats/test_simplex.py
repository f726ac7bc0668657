"""Weights on the simplex: by hand, against another solver, and by the conditions that a minimum meets."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from gmvcausal.stats.simplex import simplex_weights


def test_by_hand() -> None:
    # On the segment from (0, 0) to (4, 0), the point nearest to (1, 7) is (1, 0).
    np.testing.assert_allclose(simplex_weights(np.array([[0.0, 4.0], [0.0, 0.0]]), np.array([1.0, 7.0])), [0.75, 0.25])
    # Beyond its end, the end.
    np.testing.assert_array_equal(simplex_weights(np.array([[0.0, 4.0], [0.0, 0.0]]), np.array([9.0, 7.0])), [0, 1])
    # A penalty of 8 draws (1 - w, w) towards halves: 16 (w - 1/4)^2 + 8 ((1 - w)^2 + w^2) is least at 3/8.
    found = simplex_weights(np.array([[0.0, 4.0]]), np.array([1.0]), ridge=8.0)
    np.testing.assert_allclose(found, [0.625, 0.375], rtol=1e-12)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(5, 3), (12, 12), (6, 25)])
def test_against_a_general_solver(shape: tuple[int, int], ridge: float) -> None:
    rng = np.random.default_rng(shape[1])
    a, b = rng.normal(size=shape), rng.normal(size=shape[0]) * 2
    w = simplex_weights(a, b, ridge)

    def loss(v: np.ndarray) -> float:
        return float(np.sum((a @ v - b) ** 2) + ridge * v @ v)

    def slope(v: np.ndarray) -> np.ndarray:
        return 2 * a.T @ (a @ v - b) + 2 * ridge * v

    n = shape[1]
    other = minimize(
        loss, np.full(n, 1 / n), jac=slope, bounds=[(0, 1)] * n, method="SLSQP",
        constraints={"type": "eq", "fun": lambda v: v.sum() - 1, "jac": lambda v: np.ones(n)},
        options={"ftol": 1e-15, "maxiter": 2000},
    )  # fmt: skip
    assert loss(w) <= loss(other.x) * (1 + 1e-9) + 1e-12
    np.testing.assert_allclose(w, other.x, atol=2e-5)


@pytest.mark.parametrize("seed", range(20))
def test_the_conditions_of_a_minimum(seed: int) -> None:
    """The slope is the same on all weights above zero, and no smaller on the others."""
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(2, 30)), int(rng.integers(2, 80))
    a, b, ridge = rng.normal(size=(m, n)) + rng.normal(size=(m, 1)), rng.normal(size=m), float(rng.choice([0, 0.01, 5]))
    w = simplex_weights(a, b, ridge)
    assert w.min() >= 0 and w.sum() == pytest.approx(1, abs=1e-12)
    slope = a.T @ (a @ w - b) + ridge * w
    size = np.abs(a).max() ** 2 * m
    np.testing.assert_allclose(slope[w > 0], slope.min(), atol=1e-10 * size)


def test_order_offset_and_scale_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(8, 15)), rng.normal(size=8) * 3
    w, order = simplex_weights(a, b), rng.permutation(15)
    np.testing.assert_allclose(simplex_weights(a[:, order], b), w[order], atol=1e-12)
    np.testing.assert_allclose(simplex_weights(a * 1e6, b * 1e6), w, atol=1e-12)
    np.testing.assert_allclose(simplex_weights(a + 1e7, b + 1e7), w, atol=1e-6)


def test_equal_columns_share_their_weight() -> None:
    a = np.array([[0.0, 4.0, 0.0, 4.0, 4.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    np.testing.assert_allclose(simplex_weights(a, np.array([1.0, 2.0])), [0.375, 1 / 12, 0.375, 1 / 12, 1 / 12])
    np.testing.assert_array_equal(simplex_weights(np.ones((3, 4)), np.ones(3)), [0.25] * 4)


@pytest.mark.parametrize("columns", [3, 40])
def test_a_target_inside_is_met(columns: int) -> None:
    rng = np.random.default_rng(columns)
    a = rng.normal(size=(6, columns))
    b = a @ rng.dirichlet(np.ones(columns))
    np.testing.assert_allclose(a @ simplex_weights(a, b), b, atol=1e-7)
