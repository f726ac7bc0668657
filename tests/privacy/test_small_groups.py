"""Small groups of people in the tables of results: hidden, with what their size would follow from; rooms are shown."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.results.by_level import FEW_IN_ARM, FEW_ON_SIDE, hidden_beside, people_of


@cache
def rolled_out(unit: str, sizes: tuple[int, ...] = (30, 4, 25)) -> Any:
    rng, rows, u = np.random.default_rng(0), [], 0
    for size, start in zip((*sizes, 60), (3, 4, 5, None), strict=True):
        for u in range(u + 1, u + 1 + size):  # noqa: B020  # units are counted on from cohort to cohort
            rows += [(u, t, rng.normal() + (start is not None and t >= start), start, u % 2) for t in range(1, 8)]
    frame = pd.DataFrame(rows, columns=[unit, "period", "gmv", "first_treated", "tier"])
    return gc.did(frame, unit=unit, time="period")


def test_cohorts_of_people_and_of_rooms() -> None:
    people, rooms = rolled_out("user"), rolled_out("room")
    # 4 is small, and 25 is the next: 59 treated less 30 are 29, of which nobody can tell the parts.
    assert people.by_cohort()["n"].isna().tolist() == [False, True, True]
    assert people.by_cohort()["estimate"].isna().tolist() == [False, True, True]
    table = people.att_gt()
    assert set(table.loc[table["n"].isna(), "cohort"]) == {4, 5} == set(table.loc[table["estimate"].isna(), "cohort"])
    assert list(dict.fromkeys(people.trends()["cohort"])) == ["3", "never"]
    event = people.event_study()
    # 59 less 55 would be the cohort of four, which drops out first.
    assert set(event["n"].dropna()) == {59} and event["estimate"].notna().all()
    assert rooms.by_cohort()["n"].tolist() == [30, 4, 25] and rooms.event_study()["n"].notna().all()
    shared = people.att_gt().dropna(subset="estimate")
    same = rooms.att_gt().loc[shared.index]
    np.testing.assert_array_equal(shared["estimate"], same["estimate"])
    assert "smallest 4" in rooms.summary() and "smallest 4" not in people.summary()
    for kind in ("trends", "heatmap", "event_study"):
        people.plot(kind)


def test_cohorts_large_enough_are_shown() -> None:
    found = rolled_out("user", (30, 12, 25))
    assert found.by_cohort()["n"].tolist() == [30, 12, 25]
    assert found.event_study()["n"].notna().all() and found.att_gt()["estimate"].notna().all()


@pytest.mark.parametrize(
    ("people", "gone", "want"),
    [
        ([[400, 400], [35, 30], [4, 40]], [2], [1]),  # few in one arm alone
        ([[35, 30], [400, 400], [4, 3], [3, 4]], [2, 3], [0]),  # 7 in each arm together
        ([[400, 400], [35, 30], [4, 5], [9, 9]], [2, 3], []),  # 13 and 14, of which nobody can tell the parts
        ([[400, 400], [35, 30], [40, 10]], [2], []),
        ([[400, 400], [35, 30]], [], []),
        ([[400, 400], [3, 30]], [1], [0]),  # of two levels each tells the other
        ([[400, 400], [35, 30], [0, 60]], [2], []),  # nobody is no small group
        ([[400, 400], [35, 30], [0, 6]], [2], [1]),
    ],
)
def test_levels_hidden_with_small_ones_by_hand(people: list[list[int]], gone: list[int], want: list[int]) -> None:
    kept = np.ones(len(people), dtype=bool)
    kept[gone] = False
    assert np.flatnonzero(hidden_beside(np.array(people), kept)).tolist() == want


@cache
def users_of(sizes: tuple[int, ...]) -> pd.DataFrame:
    """Users of tiers a, b, c, ... in two arms by turns; every one of tier c has spent 1,000."""
    rng, n = np.random.default_rng(2), sum(sizes)
    tier = np.repeat(list("abcdef")[: len(sizes)], sizes)
    gmv = np.where(tier == "c", 1000.0, rng.gamma(2, 10, n))
    return pd.DataFrame({"user": np.arange(n), "arm": np.arange(n) % 2, "gmv": gmv, "tier": tier})


def test_a_small_level_of_a_test_takes_another_with_it() -> None:
    metric = gc.Mean("gmv", cap=None)
    found = gc.ab_test(users_of((300, 100, 6)), metrics=metric).by("tier")
    frame = found.to_frame()
    assert frame["level"].tolist() == ["all", "a"]
    assert {h.level: h.why for h in found.hidden} == {"b": FEW_IN_ARM, "c": FEW_IN_ARM}
    # What the whole less the levels shown tells is the mean of 106 users, and not that of the six.
    whole, shown = frame["control_value"] * frame["n"] / 2
    assert 10 < (whole - shown) / ((frame["n"].iloc[0] - frame["n"].iloc[1]) / 2) < 100
    for number in ("1000", "1,000"):
        assert number not in found.summary() and number not in found.to_frame().to_json()
    every = gc.ab_test(users_of((300, 100, 40)), metrics=metric).by("tier").to_frame()
    assert every["n"].tolist() == [440, 300, 100, 40]
    with pytest.raises(gc.DesignError, match="hidden: n < 10 in an arm") as error:
        gc.ab_test(users_of((300, 6)), metrics=metric).by("tier")
    assert "Merge levels" in str(error.value)


def test_one_person_more_in_a_small_level_changes_nothing_shown_of_levels() -> None:
    few, more = (gc.ab_test(users_of((300, 100, c)), metrics=gc.Mean("gmv", cap=None)).by("tier") for c in (4, 8))
    pd.testing.assert_frame_equal(few.to_frame().iloc[1:], more.to_frame().iloc[1:])
    assert few.hidden == more.hidden


def test_people_are_counted_with_clusters_too() -> None:
    rng = np.random.default_rng(4)
    room = np.repeat(np.arange(60), 20)
    users = pd.DataFrame({"room": room, "arm": room % 2, "gmv": rng.exponential(5, 1200)})
    # In each room of the first ten one user is of tier few: five users in each arm, of five rooms.
    first = ~users["room"].duplicated() & (users["room"] < 10)
    users["tier"] = np.where(first, "few", np.where(room < 30, "b", "a"))
    found = gc.ab_test(users, metrics=gc.Mean("gmv", cap=None), cluster="room").by("tier")
    assert {h.level for h in found.hidden} >= {"few"} and len(found.hidden) == 2
    # A person with many rows is one person.
    rows = np.repeat([0, 1, 1], [5, 4, 3])
    arm = np.zeros(12, dtype=int)
    who = np.array([0, 0, 0, 0, 1, 2, 2, 2, 2, 3, 3, 3])
    assert people_of(rows, 2, arm, 1, who, "user_id").tolist() == [[2], [2]]
    assert people_of(rows, 2, arm, 1, who, "room").tolist() == [[5], [7]]


def test_the_balance_of_a_segment_counts_hidden_levels_as_one() -> None:
    """The p-value of a table that has the small level in it would tell its counts by arm."""
    metric = gc.Mean("gmv", cap=None)
    many = users_of((300, 100, 60, 8))
    split = gc.ab_test(many, metrics=metric).by("tier").audit["segment_balance"]
    joined = many.assign(tier=many["tier"].replace({"c": "d"}))
    assert {"c", "d"} == {h.level for h in gc.ab_test(many, metrics=metric).by("tier").hidden}
    whole = gc.ab_test(joined, metrics=metric).by("tier").audit["segment_balance"]
    assert split.value == whole.value and "the 3 levels of 'tier', those hidden as one, have" in split.message
    assert "the 3 levels of 'tier' have" in whole.message
    model = gc.uplift(many, outcome="gmv", treatment="arm", features=[], propensity=0.5, control=0)
    assert model.by("tier").audit["segment_balance"].value == whole.value


def test_levels_of_rooms_are_no_secret() -> None:
    rooms = users_of((104, 16)).rename(columns={"user": "room"})
    options: dict[str, Any] = {"metrics": gc.Mean("gmv", cap=None), "unit": "room"}
    found = gc.ab_test(rooms, **options).by("tier")
    # Eight in an arm are too few to tell, and the others are shown.
    assert found.to_frame()["level"].tolist() == ["all", "a"]
    assert [h.why for h in found.hidden] == ["fewer than 10 units in an arm"]
    assert "hidden" not in found.audit["segment_balance"].message
    model = gc.uplift(rooms, outcome="gmv", treatment="arm", features=[], propensity=0.5, control=0, unit="room")
    assert [h.why for h in model.by("tier").hidden] == ["fewer than 10 units in an arm"]


def test_levels_of_uplift_and_of_roll_outs() -> None:
    users = users_of((600, 200, 8)).assign(x=np.arange(808) % 7)
    found = gc.uplift(users, outcome="gmv", treatment="arm", features=[], propensity=0.5, control=0).by("tier")
    assert {h.level: h.why for h in found.hidden} == {"b": FEW_IN_ARM, "c": FEW_IN_ARM}
    assert found.to_frame()["n"].tolist() == [808, 600]
    rng, rows = np.random.default_rng(0), []
    for u in range(140):
        tier, start = "c" if u < 6 else "b" if u < 50 else "a", 4 if u % 2 else None
        rows += [(u, t, rng.normal() + 5 * (tier == "c"), start, tier) for t in range(1, 8)]
    panel = pd.DataFrame(rows, columns=["user", "period", "gmv", "first_treated", "tier"])
    segments = gc.did(panel, unit="user", time="period").by("tier")
    assert segments.levels == ("all", "a")
    assert segments.hidden == (("b", FEW_ON_SIDE), ("c", FEW_ON_SIDE))
    rooms = gc.did(panel.rename(columns={"user": "room"}), unit="room", time="period").by("tier")
    assert rooms.levels == ("all", "a", "b") and [why for _, why in rooms.hidden] != [FEW_ON_SIDE]


def test_one_treated_person_among_few_leaves_no_trends_to_draw() -> None:
    rows = [(u, t, float(u + t), 3 if u == 0 else None) for u in range(12) for t in range(1, 6)]
    frame = pd.DataFrame(rows, columns=["user", "period", "gmv", "first_treated"])
    found = gc.did(frame, unit="user", time="period", estimator="synthetic_control")
    assert len(found.trends()) == 0 and list(found.trends()) == ["cohort", "period", "mean", "n"]
    with pytest.raises(gc.InputError, match="kind"):
        found.plot("trends")


def test_users_above_a_cap_are_not_counted_where_they_are_few() -> None:
    rng, n = np.random.default_rng(3), 2_000
    gmv = np.where(rng.random(n) < 0.3, rng.lognormal(3, 1.5, n), 0.0)
    arm = np.arange(n) % 2
    message = gc.ab_test(pd.DataFrame({"arm": arm, "gmv": gmv}), metrics="gmv").audit["tail_balance"].message
    assert "<10" in message
