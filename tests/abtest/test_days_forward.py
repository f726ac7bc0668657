"""What a gain of a test took from its later days: against the test itself, user by user, and what is refused."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol
from scipy import stats

import gmvcausal as gc
from gmvcausal.errors import DesignError, InputError
from gmvcausal.stats.inference import fieller

GAIN = (6.0, -4.0, -1.0, 0.0)


@lru_cache
def users(n: int = 400, seed: int = 0, days: int = 4) -> pd.DataFrame:
    """A coupon on day 0 that sells 6 more, of which 5 are missing on the two days after."""
    rng = np.random.default_rng(seed)
    user, day = np.repeat(np.arange(n), days), np.tile(np.arange(days), n)
    arm = rng.permutation(np.arange(n) % 2)[user]
    gmv = 20 + rng.normal(0, 4, n)[user] + rng.normal(0, 5, n * days) + np.array(GAIN)[day] * arm
    return pd.DataFrame({"user": user, "day": day, "arm": np.where(arm == 1, "coupon", "none"), "gmv": gmv})


def by_day(frame: pd.DataFrame, **ask: Any) -> Any:
    return gc.ab_test(frame, metrics=[gc.Mean("gmv")], unit="user", time="day", control="none", **ask)


def test_against_the_users_themselves() -> None:
    frame = users()
    result = by_day(frame)
    found = result.pull_forward()
    out = found.to_frame().set_index("term")
    wide = frame.pivot(index="user", columns="day", values="gmv")
    on = frame.groupby("user")["arm"].first() == "coupon"
    for term, days in (("net", [0, 1, 2, 3]), ("during", [0]), ("after", [1, 2, 3])):
        a, b = (wide[days].sum(axis=1)[side] for side in (on, ~on))
        assert out.loc[term, "estimate"] == pytest.approx(a.mean() - b.mean(), rel=1e-9)
        assert out.loc[term, "std_error"] == pytest.approx(np.sqrt(a.var() / len(a) + b.var() / len(b)), rel=1e-8)
    # Up to the last day it is the test.
    assert found.estimate == pytest.approx(result.estimate, rel=1e-10)
    assert found.std_error == pytest.approx(result.std_error, rel=1e-8)
    assert found.conf_int() == pytest.approx(result.conf_int(), rel=1e-3)
    first, rest = wide[0], wide[[1, 2, 3]].sum(axis=1)
    cov = sum(np.cov(first[s], rest[s]) / s.sum() for s in (on, ~on))
    t = float(stats.t.ppf(0.975, found.estimates.t.df[3]))
    wanted = fieller(-out.loc["after", "estimate"], out.loc["during", "estimate"], cov[1, 1], cov[0, 0], -cov[0, 1], t)
    assert (out.loc["borrowed_share", "conf_low"], out.loc["borrowed_share", "conf_high"]) == pytest.approx(wanted)


def test_protocol_and_money(tmp_path: Path) -> None:
    found = by_day(users()).pull_forward(3)
    assert_protocol(found, tmp_path, (None, "cumulative"))
    assert found.unit == "gmv per user over 3 periods"
    text = " ".join(found.summary().split())
    assert "in the first period" in text and "of the control arm" in text
    assert found.to_frame().loc[0, "last_period"] == 2
    money = found.incremental_gmv()
    assert money.estimate == pytest.approx(200 * found.estimate, rel=1e-12)
    assert_protocol(money)


def test_days_without_a_row_are_zero() -> None:
    frame = users()
    bought = frame.assign(gmv=frame["gmv"].where(frame["gmv"] > 20, 0.0))
    full = by_day(bought).pull_forward(3)
    sparse = bought[(bought["gmv"] > 0) | (bought["day"] == 0)]
    short = by_day(sparse, missing="zero").pull_forward(3)
    pd.testing.assert_frame_equal(short.to_frame(), full.to_frame(), rtol=1e-8)


def test_several_arms_need_one() -> None:
    frame = users()
    three = frame.assign(arm=np.where(frame["user"] % 5 == 0, "push", frame["arm"]))
    result = by_day(three)
    with pytest.raises(InputError, match="one arm is compared"):
        result.pull_forward()
    assert result.pull_forward(arm="coupon").row(1).low > 0


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        ({"window": 9}, "has 4 periods"),
        ({"window": 1}, "at least 2"),
        ({"during": 4}, "nothing is seen"),
        ({"during": 0}, "at least 1"),
        ({"metric": "hats"}, "no days of its own"),
        ({"arm": "push"}, "one arm is compared"),
    ],
)
def test_calls_that_are_refused(ask: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        by_day(users()).pull_forward(**ask)


def test_designs_that_are_refused() -> None:
    frame = users()
    once = frame.groupby(["user", "arm"], as_index=False)["gmv"].sum()
    with pytest.raises(InputError, match="without time="):
        gc.ab_test(once, metrics=[gc.Mean("gmv")], unit="user", control="none").pull_forward()
    late = frame[(frame["day"] > 0) | (frame["user"] % 3 > 0)]
    with pytest.raises(DesignError, match="come in on different days"):
        by_day(late).pull_forward()
    with pytest.raises(DesignError, match="no metric is a mean"):
        gc.ab_test(
            frame.assign(some=frame["gmv"] > 20), metrics=[gc.Proportion("some")], unit="user", time="day",
            control="none",
        ).pull_forward()  # fmt: skip
