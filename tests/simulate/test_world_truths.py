"""The truth of each world against the same draws without the tactic, hand computation, and textbook estimates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.simulate import world
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.worlds import attrition, rollout, rollout_worlds, targeting_worlds
from gmvcausal.simulate.worlds.people import PLAIN, mean_basket


def contrast(name: str, off: dict[str, float], **dials: object) -> tuple[pd.DataFrame, object]:
    """The panel, with what the tactic added in each cell: the same draws with and without it."""
    market = world(name, seed=5, **dials)
    frame = market.table()
    without = world(name, seed=5, **{**dials, **off}).table()
    frame["gain"] = frame["gmv"] - without["gmv"]
    weeks = (frame["period"] - frame["period"].min()).dt.days // 7
    frame["event"] = weeks - (frame["first_treated"] - frame["period"].min()).dt.days / 7
    return frame, market.truth


# Whole amounts, so that cutting to cents takes nothing away.
ADDITIVE = [
    ("D5", {"effect": 0.0}, {}),
    ("D6", {"effect": 0.0}, {"shares": "fixed"}),
    ("D7", {"effect": 0.0}, {"shares": "fixed"}),
    ("D8", {"effect": 0.0}, {"effect": 50.0, "treated": 5, "sizes": "proportional"}),
    ("D9", {"effect": 0.0, "wait": 0.0}, {}),
]


@pytest.mark.parametrize(("name", "off", "dials"), ADDITIVE, ids=[a[0] for a in ADDITIVE])
def test_truth_of_additive_worlds_is_the_direct_contrast(name, off, dials) -> None:
    frame, truth = contrast(name, off, **dials)
    after = frame[frame["event"] >= 0]
    assert after["gain"].mean() == pytest.approx(truth.value, abs=1e-9)
    assert frame["gain"].sum() == pytest.approx(truth["total"], abs=1e-6)
    assert frame.loc[frame["first_treated"].isna(), "gain"].abs().max() == 0
    study = truth.event_study.set_index("event_time")
    direct = frame.groupby("event")["gain"].mean()
    np.testing.assert_allclose(direct.loc[study.index.astype(float)], study["att"], atol=1e-9)
    assert frame.groupby("event")["unit"].nunique().loc[study.index.astype(float)].tolist() == study["n"].tolist()


def test_the_effect_matrix_is_the_contrast_of_potential_outcomes() -> None:
    plan = rollout_worlds.d5_plan(60, 3, "room", 12, 6, None, 6000.0, 300.0, 0.5, 0.15)
    np.testing.assert_allclose(rollout.outcomes(plan) - rollout.outcomes(plan, treated=False), plan.effect, atol=1e-9)
    assert plan.effect.sum() == 30 * 6 * 200


@pytest.mark.parametrize("name", ["D5", "D6", "D7"])
def test_truth_of_users_is_what_common_draws_give(name: str) -> None:
    extra = {} if name == "D5" else {"shares": "fixed"}
    frame, truth = contrast(name, {"effect": 0.0}, unit="user", n=6000, **extra)
    after = frame[frame["event"] >= 0]
    total = frame.groupby("unit")["gain"].sum()
    error = total.std() * len(total) ** 0.5
    assert abs(after["gain"].sum() - truth["total"]) < 3 * error
    assert truth.value == pytest.approx(truth["total"] / len(after), rel=1e-9)


def test_d7_by_hand() -> None:
    """Cohorts of 14, 10 and 6 post weeks with 300, 200 and 100 (1 + .25 e)."""
    truth = world("D7", seed=9).truth
    sums = [300 * (14 + 0.25 * 91), 200 * (10 + 0.25 * 45), 100 * (6 + 0.25 * 15)]
    assert truth.value == pytest.approx(sum(sums) / 30)
    assert truth["cohort:10"] == pytest.approx(sums[1] / 10)
    study = truth.event_study.set_index("event_time")["att"]
    assert study[0] == pytest.approx(200) and study[13] == pytest.approx(300 * 4.25)
    assert (study.loc[:-1] == 0).all()


def test_d9_by_hand() -> None:
    truth = world("D9", n=40, seed=2).truth
    assert truth.value == pytest.approx((4 * 500 - 0.3 * 4 * 500) / 10)
    assert (truth["waited"], truth["lift"], truth["borrowed"]) == (-20 * 400, 20 * 2000, -20 * 600)
    assert truth["total"] == pytest.approx(truth["waited"] + truth["lift"] + truth["borrowed"])
    assert truth.event_study.set_index("event_time")["att"].loc[[-3, -2, -1, 0, 4, 8]].tolist() == [
        0, -200, -200, 500, -150, 0,
    ]  # fmt: skip


def test_d6_drift_is_no_effect() -> None:
    plain, drifting = world("D6", seed=4), world("D6", seed=4, pretrend=40.0)
    assert plain.truth.value == drifting.truth.value == 200
    moved = drifting.table()["gmv"] - plain.table()["gmv"]
    treated = plain.table()["first_treated"].notna()
    assert moved[~treated].abs().max() == 0
    weeks = np.tile(np.arange(20), int(treated.sum()) // 20)
    np.testing.assert_allclose(moved[treated], 40.0 * weeks, atol=1e-6)


def test_d7_twfe_is_biased_and_callaway_santanna_is_not() -> None:
    found: dict[str, list[float]] = {"twfe": [], "callaway_santanna": []}
    inside = 0
    for seed in range(30):
        market = world("D7", n=100, seed=seed)
        table, truth = market.table(), market.truth.value
        for estimator, errors in found.items():
            result = gc.did(table, estimator=estimator)
            errors.append(result.estimate - truth)
            low, high = result.conf_int()
            inside += estimator == "twfe" and low < truth < high
    right, wrong = np.array(found["callaway_santanna"]), np.array(found["twfe"])
    assert abs(right.mean()) < 3 * right.std() / 30**0.5
    assert wrong.mean() < -200
    assert inside < 3


def test_d8_variance_follows_the_square_of_size_and_the_largest_are_treated() -> None:
    size = rollout_worlds.room_sizes(3, 60, "proportional", 0.6)
    loud, calm = (rollout.room_base(3, "D8", size, size, 4000, 6000.0, noise, 0.7) for noise in (100.0, 0.0))
    shock = loud - calm
    np.testing.assert_allclose(shock.std(axis=1), 100 * size, rtol=0.15)
    lag = (shock[:, 1:] * shock[:, :-1]).mean(axis=1) / shock.var(axis=1)
    assert abs(lag.mean() - 0.7) < 0.02
    for visible in (True, False):
        market = world("D8", seed=3, treated=5, sizes="proportional", visible=visible)
        assert set(market.logs.exposures["room"]) == set(np.argsort(-size)[:5])
        level = market.table().groupby("unit")["gmv"].mean()
        tie = np.corrcoef(np.log(level), np.log(size))[0, 1]
        assert tie > 0.9 if visible else abs(tie) < 0.5


def test_d8_treats_the_smallest_or_a_lot_of_the_same_rooms() -> None:
    size = rollout_worlds.room_sizes(3, 60, "proportional", 0.6)
    dials: dict[str, Any] = {"seed": 3, "treated": 5, "sizes": "proportional"}
    large, small, drawn = (world("D8", treat=treat, **dials) for treat in ("largest", "smallest", "lot"))
    rooms = [set(market.logs.exposures["room"]) for market in (large, small, drawn)]
    assert rooms[0] == set(np.argsort(-size)[:5]) and rooms[1] == set(np.argsort(size)[:5])
    assert rooms[2] == set(world("D8", seed=3, treated=5).logs.exposures["room"])
    np.testing.assert_array_equal(large.table()["gmv"], small.table()["gmv"])


def test_d8_shocks_of_treated_rooms_may_last_longer_at_the_same_variance() -> None:
    draws = [rollout.autoregression(stream(1, "test"), 40, 4000, rho) for rho in (0.7, np.repeat([0.7, 0.95], 20))]
    np.testing.assert_array_equal(draws[0][:20], draws[1][:20])
    last = draws[1][20:]
    assert abs(last.var() - 1) < 0.1 and abs((last[:, 1:] * last[:, :-1]).mean() / last.var() - 0.95) < 0.01
    plain, lasting = (world("D8", seed=2, treated=3, rho_treated=rho).table() for rho in (None, 0.95))
    moved = (plain["gmv"] != lasting["gmv"]).groupby(plain["unit"]).any()
    treated = plain["first_treated"].notna().groupby(plain["unit"]).any()
    assert (moved == treated).all()


def test_d10_expectations_are_those_of_many_users() -> None:
    chance = np.column_stack([np.full(10, 0.05), np.full(10, 0.4)])
    path = attrition.Path(chance, 0.5, 0.9, 3, 4)
    exact = attrition.expect(path)
    n = 40_000
    bought, last = attrition.simulate(
        np.broadcast_to(chance, (n, 10, 2)), np.full(n, 0.5), 0.9, 3, 4, stream(1, "test")
    )
    alive = last[:, None] >= np.arange(10)
    for mean, values in (
        (exact.alive, alive),
        (exact.bought, bought),
        (exact.base[4:], (alive & bought[:, [3]])[:, 4:]),
    ):
        error = np.sqrt(np.maximum(mean * (1 - mean), 1e-12) / n)
        assert (np.abs(values.mean(axis=0) - mean) < 4 * error + 1e-12).all()


def test_d10_leaves_only_where_the_users_table_says_so() -> None:
    market = world("D10", n=400, seed=1)
    table, users = market.table(), market.logs.users.set_index("user")["exit"]
    last = table.groupby("unit")["period"].max()
    assert (last[users.notna()] == users.dropna() - pd.Timedelta(days=6)).all()
    assert market.truth["survivors"] > market.truth.value + 5
    still = world("D10", n=400, seed=1, strength=0.0)
    assert still.truth["survivors"] == pytest.approx(still.truth.value, abs=1e-9)
    assert still.truth["zero_filled"] == pytest.approx(still.truth.value, abs=1e-9)
    assert still.logs.users["exit"].isna().all()


def test_d10_zero_filled_is_what_common_draws_give() -> None:
    tables = []
    for dials in ({}, {"effect": 0.0, "retention": 0.0}):
        logs = dict(world("D10", n=20_000, seed=2, **dials).logs)
        logs["users"] = logs["users"].drop(columns="exit")
        tables.append(gc.Logs(**logs).panel(unit="user", freq="W", origin="2026-03-02"))
    frame = tables[0].assign(gain=tables[0]["gmv"] - tables[1]["gmv"])
    gain = frame[frame["period"] >= frame["first_treated"]].groupby("unit")["gain"].mean()
    near(gain.mean(), gain.std() / len(gain) ** 0.5, world("D10").truth["zero_filled"])


# --- worlds of users: the textbook answer lies where the truth is ---------------------------------------------------


def fit(y: pd.Series, *columns: object) -> tuple[np.ndarray, np.ndarray]:
    """Least squares with a constant: coefficients and robust standard errors, the constant left out."""
    x = np.column_stack([np.ones(len(y)), *columns]).astype(float)
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ y.to_numpy(float)
    score = x * (y.to_numpy(float) - x @ beta)[:, None]
    return beta[1:], np.sqrt(np.diag(inverse @ score.T @ score @ inverse))[1:]


def near(estimate: float, error: float, truth: float) -> None:
    assert abs(estimate - truth) < 3.5 * error, (estimate, error, truth)


@pytest.mark.parametrize(("name", "dials"), [("D1", {}), ("D2", {}), ("D2", {"allocation": 0.1, "truncated": False})])
def test_trials(name, dials) -> None:
    market = world(name, n=30_000, seed=1, **dials)
    table = market.table()
    arm = table["arm"] == "coupon"
    assert arm.mean() == pytest.approx(dials.get("allocation", 0.5), abs=0.02)
    (b,), (se,) = fit(table["gmv"], arm)
    near(b, se, market.truth.value)
    assert np.corrcoef(table["gmv_pre"], table["gmv"])[0, 1] > 0.03


def test_d1_lost_users_show_in_the_ratio() -> None:
    for seed in range(3):
        arm = world("D1", seed=seed, lost=0.1).table()["arm"]
        share = (arm == "coupon").mean()
        assert share < 0.5 - 3 * (0.25 / len(arm)) ** 0.5


def test_d3_ratio() -> None:
    market = world("D3", n=20_000, seed=1, sessions_lift=0.2)
    table = market.table()
    ratio, variance = [], 0.0
    for arm in ("control", "coupon"):
        part = table[table["arm"] == arm]
        ratio.append(part["gmv"].sum() / part["sessions"].sum())
        rest = part["gmv"] - ratio[-1] * part["sessions"]
        variance += rest.var() / len(part) / part["sessions"].mean() ** 2
    near(ratio[1] - ratio[0], variance**0.5, market.truth.value)
    assert len(market.logs.sessions) == table["sessions"].sum() + table["sessions_pre"].sum()


def test_d4_rooms() -> None:
    market = world("D4", n=40_000, rooms=400, seed=1)
    table = market.table()
    means = table.groupby("room").agg(gmv=("gmv", "mean"), arm=("arm", "first"), n=("gmv", "size"))
    (b,), (se,) = fit(means["gmv"], means["arm"] == "coupon")
    near(b, se, market.truth.value)
    # Analysis of variance: rooms within arms.
    within = table["gmv"].groupby(table["room"]).var().mean()
    between = means.groupby("arm")["gmv"].var().mean() - within / 100
    assert between / (between + within) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("shape", ["linear", "steps"])
def test_d11_weighting_by_the_recorded_probability(shape: str) -> None:
    market = world("D11", n=30_000, seed=1, shape=shape)
    table, e = market.table(), market.table()["propensity"]
    on = (table["arm"] == "coupon").astype(float)
    score = table["gmv"] * (on / e - (1 - on) / (1 - e))
    near(score.mean(), score.std() / len(score) ** 0.5, market.truth["ate"])
    users = market.truth.users
    error = users["cate"].std() / len(users) ** 0.5
    near(users["cate"].mean(), error, market.truth["ate"])
    for name, w in (("att", e), ("overlap", e * (1 - e))):
        spread = (w * (users["cate"] - market.truth[name])).std() / w.mean() / len(users) ** 0.5
        near(np.average(users["cate"], weights=w), spread, market.truth[name])
    (naive,), (se,) = fit(table["gmv"], on)
    assert abs(naive - market.truth["ate"]) > 5 * se


def test_d11_hidden_cause_and_d13_overlap() -> None:
    hidden = world("D11", n=30_000, seed=1, hidden=1.0)
    table = hidden.table()
    on, e = (table["arm"] == "coupon").astype(float), table["propensity"]
    score = table["gmv"] * (on / e - (1 - on) / (1 - e))
    assert abs(score.mean() - hidden.truth["ate"]) > 4 * score.std() / len(score) ** 0.5
    weak = world("D13", n=30_000, seed=1)
    table = weak.table()
    on, e = (table["arm"] == "coupon").astype(float), table["propensity"]
    assert ((e < 0.02) | (e > 0.9)).mean() > 0.2
    one, zero = np.average(table["gmv"], weights=on * (1 - e)), np.average(table["gmv"], weights=(1 - on) * e)
    rest = on * (1 - e) * (table["gmv"] - one) / (on * (1 - e)).mean()
    rest = rest - (1 - on) * e * (table["gmv"] - zero) / ((1 - on) * e).mean()
    near(one - zero, rest.std() / len(rest) ** 0.5, weak.truth.value)


def test_population_means_by_hand() -> None:
    steps = targeting_worlds.population(10.0, 1.0, "steps", 1.0, 0.0, 0.05)
    assert steps["ate"] == pytest.approx(10 * (1 + 4 * 0.4 * 0.6 - 1 - 0.25))
    flat = targeting_worlds.population(10.0, 0.0, "linear", 1.0, 0.0, 0.05)
    assert flat["att"] == pytest.approx(10) and flat["overlap"] == pytest.approx(10)


def test_d12_arms() -> None:
    market = world("D12", n=30_000, seed=1)
    table = market.table()
    for value in (5, 10, 20):
        part = table[table["arm"].isin(["none", f"coupon_{value}"])]
        (b,), (se,) = fit(part["gmv"], part["arm"] != "none")
        near(b, se, market.truth[f"ate:coupon_{value}"])


def test_d14_wald() -> None:
    market = world("D14", n=30_000, seed=1)
    table = market.table()
    (itt,), (se,) = fit(table["gmv"], table["sent"])
    share = table.loc[table["sent"] == 1, "delivered"].mean()
    near(itt, se, market.truth["itt"])
    near(itt / share, se / share, market.truth["late"])
    (as_treated,), (se,) = fit(table["gmv"], table["delivered"])
    assert as_treated - market.truth["late"] > 4 * se


def test_d15_at_the_threshold() -> None:
    market = world("D15", n=60_000, seed=1)
    table = market.table()
    close = table[(table["gmv_pre"] - 300).abs() < 100]
    s, above = close["gmv_pre"] - 300, (close["gmv_pre"] >= 300).astype(float)
    b, se = fit(close["gmv"], above, s, above * s)
    near(b[0], se[0], market.truth.value)
    bunched = world("D15", n=60_000, seed=1, bunching=0.35).table()["gmv_pre"]
    assert bunched.between(300, 320).sum() > 1.3 * bunched.between(280, 299.99).sum()


def test_d16_direct_and_indirect() -> None:
    market = world("D16", n=60_000, seed=1)
    table = market.table()
    on = (table["arm"] == "raffle").astype(float)
    total, total_se = fit(table["gmv"], on)
    near(total[0], total_se[0], market.truth["total"])
    b, se = fit(table["gmv"], on, table["interacted"], table["activity"])
    near(b[0], se[0], market.truth["direct"])
    near(b[1] * 0.3, se[1] * 0.3, market.truth["indirect:interacted"])
    hidden = world("D16", n=60_000, seed=1, hidden=1.0).table()
    b, se = fit(hidden["gmv"], on, hidden["interacted"], hidden["activity"])
    assert b[1] * 0.3 - market.truth["indirect:interacted"] > 3 * se[1] * 0.3


def gap(market: object) -> tuple[np.ndarray, np.ndarray]:
    """D17: what the platform sold beyond what the second series foretells, before and from the start on."""
    wide = market.table().pivot(index="period", columns="unit", values="gmv")
    assert wide["platform"].idxmax() == pd.Timestamp("2026-11-11")
    on = wide.index >= market.design.call["start"]
    slope, constant = np.polyfit(wide["control"][~on], wide["platform"][~on], 1)
    rest = (wide["platform"] - constant - slope * wide["control"]).to_numpy()
    return rest[~on], rest[on]


def test_d17_with_and_without_the_second_series() -> None:
    market = world("D17", seed=1)
    before, after = gap(market)
    # Days are correlated with .5, so that a mean of days is less sure than its standard error says; the slope adds.
    near(after.mean(), 3 * before.std() / len(after) ** 0.5, market.truth.value)
    half = gap(world("D17", seed=1, shared=0.5))[1]
    assert half.mean() - market.truth.value > 1_500
    table = market.table()
    platform = table[table["unit"] == "platform"]
    alone = platform.groupby("treated")["gmv"].mean()
    assert alone[1] - alone[0] - market.truth.value > 5_000
    assert market.truth["total"] == market.truth.value * len(after)


def test_d18_three_truths() -> None:
    market = world("D18", n=40_000, seed=1)
    table, users = market.table(), market.truth.users
    own = (table["treated"] == 1).astype(float)
    b, se = fit(table["gmv"], own, users["share"])
    near(b[0], se[0], market.truth["direct"])
    near(b[1], se[1], market.truth["spillover"])
    truth = market.truth
    assert truth["total"] == pytest.approx(truth["direct"] + truth["spillover"])
    assert truth["direct"] < truth["total"] and truth["realised"] == pytest.approx(truth["total"] / 2, rel=0.05)
    block = world("D18", n=40_000, seed=1, assigned="block").table()
    means = block.groupby("block")[["gmv", "treated"]].mean()
    (between,), (se,) = fit(means["gmv"], means["treated"])
    near(between, se, truth["total"])
    assert between - truth["direct"] > 3 * se
    assert mean_basket(PLAIN) == pytest.approx(np.exp(4.4 + 0.32))
