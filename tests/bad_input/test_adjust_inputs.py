"""Bad inputs of `adjust`: each gets the right number, or an error that names column, count, rows and remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import gmvcausal as gc

EVERY = ("aipw", "regression", "ipw", "matching", "dml")


def users(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    a = rng.standard_normal(n)
    got = (rng.random(n) < 1 / (1 + np.exp(-a))).astype(int)
    tier = rng.integers(0, 3, n)
    return pd.DataFrame({"a": a, "tier": tier, "got": got, "gmv": 20 + 3 * a + 5 * got + rng.standard_normal(n)})


def ask(data: Any, **options: Any) -> Any:
    return gc.adjust(data, **{"outcome": "gmv", "treatment": "got", "covariates": ["a", "tier"], **options})


def put(column: str, row: int, value: Any) -> pd.DataFrame:
    data = users()
    data[column] = data[column].astype(float)
    data.loc[row, column] = value
    return data


REFUSED: list[tuple[str, Callable[[], Any], dict[str, Any], str]] = [
    ("missing outcome", lambda: put("gmv", 3, np.nan), {}, r"gmv.*3.*missing='zero'"),
    ("infinite outcome", lambda: put("gmv", 3, np.inf), {}, "infinite"),
    ("everyone treated", lambda: users().assign(got=1), {}, "only one label"),
    ("coded -1/1", lambda: users().assign(got=lambda d: 2 * d["got"] - 1), {}, "control arm is not named"),
    ("coded 1/2", lambda: users().assign(got=lambda d: d["got"] + 1), {}, "control arm is not named"),
    ("missing arm", lambda: put("got", 5, np.nan), {}, "missing"),
    ("three arms", lambda: users().assign(got=lambda d: d["tier"]), {"covariates": ["a"], "control": 0}, "3 arms"),
    ("infinite covariate", lambda: put("a", 7, np.inf), {}, "infinite"),
    ("no covariates", users, {"covariates": []}, "names no column"),
    ("outcome as covariate", users, {"covariates": ["a", "gmv"]}, "'gmv', which is the outcome"),
    ("treatment as covariate", users, {"covariates": ["a", "got"]}, "'got', which is the treatment"),
    ("one column twice", users, {"outcome": "got"}, "both 'got'"),
    ("no such column", users, {"covariates": ["aa"]}, "aa"),
    ("no such estimator", users, {"estimator": "psm"}, "'aipw'"),
    ("no such estimand", users, {"estimand": "atu"}, "'overlap'"),
    ("matching by overlap", users, {"estimator": "matching", "estimand": "overlap"}, "does not weigh"),
    ("one number for the treated", users, {"estimator": "dml", "estimand": "att"}, "none for the treated"),
    ("dates without assignment", lambda: users().assign(a=pd.Timestamp("2026-01-01")), {}, "assigned_at="),
    ("a user twice", lambda: users().assign(user=lambda d: np.arange(len(d)) // 2), {}, "cluster='user'"),
    ("folds", users, {"folds": 1}, "from 2 to 50"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "options", "words"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_refused(data: Callable[[], Any], options: dict[str, Any], words: str) -> None:
    with pytest.raises(gc.InputError, match=words):
        ask(data(), **options)


@pytest.mark.parametrize("estimator", EVERY)
def test_perfect_separation(estimator: str) -> None:
    """dowhy's weighting says 6.64 (.07) where 2 is true."""
    data = users().assign(got=lambda d: (d["a"] > 0).astype(int))
    with pytest.raises(gc.DesignError, match="separate the treated"):
        ask(data, estimator=estimator)


def test_a_column_that_decides() -> None:
    data = users().assign(rule=lambda d: np.where(d["got"] == 1, "vip", "none"))
    with pytest.raises(gc.InputError, match="'rule' decides the arm"):
        ask(data, covariates=["a", "rule"])


@pytest.mark.parametrize("estimator", EVERY)
def test_gaps_of_covariates(estimator: str) -> None:
    data = put("a", 7, np.nan)
    if estimator in ("aipw", "dml"):
        r = ask(data, estimator=estimator)
        assert any("'a' is missing in 1 rows" in note for note in r.manifest.notes) and r.n == 200
    else:
        with pytest.raises(gc.InputError, match=r"column 'a'; 1 found; first at row position 7\..*estimator='aipw'"):
            ask(data, estimator=estimator)


@pytest.mark.parametrize("estimator", EVERY)
def test_missing_outcome_counts_as_zero_where_it_is_said(estimator: str) -> None:
    r = ask(put("gmv", 3, np.nan), missing="zero", estimator=estimator)
    assert r.estimate == pytest.approx(ask(put("gmv", 3, 0.0), estimator=estimator).estimate, rel=1e-12)
    assert any("counts as 0" in note for note in r.manifest.notes)


@pytest.mark.parametrize("estimator", EVERY)
def test_collinear_and_constant_columns_change_nothing_and_are_told(estimator: str) -> None:
    data = users().assign(again=lambda d: 3 * d["a"] + 1, one=7)
    r = ask(data, covariates=["a", "tier", "again", "one"], estimator=estimator)
    told = " ".join(r.manifest.notes)
    assert "'one' is constant" in told and "'again'" in told
    plain = ask(users(), estimator=estimator)
    near = {"rel": 1e-9} if estimator not in ("aipw", "dml") else {"abs": plain.std_error}  # folds are drawn anew
    assert r.estimate == pytest.approx(plain.estimate, **near)


def test_text_is_a_category_and_its_levels_are_told() -> None:
    data = users().assign(tier=lambda d: d["tier"].map({0: "new", 1: "old", 2: "vip"}))
    for estimator in ("aipw", "regression"):
        notes = " ".join(ask(data, estimator=estimator).manifest.notes)
        assert "category with the levels 'new', 'old', 'vip'" in notes


def test_dates_count_as_days_before_assignment() -> None:
    start = pd.Timestamp("2026-03-01")
    data = users().assign(at=start)
    data["joined"] = start - pd.to_timedelta(10 + 3 * data["tier"], unit="D")
    assert ask(data, covariates=["a", "joined"], assigned_at="at").n == 200
    data.loc[9, "joined"] = start + pd.Timedelta(days=1)
    with pytest.raises(gc.InputError, match=r"a covariate lies after assignment.*column 'joined'.*position 9"):
        ask(data, covariates=["a", "joined"], assigned_at="at")


def test_the_outcome_under_another_name() -> None:
    data = users().assign(gmv=lambda d: 20 + 5 * d["a"], paid=lambda d: 1.1 * d["gmv"] + 0.01 * d["tier"])
    r = ask(data, covariates=["paid", "tier"], estimator="ipw")
    assert r.audit["leakage"].status == "failed" and "No headline" in r.summary()


def test_a_log_appended_to_itself() -> None:
    """dowhy and econml: p from .166 to .002."""
    thrice = pd.concat([users()] * 3, ignore_index=True)
    r = ask(thrice, covariates=["a", "tier"], estimator="regression")
    assert r.audit["copies"].status == "failed" and "No headline" in r.summary()
    with pytest.raises(gc.InputError, match="200 units"):
        ask(thrice.assign(user=np.tile(np.arange(200), 3)))
    r = ask(thrice.assign(user=np.tile(np.arange(200), 3)), cluster="user", estimator="regression")
    assert r.std_error == pytest.approx(ask(users(), estimator="regression").std_error, rel=0.02)


def test_window_of_the_outcome() -> None:
    market = gc.simulate.world("D11", n=300, seed=1)
    with pytest.raises(gc.InputError, match="measured after assignment"):
        gc.adjust(market.table(), treatment="arm", control="none", covariates=["tier", "orders"])


def test_any_frame_and_none_is_changed() -> None:
    data = users()
    before = data.copy()
    r = ask(data)
    pd.testing.assert_frame_equal(data, before)
    assert ask(pl.from_pandas(data)).estimate == r.estimate
    assert ask(data.assign(got=data["got"].astype(bool))).estimate == r.estimate


def test_whales_are_told() -> None:
    r = ask(put("gmv", 3, 1e9), estimator="ipw")
    assert r.audit["leverage"].status == "warned"


@pytest.mark.parametrize(
    ("column", "labels"),
    [("coupon_redeemed", (0, 1)), ("isClicked", (0, 1)), ("券状态", ("未用", "已核销")), ("加入社群", (0, 1))],
)
def test_what_users_do_themselves_is_warned_of(column: str, labels: tuple[Any, Any]) -> None:
    data = users().rename(columns={"got": column})
    data[column] = np.where(data[column] == 1, labels[1], labels[0])
    r = ask(data, treatment=column, control=labels[0], estimator="regression")
    check = r.checks["self_selected"]
    assert check.status == "warned" and "gc.iv" in check.remedy
    assert "self_selected" not in ask(users(), estimator="regression").checks
