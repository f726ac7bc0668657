"""Standard errors are the same however the units are cut into pieces, and cell by cell or jointly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gmvcausal.rollout.chance import moment_scores
from gmvcausal.rollout.chance.clustered import cluster_sums, products, squares
from gmvcausal.rollout.group_time import from_moments, from_units
from gmvcausal.rollout.group_time.cells import make_cells
from gmvcausal.rollout.group_time.effects import group_time

N, T = 200, 7
CLUSTERS = {True: np.random.default_rng(8).integers(0, 30, N), False: np.random.default_rng(9).permutation(N)}


def effects(gaps: bool, clustered: bool, control: str = "never_treated", seed: int = 3) -> Any:
    rng = np.random.default_rng(seed)
    start = rng.choice([-1, 2, 4, 5], N)
    y = rng.normal(size=(N, 1)) * 3 + rng.normal(size=(N, T))
    if gaps:
        y[rng.random(y.shape) < 0.2] = np.nan
    return group_time(y, start, CLUSTERS[clustered], None, np.arange(T), control, "varying", 0)


CASES = pytest.mark.parametrize(
    ("gaps", "clustered"), [(g, c) for g in (False, True) for c in (False, True)],
    ids=["complete, by unit", "complete, by cluster", "gaps, by unit", "gaps, by cluster"],
)  # fmt: skip


@CASES
@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_variances_are_the_diagonal_of_the_covariance(gaps: bool, clustered: bool, control: str) -> None:
    e = effects(gaps, clustered, control)
    k = len(e.att)
    whole = e.covariance(np.eye(k, k + len(e.shares)))
    np.testing.assert_allclose(e.variances(), np.diag(whole), rtol=1e-10)


@CASES
def test_the_influence_of_the_units_gives_the_covariance(gaps: bool, clustered: bool) -> None:
    e, cluster = effects(gaps, clustered), CLUSTERS[clustered]
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(3, len(e.att) + len(e.shares)))
    psi = np.array([np.bincount(cluster, e.influence(row)) for row in rows])
    np.testing.assert_allclose(psi @ psi.T, e.covariance(rows), rtol=1e-10)


@CASES
def test_the_size_of_a_piece_changes_nothing(gaps: bool, clustered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = effects(gaps, clustered)
    rows = np.random.default_rng(2).normal(size=(4, len(whole.att) + len(whole.shares)))
    expected = whole.covariance(rows), whole.variances(), whole.influence(rows[0])
    for module in (moment_scores, from_units):
        monkeypatch.setattr(module, "_NUMBERS", 60)
    for module in (from_moments, from_units):
        monkeypatch.setattr(module, "_CELLS_AT_ONCE", 4)
    again = effects(gaps, clustered)
    found = again.covariance(rows), again.variances(), again.influence(rows[0])
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


def test_a_cluster_is_carried_from_piece_to_piece() -> None:
    rng = np.random.default_rng(4)
    cluster = np.sort(rng.choice([0, 1, 1, 1, 1, 2, 3, 4], 50))
    scores = rng.normal(size=(2, 50))
    sums = np.array([np.bincount(cluster, row) for row in scores])
    for step in (1, 2, 7, 50):
        pieces = [(scores[:, low : low + step].copy(), cluster[low : low + step]) for low in range(0, 50, step)]
        group = np.array([0, 1, 1, 0, 2])
        cov, variance = products(cluster_sums(list(pieces)), 2, group, 3)
        np.testing.assert_allclose(cov, sums @ sums.T, rtol=1e-12)
        parts = np.array([np.bincount(group, row**2, minlength=3) for row in sums])
        np.testing.assert_allclose(variance, parts, rtol=1e-12)
        pieces = [(scores[:, low : low + step].copy(), cluster[low : low + step]) for low in range(0, 50, step)]
        np.testing.assert_allclose(squares(cluster_sums(pieces), 2), (sums**2).sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
@pytest.mark.parametrize("base_period", ["varying", "universal"])
@pytest.mark.parametrize("anticipation", [0, 1])
def test_the_list_of_comparisons_one_by_one(control: str, base_period: str, anticipation: int) -> None:
    """The definition, written out as loops, beside the arrays."""
    starts, position = np.array([2, 3, 6]), np.array([0, 1, 2, 4, 5, 6, 7])
    expected = []
    for g, start in enumerate(starts):
        long_base = np.flatnonzero(position < position[start] - anticipation)[-1]
        for t in range(len(position)):
            is_pre = position[t] < position[start] - anticipation
            base = t - 1 if is_pre and base_period == "varying" else long_base
            pool = [False, False, False, control == "never_treated"]
            if control == "not_yet_treated":
                horizon = position[max(t, base)] + anticipation
                pool[:3] = [position[s] > horizon and s != start for s in starts]
            if base >= 0 and base != t and any(pool):
                expected.append((g, t, base, position[t] - position[start], *pool))
    found = make_cells(starts, position, control == "never_treated", control, base_period, anticipation)
    table = np.column_stack([found.cohort, found.period, found.base, found.event, found.controls])
    np.testing.assert_array_equal(table, np.array(expected, dtype=int))
