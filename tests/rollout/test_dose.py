"""Effects by dose: by hand, against weights moved one by one, identities, relations, exact curves, coverage."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.rollout.dose import basis, from_spline, spline

CALL: dict[str, Any] = {"estimator": "dose", "dose": "value", "cluster": "unit"}
ROUNDING = {"rtol": 1e-9, "atol": 1e-9}


def coupons(
    n: int = 120, periods: int = 6, cohorts: tuple[int, ...] = (3, 5), never: float = 0.4, seed: int = 0,
    values: tuple[float, ...] | None = (5.0, 10.0, 20.0), effect: Callable[[Any], Any] = lambda d: 0.2 * d,
    noise: float = 1.0, towns: int = 25,
) -> pd.DataFrame:  # fmt: skip
    """Units with coupons of some values (None: anything between 2 and 30); towns hold units of every sort."""
    rng = np.random.default_rng(seed)
    start = rng.choice([*cohorts, np.inf], n, p=[*[(1 - never) / len(cohorts)] * len(cohorts), never])
    value = rng.uniform(2, 30, n) if values is None else rng.choice(values, n)
    value = np.where(np.isfinite(start), value, 0.0)
    t = np.arange(1, periods + 1)
    y = 20 + rng.normal(0, 3, n)[:, None] + 0.5 * t + noise * rng.normal(0, 1, (n, periods))
    y += (t >= start[:, None]) * np.where(value > 0, effect(np.maximum(value, 1.0)), 0.0)[:, None]
    return pd.DataFrame({
        "unit": np.repeat(np.arange(n), periods), "period": np.tile(t, n), "gmv": y.ravel(),
        "first_treated": np.repeat(np.where(np.isfinite(start), start, np.nan), periods),
        "value": np.repeat(value, periods), "town": np.repeat(rng.integers(0, towns, n), periods),
        "w": np.repeat(rng.uniform(0.5, 2.0, n), periods),
    })  # fmt: skip


FEW, MANY = coupons(), coupons(n=180, values=None, seed=1)
HOLES = FEW[np.random.default_rng(1).random(len(FEW)) > 0.1].reset_index(drop=True)
TABLE = ["estimate", "std_error", "conf_low", "slope", "slope_std_error", "slope_conf_low"]


def numbers(result: Any) -> pd.DataFrame:
    head = result.to_frame()[["estimate", "std_error", "conf_low"]].to_numpy().ravel()
    return pd.DataFrame({"x": np.concatenate([head, result.by_dose()[TABLE].to_numpy().ravel()])})


# --- by hand ---------------------------------------------------------------------------------------------------------
def hand() -> pd.DataFrame:
    """Two units with 5 yuan, two with 10, four without; two periods."""
    change, value = [3.0, 5.0, 7.0, 8.0, 1.0, 1.0, 2.0, 2.0], [5, 5, 10, 10, 0, 0, 0, 0]
    return pd.DataFrame([
        {"unit": u, "period": t, "gmv": 10.0 * u + t * change[u], "value": value[u],
         "first_treated": 1 if u < 4 else None}
        for u in range(8) for t in (0, 1)
    ])  # fmt: skip


def test_by_hand() -> None:
    """ATT(5) = 4 - 1.5, ATT(10) = 7.5 - 1.5; slopes 2.5 / 5 and 3.5 / 5, averaged over as many units each."""
    result = gc.did(hand(), estimator="dose", dose="value")
    table = result.by_dose()
    np.testing.assert_allclose(table["dose"], [5, 10])
    np.testing.assert_allclose(table["estimate"], [2.5, 6.0], rtol=1e-12)
    np.testing.assert_allclose(table["slope"], [0.5, 0.7], rtol=1e-12)
    np.testing.assert_allclose(result.to_frame()["estimate"], [4.25, 0.6], rtol=1e-12)
    assert table["n"].tolist() == [2, 2]
    assert np.isnan(table["std_error"]).all()  # two units a dose are too few
    assert np.isnan(result.to_frame()["std_error"]).all()
    found = result.fitted.doses
    assert found is not None
    level, slope = (np.diag(found.series(rows).cov) for rows in (found.level, found.slope))
    five, ten, none = 2 * (1 / 2) ** 2, 2 * (0.5 / 2) ** 2, 4 * (0.5 / 4) ** 2
    np.testing.assert_allclose(level, [five + none, ten + none], rtol=1e-12)
    np.testing.assert_allclose(slope, [(five + none) / 25, (five + ten) / 25], rtol=1e-12)
    # The average is (2.5 / 5 + 3.5 / 5) / 2 = ATT(10) / 10: units with 5 yuan drop out, but for the shares of
    # the doses, which are weighed by .5 - .6 and .7 - .6.
    own = np.array([-1, 1, -0.5, 0.5, -0.5, -0.5, 0.5, 0.5])
    load = np.array([0, 0, 0.1 / 2, 0.1 / 2, *[-0.1 / 4] * 4])
    share = np.array([-0.1, -0.1, 0.1, 0.1, 0, 0, 0, 0]) / 4
    expected = float(((own * load + share) ** 2).sum())
    assert found.series((found.average,)).cov[0, 0] == pytest.approx(expected, rel=1e-12)


# --- a second implementation: everything from sums of weights, moved one by one ------------------------------------
def plain(y: Any, start: Any, dose: Any, w: Any, curve: bool) -> Any:
    """Levels, slopes and the average slope; `w` may be complex, which gives exact derivatives."""
    never, periods = np.isnan(start), np.arange(1, y.shape[1] + 1)
    at = np.array([6.0, 11.0, 19.0]) if curve else np.unique(dose[~never])
    top = {"level": np.zeros(len(at), w.dtype), "slope": np.zeros(len(at), w.dtype)}
    under, average, total = np.zeros(len(at), w.dtype), 0.0, 0.0
    for g in np.unique(start[~never]):
        own = np.flatnonzero(start == g)
        for t in periods[periods >= g]:
            change = y[:, t - 1] - y[:, int(g) - 2]
            control = (w[never] * change[never]).sum() / w[never].sum()
            gain, weight = change[own] - control, w[own].sum()
            if curve:
                x = np.vander(dose[own], 4, increasing=True)
                beta = np.linalg.solve(x.T @ (w[own, None] * x), x.T @ (w[own] * gain))
                steep = lambda d, b=beta: b[1] + 2 * b[2] * d + 3 * b[3] * d**2  # noqa: E731  # a formula, named
                inside = (at >= dose[own].min()) & (at <= dose[own].max())
                top["level"] += inside * weight * (np.vander(at, 4, increasing=True) @ beta)
                top["slope"] += inside * weight * steep(at)
                under += inside * weight
                average += (w[own] * steep(dose[own])).sum()
                total += weight
                continue
            below, height = 0.0, 0.0
            for d in np.unique(dose[own]):
                k, here = int(np.searchsorted(at, d)), dose[own] == d
                size = w[own][here].sum()
                effect = (w[own][here] * gain[here]).sum() / size
                step = (effect - below) / (d - height)
                top["level"][k] += size * effect
                top["slope"][k] += size * step
                under[k] += size
                average, total = average + size * step, total + size
                below, height = effect, d
    return np.concatenate([top["level"] / under, top["slope"] / under, [average / total]])


def second(frame: pd.DataFrame, weights: str | None, cluster: str, curve: bool) -> tuple[Any, Any]:
    wide = frame.pivot(index="unit", columns="period", values="gmv").to_numpy()
    one = frame.groupby("unit").first()
    w = np.ones(len(one)) if weights is None else one[weights].to_numpy()
    facts = (wide - wide.mean(axis=1, keepdims=True), one["first_treated"].to_numpy(), one["value"].to_numpy())
    influence = np.array(
        [plain(*facts, w + 1e-30j * (np.arange(len(w)) == i), curve).imag / 1e-30 * w[i] for i in range(len(w))]
    )
    labels = np.arange(len(w)) if cluster == "unit" else one[cluster].to_numpy()
    sums = pd.DataFrame(influence).groupby(labels).sum().to_numpy()
    return plain(*facts, w, curve), np.sqrt((sums**2).sum(axis=0))


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("cluster", ["unit", "town"])
def test_few_doses_against_a_second_implementation(weights: str | None, cluster: str) -> None:
    points, errors = second(FEW, weights, cluster, curve=False)
    result = gc.did(FEW, **{**CALL, "cluster": cluster}, weights=weights)
    table, head = result.by_dose(), result.to_frame()
    mine = np.concatenate([table["estimate"], table["slope"], head["estimate"][1:]])
    np.testing.assert_allclose(mine, points, rtol=1e-9)
    mine = np.concatenate([table["std_error"], table["slope_std_error"], head["std_error"][1:]])
    np.testing.assert_allclose(mine, errors, rtol=1e-9)


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("cluster", ["unit", "town"])
def test_many_doses_against_a_second_implementation(weights: str | None, cluster: str) -> None:
    """Without inner knots the spline is a cubic, which the second implementation writes in powers."""
    points, errors = second(MANY, weights, cluster, curve=True)
    result = gc.did(MANY, **{**CALL, "cluster": cluster}, weights=weights)
    found = result.fitted.doses
    assert found is not None
    table = spline._Table(found.effects, result.panel)  # type: ignore[arg-type]  # it is the spline's
    rows = (*(table.row(d, k) for k in (0, 1) for d in (6.0, 11.0, 19.0)), table.average())
    mine = found.series(rows)
    np.testing.assert_allclose(mine.estimate, points, rtol=1e-8)
    np.testing.assert_allclose(np.sqrt(np.diag(mine.cov)), errors, rtol=1e-7)
    assert result.to_frame()["std_error"][1] == pytest.approx(errors[-1], rel=1e-7)


def test_published_two_period_regression() -> None:
    """One start, two periods: least squares of changes on a dummy for each dose, with robust errors."""
    frame = coupons(periods=2, cohorts=(2,), seed=5)
    wide, one = frame.pivot(index="unit", columns="period", values="gmv"), frame.groupby("unit").first()
    x = np.column_stack([np.ones(len(one)), *(one["value"] == d for d in (5, 10, 20))]).astype(float)
    inverse, change = np.linalg.inv(x.T @ x), (wide[2] - wide[1]).to_numpy()
    beta = inverse @ x.T @ change
    meat = (x * (change - x @ beta)[:, None]).T @ (x * (change - x @ beta)[:, None])
    cov = (inverse @ meat @ inverse)[1:, 1:]
    step = np.array([[1 / 5, 0, 0], [-1 / 5, 1 / 5, 0], [0, -1 / 10, 1 / 10]])
    table = gc.did(frame, **CALL).by_dose()
    np.testing.assert_allclose(table["estimate"], beta[1:], atol=1e-10)
    np.testing.assert_allclose(table["std_error"], np.sqrt(np.diag(cov)), atol=1e-10)
    np.testing.assert_allclose(table["slope"], step @ beta[1:], atol=1e-10)
    np.testing.assert_allclose(table["slope_std_error"], np.sqrt(np.diag(step @ cov @ step.T)), atol=1e-10)


# --- identities ------------------------------------------------------------------------------------------------------
VARIANTS: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
    "few": (FEW, {}), "many": (MANY, {}), "holes": (HOLES, {}), "weights": (FEW, {"weights": "w"}),
    "town": (FEW, {"cluster": "town"}), "not yet": (FEW, {"control": "not_yet_treated", "anticipation": 1}),
    "many, town": (MANY, {"cluster": "town", "weights": "w", "control": "not_yet_treated"}),
    "no never": (FEW[FEW["first_treated"].notna()], {}),
    "many, no never": (MANY[MANY["first_treated"].notna()], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", list(VARIANTS))
def test_the_mean_effect_is_the_default_s(name: str) -> None:
    frame, options = VARIANTS[name]
    result, plain_did = (gc.did(frame, **{**c, **options}) for c in (CALL, {"cluster": "unit"}))
    for what in ("estimate", "std_error", "conf_low", "p_value", "n"):
        assert result.to_frame()[what][0] == pytest.approx(plain_did.to_frame()[what][0], rel=1e-12)
    for table in ("event_study", "att_gt", "by_cohort", "by_period"):
        pd.testing.assert_frame_equal(getattr(result, table)(), getattr(plain_did, table)())


def test_the_mean_effect_is_that_of_the_doses() -> None:
    """With one start, the effects at the doses by their units add up to the headline, and so do the slopes."""
    result = gc.did(coupons(cohorts=(4,), seed=6), **CALL)
    table, head = result.by_dose(), result.to_frame()["estimate"]
    assert head[0] == pytest.approx(np.average(table["estimate"], weights=table["n"]), rel=1e-12)
    assert head[1] == pytest.approx(np.average(table["slope"], weights=table["n"]), rel=1e-12)
    np.testing.assert_allclose(
        np.cumsum(table["slope"] * np.diff(table["dose"], prepend=0)), table["estimate"], rtol=1e-12
    )


@pytest.mark.parametrize("cluster", ["unit", "town"])
def test_units_and_moments_give_the_same(cluster: str) -> None:
    call = {**CALL, "cluster": cluster}
    np.testing.assert_allclose(
        numbers(gc.did(FEW.assign(one=3.0), **call, weights="one")), numbers(gc.did(FEW, **call)), **ROUNDING
    )


def test_units_of_the_same_start_and_another_dose_are_no_controls() -> None:
    found = gc.did(FEW, **CALL, control="not_yet_treated").fitted.doses
    assert found is not None
    cells = found.effects.cells  # type: ignore[attr-defined]  # few doses: cells are those of groups
    same = cells.starts[None, :] == cells.starts[cells.cohort][:, None]
    assert not (cells.controls[:, :-1] & same).any()


# --- relations -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("frame", [FEW, HOLES, MANY], ids=["few", "holes", "many"])
def test_relations(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    base = gc.did(frame, **CALL)
    whole = numbers(base)
    mixed = frame.sample(frac=1, random_state=2)
    np.testing.assert_allclose(numbers(gc.did(mixed, **CALL)), whole, **ROUNDING)
    named = frame.assign(unit="u" + (9999 - frame["unit"]).astype(str))
    np.testing.assert_allclose(numbers(gc.did(named, **CALL)), whole, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(numbers(gc.did(frame.assign(gmv=100 * frame["gmv"]), **CALL)), 100 * whole, rtol=1e-8)
    np.testing.assert_allclose(
        numbers(gc.did(frame.assign(gmv=frame["gmv"] + 1e7), **CALL)), whole, rtol=1e-6, atol=1e-6
    )
    cents = gc.did(frame.assign(value=100 * frame["value"]), **CALL)
    scale = np.where(base.to_frame()["term"] == "per unit of dose", 100, 1)
    np.testing.assert_allclose(cents.to_frame()["estimate"], base.to_frame()["estimate"] / scale, rtol=1e-9)
    np.testing.assert_allclose(
        cents.by_dose()[["dose", "slope"]], base.by_dose()[["dose", "slope"]] * [100, 0.01], rtol=1e-8
    )
    blank = frame.assign(value=frame["value"].where(frame["value"] > 0))
    np.testing.assert_allclose(numbers(gc.did(blank, **CALL)), whole, rtol=0, atol=0)
    monkeypatch.setattr(from_spline, "_NUMBERS", 90)
    np.testing.assert_allclose(numbers(gc.did(frame, **CALL)), whole, **ROUNDING)


def test_whole_weights_are_copies() -> None:
    for frame in (FEW, MANY):
        twice = frame.assign(w=1.0 + (frame["unit"] % 3 == 0), c=frame["unit"])
        copies = pd.concat([twice, twice[twice["w"] == 2].assign(unit=lambda f: f["unit"] + 10_000)], ignore_index=True)
        weighted, copied = gc.did(twice, **CALL, weights="w"), gc.did(copies, **{**CALL, "cluster": "c"})
        if frame is FEW:  # quantiles of doses, at which curves are shown, count units
            np.testing.assert_allclose(numbers(weighted), numbers(copied), **ROUNDING)
        head = [r.to_frame()[["estimate", "std_error"]] for r in (weighted, copied)]
        np.testing.assert_allclose(*head, **ROUNDING)


# --- known truth -----------------------------------------------------------------------------------------------------
def test_curves_are_exact_where_they_can_be() -> None:
    """Without noise, a cubic effect is found exactly, with and without inner knots, slopes too."""
    cubic = lambda d: 1 + 0.3 * d - 0.01 * d**2 + 0.0002 * d**3  # noqa: E731  # a formula, named
    for n in (120, 1500):
        frame = coupons(n=n, values=None, effect=cubic, noise=0.0, seed=3)
        result = gc.did(frame, **CALL)
        table = result.by_dose()
        np.testing.assert_allclose(table["estimate"], cubic(table["dose"]), atol=1e-9)
        np.testing.assert_allclose(table["slope"], 0.3 - 0.02 * table["dose"] + 0.0006 * table["dose"] ** 2, atol=1e-9)
        own = frame.drop_duplicates("unit").query("value > 0")
        size = own["first_treated"].map({3.0: 4, 5.0: 2})  # periods under treatment
        steep = np.average(0.3 - 0.02 * own["value"] + 0.0006 * own["value"] ** 2, weights=size)
        assert result.to_frame()["estimate"][1] == pytest.approx(steep, abs=1e-9)
        inner = "1 inner knots" if n == 1500 else "0 inner knots"
        assert any(inner in note for note in result.manifest.notes)


def test_the_number_of_knots() -> None:
    assert [basis.inner_knots(n) for n in (10, 199, 200, 799, 800, 3200, 10**6)] == [0, 0, 1, 1, 2, 3, 4]


@pytest.mark.parametrize("values", [(5.0, 10.0, 20.0), None], ids=["few", "many"])
def test_coverage(values: tuple[float, ...] | None) -> None:
    """Concave effects; level and slope near 10 yuan, the average slope and the mean: all hold about their level."""
    effect = lambda d: 0.4 * d - 0.006 * d**2  # noqa: E731  # a formula, named
    runs, held = 150 if values else 80, np.zeros(4)
    for seed in range(runs):
        frame = coupons(n=110, periods=4, cohorts=(3,), values=values, effect=effect, seed=500 + seed)
        result = gc.did(frame, **CALL)
        table = result.by_dose()
        row = table.iloc[(table["dose"] - 10).abs().argmin()]
        d = row["dose"]
        low, high = result.estimates.interval(0.95)
        if values is None:
            slope, average = 0.4 - 0.012 * d, 0.4 - 0.012 * 16  # doses are drawn evenly between 2 and 30
            mean = 0.4 * 16 - 0.006 * (30**3 - 2**3) / (3 * 28)
        else:
            step = {5.0: effect(5) / 5, 10.0: (effect(10) - effect(5)) / 5, 20.0: (effect(20) - effect(10)) / 10}
            slope, average, mean = step[10.0], np.mean(list(step.values())), np.mean([effect(v) for v in values])
        held += [
            row["conf_low"] <= effect(d) <= row["conf_high"],
            row["slope_conf_low"] <= slope <= row["slope_conf_high"],
            low[1] <= average <= high[1], low[0] <= mean <= high[0],
        ]  # fmt: skip
    assert (held / runs >= 0.88).all(), held / runs  # 80 runs have a standard error of .024


# --- few units, audit ------------------------------------------------------------------------------------------------
def test_doses_with_few_units_have_no_interval() -> None:
    frame = coupons(n=200, values=(5.0, 10.0))
    some = frame.loc[frame["value"] == 10, "unit"].unique()[:6]
    frame.loc[frame["unit"].isin(some), "value"] = 50.0
    result = gc.did(frame, **CALL)
    table = result.by_dose()
    assert np.isnan(table["std_error"]).tolist() == [False, False, True]
    assert np.isnan(table["slope_std_error"]).tolist() == [False, False, True]
    assert np.isfinite(result.std_error)
    assert np.isnan(result.to_frame()["std_error"][1])
    assert "some dose stands on 6 clusters" in result.estimates.withheld
    assert result.audit["few_clusters"].status == "passed"
    assert result.audit["dose_size"].status == "warned"
    assert result.audit["dose_size"].value == 6
    assert result.audit["strong_parallel_trends"].status == "not_run"


def test_units_alone_with_their_dose_have_no_interval() -> None:
    """Twelve cohorts of three units, one for each dose: the mean has an interval, the doses show no chance at all."""
    units = [(c, d) for c in range(3, 15) for d in (5.0, 10.0, 20.0)] + [(np.nan, 0.0)] * 40
    rng = np.random.default_rng(0)
    frame = pd.DataFrame([
        {"unit": u, "period": t, "gmv": rng.normal() + 0.2 * d * (t >= c), "first_treated": c, "value": d}
        for u, (c, d) in enumerate(units) for t in range(1, 17)
    ])  # fmt: skip
    result = gc.did(frame, **CALL)
    assert np.isnan(result.by_dose()[["std_error", "slope_std_error", "band_low"]]).all(axis=None)
    assert np.isfinite(result.conf_int()).all()
    assert "its clusters count as 1.0" in result.estimates.withheld
    assert "3 of 3 doses have no interval (too many units are alone" in result.audit["dose_size"].message
    assert result.audit["dose_size"].status == "warned"
    assert result.audit["few_clusters"].status == "passed"


def test_few_treated_units_have_placebo_runs_for_the_mean_alone() -> None:
    frame = coupons(n=200, periods=8, cohorts=(6,))
    treated = frame.loc[frame["first_treated"].notna(), "unit"].unique()
    result = gc.did(frame[~frame["unit"].isin(treated[6:])], **CALL)
    low, high = result.estimates.interval(0.95)
    assert np.isfinite([low[0], high[0]]).all()
    assert np.isnan([low[1], high[1]]).all()
    assert result.audit["dose_trend"].status == "not_run"


@pytest.mark.parametrize("values", [(5.0, 10.0, 20.0), None], ids=["few", "many"])
def test_more_went_to_those_who_grew(values: tuple[float, ...] | None) -> None:
    """Who got more grew by .05 yuan a period and yuan of face value; around the mean dose, so means are parallel."""
    frame = coupons(n=300, values=values, cohorts=(5,), seed=8)
    middle = frame.loc[frame["value"] > 0, "value"].mean()
    drift = 0.05 * (frame["value"] - middle) * frame["period"] * (frame["value"] > 0)
    result = gc.did(frame.assign(gmv=frame["gmv"] + drift), **CALL)
    check = result.audit["dose_trend"]
    assert check.status == "failed"
    assert "the largest slope is -0.1" in check.message
    assert result.audit["pre_trend"].status == "passed"
    assert gc.did(frame, **CALL).audit["dose_trend"].status == "passed"


def test_dose_trend_is_the_slope_of_the_leads() -> None:
    """One start: the line through the changes of the treated, event time by event time."""
    for values in ((5.0, 10.0, 20.0), None):
        frame = coupons(values=values, cohorts=(5,), seed=9)
        found = gc.did(frame, **CALL).fitted.doses
        assert found is not None
        leads = found.trend()
        assert leads is not None
        wide = frame.pivot(index="unit", columns="period", values="gmv")
        own = frame.drop_duplicates("unit").set_index("unit")["value"].loc[lambda v: v > 0]
        for event, slope, variance in zip(leads.at, leads.estimate, np.diag(leads.cov), strict=True):
            change = (wide[5 + event] - wide[4]).loc[own.index]
            fit = np.polyfit(own, change, 1)
            assert slope == pytest.approx(fit[0], abs=1e-10)
            if values is None:
                continue  # the residuals are those of the cubic
            distance = own - own.mean()
            within = change - change.groupby(own).transform("mean")
            assert variance == pytest.approx(((distance * within) ** 2).sum() / (distance**2).sum() ** 2, rel=1e-9)


# --- the rest of the result ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["few", "many", "holes"])
def test_protocol(name: str, tmp_path: Any) -> None:
    frame, options = VARIANTS[name]
    result = gc.did(frame, **{**CALL, **options})
    assert_protocol(result, tmp_path)
    assert "strong parallel trends" in result.summary()
    assert result.unit == "gmv per unit-period"
    assert result.to_frame()["unit"][1] == "gmv per unit-period per unit of value"
    drawn = result.curves("dose")
    assert [line.style for line in drawn.lines] == (
        ["line", "line", "dashed"] if name == "many" else ["points", "dashed"]
    )
    np.testing.assert_array_equal(drawn.lines[0].y, result.by_dose()["estimate"])
    assert result.plot("dose").axes


def test_referee() -> None:
    frame = coupons(n=150, periods=8, cohorts=(5, 6))
    result, default = gc.did(frame, **CALL), gc.did(frame, cluster="unit")
    np.testing.assert_allclose(
        result.leave_one_out(progress=False).without, default.leave_one_out(progress=False).without, rtol=1e-12
    )
    for kind in ("unit", "time", "mixed"):
        runs = [r.placebo(kind, reps=99, progress=False).runs for r in (result, default)]
        np.testing.assert_allclose(*runs, rtol=1e-10, atol=1e-12)
    names = list(result.robustness(progress=False).to_frame()["term"])
    assert "controls not yet treated" in names
    assert "estimator callaway santanna" not in names
    wild = gc.did(frame, **CALL, inference="wild").estimates
    assert np.isfinite(wild.interval(0.95)[0][0])
    assert np.isnan(wild.interval(0.95)[0][1])
    halves = gc.did(frame.assign(half=frame["unit"] % 2), **CALL).by("half")
    assert halves.to_frame()["estimate"][1] == gc.did(frame[frame["unit"] % 2 == 0], **CALL).estimate
    with pytest.raises(gc.InputError, match=r"no effects by dose.*estimator='dose'"):
        default.by_dose()
    assert math.isclose(result.incremental_gmv().estimate, result.estimate * result.fitted.treated_cells)


def test_a_total_with_absent_rows_is_that_of_the_default() -> None:
    ours, theirs = gc.did(HOLES, **CALL), gc.did(HOLES, cluster="unit")
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    mine, other = (
        r.incremental_gmv(gmv_is="paid", cost=r, cost_is="other", margin=0.3).to_frame()[columns]
        for r in (ours, theirs)
    )
    np.testing.assert_allclose(mine.astype(float), other.astype(float), rtol=1e-10)
    assert mine["std_error"].iloc[0] > 0
    row = ours.to_frame().set_index("term").loc["per unit-period"]
    assert row["estimate"] == pytest.approx(theirs.to_frame().set_index("term")["estimate"]["per unit-period"])
