"""The net of a gain and of what it took from other periods: by hand, by closed form, by known truth."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import gmvcausal as gc
from gmvcausal.errors import DesignError, InputError
from gmvcausal.money import incremental_gmv
from gmvcausal.results.displaced import PullForwardResult
from gmvcausal.stats.inference import fieller
from gmvcausal.stats.path import Path as Effects
from gmvcausal.stats.path import share_taken
from gmvcausal.stats.small_sample import Spread
from tests.protocol import assert_protocol

LIFT = {0: 20.0, 1: -14.0, 2: -4.0}
TERMS = ["net", "during", "after", "borrowed_share"]


@lru_cache
def sales(
    treated: int = 15, control: int = 25, periods: int = 8, start: int = 4, noise: float = 5.0, seed: int = 0
) -> pd.DataFrame:
    """A flash sale in period `start`, of which most is taken from the two periods after it."""
    rng = np.random.default_rng(seed)
    rows = []
    for u in range(treated + control):
        level = 100 + 10 * rng.normal()
        for t in range(periods):
            lift = LIFT.get(t - start, 0.0) if u < treated else 0.0
            first = start if u < treated else None
            y = level + 2 * t + noise * rng.normal() + lift
            rows.append(
                {"unit": u, "period": t, "gmv": y, "first_treated": first, "on": int(u < treated and t == start)}
            )
    return pd.DataFrame(rows)


def wide(frame: pd.DataFrame, columns: list[int], start: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Per unit: the sum of the columns less as many times the period before the start; treated, controls."""
    y = frame.pivot(index="unit", columns="period", values="gmv")
    change = y[columns].sum(axis=1) - len(columns) * y[start - 1]
    on = frame.groupby("unit")["first_treated"].first().notna()
    return change[on].to_numpy(), change[~on].to_numpy()


def terms(result: PullForwardResult) -> dict[str, float]:
    return dict(zip(result.estimates.term, result.estimates.estimate, strict=True))


# --- numbers ----------------------------------------------------------------------------------------------------
def test_sums_by_hand() -> None:
    cov = np.array([[4.0, 1.0, 1.0], [1.0, 9.0, 2.0], [1.0, 2.0, 16.0]])
    path = Effects(
        np.arange(3), np.array([10.0, -6.0, -1.0]), cov, Spread(np.array([9.0, 7.0, 30.0]), np.ones(3) * 1.1)
    )
    point, joint, spread = path.sums(np.array([[1.0, 1, 1], [1, 0, 0], [0, 1, 1]]))
    assert point.tolist() == [3.0, 10.0, -7.0]
    # net: 4 + 9 + 16 + 2 (1 + 1 + 2); after: 9 + 16 + 2 x 2; net with during: 4 + 1 + 1; during with after: 1 + 1.
    assert joint.tolist() == [[37.0, 6.0, 31.0], [6.0, 4.0, 2.0], [31.0, 2.0, 29.0]]
    assert spread.df.tolist() == [7.0, 9.0, 7.0]
    share = share_taken(point, joint, spread, [2], 1)
    assert share.estimate == pytest.approx(0.7, rel=1e-14)
    critical = float(stats.t.ppf(0.975, 7))
    wanted = fieller(7.0, 10.0, 29 * 1.21, 4 * 1.21, -2 * 1.21, critical)
    assert share.accepted(0.95)[:2] == pytest.approx(wanted, rel=1e-12)


def test_eight_rows_by_hand() -> None:
    # Two rooms, four weeks: 10, 10 | 16, 5 beside 10, 10 | 11, 12: gains 6 - 1 and then -5 - 2.
    rows = [("a", t, y, 3) for t, y in enumerate((10, 10, 16, 5), 1)]
    rows += [("b", t, y, None) for t, y in enumerate((10, 10, 11, 12), 1)]
    frame = pd.DataFrame(rows, columns=["unit", "period", "gmv", "first_treated"])
    found = gc.did(frame).pull_forward()
    assert terms(found) == {"net": -2.0, "during": 5.0, "after": -7.0, "borrowed_share": 1.4}
    assert found.cumulative()["cumulative"].tolist() == [5.0, -2.0]
    assert np.isnan(found.std_error) and found.estimates.withheld


def test_the_closed_form() -> None:
    frame = sales()
    found = gc.did(frame).pull_forward(3)
    out = found.to_frame().set_index("term")
    for term, columns in (("net", [4, 5, 6]), ("during", [4]), ("after", [5, 6])):
        on, off = wide(frame, columns)
        assert out.loc[term, "estimate"] == pytest.approx(on.mean() - off.mean(), rel=1e-10)
        error = np.sqrt(on.var() / len(on) + off.var() / len(off))
        assert out.loc[term, "std_error"] == pytest.approx(error, rel=1e-8)
    assert out.loc["net", "unit"] == "gmv per unit over 3 periods"
    (g_on, g_off), (d_on, d_off) = wide(frame, [4]), wide(frame, [5, 6])
    half = [
        len(x) / (len(x) - 1) / len(x) * np.cov(g, d, bias=True)
        for x, g, d in ((g_on, g_on, d_on), (g_off, g_off, d_off))
    ]
    cov = half[0] + half[1]
    df = found.estimates.t.df[3]
    low, high = fieller(
        -out.loc["after", "estimate"], out.loc["during", "estimate"], cov[1, 1], cov[0, 0], -cov[0, 1],
        float(stats.t.ppf(0.975, df)),
    )  # fmt: skip
    share = out.loc["borrowed_share"]
    assert share["estimate"] == pytest.approx(-out.loc["after", "estimate"] / out.loc["during", "estimate"])
    # The factor of the least certain sum is used for all three.
    assert (share["conf_low"], share["conf_high"]) == pytest.approx((low, high), rel=0.01)


@pytest.mark.parametrize(
    "estimator",
    ["callaway_santanna", "sun_abraham", "imputation", "two_stage", "etwfe", "two_by_two", "twfe", "poisson"],
)
def test_every_estimator_adds_up_its_event_study(estimator: str) -> None:
    result = gc.did(sales(), estimator=estimator)
    found, study = result.pull_forward(4), result.event_study().set_index("event_time")["estimate"]
    got = terms(found)
    assert got["during"] == pytest.approx(study[0], rel=1e-12)
    assert got["net"] == pytest.approx(study[[0, 1, 2, 3]].sum(), rel=1e-9)
    assert got["net"] == pytest.approx(got["during"] + got["after"], rel=1e-9)
    low, high = found.conf_int()
    assert low < got["net"] < high
    # The same panel as the push alone has the interval of that period.
    alone = result.event_study().set_index("event_time").loc[0]
    row = found.row(1)
    assert (row.low, row.high) == pytest.approx((alone["conf_low"], alone["conf_high"]), rel=1e-9)


def test_sums_have_the_interval_of_the_summed_outcome() -> None:
    """Two periods as one: the difference in differences of the sums is the net, standard error and all."""
    frame = sales(periods=6)
    block = frame[frame["period"] >= 2].assign(period=lambda f: (f["period"] >= 4).astype(int))
    two = block.groupby(["unit", "period"], as_index=False).agg(gmv=("gmv", "sum"), on=("on", "max"))
    two["first_treated"] = np.where(two["unit"] < 15, 1, np.nan)
    whole = gc.did(two, estimator="two_by_two")
    # Imputation measures from the mean of all periods before; with two of them the sums differ by nothing.
    net = gc.did(frame[frame["period"] >= 2], estimator="imputation").pull_forward(2)
    assert net.estimate == pytest.approx(whole.estimate, rel=1e-10)
    assert net.std_error == pytest.approx(whole.std_error, rel=0.05)


def test_relations() -> None:
    frame = sales()
    base = gc.did(frame).pull_forward(4).to_frame()
    shuffled = frame.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(gc.did(shuffled).pull_forward(4).to_frame(), base, rtol=1e-9)
    numbers = ["estimate", "std_error", "conf_low", "conf_high"]
    scaled = gc.did(frame.assign(gmv=frame["gmv"] * 100)).pull_forward(4).to_frame()
    np.testing.assert_allclose(scaled[numbers][:3], 100 * base[numbers][:3], rtol=1e-9)
    np.testing.assert_allclose(scaled[numbers][3:], base[numbers][3:], rtol=1e-9)
    moved = gc.did(frame.assign(gmv=frame["gmv"] + 1e7)).pull_forward(4).to_frame()
    np.testing.assert_allclose(moved[numbers], base[numbers], rtol=1e-5)


# --- designs ----------------------------------------------------------------------------------------------------
def staggered() -> pd.DataFrame:
    early = sales()
    late = sales(start=6, seed=1).assign(unit=lambda f: f["unit"] + 100)
    return pd.concat([early, late[late["first_treated"].notna()]], ignore_index=True)


def test_cohorts_seen_too_short_are_left_out_of_the_sums() -> None:
    frame = staggered()
    result = gc.did(frame)
    found = result.pull_forward(4)  # the late start in period 6 of 0 to 7
    alone = gc.did(frame[~frame["unit"].between(100, 199) | frame["first_treated"].isna()]).pull_forward(4)
    pd.testing.assert_frame_equal(found.to_frame().drop(columns="n"), alone.to_frame().drop(columns="n"), rtol=1e-9)
    assert found.audit["seen_too_short"].status == "warned"
    assert any("15 treated units are not seen for 4 periods" in note for note in found.manifest.notes)
    both = result.pull_forward(2)
    assert "seen_too_short" not in both.audit
    study = result.event_study().set_index("event_time")["estimate"]
    assert both.estimate == pytest.approx(study[0] + study[1], rel=1e-10)


def test_a_missing_period_ends_what_is_seen() -> None:
    whole = gc.did(sales(periods=11)[lambda f: f["period"] != 6])
    assert whole.pull_forward().window.length == 2
    with pytest.raises(InputError, match="for more than 2 periods"):
        whole.pull_forward(3)


def test_stacked_campaigns() -> None:
    parts = []
    for campaign, start in enumerate((3, 5)):
        one = sales(start=start, periods=9, seed=campaign)
        one = one[one["period"].between(start - 3, start + 3)].assign(stack=campaign)
        parts.append(one.assign(treated=((one["unit"] < 15) & (one["period"] >= start)).astype(int)))
    stack = pd.concat(parts, ignore_index=True).drop(columns=["first_treated", "on"])
    result = gc.did(stack, estimator="stacked", treated="treated", stack="stack")
    study = result.event_study().set_index("event_time")["estimate"]
    found = result.pull_forward(3)
    assert found.estimate == pytest.approx(study[[0, 1, 2]].sum(), rel=1e-10) and found.row(1).low > 0
    once = stack.assign(treated=stack["treated"] * (stack["period"] == 3 + 2 * stack["stack"]))
    with pytest.raises(DesignError, match="no event study"):
        gc.did(once, estimator="stacked", treated="treated", stack="stack").pull_forward(3)


def test_the_push_is_as_long_as_the_tactic_is_on() -> None:
    frame = sales()
    found = gc.did(frame, treated="on", estimator="switching").pull_forward(4)
    assert found.window.during == 1 and found.audit["tactic_again"].status == "passed"
    longer = frame.assign(on=((frame["unit"] < 15) & frame["period"].between(4, 5)).astype(int))
    found = gc.did(longer, treated="on", estimator="switching").pull_forward(4)
    assert found.window.during == 2
    again = frame.assign(on=((frame["unit"] < 15) & frame["period"].isin([4, 6])).astype(int))
    twice = gc.did(again, treated="on", estimator="switching").pull_forward(4)
    assert twice.audit["tactic_again"].status == "warned" and twice.audit["tactic_again"].value == 1.0
    uneven = frame.assign(on=((frame["unit"] < 15) & frame["period"].between(4, 4 + frame["unit"] % 2)).astype(int))
    with pytest.raises(InputError, match="1 to 2 periods"):
        gc.did(uneven, treated="on", estimator="switching").pull_forward(4)


def test_units_that_switch_off_have_no_start() -> None:
    frame = sales()
    off = frame.assign(on=((frame["unit"] < 15) & (frame["period"] < 4)).astype(int))
    off.loc[off["unit"] >= 35, "on"] = 1
    with pytest.raises(DesignError, match="begin under the tactic"):
        gc.did(off, treated="on", estimator="switching").pull_forward(3)


def test_periods_before_the_start_count_where_asked() -> None:
    frame = sales()
    with pytest.raises(InputError, match="anticipation=1"):
        gc.did(frame).pull_forward(3, before=1)
    result = gc.did(frame, anticipation=1)
    found, study = result.pull_forward(3, before=1), result.event_study().set_index("event_time")["estimate"]
    got = terms(found)
    assert found.estimates.term == ("net", "during", "after", "before", "borrowed_share")
    assert got["before"] == pytest.approx(study[-1], rel=1e-12)
    assert got["net"] == pytest.approx(study[[-1, 0, 1, 2]].sum(), rel=1e-10)
    assert got["borrowed_share"] == pytest.approx(-(got["before"] + got["after"]) / got["during"], rel=1e-10)
    assert found.to_frame().set_index("term").loc["net", "first_period"] == -1


def test_few_treated_clusters_have_placebo_intervals() -> None:
    frame = sales(treated=4, control=46)
    result = gc.did(frame)
    found = result.pull_forward(3)
    assert found.estimates.method.startswith("placebo runs") and np.isnan(found.std_error)
    cut = gc.did(frame[frame["period"] <= 6])
    low, high = cut.conf_int()
    assert found.conf_int() == pytest.approx((3 * low, 3 * high), rel=1e-9)
    dip = gc.did(frame[frame["period"].isin([0, 1, 2, 3, 5, 6])].assign(
        first_treated=lambda f: f["first_treated"].where(f["first_treated"].isna(), 5)))  # fmt: skip
    after = found.row(2)
    assert (after.low, after.high) == pytest.approx(tuple(2 * x for x in dip.conf_int()), rel=1e-9)
    assert np.isnan(found.row(3).low) and "share has no interval" in found.estimates.withheld
    assert_protocol(found)


def test_protocol(tmp_path: Any) -> None:
    found = gc.did(sales()).pull_forward()
    assert_protocol(found, tmp_path, (None, "cumulative", "estimates"))
    assert found.window.length == 4
    text = " ".join(found.summary().split())
    assert "quote the net" in text and "in the first period" in text and "was taken from other periods" in text
    frame = found.cumulative()
    assert frame["cumulative"].iloc[-1] == pytest.approx(found.estimate)
    assert (frame["conf_low"].iloc[-1], frame["conf_high"].iloc[-1]) == pytest.approx(found.conf_int())


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        ({"window": 1}, "at least 2"),
        ({"window": True}, "at least 2"),
        ({"window": 9}, "for more than 4 periods"),
        ({"window": 3, "during": 3}, "more than 3 periods"),
        ({"during": 0}, "at least 1"),
        ({"before": -1}, "at least 0"),
        ({"before": None}, "at least 0"),
    ],
)
def test_calls_that_are_refused(ask: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        gc.did(sales()).pull_forward(**ask)


def test_designs_that_are_refused() -> None:
    frame = sales()
    with pytest.raises(DesignError, match="no event study"):
        gc.did(frame, estimator="naive").pull_forward()
    with pytest.raises(DesignError, match="nothing is seen of what followed"):
        gc.did(frame[frame["period"] <= 4]).pull_forward()


# --- the audit of the effect itself -----------------------------------------------------------------------------
def test_the_audit_warns_of_a_dip_and_of_a_short_window() -> None:
    frame = sales()
    check = gc.did(frame).audit["pull_forward"]
    assert check.status == "warned" and check.value is not None and check.value < 0.05
    assert "pull_forward(window=" in check.remedy
    short = gc.did(frame[frame["period"] <= 4]).audit["pull_forward"]
    assert short.status == "warned" and "only the first period" in short.message
    # A lasting gain is not borrowed, nor is a lasting loss.
    for size in (20.0, -20.0):
        kept = frame["gmv"] + np.where((frame["unit"] < 15) & (frame["period"] >= 5), 40 * np.sign(size), 0.0)
        kept = kept + np.where((frame["unit"] < 15) & (frame["period"] == 4), size - 20.0, 0.0)
        assert gc.did(frame.assign(gmv=kept)).audit["pull_forward"].status == "passed"
    nothing = frame[(frame["unit"] >= 15)].assign(first_treated=lambda f: np.where(f["unit"] < 27, 4.0, np.nan))
    assert gc.did(nothing[nothing["period"] <= 4]).audit["pull_forward"].status == "passed"
    assert gc.did(sales(treated=4, control=46)).audit["pull_forward"].status == "not_run"


@lru_cache
def d9(seed: int = 1) -> pd.DataFrame:
    market = gc.simulate.world(
        "D9", n=60, seed=seed, lead=0, wait=0.0, effect=1200.0, duration=1, borrowed=1.0, payback=1
    )
    return market.table()


def test_d9_week_one_borrowed_from_week_two() -> None:
    frame = d9()
    result = gc.did(frame)
    net = result.pull_forward(4)
    low, high = net.conf_int()
    assert low < 0 < high and net.p_value > 0.05
    assert net.row(1).low > 0 and net.row(2).high < 0
    share = net.row(3)
    assert share.low < 1.0 < share.high
    assert result.audit["pull_forward"].status == "warned"
    starts = frame["first_treated"].dropna().unique()
    seen = frame[frame["period"] <= pd.Timestamp(starts[0])]
    short = gc.did(seen)
    assert short.estimate > 900 and short.audit["pull_forward"].status == "warned"
    assert "pull_forward" in short.summary()


def draw(rng: np.random.Generator, lift: tuple[float, ...]) -> pd.DataFrame:
    y = rng.normal(0, 4, (30, 1)) + rng.normal(0, 5, (30, 7))
    y[:12, 3:7] += lift
    unit, period = np.divmod(np.arange(y.size), 7)
    return pd.DataFrame(
        {"unit": unit, "period": period, "gmv": y.ravel(), "first_treated": np.where(unit < 12, 3.0, np.nan)}
    )


@pytest.mark.parametrize(
    ("estimator", "lift"), [("callaway_santanna", (15, -15, 0, 0)), ("imputation", (15, -9, -3, 0))]
)
def test_the_net_is_covered(estimator: str, lift: tuple[float, ...]) -> None:
    rng = np.random.default_rng(5)
    hits, shares, reps = 0, 0, 120
    for _ in range(reps):
        found = gc.did(draw(rng, lift), estimator=estimator).pull_forward(4)
        low, high = found.conf_int()
        hits += low <= sum(lift) <= high
        share = found.row(3)
        shares += share.low <= -sum(lift[1:]) / lift[0] <= share.high
    # 95 % less three Monte Carlo standard errors.
    assert hits >= 0.89 * reps and shares >= 0.89 * reps


def test_false_alarms_are_rare() -> None:
    rng = np.random.default_rng(6)
    lifts: list[tuple[float, ...]] = [(0, 0, 0, 0), (15, 8, 4, 2)]
    alarms = sum(gc.did(draw(rng, lifts[i % 2])).audit["pull_forward"].status == "warned" for i in range(150))
    assert alarms <= 0.07 * 150


def test_results_flow_on(tmp_path: Path) -> None:
    result = gc.did(sales())
    net = result.pull_forward(4)
    assert "gain and pull-forward" in str(gc.table(result, net))
    gc.report([result, net], tmp_path / "page.html")
    assert "over 4 periods" in (tmp_path / "page.html").read_text(encoding="utf-8")
    money = net.incremental_gmv(cost=100, cost_is="other", gmv_is="paid", margin=0.5)
    out = money.to_frame().set_index("term")["estimate"]
    assert out["incremental_gmv"] == pytest.approx(15 * net.estimate, rel=1e-12)
    assert out["profit"] == pytest.approx(7.5 * net.estimate - 100, rel=1e-12)
    assert money.conf_int() == pytest.approx(tuple(15 * x for x in net.conf_int()), rel=1e-9)
    assert_protocol(money)
    few = gc.did(sales(treated=4, control=46)).pull_forward(3)
    assert few.incremental_gmv().conf_int() == pytest.approx(tuple(4 * x for x in few.conf_int()), rel=1e-9)
    with pytest.raises(InputError, match="must be a number here"):
        net.incremental_gmv(cost=result, cost_is="other", gmv_is="paid")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Leave them out"):
        incremental_gmv(net, metric="gmv")
