"""`Logs.users`: the check on the time of the year in which the arms start, and on days without orders."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.logs.season import same_season

DAY0 = pd.Timestamp("2025-01-01")


def growing(users: int = 1_000, lines: int = 12_000) -> tuple[pd.DataFrame, np.ndarray]:
    """Orders that grow over 100 days, and the half of the users that got something without an effect."""
    rng = np.random.default_rng(8)
    day = 100 * rng.random(lines) ** 0.5
    when = DAY0 + pd.to_timedelta((day * 86_400).astype(int), unit="s")
    orders = pd.DataFrame({"user": rng.integers(0, users, lines), "time": when, "gmv": rng.gamma(2, 20, lines)})
    return orders.assign(order=np.arange(lines)), np.flatnonzero(rng.random(users) < 0.5)


def table(start: object, anchor: int, post: str = "14D", lost: tuple[str, str] | None = None) -> pd.DataFrame:
    orders, sent = growing()
    if lost:
        orders = orders[~orders["time"].between(*lost)]
    exposures = pd.DataFrame({"user": sent, "tactic": "winback", "start": DAY0 + pd.to_timedelta(start, unit="D")})
    logs = gc.Logs(orders=orders, exposures=exposures, users=pd.DataFrame({"user": np.arange(1_000)}))
    return logs.users("winback", pre="14D", post=post, anchor=DAY0 + pd.Timedelta(days=anchor))


def spread(low: int, high: int) -> np.ndarray:
    return np.random.default_rng(1).integers(low, high, len(growing()[1]))


def found(frame: pd.DataFrame, name: str) -> dict:
    return next(c for c in frame.attrs["gmvcausal"]["checks"] if c["name"] == name)


def test_an_anchor_in_another_season_is_refused():
    frame = table(spread(30, 80), 30)
    r = gc.ab_test(frame, metrics=["gmv"], control="none")
    assert r.audit["same_season"].status == "failed" and "REFUSED" in r.summary()
    assert r.conf_int()[0] > 0  # growth alone
    m = gc.uplift(frame.assign(x=frame["gmv_pre"]), outcome="gmv", treatment="arm", control="none", features=["x"])
    assert m.audit["same_season"].status == "failed"
    assert found(table(30, 30), "same_season")["status"] == "passed"


def test_by_hand():
    day = np.datetime64("2025-01-01", "us") + np.array([0, 10, 20, 30, 14, 16]) * np.timedelta64(1, "D")
    # Medians agree (15 and 15). Quantiles of four points on a line, 0 to 30, lie 7.5 from 15 on average, those of two
    # 0.5; as far as these pull to the same side, the distance is 7.5 - 0.5.
    group = np.array([1, 1, 1, 1, 0, 0])
    check = same_season(day, group, ("none", "x"), 84)
    assert check["value"] == pytest.approx(7.0, abs=1e-9) and check["status"] == "passed"
    assert same_season(day, group, ("none", "x"), 13.9)["status"] == "warned"
    assert same_season(day, group, ("none", "x"), 6.9)["status"] == "failed"
    assert same_season(day, np.zeros(6, int), ("none", "x"), 14)["status"] == "not_run"


@pytest.mark.parametrize(
    ("start", "anchor", "post", "status"),
    [(40, 47, "28D", "passed"), (40, 48, "28D", "warned"), (40, 44, "7D", "warned"), (40, 48, "7D", "failed"),
     (20, 49, "35D", "failed")],
)  # fmt: skip
def test_thresholds(start, anchor, post, status):
    check = found(table(start, anchor, post), "same_season")
    assert check["status"] == status and check["value"] == pytest.approx(anchor - start)
    if status != "passed":
        assert "2025-02-10" in check["message"] or start == 20
        assert "choose anchor=" in check["remedy"]


def test_starts_spread_around_the_anchor():
    check = found(table(spread(20, 81), 50), "same_season")
    assert check["status"] == "failed" and 14 < check["value"] < 16  # 15 on average, of a window of 14 days


def test_lost_days_inside_the_windows():
    april = ("2025-02-20", "2025-03-01 23:59:59")
    check = found(table(55, 55, lost=april), "empty_periods")  # windows from 11 February to 11 March
    assert (check["status"], check["value"]) == ("failed", 10.0) and "2025-02-20" in check["message"]
    assert found(table(20, 20, lost=april), "empty_periods")["status"] == "passed"  # they end before
    assert found(table(55, 55), "empty_periods")["status"] == "passed"
