"""`Logs.users` against windows summed by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from log_inputs import KINDS, as_kind, eight_orders, two_exposures

import gmvcausal as gc
from gmvcausal.errors import InputError
from gmvcausal.logs import Logs
from gmvcausal.logs.rfm import scores


@pytest.mark.parametrize("kind", KINDS)
def test_by_hand(kind, tmp_path):
    exposures = as_kind(two_exposures(), kind, tmp_path, "exposures")
    logs = Logs(orders=as_kind(eight_orders(), kind, tmp_path), exposures=exposures)
    users = logs.users(tactic="coupon", pre="7D", post="7D", anchor="2025-03-10", features="rfm")
    assert users["user"].tolist() == ["u1", "u2", "u3", "u4"]
    assert users["arm"].tolist() == ["coupon", "none", "none", "coupon"]
    assert users["assigned"].tolist() == list(pd.to_datetime(["2025-03-11", "2025-03-10", "2025-03-10", "2025-03-17"]))
    assert users["gmv"].tolist() == [1.25, 20, 0, 0]
    assert users["gmv_pre"].tolist() == [5.5, 0, 0, 0]
    assert users["orders"].tolist() == [1, 1, 0, 0]
    assert users["orders_pre"].tolist() == [1, 0, 0, 0]
    assert users["frequency"].tolist() == [2, 0, 0, 0]
    assert users["monetary"].tolist() == [15.5, 0, 0, 0]
    assert users["recency"].iloc[0] == pytest.approx(1 + 1 / 1440)
    assert users["recency"].iloc[1:].isna().all()
    # u1 alone has a history, so that nothing of it is above its mean.
    assert users["segment"].tolist() == ["一般挽留客户"] + ["无历史订单"] * 3
    about = users.attrs["gmvcausal"]
    assert about["outcome_unit"] == "gross paid GMV per user in the 7 days from assignment"
    assert about["notes"][-1].startswith("2 users never exposed count from the anchor 2025-03-10")


def test_windows_are_half_open():
    orders = pd.DataFrame(
        {"user": 1, "time": pd.date_range("2025-01-01", periods=10, freq="D"), "gmv": 2.0 ** np.arange(10)}
    )
    exposures = pd.DataFrame({"user": [1], "tactic": ["a"], "start": pd.to_datetime(["2025-01-05"])})
    users = Logs(orders=orders, exposures=exposures).users(pre="2D", post="3D")
    assert users["gmv_pre"].tolist() == [4 + 8]
    assert users["gmv"].tolist() == [16 + 32 + 64]


def test_the_never_exposed_need_an_anchor():
    logs = Logs(orders=eight_orders(), exposures=two_exposures())
    with pytest.raises(InputError, match=r"2 users were never exposed.*Pass anchor="):
        logs.users(pre="7D", post="7D")


def test_windows_past_the_end_of_the_log():
    logs = Logs(orders=eight_orders(), exposures=two_exposures())
    with pytest.raises(InputError, match=r"windows of 3 users run past an end of the log.*complete_only=True"):
        logs.users(pre="7D", post="14D", anchor="2025-03-20")
    users = logs.users(pre="7D", post="14D", anchor="2025-03-20", complete_only=True)
    assert users["user"].tolist() == ["u1"]
    assert users.attrs["gmvcausal"]["dropped"] == {"windows past an end of the log": 3}


def test_orders_before_exposure_are_not_counted_and_told():
    orders = pd.DataFrame({"user": 1, "time": pd.date_range("2025-01-01", periods=10, freq="D"), "gmv": 5.0})
    exposures = pd.DataFrame({"user": [1], "tactic": ["a"], "start": pd.to_datetime(["2025-01-05 12:00"])})
    users = Logs(orders=orders, exposures=exposures).users(pre="2D", post="3D")
    assert users["gmv"].tolist() == [15.0] and users["orders_pre"].tolist() == [2]
    note = "2 orders of the 2 days before assignment count in gmv_pre, not in gmv"
    assert note in users.attrs["gmvcausal"]["notes"]


def test_users_whose_windows_are_not_over_are_warned_of_in_the_audit_of_a_test():
    """Exposed in the last days of the log: their GMV is not seen whole, and the test of the others says so."""
    rng = np.random.default_rng(1)
    users = np.arange(200)
    orders = pd.DataFrame(
        {
            "user": rng.integers(0, 200, 3000),
            "time": pd.Timestamp("2025-03-01") + pd.to_timedelta(rng.integers(0, 30 * 24, 3000), unit="h"),
            "gmv": rng.gamma(2, 10, 3000),
        }
    )
    treated = rng.permutation(users)[:100]
    start = pd.Timestamp("2025-03-10") + pd.to_timedelta(rng.integers(0, 20, 100), unit="D")
    exposures = pd.DataFrame({"user": treated, "tactic": "coupon", "start": start})
    logs = Logs(orders=orders, exposures=exposures, users=pd.DataFrame({"user": users}))
    windows = {"pre": "7D", "post": "7D", "anchor": "2025-03-15"}
    with pytest.raises(InputError, match="run past an end of the log"):
        logs.users(**windows)
    frame = logs.users(**windows, complete_only=True)
    lost = 200 - len(frame)
    check = gc.ab_test(frame, metrics=["gmv"], control="none").audit["censored"]
    assert check.status == "warned" and check.value == lost / 200 and lost > 0
    assert f"none 0.0%, coupon {lost / 100:.1%}" in check.message and "shorten post=" in check.remedy
    early = Logs(orders=orders, exposures=exposures.assign(start=pd.Timestamp("2025-03-12")))
    assert gc.ab_test(early.users(**windows), metrics=["gmv"], control="none").audit["censored"].status == "passed"


def test_windows_outside_a_life():
    table = pd.DataFrame(
        {
            "user": ["u1", "u2", "u3", "u4"],
            "entry": [pd.Timestamp("2025-03-04 15:00"), pd.Timestamp("2025-03-11"), None, None],
            "exit": pd.to_datetime([None, None, "2025-03-16", "2025-03-23"]),
        }
    )
    logs = Logs(orders=eight_orders(), exposures=two_exposures(), users=table)
    windows = {"pre": "7D", "post": "7D", "anchor": "2025-03-10"}
    # u1 enters on the first day of its window, u3 and u4 leave on the last of theirs: these days count as whole.
    with pytest.raises(InputError, match="windows of 1 users begin before their entry or end after their exit"):
        logs.users(**windows)
    users = logs.users(**windows, complete_only=True)
    assert users["user"].tolist() == ["u1", "u3", "u4"]
    about = users.attrs["gmvcausal"]
    assert about["life_known"] is True
    assert about["dropped"] == {"windows outside entry and exit": 1}


def test_two_arms_of_one_user():
    both = pd.concat([two_exposures(), two_exposures().head(1).assign(tactic="push")])
    logs = Logs(orders=eight_orders(), exposures=both)
    with pytest.raises(InputError, match="1 users were exposed to more than one of the tactics"):
        logs.users(pre="7D", post="7D", anchor="2025-03-10")
    users = logs.users(tactic="push", pre="7D", post="7D", anchor="2025-03-10")
    assert any("1 users of the arm 'none' were exposed" in note for note in users.attrs["gmvcausal"]["notes"])


def test_the_first_of_several_exposures_counts():
    twice = pd.concat([two_exposures(), two_exposures().head(1).assign(start=pd.Timestamp("2025-03-14"))])
    users = Logs(orders=eight_orders(), exposures=twice).users(pre="7D", post="7D", anchor="2025-03-10")
    assert users["assigned"].iloc[0] == pd.Timestamp("2025-03-11")


def test_attributes_as_features():
    table = pd.DataFrame({"user": ["u1", "u2", "u3", "u4"], "age": [30, 40, None, 20]})
    logs = Logs(orders=eight_orders(), exposures=two_exposures(), users=table)
    users = logs.users(pre="7D", post="7D", anchor="2025-03-10", features=["age", "rfm"])
    np.testing.assert_array_equal(users["age"], [30, 40, np.nan, 20])
    assert {"r", "f", "m"} <= set(users)


def test_scores_are_quintiles_and_ties_share_one():
    assert scores(np.arange(10.0), high_is_good=True).tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert scores(np.arange(10.0), high_is_good=False).tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
    assert scores(np.array([np.nan, 1.0, 1.0]), high_is_good=True).tolist() == [1, 3, 3]
    assert scores(np.array([np.nan]), high_is_good=True).tolist() == [1]


def test_rfm_classes_by_hand():
    # Before 10 March: a 4 orders (last on the 9th) of 400, b 1 (on the 1st) of 200, c 1 (on the 8th) of 30, d none.
    # Means of those with a history: 4 days (1, 9, 2), 2 orders, 210.
    rows = [("a", f"2025-03-0{d}", 100.0) for d in (2, 4, 6, 9)] + [
        ("b", "2025-03-01", 200.0),
        ("c", "2025-03-08", 30.0),
    ]
    later = [("b", "2025-03-12", 9_000.0), ("c", "2025-03-13", 9_000.0), ("d", "2025-03-14", 9_000.0)]
    sent = pd.DataFrame({"user": ["a"], "tactic": ["x"], "start": pd.to_datetime(["2025-03-10"])})
    found = {}
    for name, orders in (("before", [*rows, ("d", "2025-03-14", 1.0)]), ("with what came after", rows + later)):
        frame = pd.DataFrame(orders, columns=["user", "time", "gmv"]).astype({"time": "datetime64[us]"})
        users = Logs(orders=frame, exposures=sent).users("x", pre="7D", post="5D", anchor="2025-03-10", features="rfm",
                                                         complete_only=True)  # fmt: skip
        found[name] = dict(zip(users["user"], users["segment"], strict=True))
        assert "less than 4 days ago, more than 2 orders, more than 210 of GMV" in users.attrs["gmvcausal"]["notes"][0]
    assert found["before"] == {"a": "重要价值客户", "b": "一般挽留客户", "c": "一般发展客户", "d": "无历史订单"}
    assert found["with what came after"] == found["before"]


def test_rfm_classes_are_eight():
    from itertools import product

    from gmvcausal.logs.rfm import CLASSES, classes

    high = np.array(list(product((0, 1), repeat=3)))
    days, orders, money = np.where(high[:, 0], 1.0, 9.0), np.where(high[:, 1], 5, 1), np.where(high[:, 2], 90.0, 10.0)
    named, cuts = classes(days, orders, money)
    assert cuts == (5.0, 3.0, 50.0)
    assert named.tolist() == [CLASSES[tuple(row)] for row in high.tolist()]
    assert len(set(named)) == 8 and len({name[:2] for name in named[high[:, 2] == 1]}) == 1


def test_a_history_of_logs_without_exposures():
    logs = Logs(orders=eight_orders())
    history = logs.users(pre="7D", post="7D", anchor="2025-03-10")
    assert set(history["arm"]) == {"none"} and set(history["assigned"]) == {pd.Timestamp("2025-03-10")}
    exposed = Logs(orders=eight_orders(), exposures=two_exposures())
    beside = exposed.users("coupon", pre="7D", post="7D", anchor="2025-03-10")
    never = beside[beside["arm"] == "none"].set_index("user")
    both = history.set_index("user").loc[never.index]
    pd.testing.assert_frame_equal(both, never, check_dtype=False)
    about = history.attrs["gmvcausal"]
    assert any("all users are in the arm 'none'" in note for note in about["notes"]) and about["arms"] == []
    assert "exposed_without_orders" not in [c["name"] for c in about["checks"]]
    with pytest.raises(InputError, match=r"no exposures were given.*anchor=.*history"):
        logs.users(pre="7D", post="7D")
    with pytest.raises(InputError, match="a tactic needs exposures"):
        logs.users("coupon", pre="7D", post="7D", anchor="2025-03-10")


def test_a_history_foretells_what_a_test_will_bring():
    rng = np.random.default_rng(2)
    rows = 6_000
    orders = pd.DataFrame(
        {
            "user": rng.integers(0, 600, rows),
            "gmv": rng.gamma(2, 10, rows),
            "order": np.arange(rows),
            "time": pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 2400, rows), "h"),
        }
    )
    logs = Logs(orders=orders)
    soon, later = (logs.users(pre="14D", post=post, anchor="2025-01-20") for post in ("14D", "60D"))
    history = soon.rename(columns={"gmv": "early"}).merge(later[["user", "gmv"]], on="user")
    sent = pd.DataFrame({"user": rng.permutation(600)[:300], "tactic": "push", "start": "2025-03-20"})
    test = Logs(orders=orders, exposures=sent).users("push", pre="14D", post="14D", anchor="2025-03-20")
    test = test.rename(columns={"gmv": "early", "user": "member"})
    r = gc.surrogate(test, history, "gmv", "arm", ["early", "orders"], control="none")
    assert np.isfinite(r.estimate) and r.conf_int()[0] < 0 < r.conf_int()[1]
