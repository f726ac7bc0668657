"""Effects from ratios: against other implementations, on paper, and against the relations that must hold."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

EXACT = {"rel": 1e-12}


def market(n: int = 90, periods: int = 6, seed: int = 3, effect: float = 1.4) -> pd.DataFrame:
    """Two cohorts and never treated, a third each; GMV in cents with zeros; growth and effect in per cent."""
    rng = np.random.default_rng(seed)
    start = np.repeat([3, 5, 0], n // 3)
    level = np.exp(rng.normal(2, 0.6, n))
    period = np.arange(1, periods + 1)
    on = (start[:, None] > 0) & (period >= start[:, None])
    noise = rng.gamma(0.8, 1 / 0.8, (n, periods)) * (rng.random((n, periods)) < 0.7)
    y = np.floor(100 * level[:, None] * np.exp(0.1 * (period - 1)) * np.where(on, effect, 1) * noise) / 100
    return pd.DataFrame({
        "unit": np.repeat(np.arange(n), periods), "period": np.tile(period, n), "gmv": y.ravel(),
        "first_treated": np.repeat(start, periods), "place": np.repeat(np.arange(n) // 3, periods),
        "w": np.repeat(rng.uniform(0.5, 2.0, n), periods),
    })  # fmt: skip


MARKET = market()


def ratio(frame: pd.DataFrame = MARKET, **options: Any) -> Any:
    return gc.did(frame, estimator="poisson", **options)


def logs(result: Any) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of the ratio of every cell, and its standard error."""
    series = result.fitted.series["log cells"]()
    return series.estimate, np.sqrt(np.diag(series.cov))


# fepois("gmv ~ d33 + ... + d56 | unit + period", ssc=ssc(k_adj=False, G_adj=False)) of pyfixest 0.60.0, clustered by
# unit and by place; the one dummy a treated cohort and period.
FEPOIS = [
    0.19890986043059997, -0.26028795648932884, -0.21007989727491105, 0.572857288371129, 0.13709117123585515,
    0.8417540260705436,
]  # fmt: skip
FEPOIS_UNIT = [
    0.5313056554530435, 0.5821195259504884, 0.6408678840700416, 0.5985762513112106, 0.5918645924120146,
    0.4383178978983498,
]  # fmt: skip
FEPOIS_PLACE = [
    0.48934856730726317, 0.5448944670540125, 0.6598892007755791, 0.5290035696554087, 0.6515657535976263,
    0.32461636801065635,
]  # fmt: skip


@pytest.mark.parametrize(("cluster", "errors"), [(None, FEPOIS_UNIT), ("place", FEPOIS_PLACE)])
def test_equal_to_pyfixest(cluster: str | None, errors: list[float]) -> None:
    frame = MARKET if cluster else MARKET.drop(columns="place")
    found, se = logs(ratio(frame, cluster=cluster))
    np.testing.assert_allclose(found, FEPOIS, rtol=1e-8)
    np.testing.assert_allclose(se, errors, rtol=1e-6)


def test_equal_to_a_glm_with_a_dummy_for_every_unit() -> None:
    """statsmodels, unit and period dummies, sandwich by unit: points, errors, and the level effect by hand."""
    import statsmodels.api as sm

    frame = market(n=45, seed=8)
    frame = frame[frame.groupby("unit")["gmv"].transform("sum") > 0]  # the dummy of a unit without sales runs away
    dummies = pd.get_dummies(frame[["unit", "period"]].astype(str)).drop(columns="period_1").astype(float)
    names = []
    for g in (3, 5):
        for t in range(g, 7):
            names.append(f"d{g}{t}")
            dummies[names[-1]] = ((frame["first_treated"] == g) & (frame["period"] == t)).astype(float)
    model = sm.GLM(frame["gmv"], dummies, family=sm.families.Poisson())
    fit = model.fit(
        tol=1e-14, maxiter=200, cov_type="cluster",
        cov_kwds={"groups": frame["unit"].to_numpy(), "use_correction": False},
    )  # fmt: skip
    result = ratio(frame.drop(columns="place"))
    found, se = logs(result)
    np.testing.assert_allclose(found, fit.params[names], rtol=1e-8)
    np.testing.assert_allclose(se, fit.bse[names], rtol=1e-6)
    on = dummies[names].sum(axis=1) > 0
    without = np.exp(np.log(fit.fittedvalues) - dummies[names] @ fit.params[names])
    assert result.estimate == pytest.approx(float((frame["gmv"] - without)[on].mean()), rel=1e-8)
    percent = 100 * (frame["gmv"][on].sum() / without[on].sum() - 1)
    assert result.to_frame()["estimate"].iloc[-1] == pytest.approx(percent, rel=1e-8)


def test_four_means_on_paper() -> None:
    """Treated 4, 0 then 9, 3: means 2 and 6. Untreated 1, 3 then 2, 6: means 2 and 4. Without: 2 * 4/2 = 4.

    Effect 6 - 4 = 2, or 50 %. The logarithm's variance, forty copies a unit: mean squared (y_2/m_2 - y_1/m_1) over n:
    treated 9/6 - 4/2 = -.5 and 3/6 - 0 = .5: .25 / 80; untreated 2/4 - 1/2 = 0 and 6/4 - 3/2 = 0.
    """
    paths = {"A": (4, 9), "B": (0, 3), "C": (1, 2), "D": (3, 6)}
    frame = pd.DataFrame([
        {"unit": f"{u}{k}", "period": t, "gmv": y, "first_treated": 2 if u in "AB" else None}
        for u, path in paths.items() for k in range(40) for t, y in enumerate(path, 1)
    ])  # fmt: skip
    result = ratio(frame)
    assert result.estimate == pytest.approx(2, **EXACT)
    row = result.to_frame().iloc[-1]
    assert row["estimate"] == pytest.approx(50, **EXACT)
    assert row["std_error"] == pytest.approx(150 * math.sqrt(0.25 / 80), rel=1e-10)
    # The level: influence y_2 - 6 - 2 (y_1 - 2), which is -1 and 1, over 80 units; the controls bring nothing.
    assert result.std_error == pytest.approx(math.sqrt(1 / 80), rel=1e-10)
    assert list(ratio(frame).percent()["estimate"]) == pytest.approx([0, 50], **EXACT)


def jackknifed(frame: pd.DataFrame, of: Any, **options: Any) -> np.ndarray:
    """Sum of squared derivatives of the numbers `of` a result with respect to each unit's weight, by differences."""
    step, units = 1e-4, frame["unit"].unique()
    base = frame["w"] if "weights" in options else pd.Series(1.0, index=frame.index)
    out = 0.0
    for u in units:
        up, down = (base * (1 + s * step * (frame["unit"] == u)) for s in (1, -1))
        moved = [of(ratio(frame.assign(w=w), weights="w")) for w in (up, down)]
        out = out + ((moved[0] - moved[1]) / (2 * step)) ** 2
    return np.sqrt(out)


@pytest.mark.parametrize("kind", ["complete", "absent rows", "weights", "absent rows and weights"])
def test_errors_are_the_derivatives_with_respect_to_the_weights(kind: str) -> None:
    """Cells and leads do not depend on how many units each cohort has, so every unit's pull can be had by force."""
    frame = market(n=36, seed=5).drop(columns="place")
    if "absent" in kind:
        frame = frame[np.random.default_rng(1).random(len(frame)) > 0.15].reset_index(drop=True)
    options = {"weights": "w"} if "weights" in kind else {}

    def of(result: Any) -> np.ndarray:
        event = result.fitted.series["log event"]().estimate[:3]
        return np.r_[event, *(result.fitted.series[name]().estimate for name in ("log cells", "cells"))]

    made = ratio(frame, **options)
    cov = [made.fitted.series[name]().cov for name in ("log event", "log cells", "cells")]
    se = np.sqrt(np.r_[np.diag(cov[0])[:3], np.diag(cov[1]), np.diag(cov[2])])
    np.testing.assert_allclose(jackknifed(frame, of, **options), se, rtol=2e-6)


def test_absent_rows_are_imputed_from_the_untreated_rows_alone() -> None:
    """The same by a GLM on the untreated rows: unit and period effects, then what each treated row would have held."""
    import statsmodels.api as sm

    frame = market(n=45, seed=8).drop(columns="place")
    frame = frame[np.random.default_rng(2).random(len(frame)) > 0.1]
    on = (frame["first_treated"] > 0) & (frame["period"] >= frame["first_treated"])
    sold = frame["gmv"].where(~on, 0).groupby(frame["unit"]).transform("sum") > 0
    seen = (~on).groupby(frame["unit"]).transform("any")
    dummies = pd.get_dummies(frame[["unit", "period"]].astype(str)).drop(columns="period_1").astype(float)
    rows = sold & ~on
    live = dummies.loc[rows].any() | (dummies.columns.str.startswith("period"))
    fit = sm.GLM(frame["gmv"][rows], dummies.loc[rows, live], family=sm.families.Poisson()).fit(tol=1e-14, maxiter=200)
    without = np.where(sold, np.exp(dummies.loc[:, live] @ fit.params), 0.0)[on & seen]
    real = frame["gmv"][on & seen]
    result = ratio(frame)
    assert result.estimate == pytest.approx(float((real - without).mean()), rel=1e-8)
    assert result.fitted.treated_cells == int((on & seen).sum())


def test_leads_are_a_regression_of_the_untreated_cells() -> None:
    import statsmodels.api as sm

    frame = MARKET.drop(columns="place")
    event = frame["period"] - frame["first_treated"].replace(0, 999)
    rows = (event < 0) & (frame["gmv"].where(event < 0, 0).groupby(frame["unit"]).transform("sum") > 0)
    rows &= (event < -900) | (event < 0)
    dummies = pd.get_dummies(frame[["unit", "period"]].astype(str)).drop(columns="period_1").astype(float)
    names = [-4, -3, -2]
    for e in names:
        dummies[f"lead{e}"] = (event == e).astype(float)
    used = dummies[rows]
    used = used.loc[:, used.any()]
    fit = sm.GLM(frame["gmv"][rows], used, family=sm.families.Poisson()).fit(
        tol=1e-14, maxiter=200, cov_type="cluster",
        cov_kwds={"groups": frame["unit"][rows].to_numpy(), "use_correction": False},
    )  # fmt: skip
    series = ratio(frame).fitted.series["log event"]()
    np.testing.assert_allclose(series.estimate[:3], fit.params[[f"lead{e}" for e in names]], rtol=1e-7)
    np.testing.assert_allclose(np.sqrt(np.diag(series.cov))[:3], fit.bse[[f"lead{e}" for e in names]], rtol=1e-5)


def numbers(result: Any) -> pd.DataFrame:
    keep = ["estimate", "std_error", "p_value", "conf_low", "conf_high"]
    parts = [result.to_frame()[keep], result.event_study(), result.percent(), result.att_gt().iloc[:, 2:]]
    return pd.concat(parts, ignore_index=True).astype(float)


def same(a: Any, b: Any, **tolerance: float) -> None:
    np.testing.assert_allclose(numbers(a), numbers(b), **(tolerance or {"rtol": 1e-8, "atol": 1e-9}))


@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"cluster": "place"}], ids=["plain", "weights", "clusters"])
def test_relations(options: dict[str, Any], tmp_path: Path) -> None:
    plain = ratio(**options)
    same(plain, ratio(MARKET.sample(frac=1, random_state=1), **options), rtol=0, atol=0)
    same(plain, ratio(MARKET.assign(unit=1000 - MARKET["unit"]), **options))
    later = MARKET["first_treated"].replace(0, np.nan) + 40
    same(plain, ratio(MARKET.assign(period=MARKET["period"] + 40, first_treated=later), **options))
    MARKET.to_parquet(tmp_path / "p.parquet")
    same(plain, ratio(tmp_path / "p.parquet", **options), rtol=0, atol=0)
    cents = ratio(MARKET.assign(gmv=MARKET["gmv"] * 100), **options)
    np.testing.assert_allclose(cents.percent(), plain.percent(), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(
        cents.event_study()[["estimate", "band_low"]], 100 * plain.event_study()[["estimate", "band_low"]], rtol=1e-8
    )


def test_the_same_from_the_units_as_from_the_moments() -> None:
    for options in ({}, {"cluster": "place"}):
        same(ratio(MARKET, **options), ratio(MARKET.assign(w=1.0), weights="w", **options))


@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"cluster": "place"}], ids=["plain", "weights", "clusters"])
def test_the_pull_of_the_clusters_gives_the_variance(options: dict[str, Any]) -> None:
    result = ratio(MARKET if "cluster" in options else MARKET.drop(columns="place"), **options)
    assert math.sqrt((result.cluster_influence() ** 2).sum()) == pytest.approx(result.std_error, rel=1e-10)
    effects, cells = result.fitted.effects, result.fitted.series["cells"]()
    one = effects.influence(np.eye(len(cells.at))[2])
    assert (np.bincount(result.panel.cluster, one) ** 2).sum() == pytest.approx(cells.cov[2, 2], rel=1e-10)


def test_exact_where_everything_moves_in_per_cent() -> None:
    """Seven times larger cohorts, any season, effects of 40 %: no noise, no error."""
    frame = MARKET.drop(columns="place")
    size, season = frame["first_treated"].map({3: 7.0, 5: 0.2, 0: 1.0}), frame["period"].map(lambda t: t**2 % 7 + 1.0)
    on = (frame["first_treated"] > 0) & (frame["period"] >= frame["first_treated"])
    result = ratio(frame.assign(gmv=size * season * np.where(on, 1.4, 1.0) * (1 + frame["unit"] % 5)))
    assert list(result.percent()["estimate"]) == pytest.approx([0, 0, 0, 0, 40, 40, 40, 40], abs=1e-9)
    assert result.to_frame()["estimate"].iloc[-1] == pytest.approx(40, **EXACT)
    assert gc.did(frame.assign(gmv=size * season)).estimate != pytest.approx(0, abs=0.1)


def test_coverage_and_no_bias_where_cohorts_differ_in_size() -> None:
    """Trends are parallel in per cent and one cohort is three times larger."""
    hits, found = [], []
    for seed in range(120):
        frame = market(n=150, seed=seed, effect=1.3)
        frame["gmv"] *= np.where(frame["first_treated"] == 3, 3, 1)
        row = ratio(frame.drop(columns="place")).to_frame().iloc[-1]
        hits.append(row["conf_low"] <= 30 <= row["conf_high"])
        found.append(math.log1p(row["estimate"] / 100))
    assert 0.89 <= np.mean(hits) <= 0.99
    assert abs(np.mean(found) - math.log(1.3)) < 3 * np.std(found) / math.sqrt(120)


def test_anticipation_leaves_the_window_out_of_the_base() -> None:
    frame = MARKET.drop(columns="place")
    early = frame["first_treated"].where(frame["first_treated"] > 0) - 1
    shifted = ratio(frame.assign(first_treated=early))
    told = ratio(frame, anticipation=1)
    np.testing.assert_allclose(logs(told)[0], logs(shifted)[0], rtol=1e-10)
    assert told.event_base == -2
    assert set(told.event_study()["event_time"]) == set(shifted.event_study()["event_time"] - 1)


def test_few_treated_units_get_no_interval() -> None:
    frame = market(n=90)
    frame = frame[(frame["first_treated"] == 0) | (frame["unit"] % 30 < 3)]
    result = ratio(frame.drop(columns="place"))
    assert math.isnan(result.std_error) and "6 treated" in result.estimates.withheld
    assert result.to_frame()["std_error"].isna().all()
    assert result.audit["few_clusters"].status == "failed"


def test_a_cohort_that_sold_nothing_before_is_left_out_and_said() -> None:
    frame = MARKET.drop(columns="place")
    new = frame.assign(gmv=frame["gmv"].where((frame["first_treated"] != 3) | (frame["period"] >= 3), 0.0))
    result = ratio(new)
    assert any("4 of 6 treated cohort-periods are left out" in note for note in result.manifest.notes)
    both = frame["gmv"].where((frame["first_treated"] == 0) | (frame["period"] >= frame["first_treated"]), 0.0)
    with pytest.raises(gc.DesignError, match="sold nothing in any period before their start"):
        ratio(frame.assign(gmv=both))


def test_negative_amounts_are_named() -> None:
    bad = MARKET.assign(gmv=MARKET["gmv"].where(MARKET.index != 7, -3.0))
    with pytest.raises(gc.InputError, match="at least 0") as error:
        ratio(bad)
    assert error.value.column == "gmv" and error.value.count == 1 and list(error.value.rows) == [7]


@pytest.mark.parametrize("options", [{"ssc": "full"}, {"assignment": "random"}, {"control": "not_yet_treated"}])
def test_options_without_meaning_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(gc.InputError, match=f"{next(iter(options))}= has no meaning"):
        ratio(**options)


def test_percent_is_for_ratios() -> None:
    with pytest.raises(gc.InputError, match="compares differences, not ratios"):
        gc.did(MARKET).percent()
    with pytest.raises(gc.InputError, match="by must be one of"):
        ratio().percent("week")
    assert list(ratio().percent("cohort").columns[:2]) == ["cohort", "estimate"]
    assert list(ratio().percent("period")["period"]) == [3, 4, 5, 6]


def test_logarithms_with_zeros_are_named_for_what_they_are() -> None:
    """By name, or by values that are logs of whole cents; plain GMV is not."""
    frame = MARKET.drop(columns="place")
    logged = frame.assign(gmv=np.log1p(frame["gmv"]))
    found = gc.did(logged).audit["log_zeros"]
    want = math.log1p(ratio(frame).to_frame()["estimate"].iloc[-1] / 100)
    assert found.status == "warned" and f"log of means changes by {want:+.3g}" in found.message
    assert gc.did(logged.rename(columns={"gmv": "log_gmv"}), outcome="log_gmv").audit["log_zeros"].status == "warned"
    assert "log_zeros" not in {c.name for c in gc.did(frame).audit}
    assert "log_zeros" not in {c.name for c in gc.did(frame.rename(columns={"gmv": "login"}), outcome="login").audit}
