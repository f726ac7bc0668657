"""`Logs.retention` and fewer than ten people: what is left empty, and that nothing shown gives it back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.stats.small_cells import enough

DAY = pd.Timedelta("1D")
DAY0 = pd.Timestamp("2025-01-01")
SHARES = ["ordered", "std_error", "conf_low", "conf_high", "at_risk"]
ACTIVITY = ["active", "active_low", "active_high", "orders", "orders_se", "watched"]


def first_and_next(users: dict[int, list[int | None]]) -> pd.DataFrame:
    """Orders of users: day of the first order -> for each user the days to the next one, or None."""
    rows = []
    for start, waits in users.items():
        for k, wait in enumerate(waits):
            rows += [(f"{start}_{k}", start), *([] if wait is None else [(f"{start}_{k}", start + wait)])]
    return pd.DataFrame(
        {"user": [u for u, _ in rows], "time": [DAY0 + d * DAY + pd.Timedelta("9h") for _, d in rows], "gmv": 5.0}
    )


def returns(users: dict[int, list[int | None]], **options: Any) -> Any:
    # An order of the last day, by somebody of the first cohort, ends the log.
    end = pd.DataFrame({"user": ["0_0"], "time": [DAY0 + 60 * DAY + pd.Timedelta("9h")], "gmv": 5.0})
    orders = pd.concat([first_and_next(users), end], ignore_index=True)
    return gc.Logs(orders=orders).retention(freq="W", horizon=4, **options)


def test_the_curve_ends_where_fewer_than_ten_are_at_risk() -> None:
    r = returns({0: [3] * 20 + [10] * 18 + [17] * 5 + [None] * 7})
    curve = r.curve().set_index("period")
    assert curve["at_risk"].tolist() == [30, 12, pd.NA, pd.NA]
    assert curve["ordered"].iloc[:2].tolist() == pytest.approx([0.4, 0.76])
    assert curve.loc[[3, 4], SHARES].isna().all(axis=None) and curve.loc[[1, 2], SHARES].notna().all(axis=None)
    # All fifty are watched, so that what they order in a week is a share of fifty.
    assert curve[ACTIVITY].notna().all(axis=None) and curve["watched"].tolist() == [50] * 4
    assert r.advice == ("Left empty in curve(): what rests on fewer than 10 users still at risk or watched",)
    line = r.curves("ordered").lines[0]
    assert np.isfinite(line.y).tolist() == [True, True, False, False]
    assert np.isfinite(line.high).tolist() == [True, True, False, False]


def test_a_person_more_in_a_hidden_place_changes_nothing_that_is_shown() -> None:
    plain = returns({0: [3] * 20 + [10] * 18 + [17] * 5 + [None] * 7}).curve()
    # One of those who wait in silence orders in the third week, one in the fourth: only hidden places know.
    for moved in ([17] * 6 + [None] * 6, [17] * 5 + [24] + [None] * 6):
        other = returns({0: [3] * 20 + [10] * 18 + moved}).curve()
        pd.testing.assert_frame_equal(plain.drop(columns=ACTIVITY), other.drop(columns=ACTIVITY))


def test_watching_that_ends_ends_the_columns_of_watching() -> None:
    # 40 start on the first day; 8 of them are still there after the second week.
    orders = first_and_next({0: [None] * 40})
    users = pd.DataFrame({"user": orders["user"], "exit": [DAY0 + 15 * DAY] * 32 + [pd.NaT] * 8})
    last = pd.DataFrame({"user": ["0_39"], "time": [DAY0 + 60 * DAY], "gmv": 5.0})
    logs = gc.Logs(orders=pd.concat([orders, last], ignore_index=True), users=users)
    curve = logs.retention(freq="W", horizon=4).curve()
    assert curve["watched"].tolist() == [40, 40, pd.NA, pd.NA] and curve[ACTIVITY].iloc[2:].isna().all(axis=None)
    assert curve["at_risk"].tolist() == [40, 40, pd.NA, pd.NA]


def cohorts_of(sizes: list[int]) -> dict[int, list[int | None]]:
    """A cohort a week, each user of which orders again after three days or never."""
    return {7 * k: [3 if i % 2 else None for i in range(n)] for k, n in enumerate(sizes)}


def test_small_cohorts_are_not_shown_nor_what_their_size_follows_from() -> None:
    sizes = [60, 4, 25, 40]
    r = returns(cohorts_of(sizes), cohorts="W")
    shown = dict(zip(r.to_frame()["term"], r.to_frame()["n"], strict=True))
    # The four and, since the users of all are known, the next smallest.
    assert shown == {"2025-01-01": 60, "2025-01-22": 40}
    assert set(r.curve()["group"]) == set(shown)
    told = " ".join(r.summary().split())
    assert "are not shown: 2025-01-08, 2025-01-15" in told and "25 users" not in told and "4 users" not in told
    # The attacker subtracts: what is left is a sum of groups that may be known.
    assert sum(sizes) - sum(shown.values()) == 29 and enough(np.array([4, 25]))
    five = returns(cohorts_of([60, 5, 24, 40]), cohorts="W")
    pd.testing.assert_frame_equal(five.to_frame(), r.to_frame())
    pd.testing.assert_frame_equal(five.curve(), r.curve())
    assert five.summary().split("Rows")[0] == r.summary().split("Rows")[0]


def test_cohorts_go_as_far_as_ten_are_watched() -> None:
    users = cohorts_of([60, 30, 30])
    # Of a cohort of the last weeks twelve begin early enough to be watched for a week, five of them for two.
    for day, many in ((42, 5), (50, 7), (58, 18)):
        users[day] = [None] * many
    r = returns(users, cohorts="3W")
    frame = r.to_frame().set_index("term")
    assert frame.loc["2025-02-12", "n"] == 30 and "within 1 x week" in frame.loc["2025-02-12", "estimand"]
    own = r.curve().query("group == '2025-02-12'")
    assert own["watched"].tolist() == [12]


def test_where_no_cohort_can_be_shown_that_is_said() -> None:
    with pytest.raises(gc.DesignError, match=r"no cohort can be shown: .* fewer than 10 users"):
        returns(cohorts_of([4, 30]), cohorts="W")
    late = {0: [3] * 6, 58: [None] * 30}
    with pytest.raises(gc.DesignError, match="no cohort can be shown: fewer than 10 of each are watched"):
        returns(late, cohorts="9W")


def test_differences_end_with_the_shorter_curve() -> None:
    rng = np.random.default_rng(1)
    rows, sent = [], []
    for u in range(120):
        coupon = u % 2 == 0
        # Nearly all of those sent a coupon order within two weeks.
        wait = rng.uniform(0, 14 if coupon and u % 20 else 60)
        rows += [(u, DAY0), (u, DAY0 + 10 * DAY + wait * DAY)]
        if coupon:
            sent.append(u)
    orders = pd.DataFrame(rows, columns=["user", "time"]).assign(gmv=5.0)
    orders.loc[len(orders)] = [1, DAY0 + 75 * DAY, 5.0]
    coupons = pd.DataFrame({"user": sent, "tactic": "coupon", "start": DAY0 + 10 * DAY})
    logs = gc.Logs(orders=orders, exposures=coupons)
    r = logs.retention("coupon", anchor=DAY0 + 10 * DAY, assignment="random", horizon=6)
    curve, gap = r.curve().set_index(["group", "period"])["ordered"], r.differences().set_index("period")
    ends = {label: int(curve[label].notna().sum()) for label in ("none", "coupon")}
    assert 0 < ends["coupon"] < ends["none"] and len(gap) == 6
    assert gap["difference"].notna().sum() == ends["coupon"] and gap.iloc[ends["coupon"] :, 2:].isna().all(axis=None)
    for k in range(1, ends["coupon"] + 1):
        assert gap.loc[k, "difference"] == pytest.approx(curve["coupon", k] - curve["none", k])
    # The share of a whole arm within the horizon is the finding, as a rate of ab_test is.
    assert np.isfinite(r.estimate) and "but for what rests on fewer than 10 users" in " ".join(r.summary().split())


def test_a_curve_of_which_nothing_is_shown_is_drawn_empty() -> None:
    r = returns({0: [3] * 3 + [None] * 3})
    assert r.curve().drop(columns=["group", "period"]).isna().all(axis=None)
    for kind in r.curve_kinds:
        axes = r.plot(kind).axes[0]
        assert not any(np.isfinite(np.asarray(line.get_ydata(), dtype=float)).any() for line in axes.lines)
