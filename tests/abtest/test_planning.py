"""The verbs `power` and `sample_size`: by hand, against each other, by simulation, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower

import gmvcausal as gc
from gmvcausal import DesignError, InputError
from gmvcausal.abtest.plans.history import read_history

GMV = {"metric": "gmv", "rate": 0.05, "amount_mean": 120.0, "amount_sd": 150.0}
RATIO = {"metric": "ratio", "mean": 20.0, "sd": 60.0, "per_mean": 0.2, "per_sd": 0.5, "correlation": 0.8}
PLANS = [
    {"sd": 10.0, "mean": 50.0, "lift": 0.02},
    {"sd": 10.0, "sd_treated": 14.0, "effect": -1.0, "share": 0.2},
    {"sd": 10.0, "effect": 1.0, "alternative": "greater", "r2": 0.4},
    {"sd": 10.0, "effect": -1.0, "alternative": "less", "alpha": 0.01, "target": 0.9},
    {"metric": "proportion", "rate": 0.04, "lift": 0.1},
    {"metric": "proportion", "rate": 0.04, "lift": -0.1},
    {**RATIO, "lift": 0.02},
    {**GMV, "lift": 0.1},
    {**GMV, "lift": 0.1, "part": "rate"},
    {**GMV, "lift": -0.1, "part": "rate", "share": 0.1},
    {"sd": 10.0, "effect": 2.0, "cluster_size": 50, "icc": 0.05, "cluster_cv": 0.5},
    {"sd": 10.0, "non_inferiority": 1.0, "alternative": "greater"},
    {"sd": 10.0, "mean": 50.0, "lift": 0.05, "uptake": 0.6},
    {**GMV, "lift": 0.2, "part": "rate", "share": 0.3, "uptake": 0.5},
    {"sd": 10.0, "non_inferiority": 1.0, "alternative": "less", "effect": 0.2, "r2": 0.1},
]


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_size_power_and_mde_agree(plan: dict) -> None:
    """The size found has the power asked for, one unit (or cluster) fewer has not; the MDE there is the effect."""
    target = plan.get("target", 0.8)
    r = gc.sample_size(**plan)
    step = plan.get("cluster_size", 1) / min(plan.get("share", 0.5), 1 - plan.get("share", 0.5))
    assert target <= r.power < target + 0.02
    assert gc.power(r.n - 2.1 * step, **plan).power < target
    assert r.n_control + r.n_treated == r.n
    positive = r.effect > 0 or plan.get("alternative") == "greater"
    if positive or plan.get("alternative") == "less":
        assert r.detectable == pytest.approx(r.effect, rel=0.02, abs=0.02)


def test_equal_to_statsmodels() -> None:
    n = TTestIndPower().solve_power(0.25, power=0.8, alpha=0.05)
    assert gc.sample_size(sd=8.0, effect=2.0).n_treated == int(np.ceil(n))
    assert gc.power(200, sd=8.0, effect=2.0).power == pytest.approx(TTestIndPower().power(0.25, 100, 0.05), abs=1e-8)
    found = TTestIndPower().solve_power(nobs1=100, power=0.8, alpha=0.05)
    assert gc.power(200, sd=8.0).detectable == pytest.approx(8.0 * found, rel=1e-5)  # their solver stops early


def test_uptake_dilutes_the_effect() -> None:
    """Among compliers the MDE is that of the assigned over the uptake, and power is that for the diluted effect."""
    all_, some = gc.power(4_000, sd=10.0, mean=50.0), gc.power(4_000, sd=10.0, mean=50.0, uptake=0.4)
    assert some.detectable == pytest.approx(all_.detectable / 0.4, rel=1e-9)
    assert some.std_error == pytest.approx(all_.std_error / 0.4, rel=1e-12)
    for effect in (0.5, 2.0):
        diluted = gc.power(4_000, **RATIO, effect=0.4 * effect)
        assert gc.power(4_000, **RATIO, effect=effect, uptake=0.4).power == pytest.approx(diluted.power, rel=1e-12)
    share = {"metric": "proportion", "rate": 0.3}
    assert gc.power(4_000, **share, effect=1.5, uptake=0.4).effect == 1.5  # .6 of all: possible
    with pytest.raises(DesignError, match="not possible"):
        gc.power(4_000, **share, effect=2.0, uptake=0.4)
    assert "40 % receive because they are assigned" in some.summary()
    assert gc.sample_size(sd=10.0, effect=1.0, uptake=0.5).n == pytest.approx(
        gc.sample_size(sd=10.0, effect=0.5).n, abs=4
    )
    for bad in (0, 1.2, -0.1, "half"):
        with pytest.raises(InputError, match="uptake"):
            gc.power(4_000, sd=10.0, uptake=bad)


def test_lewis_and_rao() -> None:
    r = gc.sample_size(mean=7, sd=75, effect=0.35)
    assert r.n_treated == pytest.approx(720815.4858, rel=2e-6)  # the verb also counts the wrong side, and the t
    assert r.lift == pytest.approx(0.05)
    assert gc.power(2e6, mean=7, sd=75, effect=0.35).std_error == pytest.approx(0.35 / 3.2998316455372216, rel=1e-6)


@pytest.mark.parametrize(
    ("plan", "draw"),
    [
        ({**GMV, "lift": 0.25}, "amount"),
        ({**GMV, "lift": 0.25, "part": "rate"}, "rate"),
    ],
)
def test_power_of_gmv_is_reached(plan: dict, draw: str) -> None:
    """Known truth: users drawn from the two-part model, Welch's t, 1,500 tests of 20,000 users."""
    rng = np.random.default_rng(5)
    n, reps = 20_000, 1_500
    s2 = np.log1p((150 / 120) ** 2)
    hits = 0
    for _ in range(reps):
        arms = []
        for size, treated in ((10_000, False), (10_000, True)):
            buyers = rng.binomial(size, 0.05 * (1.25 if treated and draw == "rate" else 1.0))
            amounts = rng.lognormal(np.log(120) - s2 / 2, np.sqrt(s2), buyers)
            arms.append((size, amounts * (1.25 if treated and draw == "amount" else 1.0)))
        m = [x.sum() / k for k, x in arms]
        v = [((x**2).sum() - k * mean**2) / (k - 1) for (k, x), mean in zip(arms, m, strict=True)]
        hits += abs(m[1] - m[0]) > 1.96 * np.sqrt(v[0] / arms[0][0] + v[1] / arms[1][0])
    expected = gc.power(n, **plan).power
    assert hits / reps == pytest.approx(expected, abs=3.5 * np.sqrt(0.25 / reps))


def test_power_of_clusters_is_reached() -> None:
    """Twelve clusters of 30, t over the means of clusters: the test has the power that was planned."""
    rng = np.random.default_rng(6)
    reps, k, m, icc, effect = 4_000, 6, 30, 0.1, 0.7
    means = rng.normal(0, np.sqrt(icc + (1 - icc) / m), (reps, 2, k))
    means[:, 1] += effect
    hits = stats.ttest_ind(means[:, 1], means[:, 0], axis=1, equal_var=False).pvalue <= 0.05
    plan = gc.power(2 * k * m, sd=1.0, effect=effect, cluster_size=m, icc=icc)
    assert plan.df == pytest.approx(10.0)
    assert hits.mean() == pytest.approx(plan.power, abs=0.025)


def test_adjustment_and_allocation_relations() -> None:
    plain = gc.sample_size(sd=10.0, effect=1.0)
    assert gc.sample_size(sd=10.0, effect=1.0, r2=0.5).n == pytest.approx(plain.n / 2, rel=0.01)
    assert gc.sample_size(sd=10.0, effect=1.0, share=0.1).n == pytest.approx(plain.n / 0.36, rel=0.01)
    assert gc.sample_size(sd=1000.0, effect=100.0).n == plain.n  # the unit of money does not matter
    far = gc.power(1000, metric="proportion", rate=0.9995)
    assert np.isnan(far.detectable) and "no possible effect" in far.summary()


def history(n: int = 4_000) -> np.ndarray:
    rng = np.random.default_rng(7)
    return np.where(rng.uniform(size=n) < 0.3, rng.lognormal(3, 0.6, n), 0.0)


def test_history_simulated() -> None:
    h = history()
    r = gc.power(3_000, history=h, lift=0.3, reps=400, seed=3)
    assert r.plan.outcome.base.mean == pytest.approx(h.mean())
    assert r.simulated.interval(r.simulated.false_positives)[0] < 0.05
    assert r.simulated.interval(r.simulated.false_positives)[1] > 0.05
    low, high = r.simulated.interval(r.simulated.power)
    assert low - 0.05 < r.power < high + 0.05
    again = gc.power(3_000, history=h, lift=0.3, reps=400, seed=3)
    assert again.simulated == r.simulated
    assert gc.power(3_000, history=h, lift=0.3, reps=400, seed=4).simulated != r.simulated
    rate = gc.power(9_000, history=h, lift=0.1, part="rate", reps=300)
    assert rate.simulated.reused and "with replacement" in rate.summary()
    assert rate.simulated.power == pytest.approx(rate.power, abs=0.1)
    one = gc.power(3_000, history=(h > 0).astype(int), lift=-0.2, reps=300, alternative="less")
    assert one.plan.outcome.metric == "proportion"
    assert one.simulated.power == pytest.approx(one.power, abs=0.1)
    assert one.simulated.false_high == 0.0


def test_history_shows_the_uneven_tails() -> None:
    """Heavy tails and one user in ten treated: the test errs below, and the plan says so twice."""
    rng = np.random.default_rng(0)
    h = np.where(rng.uniform(size=20_000) < 0.05, rng.lognormal(4, 1.5, 20_000), 0.0)
    r = gc.power(20_000, history=h, share=0.1, reps=300)
    assert r.simulated.false_low > 3 * r.simulated.false_high
    assert "Caution" in r.summary() and np.isnan(r.simulated.power)
    assert "Caution" not in gc.power(20_000, history=h, reps=100).summary()


@pytest.mark.parametrize("make", [list, tuple, pd.Series, pl.Series, pa.chunked_array], ids=lambda f: f.__module__)
def test_history_of_every_kind(make) -> None:
    h = history(50)
    np.testing.assert_array_equal(read_history(make([h]) if make is pa.chunked_array else make(h)), h)


def test_frame_curve_summary_and_plots() -> None:
    r = gc.power(100_000, **GMV, lift=0.05)
    frame = r.to_frame()
    assert len(frame) == 1 and frame.loc[0, "power"] == r.power
    curve = r.curve([1e4, 1e5, 1e6])
    assert (np.diff(curve.detectable) < 0).all() and (np.diff(curve.power) > 0).all()
    assert curve.detectable[1] == pytest.approx(r.detectable)
    assert "MDE" in r.summary() and repr(r) == r.summary()
    for kind in (None, "mde", "power"):
        assert r.plot(kind).axes
    assert gc.power(100, sd=1.0, cluster_size=10, icc=0.1).plot().axes
    figure = r.plot()
    figure.canvas.draw()
    assert all("$" not in label.get_text() for label in figure.axes[0].get_xticklabels())
    assert max(map(len, r.summary().splitlines())) <= 92


@pytest.mark.parametrize(
    ("n", "options", "error", "message"),
    [
        (100, {}, InputError, "needs sd="),
        (100, {"sd": -1.0}, InputError, "sd must be a number"),
        (100, {"sd": "1"}, InputError, "sd must be a number"),
        (0, {"sd": 1.0}, InputError, "n must be positive"),
        (3, {"sd": 1.0}, DesignError, "fewer than two units"),
        (100, {"sd": 1.0, "lift": 0.1}, InputError, "positive mean"),
        (100, {"sd": 1.0, "lift": 0.1, "effect": 1.0}, InputError, "both given"),
        (100, {"sd": 1.0, "rate": 0.1}, InputError, "has no meaning"),
        (100, {"metric": "median", "sd": 1.0}, InputError, "metric must be one of"),
        (100, {"metric": "proportion", "rate": 0.5, "lift": 2.0}, DesignError, "not possible"),
        (100, {"metric": "proportion", "rate": 5}, InputError, "rate must be"),
        (100, {**GMV, "part": "both"}, InputError, "part must be one of"),
        (100, {**RATIO, "correlation": 1.5}, InputError, "correlation must be"),
        (100, {"sd": 1.0, "share": 1.0}, InputError, "share must be"),
        (100, {"sd": 1.0, "r2": 1.0}, InputError, "r2 must be"),
        (100, {"sd": 1.0, "icc": 0.1}, InputError, "go together"),
        (100, {"sd": 1.0, "icc": 1.1, "cluster_size": 5}, InputError, "icc must be"),
        (100, {"sd": 1.0, "icc": 0.1, "cluster_size": 40}, DesignError, "fewer than two clusters"),
        (100, {"sd": 1.0, "cluster_cv": 0.5}, InputError, "needs cluster_size"),
        (100, {"sd": 1.0, "non_inferiority": 1.0}, DesignError, "one side"),
        (100, {"sd": 1.0, "target": 0.01}, InputError, "must exceed alpha"),
        (100, {"history": [1, 2, 3]}, DesignError, "too few"),
        (100, {"history": [1.0] * 30}, DesignError, "does not vary"),
        (100, {"history": ["a"] * 30}, InputError, "text"),
        (100, {"history": [1.0, np.nan] * 30}, InputError, "missing"),
        (100, {"history": np.zeros((30, 2))}, InputError, "2 dimensions"),
        (100, {"history": 7}, InputError, "one column of numbers"),
        (100, {"history": history(50), "sd": 1.0}, InputError, "both given"),
        (100, {"history": history(50), "reps": 5}, InputError, "reps must be"),
        (100, {"history": [0, 1] * 30, "part": "amount"}, InputError, "no amounts"),
    ],
)
def test_bad_input(n: float, options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gc.power(n, **options)


def test_bad_sizes() -> None:
    with pytest.raises(InputError, match="no effect"):
        gc.sample_size(sd=1.0)
    with pytest.raises(DesignError, match="zero is never found"):
        gc.sample_size(sd=1.0, effect=0.0)
    with pytest.raises(DesignError, match="never found"):
        gc.sample_size(sd=1.0, effect=-1.0, alternative="greater")
