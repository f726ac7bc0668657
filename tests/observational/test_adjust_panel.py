"""`gc.adjust(unit=, time=)`: the answer within units beside that across them, and the test that both say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.observational.adjustment.numbers import scores
from gmvcausal.stats.two_ways import satterthwaite, within_both
from tests.protocol import assert_protocol


def panel(units: int, days: int, seed: int, *, hidden: float = 0.0, effect: float = 2.0) -> pd.DataFrame:
    """Coupons go to those with a taste for spending, of which the data know only a part."""
    rng = np.random.default_rng(seed)
    user, day = np.repeat(np.arange(units), days), np.tile(np.arange(days), units)
    seen, taste = rng.normal(size=units)[user], rng.normal(size=units)[user]
    mood = rng.normal(size=len(user))
    lean = -0.5 + 0.5 * seen + 0.5 * mood + 1.5 * (hidden > 0) * taste
    coupon = (rng.random(len(user)) < 1 / (1 + np.exp(-lean))).astype(int)
    gmv = 50 + 3 * seen + 2 * mood + day + hidden * taste + effect * coupon + rng.normal(0, 2, len(user))
    return pd.DataFrame({"user": user, "day": day, "seen": seen, "mood": mood, "coupon": coupon, "gmv": gmv})


def asked(data: Any, **options: Any) -> Any:
    own = {"treatment": "coupon", "covariates": ["seen", "mood"], "estimator": "regression", "unit": "user"}
    return gc.adjust(data, **{**own, "time": "day", **options})


def test_protocol_and_both_rows(tmp_path: Path) -> None:
    data = panel(60, 6, 1)
    r = asked(data)
    assert_protocol(r, tmp_path)
    assert r.estimates.term == ("1", "1 (within user)", "1 (unadjusted)") and r.unit == "gmv per user-day"
    assert (r.estimate, r.std_error) == (
        (plain := asked(data, time=None, cluster="user")).estimate, plain.std_error
    )  # fmt: skip
    assert r.audit["panel_conflict"].status == "passed"
    moves = int((data.groupby("user")["coupon"].nunique() == 2).sum())
    assert f"{moves} units of 60 change between the arms" in " ".join(r.summary().split())


def test_within_by_hand() -> None:
    """Four users, two days: one gains 3 with the coupon's coming, one 5, two get none and gain 1 and 3: 4 - 2 = 2."""
    data = pd.DataFrame({"user": list("aabbccdd"), "day": [1, 2] * 4, "coupon": [0, 1, 0, 1, 0, 0, 0, 0]})
    data["gmv"] = [10.0, 13, 20, 25, 5, 6, 7, 10]
    both = within_both(data[["gmv", "coupon"]].to_numpy(float), np.repeat(np.arange(4), 2), np.tile([0, 1], 4))
    assert both[:, 1] @ both[:, 0] / (both[:, 1] @ both[:, 1]) == pytest.approx(2)


def test_within_beside_dummies_and_cr2_beside_matrices() -> None:
    """With gaps: points as by dummies; CR2 and its degrees of freedom by the matrices of their definition."""
    data = panel(25, 5, 2).sample(100, random_state=0).reset_index(drop=True)
    r = asked(data)
    row = r.to_frame().iloc[1]
    x = np.column_stack([data["coupon"], data["mood"], pd.get_dummies(data["user"]), pd.get_dummies(data["day"])])
    beta = np.linalg.lstsq(x.astype(float), data["gmv"].to_numpy(), rcond=None)[0]
    assert row["estimate"] == pytest.approx(beta[0], rel=1e-9)
    unit, time = np.unique(data["user"], return_inverse=True)[1], data["day"].to_numpy()
    z = within_both(data[["coupon", "mood"]].to_numpy(float), unit, time)
    rest = within_both(data[["gmv"]].to_numpy(), unit, time)[:, 0] - z @ beta[:2]
    # Of the hat matrix only units are taken out before (Pustejovsky and Tipton 2018): the periods stay in.
    days = pd.get_dummies(data["day"]).to_numpy(float)[:, 1:]
    days = days - np.column_stack([np.bincount(unit, c) / np.bincount(unit) for c in days.T])[unit]
    z = np.column_stack([z, days])
    inverse = np.linalg.inv(z.T @ z)
    hat = z @ inverse @ z.T
    pulls, variance = np.zeros((len(data), int(unit.max()) + 1)), 0.0
    for c in range(int(unit.max()) + 1):
        at = np.flatnonzero(unit == c)
        values, vectors = np.linalg.eigh(np.eye(len(at)) - hat[np.ix_(at, at)])
        root = vectors @ np.diag(1 / np.sqrt(values)) @ vectors.T
        pulls[at, c] = root @ z[at] @ inverse[:, 0]
        variance += float(pulls[at, c] @ rest[at]) ** 2
    assert row["std_error"] == pytest.approx(np.sqrt(variance), rel=1e-8)
    kernel = pulls.T @ (np.eye(len(data)) - hat) @ pulls
    assert row["df"] == pytest.approx(np.trace(kernel) ** 2 / np.trace(kernel @ kernel), rel=1e-8)
    assert satterthwaite(z, pulls.sum(axis=1), unit) == pytest.approx(row["df"], rel=1e-8)
    own = scores(z, rest, np.eye(z.shape[1])[0], unit)
    assert np.sqrt((np.bincount(unit, own) ** 2).sum()) == pytest.approx(row["std_error"], rel=1e-8)


def test_a_hidden_taste_fails_the_audit() -> None:
    r = asked(panel(120, 6, 3, hidden=8))
    check = r.audit["panel_conflict"]
    inside = r.to_frame().iloc[1]
    assert check.status == "failed" and "read the row '1 (within user)'" in check.remedy
    assert r.estimate > 5 and abs(inside["estimate"] - 2) < 4 * inside["std_error"]
    assert not r.audit.credible and "panel_conflict" in r.summary().split("Audit")[0]


def test_size_and_coverage_on_known_truth() -> None:
    """100 panels without a hidden taste: the check warns in 5 %, the interval within covers in 95 %."""
    alarms, inside = 0, 0
    for k in range(100):
        r = asked(panel(40, 4, 100 + k))
        alarms += r.checks["panel_conflict"].status != "passed"  # without the refuters, which cost more
        row = r.to_frame().iloc[1]
        inside += row["conf_low"] < 2 < row["conf_high"]
    assert alarms / 100 < 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 100)
    assert inside / 100 > 0.95 - 2.6 * np.sqrt(0.05 * 0.95 / 100)


def test_refuters_pass_on_panels_whose_units_differ() -> None:
    """What units have in common is no effect of false arms, however few units there are."""
    rng = np.random.default_rng(9)
    for k in range(5):
        data = panel(60, 5, 300 + k)
        data["gmv"] += rng.normal(0, 6, 60)[data["user"]]
        assert asked(data).audit["placebo_treatment"].status == "passed"


def test_metamorphic() -> None:
    data = panel(30, 4, 5)
    one = asked(data).to_frame()
    again = asked(data.sample(frac=1, random_state=1)).to_frame()
    pd.testing.assert_frame_equal(again, one, rtol=1e-7)
    money = asked(
        data.assign(gmv=100 * data["gmv"] + 1e7, day=pd.Timestamp("2025-11-01") + pd.to_timedelta(data["day"], "D"))
    )
    np.testing.assert_allclose(money.to_frame()["estimate"], 100 * one["estimate"], rtol=1e-6)
    np.testing.assert_allclose(money.to_frame()["std_error"], 100 * one["std_error"], rtol=1e-6)
    shifted = data.assign(gmv=data["gmv"] + 1000 * data["user"] + 77 * data["day"])
    assert asked(shifted).to_frame()["estimate"][1] == pytest.approx(one["estimate"][1], rel=1e-7)


def test_what_cannot_be_compared_within() -> None:
    data = panel(40, 3, 6)
    data["coupon"] = data["user"] % 2
    r = asked(data)
    assert r.estimates.term == ("1", "1 (unadjusted)")
    assert r.audit["panel_conflict"].status == "not_run" and "nobody's arm changes" in r.audit["panel_conflict"].message
    gaps = panel(200, 3, 6)
    gaps.loc[3, "mood"] = np.nan
    told = asked(gaps, estimator="aipw", folds=2)
    assert any("covariates mood are left out" in note for note in told.manifest.notes)


def months(seed: int = 6) -> pd.DataFrame:
    """200 users, 24 months, without a treatment."""
    rng = np.random.default_rng(seed)
    user, month = np.repeat(np.arange(200), 24), np.tile(np.arange(24), 200)
    gmv = 50 + rng.normal(0, 10, len(user))
    return pd.DataFrame({"user": user, "month": month, "tier": rng.integers(0, 3, 200)[user], "gmv": gmv})


def by_month(data: pd.DataFrame, **options: Any) -> Any:
    return asked(data, **{"covariates": ["tier"], "time": "month", **options})


def test_a_treatment_that_follows_the_calendar_is_refused() -> None:
    data = months()
    data["coupon"] = np.isin(data["month"] % 12, [5, 10]).astype(int)
    data["gmv"] += 40 * data["coupon"]  # the season's, not the coupon's
    with pytest.raises(
        gc.DesignError, match=r"in every month all rows have the same arm \(4 periods.*20 without.*before"
    ):
        by_month(data)
    with pytest.raises(gc.DesignError, match="in every month all rows have the same arm"):
        by_month(data, time=None, cluster="user")
    with pytest.raises(gc.DesignError, match="in every 月份 all rows"):
        by_month(data.rename(columns={"month": "月份", "user": "who"}), time=None, unit=None)
    few = data.assign(coupon=np.where(data["user"] < 4, 0, data["coupon"]))  # all but four users
    check = by_month(few).checks["calendar"]
    assert check.status == "failed" and check.value == pytest.approx(0.976, abs=1e-3) and "gc.did" in check.remedy
    assert by_month(few, covariates=["tier", "month"]).checks["calendar"].status == "failed"  # a line
    often = data.assign(coupon=((data["user"] + data["month"]) % 20 < 1 + 18 * data["coupon"]).astype(int))
    assert by_month(often).checks["calendar"].status == "warned"
    texts = often.assign(month="m" + often["month"].astype(str))
    assert "calendar" not in by_month(texts, covariates=["month"]).checks
    assert by_month(data.assign(coupon=data["user"] % 3 == 0), time="month").checks["calendar"].status == "passed"


def test_arms_that_change_but_are_alone_there() -> None:
    """User a gets it in month 2, where nobody else is; of month 1 there are others, who never change."""
    data = pd.DataFrame({"user": np.repeat(np.arange(60), 2), "month": np.tile([1, 2], 60), "tier": np.arange(120) % 7})
    data = data[(data["user"] < 30) | (data["month"] == 1)].reset_index(drop=True)
    data["coupon"] = np.where(data["user"] < 30, data["month"] == 2, data["user"] % 2 == 0).astype(int)
    data["gmv"] = 50.0 + data["tier"] + np.random.default_rng(1).normal(0, 5, len(data))
    check = by_month(data).checks["panel_conflict"]
    assert check.status == "failed" and "arm of 30 units changes" in check.message and "gc.did" in check.remedy


@pytest.mark.parametrize("write", [lambda t: t, lambda t: [f"2025年{v + 1}月" for v in t]])
def test_a_tactic_that_stays_on_is_sent_to_did(write: Any) -> None:
    """Effects grow by 3 a month: across 23.2, within 0.98, truth 23.6; the row within must not be recommended."""
    rng = np.random.default_rng(6)
    data = months()
    start = rng.integers(2, 23, 200)[data["user"]]
    data["coupon"] = (data["month"] >= start).astype(int)
    data["gmv"] += 3.0 * data["coupon"] * (data["month"] - start + 1)
    r = by_month(data.assign(month=write(data["month"])))
    check = r.checks["panel_conflict"]
    assert check.status == "failed" and check.remedy.startswith("use gc.did") and "read the row" not in check.remedy
    assert r.estimates.term[1] == "1 (within user, if effects do not grow)"
    assert any(note.startswith("The arm comes and never goes") for note in r.manifest.notes)
    assert "biased" in r.estimates.estimand[1]
    back = data.assign(coupon=np.where(data["month"] >= start + 2, 0, data["coupon"]))
    assert by_month(back).estimates.term[1] == "1 (within user)"


def test_months_without_a_row_are_said() -> None:
    """Only months with a purchase: the coupon moves whether somebody buys, and that is lost."""
    rng = np.random.default_rng(2)
    data = months()
    data["coupon"] = rng.integers(0, 2, len(data))
    data["gmv"] *= rng.random(len(data)) < 0.4 + 0.4 * data["coupon"]
    whole = by_month(data)
    assert whole.checks["holes"].status == "passed" and whole.estimate == pytest.approx(20, abs=2)
    bought = by_month(data[data["gmv"] > 0])
    check = bought.checks["holes"]
    assert abs(bought.estimate) < 2 and check.status == "failed" and "gc.Logs" in check.remedy
    missing = 4800 - int((data["gmv"] > 0).sum())
    assert f"{missing:,} of 4,800 user-months have no row" in check.message
    late = data[(data["month"] >= 3) | (data["user"] >= 20)]
    assert by_month(late).checks["holes"].status == "warned"
    assert by_month(late[late["gmv"] > 0]).checks["holes"].status == "failed"


def test_refused() -> None:
    data = panel(20, 3, 7)
    with pytest.raises(gc.InputError, match=r"2 unit-periods occur more than once.*first at row positions 60, 61"):
        asked(pd.concat([data, data.head(2)], ignore_index=True))
    with pytest.raises(gc.InputError, match="whose units unit= must name"):
        asked(data, unit=None)
    with pytest.raises(gc.InputError, match="one period only"):
        asked(data[data["day"] == 0])
    with pytest.raises(gc.InputError, match="cluster= varies within 'user'"):
        asked(data.assign(room=np.arange(60) % 12), cluster="room")
    with pytest.raises(gc.InputError, match="'week'"):
        asked(data, time="week")
    with pytest.raises(gc.InputError, match="time= names 'gmv', which is the outcome"):
        asked(data, time="gmv")
