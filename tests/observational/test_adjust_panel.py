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
    own = scores(z, rest, np.array([1.0, 0.0]), unit)
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
