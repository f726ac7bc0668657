"""Triggered analysis, exposure times, split budgets, holdouts and the conversion of GMV."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import gmvcausal as gc


def users(n: int = 4_000, seed: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 2, n)
    saw = rng.random(n) < 0.25
    return pd.DataFrame(
        {
            "user": np.arange(n),
            "arm": np.where(arm, "banner", "none"),
            "saw": saw.astype(int),
            "gmv": rng.gamma(2, 5, n) + 4 * saw * arm,
            "cost": np.where(arm, 2.0, 1.5) * (rng.random(n) < 0.5),
            "assigned": pd.Timestamp("2025-11-01 10:00") + pd.to_timedelta(rng.integers(0, 10_000, n), unit="min"),
        }
    )


USERS = users()
ASK: dict[str, Any] = {"metrics": [gc.Mean("gmv", cap=None)], "control": "none"}


# --- triggered --------------------------------------------------------------------------------------------------------
def test_triggered_is_the_test_among_the_triggered() -> None:
    result = gc.ab_test(USERS, **ASK, triggered="saw")
    wanted = gc.ab_test(USERS[USERS["saw"] == 1], **ASK)
    assert result.estimate == wanted.estimate and result.std_error == wanted.std_error and result.n == wanted.n
    assert result.estimand.endswith("among those with saw = 1")
    assert result.manifest.dropped == {"rows without saw": int((USERS["saw"] == 0).sum())}
    share = USERS["saw"].mean()
    assert f"{result.estimate * share:+.4g} per row" in " ".join(result.advice)
    whole = gc.ab_test(USERS, **ASK)
    assert result.estimate * share == pytest.approx(whole.estimate, abs=2 * whole.std_error)
    assert result.std_error * share < 0.7 * whole.std_error


def test_the_split_is_that_of_all_and_the_trigger_has_its_own() -> None:
    audit = gc.ab_test(USERS, **ASK, triggered="saw").audit
    counts = USERS["arm"].value_counts()
    assert audit["sample_ratio"].value == pytest.approx(stats.chisquare(counts).pvalue, rel=1e-12)
    seen = USERS[USERS["saw"] == 1]["arm"].value_counts()
    assert audit["trigger_ratio"].value == pytest.approx(stats.chisquare(seen).pvalue, rel=1e-12)
    assert audit["trigger_ratio"].status == "passed"


def test_a_trigger_that_the_tactic_moves_fails_the_audit() -> None:
    rng = np.random.default_rng(3)
    more = USERS.assign(saw=np.where(USERS["arm"] == "banner", rng.random(len(USERS)) < 0.35, USERS["saw"]).astype(int))
    result = gc.ab_test(more, **ASK, triggered="saw")
    assert result.audit["trigger_ratio"].status == "failed" and not result.audit.credible
    assert result.audit["sample_ratio"].status == "passed"
    assert gc.ab_test(more, **ASK, triggered="saw", srm_alpha=1e-30).audit["trigger_ratio"].status == "warned"


def test_a_trigger_unknown_in_the_control_is_refused() -> None:
    blind = USERS.assign(saw=np.where(USERS["arm"] == "none", 0, USERS["saw"]))
    with pytest.raises(gc.InputError, match=r"0 rows of arm 'none' were triggered.*in every arm"):
        gc.ab_test(blind, **ASK, triggered="saw")
    with pytest.raises(gc.InputError, match="0 and 1 only"):
        gc.ab_test(USERS.assign(saw=USERS["saw"] * 2), **ASK, triggered="saw")


def test_triggered_from_a_file(tmp_path: Any) -> None:
    USERS.to_parquet(tmp_path / "users.parquet")
    first, second = (gc.ab_test(d, **ASK, triggered="saw") for d in (USERS, tmp_path / "users.parquet"))
    assert first.estimate == second.estimate and first.std_error == second.std_error


# --- exposure ---------------------------------------------------------------------------------------------------------
def exposed(early: int = 0) -> pd.DataFrame:
    seen = USERS["assigned"] + pd.Timedelta("20min")
    seen = seen.mask(USERS["saw"] == 0)
    at = np.flatnonzero(USERS["saw"] == 1)[:early]
    seen.iloc[at] = USERS["assigned"].iloc[at] - pd.Timedelta("1s")
    return USERS.assign(exposed=seen)


TIMES = {"assigned_at": "assigned", "exposed_at": "exposed"}


def test_exposure_after_assignment_changes_nothing() -> None:
    assert gc.ab_test(exposed(), **ASK, **TIMES).estimate == gc.ab_test(USERS, **ASK).estimate
    nobody = USERS.assign(exposed=pd.NaT)
    assert gc.ab_test(nobody, **ASK, **TIMES).estimate == gc.ab_test(USERS, **ASK).estimate


def test_exposure_before_assignment_is_refused() -> None:
    frame = exposed(3)
    with pytest.raises(gc.InputError, match="3 rows were exposed before they were assigned") as caught:
        gc.ab_test(frame, **ASK, **TIMES)
    assert caught.value.count == 3 and caught.value.column == "exposed"
    assert caught.value.rows == tuple(np.flatnonzero(USERS["saw"] == 1)[:3]) and "first exposure after" in str(
        caught.value
    )


def test_days_are_compared_with_days() -> None:
    frame = exposed().assign(exposed=USERS["assigned"].dt.normalize())
    result = gc.ab_test(frame, **ASK, **TIMES)
    assert any("compared with the day" in note for note in result.manifest.notes)
    with pytest.raises(gc.InputError, match="4,000 rows were exposed before"):
        gc.ab_test(frame.assign(exposed=frame["exposed"] - pd.Timedelta("1D")), **ASK, **TIMES)


@pytest.mark.parametrize(
    ("frame", "options", "words"),
    [
        (exposed(), {"assigned_at": "assigned"}, "only one is given"),
        (exposed().assign(exposed=1), TIMES, "not on one clock"),
        (exposed().assign(assigned=USERS["assigned"].dt.tz_localize("Asia/Shanghai")), TIMES, "is in Asia/Shanghai"),
        (exposed().assign(assigned=USERS["assigned"].mask(USERS.index == 4)), TIMES, "assigned_at is missing"),
    ],
)
def test_times_that_cannot_be_compared(frame: pd.DataFrame, options: dict[str, str], words: str) -> None:
    with pytest.raises(gc.InputError, match=words):
        gc.ab_test(frame, **ASK, **options)


# --- budgets ----------------------------------------------------------------------------------------------------------
SPENT = USERS.groupby("arm")["cost"].sum()


def split(none: float = 5_000, banner: float = 5_000) -> gc.Audit:
    return gc.ab_test(USERS, **ASK, budget={"cost": {"none": none, "banner": banner}}).audit


def test_a_budget_split_as_the_users() -> None:
    audit = split()
    assert audit["budget_split"].status == "passed" and audit["budget_spent"].status == "passed"
    count = USERS["arm"].value_counts()
    per = np.array([5_000 / count["none"], 5_000 / count["banner"]]) / (10_000 / len(USERS)) - 1
    assert audit["budget_split"].value == pytest.approx(np.abs(per).max(), rel=1e-12)
    assert audit["budget_spent"].value == pytest.approx(SPENT["banner"] / 5_000, rel=1e-12)


def test_budgets_out_of_proportion() -> None:
    assert split(4_600, 5_000)["budget_split"].status == "warned"
    assert split(2_500, 5_000)["budget_split"].status == "failed"


def test_an_arm_that_drew_on_the_other_s_budget() -> None:
    check = split(SPENT["none"] * 0.99, 5_000)["budget_spent"]
    assert check.status == "failed" and "money that was not its own" in check.remedy


def test_an_arm_that_ran_dry() -> None:
    assert split(SPENT["none"], 5_000)["budget_spent"].status == "warned"
    assert split(SPENT["none"], SPENT["banner"])["budget_spent"].status == "passed"


def test_an_arm_without_a_budget_spends_nothing() -> None:
    one = {"cost": {"banner": 5_000}}
    assert gc.ab_test(USERS, **ASK, budget=one).audit["budget_spent"].status == "failed"
    none = USERS.assign(cost=np.where(USERS["arm"] == "none", 0, USERS["cost"]))
    audit = gc.ab_test(none, **ASK, budget=one).audit
    assert audit["budget_spent"].status == "passed" and audit["budget_split"].value == 0


def test_budgets_change_no_number() -> None:
    plain = gc.ab_test(USERS, **ASK)
    result = gc.ab_test(USERS, **ASK, budget={"cost": {"none": 5_000, "banner": 5_000}})
    assert result.estimate == plain.estimate and result.std_error == plain.std_error


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (5_000, "must map one column"),
        ({"cost": 5_000}, "must map arms to amounts"),
        ({"cost": {"banners": 1.0}}, "no arm of the data. Did you mean 'banner'"),
        ({"cost": {"banner": 0}}, "positive amount"),
        ({"costs": {"banner": 10}}, "no column 'costs'"),
    ],
)
def test_bad_budgets(budget: Any, words: str) -> None:
    with pytest.raises(gc.InputError, match=words):
        gc.ab_test(USERS, **ASK, budget=budget)


def test_negative_spend_is_refused() -> None:
    with pytest.raises(gc.InputError, match="spend is negative"):
        gc.ab_test(USERS.assign(cost=-USERS["cost"]), **ASK, budget={"cost": {"banner": 5_000, "none": 5_000}})


def test_the_budget_is_assigned_by_share() -> None:
    plan = gc.assign(USERS, unit="user", arms={"none": 0.75, "banner": 0.25}, salt="x", budget=8_000)
    assert plan.attrs["assignment"]["budget"] == {"none": 6_000.0, "banner": 2_000.0}
    with pytest.raises(gc.InputError, match="budget must be a positive amount"):
        gc.assign(USERS, unit="user", arms=["a", "b"], salt="x", budget=-1)


# --- holdout ----------------------------------------------------------------------------------------------------------
def test_coverage_of_a_holdout() -> None:
    """95 % get the tactic, 5 % are held out; the capped row covers E min(Y, c), with c the cap that the data have."""
    rng = np.random.default_rng(12)
    runs, missed = 60, 0
    big = np.where(rng.random(4_000_000) < 0.05, np.exp(rng.normal(0, 1.5, 4_000_000)), 0.0)
    cap = np.quantile(big[big > 0] * 1.05, 0.98)
    truth = np.minimum(big * 1.05, cap).mean() - np.minimum(big, cap).mean()
    for _ in range(runs):
        arm = rng.random(100_000) < 0.95
        gmv = np.where(rng.random(100_000) < 0.05, np.exp(rng.normal(0, 1.5, 100_000)), 0.0) * (1 + 0.05 * arm)
        result = gc.ab_test(pd.DataFrame({"arm": arm, "gmv": gmv}), metrics=["gmv"], expected_ratio={0: 0.05, 1: 0.95})
        capped = result.to_frame().set_index("term").loc["gmv capped"]
        missed += not capped["conf_low"] <= truth <= capped["conf_high"]
    assert missed / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


# --- buyers and visitors ----------------------------------------------------------------------------------------------
def test_buyers_who_never_visited_are_refused(tmp_path: Any) -> None:
    frame = pd.DataFrame({"arm": [0, 1] * 50, "orders": 1, "gmv": np.arange(1.0, 101), "visits": 2})
    frame.loc[[3, 8], "visits"] = 0
    metric = gc.Gmv(gmv="gmv", orders="orders", visits="visits")
    frame.to_parquet(tmp_path / "t.parquet")
    for data in (frame, tmp_path / "t.parquet"):
        with pytest.raises(gc.InputError, match="2 units have 'orders' but no 'visits'") as caught:
            gc.ab_test(data, metrics=metric)
        assert caught.value.rows == (3, 8) and "leave visits= out" in str(caught.value)
    gc.ab_test(frame, metrics=gc.Gmv(gmv="gmv", orders="orders"))
