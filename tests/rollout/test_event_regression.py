"""Leads and lags from groups of like rows give what least squares on the full dummies gives."""

from __future__ import annotations

import numpy as np
import pytest
from panels import campaigns, rollout, thinned

import gmvcausal as gc
from gmvcausal.rollout.regression.event_regression import event_fit, group_rows
from gmvcausal.rollout.regression.within import fit

EXACT = {"rtol": 1e-10, "atol": 1e-11}


def draw(kind: str, weighted: bool, clustered: bool) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(7)
    rows, width = 260, 7
    block = rng.integers(0, 3, rows) if "blocks" in kind else np.zeros(rows, dtype=np.int64)
    start = rng.choice([-1, 2, 4, 5], rows)
    y = 1e3 + rng.normal(size=(rows, 1)) * 5 + rng.normal(size=(rows, width)) + 0.5 * np.maximum(start, 0)[:, None]
    if "random gaps" in kind:
        y[rng.random(y.shape) < 0.2] = np.nan
    if "late entry" in kind:
        y[rng.random(rows) < 0.4, 0] = np.nan
    if "windows" in kind:
        y[block == 1, 6] = np.nan
        y[3] = np.nan
    weight = rng.uniform(0.5, 2, rows) if weighted else None
    cluster = rng.integers(0, 40, rows) if clustered else np.arange(rows)
    return y, start, block, cluster, weight


@pytest.mark.parametrize("kind", ["complete", "random gaps", "late entry", "blocks", "blocks, windows"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("clustered", [False, True], ids=["by row", "by cluster"])
def test_groups_give_the_full_regression(kind: str, weighted: bool, clustered: bool) -> None:
    y, start, block, cluster, weight = draw(kind, weighted, clustered)
    position = np.array([0, 1, 2, 3, 4, 6, 7])
    event = position - position[np.maximum(start, 0)][:, None]
    treated = (start >= 0)[:, None]
    times = np.array([t for t in (0, -2, 1, 2, -3, 3, -4, 4, 5, -5) if (treated & (event == t) & np.isfinite(y)).any()])
    dummies = [(treated & (event == t)).astype(float) for t in times]
    full = fit(y, dummies, block, cluster, weight, "nested")
    groups = group_rows(np.isfinite(y), start, block)
    assert groups.single == (kind == "random gaps")
    found = event_fit(y, groups, times, position, cluster, weight, "nested")
    np.testing.assert_array_equal(found.kept, full.kept)
    np.testing.assert_allclose(found.beta, full.beta, **EXACT)
    np.testing.assert_allclose(found.cov, full.cov, **EXACT)
    assert found.n_clusters == full.n_clusters


def test_a_large_offset_costs_no_digits() -> None:
    y, start, block, cluster, weight = draw("complete", True, False)
    groups = group_rows(np.isfinite(y), start, block)
    options = (np.array([0, 1, 2, -2]), np.arange(7), cluster, weight, "nested")
    plain, moved = event_fit(y, groups, *options), event_fit(y + 2.0**30, groups, *options)
    np.testing.assert_allclose(moved.beta, plain.beta, rtol=0, atol=1e-6)


def test_pieces_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    from gmvcausal.rollout.regression import event_regression

    frames = [(thinned(rollout()), "twfe", {}), (campaigns(), "stacked", {"stack": "campaign", "treated": "treated"})]
    whole = [gc.did(f, estimator=e, **o).event_study() for f, e, o in frames]
    monkeypatch.setattr(event_regression, "_NUMBERS", 500)
    monkeypatch.setattr(event_regression, "_ROWS", 7)
    for (frame, estimator, options), study in zip(frames, whole, strict=True):
        again = gc.did(frame, estimator=estimator, **options).event_study()
        np.testing.assert_allclose(again.to_numpy(float), study.to_numpy(float), rtol=1e-9, atol=1e-11)
