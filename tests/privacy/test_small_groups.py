"""Small groups of people in the tables of results: hidden, with what their size would follow from; rooms are shown."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.results.by_level import shown_sizes


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
    ("sizes", "left", "want"),
    [
        ([400, 35], [4], [400, None]),
        ([400, 35], [4, 3], [400, None]),  # 7 in all
        ([400, 35], [4, 9], [400, 35]),  # 13 in all, of which nobody can tell the parts
        ([400, 35], [40], [400, 35]),
        ([400, 35], [], [400, 35]),
        ([400, 3], [2], [None, None]),
    ],
)
def test_sizes_of_levels_by_hand(sizes: list[int], left: list[int], want: list[int | None]) -> None:
    assert shown_sizes(sizes, left) == want


def test_levels_of_a_test_do_not_tell_the_size_of_the_one_left_out() -> None:
    rng, n = np.random.default_rng(2), 406
    tier = np.repeat(["a", "b", "few"], [300, 100, 6])
    users = pd.DataFrame({"arm": np.arange(n) % 2, "gmv": rng.gamma(2, 10, n), "tier": tier})
    found = gc.ab_test(users, metrics="gmv").by("tier").to_frame()
    assert found["level"].tolist() == ["all", "a", "b"]
    assert found["n"].tolist()[:2] == [406, 300] and pd.isna(found["n"].iloc[2])
    enough = gc.ab_test(users[:400], metrics="gmv").by("tier").to_frame()
    assert enough["n"].tolist() == [400, 300, 100]


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
