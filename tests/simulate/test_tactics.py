"""What each tactic does and does not do, and that the accounts are right."""

import numpy as np
import pytest

from gmvcausal.errors import InputError
from gmvcausal.simulate import livestream
from gmvcausal.simulate.accounting import accounts, resimulate
from gmvcausal.simulate.make import make_plan
from gmvcausal.simulate.tactics import CHANNELS, UNITS

ROOMS = {"adopt": (8, 15), "rooms": 6}


def orders_per_visit(market, by: str):
    visits = market.logs.visits
    sessions = market.logs.sessions.assign(date=lambda s: s["start"].dt.normalize())
    joined = visits.assign(date=visits["time"].dt.normalize()).merge(sessions, on=["room", "date"])
    return joined.groupby(by)[["ordered", "interacted", "watch_seconds"]].mean()


BY_ROOM = {"assign": "room", "tactic_days": 9, "growth": 0.5}


@pytest.mark.parametrize(
    ("tactic", "others", "dials"),
    [
        *((tactic, (), {}) for tactic in UNITS),
        *((tactic, (), BY_ROOM) for tactic in ("coupon", "threshold_coupon", "points", "flash_sale")),
        ("coupon", ("flash_sale", "push"), {"coupon_every": 5, "coupon_valid": 3, "tactic_days": 10}),
    ],
)
def test_accounting_equals_simulating_again(tactic: str, others: tuple[str, ...], dials: dict[str, object]) -> None:
    """Expected GMV by accounting, against realised GMV in futures that the accounts have not seen."""
    size = {"users": 500, "rooms": 4, "days": 24, "seed": 8, "start": "2026-03-02", "tactics": (*others, tactic)}
    turned = {"adopt": (8, 15), "conversion": 0.1, "start_day": 8, "lapsed_days": 7}
    plan = make_plan(**size, dials=turned | dials)
    again = resimulate(plan, tactic, range(4, 18))
    found = accounts(plan, tactic)
    error = np.hypot(again.std(ddof=1) / np.sqrt(len(again)), found.variance["gross"] ** 0.5)
    assert error > 0
    assert abs(found.total["gross"] - again.mean()) < 3 * error


@pytest.mark.parametrize("tactic", ["community", "raffle", "coupon"])
@pytest.mark.parametrize("term", ["everyone", "att"])
def test_the_three_truths_equal_simulating_again(tactic: str, term: str) -> None:
    size = {"users": 500, "rooms": 4, "days": 20, "seed": 8, "start": "2026-03-02", "tactics": tactic}
    plan = make_plan(**size, dials={"adopt": (8, 15), "conversion": 0.1, "start_day": 8, "community_spill": 0.4})
    again = resimulate(plan, tactic, range(4, 16), term)
    found = accounts(plan, tactic)
    error = np.hypot(again.std(ddof=1) / np.sqrt(len(again)), found.variance[term] ** 0.5)
    assert error > 0 and abs(found.total[term] - again.mean()) < 3 * error


@pytest.mark.parametrize("tactic", UNITS)
def test_parts_add_up(tactic: str) -> None:
    truth = livestream(users=150, days=20, tactics=tactic, seed=1, lapsed_days=5, truth_draws=2, **ROOMS).truth
    assert truth["total"] == pytest.approx(sum(truth[c] for c in (*CHANNELS, "refunded")), abs=1e-9)
    assert truth["realised"] == pytest.approx(sum(truth[c] for c in CHANNELS), abs=1e-9)
    assert {"att", "ate", "realised", "everyone", "gmv_90", "profit"} <= {one.term for one in truth.terms}
    if UNITS[tactic][0] == "room":
        events = truth.event_study
        assert truth.target == "att_weeks"
        assert truth.value == pytest.approx((events["att"] * events["n"]).sum() / events["n"].sum())
    assert all("yuan per" in one.unit and one.estimand and one.std_error >= 0 for one in truth.terms)


def test_no_strength_no_effect() -> None:
    for tactic in ("raffle", "expert_host", "community", "win_back", "push"):
        truth = livestream(users=100, days=20, tactics=tactic, strength=0, taken=0, truth_draws=2, **ROOMS).truth
        assert truth["att"] == truth["total"] == truth["gmv_90"] == 0.0


def test_sure_buyers_lose_money_on_coupons() -> None:
    market = livestream(users=2500, days=24, rooms=6, seed=1, truth_draws=2)
    users = market.truth.users
    sure = users.query("loyalty > 1 and sensitivity < -0.5")
    assert users["cate"].mean() > 0 > sure["cate"].mean()
    coupons = market.logs.coupons
    assert (coupons["redeemed"].isna() == (coupons["order"] < 0)).all()
    used = coupons.dropna(subset=["redeemed"])
    assert (used["redeemed"] >= used["issued"]).all() and (used["redeemed"] < used["expires"]).all()
    assert used["order"].is_unique
    orders = market.logs.orders.set_index("order").loc[used["order"]]
    np.testing.assert_allclose(orders["discount"], 0.1 * orders["list_price"], atol=0.02)
    assert 0.05 < coupons["redeemed"].notna().mean() < 0.15


def test_targeting_is_recorded_and_a_hidden_trait_is_not() -> None:
    lot = livestream(users=3000, days=4, targeting="lot", treated_share=0.3)
    assert (lot.logs.assignments["probability"] == 0.3).all()
    assert lot.logs.assignments["treated"].mean() == pytest.approx(0.3, abs=0.03)
    assert (lot.design.verb, livestream(users=50, days=4).design.verb) == ("ab_test", "uplift")
    tiers = livestream(users=3000, days=4).logs
    joined = tiers.assignments.merge(tiers.users, on="user")
    assert joined.groupby("tier")["treated"].mean().is_monotonic_increasing
    gap = joined.groupby(joined["probability"] > 0.5)[["treated", "probability"]].mean()
    np.testing.assert_allclose(gap["treated"], gap["probability"], atol=0.04)
    hidden = livestream(users=3000, days=4, psi=2.0).logs.assignments
    apart = (hidden["treated"] - hidden["probability"]).groupby(hidden["probability"] > 0.5).mean()
    assert apart.iloc[1] < -0.03  # more spread than recorded: high chances are lower


def test_a_push_acts_only_where_it_can_be_opened() -> None:
    market = livestream(users=1200, days=16, tactics="push", push_ios=0.0, push_opened=0.5, rooms=4, truth_draws=2)
    users = market.truth.users.merge(market.logs.users, on="user")
    assert (users.query("platform == 'iOS'")["cate"] == 0).all()
    assert users.query("platform == 'Android'")["cate"].mean() > 0
    pushes = market.logs.pushes
    assert (pushes["opened"] <= pushes["delivered"]).all()
    assert pushes["delivered"].mean() == pytest.approx(0.6 * 0.9 * 0.85, abs=0.05)
    rate = pushes.query("delivered == 1").groupby("time")["opened"].mean()
    assert rate.iloc[0] > rate.iloc[-1]  # fatigue


def test_a_threshold_coupon_bunches_baskets_at_the_threshold() -> None:
    market = livestream(
        users=1500, days=20, tactics="threshold_coupon", conversion=0.4, targeting="lot", treated_share=1
    )
    orders = market.logs.orders.assign(after=lambda o: o["time"] >= "2026-03-12")

    def near(low: float, high: float):
        return orders[orders["list_price"].between(low, high, inclusive="left")].groupby("after").size()

    ratio = near(300, 315) / near(315, 345)
    assert ratio[True] > 1.5 * ratio[False]
    assert (near(240, 300) / near(180, 240))[True] < 0.85 * (near(240, 300) / near(180, 240))[False]
    used = orders.query("after and list_price >= 300")
    np.testing.assert_allclose(used["discount"], 40.0, atol=0.011)
    assert (orders.query("list_price < 300")["discount"] == 0).all()


def test_a_flash_sale_sells_and_leaves_a_calm() -> None:
    market = livestream(
        users=2500,
        rooms=4,
        days=32,
        tactics="flash_sale",
        adopt=(3,),
        never=0,
        conversion=0.1,
        taken=0,
        festivals=False,
    )
    visits = market.logs.visits.assign(day=lambda v: (v["time"] - np.datetime64("2026-03-02")).dt.days)
    flashes = market.logs.sessions.query("flash_sale == 1")
    days = visits.merge(flashes[["room", "start"]], on="room")
    since = days["day"] - (days["start"] - np.datetime64("2026-03-02")).dt.days
    rate = days.groupby(since)["ordered"].mean()
    assert rate[0] > 1.5 * rate.loc[8:12].mean() > rate.loc[1:7].mean()
    truth = market.truth
    assert truth["direct"] > 0 > truth["borrowed"] and truth["mediated"] == truth["taken"] == 0


def test_a_raffle_moves_interaction_only() -> None:
    market = livestream(
        users=2500, days=24, tactics="raffle", taken=0, seed=2, adopt=(2,), rooms=6, never=0.5, truth_draws=2
    )
    rates = orders_per_visit(market, "raffle")
    assert rates["interacted"][1] > 1.5 * rates["interacted"][0]
    assert rates["watch_seconds"][1] == pytest.approx(rates["watch_seconds"][0], rel=0.05)
    truth = market.truth
    assert truth["mediated"] > 0 and truth["direct"] == truth["taken"] == truth["spillover"] == 0


def test_an_expert_host_is_watched_longer() -> None:
    market = livestream(
        users=2000, days=24, tactics="expert_host", seed=2, adopt=(2,), rooms=6, never=0.5, truth_draws=2
    )
    rates = orders_per_visit(market, "expert_host")
    assert rates["watch_seconds"][1] > 1.2 * rates["watch_seconds"][0]
    truth = market.truth
    assert truth["mediated"] > 0 > truth["taken"] and truth["direct"] == 0
    assert truth["realised"] < truth["att"]  # a room's own gain is in part its neighbours' loss


def test_points_work_later() -> None:
    truth = livestream(users=800, days=30, tactics="points", rooms=4, start_day=6, truth_draws=2).truth
    events = truth.event_study
    assert events["att"].iloc[0] == 0 and events["att"].iloc[-6:].mean() > 2 * events["att"].iloc[1:5].mean()
    assert truth["long_term"] == pytest.approx(truth["realised"]) and truth["gmv_90"] > truth["realised"]


def test_a_community_reaches_the_friends_of_its_members() -> None:
    market = livestream(users=600, days=16, tactics="community", rooms=4, community_spill=0.5, truth_draws=2)
    truth = market.truth
    assert truth["spillover"] > 0 and truth["realised"] > truth["att"] and truth["everyone"] > truth["ate"]
    calm = livestream(users=600, days=16, tactics="community", rooms=4, community_spill=0.0, truth_draws=2).truth
    assert calm["spillover"] == 0 and calm["realised"] == pytest.approx(calm["att"])
    assert set(market.logs.memberships["user"]) == set(market.logs.exposures["user"])


def test_win_back_is_for_the_lapsed_only() -> None:
    market = livestream(users=1500, days=30, tactics="win_back", rooms=4, truth_draws=2)
    start = np.datetime64("2026-03-17")
    visits = market.logs.visits
    last = visits[visits["time"] < start].groupby("user")["time"].max()
    asked = market.logs.assignments["user"]
    assert 0 < len(asked) < 1500
    away = (start - last.reindex(asked).dropna()).dt.days
    assert (away >= 14).all()
    users = market.truth.users
    assert (users.loc[~users["user"].isin(asked), "cate"] == 0).all() and users["cate"].mean() > 0


def test_rooms_adopt_by_lot_or_by_their_drift() -> None:
    size = {"users": 50, "rooms": 40, "days": 60, "tactics": "raffle"}
    starts = livestream(**size).logs.assignments["start"]
    days = (starts - np.datetime64("2026-03-02")).dt.days
    assert (
        days.value_counts(dropna=False).to_dict() == {20.0: 10, 34.0: 10, 48.0: 10, np.nan: 10}
        or days.isna().sum() == 10
    )
    tied = livestream(**size, trend_tie=1.0, room_trend=3.0, room_shock=0.0, city_shock=0, room_sd=0, seed=1)
    rooms = tied.logs.assignments.assign(day=lambda a: (a["start"] - np.datetime64("2026-03-02")).dt.days.fillna(99))
    visits = tied.logs.visits
    late = visits[visits["time"] >= "2026-04-20"].groupby("room").size() / visits.groupby("room").size()
    assert np.corrcoef(rooms["day"], late.reindex(rooms["room"]).fillna(0))[0, 1] < -0.4


def test_several_tactics_have_a_truth_each() -> None:
    truth = livestream(users=120, days=20, tactics=("coupon", "raffle"), truth_draws=2, **ROOMS).truth
    assert {"att", "raffle.att", "raffle.mediated"} <= {one.term for one in truth.terms}
    assert truth.target == "att" and "coupon" in truth.to_frame()["estimand"].iloc[0]


def test_what_is_bought_in_haste_comes_back() -> None:
    """More orders of a flash sale's own session are refunded, no others, and the accounts know it."""
    size = {"users": 3000, "rooms": 8, "days": 40, "tactics": "flash_sale", "seed": 2, "adopt": (7,), "never": 0.5}
    dials = {"conversion": 0.2, "refund": 0.2, "refund_apparel": 0.2, "refund_full": 1.0, "truth_draws": 2}
    usual, hasty = (livestream(**size, **dials, flash_refund=more) for more in (0.0, 0.5))
    found = []
    for market in (usual, hasty):
        sessions = market.logs.sessions.assign(day=lambda s: s["start"].dt.normalize())
        orders = market.logs.orders.query("time < '2026-03-26'").assign(day=lambda o: o["time"].dt.normalize())
        orders = orders.merge(sessions[["room", "day", "flash_sale"]], on=["room", "day"])  # old enough to be known
        found.append(orders.groupby("flash_sale")["refund"].agg(lambda r: (r > 0).mean()))
    assert found[0][1] == pytest.approx(0.2, abs=0.05) and found[1][1] == pytest.approx(0.7, abs=0.05)
    assert found[1][0] == pytest.approx(0.2, abs=0.02)
    assert usual.truth["refunded"] == pytest.approx(-0.2 * usual.truth["realised"])
    lost = hasty.truth["refunded"] - -0.2 * hasty.truth["realised"]  # beyond the usual share
    assert lost < -0.4 * hasty.truth["direct"]  # half of the day's orders, of which the gain is a part
    with pytest.raises(InputError, match="flash_refund"):
        livestream(**size, flash_refund=1.5)
