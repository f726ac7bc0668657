"""`gc.before_after`: second implementations, by hand, changes that must not matter, known truth, the audit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from protocol import assert_protocol
from statsmodels.tsa.statespace.structural import UnobservedComponents

import gmvcausal as gc
from gmvcausal.observational.series import promotions, structural
from gmvcausal.observational.series.filter import RIDGE, fit, forecast
from gmvcausal.observational.series.mixture import Mixture
from gmvcausal.observational.series.paths import Paths
from gmvcausal.observational.series.rules import TABLE
from gmvcausal.observational.series.segmented import segmented

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators" / "before-after.md"
EXACT: dict[str, Any] = {"rtol": 1e-8, "atol": 1e-10}


def memory(rng: np.random.Generator, n: int, rho: float) -> np.ndarray:
    """A stationary autoregression with variance 1."""
    e, steps = np.empty(n), rng.standard_normal(n)
    e[0] = steps[0]
    for t in range(1, n):
        e[t] = rho * e[t - 1] + math.sqrt(1 - rho**2) * steps[t]
    return e


def one_pair(rho: float, nugget: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.array([rho]), np.array([nugget]), np.ones(1)


def noise(n: int, rho: float, nugget: float) -> np.ndarray:
    apart = np.abs(np.arange(n)[:, None] - np.arange(n))
    return np.asarray((1 - nugget) * rho**apart + nugget * np.eye(n))


def days(seed: int = 0, before: int = 63, after: int = 14, effect: float = 0.1, controls: int = 1) -> pd.DataFrame:
    """Daily GMV from 2025-03-03, a Monday; the tactic begins after `before` days and multiplies GMV."""
    rng = np.random.default_rng(seed)
    n = before + after
    market = 0.1 * memory(rng, n, 0.9) + 0.1 * np.sin(2 * np.pi * np.arange(n) / 7)
    on = np.arange(n) >= before
    frame = {"day": pd.date_range("2025-03-03", periods=n)}
    frame["gmv"] = 1e4 * np.exp(market + 0.05 * memory(rng, n, 0.5)) * (1 + effect * on)
    for j in range(controls):
        frame[f"c{j}"] = 5e3 * np.exp(market + 0.05 * memory(rng, n, 0.5))
    return pd.DataFrame(frame)


START = "2025-05-05"


# --- second implementations -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("rho", "nugget"), [(0.0, 0.0), (0.7, 0.0), (0.9, 0.45)])
def test_a_pair_is_generalised_least_squares_with_a_term_for_every_day_after(rho: float, nugget: float) -> None:
    rng = np.random.default_rng(3)
    n, m = 40, 6
    x = np.column_stack([np.ones(n + m), np.arange(n + m) / n, rng.standard_normal(n + m)])
    z = 5 + memory(rng, n + m, 0.7)
    found = fit(z[:n], x[:n], grid=one_pair(rho, nugget))
    ahead = forecast(found, x[n:])
    effects = Paths(z[n:], z[n:], np.zeros(m), ahead, False).line(np.vstack([np.eye(m), np.full((1, m), 1 / m)]))
    dummies = np.vstack([np.zeros((n, m)), np.eye(m)])
    peer = sm.GLS(z, np.column_stack([x, dummies]), sigma=noise(n + m, rho, nugget)).fit()
    mean = np.concatenate([np.zeros(3), np.full(m, 1 / m)])
    np.testing.assert_allclose(effects.mean[:m], peer.params[3:], **EXACT)
    np.testing.assert_allclose(effects.scale[0, :m], peer.bse[3:], **EXACT)
    np.testing.assert_allclose(effects.mean[m], mean @ peer.params, **EXACT)
    np.testing.assert_allclose(effects.scale[0, m], math.sqrt(mean @ peer.cov_params() @ mean), **EXACT)
    assert effects.df == peer.df_resid


def test_pairs_weigh_by_restricted_likelihood_whatever_is_missing() -> None:
    rng = np.random.default_rng(5)
    x = np.column_stack([np.ones(30), rng.standard_normal(30)])
    z = x @ [3.0, 1.0] + memory(rng, 30, 0.8)
    z[[4, 17]] = np.nan
    pairs = [(0.3, 0.0), (0.8, 0.2), (0.95, 0.6)]
    found = fit(z, x, grid=(np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]), np.ones(3) / 3))
    seen = np.isfinite(z)
    rows, y = x[seen], z[seen]
    logs = []
    for rho, nugget in pairs:
        r = noise(30, rho, nugget)[np.ix_(seen, seen)]
        a = rows.T @ np.linalg.solve(r, rows)
        beta = np.linalg.solve(a, rows.T @ np.linalg.solve(r, y))
        left = (y - rows @ beta) @ np.linalg.solve(r, y - rows @ beta)
        logs.append(-0.5 * (np.linalg.slogdet(r)[1] + np.linalg.slogdet(a)[1] + 26 * math.log(left)))
    w = np.exp(np.array(logs) - max(logs))
    np.testing.assert_allclose(found.weight, w / w.sum(), rtol=1e-7)


def test_shrunk_coefficients_are_ridge_weighed_as_random_effects() -> None:
    rng = np.random.default_rng(6)
    x = np.column_stack([np.ones(50), rng.standard_normal((50, 5))])
    z = x @ [1, 0.4, 0, 0, 0.2, 0] + rng.standard_normal(50)
    found = fit(z, x, shrunk=5, grid=one_pair(0.0, 0.0))
    betas, logs = [], []
    for ridge in RIDGE:
        betas.append(np.linalg.solve(x.T @ x + np.diag([0.0] + [1 / ridge] * 5), x.T @ z))
        v = np.eye(50) + ridge * x[:, 1:] @ x[:, 1:].T
        one = np.linalg.solve(v, x[:, 0])
        left = z - x[:, 0] * (one @ z) / one.sum()
        logs.append(
            -0.5 * (np.linalg.slogdet(v)[1] + math.log(one.sum()) + 49 * math.log(left @ np.linalg.solve(v, left)))
        )
    w = np.exp(np.array(logs) - max(logs))
    kept = w > 1e-5
    np.testing.assert_allclose(found.beta, np.array(betas)[kept], **EXACT)
    np.testing.assert_allclose(found.weight, w[kept] / w[kept].sum(), rtol=1e-7)


@pytest.mark.parametrize("lags", [0, 4, 11])
def test_the_textbook_is_statsmodels(lags: int) -> None:
    rng = np.random.default_rng(7)
    n, m = 60, 15
    z = 8 + 0.5 * memory(rng, n + m, 0.6) + 0.4 * (np.arange(n + m) >= n)
    at = np.arange(n + m)
    x = np.column_stack([np.ones(n + m), at / n, *[(at % 7 == k).astype(float) for k in range(1, 7)]])
    step = (at >= n).astype(float)
    peer = sm.OLS(z, np.column_stack([step, step * (at - n), x])).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
    )
    ahead = segmented(z, x, n, n + m, lags)
    lines = Paths(z[n:], z[n:], np.zeros(m), ahead, False).level_and_slope(np.ones(m, dtype=bool))
    np.testing.assert_allclose(lines.mean, peer.params[:2], **EXACT)
    np.testing.assert_allclose(lines.scale[0], peer.bse[:2], **EXACT)
    assert ahead.df == pytest.approx(1.5 * (n + m) / (lags + 1))


def test_the_structural_series_is_that_of_statsmodels(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    n, m = 50, 5
    x = np.column_stack([np.ones(n + m), rng.standard_normal(n + m)])
    z = 4 + x[:, 1] + 0.2 * np.cumsum(rng.standard_normal(n + m)) + 0.3 * rng.standard_normal(n + m)
    z[10] = np.nan
    monkeypatch.setattr(structural, "LEVEL", np.array([0.2]))
    monkeypatch.setattr(structural, "NOISE", np.array([0.7]))
    ours = structural.structural(z, x, n, n + m)
    seen = np.isfinite(z[:n])
    rest = z[:n][seen] - x[:n][seen] @ np.linalg.lstsq(x[:n][seen], z[:n][seen], rcond=None)[0]
    variance = rest @ rest / (len(rest) - 2)
    model = UnobservedComponents(z[:n], level="local level", exog=x[:n, 1], mle_regression=False)
    told = model.smooth([0.7**2 * variance, 0.2**2 * variance]).get_forecast(m, exog=x[n:, 1])
    np.testing.assert_allclose(ours.centre[0], told.predicted_mean, rtol=1e-5)
    np.testing.assert_allclose(np.diag(ours.noise[0]), told.var_pred_mean, rtol=1e-5)
    # The peer gives no covariance of days. With a day more observed, its forecast of the next moves by cov / var.
    moved = np.append(z[:n], told.predicted_mean[0] + 1.0)
    model = UnobservedComponents(moved, level="local level", exog=x[: n + 1, 1], mle_regression=False)
    next_day = model.smooth([0.7**2 * variance, 0.2**2 * variance]).get_forecast(1, exog=x[n + 1 : n + 2, 1])
    shift = float(next_day.predicted_mean[0] - told.predicted_mean[1])
    assert ours.noise[0, 0, 1] / ours.noise[0, 0, 0] == pytest.approx(shift, rel=1e-4)


def test_by_hand() -> None:
    """Six days before with mean 10, two after: without memory and season the effect is 4, by Student's t."""
    z = np.array([9.0, 11.0, 9.0, 11.0, 9.0, 11.0, 13.0, 15.0])
    found = fit(z[:6], np.ones((6, 1)), grid=one_pair(0.0, 0.0))
    total = Paths(z[6:], z[6:], np.zeros(2), forecast(found, np.ones((2, 1))), False).mean_over(np.ones(2, dtype=bool))
    error = math.sqrt(6 / 5 * (1 / 2 + 1 / 6))
    assert total.effect[0] == pytest.approx(4.0, abs=1e-12)
    assert total.expected.scale[0, 0] == pytest.approx(error, rel=1e-12)
    low, high = total.interval(0.95)
    assert low[0] == pytest.approx(4 - 2.570581835636314 * error, rel=1e-9)  # t with 5 degrees of freedom
    assert high[0] == pytest.approx(4 + 2.570581835636314 * error, rel=1e-9)


def test_a_mixture_of_one_part_is_that_part() -> None:
    one = Mixture(np.ones(1), np.array([[2.0]]), np.array([[3.0]]), math.inf)
    low, high = one.interval(0.95)
    assert low is one.interval(0.95)[0] and not low.flags.writeable  # found once, and nobody may write into it
    assert low[0] == pytest.approx(2 - 3 * 1.959963984540054) and high[0] == pytest.approx(2 + 3 * 1.959963984540054)
    assert one.p_value(np.zeros(1))[0] == pytest.approx(0.5049850750938458)
    assert one.p_value(np.array([32.0]))[0] == pytest.approx(1.523970604832094e-23, rel=1e-9)  # far out in the tail


# --- what must not matter ---------------------------------------------------------------------------------------------
def run(frame: pd.DataFrame, **options: Any) -> Any:
    return gc.before_after(frame, "gmv", "day", START, **({"controls": ["c0"]} | options))


def test_changes_that_must_not_matter() -> None:
    frame = days()
    base = run(frame).to_frame()
    shuffled = frame.sample(frac=1, random_state=1).reset_index(drop=True)
    pd.testing.assert_frame_equal(run(shuffled).to_frame(), base)
    pd.testing.assert_frame_equal(run(frame.assign(c0=frame["c0"] * 7)).to_frame(), base, rtol=1e-9)
    text = frame.assign(day=frame["day"].dt.strftime("%Y-%m-%d"))
    pd.testing.assert_frame_equal(run(text).to_frame(), base)
    hundred = run(frame.assign(gmv=frame["gmv"] * 100)).to_frame()
    money = ~base["term"].isin(["relative", "level", "slope"])
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        np.testing.assert_allclose(hundred.loc[money, column], 100 * base.loc[money, column], rtol=1e-7)
        np.testing.assert_allclose(hundred.loc[~money, column], base.loc[~money, column], rtol=1e-6, atol=1e-9)


def test_a_large_offset_on_levels() -> None:
    frame = days()
    low = run(frame, scale="level").to_frame()
    high = run(frame.assign(gmv=frame["gmv"] + 1e7), scale="level").to_frame()
    keep = low["term"] != "relative"
    np.testing.assert_allclose(high.loc[keep, "estimate"], low.loc[keep, "estimate"], rtol=1e-4, atol=0.1)
    np.testing.assert_allclose(high.loc[keep, "std_error"], low.loc[keep, "std_error"], rtol=1e-4)


def test_units_in_rows_are_columns_added_up() -> None:
    frame = days(controls=2)
    long = frame.melt("day", ["gmv", "c0", "c1"], "room", "sold")
    of_rooms = gc.before_after(long, "sold", "day", START, unit="room", controls=["c1"])
    added = gc.before_after(frame.assign(sold=frame["gmv"] + frame["c0"]), "sold", "day", START, controls=["c1"])
    pd.testing.assert_frame_equal(of_rooms.to_frame(), added.to_frame(), rtol=1e-9)


def test_weeks() -> None:
    frame = days(before=63 * 4, after=28)
    weekly = frame.resample("W-MON", on="day", closed="left", label="left").sum().reset_index()
    start = str(weekly["day"].iloc[36])[:10]
    r = gc.before_after(weekly, "gmv", "day", start, controls=["c0"])
    assert r.unit == "gmv per week" and r.to_frame()["n"].iloc[0] == 40
    assert abs(r.to_frame().set_index("term")["estimate"]["relative"] - 0.1) < 0.1
    inside = str(weekly["day"].iloc[35] + pd.Timedelta(days=3))[:10]
    half = gc.before_after(weekly, "gmv", "day", inside, controls=["c0"], promotions=False)
    assert half.to_frame()["n"].iloc[0] == 39 and "counts on neither side" in half.summary()


# --- known truth ------------------------------------------------------------------------------------------------------
def test_size_under_memory() -> None:
    rng = np.random.default_rng(11)
    n, m, runs = 70, 14, 300
    at = np.arange(n + m)
    x = np.column_stack([np.ones(n + m), at / n, *[(at % 7 == k).astype(float) for k in range(1, 7)]])
    found = 0
    for _ in range(runs):
        z = memory(rng, n + m, 0.7)
        ahead = forecast(fit(z[:n], x[:n]), x[n:])
        total = Paths(z[n:], z[n:], np.zeros(m), ahead, False).mean_over(np.ones(m, dtype=bool))
        found += int(total.p_value[0] < 0.05)
    assert 0.01 * runs <= found <= 0.09 * runs


def test_the_market_with_a_festival() -> None:
    covered = refused = 0
    for seed in range(5):
        market = gc.simulate.world("D17", seed=seed)
        table = market.table()
        r = gc.before_after(table, **market.design.call)
        low, high = r.conf_int()
        covered += int(low <= market.truth.value <= high)
        alone = gc.before_after(table, **(market.design.call | {"controls": [], "promotions_shared": False}))
        refused += int(
            not alone.audit.credible and {"control_series", "promotion"} <= {c.name for c in alone.audit.failed}
        )
    assert covered >= 4 and refused == 5


def test_a_control_that_had_half_of_the_festival_is_found_out() -> None:
    market = gc.simulate.world("D17", seed=2, shared=0.5)
    r = gc.before_after(market.table(), **market.design.call)
    assert r.audit["promotion"].status == "failed" and "No headline" in r.summary()
    assert "promotions_shared=True" not in r.audit["promotion"].remedy  # to say so would not help


# --- the audit --------------------------------------------------------------------------------------------------------
def test_the_page_has_the_rules_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8").split("\n## Checks and thresholds\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE


def status(r: Any, name: str) -> str:
    return str(r.audit[name].status)


def test_a_promotion_seen_the_year_before_has_a_term() -> None:
    n = 385
    rng = np.random.default_rng(1)
    day = pd.date_range("2024-11-01", periods=n)
    festive = np.where((day.month == 11) & (day.day == 11), 8.0, 1.0)
    frame = pd.DataFrame({"day": day, "gmv": 1e4 * festive * np.exp(0.03 * rng.standard_normal(n))})
    frame["c"] = 5e3 * np.exp(0.03 * rng.standard_normal(n))
    r = gc.before_after(frame, "gmv", "day", "2025-11-01", controls=["c"], end="2025-11-20")
    assert status(r, "promotion") == "passed" and "'11.11'" in r.audit["promotion"].message
    assert abs(r.to_frame().set_index("term")["estimate"]["relative"]) < 0.1  # eight times itself, and foreseen
    frame = frame.iloc[-80:]  # without the year before
    without = gc.before_after(frame, "gmv", "day", "2025-11-01", controls=["c"], end="2025-11-20", promotions=False)
    assert status(without, "promotion") == "warned" and "said to be none here" in without.audit["promotion"].message
    assert without.to_frame().set_index("term")["estimate"]["relative"] > 0.3


def test_events_of_the_user() -> None:
    frame = days()
    event = {"brand day": "2025-05-08"}
    r = run(frame, events=event)
    check, placebo = r.audit["promotion"], r.placebo()
    found = (placebo["p_value"] < 0.05).sum()
    assert check.status == "failed" and not r.audit.credible and "'event brand day'" in check.message
    assert f"at {found} of {len(placebo)} earlier dates, when nothing began" in check.message
    for way in ("outside_promotions, 13 days", "end='2025-05-07'", "a year more", "promotions_shared=True"):
        assert way in check.remedy
    assert "outside_promotions" in set(r.to_frame()["term"]) and "promotions_shared" not in r.assumption
    alone = run(frame, events=event, controls=[])
    assert status(alone, "promotion") == "failed" and "promotions_shared" not in alone.audit["promotion"].remedy
    before = run(frame, events=event, end="2025-05-07")
    assert before.audit.credible and status(before, "promotion") == "passed"
    assert "time after the end holds 'event brand day'" in before.summary()
    seen = run(frame, events={"brand day": ["2025-04-10", ("2025-05-08", "2025-05-08")]})
    assert status(seen, "promotion") == "passed" and seen.audit.credible


def test_promotions_that_fell_together_before_have_no_term_apart() -> None:
    frame = days()
    frame.loc[40, "gmv"] *= 8.0  # both events on one day
    frame.loc[66, "gmv"] *= 8.0
    frame.loc[70, "gmv"] *= 3.0
    one, two = (str(frame["day"][k])[:10] for k in (66, 70))
    then = str(frame["day"][40])[:10]
    r = run(frame, events={"sale": [then, one], "brand day": [then, two]})
    assert status(r, "promotion") == "failed" and "none apart from another" in r.audit["promotion"].message
    assert r.to_frame().set_index("term")["n"]["average"] == 63 + 14  # the day before the start keeps its place
    again = run(frame, events={"sale": [then, one], "brand day": [then, one]})  # as then, so now
    assert status(again, "promotion") == "passed"


def test_control_series_said_to_have_the_promotion() -> None:
    frame, event = days(), {"brand day": ("2025-05-08", "2025-05-10")}
    frame.loc[66:68, ["gmv", "c0"]] *= 3.0
    said = run(frame, events=event, promotions_shared=True)
    assert status(said, "promotion") == "warned" and said.audit.credible
    assert "'event brand day' to the same degree (promotions_shared=True)" in said.assumption
    assert any("not tested by the time before" in note for note in said.manifest.notes)
    assert said.manifest.options["promotions_shared"] is True
    # The numbers are those of the call that does not say so; what may be quoted is not.
    silent = run(frame, events=event)
    pd.testing.assert_frame_equal(said.to_frame(), silent.to_frame())
    assert not silent.audit.credible and "No headline" in silent.summary()
    # Said of a series that had nothing of it, it is found out.
    assert status(run(frame.assign(c0=days()["c0"]), events=event, promotions_shared=True), "promotion") == "failed"
    idle = run(frame, promotions_shared=True)
    assert "promotions_shared" not in idle.assumption and "changes nothing" in idle.summary()
    whole = run(frame, events={"sale": (START, "2025-12-31")}, promotions_shared=True)
    assert status(whole, "promotion") == "failed" and "no day of it lies outside" in whole.audit["promotion"].message


def test_the_end_of_a_promotion_before_the_start_has_a_term() -> None:
    frame = days()
    frame.loc[:2, "gmv"] *= 4.0  # the last three of twelve days of a sale
    sale = {"sale": ("2025-02-22", "2025-03-05")}
    r = run(frame, events=sale)
    assert status(r, "promotion") == "passed" and status(r, "pre_shock") == "passed"
    assert r.estimate == pytest.approx(run(days(), events=sale).estimate, rel=0.1)


def test_a_control_that_reacts() -> None:
    frame = days(controls=3)
    frame.loc[63:, "c1"] *= 0.6
    r = run(frame, controls=["c0", "c1", "c2"])
    assert status(r, "control_reacts") == "failed" and "'c1'" in r.audit["control_reacts"].message
    assert status(run(days(controls=3), controls=["c0", "c1", "c2"]), "control_reacts") == "passed"


def test_breaks_and_anticipation() -> None:
    frame = days()
    frame.loc[56:62, "gmv"] *= 0.6
    assert status(run(frame), "anticipation") == "failed"
    frame = days(before=126, controls=1).assign(day=pd.date_range("2025-03-03", periods=140))
    frame.loc[:50, "gmv"] *= 1.6
    r = gc.before_after(frame, "gmv", "day", str(frame["day"][126])[:10], controls=["c0"])
    assert status(r, "pre_shock") == "warned" and "2025-04-23" in r.audit["pre_shock"].message
    assert status(run(days()), "pre_shock") == "passed"


def test_what_was_borrowed_from_later() -> None:
    frame = days(after=28)
    frame.loc[77:, "gmv"] *= 0.75
    r = run(frame, end="2025-05-18")
    table = r.to_frame().set_index("term")
    assert table.loc["after", "estimate"] < 0 and status(r, "pull_forward") == "warned"
    assert status(run(days(after=28, effect=0.0), end="2025-05-18"), "pull_forward") == "passed"


def test_days_without_rows_are_unknown() -> None:
    frame = days().drop(index=[20, 21, 65])
    r = run(frame)
    assert status(r, "calendar_gaps") == "warned" and r.periods == 13
    table = r.to_frame().set_index("term")["estimate"]
    assert table["cumulative"] == pytest.approx(13 * table["average"])
    most = days().drop(index=range(66, 72))
    assert status(run(most), "calendar_gaps") == "failed"


def test_an_unfinished_last_day() -> None:
    frame = days()
    frame.loc[76, ["gmv", "c0"]] *= 0.2
    assert status(run(frame), "last_period") == "warned"


def test_the_textbook_is_warned_of_and_extrapolation_fails() -> None:
    assert status(run(days(), errors="hac"), "hac_size") == "warned"
    market = gc.simulate.world("D17", seed=1)
    r = gc.before_after(market.table(), **market.design.call, controls_as="regression")
    assert status(r, "extrapolation") == "failed"


# --- the protocol, and what follows from a result ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "plots"),
    [
        ({}, ("series", "effect", "cumulative", "placebo", "estimates")),
        ({"controls": []}, ("placebo",)),
        ({"scale": "level", "end": "2025-05-14"}, ("series", "effect", "cumulative")),
        ({"method": "structural"}, ("series",)),
    ],
)
def test_protocol(options: dict[str, Any], plots: tuple[str, ...], tmp_path: Path) -> None:
    r = run(days(), **options)
    assert_protocol(r, tmp_path, plots)
    table = r.by_period()
    inside = table[table["window"] == "window"]
    assert inside["effect"].mean() == pytest.approx(r.estimate, rel=0.01)
    assert inside["cumulative"].iloc[-1] == pytest.approx(r.to_frame()["estimate"].iloc[1])
    assert 0 < r.placebo_p_value <= 1 and len(r.placebo()) >= 10


def test_many_controls_are_shrunk_and_said() -> None:
    r = run(days(controls=5), controls=[f"c{j}" for j in range(5)], controls_as="regression")
    assert "ridge" in r.summary() and abs(r.to_frame()["estimate"].iloc[2] - 0.1) < 0.1


def test_money_table_and_report(tmp_path: Path) -> None:
    r = run(days())
    money = r.incremental_gmv(cost=1000, cost_is="other", gmv_is="paid", margin=0.5)
    table = r.to_frame().set_index("term")
    assert money.estimate == pytest.approx(table["estimate"]["cumulative"])
    np.testing.assert_allclose(money.conf_int(), table.loc["cumulative", ["conf_low", "conf_high"]].astype(float))
    assert not run(days(), controls=[]).incremental_gmv().audit.credible
    assert "Before and after" in str(gc.table(r, style="journal")) or "average" in str(gc.table(r))
    gc.report([r], tmp_path / "report.html")
    assert "control_series" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_calendar() -> None:
    found = promotions.phases(np.datetime64("2025-01-01"), 1, 365, {}, True)
    names = {p.name: p for p in found}
    assert names["11.11"].share.sum() == 1 and names["11.11"].share[314] == 1  # the 315th day
    assert names["Spring Festival, holiday"].share[28:35].all() and names["618, before"].share.sum() == 17
    weekly = {p.name: p for p in promotions.phases(np.datetime64("2025-01-06"), 7, 50, {}, True)}
    assert weekly["11.11"].share.max() == pytest.approx(1 / 7)


def plain_series(seed: int, other: bool) -> pd.DataFrame:
    """Sixty days, and twenty-eight with a season of a quarter; beside them the same season, or an exchange rate."""
    rng = np.random.default_rng(seed)
    t = np.arange(88)
    season = 0.1 * np.sin(2 * np.pi * t / 7) + 0.22 * (t >= 60)
    gmv = 20_000 * np.exp(season + 0.04 * rng.normal(size=88))
    beside = 30_000 * np.exp(season + 0.04 * rng.normal(size=88)) if other else 7.15 + 0.02 * rng.normal(size=88)
    return pd.DataFrame({"day": pd.date_range("2025-03-03", periods=88), "gmv": gmv, "beside": beside})


def test_a_series_that_says_nothing_is_no_control() -> None:
    call = {"start": "2025-05-02", "controls": ["beside"], "promotions": False}
    status = [
        gc.before_after(plain_series(seed, other=False), "gmv", "day", **call).audit["control_follows"].status
        for seed in range(8)
    ]
    assert status.count("failed") >= 7
    good = gc.before_after(plain_series(0, other=True), "gmv", "day", **call)
    assert good.audit["control_follows"].status == "passed"
