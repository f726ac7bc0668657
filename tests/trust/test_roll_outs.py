"""Roll-outs in the trust room: worlds drawn without logs and their truth, verbs asked for more than an effect."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.errors import InputError
from gmvcausal.trust import Cell, asks, roll_outs
from gmvcausal.trust.gates import gates
from gmvcausal.trust.replicate import replicate

ROOM = "gmvcausal.trust.roll_outs"


# --- zeros ------------------------------------------------------------------------------------------------------------
def test_a_shop_is_what_it_says() -> None:
    trial = roll_outs.shop(n=20_000, seed=1, larger=1.0)
    table = trial.table()
    on = np.isfinite(table["first_treated"])
    assert (table["gmv"] == 0).mean() == pytest.approx(0.5, abs=0.01)
    before = table[table["period"] < 6].groupby(on)["gmv"].mean()
    assert before[True] / before[False] == pytest.approx(2.0, rel=0.05)
    sold = table[table["gmv"] > 0]
    amount = np.log(sold["gmv"])
    assert (amount - amount.groupby(sold["unit"]).transform("mean")).std() == pytest.approx(1.0, abs=0.1)
    change = table[table["period"] >= 6].groupby(on)["gmv"].mean() / before
    assert change[True] / change[False] == pytest.approx(1.3, rel=0.05), "parallel in ratios"
    season = 1 + 0.2 * np.sin(np.pi * np.arange(12) / 2) + 0.02 * np.arange(12)
    assert trial.truth.value == pytest.approx(0.3 * 40 * season[6:].mean())
    again = roll_outs.shop(n=20_000, seed=1, larger=1.0).table()
    pd.testing.assert_frame_equal(table, again)


@pytest.mark.parametrize(
    ("lasting", "low", "high"), [("no", -0.02, 0.07), ("amounts", 0.18, 0.32), ("both", 0.38, 0.55)]
)
def test_shocks_last_as_they_say(lasting: str, low: float, high: float) -> None:
    table = roll_outs.shop(n=40_000, seed=2, lasting=lasting, treated=1, spread=0.0).table()
    y = table["gmv"].to_numpy().reshape(-1, 12)
    found = np.corrcoef(np.minimum(y[:, 3], 400), np.minimum(y[:, 4], 400))[0, 1]
    assert low < found < high


def test_the_truth_of_a_staggered_shop_weighs_cohorts_by_their_post_cells() -> None:
    trial = roll_outs.shop(n=120, seed=3, periods=20, starts=[6, 10, 14])
    season = 1 + 0.2 * np.sin(np.pi * np.arange(20) / 2) + 0.02 * np.arange(20)
    cells = np.concatenate([season[s:] for s in (6, 10, 14)])
    assert trial.truth.value == pytest.approx(6 * cells.mean())
    path = trial.truth.event_study.set_index("event_time")["att"]
    assert path[0] == pytest.approx(6 * season[[6, 10, 14]].mean()) and path[12] == pytest.approx(6 * season[18])
    assert (path[path.index < 0] == 0).all()


def test_the_truth_of_capped_outcomes_by_brute_force() -> None:
    dials: dict[str, Any] = {"periods": 8, "starts": [4], "larger": 0.5, "lift": 0.4}
    trial = roll_outs.shop(n=150_000, seed=4, cap=0.95, **dials)
    table = trial.table()
    on = np.isfinite(table["first_treated"])
    post = table["period"] >= 4
    untreated = table.loc[~(on & post), "gmv"]
    cap = untreated[untreated > 0].quantile(0.95)
    real = table.loc[on & post, "gmv"]
    brute = np.minimum(real, cap).mean() - np.minimum(real / 1.4, cap).mean()
    assert trial.truth.value == pytest.approx(brute, rel=0.03)
    assert trial.truth.value < roll_outs.shop(n=100, seed=4, **dials).truth.value


# --- the other worlds -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("trend", "lot"), [("line", "logit"), ("curve", "curve")])
def test_chosen_units_have_trends_of_their_own(trend: str, lot: str) -> None:
    trial = roll_outs.chosen(n=6000, seed=1, trend=trend, lot=lot)
    assert trial.truth.value == 2.0
    plain = gc.did(trial.table())
    assert plain.estimate - 2.0 > 5 * plain.std_error, "without covariates it is far off"
    right = gc.did(trial.table(), covariates=["x1", "x2"])
    off = abs(right.estimate - 2.0) / right.std_error
    assert off < 4 if (trend, lot) == ("line", "logit") else off > 4


def test_neighbours_are_alike() -> None:
    alike: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(6):
        trial = roll_outs.city(n=250, seed=seed)
        table = trial.table()
        units = table.groupby("unit")[["lat", "lon", "first_treated"]].first()
        at = units[["lat", "lon"]].to_numpy() * 111.2
        apart = np.sqrt(((at[:, None] - at[None]) ** 2).sum(axis=2))
        on = np.isfinite(units["first_treated"].to_numpy())
        same = on[:, None] == on[None]
        alike[True].append(same[(apart < 8) & (apart > 0)].mean())
        alike[False].append(same[apart > 60].mean())
    assert np.mean(alike[True]) > np.mean(alike[False]) + 0.1
    result = gc.did(table, **trial.design.call)
    assert result.estimate == gc.did(table).estimate and result.std_error != gc.did(table).std_error


def test_trends_bend_by_just_the_bound() -> None:
    for shape, bound in (("moves", 2.0), ("slopes", 0.5)):
        table = roll_outs.bent(n=60_000, seed=1, shape=shape, bound=bound, move=1.0, effect=0.0).table()
        on = np.isfinite(table["first_treated"])
        by = table.groupby([on, "period"])["gmv"].mean()
        steps = np.diff((by[True] - by[False]).to_numpy())
        wanted = [0, 1, 0, 0, 2, 2, 2] if shape == "moves" else [0, 0, 0, 0, 0.5, 1.0, 1.5]
        assert steps == pytest.approx(wanted, abs=0.12)


def test_rooms_unlike_the_others_and_rooms_of_a_size() -> None:
    trial = roll_outs.unlike(n=400, seed=1, treated=3, effect=5.0)
    assert trial.truth.value == pytest.approx(5.0)
    on = np.isfinite(trial.table()["first_treated"])
    assert trial.table().loc[on, "unit"].nunique() == 3
    for among in ("upper", "largest"):
        table = roll_outs.rooms(n=60, seed=1, spread=1.0, among=among).table()
        size = table.groupby("unit")[["viewers", "first_treated"]].first()
        mine = size.loc[np.isfinite(size["first_treated"]), "viewers"]
        assert len(mine) == 5 and (mine.max() == size["viewers"].max()) == (among == "largest")
        spread = table.groupby("unit")["gmv"].std()
        assert np.corrcoef(spread, size["viewers"])[0, 1] > 0.8


def test_kinds_of_units_in_cities() -> None:
    trial = roll_outs.kinds(n=400, seed=1)
    table, call = trial.table(), {"estimator": "triple", "eligible": "eligible", **trial.design.call}
    right = gc.did(table, **call)
    assert abs(right.estimate - 2.0) < 4 * right.std_error < 1.0
    alone = asks.among(table, column="eligible", **trial.design.call)
    assert alone.estimate - 2.0 > 3.5 * alone.std_error, "treated cities grow by themselves"
    assert gc.did(table, **{**call, "cluster": "unit"}).std_error < 0.9 * right.std_error


def test_tactics_that_pause_and_coupons_of_several_values() -> None:
    for left in (0.0, 1.0):
        trial = roll_outs.pauses(n=4000, seed=1, left=left)
        result = gc.did(trial.table(), estimator="switching", treated="on")
        assert abs(result.estimate - trial.truth.value) < 4 * result.std_error < 0.6
        row = result.to_frame().set_index("term").loc["at the switch"]
        off = abs(row["estimate"] - 2.0) / row["std_error"]
        assert off < 4 if left == 0 else off > 4
    for dealt in ("lot", "answers"):
        trial = roll_outs.values(n=20_000, seed=1, dealt=dealt)
        rows = gc.did(trial.table(), **trial.design.call).to_frame().set_index("term")
        off = {
            term: abs(rows.loc[term, "estimate"] - trial.truth[term]) / rows.loc[term, "std_error"]
            for term in rows.index
        }
        assert off["overall"] < 4 and (off[roll_outs.SLOPE] < 4 if dealt == "lot" else off[roll_outs.SLOPE] > 8)


# --- verbs ------------------------------------------------------------------------------------------------------------
def test_sensitivity_is_asked_under_one_bound() -> None:
    table = roll_outs.bent(n=100, seed=1).table()
    answer = asks.sensitivity(table, bound=1.0)
    row = gc.did(table).sensitivity(grid=[1.0]).to_frame().iloc[1]
    assert answer.conf_int(0.95) == (row["conf_low"], row["conf_high"]) and math.isnan(answer.conf_int(0.9)[0])


def test_a_p_value_rejects_at_its_own_level() -> None:
    table = roll_outs.shop(n=60, seed=1, lift=0.0).table()
    result = gc.did(table)
    for p in (0.2, 0.06, 0.04, 0.001):
        answer = asks.OnlyP(result, p)
        for level in (0.9, 0.95, 0.99):
            low, high = answer.conf_int(level)
            assert (low > 0 or high < 0) == (p < 1 - level)


def test_verbs_of_the_kit_are_those_of_the_result() -> None:
    table = roll_outs.shop(n=120, seed=1, lift=0.0).table()
    result = gc.did(table)
    assert asks.placebo(table, reps=99).p_value == result.placebo("unit", reps=99).placebo_p
    told = {check.name: check.value for check in result.audit}
    assert asks.check(table, name="pre_trend").p_value == told["pre_trend"]
    assert asks.check(table, name="spillover").estimates.withheld
    again = gc.did(table.assign(segment=table["unit"] % 3)).by("segment").interaction()["p_value"].iloc[0]
    assert asks.segments(table, levels=3).p_value == again
    matched = asks.matched(roll_outs.chosen(n=200, seed=1).table(), on=["x1", "x2"])
    assert matched.std_error > 0 and matched.manifest.options["weights"] == "weight"


# --- cells ------------------------------------------------------------------------------------------------------------
def test_coverage_from_below() -> None:
    common: dict[str, Any] = {"gates": ("runs", "at_least"), "verb": "gmvcausal.trust.asks:sensitivity"}
    with pytest.raises(InputError, match=r"least=0\.94"):
        Cell("x", f"{ROOM}:bent", **common)
    cell = Cell("x", f"{ROOM}:bent", call={"bound": 1.0}, reps=600, least=0.94, **common)
    assert cell.apart and "least" in cell.spec() and "least" not in Cell("y", "D5").spec()
    scores = {"reps": 600, "band": math.nan, "failed": 0.0, "crashed": 0, "failed_mc": 0.0, "reasons": {}}
    for share, passed in ((0.99, True), (0.94, True), (0.93, False)):
        found = gates(cell, {**scores, "coverage95": share, "coverage95_mc": 0.01})
        assert [gate.passed for gate in found] == [True, passed]
    (record,) = replicate([cell], 1, 0).values()
    assert not record.error and record.truth == 2.0 and record.low[1] < record.high[1]
