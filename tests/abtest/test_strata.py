"""Strata beside covariates and clusters, against other implementations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import gmvcausal as gc


def shop(n: int = 900, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    city = rng.integers(0, 4, n)
    pre = rng.gamma(2, 10, n) + 5 * city
    arm = rng.integers(0, 2, n)
    gmv = 0.6 * pre + 8 * city + rng.normal(0, 6, n) + arm * (2 + 0.1 * pre)
    orders = 1 + rng.poisson(1 + 0.3 * city)
    return pd.DataFrame(
        {"arm": arm, "city": city, "vip": rng.integers(0, 2, n), "gmv": gmv, "gmv_pre": pre, "orders": orders,
         "bought": rng.integers(0, 2, n)}
    )  # fmt: skip


SHOP = shop()


def interacted(frame: pd.DataFrame, cell: pd.Series, covariates: list[str], outcome: str) -> tuple[float, float]:
    """Lin's regression with indicators of the cells, all interacted with the arm, by statsmodels with HC2."""
    x = pd.get_dummies(cell.astype(str), drop_first=True).astype(float).to_numpy()
    x = np.column_stack([x, frame[covariates].to_numpy(dtype=float)])
    x = x - x.mean(axis=0)
    t = frame["arm"].to_numpy(dtype=float)
    design = np.column_stack([np.ones(len(frame)), t, x, x * t[:, None]])
    fit = sm.OLS(frame[outcome].to_numpy(dtype=float), design).fit(cov_type="HC2")
    return float(fit.params[1]), float(fit.bse[1])


@pytest.mark.parametrize("strata", [["city"], ["city", "vip"]])
def test_strata_and_covariates_are_one_regression(strata: list[str]) -> None:
    cell = SHOP[strata].astype(str).agg("/".join, axis=1)
    result = gc.ab_test(SHOP, metrics=[gc.Mean("gmv", pre="gmv_pre", cap=None), gc.Proportion("bought")], strata=strata)
    table = result.to_frame()
    for row, (outcome, held) in enumerate((("gmv", ["gmv_pre"]), ("bought", []))):
        estimate, error = interacted(SHOP, cell, held, outcome)
        assert table["estimate"][row] == pytest.approx(estimate, rel=1e-8)
        assert table["std_error"][row] == pytest.approx(error, rel=1e-8)
    assert any("entered the adjustment as indicators" in note for note in result.manifest.notes)


def test_without_covariates_indicators_are_post_stratification() -> None:
    beside = gc.ab_test(SHOP, metrics=[gc.Mean("gmv", pre="gmv_pre"), gc.Proportion("bought")], strata="city")
    alone = gc.ab_test(SHOP, metrics=[gc.Proportion("bought")], strata="city")
    row = beside.to_frame().iloc[1]
    assert row["estimate"] == pytest.approx(alone.estimate, rel=1e-10)
    assert row["std_error"] == pytest.approx(alone.std_error, rel=1e-10)


def test_ratio_with_strata_and_covariates() -> None:
    """Both parts adjusted for cells and covariate, then linearised."""
    result = gc.ab_test(SHOP, metrics=[gc.Ratio("gmv", "orders", pre="gmv_pre", cap=None)], strata="city")
    x = pd.get_dummies(SHOP["city"].astype(str), drop_first=True).astype(float).assign(pre=SHOP["gmv_pre"])
    wanted = gc.ab_test(
        SHOP.assign(**{f"c{k}": x.iloc[:, k] for k in range(3)}),
        metrics=[gc.Ratio("gmv", "orders", pre=["c0", "c1", "c2", "gmv_pre"], cap=None)],
    )
    assert result.estimate == pytest.approx(wanted.estimate, rel=1e-12)
    assert result.std_error == pytest.approx(wanted.std_error, rel=1e-12)


def test_row_order_labels_and_scale() -> None:
    ask: dict[str, Any] = {"metrics": [gc.Mean("gmv", pre="gmv_pre", cap=None)], "strata": "city"}
    plain = gc.ab_test(SHOP, **ask)
    names = SHOP.assign(city=SHOP["city"].map({0: "z", 1: "b", 2: "y", 3: "a"}))
    for frame, by in ((SHOP.sample(frac=1, random_state=2), 1), (names, 1), (SHOP.assign(gmv=SHOP["gmv"] * 100), 100)):
        other = gc.ab_test(frame, **ask)
        assert other.estimate == pytest.approx(by * plain.estimate, rel=1e-9)
        assert other.std_error == pytest.approx(by * plain.std_error, rel=1e-9)


def rooms(seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    room = np.repeat(np.arange(48), rng.integers(5, 40, 48))
    city = room % 3
    arm = (room // 3) % 2
    gmv = rng.gamma(2, 5, len(room)) + 10 * city + rng.normal(0, 2, 48)[room] + 2 * arm
    return pd.DataFrame(
        {"room": room, "city": city, "arm": arm, "gmv": gmv, "gmv_pre": gmv + rng.normal(0, 3, len(room))}
    )


def test_strata_of_clusters_by_the_jackknife() -> None:
    frame = rooms()
    result = gc.ab_test(frame, metrics=[gc.Mean("gmv", cap=None)], cluster="room", strata="city")
    estimate = variance = 0.0
    for _, own in frame.groupby("city"):
        weight = len(own) / len(frame)
        for arm, sign in ((1, 1), (0, -1)):
            cell = own[own["arm"] == arm]
            estimate += sign * weight * cell["gmv"].mean()
            without = np.array([cell.loc[cell["room"] != r, "gmv"].mean() for r in cell["room"].unique()])
            c = len(without)
            variance += weight**2 * (c - 1) / c * ((without - cell["gmv"].mean()) ** 2).sum()
    assert result.estimate == pytest.approx(estimate, rel=1e-12)
    assert result.std_error == pytest.approx(math.sqrt(variance), rel=1e-10)
    assert result.std_error < 0.6 * gc.ab_test(frame, metrics=[gc.Mean("gmv", cap=None)], cluster="room").std_error
    share = [own["room"].value_counts(normalize=True) for _, own in frame.groupby("arm")]
    assert result.audit["few_clusters"].value == pytest.approx(min(1 / (s * s).sum() for s in share), abs=1e-6)


def test_strata_clusters_and_covariates_take_slopes_within_strata() -> None:
    frame = rooms()
    result = gc.ab_test(frame, metrics=[gc.Mean("gmv", pre="gmv_pre", cap=None)], cluster="room", strata="city")
    adjusted = {}
    size = frame["city"].value_counts(normalize=True).sort_index()
    for arm in (0, 1):
        own = frame[frame["arm"] == arm]
        means = own.groupby("city")[["gmv", "gmv_pre"]].mean()
        within = own[["gmv", "gmv_pre"]] - own.groupby("city")[["gmv", "gmv_pre"]].transform("mean")
        slope = (within["gmv"] * within["gmv_pre"]).sum() / (within["gmv_pre"] ** 2).sum()
        adjusted[arm] = (float(size @ means["gmv"]), float(size @ means["gmv_pre"]), slope)
    n = frame["arm"].value_counts()
    centre = sum(n[a] * adjusted[a][1] for a in (0, 1)) / len(frame)
    value = {a: y - b * (x - centre) for a, (y, x, b) in adjusted.items()}
    assert result.estimate == pytest.approx(value[1] - value[0], rel=1e-10)
    assert result.std_error < gc.ab_test(frame, metrics=["gmv"], cluster="room", strata="city").std_error


def test_size_of_stratified_rooms() -> None:
    """36 rooms in three cities, assigned within cities, no effect."""
    rng = np.random.default_rng(8)
    runs, rejected = 120, 0
    for _ in range(runs):
        room = np.repeat(np.arange(36), rng.integers(3, 20, 36))
        plan = gc.assign(
            pd.DataFrame({"room": np.arange(36), "city": np.arange(36) % 3}), unit="room", arms=[0, 1],
            method="stratified", strata="city", seed=int(rng.integers(2**31)),
        )  # fmt: skip
        gmv = 5 * (room % 3) + rng.normal(0, 1, 36)[room] + rng.exponential(2, len(room))
        frame = pd.DataFrame({"arm": plan["arm"].to_numpy()[room], "city": room % 3, "place": room, "gmv": gmv})
        rejected += gc.ab_test(frame, metrics=[gc.Mean("gmv", cap=None)], cluster="place", strata="city").p_value < 0.05
    assert rejected / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_coverage_after_rerandomisation() -> None:
    """Adjusted for the covariates that were balanced, the interval covers as it says; unadjusted it is too wide."""
    rng = np.random.default_rng(10)
    runs, missed, plain = 60, 0, 0
    for run in range(runs):
        pre = rng.gamma(2, 10, 60)
        frame = pd.DataFrame({"city": np.arange(60), "gmv_pre": pre})
        plan = gc.assign(
            frame, unit="city", arms=[0, 1], method="rerandomised", covariates="gmv_pre", accept=0.1, seed=run
        )
        frame["arm"] = plan["arm"]
        frame["gmv"] = 0.8 * pre + rng.normal(0, 5, 60) + 3 * frame["arm"]
        low, high = gc.ab_test(frame, metrics=[gc.Mean("gmv", pre="gmv_pre", cap=None)], cluster=None).conf_int()
        missed += not low <= 3 <= high
        low, high = gc.ab_test(frame, metrics=[gc.Mean("gmv", cap=None)]).conf_int()
        plain += not low <= 3 <= high
    assert missed / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert plain / runs < 0.04


@pytest.mark.parametrize(
    ("frame", "options", "words"),
    [
        (SHOP, {"metrics": [gc.Mean("gmv", pre="gmv_pre"), gc.Gmv(gmv="bought", orders="orders")]}, "with gc.Gmv"),
        (SHOP.assign(city=np.arange(900) // 4, arm=[0, 0, 1, 1] * 225), {}, "225 cells, too many"),
        (rooms().assign(city=np.arange(len(rooms())) % 2), {"cluster": "room"}, "strata vary within 'room'"),
        (rooms().assign(arm=np.arange(len(rooms())) % 2), {"cluster": "room"}, "the arm varies within 'room'"),
        (rooms().assign(city=lambda f: f["room"] // 4), {"cluster": "room"}, "fewer than 2 room clusters"),
    ],
)
def test_what_is_refused(frame: pd.DataFrame, options: dict[str, Any], words: str) -> None:
    ask: dict[str, Any] = {"metrics": [gc.Mean("gmv", pre="gmv_pre")], "strata": "city"}
    with pytest.raises(gc.InputError, match=words):
        gc.ab_test(frame, **{**ask, **options})
