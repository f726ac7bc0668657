"""`Logs.retention`: by hand, against a loop over users, relations, refusals, the audit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from log_inputs import KINDS, as_kind
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.logs.returns.rules import TABLE
from gmvcausal.stats.survival import at, kaplan_meier

DAY = pd.Timedelta("1D")


def small(times: int = 1) -> pd.DataFrame:
    """Five users by hand, `times` over: next orders after 2 and 5 days, one on the same day, two who never return."""
    one = [("a", 3), ("a", 5), ("b", 3), ("b", 8), ("c", 4), ("d", 6), ("d", 6), ("e", 13)]
    rows = [(f"{u}{k}", d) for k in range(times) for u, d in one]
    return pd.DataFrame({"user": [u for u, _ in rows], "time": [f"2025-03-{d:02d}" for _, d in rows], "gmv": 10.0,
                         "order": range(len(rows))})  # fmt: skip


def shop(seed: int = 0, users: int = 400, lift: float = 0.0) -> dict[str, pd.DataFrame]:
    """Users with two arms drawn by lot and orders at random times of 120 days; some leave."""
    rng = np.random.default_rng(seed)
    day0, ids = pd.Timestamp("2025-01-01"), np.arange(users)
    arm = rng.permutation(users) < users // 2
    start = day0 + 30 * DAY
    rows = []
    for u in ids:
        rate = rng.gamma(2.0, 0.01) * (1 + lift * arm[u])
        t = np.cumsum(rng.exponential(1 / rate, 60))
        rows += [(u, day0 + pd.Timedelta(days=x)) for x in t[t < 120]]
    rows += [(0, day0 + pd.Timedelta(hours=1)), (0, day0 + 120 * DAY - pd.Timedelta(hours=1))]
    orders = pd.DataFrame(rows, columns=["user", "time"]).assign(gmv=10.0)
    orders["order"] = np.arange(len(orders))
    sent = pd.DataFrame({"user": ids[arm], "tactic": "coupon", "start": start})
    return {"orders": orders, "exposures": sent, "users": pd.DataFrame({"user": ids})}


def test_by_hand():
    r = gc.Logs(orders=small(10)).retention(freq="D", horizon=9)
    curve = r.curve().set_index("period")
    # Watched to the end of 13 March: a 11 days, b 11, c 10, d 8, e 1. d's second order that day is no return.
    assert curve["ordered"].to_dict() == pytest.approx(
        {1: 0, 2: 1 / 4, 3: 1 / 4, 4: 1 / 4, 5: 1 / 2, 6: 1 / 2, 7: 1 / 2, 8: 1 / 2, 9: 1 / 2}
    )
    assert curve["watched"].to_dict() == {1: 50, **dict.fromkeys(range(2, 9), 40), 9: 30}
    assert curve["at_risk"].tolist() == [50, 40, 30, 30, 30, 20, 20, 20, 10]
    # Period 3 is the third day: a's order after two days falls into it.
    assert curve.loc[3, "active"] == pytest.approx(1 / 4) and curve.loc[6, "active"] == pytest.approx(1 / 4)
    assert curve.loc[9, "orders"] == pytest.approx(1 / 4 + 1 / 4)
    assert r.estimate == pytest.approx(0.5) and "order again within 9 days" in r.summary()


def by_loop(tables: dict[str, pd.DataFrame], arm: bool, horizon: int, exits: dict[int, pd.Timestamp]) -> dict:
    """The same by going through users one by one."""
    orders, sent = tables["orders"], set(tables["exposures"]["user"])
    end, start = orders["time"].max().normalize() + DAY, pd.Timestamp("2025-01-31")
    time, event, counts, whole = [], [], [], []
    for u in tables["users"]["user"]:
        if (u in sent) != arm:
            continue
        stop = min(end, exits[u].normalize() + DAY) if u in exits else end
        if stop <= start:
            continue
        own = sorted(t for t in orders.loc[orders["user"] == u, "time"] if start <= t < stop)
        until = (stop - start) / (7 * DAY)
        time.append((own[0] - start) / (7 * DAY) if own else until)
        event.append(bool(own))
        weeks = [int((t - start) // (7 * DAY)) for t in own]
        counts.append([weeks.count(k) for k in range(horizon)])
        whole.append([until >= k + 1 for k in range(horizon)])
    c, w = np.array(counts), np.array(whole)
    left = at(kaplan_meier(np.array(time), np.array(event)), np.arange(1.0, horizon + 1))
    return {
        "ordered": 1 - left.share, "std_error": left.std_error,
        "active": ((c > 0) & w).sum(0) / w.sum(0), "orders": np.cumsum((c * w).sum(0) / w.sum(0)),
    }  # fmt: skip


def test_is_what_a_loop_over_users_finds():
    tables = shop(1, 200, 0.5)
    rng = np.random.default_rng(0)
    leaves = {int(u): pd.Timestamp("2025-01-20") + int(rng.integers(0, 90)) * DAY for u in range(0, 200, 5)}
    tables["users"]["exit"] = [leaves.get(u, pd.NaT) for u in tables["users"]["user"]]
    # A user's orders after the exit are not counted on either side.
    logs = gc.Logs(**tables)
    r = logs.retention("coupon", horizon=10, anchor="2025-01-31", assignment="random")
    curve = r.curve()
    for label, arm in (("none", False), ("coupon", True)):
        own = curve[curve["group"] == label]
        for column, values in by_loop(tables, arm, 10, leaves).items():
            np.testing.assert_allclose(own[column], values, atol=1e-12, err_msg=f"{label} {column}")
    frame = r.to_frame().set_index("term")
    last = curve[curve["period"] == 10].set_index("group")
    assert frame.loc["coupon", "estimate"] == pytest.approx(last.loc["coupon", "ordered"] - last.loc["none", "ordered"])
    both = np.hypot(last.loc["coupon", "std_error"], last.loc["none", "std_error"])
    assert frame.loc["coupon", "std_error"] == pytest.approx(both, rel=1e-12)
    gap = r.differences()
    assert gap["difference"].iloc[-1] == pytest.approx(frame.loc["coupon", "estimate"])
    assert (gap["band_low"] <= gap["conf_low"]).all() and gap["std_error"].iloc[-1] == pytest.approx(both)
    assert frame.loc["coupon (orders)", "estimate"] == pytest.approx(
        last.loc["coupon", "orders"] - last.loc["none", "orders"]
    )
    assert "left out" in " ".join(r.manifest.notes) and r.audit["censoring"].value is not None


def test_protocol_and_words(tmp_path: Path):
    logs = gc.Logs(**shop(2, 600, 2.0))
    r = logs.retention("coupon", horizon=8, anchor="2025-01-31", assignment="random")
    assert_protocol(r, tmp_path, (None, "orders", "differences"))
    assert r.estimate > 0 and "A gain of" in r.summary() and "who order within the horizon" in r.summary()
    plain = logs.retention("coupon", horizon=8, anchor="2025-01-31")
    assert_protocol(plain, None, ())
    text = " ".join(plain.summary().split())
    assert "no effect of the tactic" in text and "A gain" not in text
    assert plain.audit["sample_ratio"].status == "not_run"
    months = logs.retention(cohorts="M", horizon=4)
    assert_protocol(months, None, ("active",))
    assert months.to_frame()["term"].iloc[0] == "2025-01-01"
    gc.report([r, months], tmp_path / "r.html")
    assert "Who orders again" in str(gc.table(r)) + (tmp_path / "r.html").read_text(encoding="utf-8")
    with pytest.raises(gc.InputError, match="one group"):
        logs.retention(horizon=4).differences()


def test_relations(tmp_path: Path):
    tables = shop(3, 150)
    options = {"horizon": 6, "anchor": "2025-01-31", "assignment": "random"}
    base = gc.Logs(**tables).retention("coupon", **options)
    again = {
        "rows": {k: v.sample(frac=1, random_state=1) for k, v in tables.items()},
        "ids": {k: v.assign(user="u" + v["user"].astype(str).str.zfill(5)) for k, v in tables.items()},
        "lines": {**tables, "orders": pd.concat([tables["orders"]] * 2).assign(
            product=np.repeat([1, 2], len(tables["orders"])))},
    }  # fmt: skip
    for name, other in again.items():
        r = gc.Logs(**other).retention("coupon", **options)
        pd.testing.assert_frame_equal(r.curve(), base.curve(), check_exact=name != "ids")
    for kind in KINDS[1:]:
        made = {k: as_kind(v, kind, tmp_path, k) for k, v in tables.items()}
        pd.testing.assert_frame_equal(gc.Logs(**made).retention("coupon", **options).curve(), base.curve())
    named = {**tables, "orders": tables["orders"].rename(columns={"time": 'a "b"; --'})}
    r = gc.Logs(**named, columns={"time": 'a "b"; --'}).retention("coupon", **options)
    pd.testing.assert_frame_equal(r.curve(), base.curve())


def test_those_who_redeemed_are_refused():
    tables = shop(4, 300)
    first = tables["orders"][tables["orders"]["time"] > "2025-01-31"].groupby("user")["time"].min()
    redeemed = first.iloc[::2]
    tables["exposures"] = pd.DataFrame({"user": redeemed.index, "tactic": "coupon", "start": redeemed.to_numpy()})
    r = gc.Logs(**tables).retention("coupon", horizon=3, anchor="2025-01-31")
    assert r.audit["starts_with_an_order"].status == "failed" and "REFUSED" in r.summary()
    assert "they chose to" in r.summary() and r.audit["same_season"].status in ("warned", "failed")


@pytest.mark.parametrize("dates", [False, True])
def test_those_who_redeemed_by_date_are_refused(dates):
    tables = shop(4, 300)
    after = tables["orders"][tables["orders"]["time"] > "2025-01-31"]
    redeemed = after.groupby("user")["time"].min().iloc[::2].dt.normalize()
    tables["exposures"] = pd.DataFrame({"user": redeemed.index, "tactic": "coupon", "start": redeemed.to_numpy()})
    if dates:
        tables["orders"]["time"] = tables["orders"]["time"].dt.normalize()
    r = gc.Logs(**tables).retention("coupon", horizon=3, anchor="2025-02-10")
    check = r.audit["starts_on_a_day_with_an_order"]
    assert check.status == "failed" and check.value == 1.0 and "100.0% of coupon order on the day" in check.message
    assert "REFUSED" in r.summary() and r.audit["starts_with_an_order"].status == "not_run"


def test_those_who_order_daily_did_not_redeem():
    day = pd.date_range("2025-01-01", periods=60, freq="D")
    orders = pd.DataFrame({"user": np.repeat(np.arange(20), 60), "time": np.tile(day + pd.Timedelta("8h"), 20)})
    # A fifth of them miss the week before the start: 16 + 4 order that day, 16 of 20 on the days before.
    away = (orders["user"] % 5 == 0) & orders["time"].between("2025-01-24", "2025-01-31")
    sent = pd.DataFrame({"user": range(10), "tactic": "coupon", "start": "2025-01-31"})
    logs = gc.Logs(orders=orders[~away].assign(gmv=1.0), exposures=sent)
    check = logs.retention("coupon", freq="D", horizon=7, anchor="2025-02-01").audit["starts_on_a_day_with_an_order"]
    assert check.value == pytest.approx((1 - 0.8) / (1 - 0.8)) and check.status == "failed"
    orders = orders.assign(gmv=1.0)
    check = gc.Logs(orders=orders, exposures=sent).retention("coupon", freq="D", horizon=7, anchor="2025-01-31").audit
    assert check["starts_on_a_day_with_an_order"].status == "passed"


def test_a_wrong_date_after_the_log_is_named():
    orders = shop(8, 400)["orders"]
    stray = pd.DataFrame({"user": [1], "time": [pd.Timestamp("2025-12-20")], "gmv": [10.0], "order": [10**6]})
    wrong = pd.concat([orders, stray], ignore_index=True)
    sound = gc.Logs(orders=orders).retention(cohorts="M", horizon=8)
    assert sound.audit["empty_periods"].status == "passed"
    r = gc.Logs(orders=wrong).retention(cohorts="M", horizon=8)
    check = r.audit["empty_periods"]
    # 1 May to 19 December
    assert check.status == "failed" and check.value == 233 and f"at row position {len(orders)} of" in check.message
    assert r.to_frame()["estimate"].iloc[3] < sound.to_frame()["estimate"].iloc[3] and "REFUSED" in r.summary()


def test_a_lost_file_is_seen_wherever_its_days_lie():
    orders = shop(9, 1_000)["orders"]
    lost = orders["time"].between("2025-03-05", "2025-03-11 23:59:59")
    check = gc.Logs(orders=orders[~lost]).retention(horizon=8).audit["empty_periods"]
    assert check.status == "warned" and check.value == 7 and "begins at 2025-03-05" in check.message
    # The same days are no matter to those watched from April on, and a quiet shop has such weeks.
    few = gc.Logs(orders=orders[~lost].iloc[::40]).retention(horizon=4)
    assert few.audit["empty_periods"].status == "passed"
    sent = {"exposures": pd.DataFrame({"user": range(500), "tactic": "x", "start": "2025-04-01"})}
    later = gc.Logs(orders=orders[~lost], **sent).retention("x", horizon=3, anchor="2025-04-01")
    assert later.audit["empty_periods"].status == "passed"


def test_audit():
    logs = gc.Logs(**shop(5, 300))
    r = logs.retention("coupon", horizon=8, anchor="2025-01-31", assignment="random")
    assert not r.audit.failed and r.audit["starts_on_a_day_with_an_order"].status == "passed"
    assert r.audit["starts_with_an_order"].status == "not_run"  # sent at midnight
    noon = shop(5, 300)
    noon["exposures"]["start"] += pd.Timedelta("12h")
    timed = gc.Logs(**noon).retention("coupon", horizon=8, anchor="2025-01-31 12:00", assignment="random").audit
    assert timed["starts_with_an_order"].status == "passed"
    assert timed["starts_on_a_day_with_an_order"].status == "not_run"
    uneven = logs.retention("coupon", horizon=8, anchor="2025-01-31", assignment="random",
                            expected_ratio={"coupon": 0.9, "none": 0.1})  # fmt: skip
    assert uneven.audit["sample_ratio"].status == "failed"
    late = logs.retention("coupon", horizon=8, anchor="2025-02-20")
    assert late.audit["same_season"].status == "warned" and late.audit["same_season"].value == pytest.approx(20)
    tables = shop(5, 300)
    tables["users"]["exit"] = [pd.Timestamp("2025-02-20") if u in set(tables["exposures"]["user"]) else pd.NaT
                               for u in tables["users"]["user"]]  # fmt: skip
    tables["users"].loc[tables["users"].index % 3 > 0, "exit"] = pd.NaT
    gone = gc.Logs(**tables).retention("coupon", horizon=8, anchor="2025-01-31")
    assert gone.audit["censoring"].status == "failed"
    few = gc.Logs(orders=small()).retention(freq="D", horizon=5)
    assert few.audit["small_group"].status == "warned"
    dates = {**tables, "orders": tables["orders"].assign(time=tables["orders"]["time"].dt.normalize())}
    plain = gc.Logs(**dates).retention("coupon", horizon=4, anchor="2025-01-31")
    assert plain.audit["starts_with_an_order"].status == "not_run"
    assert plain.audit["starts_on_a_day_with_an_order"].status == "passed"
    end = gc.Logs(orders=shop(5, 1_500)["orders"]).retention(cohorts="4W", horizon=12)
    assert end.audit["watched"].status == "warned"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tactic": "coupon"}, "never exposed"),
        ({"tactic": "coupn", "anchor": "2025-01-31"}, "does not occur in exposures"),
        ({"horizon": 0}, "horizon must be a whole number"),
        ({"horizon": 2.5}, "horizon must be a whole number"),
        ({"horizon": 60}, "nobody is watched for horizon=60 periods.*Pass horizon=17"),
        ({"freq": "M"}, "freq must be a number of D"),
        ({"anchor": "2025-01-31"}, "anchor= is of arms"),
        ({"assignment": "random"}, "assignment= is of arms"),
        ({"tactic": "coupon", "anchor": "2025-01-31", "cohorts": "M"}, "cohorts= is of first orders"),
        ({"tactic": "coupon", "anchor": "2025-01-31", "control": "coupn"}, "is no arm"),
        ({"tactic": "coupon", "anchor": "2025-01-31", "expected_ratio": {"coupon": 1, "none": 1}}, "that chance drew"),
        ({"tactic": "coupon", "anchor": "2025-01-31", "assignment": "lot"}, "assignment must be"),
        ({"tactic": "coupon", "anchor": "2027-01-31"}, "none.* watched"),
        ({"alpha": 5}, "alpha must be"),
    ],
)
def test_refused(options, words):
    logs = gc.Logs(**shop(6, 120))
    with pytest.raises((gc.InputError, gc.DesignError), match="(?s)" + words):
        logs.retention(**options)
    assert logs.retention(horizon=3).n > 0  # the logs are as they were


def test_too_many_cohorts():
    with pytest.raises(gc.InputError, match=r"cohorts='D' makes .* at most 60"):
        gc.Logs(**shop(7, 400)).retention(cohorts="D", freq="D", horizon=3)


def test_all_exposed_or_nobody():
    tables = shop(6, 60)
    everybody = {**tables, "exposures": pd.DataFrame({"user": range(60), "tactic": "coupon", "start": "2025-01-31"})}
    with pytest.raises(gc.InputError, match="all users are in the arm 'coupon'"):
        gc.Logs(**everybody).retention("coupon", anchor="2025-01-31", horizon=4)
    two = {**tables, "exposures": everybody["exposures"].assign(tactic=np.where(np.arange(60) % 2, "a", "b"))}
    with pytest.raises(gc.InputError, match="which arm is the control is not said"):
        gc.Logs(**two).retention(["a", "b"], horizon=4)
    r = gc.Logs(**two).retention(["a", "b"], horizon=4, control="b", assignment="random")
    assert r.to_frame()["term"].tolist() == ["a", "a (time)", "a (orders)"]
    with pytest.raises(gc.InputError, match="needs exposures"):
        gc.Logs(orders=tables["orders"]).retention("coupon")


def test_the_page_publishes_the_rules_of_the_code():
    page = Path(__file__).resolve().parents[2] / "docs" / "retention.md"
    text = page.read_text(encoding="utf-8").split("\n## Checks and thresholds\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE


def test_a_lot_by_city_has_no_intervals_by_user():
    tables = shop(1, users=200)
    sent = set(tables["exposures"]["user"])
    names = [f"{'t' if u in sent else 'c'}{u % 10}" for u in range(200)]
    options = {"freq": "W", "horizon": 8, "anchor": "2025-01-31", "assignment": "random"}
    cities = gc.Logs(**tables | {"users": tables["users"].assign(city=names)}).retention("coupon", **options)
    assert cities.audit["cluster_level"].status == "failed" and "gc.ab_test(cluster='city')" in cities.summary()
    mixed = gc.Logs(**tables | {"users": tables["users"].assign(city=[str(u % 10) for u in range(200)])})
    assert "cluster_level" not in mixed.retention("coupon", **options).audit
