"""Switchbacks: blocks by hand, a second implementation, washout, what is refused, what is warned of, and coverage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.abtest.designs.schedule import sets_of_blocks

# Ten blocks of two rows: 99 is washed out, and five values of each arm are left.
LEFT = {0: [1.0, 3.0, 2.0, 2.0, 2.0], 1: [5.0, 3.0, 4.0, 8.0, 5.0]}
TEN = pd.DataFrame(
    [(2 * k + late, k % 2, LEFT[k % 2][k // 2] if late else 99.0) for k in range(10) for late in (0, 1)],
    columns=["t", "arm", "gmv"],
)


def rooms(seed: int = 0, effect: float = 3.0, places: int = 6, days: int = 10, every: str = "2h") -> pd.DataFrame:
    """Half-hours of rooms under a schedule; GMV is higher in the evening and differs between rooms."""
    frame = pd.DataFrame({"room": [f"room {k}" for k in range(places)]})
    plan = gc.assign(
        frame,
        unit="room",
        arms=["none", "coupon"],
        method="switchback",
        start="2025-11-01",
        blocks=days * 12,
        every=every,
        seed=seed,
    )
    rng = np.random.default_rng(seed + 1)
    bins = plan.loc[plan.index.repeat(4)].reset_index(drop=True)
    bins["at"] = bins["start"] + pd.to_timedelta(30 * (np.arange(len(bins)) % 4), unit="min")
    hour = bins["at"].dt.hour
    level = bins["room"].str[-1].astype(float) * 5
    bins["gmv"] = rng.gamma(4, 5, len(bins)) + level + 10 * (hour >= 20) + effect * (bins["arm"] == "coupon")
    bins["hour"] = hour.astype(str)
    return bins.drop(columns=["start", "end", "probability"])


ROOMS = rooms()
ASK: dict[str, Any] = {
    "metrics": [gc.Mean("gmv", cap=None)],
    "control": "none",
    "cluster": "room",
    "time": "at",
    "washout": "30min",
}


def test_by_hand() -> None:
    # means 2 and 5, variances .5 and 3.5 of five blocks each: se^2 = 4/5
    result = gc.ab_test(TEN, metrics=["gmv"], time="t", washout=1)
    assert result.estimate == pytest.approx(3.0, rel=1e-14)
    assert result.std_error == pytest.approx(math.sqrt(0.8), rel=1e-12)
    assert result.manifest.dropped == {"rows within the washout": 10} and result.n == 10
    df = 0.8**2 / ((0.1**2 + 0.7**2) / 4)
    assert result.to_frame()["df"][0] == pytest.approx(df, rel=1e-12)
    with pytest.raises(gc.DesignError, match="leaves no row of arm '0'"):
        gc.ab_test(TEN, metrics=["gmv"], time="t", washout=2)


def test_a_second_implementation() -> None:
    """Blocks by a loop; within each room the mean of an arm, and its jackknife over blocks."""
    result = gc.ab_test(ROOMS, **ASK)
    estimate = variance = 0.0
    kept = []
    for _, room in ROOMS.groupby("room"):
        room = room.sort_values("at")
        block = (room["arm"] != room["arm"].shift()).cumsum()
        begin = room.groupby(block)["at"].transform("min")
        kept.append(room.assign(block=block)[room["at"] - begin >= pd.Timedelta("30min")])
    total = sum(map(len, kept))
    for room in kept:
        weight = len(room) / total
        for arm, sign in (("coupon", 1), ("none", -1)):
            own = room[room["arm"] == arm]
            estimate += sign * weight * own["gmv"].mean()
            without = np.array([own.loc[own["block"] != b, "gmv"].mean() for b in own["block"].unique()])
            c = len(without)
            variance += weight**2 * (c - 1) / c * ((without - own["gmv"].mean()) ** 2).sum()
    assert result.estimate == pytest.approx(estimate, rel=1e-12)
    assert result.std_error == pytest.approx(math.sqrt(variance), rel=1e-10)
    assert result.n == total and "within room" in result.estimand


def test_relations() -> None:
    plain = gc.ab_test(ROOMS, **ASK)
    mixed = gc.ab_test(ROOMS.sample(frac=1, random_state=1), **ASK)
    scaled = gc.ab_test(ROOMS.assign(gmv=ROOMS["gmv"] * 100), **ASK)
    later = gc.ab_test(ROOMS.assign(at=ROOMS["at"] + pd.Timedelta("700D")), **ASK)
    offset = gc.ab_test(ROOMS.assign(gmv=ROOMS["gmv"] + 1e7), **ASK)
    for other, by in ((mixed, 1), (scaled, 100), (later, 1), (offset, 1)):
        assert other.estimate == pytest.approx(by * plain.estimate, rel=1e-7)
        assert other.std_error == pytest.approx(by * plain.std_error, rel=1e-7)
    assert plain.manifest.data_sha256 == mixed.manifest.data_sha256


def test_numbers_and_dates_are_one_clock() -> None:
    minutes = (ROOMS["at"] - ROOMS["at"].min()) // pd.Timedelta("1min")
    by_number = gc.ab_test(ROOMS.assign(at=minutes), **{**ASK, "washout": 30})
    by_text = gc.ab_test(ROOMS.assign(at=ROOMS["at"].dt.strftime("%Y-%m-%d %H:%M:%S")), **ASK)
    by_delta = gc.ab_test(ROOMS, **{**ASK, "washout": pd.Timedelta("30min")})
    wanted = gc.ab_test(ROOMS, **ASK)
    assert by_number.estimate == by_text.estimate == by_delta.estimate == wanted.estimate


def test_a_file_gives_the_same(tmp_path: Any) -> None:
    ROOMS.to_parquet(tmp_path / "rooms.parquet")
    first, second = gc.ab_test(ROOMS, **ASK), gc.ab_test(tmp_path / "rooms.parquet", **ASK)
    assert first.estimate == second.estimate and first.std_error == second.std_error


def test_users_come_back_under_another_arm() -> None:
    users = ROOMS.assign(user=np.arange(len(ROOMS)) % 50)
    result = gc.ab_test(users, unit="user", **ASK)
    assert result.estimate == gc.ab_test(ROOMS, **ASK).estimate and "repeated_units" not in result.audit


def test_the_hour_as_a_covariate_narrows() -> None:
    plain = gc.ab_test(ROOMS, **ASK)
    adjusted = gc.ab_test(ROOMS, **{**ASK, "metrics": [gc.Mean("gmv", pre="hour", cap=None)]})
    assert adjusted.std_error < 0.8 * plain.std_error
    low, high = adjusted.conf_int()
    assert low < 3 < high


def test_all_checks_pass_on_a_clean_schedule() -> None:
    audit = gc.ab_test(ROOMS, **ASK).audit
    for name in ("sample_ratio", "switches", "washed_out", "repeated_rows", "carry_over", "time_balance"):
        assert audit[name].status == "passed", name


def test_a_market_that_switches_as_a_whole() -> None:
    one = rooms(seed=3, places=1, days=28)
    result = gc.ab_test(one, metrics=["gmv"], control="none", time="at", washout="30min")
    assert result.audit["few_clusters"].message.startswith("clusters by block:")
    assert "within" not in result.estimand and result.conf_int()[0] < 3 < result.conf_int()[1]


def test_an_effect_that_outlasts_the_washout_is_seen() -> None:
    late = ROOMS.sort_values(["room", "at"])
    on = late["arm"].eq("coupon").astype(float)
    memory = on.groupby(late["room"]).transform(lambda x: x.ewm(halflife=3).mean())
    slow = late.assign(gmv=late["gmv"] + 60 * memory)
    assert gc.ab_test(slow, **ASK).audit["carry_over"].status == "warned"


def test_night_against_day_is_seen() -> None:
    by_day = ROOMS.assign(arm=np.where(ROOMS["at"].dt.hour < 12, "none", "coupon"))
    check = gc.ab_test(by_day, **ASK).audit["time_balance"]
    assert check.status == "warned" and "time of day" in check.message
    early = ROOMS.assign(arm=np.where((ROOMS["at"].dt.day < 6) ^ (ROOMS["at"].dt.hour == 3), "none", "coupon"))
    assert gc.ab_test(early, **{**ASK, "washout": 0}).audit["time_balance"].status == "warned"


def test_shares_are_of_the_time_not_of_rows() -> None:
    # four times the rows under the coupon are an effect, not a broken lot
    many = pd.concat([ROOMS, *[ROOMS[ROOMS["arm"] == "coupon"].assign(gmv=1.0)] * 3], ignore_index=True)
    check = gc.ab_test(many, **ASK).audit["sample_ratio"]
    assert check.status == "passed" and "50.0% of the time" in check.message
    wrong = gc.ab_test(ROOMS, **ASK, expected_ratio={"none": 0.8, "coupon": 0.2}).audit["sample_ratio"]
    assert wrong.status == "failed"


def test_shares_of_one_in_five() -> None:
    plan = gc.assign(
        pd.DataFrame({"room": range(5)}), unit="room", arms={"none": 0.8, "coupon": 0.2}, method="switchback", start=0,
        blocks=200, every=4,
    )  # fmt: skip
    bins = plan.loc[plan.index.repeat(4)].reset_index(drop=True)
    bins["at"] = bins["start"] + np.arange(len(bins)) % 4
    bins["gmv"] = np.random.default_rng(1).gamma(2, 5, len(bins))
    options = {"metrics": ["gmv"], "control": "none", "cluster": "room", "time": "at", "washout": 1}
    told = gc.ab_test(bins, **options, expected_ratio={"none": 0.8, "coupon": 0.2})
    assert told.audit["sample_ratio"].status == "passed"
    assert gc.ab_test(bins, **options).audit["sample_ratio"].status == "failed"


def test_rooms_that_never_switch() -> None:
    still = ROOMS.assign(arm=np.where(ROOMS["room"] == "room 2", "none", ROOMS["arm"]))
    result = gc.ab_test(still, **ASK)
    assert result.audit["switches"].status == "warned" and result.audit["switches"].value == 1
    wanted = gc.ab_test(ROOMS[ROOMS["room"] != "room 2"], **ASK)
    assert result.estimate == wanted.estimate and result.std_error == wanted.std_error
    assert "rows of places with fewer than two blocks of some arm" in result.manifest.dropped


def test_rooms_that_switch_once_are_compared_over_all() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"room": np.repeat(np.arange(40), 6), "t": np.tile(np.arange(6), 40)})
    first = rng.integers(0, 2, 40)[frame["room"]]
    frame["arm"] = np.where(frame["t"] < 3, first, 1 - first)
    frame["gmv"] = rng.gamma(2, 5, len(frame)) + 4 * frame["arm"]
    result = gc.ab_test(frame, metrics=["gmv"], cluster="room", time="t", washout=1)
    assert result.audit["few_clusters"].value == 40 and "within" not in result.estimand
    assert any("compared over all places" in note for note in result.manifest.notes)


def test_blocks_within_the_washout_are_counted() -> None:
    short = gc.ab_test(ROOMS, **{**ASK, "washout": "2h"})
    assert short.audit["washed_out"].status == "warned"
    assert any("not longer than the washout" in note for note in short.manifest.notes)


def test_a_file_read_twice_is_seen() -> None:
    twice = gc.ab_test(pd.concat([ROOMS, ROOMS]), **ASK)
    assert twice.audit["repeated_rows"].status == "warned"
    assert twice.std_error == pytest.approx(gc.ab_test(ROOMS, **ASK).std_error, rel=1e-12)


STILL = ROOMS.assign(arm=np.where(ROOMS["room"] < "room 3", "none", "coupon"))
GAP = ROOMS.assign(at=ROOMS["at"].mask(ROOMS.index == 7))
REFUSED: dict[str, tuple[pd.DataFrame, dict[str, Any], type, str]] = {
    "no time": (ROOMS, {"time": None}, gc.InputError, "needs the time of every row"),
    "no washout": (ROOMS, {"washout": None}, gc.InputError, "whose row it is.*switchback pass washout="),
    "a washout without a unit": (ROOMS, {"washout": 30}, gc.InputError, "length of time such as"),
    "a word": (ROOMS, {"washout": "an hour"}, gc.InputError, "length of time such as"),
    "negative": (ROOMS, {"washout": pd.Timedelta("-1h")}, gc.InputError, "length of time such as"),
    "all is washed out": (ROOMS, {"washout": "30D"}, gc.DesignError, "leaves no row of arm"),
    "never switched": (STILL, {}, gc.DesignError, "never changes.*cluster='room'"),
    "two arms at once": (ROOMS, {"cluster": None}, gc.InputError, "moments hold more than one arm"),
    "strata": (ROOMS, {"strata": "hour"}, gc.InputError, "cannot be used in a switchback"),
    "triggered": (ROOMS.assign(seen=1), {"triggered": "seen"}, gc.InputError, "cannot be used in a switchback"),
    "a missing time": (GAP, {}, gc.InputError, "time is missing.*position 7"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    frame, options, kind, words = REFUSED[case]
    with pytest.raises(kind, match=words):
        gc.ab_test(frame, **{**ASK, **options})


# --- the schedule -----------------------------------------------------------------------------------------------------
def plan(**options: Any) -> pd.DataFrame:
    given = {"unit": "room", "arms": ["none", "coupon"], "method": "switchback", "start": "2025-11-01", "blocks": 24,
             "every": "2h"}  # fmt: skip
    return gc.assign(pd.DataFrame({"room": ["a", "b", "c"]}), **{**given, **options})


def test_the_schedule_is_balanced_by_time_of_day() -> None:
    table = plan()
    assert list(table.columns) == ["room", "start", "end", "arm", "probability"] and len(table) == 72
    assert ((table["end"] - table["start"]) == pd.Timedelta("2h")).all()
    by_hour = table.groupby(["room", table["start"].dt.hour])["arm"].agg(lambda a: set(a) == {"none", "coupon"})
    assert by_hour.all()
    assert plan().equals(table) and not plan(seed=1)["arm"].equals(table["arm"])
    assert table["arm"].groupby(table["room"]).apply(tuple).nunique() == 3


def test_blocks_that_do_not_fit_into_a_day_are_paired_in_time() -> None:
    table = plan(every="5h")
    pairs = table["arm"].to_numpy().reshape(-1, 2)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert sets_of_blocks(5, 0, 2).tolist() == [0, 0, 1, 1, 2]
    assert sets_of_blocks(6, 2, 2).tolist() == [0, 1, 0, 1, 2, 3]


def test_every_block_is_as_likely_to_be_treated() -> None:
    hits = np.mean([plan(seed=s, arms={"none": 0.7, "coupon": 0.3})["arm"] == "coupon" for s in range(200)], axis=0)
    assert np.abs(hits - 0.3).max() < 4.5 * math.sqrt(0.21 / 200)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every": None}, "needs every="),
        ({"blocks": 1}, "whole number from 2"),
        ({"every": 2}, "length of time"),
        ({"every": "0h"}, "longer than 0"),
        ({"start": "soon"}, "must be a date"),
        ({"start": pd.Timestamp("2025-11-01", tz="Asia/Shanghai")}, "time zone"),
        ({"strata": "room"}, "neither strata nor covariates"),
        ({"salt": "x"}, "salt= has no meaning"),
        ({"method": "stratified"}, "no meaning for method='stratified'"),
    ],
)
def test_bad_schedules(options: dict[str, Any], words: str) -> None:
    with pytest.raises(gc.InputError, match=words):
        plan(**options)


def test_coverage() -> None:
    """Serially correlated rooms, a market that lives in the evening: 5 % misses at most, and not wastefully few."""
    rng = np.random.default_rng(9)
    runs, wrong, errors, found = 50, 0, [], []
    for run in range(runs):
        frame = rooms(seed=1000 + run, effect=2.0, places=4, days=8)
        noise = rng.normal(0, 3, len(frame))
        for k in range(1, len(noise)):
            noise[k] += 0.7 * noise[k - 1]
        frame["gmv"] += noise
        result = gc.ab_test(frame, **{**ASK, "metrics": [gc.Mean("gmv", pre="hour", cap=None)]})
        low, high = result.conf_int()
        wrong += not low <= 2 <= high
        errors.append(result.std_error)
        found.append(result.estimate)
    assert wrong / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert abs(np.mean(found) - 2) < 4 * np.std(found) / math.sqrt(runs)
    assert 0.75 < np.mean(errors) / np.std(found) < 2


def test_power_counts_blocks_as_clusters() -> None:
    """Blocks that differ (intraclass correlation .2): the share of runs that find the effect is what `power` says."""
    rng = np.random.default_rng(3)
    runs, found, left = 120, 0, 0
    for run in range(runs):
        given = plan(blocks=42, every="4h", seed=run)
        bins = given.loc[given.index.repeat(8)].reset_index(drop=True)
        bins["at"] = bins["start"] + pd.to_timedelta(30 * (np.arange(len(bins)) % 8), unit="min")
        block = np.repeat(rng.normal(0, 3, len(given)), 8)
        bins["gmv"] = 20 + block + rng.normal(0, 6, len(bins)) + 2.1 * (bins["arm"] == "coupon")
        result = gc.ab_test(bins, **{**ASK, "washout": "1h"})
        found += result.p_value < 0.05
        left += result.n
    expected = left / runs
    assert expected == pytest.approx(len(bins) * (1 - 1 / (2 * 4)), rel=0.02)
    said = gc.power(round(expected), sd=math.sqrt(45), mean=20, effect=2.1, cluster_size=8, icc=0.2).power
    assert abs(found / runs - said) < 0.04 + 2 * math.sqrt(said * (1 - said) / runs)


def _day_and_night(seed: int, days: int = 28) -> pd.DataFrame:
    """Blocks of twelve hours, arms by a coin, one room: day and night are unlike, and nothing else."""
    rng = np.random.default_rng(seed)
    arm = np.repeat(rng.integers(0, 2, 2 * days), 6)
    hours = 2 * np.arange(12 * days)
    gmv = 100 + 60 * np.sin(2 * np.pi * (hours % 24 - 12) / 24) + rng.normal(0, 20, len(hours))
    at = pd.Timestamp("2025-11-03") + pd.to_timedelta(hours, unit="h")
    return pd.DataFrame({"at": at, "arm": arm, "gmv": gmv, "drawn": np.repeat(np.arange(2 * days), 6)})


def test_blocks_that_are_named_are_the_clusters() -> None:
    frame = _day_and_night(0)
    result = gc.ab_test(frame, metrics=[gc.Mean("gmv", cap=None)], time="at", washout=0, block="drawn")
    # By hand: means of blocks, all of one size, jackknife within each arm.
    means = frame.groupby("drawn").agg(arm=("arm", "first"), gmv=("gmv", "mean"))
    own = [means.loc[means["arm"] == a, "gmv"] for a in (0, 1)]
    assert result.estimate == pytest.approx(own[1].mean() - own[0].mean(), rel=1e-12)
    assert result.std_error == pytest.approx(math.sqrt(sum(x.var() / len(x) for x in own)), rel=1e-10)
    assert "block_level" not in result.audit


def test_runs_that_stand_for_unlike_blocks_are_warned_of() -> None:
    found, named, warned, draws = 0, 0, 0, 40
    for seed in range(draws):
        frame = _day_and_night(seed)
        ask: dict[str, Any] = {"metrics": [gc.Mean("gmv", cap=None)], "time": "at", "washout": 0}
        runs, blocks = gc.ab_test(frame, **ask), gc.ab_test(frame, block="drawn", **ask)
        found += not runs.conf_int()[0] <= 0 <= runs.conf_int()[1]
        named += not blocks.conf_int()[0] <= 0 <= blocks.conf_int()[1]
        warned += runs.audit["block_level"].status == "warned"
    assert warned >= draws - 2 and found > named and named <= 0.05 * draws + 3 * math.sqrt(0.05 * 0.95 * draws)


def test_blocks_that_were_not_drawn_are_refused() -> None:
    frame = _day_and_night(1).assign(week=lambda f: f["at"].dt.isocalendar().week.astype(int))
    with pytest.raises(gc.InputError, match=r"blocks hold more than one arm.*column 'week'"):
        gc.ab_test(frame, metrics=["gmv"], time="at", washout=0, block="week")
    with pytest.raises(gc.InputError, match="marked by time= and washout="):
        gc.ab_test(frame, metrics=["gmv"], block="drawn")
