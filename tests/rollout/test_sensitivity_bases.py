"""`sensitivity()` and `pre_trend_power()` where leads and effects of the estimator have different bases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.rollout.ratios.one_base import log_event_study

TWO_BASES = ("imputation", "two_stage", "etwfe")


def _panel(starts: tuple[int, ...] = (6,), n: int = 90, seed: int = 3, drift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    unit, time = np.arange(n), np.arange(10)
    start = np.array([*starts, 99])[unit % (len(starts) + 1)]
    y = rng.normal(20, 3, (n, 1)) + 0.3 * time + rng.normal(size=(n, 10))
    y += 3.0 * (time >= start[:, None]) + drift * np.where(start[:, None] < 99, time - start[:, None], 0)
    return pd.DataFrame(
        {
            "unit": np.repeat(unit, 10),
            "period": np.tile(time, n),
            "gmv": y.ravel(),
            "first_treated": np.repeat(np.where(start < 99, start, np.nan), 10),
        }
    )


@pytest.mark.parametrize("estimator", TWO_BASES)
@pytest.mark.parametrize("starts", [(6,), (4, 7)])
def test_the_family_reads_the_event_study_on_one_base(estimator: str, starts: tuple[int, ...]) -> None:
    data = _panel(starts)
    found = gc.did(data, estimator=estimator).sensitivity(grid=[1.0])
    other = gc.did(data, estimator="sun_abraham").sensitivity(grid=[1.0])
    pd.testing.assert_frame_equal(found.to_frame(), other.to_frame())
    assert "event study of sun_abraham on the same panel" in " ".join(found.summary().split())
    assert "sun_abraham on" not in other.summary()


def test_one_start_can_be_moved_to_one_base_by_hand() -> None:
    """With one start the effects of imputation are those on the last period before, less the mean lead."""
    data = _panel()
    imputed = gc.did(data, estimator="imputation").event_study().set_index("event_time")["estimate"]
    moved = imputed[imputed.index >= 0] + imputed[imputed.index < 0].mean()
    assert gc.did(data, estimator="imputation").sensitivity().estimate == pytest.approx(moved.mean(), abs=1e-10)


def test_a_drift_is_not_believed() -> None:
    for estimator in (*TWO_BASES, "poisson"):
        result = gc.did(_panel(drift=0.5).assign(gmv=lambda f: f["gmv"] - 3 * (f["period"] >= f["first_treated"]) + 9),
                        estimator=estimator)  # fmt: skip
        assert result.conf_int()[0] > 0
        line = result.sensitivity(method="smoothness", grid=[0.0]).told
        assert line.low < 0 < line.high


def _one_cohort(weights: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    data = _panel(n=60)
    return data.assign(gmv=rng.gamma(2.0, 5.0, len(data)) * (rng.random(len(data)) < 0.6), w=1.0 + data["unit"] % 3)


@pytest.mark.parametrize("weighted", [False, True])
def test_ratios_of_ratios_by_hand(weighted: bool) -> None:
    data = _one_cohort()
    result = gc.did(data, estimator="poisson", weights="w" if weighted else None)
    series = log_event_study(result.panel, result.options)
    wide = data.pivot(index="unit", columns="period", values="gmv").to_numpy()
    on, w = np.arange(60) % 2 == 0, np.where(weighted, 1.0 + np.arange(60) % 3, 1.0)
    mean = np.array([(w[side, None] * wide[side]).sum(axis=0) / w[side].sum() for side in (on, ~on)])
    times = [t for t in range(10) if t != 5]
    assert series.at.tolist() == [t - 6 for t in times] and series.reference == -1
    ratio = np.log(mean[0] / mean[0, 5]) - np.log(mean[1] / mean[1, 5])
    np.testing.assert_allclose(series.estimate, ratio[times], atol=1e-9)
    # Delta method: each unit moves the logarithm of its side's mean by its distance from it, over the mean.
    psi = np.zeros((60, 10))
    for sign, side, row in ((1, on, mean[0]), (-1, ~on, mean[1])):
        psi[side] = sign * w[side, None] * (wide[side] - row) / row / w[side].sum()
    psi = (psi - psi[:, [5]])[:, times]
    np.testing.assert_allclose(series.cov, psi.T @ psi, rtol=1e-7, atol=1e-12)
    found = result.sensitivity()
    assert found.unit == "log points" and "about 10 %" in found.summary()
    assert found.estimate == pytest.approx(ratio[6:].mean(), abs=1e-9)


def test_poisson_is_blind_to_the_unit_of_money_and_the_order_of_rows() -> None:
    data = _one_cohort()
    plain, *others = (
        gc.did(d, estimator="poisson").sensitivity(grid=[1.0]).told
        for d in (
            data,
            data.assign(gmv=100 * data["gmv"]),
            data.sample(frac=1, random_state=1),
            data.assign(unit="u" + data["unit"].astype(str)),
        )
    )
    for other in others:
        assert (other.low, other.high) == pytest.approx((plain.low, plain.high), rel=1e-5)


def test_poisson_general_road_and_cohorts() -> None:
    data = _panel((4, 7)).assign(gmv=lambda f: f["gmv"] + 5)
    whole = gc.did(data, estimator="poisson")
    gap = gc.did(data.drop(index=[13, 444]), estimator="poisson")
    one, other = (log_event_study(r.panel, r.options) for r in (whole, gap))
    assert one.at.tolist() == other.at.tolist()
    np.testing.assert_allclose(one.estimate, other.estimate, atol=0.02)
    same = gc.did(data.assign(w=2.0), estimator="poisson", weights="w")
    np.testing.assert_allclose(log_event_study(same.panel, same.options).cov, one.cov, rtol=1e-8, atol=1e-14)
    with pytest.raises(gc.DesignError, match="no unit is never treated"):
        gc.did(data.dropna(), estimator="poisson").sensitivity()


@pytest.mark.parametrize("estimator", [*TWO_BASES, "sun_abraham", "callaway_santanna"])
@pytest.mark.parametrize("starts", [(6,), (4, 7)])
def test_a_drift_of_the_stated_slope_does_what_is_stated(estimator: str, starts: tuple[int, ...]) -> None:
    """The bias in the table is what the same drift, put into the data, adds to the mean of the effects."""
    data = _panel(starts)
    result = gc.did(data, estimator=estimator)
    table = result.pre_trend_power()
    moved = gc.did(_panel(starts, drift=table["slope"][0]), estimator=estimator)

    def mean(r: Any) -> float:
        after = r.event_study().query("event_time >= 0")
        return float(np.average(after["estimate"], weights=after["n"]))

    assert table["effect"][0] == pytest.approx(mean(result), abs=1e-10)
    assert table["bias"][0] == pytest.approx(mean(moved) - mean(result), abs=1e-8)
    assert table["slope"][1] > table["slope"][0] > 0


def test_the_stated_power_is_had() -> None:
    """Share of samples in which the audit's own test of the leads finds the drift, about what the table says."""
    data = _panel(n=120)
    slope = float(gc.did(data, estimator="imputation").pre_trend_power()["slope"][1])
    found = [
        gc.did(_panel(n=120, seed=100 + s, drift=slope), estimator="imputation").audit["pre_trend"].value
        for s in range(60)
    ]
    assert 0.6 < np.mean(np.array(found) < 0.05) < 0.96


def test_power_in_per_cent() -> None:
    data = _panel(n=120).assign(gmv=lambda f: f["gmv"] + 5)
    table = gc.did(data, estimator="poisson").pre_trend_power()
    assert (table["slope"] > 0).all() and table["effect"][0] == pytest.approx(0.11, abs=0.05)
    scaled = gc.did(data.assign(gmv=100 * data["gmv"]), estimator="poisson").pre_trend_power()
    np.testing.assert_allclose(table.to_numpy(), scaled.to_numpy(), rtol=1e-6)
