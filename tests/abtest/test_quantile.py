"""Quantiles: by hand, by brute force, against the bootstrap, in files, under clusters, and on known truth."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import gmvcausal as gc

RNG = np.random.default_rng(4)
N = 3000
DATA = pd.DataFrame(
    {
        "arm": RNG.integers(0, 3, N),
        "gmv": np.exp(RNG.normal(3, 1, N)).round(2),
        "place": RNG.integers(0, 45, N),
        "orders": RNG.poisson(2, N),
    }
)
METRICS = [gc.Quantile("gmv", 0.9), gc.Quantile("gmv", 0.5), gc.Mean("gmv", cap=None)]


def interpolated(x: list[float], share: float) -> float:
    """Type 7: position (n - 1) share among the sorted values, counted from zero."""
    s = sorted(x)
    at = (len(s) - 1) * share
    low = math.floor(at)
    return s[low] if low + 1 == len(s) else s[low] + (at - low) * (s[low + 1] - s[low])


def woodruff(x: list[float], q: float, error: float, df: float) -> float:
    """Standard error of a quantile from that of the share at or below it."""
    t = float(stats.t.ppf(0.975, df))
    return (interpolated(x, q + t * error) - interpolated(x, q - t * error)) / (2 * t)


def test_by_hand() -> None:
    # Evenly spaced values: the quantile is a straight line in its share, of slope 8 (arm 0) and 80 (arm 1). At the
    # median, 5 and 50, five of nine values lie at or below it: variance 5/9 * 4/9 / 8 of the share.
    values = np.arange(1.0, 10.0)
    frame = pd.DataFrame({"arm": np.repeat([0, 1], 9), "gmv": np.concatenate([values, 10 * values])})
    result = gc.ab_test(frame, metrics=[gc.Quantile("gmv", 0.5)])
    share = 20 / 81 / 8
    assert result.estimate == 45.0 and result.estimand == "difference in the 0.5 quantile of gmv, 1 minus 0"
    assert result.std_error == pytest.approx(math.sqrt((64 + 6400) * share), rel=1e-12)
    # Welch over both arms, eight degrees of freedom each
    df = (64 + 6400) ** 2 / ((64**2 + 6400**2) / 8)
    assert result.to_frame()["df"][0] == pytest.approx(df, rel=1e-12)


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_brute_force(q: float) -> None:
    result = gc.ab_test(DATA, control=0, metrics=[gc.Quantile("gmv", q)]).to_frame()
    found = []
    for a in range(3):
        x = DATA.loc[DATA["arm"] == a, "gmv"].tolist()
        middle = interpolated(x, q)
        below = sum(v <= middle for v in x) / len(x)
        found.append((middle, woodruff(x, q, math.sqrt(below * (1 - below) / (len(x) - 1)), len(x) - 1)))
    for row, a in enumerate((1, 2)):
        assert result["estimate"][row] == pytest.approx(found[a][0] - found[0][0], rel=1e-12)
        assert result["std_error"][row] == pytest.approx(math.hypot(found[a][1], found[0][1]), rel=1e-10)
        assert result["relative"][row] == pytest.approx(found[a][0] / found[0][0] - 1, rel=1e-12)
        inside = result["relative_low"][row] <= 0 <= result["relative_high"][row]
        assert inside == (result["p_value"][row] > 0.05)


def test_bootstrap() -> None:
    frame = DATA[DATA["arm"] < 2]
    rng = np.random.default_rng(0)
    arms = [frame.loc[frame["arm"] == a, "gmv"].to_numpy() for a in (0, 1)]
    draws = [
        np.subtract(*(np.quantile(rng.choice(x, (1000, len(x))), 0.5, axis=1) for x in arms[::-1])),
        np.subtract(*(np.quantile(rng.choice(x, (1000, len(x))), 0.9, axis=1) for x in arms[::-1])),
    ]
    for q, found in zip((0.5, 0.9), draws, strict=True):
        result = gc.ab_test(frame, metrics=[gc.Quantile("gmv", q)])
        # one draw in 1,000: 2.2 % Monte Carlo; and both are first-order approximations of the same thing
        assert result.std_error == pytest.approx(float(found.std()), rel=0.12)


def test_clusters_are_the_jackknife_of_the_share() -> None:
    frame = DATA.assign(arm=DATA["place"] % 3 % 2)
    result = gc.ab_test(frame, metrics=[gc.Quantile("gmv", 0.9)], cluster="place")
    variance = 0.0
    for _, own in frame.groupby("arm"):
        x = own["gmv"].tolist()
        below = (own["gmv"] <= interpolated(x, 0.9)).astype(float)
        places = own["place"].unique()
        left = np.array([below[own["place"] != p].mean() for p in places])
        c = len(places)
        error = math.sqrt((c - 1) / c * float(((left - below.mean()) ** 2).sum()))
        share = own["place"].value_counts(normalize=True).to_numpy()
        apart = np.diag(share) @ (np.eye(c) - share)
        square = apart @ apart.T
        df = float(np.trace(square) ** 2 / (square**2).sum())  # Satterthwaite's for clusters that vary alike
        variance += woodruff(x, 0.9, error, df) ** 2
    assert result.std_error == pytest.approx(math.sqrt(variance), rel=1e-10)


def test_clusters_that_hold_both_arms_covary() -> None:
    rng = np.random.default_rng(2)
    found = []
    for _ in range(60):
        level = np.repeat(rng.normal(0, 1, 60), 20)
        frame = pd.DataFrame({"arm": np.tile([0, 1], 600), "place": np.repeat(np.arange(60), 20)})
        frame["gmv"] = np.exp(3 + level + rng.normal(0, 0.5, 1200))
        result = gc.ab_test(frame, metrics=[gc.Quantile("gmv", 0.5)], cluster="place")
        found.append((result.estimate, result.std_error))
    estimate, error = np.array(found).T
    assert 0.75 < error.mean() / estimate.std() < 1.35  # without the covariance it would be about 3


def test_joint_covariance() -> None:
    """The covariance of a quantile with a mean is that of the bootstrap, and cov's diagonal is what is printed."""
    frame = DATA[DATA["arm"] < 2]
    result = gc.ab_test(frame, metrics=METRICS)
    cov = result.estimates.cov
    np.testing.assert_allclose(np.sqrt(np.diag(cov)), result.to_frame()["std_error"], rtol=1e-12)
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(1500):
        one = [
            x[rng.integers(0, len(x), len(x))] for x in (frame.loc[frame["arm"] == a, "gmv"].to_numpy() for a in (0, 1))
        ]
        draws.append(
            [np.quantile(one[1], q) - np.quantile(one[0], q) for q in (0.9, 0.5)] + [one[1].mean() - one[0].mean()]
        )
    wanted = np.corrcoef(np.array(draws).T)
    np.testing.assert_allclose(cov / np.outer(np.sqrt(np.diag(cov)), np.sqrt(np.diag(cov))), wanted, atol=0.1)


def test_relations(tmp_path: Path) -> None:
    columns = ["estimate", "std_error", "p_value", "relative_low", "relative_high"]
    wanted = gc.ab_test(DATA, control=0, metrics=METRICS).to_frame()[columns]
    moved = gc.ab_test(DATA.sample(frac=1, random_state=1), control=0, metrics=METRICS).to_frame()[columns]
    pd.testing.assert_frame_equal(moved, wanted, rtol=1e-9)
    scaled = gc.ab_test(DATA.assign(gmv=DATA["gmv"] * 100), control=0, metrics=METRICS).to_frame()[columns]
    pd.testing.assert_frame_equal(scaled, wanted * [100, 100, 1, 1, 1], rtol=1e-9)
    far = gc.ab_test(DATA.assign(gmv=DATA["gmv"] + 1e7), control=0, metrics=METRICS[:2]).to_frame()
    np.testing.assert_allclose(far["estimate"], wanted["estimate"][:4], rtol=1e-6)
    np.testing.assert_allclose(far["std_error"], wanted["std_error"][:4], rtol=1e-6)
    for cluster in (None, "place"):
        DATA.to_parquet(tmp_path / "t.parquet")
        memory = gc.ab_test(DATA, control=0, metrics=METRICS, cluster=cluster).to_frame()[columns]
        file = gc.ab_test(tmp_path / "t.parquet", control=0, metrics=METRICS, cluster=cluster).to_frame()[columns]
        pd.testing.assert_frame_equal(file, memory, rtol=1e-9)


def test_rounding_to_whole_amounts_keeps_the_standard_error() -> None:
    """Steps of the data that are finer than one row in a hundred do not make the standard error jump."""
    fine = np.random.default_rng(7).gamma(4, 100, (2, 20_000))
    frame = pd.DataFrame({"arm": np.repeat([0, 1], 20_000), "gmv": fine.ravel()})
    smooth = gc.ab_test(frame, metrics=[gc.Quantile("gmv", 0.5)])
    steps = gc.ab_test(frame.assign(gmv=(frame["gmv"] / 2).round() * 2), metrics=[gc.Quantile("gmv", 0.5)])
    assert steps.std_error == pytest.approx(smooth.std_error, rel=0.15)


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_coverage(q: float) -> None:
    rng = np.random.default_rng(9)
    runs, missed = 250, 0
    truth = float(np.exp(stats.norm.ppf(q)) * 0.2)
    for _ in range(runs):
        y = np.exp(rng.normal(0, 1, 600))
        arm = np.repeat([0, 1], [200, 400])
        result = gc.ab_test(pd.DataFrame({"arm": arm, "gmv": y * (1 + 0.2 * arm)}), metrics=[gc.Quantile("gmv", q)])
        low, high = result.conf_int()
        missed += not low <= truth <= high
    assert missed / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_only_quantiles() -> None:
    """Checks of tails and leverage are about sums; they stay away."""
    result = gc.ab_test(DATA, control=0, metrics=[gc.Quantile("gmv", 0.9)])
    assert "tail" not in result.audit and "leverage" not in result.audit and result.audit.credible
    assert len(result.summary()) > 0
