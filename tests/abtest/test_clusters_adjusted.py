"""Clusters: CR2 of adjusted values by dense least squares, degrees of freedom by matrices, tails of sums, size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

Array = np.ndarray[Any, np.dtype[np.float64]]


def rooms(clusters: int = 40, seed: int = 0, sigma: float = 0.5) -> pd.DataFrame:
    """A covariate of rooms (z), one of rows (x)."""
    rng = np.random.default_rng(seed)
    size = np.maximum(2, np.round(6 * np.exp(rng.normal(0, sigma, clusters)))).astype(int)
    room = np.repeat(np.arange(clusters), size)
    z, x = rng.normal(0, 1, clusters)[room], rng.normal(5, 1, len(room))
    y = 20 + x + z + rng.normal(0, 1, clusters)[room] + rng.normal(0, 1, len(room))
    frame = pd.DataFrame({"arm": room % 2, "room": room, "city": room // 2 % 2, "z": z, "x": x, "y": y})
    return frame.assign(o=1 + rng.poisson(2, len(room)))


def satterthwaite(sizes: Array) -> float:
    """Degrees of freedom of the squared influences of clusters on their mean, if clusters vary alike."""
    w = sizes / sizes.sum()
    b = np.diag(w) @ (np.eye(len(w)) - w)
    g = b @ b.T
    return float(np.trace(g) ** 2 / (g * g).sum())


def dense(design: Array, y: Array, cluster: Array, at: Array) -> tuple[float, dict[Any, float]]:
    """The value at' beta and the part of every cluster in it: (I - H_cc)^-1/2 in full (Bell and McCaffrey 2002)."""
    bread = np.linalg.inv(design.T @ design)
    beta = bread @ design.T @ y
    parts = {}
    for c in np.unique(cluster):
        own = design[cluster == c]
        root, turn = np.linalg.eigh(np.eye(len(own)) - own @ bread @ own.T)
        inverse = np.where(root > 1e-9, 1 / np.sqrt(np.maximum(root, 1e-9)), 0.0)
        parts[c] = float(at @ bread @ own.T @ (turn * inverse) @ turn.T @ (y[cluster == c] - own @ beta))
    return float(at @ beta), parts


def arm_of(frame: pd.DataFrame, arm: int, y: pd.Series, strata: bool) -> tuple[float, dict[Any, float]]:
    own = frame["arm"] == arm
    held = frame[["x", "z"]].to_numpy()
    if not strata:
        design, at = np.column_stack([np.ones(len(frame)), held]), np.r_[1, held.mean(axis=0)]
    else:
        city = pd.get_dummies(frame["city"]).to_numpy(dtype=float)
        share = city.mean(axis=0)
        # Covariates are held at the mean over both arms of what post-stratification makes of them.
        means = [frame[frame["arm"] == a].groupby("city")[["x", "z"]].mean().to_numpy() for a in (0, 1)]
        n = [(frame["arm"] == a).sum() for a in (0, 1)]
        design = np.column_stack([city, held])
        at = np.r_[share, (n[0] * share @ means[0] + n[1] * share @ means[1]) / sum(n)]
    return dense(design[own], y[own].to_numpy(), frame.loc[own, "room"].to_numpy(), at)


@pytest.mark.parametrize("kind", ["clusters", "strata", "crossed"])
def test_cr2_by_dense_least_squares(kind: str) -> None:
    frame = rooms()
    if kind == "crossed":
        frame["arm"] = np.arange(len(frame)) % 2
    strata = kind == "strata"
    result = gc.ab_test(
        frame, metrics=[gc.Mean("y", pre=["x", "z"], cap=None)], cluster="room", strata="city" if strata else None
    )
    (treated, of_treated), (control, of_control) = (arm_of(frame, a, frame["y"], strata) for a in (1, 0))
    parts = [of_treated.get(c, 0.0) - of_control.get(c, 0.0) for c in frame["room"].unique()]
    assert result.estimate == pytest.approx(treated - control, rel=1e-8)
    assert result.std_error == pytest.approx(math.sqrt(np.dot(parts, parts)), rel=1e-8)


def test_cr2_of_a_ratio() -> None:
    """Numerator and denominator adjusted, the ratio of both linearised."""
    frame = rooms()
    result = gc.ab_test(frame, metrics=[gc.Ratio("y", "o", pre=["x", "z"], cap=None)], cluster="room")
    estimate, variance = 0.0, 0.0
    for a in (0, 1):
        (top, of_top), (bottom, of_bottom) = (arm_of(frame, a, frame[c], False) for c in ("y", "o"))
        estimate += (2 * a - 1) * top / bottom
        variance += sum(((of_top[c] - top / bottom * of_bottom[c]) / bottom) ** 2 for c in of_top)
    assert result.estimate == pytest.approx(estimate, rel=1e-8)
    assert result.std_error == pytest.approx(math.sqrt(variance), rel=1e-8)


def test_twelve_clusters_by_hand() -> None:
    """Clusters of one row, one covariate: CR2 is HC2, and 4 degrees of freedom are left in each arm."""
    x = np.array([0.0, 1, 2, 3, 4, 5])
    one = pd.DataFrame({"x": x, "y": [1.0, 0, 3, 2, 5, 7], "arm": 1})
    frame = pd.concat([one, one.assign(arm=0)], ignore_index=True).assign(room=range(12))
    row = gc.ab_test(frame, metrics=[gc.Mean("y", pre="x", cap=None)], cluster="room").to_frame().loc[0]
    # The slope is 22 / 17.5 about (2.5, 3). All are held at 2.5: every row weighs 1/6, its leverage is that and
    # (x - 2.5)^2 / 17.5 more.
    e = one["y"] - 3 - 22 / 17.5 * (x - 2.5)
    variance = (e**2 / 36 / (1 - 1 / 6 - (x - 2.5) ** 2 / 17.5)).sum()
    assert row["std_error"] == pytest.approx(math.sqrt(2 * variance), rel=1e-12)
    assert row["df"] == pytest.approx(8, rel=1e-12)


def test_relations(tmp_path: Path) -> None:
    frame = rooms()
    ask: dict[str, Any] = {"metrics": [gc.Mean("y", pre=["x", "z"], cap=None)], "cluster": "room"}
    columns = ["estimate", "std_error", "df", "variance_reduction"]
    wanted = gc.ab_test(frame, **ask).to_frame()[columns]
    shuffled = gc.ab_test(frame.sample(frac=1, random_state=1), **ask).to_frame()[columns]
    pd.testing.assert_frame_equal(shuffled, wanted, rtol=1e-9)
    moved = gc.ab_test(frame.assign(y=frame["y"] * 100 + 1e7, x=frame["x"] + 1e7), **ask).to_frame()[columns]
    moved[["estimate", "std_error"]] /= 100
    pd.testing.assert_frame_equal(moved, wanted, rtol=1e-6)
    frame.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(gc.ab_test(tmp_path / "t.parquet", **ask).to_frame()[columns], wanted, rtol=1e-9)


def test_noise_covariates_reject_as_often_as_they_say_and_gain_nothing() -> None:
    """Ten rooms an arm, three covariates of rooms that are noise: with slopes taken for known, 13 % and a third off."""
    rng = np.random.default_rng(4)
    runs, wrong, gain = 120, 0, []
    room = np.repeat(np.arange(20), 4)
    for _ in range(runs):
        frame = pd.DataFrame({"arm": room % 2, "room": room, "y": rng.normal(0, 1, 20)[room] + rng.normal(0, 1, 80)})
        for k in "abc":
            frame[k] = rng.normal(0, 1, 20)[room]
        result = gc.ab_test(frame, metrics=[gc.Mean("y", pre=["a", "b", "c"], cap=None)], cluster="room")
        low, high = result.conf_int()
        wrong += not low <= 0 <= high
        gain.append(result.extra.variance_reduction[0])
    assert wrong / runs <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / runs)
    assert np.median(gain) < 0.05


def test_degrees_of_freedom_follow_the_sizes() -> None:
    frame = rooms(sigma=1.2)
    row = gc.ab_test(frame, metrics=[gc.Mean("y", cap=None)], cluster="room").to_frame().loc[0]
    variance, squares = 0.0, 0.0
    for _, own in frame.groupby("arm"):
        places = own["room"].unique()
        left = np.array([own.loc[own["room"] != p, "y"].mean() for p in places])
        v = (len(places) - 1) / len(places) * float(((left - own["y"].mean()) ** 2).sum())
        variance, squares = variance + v, squares + v * v / satterthwaite(own["room"].value_counts().to_numpy())
    assert row["std_error"] == pytest.approx(math.sqrt(variance), rel=1e-10)
    assert row["df"] == pytest.approx(variance**2 / squares, rel=1e-8) and row["df"] < 25
    few = gc.ab_test(frame, metrics=["y"], cluster="room").audit["few_clusters"]
    share = [own["room"].value_counts(normalize=True) for _, own in frame.groupby("arm")]
    assert few.value == pytest.approx(min(1 / float((s * s).sum()) for s in share), abs=1e-6)
    assert few.status == "warned" and "their sizes differ" in few.message


def test_more_slopes_than_clusters_can_bear_are_refused() -> None:
    frame = rooms(20)
    for k in range(5):
        frame[f"w{k}"] = np.random.default_rng(k).normal(0, 1, 20)[frame["room"]]
    pre = [f"w{k}" for k in range(5)]
    assert gc.ab_test(frame, metrics=[gc.Mean("y", pre=pre[:4])], cluster="room").std_error > 0
    with pytest.raises(gc.DesignError, match=r"can bear 4.*at most 4"):
        gc.ab_test(frame, metrics=[gc.Mean("y", pre=pre)], cluster="room")
    with pytest.raises(gc.DesignError, match="can bear 3"):  # one indicator of strata
        gc.ab_test(frame, metrics=[gc.Mean("y", pre=pre[:4])], cluster="room", strata="city")


def orders() -> pd.DataFrame:
    """Orders of users, of whom a tenth are treated; log-normal amounts."""
    rng = np.random.default_rng(2)
    user = np.repeat(np.arange(3000), 1 + rng.poisson(0.3, 3000))
    return pd.DataFrame({"arm": (user % 10 == 0) * 1, "user": user, "gmv": np.exp(rng.normal(3, 2, len(user)))})


def test_a_tail_of_clusters_is_seen_and_moves_the_finding() -> None:
    frame = orders()
    result = gc.ab_test(frame, metrics=[gc.Mean("gmv")], cluster="user", expected_ratio={0: 0.9, 1: 0.1})
    assert result.audit["tail"].status == "warned" and "user cluster" in result.audit["tail"].message
    assert result.speaks == 1 and result.audit["leverage"].status != "not_run"
    even = frame.assign(arm=frame["user"] % 2)
    assert gc.ab_test(even, metrics=[gc.Mean("gmv")], cluster="user").audit["tail"].status == "passed"


def test_a_cluster_for_each_row_has_the_tail_of_rows() -> None:
    frame = orders().drop_duplicates("user")
    for name in ("tail", "leverage"):
        rows = gc.ab_test(frame, metrics=["gmv"], expected_ratio={0: 0.9, 1: 0.1}).audit[name]
        clusters = gc.ab_test(frame, metrics=["gmv"], cluster="user", expected_ratio={0: 0.9, 1: 0.1}).audit[name]
        assert rows.value == pytest.approx(clusters.value, rel=1e-9) and rows.status == clusters.status


def test_the_largest_cluster_carries_its_sum() -> None:
    frame = rooms(60)
    frame.loc[frame["room"] == 7, "y"] += 40
    check = gc.ab_test(frame, metrics=[gc.Mean("y", cap=None)], cluster="room").audit["leverage"]
    share = 0.0
    for _, own in frame.groupby("arm"):
        sums = (own["y"] - own["y"].mean()).groupby(own["room"]).sum() / len(own)
        other = frame[frame["arm"] != own["arm"].iloc[0]]
        beside = (other["y"] - other["y"].mean()).groupby(other["room"]).sum() / len(other)
        share = max(share, float((sums**2).max() / ((sums**2).sum() + (beside**2).sum())))
    assert check.status == "warned" and check.value == pytest.approx(share, rel=1e-9)
