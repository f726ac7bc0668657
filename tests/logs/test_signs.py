"""Logs that are wrong in ways that still make a table: each must leave a check that says so and what to do."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from log_inputs import KINDS, as_kind

import gmvcausal as gc
from gmvcausal.errors import InputError
from gmvcausal.logs import Logs

MONDAY = pd.Timestamp("2025-03-03")
USERS = [f"u{i:02d}" for i in range(1, 41)]


def orders(weeks: int = 10, users: list[str] = USERS) -> pd.DataFrame:
    """One order of every user in every week, at noon of the first day, and one that ends the last week."""
    frame = pd.DataFrame({"user": np.repeat(users, weeks), "week": np.tile(np.arange(weeks), len(users))})
    frame["time"] = MONDAY + pd.to_timedelta(7 * frame["week"] + 0.5, unit="D")
    frame["gmv"] = 10.0
    last = pd.DataFrame({"user": [users[0]], "time": [MONDAY + pd.Timedelta(days=7 * weeks - 1, hours=20)], "gmv": 1.0})
    return pd.concat([frame.drop(columns="week"), last], ignore_index=True)


def sent(users: list[str] = USERS[:20], tactic: str = "a", week: float = 5.0) -> pd.DataFrame:
    return pd.DataFrame({"user": users, "tactic": tactic, "start": MONDAY + pd.Timedelta(days=7 * week)})


def signs(frame: pd.DataFrame) -> dict[str, dict]:
    about = frame.attrs["gmvcausal"]
    assert json.loads(json.dumps(about)) == about
    return {check["name"]: check for check in about["checks"]}


def sign(frame: pd.DataFrame, name: str) -> dict:
    return signs(frame)[name]


def test_a_sound_log_passes():
    panel = Logs(orders=orders(), exposures=sent()).panel(freq="W", tactic="a")
    found = signs(panel)
    assert [found[n]["status"] for n in ("empty_periods", "other_tactics", "exposed_without_orders")] == ["passed"] * 3
    stack = Logs(orders=orders(), exposures=sent()).stack(window=(-2, 2))
    assert sign(stack, "empty_periods")["status"] == sign(stack, "exposed_without_orders")["status"] == "passed"
    assert not {"other_tactics", "coverage_match"} & set(signs(stack))
    assert set(signs(Logs(orders=orders()).panel(freq="W"))) >= {"empty_periods"}


# --- empty periods --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_one_order_with_a_wrong_year(kind, tmp_path):
    wrong = orders()
    wrong.loc[7, "time"] += pd.Timedelta(weeks=60)
    check = sign(Logs(orders=as_kind(wrong, kind, tmp_path)).panel(freq="W"), "empty_periods")
    assert (check["status"], check["value"], check["threshold"]) == ("failed", 57.0, 0.0)
    assert (
        "nobody ordered anything in 57 of the 67 weeks inside the log; the first of them begins at 2025-05-12"
        in (check["message"])
    )
    assert check["message"].endswith(
        "a single order line lies after the longest gap of 57 weeks, at row position 7 of orders"
    )
    assert "correct these dates" in check["remedy"]


def test_an_order_of_another_year_before_the_log():
    wrong = orders()
    wrong.loc[[4, 9], "time"] -= pd.Timedelta(weeks=52)
    check = sign(Logs(orders=wrong).panel(freq="W"), "empty_periods")
    assert "only 2 order lines lie before the longest gap of" in check["message"]
    assert "at row positions 4, 9 of orders" in check["message"]


def test_the_position_is_that_of_the_rows_given():
    wrong = orders()
    wrong.loc[7, "time"] += pd.Timedelta(weeks=60)
    twice = pd.concat([wrong.head(3), wrong], ignore_index=True)
    check = sign(Logs(orders=twice, dedupe="exact").panel(freq="W"), "empty_periods")
    assert "at row position 10 of orders" in check["message"]


def test_two_lost_weeks():
    kept = orders()
    week = (kept["time"] - MONDAY).dt.days // 7
    lost = Logs(orders=kept[~week.isin([3, 4])], exposures=sent())
    for frame in (lost.panel(freq="W"), lost.stack(window=(-2, 2))):
        check = sign(frame, "empty_periods")
        assert (check["status"], check["value"]) == ("warned", 2.0)
        assert "begins at 2025-03-24" in check["message"]
        assert "row position" not in check["message"]
        assert "a lost file" in check["remedy"]
    assert "empty_periods" in [c.name for c in gc.did(lost.panel(freq="W")).audit.warned]


def test_periods_of_several_weeks_in_words():
    check = sign(Logs(orders=orders(8)).panel(freq="4W"), "empty_periods")
    assert check["message"] == "orders were placed in each of the 2 periods of 4 weeks"


# --- other tactics --------------------------------------------------------------------------------------------------
def test_never_units_under_another_tactic():
    both = pd.concat([sent(), sent(USERS[18:25], "b"), sent(USERS[30:32], "b", 20)])
    logs = Logs(orders=orders(), exposures=both)
    check = sign(logs.panel(freq="W", tactic="a"), "other_tactics")
    # u19 and u20 are treated by a; u31 and u32 get b after the panel.
    assert (check["status"], check["value"]) == ("warned", 5 / 20)
    assert "5 of the 20 users never exposed to the chosen tactics (25.0%)" in check["message"]
    assert "tactic=None" in check["remedy"]
    assert "other_tactics" not in signs(logs.panel(freq="W"))
    assert sign(logs.panel(freq="W", tactic=["a", "b"]), "other_tactics")["status"] == "passed"


def test_other_tactics_where_nobody_is_left_to_compare():
    both = pd.concat([sent(USERS), sent(USERS[:2], "b")])
    check = sign(Logs(orders=orders(), exposures=both).panel(freq="W", tactic="a"), "other_tactics")
    assert check["status"] == "not_run"


# --- ids that do not meet -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "spell", [str.upper, lambda u: u + " ", lambda u: "u" + u[1:].zfill(5), lambda u: "u" + u[1:].lstrip("0")]
)
@pytest.mark.parametrize("kind", ["pandas", "parquet"])
def test_ids_spelled_in_two_ways(spell, kind, tmp_path):
    other = as_kind(sent([spell(u) for u in USERS[:9]]), kind, tmp_path, "exposures")
    logs = Logs(orders=as_kind(orders(), kind, tmp_path), exposures=other)
    for frame in (logs.panel(freq="W"), logs.stack(window=(-2, 2))):
        check = sign(frame, "exposed_without_orders")
        assert (check["status"], check["value"], check["threshold"]) == ("failed", 1.0, 0.2)
        assert "9 of them would meet an order but for capitals, spaces or leading zeros" in check["message"]
        assert "in the same way" in check["remedy"]
    assert not gc.did(logs.panel(freq="W")).audit.credible


@pytest.mark.parametrize(("strangers", "status"), [(1, "passed"), (2, "warned"), (9, "warned"), (10, "failed")])
def test_thresholds(strangers, status):
    exposed = USERS[: 10 - strangers] + [f"new{i}" for i in range(strangers)]
    check = sign(Logs(orders=orders(), exposures=sent(exposed)).panel(freq="W"), "exposed_without_orders")
    assert (check["status"], check["value"]) == (status, strangers / 10)
    assert "would meet" not in check["message"]
    if status != "passed":
        assert "'U12' and 'u12'" in check["remedy"]


def test_the_listed_and_never_exposed_stand_beside():
    listed = pd.DataFrame({"user": [*USERS, *[f"new{i}" for i in range(10)]]})
    exposed = sent([*USERS[:5], "new0", "new1"])
    check = sign(Logs(orders=orders(), exposures=exposed, users=listed).panel(freq="W"), "exposed_without_orders")
    assert check["value"] == pytest.approx(2 / 7)
    assert "against 18.6% of the 43 never exposed" in check["message"]


def test_orders_outside_the_panel_count_as_orders():
    late = orders(10)
    late = late[~(late["user"].isin(USERS[:20]) & (late["time"] >= MONDAY + pd.Timedelta(weeks=5)))]
    check = sign(Logs(orders=late, exposures=sent()).panel(freq="W", origin="2025-04-14"), "exposed_without_orders")
    assert (check["status"], check["value"]) == ("passed", 0.0)


def test_whole_numbers_and_a_handful():
    whole = orders(users=list(range(40)))
    check = sign(Logs(orders=whole, exposures=sent(list(range(100, 110)))).panel(freq="W"), "exposed_without_orders")
    assert check["status"] == "failed"
    few = sign(Logs(orders=orders(), exposures=sent(["x", "y"])).panel(freq="W"), "exposed_without_orders")
    assert (few["status"], few["value"]) == ("not_run", None)


def test_a_users_table_says_it_too():
    strangers = Logs(orders=orders(), exposures=sent([u.upper() for u in USERS[:9]]))
    check = sign(strangers.users(pre="7D", post="7D", anchor=MONDAY + pd.Timedelta(weeks=5)), "exposed_without_orders")
    assert (check["status"], check["value"]) == ("failed", 1.0)
    sound = Logs(orders=orders(), exposures=sent()).users(pre="7D", post="7D", anchor=MONDAY + pd.Timedelta(weeks=5))
    assert sign(sound, "exposed_without_orders")["status"] == "passed"


# --- coverage -------------------------------------------------------------------------------------------------------
def covered(products: dict[str, str], outcome: str | None = None) -> dict:
    exposures = pd.concat([sent(), sent(USERS[10:30], "b")])
    coverage = pd.DataFrame({"tactic": list(products), "product": list(products.values())})
    logs = Logs(orders=orders().assign(product="tea"), exposures=exposures, coverage=coverage)
    return sign(logs.stack(window=(-2, 2), outcome=outcome), "coverage_match")


def test_coverage_that_matches_no_sale():
    assert covered({"a": "tea", "b": "tea"})["status"] == "passed"
    some = covered({"a": "tea", "c": "tea"})
    assert (some["status"], some["value"]) == ("warned", 0.5)
    assert some["message"].endswith("zero throughout: b; absent from coverage: b")
    none = covered({"a": "Tea", "b": "tea "})
    assert (none["status"], none["value"]) == ("failed", 1.0)
    assert "absent" not in none["message"]
    assert "spells products as orders do" in none["remedy"]
    assert covered({"a": "Tea", "b": "tea "}, "gmv")["status"] == "warned"


# --- when in the period ---------------------------------------------------------------------------------------------
def late_note(frame: pd.DataFrame) -> list[str]:
    return [note for note in frame.attrs["gmvcausal"]["notes"] if note.startswith("exposures start on average")]


def test_exposures_late_in_their_period():
    logs = Logs(orders=orders(12), exposures=sent(week=5.6))
    week = "exposures start on average 4.2 days into their week, so the first treated week is treated only in part"
    assert late_note(logs.panel(freq="W")) == late_note(logs.stack(window=(-2, 2))) == [week]
    assert late_note(logs.panel(freq="4W")) == [
        "exposures start on average 11.2 days into their period of 4 weeks, so the first treated period is treated "
        "only in part"
    ]
    assert late_note(logs.panel(freq="D")) == [
        "exposures start on average 4.8 hours into their day, so the first treated day is treated only in part"
    ]
    for week_of_start in (5.0, 5.09, 30.5, -3.5):
        assert not late_note(Logs(orders=orders(), exposures=sent(week=week_of_start)).panel(freq="W"))


def test_only_the_first_exposure_of_a_unit_counts():
    again = pd.concat([sent(week=5), sent(week=6.9)])
    assert not late_note(Logs(orders=orders(), exposures=again).panel(freq="W"))


# --- refunds --------------------------------------------------------------------------------------------------------
def with_refunds(delays: list[float], window: str = "7D", **options) -> Logs:
    bought = orders().assign(order=lambda d: np.arange(len(d)))
    back = bought.iloc[: len(delays)].copy()
    back["time"] += pd.to_timedelta(delays, unit="D")
    back["gmv"] = -1.0
    return Logs(
        orders=pd.concat([bought, back], ignore_index=True),
        gmv="net",
        refund_window=window,
        exposures=sent(),
        **options,
    )


def test_a_refund_before_its_order():
    with pytest.raises(InputError, match=r"refund is dated before its order; column 'time'; 2 found") as caught:
        with_refunds([1, -1, 2, -0.1])
    assert caught.value.rows == (402, 404)
    with_refunds([1, -0.5])  # midnight of the order's day: a refund that has a date only


def test_refunds_later_than_their_window():
    check = sign(with_refunds([1, 20, 3, 9]).panel(freq="W"), "refund_window")
    assert (check["status"], check["value"], check["threshold"]) == ("warned", 20.0, 7.0)
    assert "2 of 4 refunds (50.0%) came later than refund_window='7D'" in check["message"]
    assert "20.0 days" in check["message"]
    assert "longer refund_window" in check["remedy"]
    passed = sign(with_refunds([1, 7]).stack(window=(-2, 2)), "refund_window")
    assert (passed["status"], passed["value"]) == ("passed", 7.0)
    assert "refund_window" not in signs(with_refunds([]).panel(freq="W"))


# --- lives ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["users", "rooms"])
def test_exit_before_entry(kind, name, tmp_path):
    lives = pd.DataFrame({name[:-1]: USERS, "entry": MONDAY, "exit": pd.NaT})
    lives.loc[[3, 5], "exit"] = [MONDAY - pd.Timedelta(days=1), MONDAY]
    with pytest.raises(InputError, match=rf"exit lies before entry in {name}; column 'exit'; 1 found.*position 3"):
        Logs(orders=orders().assign(room=lambda d: d["user"]), **{name: as_kind(lives, kind, tmp_path, name)})


# --- one campaign, several starts -----------------------------------------------------------------------------------
def test_starts_within_one_period_share_it():
    exact = Logs(orders=orders(), exposures=pd.concat([sent(USERS[:20]), sent(USERS[20:30], "b")]))
    spread = pd.concat([sent(USERS[:10]), sent(USERS[10:20], week=5.5), sent(USERS[20:30], "b")])
    logs = Logs(orders=orders(), exposures=spread)
    stack = logs.stack(window=(-2, 2))
    pd.testing.assert_frame_equal(stack, exact.stack(window=(-2, 2)))
    assert any(
        note.endswith("start at different times within one period, which is event time 0 for all of their users: a")
        for note in stack.attrs["gmvcausal"]["notes"]
    )
    with pytest.raises(InputError, match=r"campaign 'a' starts at 2 different times.*unit by unit, or a freq="):
        logs.stack(window=(-2, 2), freq="D")


def test_a_last_period_that_some_share_only_in_part_is_not_enough():
    spread = pd.concat([sent(USERS[:10], week=9), sent(USERS[10:20], week=9.5)])
    with pytest.raises(InputError, match="too late for one whole period"):
        Logs(orders=orders(), exposures=spread).stack(window=(-2, 2))


# --- what travels with the table ------------------------------------------------------------------------------------
def test_the_scale_travels_as_a_column(tmp_path):
    logs = Logs(orders=orders(12), exposures=sent())
    panel = logs.panel(freq="4W", per="W")
    assert panel["parts"].dtype == np.int16
    assert panel["parts"].eq(4).all()
    assert list(panel.columns)[-1] == "parts"
    assert logs.panel(freq="W", per="W")["parts"].eq(1).all()
    assert "parts" not in logs.panel(freq="4W")
    panel.to_parquet(tmp_path / "panel.parquet")
    assert pd.read_parquet(tmp_path / "panel.parquet")["parts"].eq(4).all()


def test_sums_and_rows_as_made():
    kept = orders().assign(product="tea", discount=0.5)
    coverage = pd.DataFrame({"tactic": ["a"], "product": ["tea"]})
    logs = Logs(orders=kept, exposures=sent(), coverage=coverage)
    panel = logs.panel(freq="W", keep=["discount"])
    about = panel.attrs["gmvcausal"]
    assert about["rows"] == len(panel) == 400
    assert about["sums"] == {"gmv": 4001.0, "orders": 401.0, "buyers": 400.0, "discount": 200.5}
    stack = logs.stack(window=(-2, 2))
    made = stack.attrs["gmvcausal"]
    assert made["rows"] == len(stack) == 200
    assert made["sums"] == {"gmv": 2000.0, "gmv_covered": 2000.0, "gmv_other": 0.0, "orders": 200.0}
    assert logs.panel(freq="2W", per="W").attrs["gmvcausal"]["sums"]["gmv"] == 4001.0 / 2


def test_no_id_of_a_person_is_shown():
    wrong = orders()
    wrong.loc[7, "time"] += pd.Timedelta(weeks=60)
    found = signs(Logs(orders=wrong, exposures=sent([u.upper() for u in USERS[:9]])).panel(freq="W"))
    words = " ".join(check["message"] for check in found.values())
    assert not re.search(r"\bu\d\d\b", words, flags=re.I)


def test_a_tactic_that_ends_is_said():
    until = sent(USERS[:10]).assign(end=lambda f: f["start"] + pd.Timedelta(days=6))
    said = "count all of them as treated"
    assert any(
        said in note for note in Logs(orders=orders(), exposures=until).panel(freq="W").attrs["gmvcausal"]["notes"]
    )
    on = Logs(orders=orders(), exposures=sent(USERS[:10])).panel(freq="W").attrs["gmvcausal"]["notes"]
    assert not any(said in note for note in on)
