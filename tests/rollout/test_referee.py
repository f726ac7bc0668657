"""The referee's kit on a result of `did`: placebo tests, segments, leave one out, robustness, power."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from panels import campaigns, rollout, thinned
from protocol import assert_protocol
from scipy import stats

import gmvcausal as gc
from gmvcausal.rollout.referee.placebo_test import PlaceboResult
from gmvcausal.rollout.referee.reassigned import lots_of

FAMILY = ["callaway_santanna", "twfe", "sun_abraham", "imputation", "two_stage", "etwfe"]


def common(n: int = 60, treated: int = 15, periods: int = 8, start: int = 6, effect: float = 2.0, seed: int = 0):
    """All treated start together: unit, period, gmv, first_treated, tier, room, promo."""
    rng = np.random.default_rng(seed)
    first = np.where(np.arange(n) < treated, float(start), np.nan)
    period = np.arange(1, periods + 1)
    y = 20 + rng.normal(0, 3, n)[:, None] + 0.3 * period + rng.normal(size=(n, periods))
    y += effect * (period >= first[:, None])
    unit = np.repeat(np.arange(n), periods)
    return pd.DataFrame({
        "unit": unit, "period": np.tile(period, n), "gmv": y.ravel(), "first_treated": first[unit],
        "tier": np.array(["a", "b", "c"])[unit % 3], "group": unit // 2, "promo": np.tile(period == 3, n).astype(int),
    })  # fmt: skip


def did(frame: pd.DataFrame, **more):
    return gc.did(frame, cluster=more.pop("cluster", "unit"), **more)


# --- other dates ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("estimator", FAMILY)
@pytest.mark.parametrize("weights", [None, "w"])
def test_means_of_cohorts_give_what_the_units_give(estimator: str, weights: str | None) -> None:
    """Dates dealt out anew, and a room left out: each against the estimator on the rows themselves."""
    frame = rollout(60, seed=4)
    result = did(frame, estimator=estimator, weights=weights)
    lots = lots_of(result.panel, result.options, result.estimate)
    assert lots.by_means
    rng = np.random.default_rng(0)
    labels = frame.groupby("unit")["first_treated"].first().to_numpy()
    for _ in range(3):
        deal = rng.permutation(60)
        other = frame.assign(first_treated=labels[deal][frame["unit"]])
        assert lots.headline(lots.start[deal]) == pytest.approx(
            did(other, estimator=estimator, weights=weights).estimate, rel=1e-8
        )
    use = np.arange(60) != 7
    kept = did(frame[frame["unit"] != 7], estimator=estimator, weights=weights)
    assert lots.headline(lots.start, use) == pytest.approx(kept.estimate, rel=1e-8)


def test_absent_rows_take_the_road_over_the_units() -> None:
    frame = thinned(rollout(60, seed=2))
    result = did(frame)
    lots = lots_of(result.panel, result.options, result.estimate)
    assert not lots.by_means and lots.headline(lots.start) == pytest.approx(result.estimate, rel=1e-12)
    use = np.arange(len(lots.start)) != 3
    kept = did(frame[frame["unit"] != result.panel.unit[3]])
    assert lots.headline(lots.start, use) == pytest.approx(kept.estimate, rel=1e-9)


# --- placebo ----------------------------------------------------------------------------------------------------
def test_false_dates_by_hand() -> None:
    """Two by two on five earlier periods: the false starts 2 to 5, by means of the pivoted table."""
    frame = common()
    y = frame.pivot(index="unit", columns="period", values="gmv").to_numpy()[:, :5]
    runs = []
    for start in range(1, 5):
        change = y[:, start:].mean(axis=1) - y[:, :start].mean(axis=1)
        runs.append(change[:15].mean() - change[15:].mean())
    found = did(frame, estimator="two_by_two").placebo("time")
    np.testing.assert_allclose(found.runs, runs, rtol=1e-9)
    assert found.placebo_p == pytest.approx((1 + (np.abs(runs) >= abs(found.estimate)).sum()) / 5)
    assert found.audit["placebo"].status == "passed" and "cannot fall below 0.2" in found.summary()


def test_false_dates_of_staggered_cohorts_are_all_pairs() -> None:
    result = did(rollout(100, periods=8, cohorts=(6, 7), seed=1), estimator="twfe")
    found = result.placebo("time")
    assert len(found.runs) == 4**2
    early = rollout(100, periods=8, cohorts=(6, 7), seed=1).query("period <= 5")
    for run, (a, b) in zip(found.runs, itertools.product(range(2, 6), repeat=2), strict=True):
        moved = early.assign(first_treated=early["first_treated"].map({6.0: float(a), 7.0: float(b)}))
        assert run == pytest.approx(did(moved, estimator="twfe").estimate, rel=1e-8)


@pytest.mark.parametrize("kind", ["unit", "mixed"])
@pytest.mark.parametrize("pool", ["all", "never"])
def test_false_units(kind: str, pool: str) -> None:
    result = did(common(effect=4.0))
    found = result.placebo(kind, reps=199, pool=pool)
    assert isinstance(found, PlaceboResult) and len(found.runs) == 199
    assert found.placebo_p == 1 / 200 and found.estimate == result.estimate and found.conf_int() == result.conf_int()
    assert abs(found.runs.mean()) < 4 * found.runs.std() / np.sqrt(199) + 0.05
    again = result.placebo(kind, reps=199, pool=pool, progress=False)
    np.testing.assert_array_equal(again.runs, found.runs)
    assert (result.placebo(kind, reps=199, pool=pool, seed=1).runs != found.runs).any()
    assert len(found.distribution()) == 199


def test_where_nothing_happened_the_placebo_p_is_uniform() -> None:
    """Dealt out by lot, the pooled test rejects at its level: 120 samples at 20 %."""
    p = [
        did(common(24, 8, 5, 4, 0.0, seed), estimator="two_by_two").placebo("unit", reps=99).placebo_p
        for seed in range(120)
    ]
    assert 12 <= np.count_nonzero(np.array(p) <= 0.2) <= 37  # .2 +- 3 standard errors


def test_runs_do_not_depend_on_rows_names_or_money() -> None:
    frame = common()
    plain = did(frame).placebo("mixed", reps=99)
    for other, scale in (
        (frame.sample(frac=1, random_state=1), 1.0),
        (frame.assign(gmv=frame["gmv"] * 100), 100.0),
        (frame.assign(gmv=frame["gmv"] + 1e7), 1.0),
        (frame.assign(unit="u" + ((frame["unit"] * 17) % 60).astype(str)), 1.0),
    ):
        np.testing.assert_allclose(did(other).placebo("mixed", reps=99).runs, plain.runs * scale, rtol=1e-5, atol=1e-6)


def test_rooms_are_dealt_out_as_a_whole() -> None:
    frame = common(60, 20)
    result = did(frame, cluster="group")
    lots = lots_of(result.panel, result.options, result.estimate)
    assert len(lots.start) == 30 and (lots.start >= 0).sum() == 10
    assert len(result.placebo("unit", reps=99).runs) == 99


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda r: r.placebo("units"), gc.InputError, "kind must be one of"),
        (lambda r: r.placebo("unit", reps=5), gc.InputError, "at least 99"),
        (lambda r: r.placebo("unit", pool="some"), gc.InputError, "pool must be one of"),
        (lambda r: r.placebo("unit", seed=-1), gc.InputError, "seed"),
        (lambda r: r.by("nowhere"), gc.InputError, "nowhere"),
        (lambda r: r.by(3), gc.InputError, "segment must be a column name"),
        (lambda r: r.by("gmv"), gc.InputError, "column of the design"),
        (lambda r: r.by("promo"), gc.InputError, "varies|constant"),
        (lambda r: r.by("tier", adjust="none"), gc.InputError, "adjust must be one of"),
        (lambda r: r.robustness(winsorise=2), gc.InputError, "winsorise"),
        (lambda r: r.robustness(drop=0), gc.InputError, "drop must count"),
        (lambda r: r.robustness(promotion="tier"), gc.InputError, "tier"),
        (lambda r: r.robustness(promotion="odd"), gc.InputError, "marks no days"),
        (lambda r: r.robustness(clusters=["nowhere"]), gc.InputError, "nowhere"),
        (lambda r: r.power(0.01), gc.InputError, "power must exceed alpha"),
    ],
)
def test_calls_that_are_refused(call, error, words) -> None:
    frame = common().assign(odd=lambda f: f["unit"] % 2)
    with pytest.raises(error, match=words):
        call(did(frame))


def test_designs_that_are_refused() -> None:
    with pytest.raises(gc.DesignError, match="false dates need"):
        did(common(start=3)).placebo("time")
    with pytest.raises(gc.DesignError, match="twice as many"):
        did(common(treated=25)).placebo("unit", pool="never")
    stacked = gc.did(campaigns(), estimator="stacked", stack="campaign", treated="treated")
    for call in (stacked.placebo, stacked.leave_one_out, stacked.robustness, lambda: stacked.by("campaign")):
        with pytest.raises((gc.DesignError, gc.InputError)):
            call()
    with pytest.raises(gc.DesignError, match="finds nothing"):
        did(common(30, 12)[lambda f: f["unit"] >= 9]).power()
    with pytest.raises(gc.InputError, match="does not hold its data"):
        pickle.loads(pickle.dumps(did(common()))).by("tier")


# --- segments ---------------------------------------------------------------------------------------------------
def test_levels_are_the_estimates_of_their_rows() -> None:
    frame = common(120, 48)
    frame.loc[(frame["tier"] == "b") & (frame["period"] >= frame["first_treated"]), "gmv"] += 3
    found = did(frame).by("tier")
    table = found.to_frame().set_index("level")
    own = {t: did(frame[frame["tier"] == t]) for t in "abc"}
    for tier, result in own.items():
        assert table.loc[tier, "estimate"] == pytest.approx(result.estimate, rel=1e-9)
        assert table.loc[tier, "std_error"] == pytest.approx(result.std_error, rel=1e-9)
    # Holm over three by hand: the smallest p-value times 3, the next times 2, never below the one before.
    p = np.sort([r.p_value for r in own.values()])
    np.testing.assert_allclose(
        np.sort(table["p_value"][1:]), np.maximum.accumulate(p * [3, 2, 1]).clip(max=1), rtol=1e-9
    )
    assert found.interaction()["p_value"][0] < 0.001 and "differ between the 3 levels" in found.summary()


def test_two_levels_are_tested_by_welch() -> None:
    frame = common(120, 48).assign(tier=lambda f: np.where(f["unit"] % 2, "x", "y"))
    one, two = (did(frame[frame["tier"] == t]) for t in "xy")
    test = did(frame).by("tier", adjust=None).interaction().iloc[0]
    error = [r.std_error * r.estimates.t.factor[0] for r in (one, two)]
    df = [r.estimates.t.df[0] for r in (one, two)]
    total = error[0] ** 2 + error[1] ** 2
    t = (one.estimate - two.estimate) / np.sqrt(total)
    satterthwaite = total**2 / (error[0] ** 4 / df[0] + error[1] ** 4 / df[1])
    assert test["statistic"] == pytest.approx(t**2, rel=1e-9) and test["df2"] == pytest.approx(satterthwaite, rel=1e-9)
    assert test["p_value"] == pytest.approx(2 * stats.t.sf(abs(t), satterthwaite), rel=1e-6)


def test_levels_without_an_answer_are_listed_and_shared_clusters_give_no_test() -> None:
    frame = common(60, 15).assign(tier=lambda f: np.where(f["unit"] < 15, "x", np.where(f["unit"] < 30, "x", "y")))
    found = did(frame).by("tier")
    assert dict(found.hidden)["y"] and found.audit["segment_levels"].status == "warned"
    split = common(80, 40).assign(tier=lambda f: np.where(f["unit"] % 2, "x", "y"))
    shared = did(split, cluster="group").by("tier")
    assert np.isnan(shared.interaction()["p_value"][0]) and "lie in several levels" in shared.summary()


# --- leave one out ----------------------------------------------------------------------------------------------
def test_every_room_is_left_out_in_turn() -> None:
    frame = common(24, 10, 5, 4)
    frame.loc[(frame["unit"] == 4) & (frame["period"] >= 4), "gmv"] += 30
    found = did(frame).leave_one_out()
    own = [did(frame[frame["unit"] != u]).estimate for u in range(24)]
    np.testing.assert_allclose(found.without, own, rtol=1e-9)
    assert found.most == 5 and found.table()["cluster"][0] == 5 and found.table()["treated"][0]
    assert "number 5 of 24" in found.summary() and found.audit["leave_one_out"].status == "passed"
    assert did(common(24, 10, 5, 4, effect=0.0)).leave_one_out().audit["leave_one_out"].status in ("passed", "warned")


# --- robustness -------------------------------------------------------------------------------------------------
def test_every_specification_is_what_did_gives() -> None:
    frame = common(90, 40)
    result = did(frame)
    found = result.robustness(promotion="promo", clusters=["group"])
    table = found.to_frame().set_index("term")
    capped = did(frame, winsorise=0.99)
    by_hand = {
        f"outcome winsorised at {capped.panel.cut.at:.4g} (q 0.99)": capped,
        "without the first period": did(frame[frame["period"] > 1]),
        "without the last period": did(frame[frame["period"] < 8]),
        "without the period of promo": did(frame[frame["promo"] == 0]),
        "controls not yet treated": did(frame, control="not_yet_treated"),
        "clusters by group": did(frame, cluster="group"),
        "estimator twfe": did(frame, estimator="twfe"),
        "estimator imputation": did(frame, estimator="imputation"),
        "estimator two by two": did(frame, estimator="two_by_two"),
    }
    for name, own in by_hand.items():
        row = table.loc[name]
        np.testing.assert_allclose(
            row[["estimate", "std_error", "conf_low", "conf_high", "p_value"]].astype(float),
            [own.estimate, own.std_error, *own.conf_int(), own.p_value],
            rtol=1e-8,
            err_msg=name,
        )
    assert table["audit"].str.startswith(("passed", "warned", "failed")).all() and found.estimate == result.estimate
    assert set(found.curves("specifications").ticks) == set(table.index)


def test_refused_specifications_are_listed() -> None:
    found = did(rollout(100, seed=3)).robustness()
    assert "estimator two by two" in set(found.not_estimated()["spec"])
    assert found.not_estimated()["reason"].str.len().min() > 10 and "Not estimated" in found.summary()
    nothing = did(common().assign(gmv=lambda f: f["gmv"] * (f["unit"] < 3) * (f["period"] > 6))).robustness()
    assert any(n == "outcome winsorised (q 0.99)" and "non-zero outcomes" in why for n, why in nothing.refused)


# --- power ------------------------------------------------------------------------------------------------------
def test_the_smallest_effect_has_the_power_it_says() -> None:
    result = did(common(40, 12, effect=0.0))
    found = result.power(0.8)
    df, error = result.estimates.t.df[0], result.std_error * result.estimates.t.factor[0]
    shift, c = found.effect / error, stats.t.ppf(0.975, df)
    assert stats.nct.sf(c, df, shift) + stats.nct.cdf(-c, df, shift) == pytest.approx(0.8, abs=1e-6)
    assert found.share == pytest.approx(found.effect / result.baseline)
    assert "80 of 100" in found.sentence() and len(found.to_frame()) == 1
    few = did(common(60, 2, effect=0.0)).power()
    low, high = did(common(60, 2, effect=0.0)).conf_int()
    assert few.effect > (high - low) / 2 and "placebo runs" in repr(few)


def test_the_protocol_holds(tmp_path) -> None:
    result = did(common(120, 48, effect=0.5))
    for k, found in enumerate(
        (result.placebo("unit", reps=99), result.by("tier"), result.leave_one_out(), result.robustness())
    ):
        (tmp_path / str(k)).mkdir()
        assert_protocol(found, tmp_path / str(k))


def test_placebo_contradicts_only_a_finding() -> None:
    """An effect that is not told from zero is no doubt; one that a mere trend gives as well is."""
    rng = np.random.default_rng(5)
    week = np.arange(1, 17)
    start = np.repeat(np.where(np.arange(60) < 20, 14.0, np.nan), 16)

    def panel(drift: float) -> pd.DataFrame:
        y = rng.normal(size=(60, 16)) + drift * np.where(np.arange(60) < 20, 1, 0)[:, None] * week
        return pd.DataFrame(
            {
                "unit": np.repeat(np.arange(60), 16),
                "period": np.tile(week, 60),
                "gmv": y.ravel(),
                "first_treated": start,
            }
        )

    quiet = gc.did(panel(0.0), estimator="twfe")
    assert quiet.p_value > 0.05
    assert quiet.placebo("unit", reps=99).audit["placebo"].status == "passed"
    drifting = gc.did(panel(0.1), estimator="twfe")
    assert drifting.p_value < 0.05
    found = drifting.placebo("time", reps=99)
    assert found.placebo_p > 0.1
    assert found.audit["placebo"].status == "warned"
