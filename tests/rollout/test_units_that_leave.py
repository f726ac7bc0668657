"""Panels whose treated units leave: totals, counts and standard errors stand for the units that are seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import rollout, thinned

import gmvcausal as gc


def leaving(noise: float = 1.0, start: Any = lambda u: 7.0 if u < 40 else np.nan) -> pd.DataFrame:
    """The effect grows by 10 a period from 0 in period 7; units 0 to 14 leave from period 9 on."""
    rng = np.random.default_rng(1)
    rows = []
    for u in range(100):
        level = rng.normal(100, 10)
        for t in range(1, 15):
            gain = 10.0 * max(t - start(u), 0) if start(u) == start(u) else 0.0
            if not (u < 15 and t >= 9):
                y = level + noise * rng.normal() + gain
                rows.append({"unit": u, "period": t, "gmv": y, "spent": 0.2 * gain, "first_treated": start(u)})
    return pd.DataFrame(rows)


def total(frame: pd.DataFrame, **options: Any) -> tuple[float, float]:
    row = gc.did(frame, **options).incremental_gmv(gmv_is="paid").to_frame().iloc[0]
    return float(row["estimate"]), float(row["std_error"])


def test_the_total_is_that_of_the_cells_seen() -> None:
    """40 units at 0 and 10, 25 at 20 to 70: 400 + 25 * 270 = 7150; the mean by cohort size would say 8050."""
    frame = leaving(noise=0.0)
    result = gc.did(frame)
    assert result.estimate == pytest.approx(35.0)
    assert total(frame)[0] == pytest.approx(7150.0)
    money = result.incremental_gmv(gmv_is="paid", cost=gc.did(frame, outcome="spent"), cost_is="other").to_frame()
    assert money.set_index("term").loc["cost", "estimate"] == pytest.approx(0.2 * 7150)
    assert "230 treated unit-periods" in money.loc[0, "estimand"]


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
def test_the_total_is_the_sum_of_cells_times_their_units(control: str) -> None:
    """With two cohorts; its variance is that of the sum, and the shares of the cohorts count as estimated."""
    frame = leaving(start=lambda u: 7.0 if u < 20 else 10.0 if u < 45 else np.nan)
    result = gc.did(frame, control=control)
    cells = result.att_gt().query("event_time >= 0")
    seen = [
        int(((frame["first_treated"] == c) & (frame["period"] == p)).sum())
        for c, p in zip(cells["cohort"], cells["period"], strict=True)
    ]
    assert list(cells["n"]) == seen
    found = total(frame, control=control)
    assert found[0] == pytest.approx(float(cells["estimate"] @ seen), rel=1e-12)
    # By hand: cells weighted by their units; a unit more in a cohort moves the mean by its cells' distance from it.
    effects, k = result.fitted.effects, len(result.fitted.effects.att)
    post = effects.cells.event >= 0
    size = effects.n[:-1]
    held = np.array(seen) / size[effects.cells.cohort[post]]
    share = effects.shares[effects.cells.cohort[post]] * held
    mean = float(share @ effects.att[post] / share.sum())
    row = np.zeros(k + len(size))
    row[:k][post] = share / share.sum()
    for g in range(len(size)):
        own = effects.cells.cohort[post] == g
        row[k + g] = (held[own] * (effects.att[post][own] - mean)).sum() / share.sum()
    variance = float(effects.covariance(row[None, :])[0, 0])
    assert found[1] == pytest.approx(np.sqrt(variance) * sum(seen), rel=1e-10)


def test_nothing_changes_where_nothing_is_absent() -> None:
    for options in ({}, {"cluster": "place"}, {"control": "not_yet_treated"}):
        result = gc.did(rollout(n=150), **options)
        cells = int(result.fitted.treated_cells)
        money = result.incremental_gmv(gmv_is="paid")
        assert list(result.to_frame()["term"])[-1] == "period average"
        assert money.estimate == pytest.approx(result.estimate * cells, rel=1e-12)
        assert money.std_error == pytest.approx(result.std_error * cells, rel=1e-12)
    whole = rollout(n=150)
    hidden = pd.concat([whole, whole.iloc[[0]].assign(unit=10_000, first_treated=np.nan)])  # general path, all seen
    result = gc.did(hidden)
    assert result.incremental_gmv(gmv_is="paid").estimate == pytest.approx(
        result.estimate * result.fitted.treated_cells, rel=1e-12
    )


def test_profit_and_cost_carry_their_covariance() -> None:
    frame = leaving().assign(spent=lambda f: 0.5 * f["gmv"])
    gain, spent = gc.did(frame), gc.did(frame, outcome="spent")
    money = gain.incremental_gmv(gmv_is="paid", cost=spent, cost_is="other").to_frame().set_index("term")
    assert money.loc["profit", "estimate"] == pytest.approx(0.5 * money.loc["incremental_gmv", "estimate"])
    assert money.loc["profit", "std_error"] == pytest.approx(0.5 * money.loc["incremental_gmv", "std_error"])


@pytest.mark.parametrize("estimator", ["callaway_santanna", "two_by_two", "sun_abraham", "imputation", "poisson"])
def test_tables_count_the_units_they_rest_on(estimator: str) -> None:
    result = gc.did(leaving(), estimator=estimator)
    event = result.event_study().set_index("event_time")["n"]
    assert list(event.loc[0:]) == [40, 40, 25, 25, 25, 25, 25, 25]
    if estimator != "two_by_two":
        assert list(result.att_gt().query("event_time >= 0")["n"]) == [40, 40, 25, 25, 25, 25, 25, 25]
        assert list(result.by_period()["n"]) == [40, 40, 25, 25, 25, 25, 25, 25]


def test_few_units_left_have_no_standard_error() -> None:
    """Twenty are treated; from the third period on four of them are left, too few for a standard error."""
    frame = rollout(n=100, periods=8, cohorts=(4,), never=0.8)
    treated = frame.loc[frame["first_treated"].notna(), "unit"].unique()
    assert len(treated) > 12
    cut = frame[~(frame["unit"].isin(treated[4:]) & (frame["period"] >= 6))]
    for result in (gc.did(cut), gc.did(cut, estimator="imputation"), gc.did(cut, estimator="poisson")):
        event = result.event_study().set_index("event_time")
        assert np.isfinite(event.loc[1, "std_error"]) and event.loc[2:, "std_error"].isna().all()
        assert list(event.loc[2:, "n"]) == [4, 4, 4]


def test_lost_units_are_not_counted() -> None:
    frame = rollout(n=200, cohorts=(3,))
    some = frame.loc[frame["first_treated"] == 3, "unit"].unique()[:4]
    assert gc.did(frame[~(frame["unit"].isin(some) & (frame["period"] == 2))]).n == 196


def test_few_treated_clusters_and_absent_rows_give_a_total_without_interval() -> None:
    frame = thinned(rollout(n=60, cohorts=(3, 5), never=0.95, seed=3), share=0.1)
    money = gc.did(frame).incremental_gmv(gmv_is="paid")
    assert np.isfinite(money.estimate) and np.isnan(money.conf_int()).all()


def test_zeros_of_rare_buyers_are_not_taken_for_late_entry() -> None:
    """Half of all outcomes are zero at random: as many units as chance will have it are first active late."""
    status = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        y = np.where(rng.random((60, 12)) < 0.5, 0.0, rng.gamma(2, 10, (60, 12)))
        frame = pd.DataFrame({
            "unit": np.repeat(np.arange(60), 12), "period": np.tile(np.arange(12), 60), "gmv": y.ravel(),
            "first_treated": np.repeat(np.where(np.arange(60) < 25, 6.0, np.nan), 12),
        })  # fmt: skip
        status.append(gc.did(frame).audit["late_entry"])
    assert sum(c.value > 0.1 for c in status) > 5
    assert sum(c.status == "warned" for c in status) <= 1
    assert any("as chance may have it" in c.message for c in status)
