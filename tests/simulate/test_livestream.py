"""The simulated market: the same from the same seed however it is made, and of the size that its dials name."""

import pickle

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.simulate import livestream, write_livestream
from gmvcausal.simulate.accounting import make_truth
from gmvcausal.simulate.amounts import Tail
from gmvcausal.simulate.baskets import threshold_means, top_up
from gmvcausal.simulate.calendar import festival_factors
from gmvcausal.simulate.dials import Dials
from gmvcausal.simulate.make import make_plan
from gmvcausal.simulate.network import circles, edges, share_of_friends


def same(one, other) -> None:
    assert list(one.logs.tables) == list(other.logs.tables)
    for name, table in one.logs.tables.items():
        pd.testing.assert_frame_equal(table, other.logs.tables[name], check_exact=True, obj=name)


def test_the_same_whatever_the_number_of_workers() -> None:
    size = {"users": 4300, "rooms": 5, "days": 4, "seed": 5}
    several = {**size, "tactics": ("coupon", "push", "community")}
    alone = livestream(**several)
    for workers in (2, 4):  # spawned: these are other processes
        same(alone, livestream(**several, workers=workers))
    plan = make_plan(**size, tactics="coupon", start="2026-03-02", dials={"truth_draws": 2})
    truth, shared = make_truth(plan, workers=1), make_truth(plan, workers=2)
    pd.testing.assert_frame_equal(shared.to_frame(), truth.to_frame(), check_exact=True)
    pd.testing.assert_frame_equal(shared.users, truth.users, check_exact=True)


def test_seeds_and_pickles() -> None:
    size = {"users": 300, "rooms": 4, "days": 12}
    market = livestream(**size, seed=1)
    same(market, livestream(**size, seed=1))
    again = pickle.loads(pickle.dumps(market))
    same(market, again)
    pd.testing.assert_frame_equal(again.truth.to_frame(), market.truth.to_frame(), check_exact=True)
    pd.testing.assert_frame_equal(again.truth.users, market.truth.users, check_exact=True)
    assert len(livestream(**size, seed=2).logs.visits) != len(market.logs.visits)


def test_users_do_not_depend_on_those_who_come_after_them() -> None:
    size = {"rooms": 4, "days": 8, "seed": 2}
    few = livestream(users=300, **size)
    for users in (450, 4200):
        more = livestream(users=users, **size)
        for name in ("visits", "orders", "users", "assignments"):
            table = more.logs.tables[name]
            kept = table[table["user"] < 300].sort_values(["user", *(["visit"] if name == "visits" else [])])
            mine = few.logs.tables[name].sort_values(["user", *(["visit"] if name == "visits" else [])])
            if name != "orders":
                pd.testing.assert_frame_equal(kept.reset_index(drop=True), mine.reset_index(drop=True))
            else:
                assert set(kept["order"]) == set(mine["order"])


def test_days_do_not_depend_on_those_which_come_after_them() -> None:
    size = {"users": 300, "rooms": 4, "start_day": 5}
    short, long = livestream(days=8, **size).logs.visits, livestream(days=12, **size).logs.visits
    pd.testing.assert_frame_equal(long[long["time"] < "2026-03-10"].reset_index(drop=True), short)


@pytest.fixture(scope="module")
def plain():
    return livestream(users=6000, rooms=16, days=40, tactics="coupon", seed=4, start_day=39)


def test_rates_are_those_of_the_dials(plain) -> None:
    orders, visits = plain.logs.orders, plain.logs.visits
    assert 0.027 < len(orders) / len(visits) < 0.033
    old = orders[orders["time"] < "2026-03-25"]  # refunds take up to 15 days
    assert 0.21 < (old["refund"] > 0).mean() < 0.30
    full = (old["refund"] == old["gmv"]).sum() / (old["refund"] > 0).sum()
    assert 0.78 < full < 0.92
    mean, square = orders["gmv"].sum() / len(visits), (orders["gmv"] ** 2).sum() / len(visits)
    assert 6.5 < np.sqrt(square / mean**2 - 1.0) < 10.5
    apparel = set(plain.logs.rooms.query("category == 'apparel'")["room"])
    assert len(apparel) == 4
    theirs = old["room"].isin(apparel)
    assert (old["refund"] > 0)[theirs].mean() > 1.8 * (old["refund"] > 0)[~theirs].mean()


def test_tables_agree_with_each_other(plain) -> None:
    logs = plain.logs
    assert logs.orders["order"].is_unique and logs.visits["visit"].is_unique
    assert set(logs.orders["order"]) == set(logs.visits.loc[logs.visits["ordered"] == 1, "visit"])
    joined = logs.orders.merge(logs.visits, left_on="order", right_on="visit", suffixes=("", "_visit"))
    assert (joined["time"] >= joined["time_visit"]).all()
    assert (joined["time"].dt.normalize() == joined["time_visit"].dt.normalize()).all()
    np.testing.assert_allclose(logs.orders["list_price"] - logs.orders["discount"], logs.orders["gmv"], atol=0.006)
    back = logs.orders.query("refund > 0").set_index("order")["refund"]
    pd.testing.assert_series_equal(
        logs.refunds.set_index("order")["amount"].sort_index(), back.sort_index(), check_names=False
    )
    assert logs.refunds["time"].max() < pd.Timestamp("2026-04-11")
    assert logs.visits["user"].isin(logs.users["user"]).all()


def test_logs_and_tables_are_read_without_a_warning() -> None:
    users = livestream(users=400, rooms=4, days=30, tactics=("coupon", "raffle"), adopt=(8, 15, 22))
    assert set(users.logs) == {"users", "rooms", "orders", "exposures", "columns"}
    table = users.table()
    assert len(table) == 400 and set(table["arm"]) == {"coupon", "none"}
    assert table["gmv"].sum() == pytest.approx(users.logs.orders.query("time >= '2026-03-17'")["gmv"].sum())
    rooms = livestream(users=800, rooms=8, days=42, tactics=("raffle", "coupon"), adopt=(15, 22, 29))
    panel = rooms.table()
    # weeks are cut so that every adoption falls on the first day of one
    assert set(panel["first_treated"].dropna()) == set(rooms.logs.exposures["start"])
    assert np.isfinite(gc.did(panel).estimate)
    net = gc.Logs(**rooms.logs, gmv="net", refund_window="16D").panel(unit="room", freq="W")
    assert net["gmv"].sum() < panel["gmv"].sum()


def test_parquet_holds_the_same_market(tmp_path) -> None:
    size = {
        "users": 4300,
        "rooms": 4,
        "days": 10,
        "tactics": ("coupon", "push", "flash_sale", "community", "win_back"),
        "adopt": (3, 6),
    }
    market = livestream(**size)
    paths = write_livestream(tmp_path / "a", **size, truth=False)
    assert {path.stem for path in paths} == set(market.logs.tables)
    for path in paths:
        read = pd.read_parquet(path)
        pd.testing.assert_frame_equal(read, market.logs.tables[path.stem], check_exact=True, obj=path.stem)
    small = {"users": 60, "rooms": 2, "days": 6}
    paths = write_livestream(tmp_path / "b", **small)
    truth = livestream(**small).truth
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "b" / "truth.parquet"), truth.to_frame())
    assert len(pd.read_parquet(tmp_path / "b" / "truth_users.parquet")) == 60
    with pytest.raises(gc.InputError, match="is a file, not a folder"):
        write_livestream(paths[0], **small)


def test_festivals_by_their_real_dates() -> None:
    import datetime as dt

    november = festival_factors(dt.date(2026, 11, 1), 30)
    assert november[10] == 8.0 and (november[3:10] == 1.6).all() and november[2] == 1.0
    assert (november[11:25] == 0.75).all() and november[25] == 1.0
    quiet = livestream(users=400, rooms=3, days=20, start="2026-06-08", tactics="raffle", adopt=(19,))
    visits = quiet.logs.visits["time"].dt.date.value_counts()
    assert visits.idxmax() == dt.date(2026, 6, 18)


def test_the_tail_has_the_moments_it_says() -> None:
    rng = np.random.default_rng(0)
    tail = Tail()
    drawn = tail.factor(rng.random(2_000_000), rng.random(2_000_000))
    assert drawn.mean() == pytest.approx(tail.moment(1.0), rel=2e-3)
    assert (drawn**2).mean() == pytest.approx(tail.moment(2.0), rel=3e-2)
    assert drawn.max() <= 50.0


def test_the_threshold_coupon_has_the_means_it_says() -> None:
    rng = np.random.default_rng(1)
    d, tail, n = Dials(), Tail(), 400_000
    basket = np.exp(4.9 + d.basket_sd * rng.standard_normal(n)) * tail.factor(rng.random(n), rng.random(n))
    paid = top_up(d, basket, rng.random(n), rng.random(n))
    mean, used = threshold_means(d, tail).means(np.array([4.9]))
    assert mean[0] == pytest.approx(paid.mean(), abs=4 * paid.std() / np.sqrt(n))
    assert used[0] == pytest.approx((paid >= 300).mean(), abs=4 * np.sqrt(0.25 / n))


def test_friends_are_in_the_same_circle() -> None:
    circle = circles(3, 0)
    sizes = np.bincount(circle)
    assert sizes[:-1].min() >= 20 and sizes.max() <= 200
    one, other = edges(3, 0, circle, 4096, 8.0)
    assert (circle[one] == circle[other]).all() and (one < other).all()
    assert 5.5 < 2 * len(one) / 4096 < 8.0
    few, _ = edges(3, 0, circle, 100, 8.0)
    assert few.max() < 100
    assert share_of_friends(np.array([0, 0]), np.array([1, 2]), np.array([0.0, 1.0, 0.0, 1.0])).tolist() == [
        0.5,
        0,
        0,
        0,
    ]
