"""Mediation where groups share means, where a mediator is a piece of the outcome; p beside its interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

import gmvcausal as gc
from gmvcausal.mechanism.pathways.intervals import Drawn


def pairs(count: int = 100, seed: int = 3) -> pd.DataFrame:
    """One treated and one control user in every pair, with what they share."""
    rng = np.random.default_rng(seed)
    pair, t = np.repeat(np.arange(count), 2), np.tile([0, 1], count)
    shared = 2 * rng.standard_normal(count)[pair]
    m = shared + 0.5 * t + rng.standard_normal(2 * count)
    gmv = 10 + shared + t + m + 2 * rng.standard_normal(2 * count)
    return pd.DataFrame({"gmv": gmv, "arm": t, "m": m, "pair": pair, "half": np.tile([0, 1, 1, 0], count // 2)})


def call(data: pd.DataFrame, *mediators: str, **options: Any) -> Any:
    options = {"reps": 0, "outcome": "gmv", "treatment": "arm"} | options
    return gc.mediate(data, mediators=list(mediators) or ["m"], **options)


# --- fixed effects ----------------------------------------------------------------------------------------------------
def test_the_error_of_pairs_is_that_of_their_differences() -> None:
    data = pairs()
    r = call(data, fixed="pair", interaction=False, reps=999)
    apart = data["gmv"][1::2].to_numpy() - data["gmv"][::2].to_numpy()
    plain = apart.std(ddof=1) / 10
    assert_allclose(r.estimate, apart.mean(), rtol=1e-9)
    assert_allclose(r.std_error, plain, rtol=0.01)  # the factors of clustered errors differ by 1 in 100
    assert_allclose(r.to_frame()["boot_error"][0], plain, rtol=0.1)
    assert_allclose(r.regressions[0].errors["robust"][0], plain, rtol=0.01)
    assert any("clustered at 'pair'" in note for note in r.manifest.notes)
    named = call(data, fixed="pair", cluster="pair", interaction=False, reps=999)
    assert_allclose(named.to_frame()["conf_low"], r.to_frame()["conf_low"], rtol=1e-9)


def test_a_draw_of_pairs_is_the_refit_itself() -> None:
    """Whole pairs drawn, each drawn pair with a mean of its own."""
    data = pairs(30)
    r = call(data, fixed="pair", reps=400)
    rng, found = np.random.default_rng(0), []
    for _ in range(60):
        pick = rng.integers(0, 30, 30)
        again = pd.concat([data[data["pair"] == p].assign(pair=i) for i, p in enumerate(pick)])
        found.append(call(again, fixed="pair").to_frame()["estimate"])
    assert_allclose(np.std(found, axis=0), r.to_frame()["boot_error"], rtol=0.35)


def test_a_few_large_groups_count_as_slopes() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"arm": rng.integers(0, 2, 420), "day": np.arange(420) % 7})
    data["m"] = data["arm"] + data["day"] + rng.standard_normal(420)
    data["gmv"] = data["arm"] + data["m"] + data["day"] + rng.standard_normal(420)
    r = call(data, fixed="day", interaction=False)
    x = np.column_stack([data[["arm", "m"]], pd.get_dummies(data["day"], dtype=float)])
    peer = sm.OLS(data["gmv"], x).fit(cov_type="HC1")
    assert_allclose(r.to_frame()["std_error"][1], peer.bse.iloc[0], rtol=1e-9)
    assert any("7 large groups of 'day'" in note for note in r.manifest.notes)


def test_groups_across_clusters_are_said_to_be_approximate() -> None:
    r = call(pairs(), fixed=["pair", "half"], reps=99)
    assert any("'half' lie across clusters ('pair')" in note for note in r.manifest.notes)


def test_intervals_of_pairs_cover_the_truth() -> None:
    inside = np.zeros(3)
    for seed in range(60):
        frame = call(pairs(40, seed), fixed="pair", interaction=False, reps=199).to_frame()
        truth = np.array([1.5, 1.0, 0.5])
        inside += (frame["conf_low"] <= truth) & (truth <= frame["conf_high"])
    assert (inside >= 53).all()  # of 60 at 95 %; rows in place of pairs hold 83 % of the totals


# --- pieces of the outcome --------------------------------------------------------------------------------------------
def shop(n: int = 3000, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    t, activity = rng.integers(0, 2, n), rng.random(n)
    orders = rng.poisson(0.5 + 0.15 * t + activity)
    gmv = np.array([rng.lognormal(3, 1, k).sum() for k in orders])
    visits = rng.poisson(1 + t + activity)
    return pd.DataFrame({
        "gmv": gmv, "arm": t, "activity": activity, "orders": orders, "bought": (orders > 0) * 1,
        "gmv_14d": gmv * rng.beta(2, 2, n), "visits": visits, "clicked": (rng.random(n) < 0.3 + 0.2 * t) * 1,
    })  # fmt: skip


@pytest.mark.parametrize("piece", ["orders", "bought", "gmv_14d"])
def test_pieces_of_the_outcome_fail(piece: str) -> None:
    found = call(shop(), piece, covariates=["activity"]).audit["part_of_outcome"]
    assert found.status == "failed" and "gc.decompose" in found.remedy and repr(piece) in found.message
    more = shop().assign(gmv=lambda d: d["gmv"] + 5)  # a summand alone: nobody buys nothing
    if piece == "gmv_14d":
        found = call(more, piece, covariates=["activity"]).audit["part_of_outcome"]
        assert found.status == "failed" and "a part of the outcome" in found.message


@pytest.mark.parametrize("mediator", ["visits", "clicked"])
def test_what_is_no_piece_passes(mediator: str) -> None:
    assert call(shop(), mediator).audit["part_of_outcome"].status == "passed"
    # Where all outcomes are large, counts lie below them without being parts.
    assert call(shop().assign(gmv=lambda d: d["gmv"] + 100), mediator).audit["part_of_outcome"].status == "passed"
    # Two rows without clicks that buy nothing say nothing.
    rare = shop().assign(clicked=lambda d: np.where(d.index.isin(d.index[d["gmv"] == 0][:2]), 0, d["visits"] + 1))
    assert call(rare, "clicked").audit["part_of_outcome"].status == "passed"


def test_what_logs_measured_before_is_no_mediator() -> None:
    rng = np.random.default_rng(0)
    orders = pd.DataFrame(
        {
            "user": rng.integers(0, 200, 4000),
            "gmv": rng.gamma(2, 20, 4000).round(2),
            "time": pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.random(4000) * 100, unit="D"),
        }
    )
    exposures = pd.DataFrame({"user": np.arange(100), "tactic": "c", "start": pd.Timestamp("2025-02-15")})
    logs = gc.Logs(orders=orders, exposures=exposures, users=pd.DataFrame({"user": np.arange(200)}))
    users = logs.users("c", pre="28D", post="28D", anchor="2025-02-15", features="rfm")
    for name in ("gmv_pre", "orders_pre", "frequency"):
        with pytest.raises(gc.InputError, match=r"measured before assignment.*covariates=") as found:
            call(users, name, control="none")
        assert found.value.column == name
    own = users.drop(columns=["r", "f", "m"]).assign(m=rng.random(len(users)))
    assert np.isfinite(call(own, "m", control="none").estimate)  # a column of one's own that is called so


# --- p and interval ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("acceleration", [float("nan"), 0.0, 0.05, -0.08])
@pytest.mark.parametrize("reps", [99, 199])
def test_p_is_the_level_at_which_the_interval_ends_at_zero(reps: int, acceleration: float) -> None:
    rng = np.random.default_rng(reps)
    for _ in range(150):
        estimate = float(rng.normal(1.5, 1.5))
        drawn = Drawn(estimate + rng.normal(0.2, 1, reps) + 0.3 * rng.exponential(1, reps), estimate, acceleration)
        for alpha in (0.02, 0.05, 0.1, 0.3):
            low, high = drawn.interval(1 - alpha)
            assert low <= estimate <= high
            assert (low > 0 or high < 0) == (drawn.p_value() <= alpha + 1e-9)


def test_bca_without_bias_and_acceleration_is_the_percentile() -> None:
    draws = np.arange(-20.0, 79.0)
    made, plain = Drawn(draws, 29.0, 0.0), Drawn(draws, 29.0)
    assert made.interval(0.9) == plain.interval(0.9) == (-16.0, 74.0)
    assert_allclose(made.p_value(), plain.p_value(), rtol=1e-9)


# --- both steps vary with a covariate ---------------------------------------------------------------------------------
def heavy(n: int = 4000, seed: int = 0, second: float = 2.0) -> pd.DataFrame:
    """Of heavy users alone the treatment moves the mediator, and of them alone the mediator moves GMV."""
    rng = np.random.default_rng(seed)
    x, t = rng.integers(0, 2, n), rng.integers(0, 2, n)
    m = 2 * x * t + rng.standard_normal(n)
    gmv = 10 + (second * x if second else 1.0) * m + rng.standard_normal(n)
    return pd.DataFrame({"gmv": gmv, "arm": t, "m": m, "heavy": x, "else": rng.standard_normal(n)})


@pytest.mark.parametrize("seed", range(3))
def test_a_covariate_that_moves_both_steps_fails_and_the_remedy_is_right(seed: int) -> None:
    data = heavy(seed=seed)
    one = call(data, covariates=["heavy", "else"])
    found = one.audit["both_steps_vary"]
    assert found.status == "failed" and "'heavy'" in found.message and "moderator='heavy'" in found.remedy
    assert one.to_frame()["estimate"][1] > 0.4  # a direct effect that is none
    free = call(data, covariates=["else"], moderator="heavy", reps=199)
    assert free.audit["both_steps_vary"].status == "passed"
    frame = free.to_frame()
    assert (np.abs(frame["estimate"] - [2, 0, 2]) < 4 * frame["std_error"]).all()
    assert_allclose(frame["estimate"][0], frame["estimate"][1:].sum(), rtol=1e-12)
    assert_allclose(frame["boot_error"], frame["std_error"], rtol=0.25)
    told = free.moderation().to_frame().set_index("term")
    light = told.loc["indirect:m at 0"]
    assert abs(light["estimate"]) < 0.05 and light["conf_low"] < 0 < light["conf_high"]
    assert abs(told.loc["indirect:m at 1", "estimate"] - 4) < 0.3


def test_one_step_that_varies_alone_is_no_fault() -> None:
    assert call(heavy(second=0.0), covariates=["heavy", "else"]).audit["both_steps_vary"].status == "passed"
    found = [call(heavy(400, s, 0.0), covariates=["heavy", "else"]).audit["both_steps_vary"] for s in range(30)]
    assert sum(c.status != "passed" for c in found) <= 2


def test_steps_free_along_a_moderator_are_parts_within_its_levels() -> None:
    """By hand: mediation of each level apart, weighted by its share of the rows."""
    data = heavy(600)
    free = call(data, moderator="heavy").versions()["estimate"]
    shares = data["heavy"].value_counts(normalize=True)
    apart = sum(shares[v] * call(data[data["heavy"] == v]).versions()["estimate"] for v in (0, 1))
    assert_allclose(free, apart, rtol=1e-8, atol=1e-10)
    named = data.assign(heavy=data["heavy"].map({0: "light", 1: "heavy"}))
    assert_allclose(call(named, moderator="heavy").versions()["estimate"], free, rtol=1e-8, atol=1e-10)
    # Groups of the moderator as fixed effects take nothing more.
    fixed = call(data.assign(g=data["heavy"]), moderator="heavy", fixed="g").versions()["estimate"]
    assert_allclose(fixed, free, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("model", ["linear", "logit", "poisson", "hurdle"])
def test_free_steps_of_other_models(model: str) -> None:
    data = heavy(1500).assign(k=lambda d: (d["m"] > 0.5) * 1, spend=lambda d: np.maximum(d["gmv"] - 10, 0))
    outcome = "k" if model == "logit" else "spend"
    mediator = "else" if model == "logit" else "k"
    levels = [data[data["heavy"] == v] for v in (0, 1)]
    free = call(data, mediator, outcome=outcome, outcome_model=model, moderator="heavy").versions()["estimate"]
    apart = [call(d, mediator, outcome=outcome, outcome_model=model).versions()["estimate"] for d in levels]
    assert_allclose(free, sum(len(d) / 1500 * v for d, v in zip(levels, apart, strict=True)), rtol=1e-5, atol=1e-8)


def test_free_steps_of_mediators_in_order() -> None:
    data = heavy(800).assign(n=lambda d: d["m"] + d["arm"] + d["else"])
    order = {"ordered": True, "covariates": []}
    free = call(data, "m", "n", moderator="heavy", **order).versions()["estimate"]
    plain = call(data.assign(heavy=np.arange(800) % 2), "m", "n", moderator="heavy", **order).versions()["estimate"]
    flat = call(data, "m", "n", **order).versions()["estimate"]
    assert_allclose(plain, flat, atol=0.35)  # a moderator that does nothing
    assert not np.allclose(free, flat, atol=0.35)
