"""Inference by the Poisson bootstrap and by permuted arms."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ab_users import users
from protocol import assert_protocol
from scipy import stats

import gmvcausal as gc

DATA = users(n=1200, arms=3, seed=4)
METRICS: list[Any] = [
    "gmv",
    gc.Mean("gmv", pre="gmv_pre", cap=None),
    gc.Proportion("bought"),
    gc.Ratio("gmv", "orders"),
    gc.Gmv("gmv", "orders"),
]
BOTH = ("poisson_bootstrap", "randomisation")
LIMITS = ["p_value", "conf_low", "conf_high", "relative_low", "relative_high"]


def welch(t: Any, c: Any) -> float:
    t, c = np.asarray(t), np.asarray(c)
    return float((t.mean() - c.mean()) / math.sqrt(t.var(ddof=1) / len(t) + c.var(ddof=1) / len(c)))


# --- permuted arms ----------------------------------------------------------------------------------------------------
def test_all_seventy_assignments_by_hand() -> None:
    y = np.array([3.0, 0, 1, 4, 9, 6, 8, 5])
    data = pd.DataFrame({"arm": [0] * 4 + [1] * 4, "gmv": y})
    r = gc.ab_test(data, metrics=[gc.Mean("gmv", cap=None)], inference="randomisation")
    t = welch(y[4:], y[:4])
    null = []
    for way in itertools.combinations(range(8), 4):
        rest = [i for i in range(8) if i not in way]
        null.append(abs(welch(y[list(way)], y[rest])))
    as_large = sum(n >= abs(t) - 1e-9 for n in null)
    assert r.p_value == pytest.approx(as_large / 70)
    # One in twenty of 70 is three and a half: three may lie beyond, and the fourth largest is the critical value.
    error = math.sqrt(y[4:].var(ddof=1) / 4 + y[:4].var(ddof=1) / 4)
    others = sorted(null, reverse=True)
    others.remove(min(others, key=lambda n: abs(n - abs(t))))  # the observed assignment itself
    half = others[2] * error
    assert r.conf_int() == pytest.approx((5.0 - half, 5.0 + half), abs=1e-9)
    assert r.std_error == pytest.approx(error)
    assert "every possible assignment" in " ".join(r.summary().split())
    assert r.estimates.method == "the t statistic under permuted arms"


@pytest.mark.parametrize("alternative", ["greater", "less"])
def test_scipy_agrees(alternative: Any) -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        c, t = rng.exponential(2, 5).round(2), rng.exponential(3, 6).round(2)
        data = pd.DataFrame({"arm": [0] * 5 + [1] * 6, "gmv": [*c, *t]})
        r = gc.ab_test(data, metrics=[gc.Mean("gmv", cap=None)], inference="randomisation", alternative=alternative)
        theirs = stats.permutation_test((t, c), welch, alternative=alternative, n_resamples=np.inf, vectorized=False)
        assert r.p_value == pytest.approx(theirs.pvalue, abs=1e-12)


def test_ratio_by_hand() -> None:
    """Every assignment has its own ratio of totals and its own linearised standard error."""
    gmv, orders = np.array([4.0, 0, 9, 5, 12, 7, 8, 20]), np.array([1.0, 0, 2, 1, 2, 2, 1, 3])

    def statistic(way: Any) -> float:
        found, variance = [], 0.0
        for own in (list(way), [i for i in range(8) if i not in way]):
            ratio = gmv[own].sum() / orders[own].sum()
            found.append(ratio)
            variance += ((gmv[own] - ratio * orders[own]) / orders[own].mean()).var(ddof=1) / len(own)
        return (found[0] - found[1]) / math.sqrt(variance)

    data = pd.DataFrame({"arm": [0] * 4 + [1] * 4, "gmv": gmv, "orders": orders})
    r = gc.ab_test(data, metrics=[gc.Ratio("gmv", "orders", cap=None)], inference="randomisation")
    t = abs(statistic((4, 5, 6, 7)))
    wanted = np.mean([abs(statistic(way)) >= t - 1e-9 for way in itertools.combinations(range(8), 4)])
    assert r.p_value == pytest.approx(wanted)


def test_strata_keep_their_counts_by_hand() -> None:
    y = np.array([1.0, 4, 2, 8, 11, 10, 15, 12, 9])
    city = np.array(list("aaaabbbbb"))
    arm = np.array([0, 1, 0, 1, 0, 1, 1, 0, 1])
    data = pd.DataFrame({"arm": arm, "gmv": y, "city": city})
    r = gc.ab_test(data, metrics=[gc.Mean("gmv", cap=None)], strata="city", inference="randomisation")

    def statistic(own: Any) -> float:
        gap = variance = 0.0
        for name, share in (("a", 4 / 9), ("b", 5 / 9)):
            t, c = y[(city == name) & own], y[(city == name) & ~own]
            gap += share * (t.mean() - c.mean())
            variance += share**2 * (t.var(ddof=1) / len(t) + c.var(ddof=1) / len(c))
        return gap / math.sqrt(variance)

    null = []
    for first in itertools.combinations(range(4), 2):
        for second in itertools.combinations(range(4, 9), 3):
            own = np.zeros(9, dtype=bool)
            own[[*first, *second]] = True
            null.append(abs(statistic(own)))
    assert len(null) == 60
    assert r.p_value == pytest.approx(np.mean(np.array(null) >= abs(statistic(arm == 1)) - 1e-9))


def test_strata_are_kept_beside_covariates_and_with_clusters() -> None:
    """Where the stratum decides the outcome, the spread of the null is that within strata."""
    data = users(n=400, seed=3)
    data["city"] = data.index % 4
    data["pay"] = 50.0 * data["city"] + data["age"]
    plain = gc.ab_test(data, metrics=[gc.Mean("pay", pre="gmv_pre", cap=None)], strata="city").to_frame()
    drawn = gc.ab_test(
        data, metrics=[gc.Mean("pay", pre="gmv_pre", cap=None)], strata="city", inference="randomisation"
    )
    assert "within strata" in " ".join(drawn.summary().split())
    half = (drawn.conf_int()[1] - drawn.conf_int()[0]) / 2
    assert half == pytest.approx(float(plain["conf_high"][0] - plain["estimate"][0]), rel=0.15)
    room = data.index % 40
    data = data.assign(room=room, arm=(room // 4) % 2)
    both = gc.ab_test(data, metrics=[gc.Mean("pay", cap=None)], strata="city", cluster="room")
    found = gc.ab_test(
        data, metrics=[gc.Mean("pay", cap=None)], strata="city", cluster="room", inference="randomisation"
    )
    assert found.conf_int() == pytest.approx(both.conf_int(), abs=0.5 * both.std_error)
    assert "whole room clusters within strata" in " ".join(found.summary().split())


def test_whole_clusters_are_permuted_by_hand() -> None:
    """Ten rooms of unequal size: the mean of an arm is a ratio of totals over its rooms."""
    rng = np.random.default_rng(8)
    size = np.array([3, 5, 4, 6, 3, 4, 5, 3, 4, 6])
    room = np.repeat(np.arange(10), size)
    data = pd.DataFrame({"arm": room % 2, "room": room, "gmv": rng.exponential(10, len(room)) + 4 * (room % 2)})
    total = data.groupby("room")["gmv"].sum().to_numpy()

    def statistic(way: Any) -> float:
        found, variance = [], 0.0
        for own in (list(way), [i for i in range(10) if i not in way]):
            mean = total[own].sum() / size[own].sum()
            found.append(mean)
            variance += 5 / 4 * ((total[own] - mean * size[own]) ** 2).sum() / size[own].sum() ** 2
        return (found[0] - found[1]) / math.sqrt(variance)

    r = gc.ab_test(data, metrics=[gc.Mean("gmv", cap=None)], cluster="room", inference="randomisation")
    t = abs(statistic(range(1, 10, 2)))
    wanted = np.mean([abs(statistic(way)) >= t - 1e-9 for way in itertools.combinations(range(10), 5)])
    assert r.p_value == pytest.approx(wanted)
    assert "whole room clusters" in " ".join(r.summary().split())


def test_the_size_is_exact_in_small_skewed_samples() -> None:
    rejected, runs = 0, 300
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        y = np.exp(rng.normal(0, 2, 14)) * (rng.random(14) < 0.6)
        data = pd.DataFrame({"arm": [0] * 9 + [1] * 5, "gmv": y})
        r = gc.ab_test(data, metrics=[gc.Mean("gmv", cap=None)], inference="randomisation", draws=199)
        rejected += r.p_value <= 0.05
    assert rejected <= 15 + 3 * math.sqrt(15)


# --- bootstrap --------------------------------------------------------------------------------------------------------
def test_the_width_is_that_of_the_analytic_standard_error() -> None:
    for options in ({}, {"strata": "segment"}, {"cluster": "place"}):
        metrics = METRICS if "strata" not in options else [m for i, m in enumerate(METRICS) if i != 1]
        r = gc.ab_test(
            users(n=3000, seed=1, sigma=0.6), metrics=metrics, inference="poisson_bootstrap", draws=4000, **options
        )
        found = r.to_frame()
        width = (found["conf_high"] - found["conf_low"]) / (2 * stats.norm.ppf(0.975) * found["std_error"])
        np.testing.assert_allclose(width, 1, atol=0.07)
        middle = (found["conf_high"] + found["conf_low"]) / 2
        assert (np.abs(middle - found["estimate"]) < 0.2 * found["std_error"]).all()
        plain = gc.ab_test(users(n=3000, seed=1, sigma=0.6), metrics=metrics, **options).to_frame()
        np.testing.assert_array_equal(found[["estimate", "std_error"]], plain[["estimate", "std_error"]])


def test_the_draws_are_those_of_a_bootstrap_written_out() -> None:
    """Zeros weighted one by one, sums over sums: the same percentiles, but for chance."""
    data = users(n=800, seed=2)
    rng = np.random.default_rng(0)
    draws = 4000
    treated, control = (data[data["arm"] == a] for a in (1, 0))
    values = []
    for own in (treated, control):
        w = rng.poisson(1.0, (draws, len(own)))
        values.append((w @ own["gmv"].to_numpy()) / (w @ own["orders"].to_numpy()))
    low, high = np.quantile(values[0] - values[1], [0.025, 0.975])
    r = gc.ab_test(
        data, metrics=[gc.Ratio("gmv", "orders", cap=None)], inference="poisson_bootstrap", draws=draws, seed=1
    )
    assert r.conf_int() == pytest.approx((low, high), abs=0.12 * r.std_error)
    ratio = np.quantile(values[0] / values[1] - 1, [0.025, 0.975])
    found = r.to_frame().iloc[0]
    assert [found["relative_low"], found["relative_high"]] == pytest.approx(ratio, abs=0.06 * (ratio[1] - ratio[0]))


def test_contributions_share_their_draws() -> None:
    r = gc.ab_test(users(n=900, seed=7), metrics=METRICS[::4], inference="poisson_bootstrap").to_frame()
    plain, total = r[r["term"] == "gmv"].iloc[0], r[r["term"] == "gmv: total"].iloc[0]
    assert plain["p_value"] == total["p_value"]
    assert plain["relative_low"] == pytest.approx(total["relative_low"], abs=1e-9)


# --- both -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("inference", BOTH)
@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_interval_relative_interval_and_p_never_disagree(inference: str, alternative: str) -> None:
    for seed in range(6):
        data = users(n=300, seed=seed)
        data["gmv"] *= 1 + 0.25 * (seed % 3 - 1) * data["arm"]
        for adjust in (None, "holm"):
            r = gc.ab_test(
                data, metrics=METRICS, inference=inference, alternative=alternative, adjust=adjust, draws=999
            )
            f = r.to_frame()
            outside = (f["conf_low"] > 0) | (f["conf_high"] < 0)
            if adjust is None:
                np.testing.assert_array_equal(outside, f["p_value"] <= 0.05 + 1e-12)
            assert not (outside & (f["p_value"] > 0.05 + 1e-12)).any()
            given = f["relative_low"].notna()
            assert given.any()
            apart = (f["relative_low"] > 0) | (f["relative_high"] < 0)
            np.testing.assert_array_equal(outside[given], apart[given])


@pytest.mark.parametrize("inference", BOTH)
def test_relations(inference: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"metrics": METRICS, "inference": inference, "draws": 199, "control": 0}
    state = np.random.get_state()[1].copy()  # noqa: NPY002  # the global state is what must stay as it is
    one = gc.ab_test(DATA, **options).to_frame()
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002  # as above
    np.testing.assert_array_equal(one[LIMITS], gc.ab_test(DATA, **options).to_frame()[LIMITS])
    shuffled = DATA.sample(frac=1, random_state=3)
    np.testing.assert_allclose(one[LIMITS], gc.ab_test(shuffled, **options).to_frame()[LIMITS], rtol=1e-9)
    other = gc.ab_test(DATA, **options, seed=1).to_frame()
    assert (one["conf_low"] != other["conf_low"]).any()
    path = tmp_path / "users.parquet"
    DATA.to_parquet(path)
    np.testing.assert_allclose(one[LIMITS], gc.ab_test(path, **options).to_frame()[LIMITS], rtol=1e-9)
    named = DATA.assign(arm=DATA["arm"].map({0: "none", 1: "a", 2: "b"}))
    renamed = gc.ab_test(named, **{**options, "control": "none"}).to_frame()
    np.testing.assert_allclose(one[LIMITS], renamed[LIMITS], rtol=1e-9)
    dear = gc.ab_test(DATA.assign(gmv=DATA["gmv"] * 100), **options).to_frame()
    np.testing.assert_allclose(one["p_value"], dear["p_value"], rtol=1e-9)
    moved = [gc.Mean("age", cap=None)]
    plain = gc.ab_test(DATA, **{**options, "metrics": moved}).to_frame()
    far = gc.ab_test(DATA.assign(age=DATA["age"] + 1e7), **{**options, "metrics": moved}).to_frame()
    np.testing.assert_allclose(plain[LIMITS[:3]], far[LIMITS[:3]], rtol=1e-6)


@pytest.mark.parametrize("inference", BOTH)
def test_protocol(inference: str) -> None:
    r = gc.ab_test(DATA, control=0, metrics=METRICS, inference=inference, draws=199)
    assert_protocol(r, None, plots=(None,))
    assert r.manifest.seed == 0
    assert r.manifest.options["draws"] == 199
    text = " ".join(r.summary().split())
    assert "tandard errors are the analytic ones" in text
    assert gc.ab_test(DATA, control=0, metrics="gmv").manifest.seed is None


@pytest.mark.parametrize("inference", BOTH)
def test_near_the_t_interval_where_that_holds(inference: str) -> None:
    data = users(n=4000, seed=6, sigma=0.5)
    plain = gc.ab_test(data, metrics=METRICS).to_frame()
    found = gc.ab_test(data, metrics=METRICS, inference=inference, draws=2000).to_frame()
    for column in ("conf_low", "conf_high"):
        assert (np.abs(plain[column] - found[column]) < 0.2 * plain["std_error"]).all()


def test_nothing_that_varies() -> None:
    data = DATA.assign(one=1.0, zero=0.0)
    for inference in BOTH:
        f = gc.ab_test(data, control=0, metrics=["one", "zero", "age"], inference=inference, draws=199).to_frame()
        assert f["p_value"][:4].isna().all()
        assert (f["conf_low"][:2] == 0).all()
        # Nobody has a value: a bootstrap finds no spread there, which is not to say that there is none.
        assert f["conf_low"][2:4].isna().all() if inference == "poisson_bootstrap" else (f["conf_low"][2:4] == 0).all()
    few = gc.ab_test(data, control=0, metrics="age", cluster="segment", inference="poisson_bootstrap")
    assert math.isnan(few.conf_int()[0])


SMALL = pd.DataFrame({"arm": [0] * 3 + [1] * 3, "gmv": [1.0, 2, 5, 3, 8, 4], "orders": [1, 0, 0, 1, 0, 1]})
BAD: dict[str, tuple[pd.DataFrame, dict[str, Any], type, str]] = {
    "unknown": (DATA, {"inference": "bootstrap"}, gc.InputError, "inference must be one of 't', 'poisson_bootstrap'"),
    "few draws": (DATA, {"inference": BOTH[0], "draws": 20}, gc.InputError, "draws must be a whole number of at least"),
    "seed": (DATA, {"inference": BOTH[0], "seed": -1}, gc.InputError, "seed must be"),
    "no seed": (DATA, {"inference": BOTH[0], "seed": None}, gc.InputError, "seed must be"),
    "lift": (DATA, {"inference": BOTH[0], "lift": "log"}, gc.InputError, "lift= and inference='poisson_bootstrap'"),
    "too few for alpha": (
        DATA,
        {"inference": BOTH[0], "alpha": 0.01, "draws": 150},
        gc.InputError,
        "the smallest p-value is 0.013, above the 0.01.*Pass draws=200",
    ),
    "too few for the family": (
        DATA,
        {"inference": BOTH[1], "draws": 99, "metrics": ["gmv", "age", "orders"], "adjust": "holm"},
        gc.InputError,
        "above the 0.0083.*Pass draws=120",
    ),
    "too few assignments": (
        SMALL,
        {"inference": BOTH[1], "alpha": 0.04},
        gc.DesignError,
        "only 20 ways to assign the arms.*0.05, above the 0.04",
    ),
    "a quantile": (
        DATA,
        {"inference": BOTH[0], "metrics": [gc.Quantile("gmv", 0.9)]},
        gc.InputError,
        "'gmv q0.9' is a quantile, for which inference='poisson_bootstrap' is not offered",
    ),
    "crossed clusters": (
        DATA,
        {"inference": BOTH[1], "cluster": "place"},
        gc.InputError,
        "hold several arms, so it is not known what was drawn",
    ),
    "empty denominators": (
        SMALL,
        {"inference": BOTH[0], "metrics": [gc.Ratio("gmv", "orders", cap=None)]},
        gc.DesignError,
        "of 1,000 bootstrap draws an arm .* is empty",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_inputs(name: str) -> None:
    data, options, kind, words = BAD[name]
    with pytest.raises(kind, match=words):
        gc.ab_test(data, **{"metrics": [gc.Mean("gmv", cap=None)], "control": 0, **options})
