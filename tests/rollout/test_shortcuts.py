"""Where sums over cohorts stand in for a walk through the units: the same numbers."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from panels import rollout

import gmvcausal as gc
from gmvcausal.rollout.group_time import from_covariates
from gmvcausal.rollout.intake.cohorts import ALWAYS, from_first_treated
from gmvcausal.rollout.intake.facts import levels_of
from gmvcausal.rollout.intake.grid import make_grid
from gmvcausal.rollout.intake.naive_means import naive_means
from gmvcausal.rollout.methods import METHODS
from gmvcausal.stats.logit import independent

FRAME = rollout(n=160, periods=7, cohorts=(3, 5, 6), seed=11)


def given(frame: pd.DataFrame) -> pd.DataFrame:
    """Two covariates and a weight per unit."""
    rng = np.random.default_rng(4)
    n, at = int(frame["unit"].max()) + 1, frame["unit"].to_numpy()
    age, size, w = rng.normal(0, 1, n), rng.gamma(2, 2, n), rng.uniform(0.3, 3, n)
    return frame.assign(age=age[at], size=size[at], w=w[at], gmv=frame["gmv"] + 0.3 * age[at] * frame["period"])


@pytest.mark.parametrize("adjustment", ["doubly_robust", "regression", "ipw"])
@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_products_of_influences_give_what_the_units_give(
    monkeypatch: pytest.MonkeyPatch, adjustment: str, control: str, weights: str | None
) -> None:
    options = {"covariates": ["age", "size"], "adjustment": adjustment, "control": control, "weights": weights}
    result = gc.did(given(FRAME), cluster="unit", **options)
    effects = result.fitted.effects
    assert effects._by_products
    run = METHODS["callaway_santanna"].run
    monkeypatch.setattr(from_covariates, "_PRODUCTS", 0)
    slow = run(result.panel, result.options)
    assert not slow.effects._by_products
    fast = result.fitted
    near = {"rtol": 1e-10, "atol": 1e-12}
    np.testing.assert_allclose(fast.estimates.cov, slow.estimates.cov, **near)
    np.testing.assert_allclose(fast.estimates.spread.df, slow.estimates.spread.df, **near)
    np.testing.assert_allclose(fast.estimates.spread.factor, slow.estimates.spread.factor, **near)
    np.testing.assert_allclose(effects.variances(), slow.effects.variances(), **near)
    ours, theirs = fast.event(), slow.event()
    np.testing.assert_allclose(ours.cov, theirs.cov, **near)
    np.testing.assert_allclose(ours.spread.df, theirs.spread.df, **near)
    for name in ("cohort", "period", "cells"):
        np.testing.assert_allclose(fast.series[name]().cov, slow.series[name]().cov, **near)
    np.testing.assert_allclose(np.diag(fast.series["cells"]().cov), effects.variances(), **near)
    own = fast.influence()
    np.testing.assert_allclose(own @ own, fast.estimates.cov[0, 0], rtol=1e-10)


@pytest.mark.parametrize("estimator", ["callaway_santanna", "twfe", "naive"])
@pytest.mark.parametrize("always", [False, True])
def test_means_with_and_without_by_cohorts(estimator: str, always: bool) -> None:
    frame = FRAME.copy()
    if always:
        frame.loc[frame["unit"] < 15, "first_treated"] = 1
    result = gc.did(frame, estimator=estimator, cluster="unit")
    assert (result.panel.start == ALWAYS).any() == always
    walked = naive_means(result.panel, result._on())
    for field in fields(walked):
        wanted = getattr(walked, field.name)
        assert getattr(result.naive, field.name) == pytest.approx(wanted, rel=1e-12, nan_ok=True), field.name


def test_levels_of_units() -> None:
    y = np.array([[0.0, -2.0, np.nan], [np.nan, np.nan, np.nan], [0.0, 0.0, 0.0], [1.0, 2.0, 4.0]])
    levels = levels_of(y)
    assert levels.units == 2
    held = np.flatnonzero(levels.count)
    np.testing.assert_allclose(levels.total[held], np.log10([2.0, 7.0 / 3.0]), rtol=1e-14)
    np.testing.assert_allclose(levels.square[held], np.log10([2.0, 7.0 / 3.0]) ** 2, rtol=1e-14)


def test_dates_of_first_treatment_one_by_one() -> None:
    grid = make_grid(np.array([10, 11, 12, 14]), False, "t")
    value = np.array([12, 0, 14, 9, 15, 12, 10, 11])
    missing = np.array([False, True, False, False, False, False, False, False])
    found = from_first_treated(value, missing, grid, 0, None, "first", lambda mask: np.flatnonzero(mask).tolist())
    np.testing.assert_array_equal(found.start, [2, -1, 3, ALWAYS, -1, 2, ALWAYS, 1])
    assert (found.late, found.always, found.excluded) == (1, 2, 0)
    with pytest.raises(gc.InputError, match="between two periods for 2 units, for example 13") as told:
        from_first_treated(
            np.array([12, 13, 14, 13]), np.zeros(4, dtype=bool), grid, 0, None, "first",
            lambda mask: np.flatnonzero(mask).tolist(),
        )  # fmt: skip
    assert told.value.rows == (1, 3)


@pytest.mark.parametrize("slack", [1e-3, 1e-5, 1e-9])
def test_columns_that_nearly_depend_on_others(slack: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    near = np.column_stack([x, x @ [1.0, -2.0, 0.5] + slack * rng.normal(size=500)])
    assert independent(near).tolist() == [True, True, True, slack > 1e-7]


def test_a_unit_out_of_order_is_not_taken_for_a_sorted_panel() -> None:
    """Ids that begin and end alike, and periods that come again, but another unit's row between."""
    frame = FRAME.sort_values(["unit", "period"], ignore_index=True)
    swapped = frame.copy()
    swapped.loc[[2, 9]] = frame.loc[[9, 2]].to_numpy()
    for column in frame:
        swapped[column] = swapped[column].astype(frame[column].dtype)
    a, b = gc.did(frame, cluster="unit"), gc.did(swapped, cluster="unit")
    assert b.estimate == pytest.approx(a.estimate, rel=1e-12)
    assert b.std_error == pytest.approx(a.std_error, rel=1e-12)
    assert replace(b.panel).y.shape == a.panel.y.shape
