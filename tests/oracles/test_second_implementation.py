"""The same numbers from other code: statsmodels with dummies, and influence functions written out unit by unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from panels import campaigns, rollout, thinned

import gmvcausal as gc

SAME = {"rtol": 1e-9, "atol": 1e-11}


def dummies(*keys: pd.Series) -> np.ndarray:
    """A column for every level of the first key, and for all but one of each further key."""
    parts = [pd.get_dummies(key, drop_first=i > 0).to_numpy(dtype=float) for i, key in enumerate(keys)]
    return np.column_stack(parts)


def least_squares(frame: pd.DataFrame, x: np.ndarray, groups: pd.Series, weights: bool) -> Any:
    """statsmodels WLS with cluster covariance and its full small-sample factor G/(G-1) (N-1)/(N-K)."""
    w = frame["w"].to_numpy() if weights else np.ones(len(frame))
    codes = pd.factorize(groups)[0]
    return sm.WLS(frame["gmv"].to_numpy(), x, weights=w).fit(cov_type="cluster", cov_kwds={"groups": codes})


# --- Callaway and Sant'Anna, unit by unit --------------------------------------------------------------------------
def by_hand(frame: pd.DataFrame, cluster: str | None = None, weights: str | None = None) -> tuple[float, float]:
    """Simple aggregate against the never treated, each comparison on the units seen in both of its periods."""
    y = frame.pivot(index="unit", columns="period", values="gmv")
    facts = frame.groupby("unit").first().loc[y.index]
    start = facts["first_treated"]
    w = facts[weights] if weights else pd.Series(1.0, index=y.index)
    share = {g: w[start == g].sum() / w.sum() for g in sorted(start.dropna().unique())}
    att, psi, mass = [], [], []
    for g in share:
        for t in [c for c in y.columns if c >= g]:
            change = y[t] - y[int(g) - 1]
            influence = pd.Series(0.0, index=y.index)
            means = []
            for sign, side in ((1, start == g), (-1, start.isna())):
                inside = side & change.notna()
                mean = np.average(change[inside], weights=w[inside])
                influence[inside] = sign * w[inside] * (change[inside] - mean) / w[inside].sum()
                means.append(mean)
            att.append(means[0] - means[1])
            psi.append(influence)
            mass.append(g)
    p = np.array([share[g] for g in mass])
    estimate = float(p @ att / p.sum())
    total = p.sum()
    out = sum(a * b for a, b in zip(p / total, psi, strict=True))
    for g, a in zip(mass, att, strict=True):  # the shares are estimated too
        out = out + (a - estimate) / total * w * ((start == g) - share[g]) / w.sum()
    groups = facts[cluster] if cluster else pd.Series(y.index, index=y.index)
    return estimate, float(np.sqrt((out.groupby(groups).sum() ** 2).sum()))


@pytest.mark.parametrize("cluster", [None, "place"])
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("unbalanced", [False, True])
def test_callaway_santanna(cluster: str | None, weights: str | None, unbalanced: bool) -> None:
    frame = rollout(n=200, effect=lambda g, k: 1 + 0.3 * g + k, seed=3)
    frame = thinned(frame) if unbalanced else frame
    result = gc.did(frame, cluster=cluster, weights=weights)
    np.testing.assert_allclose((result.estimate, result.std_error), by_hand(frame, cluster, weights), **SAME)
    assert (result.cluster_influence() ** 2).sum() == pytest.approx(result.std_error**2, rel=1e-9)


def test_balanced_and_unbalanced_routes_agree_with_clusters() -> None:
    """A unit that is left out (always treated) and has a gap sends the whole panel down the route from units."""
    frame = rollout(n=150, seed=8)
    gone = frame[frame["unit"] == 0].assign(unit=10_000, first_treated=1)
    for options in ({}, {"cluster": "place"}, {"control": "not_yet_treated"}, {"anticipation": 1}):
        full = gc.did(frame, **options)
        other = gc.did(pd.concat([frame, gone.iloc[1:]], ignore_index=True), **options)
        assert type(full.fitted.effects) is not type(other.fitted.effects)
        for name in ("estimate", "std_error"):
            np.testing.assert_allclose(full.to_frame()[name], other.to_frame()[name], **SAME)
            np.testing.assert_allclose(full.event_study()[name], other.event_study()[name], **SAME)
            np.testing.assert_allclose(full.att_gt()[name], other.att_gt()[name], **SAME)


# --- regressions ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("cluster", ["unit", "place"])
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("unbalanced", [False, True])
def test_two_way_fixed_effects(cluster: str, weights: bool, unbalanced: bool) -> None:
    frame = rollout(n=80, seed=4)
    frame = thinned(frame) if unbalanced else frame
    on = (frame["period"] >= frame["first_treated"]).to_numpy(dtype=float)
    other = least_squares(
        frame, np.column_stack([on, dummies(frame["unit"], frame["period"])]), frame[cluster], weights
    )
    result = gc.did(frame, estimator="twfe", cluster=cluster, weights="w" if weights else None, ssc="full")
    np.testing.assert_allclose((result.estimate, result.std_error), (other.params[0], other.bse[0]), **SAME)
    # Between the smaller side's clusters and all of them: Welch's degrees of freedom.
    assert 0 < result.estimates.t.df[0] <= frame[cluster].nunique() - 1


@pytest.mark.parametrize("weights", [False, True])
def test_two_way_fixed_effects_with_a_treatment_that_switches(weights: bool) -> None:
    frame = thinned(rollout(n=80, seed=5))
    frame["on"] = np.random.default_rng(0).integers(0, 2, len(frame))
    x = np.column_stack([frame["on"].to_numpy(dtype=float), dummies(frame["unit"], frame["period"])])
    other = least_squares(frame, x, frame["unit"], weights)
    result = gc.did(frame, estimator="twfe", treated="on", weights="w" if weights else None, ssc="full")
    np.testing.assert_allclose((result.estimate, result.std_error), (other.params[0], other.bse[0]), **SAME)


@pytest.mark.parametrize("unbalanced", [False, True])
def test_small_sample_factors_differ_only_by_the_count_of_effects(unbalanced: bool) -> None:
    frame = rollout(n=80, seed=4)
    frame = thinned(frame) if unbalanced else frame
    n, units, periods = len(frame), frame["unit"].nunique(), frame["period"].nunique()
    variance = {s: gc.did(frame, estimator="twfe", ssc=s).std_error ** 2 for s in ("none", "nested", "full")}
    g = units / (units - 1)
    assert variance["nested"] / variance["none"] == pytest.approx(g * (n - 1) / (n - periods - 1), rel=1e-9)
    assert variance["full"] / variance["none"] == pytest.approx(g * (n - 1) / (n - periods - units), rel=1e-9)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("unbalanced", [False, True])
def test_stacked(weights: bool, unbalanced: bool) -> None:
    frame = campaigns(n=60)
    frame = thinned(frame) if unbalanced else frame
    pair = frame["campaign"] + "-" + frame["unit"].astype(str)
    by_stack = [frame["campaign"] + "-" + frame["period"].astype(str)]
    columns = pd.get_dummies(by_stack[0]).to_numpy(dtype=float)
    # One period dummy of each campaign is spanned by its unit dummies.
    first = pd.Series(by_stack[0]).groupby(frame["campaign"]).transform("min")
    names = pd.get_dummies(by_stack[0]).columns
    columns = columns[:, [name not in set(first) for name in names]]
    x = np.column_stack([frame["treated"].to_numpy(dtype=float), dummies(pair), columns])
    other = least_squares(frame, x, frame["unit"], weights)
    result = gc.did(
        frame, estimator="stacked", stack="campaign", treated="treated", weights="w" if weights else None, ssc="full"
    )
    np.testing.assert_allclose((result.estimate, result.std_error), (other.params[0], other.bse[0]), **SAME)
    parts = result.by_stack()
    assert parts["weight"].sum() == pytest.approx(1, rel=1e-12)
    assert parts["weight"] @ parts["estimate"] == pytest.approx(result.estimate, rel=1e-9)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("cluster", ["unit", "place"])
def test_two_by_two(weights: bool, cluster: str) -> None:
    frame = thinned(rollout(n=100, cohorts=(4,), seed=6))
    treated = frame["first_treated"].notna().to_numpy(dtype=float)
    after = (frame["period"] >= 4).to_numpy(dtype=float)
    x = np.column_stack([treated * after, treated, after, np.ones(len(frame))])
    other = least_squares(frame, x, frame[cluster], weights)
    result = gc.did(frame, estimator="two_by_two", cluster=cluster, weights="w" if weights else None)
    np.testing.assert_allclose((result.estimate, result.std_error), (other.params[0], other.bse[0]), **SAME)
    np.testing.assert_allclose((result.cluster_influence() ** 2).sum(), result.std_error**2, **SAME)


@pytest.mark.parametrize("unbalanced", [False, True])
def test_naive(unbalanced: bool) -> None:
    """A regression on the flag alone, clustered, with no small-sample factor."""
    frame = rollout(n=100, seed=7)
    frame = thinned(frame) if unbalanced else frame
    on = (frame["period"] >= frame["first_treated"]).to_numpy(dtype=float)
    x = np.column_stack([on, np.ones(len(frame))])
    codes = pd.factorize(frame["unit"])[0]
    other = sm.OLS(frame["gmv"].to_numpy(), x).fit(
        cov_type="cluster", cov_kwds={"groups": codes, "use_correction": False}
    )
    result = gc.did(frame, estimator="naive")
    np.testing.assert_allclose((result.estimate, result.std_error), (other.params[0], other.bse[0]), **SAME)


@pytest.mark.parametrize("unbalanced", [False, True])
def test_event_study_regression(unbalanced: bool) -> None:
    frame = rollout(n=90, cohorts=(4,), effect=lambda g, k: 1.0 + k, seed=9)
    frame = thinned(frame) if unbalanced else frame
    event = frame["period"] - frame["first_treated"]
    leads = [-3, -2, 0, 1, 2]
    x = np.column_stack([*[(event == k).to_numpy(dtype=float) for k in leads], dummies(frame["unit"], frame["period"])])
    other = least_squares(frame, x, frame["unit"], False)
    found = gc.did(frame, estimator="twfe", ssc="full").event_study().set_index("event_time").loc[leads]
    np.testing.assert_allclose(found["estimate"], other.params[:5], **SAME)
    np.testing.assert_allclose(found["std_error"], other.bse[:5], **SAME)


def test_event_study_regression_of_a_stack() -> None:
    frame = campaigns(n=60)
    start = frame[frame["treated"] == 1].groupby("campaign")["period"].min()
    sent = frame.groupby(["campaign", "unit"])["treated"].transform("max").to_numpy()
    event = np.where(sent == 1, frame["period"] - frame["campaign"].map(start), -99)
    leads = [-4, -3, -2, 0, 1, 2]
    pair = frame["campaign"] + "-" + frame["unit"].astype(str)
    cells = pd.get_dummies(frame["campaign"] + "-" + frame["period"].astype(str).str.zfill(2))
    keep = [name for i, name in enumerate(cells.columns) if i == 0 or name[:2] == cells.columns[i - 1][:2]][1:]
    x = np.column_stack(
        [*[(event == k).astype(float) for k in leads], dummies(pair), cells[keep].to_numpy(dtype=float)]
    )
    assert np.linalg.matrix_rank(x) == x.shape[1]
    other = least_squares(frame, x, frame["unit"], False)
    result = gc.did(frame, estimator="stacked", stack="campaign", treated="treated", ssc="full")
    found = result.event_study().set_index("event_time").loc[leads]
    np.testing.assert_allclose(found["estimate"], other.params[:6], **SAME)
    np.testing.assert_allclose(found["std_error"], other.bse[:6], **SAME)
