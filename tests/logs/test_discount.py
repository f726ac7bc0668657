"""The discount as an amount of the panel, and as an estimated cost beside list GMV."""

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc


def logs(gmv_is):
    rng = np.random.default_rng(3)
    users, weeks = 60, 8
    frame = pd.DataFrame({"user": np.repeat(np.arange(users), weeks), "week": np.tile(np.arange(weeks), users)})
    on = (frame["user"] < 30) & (frame["week"] >= 4)
    frame["gmv"] = (rng.gamma(4, 10, len(frame)) + 12 * on).round(2)
    frame["cut"] = np.where(on, (rng.gamma(4, 1, len(frame))).round(2), 0.0)
    frame["time"] = pd.Timestamp("2025-03-03 12:00") + pd.to_timedelta(7 * frame["week"], unit="D")
    orders = pd.concat([frame, frame.tail(1).assign(time=pd.Timestamp("2025-04-28 01:00"))])
    sent = pd.DataFrame({"user": np.arange(30), "tactic": "c", "start": pd.Timestamp("2025-03-31")})
    made = gc.Logs(orders=orders, exposures=sent, columns={"discount": "cut"}, gmv_is=gmv_is)
    return frame, made.panel(freq="W", keep=["discount"])


def test_the_discount_is_summed_per_period():
    frame, panel = logs("list")
    assert panel["discount"].to_numpy() == pytest.approx(frame["cut"].to_numpy(), abs=1e-12)
    assert "discount" not in logs("list")[1].attrs["gmvcausal"]["keep"]


def test_gain_and_cost_share_their_covariance():
    _, panel = logs("list")
    gain, cost = gc.did(panel), gc.did(panel, outcome="discount")
    money = gain.incremental_gmv(cost=cost, cost_is="discount").to_frame().set_index("term")
    # Profit is the effect on (gmv - discount): one estimate on the difference must give the same point and error.
    direct = gc.did(panel.assign(left=panel["gmv"] - panel["discount"]), outcome="left")
    cells = 30 * 4
    assert money.loc["profit", "estimate"] == pytest.approx(cells * direct.estimate, rel=1e-10)
    assert money.loc["profit", "std_error"] == pytest.approx(cells * direct.std_error, rel=1e-8)
    assert money.loc["roi", "conf_low"] < money.loc["roi", "estimate"] < money.loc["roi", "conf_high"]


def test_a_discount_inside_paid_gmv_is_not_taken_off_again():
    _, panel = logs("paid")
    gain, cost = gc.did(panel), gc.did(panel, outcome="discount")
    with pytest.raises(gc.InputError, match="already inside paid GMV"):
        gain.incremental_gmv(cost=cost, cost_is="other")


def test_a_refund_row_does_not_take_the_discount_of_its_order_again():
    orders = pd.DataFrame(
        {
            "user": [1, 1, 2, 2, 1],
            "time": pd.to_datetime(["2025-03-03", "2025-03-04", "2025-03-03", "2025-03-05", "2025-03-30"]),
            "gmv": [100.0, -40.0, 50.0, -50.0, 1.0],
            "order": [1, 1, 2, 2, 3],
            "room": ["a", None, "b", None, "a"],
            "discount": [20.0, None, 5.0, 0.0, 0.0],
        }
    )
    net = gc.Logs(orders=orders, gmv="net", refund_window="7D")
    panel = net.panel(freq="W", keep=["discount"]).groupby("unit")[["gmv", "discount"]].sum()
    assert panel["discount"].tolist() == [20.0, 5.0]
    assert panel["gmv"].tolist() == [60.0, 0.0]
    # The room is still that of the order.
    rooms = net.panel(unit="room", freq="W", keep=["discount"]).groupby("unit")[["gmv", "discount"]].sum()
    assert rooms.to_numpy().tolist() == [[60.0, 20.0], [0.0, 5.0]]


@pytest.mark.parametrize("whole_cents", [True, False])
def test_discounts_add_up_exactly(whole_cents):
    rng = np.random.default_rng(0)
    cut = np.array([0.1] * 30 + [0.2] * 10) if whole_cents else rng.lognormal(3, 5, 4000)
    orders = pd.DataFrame({"user": 1, "time": pd.Timestamp("2025-01-01"), "gmv": 1.0, "discount": cut})
    orders["order"] = np.arange(len(orders))
    sums = {
        gc.Logs(orders=orders.sample(frac=1, random_state=s)).panel(freq="D", keep=["discount"])["discount"].item()
        for s in range(5)
    }
    assert len(sums) == 1
    assert sums.pop() == (5.0 if whole_cents else pytest.approx(cut.sum(), rel=1e-13))
