"""Synthetic comparisons: published numbers, second implementations, a case by hand, known truth, and what each table says."""

# ruff: noqa: E501  # published rows are kept on one line each

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.present import figures
from gmvcausal.rollout.synthetic.paths import METHODS, augmented, synthetic_control, synthetic_did

ALL = list(METHODS)


def did(frame: pd.DataFrame, estimator: str, **options: Any) -> Any:
    return gc.did(frame, estimator=estimator, **options)


def long(y: np.ndarray, start: np.ndarray) -> pd.DataFrame:
    n, periods = y.shape
    return pd.DataFrame({
        "unit": np.repeat(np.arange(n), periods), "period": np.tile(np.arange(1, periods + 1), n), "gmv": y.ravel(),
        "first_treated": np.repeat(start, periods),
    })  # fmt: skip


def factors(
    n: int = 40,
    periods: int = 24,
    starts: dict[float, int] | None = None,
    effect: float = 0.0,
    noise: float = 0.3,
    seed: int = 0,
) -> pd.DataFrame:
    """Two common factors with loadings of each unit's own, so that trends are parallel only after weighing."""
    rng = np.random.default_rng(seed)
    common = np.cumsum(rng.normal(size=(2, periods)), axis=1)
    start = np.full(n, np.nan)
    at = 0
    for first, count in ({17.0: 1} if starts is None else starts).items():
        start[at : at + count] = first
        at += count
    loading = rng.uniform(0, 1, size=(n, 2))
    loading[:at] = 0.3 + 0.4 * loading[:at]  # the treated lie among the controls
    y = 20 + 5 * rng.uniform(size=(n, 1)) * (np.arange(n) >= at)[:, None] + 2.5 * (np.arange(n) < at)[:, None]
    y = y + loading @ common + noise * rng.normal(size=(n, periods))
    y += effect * (np.arange(1, periods + 1) >= start[:, None])
    return long(y, start)


# --- published numbers -----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def prop99(data_dir: Path) -> pd.DataFrame:
    file = data_dir / "california_prop99.csv"
    if not file.is_file():
        pytest.skip(f"no {file.name} in {data_dir}")  # the file may not be shipped with the project
    return pd.read_csv(file, sep=";")


@pytest.fixture(scope="module")
def basque(data_dir: Path) -> pd.DataFrame:
    file = data_dir / "basque.csv"
    if not file.is_file():
        pytest.skip(f"no {file.name} in {data_dir}")  # the file may not be shipped with the project
    frame = pd.read_csv(file)
    frame = frame[frame["regionname"] != "Spain (Espana)"]
    frame["first"] = np.where(frame["regionname"] == "Basque Country (Pais Vasco)", 1970.0, np.nan)
    return frame


SMOKING = {"outcome": "PacksPerCapita", "unit": "State", "time": "Year", "treated": "treated"}
SPAIN = {"outcome": "gdpcap", "unit": "regionname", "time": "year", "first_treated": "first"}


def test_prop99(prop99: pd.DataFrame) -> None:
    """Arkhangelsky and others (2021); outcome-only synthetic control: donor weights and rank."""
    assert did(prop99, "two_by_two", **SMOKING).estimate == pytest.approx(-27.349, abs=1e-3)
    assert did(prop99, "synthetic_did", **SMOKING).estimate == pytest.approx(-15.6038279, abs=2e-3)
    result = did(prop99, "synthetic_control", **SMOKING)
    assert result.estimate == pytest.approx(-19.514, abs=1e-3)
    weights = result.weights().set_index("label")["weight"]
    published = {
        "Utah": 0.394,
        "Montana": 0.232,
        "Nevada": 0.205,
        "Connecticut": 0.109,
        "New Hampshire": 0.045,
        "Colorado": 0.015,
    }
    assert list(weights.index) == list(published)
    np.testing.assert_allclose(weights, list(published.values()), atol=5e-4)
    table = result.placebos()
    assert len(table) == 39 and table.loc[0, ["unit", "treated", "rank"]].tolist() == ["California", True, 3]
    assert any("ranks 3 of 39 (permutation p = 0.077)" in note for note in result.manifest.notes)


def test_basque(basque: pd.DataFrame) -> None:
    for estimator, published in (("two_by_two", -0.4308), ("synthetic_did", -0.7934), ("synthetic_control", -0.8946)):
        result = did(basque, estimator, **SPAIN)
        assert result.estimate == pytest.approx(published, abs=1e-4)
        assert math.isnan(result.conf_int()[0]) and "placebo runs need 20" in result.estimates.withheld


def test_prop99_standard_error_by_placebo_variance(prop99: pd.DataFrame) -> None:
    """8.4 in the paper, 10.9 elsewhere, each from 200 random draws; here all 38 controls take their turn."""
    result = did(prop99, "synthetic_did", inference="placebo_variance", **SMOKING)
    assert 8.4 < result.std_error < 10.9 and "38 placebo runs" in result.estimates.method


# --- second implementations ------------------------------------------------------------------------------------------
def frank_wolfe(
    a: np.ndarray, b: np.ndarray, zeta: float, least: float, start: np.ndarray | None, most: int
) -> np.ndarray:
    """Steps of Frank and Wolfe, ended as in the R package synthdid."""
    rows, n = a.shape
    eta, w, values = rows * zeta**2, np.full(n, 1 / n) if start is None else start, []
    while len(values) < most and (len(values) < 2 or values[-2] - values[-1] > least**2):
        slope = (a @ w - b) @ a + eta * w
        toward = -w
        toward[slope.argmin()] += 1
        moved = a @ toward
        length = moved @ moved + eta * toward @ toward
        w = w + np.clip(-slope @ toward / length if length > 0 else 0, 0, 1) * toward
        values.append(zeta**2 * w @ w + np.sum((a @ w - b) ** 2) / rows)
    return w


def sparse(w: np.ndarray) -> np.ndarray:
    kept = np.where(w <= w.max() / 4, 0, w)
    return kept / kept.sum()


def synthdid(controls: np.ndarray, treated: np.ndarray, size: int, t0: int) -> tuple[float, np.ndarray, np.ndarray]:
    """The R package's steps: Frank-Wolfe, weights below a quarter of the largest dropped, Frank-Wolfe again."""
    past, later = controls[:, :t0], controls[:, t0:].mean(axis=1)
    noise = np.diff(past, axis=1).std(ddof=1)
    found = []
    for a, b, zeta in (
        (past.T, treated[:t0], (size * (controls.shape[1] - t0)) ** 0.25 * noise),
        (past, later, 1e-6 * noise),
    ):
        a, b = a - a.mean(axis=0), b - b.mean()
        first = frank_wolfe(a, b, zeta, 1e-5 * noise, None, 100)
        found.append(frank_wolfe(a, b, zeta, 1e-5 * noise, sparse(first), 10_000))
    omega, lam = found
    gap = treated - omega @ controls
    return float(gap[t0:].mean() - lam @ gap[:t0]), omega, lam


def test_the_steps_of_the_r_package(prop99: pd.DataFrame) -> None:
    """They give the published digits on Prop 99; the exact minimum lies below theirs, and 0.0016 beside."""
    wide = prop99.pivot(index="State", columns="Year", values="PacksPerCapita")
    controls, treated = wide.drop("California").to_numpy(), wide.loc["California"].to_numpy()
    value, omega, _ = synthdid(controls, treated, 1, 19)
    assert value == pytest.approx(-15.6038279, abs=1e-6)
    before = np.arange(31) < 19
    found = synthetic_did(controls, treated, 1, before, ~before)
    assert found.estimate == pytest.approx(-15.6053979, abs=1e-6)
    np.testing.assert_allclose(found.unit, omega, atol=4e-3)
    zeta = 12**0.25 * np.diff(controls[:, :19], axis=1).std(ddof=1)

    def loss(w: np.ndarray) -> float:
        return float(zeta**2 * w @ w + np.var(treated[:19] - w @ controls[:, :19]))

    assert loss(found.unit) < loss(omega) < loss(found.unit) * 1.005


@pytest.mark.parametrize("seed", range(4))
def test_synthetic_did_on_other_panels(seed: int) -> None:
    frame = factors(n=15, periods=14, starts={10.0: 3}, seed=seed)
    wide = frame.pivot(index="unit", columns="period", values="gmv").to_numpy()
    value, _, _ = synthdid(wide[3:], wide[:3].mean(axis=0), 3, 9)
    assert did(frame, "synthetic_did").estimate == pytest.approx(value, abs=2e-3)


def test_augmented_is_a_bias_correction_by_ridge_regression() -> None:
    """Ben-Michael, Feller and Rothstein (2021), eq. 5: what ridge regression predicts for the treated less the weighted controls."""
    frame = factors(n=25, periods=16, starts={11.0: 1}, seed=3)
    wide = frame.pivot(index="unit", columns="period", values="gmv").to_numpy()
    controls, treated, before = wide[1:], wide[0], np.arange(16) < 10
    found = augmented(controls, treated, 1, before, ~before)
    plain = synthetic_control(controls, treated, 1, before, ~before)
    mean = controls.mean(axis=0)
    x = controls[:, :10] - mean[:10]
    slope = np.linalg.solve(x.T @ x + found.penalty * np.eye(10), x.T @ (controls[:, 10:] - mean[10:]))
    correction = (treated[:10] - plain.unit @ controls[:, :10]) @ slope
    assert found.penalty > 0
    np.testing.assert_allclose(found.gap[10:], plain.gap[10:] - correction, rtol=1e-9)
    assert found.unit.sum() == pytest.approx(1, abs=1e-12)
    assert found.rmspe_before < plain.rmspe_before


def test_penalty_by_leaving_periods_out() -> None:
    rng = np.random.default_rng(5)
    past, target = rng.normal(size=(12, 7)), rng.normal(size=7)
    before = np.r_[np.ones(7, bool), False]
    found = augmented(np.c_[past, np.zeros(12)], np.r_[target, 0.0], 1, before, ~before).penalty
    top = np.linalg.svd(past - past.mean(axis=0))[1][0] ** 2
    tried = top * 1e-8 ** (np.arange(21) / 20)
    errors = np.zeros((7, 21))
    for t in range(7):
        some, own = np.delete(past, t, axis=1), np.delete(target, t)
        w = METHODS["synthetic_control"](some, own, 1, np.ones(6, bool), np.ones(6, bool)).unit
        x = some - some.mean(axis=0)
        for j, penalty in enumerate(tried):
            full = w + x @ np.linalg.solve(x.T @ x + penalty * np.eye(6), own - w @ some)
            errors[t, j] = (target[t] - full @ past[:, t]) ** 2
    mean, se = errors.mean(axis=0), errors.std(axis=0, ddof=1) / np.sqrt(7)
    assert found == pytest.approx(tried[mean <= mean.min() + se[mean.argmin()]].max(), rel=1e-9)


# --- by hand ---------------------------------------------------------------------------------------------------------
def test_by_hand() -> None:
    """Treated 3, 5 | 10; controls 2, 4 | 6 and 6, 8 | 14. Three quarters of the first and a quarter of the second meet the treated: 8, so 2."""
    y = np.array([[3.0, 5.0, 10.0], [2.0, 4.0, 6.0], [6.0, 8.0, 14.0]])
    result = did(long(y, np.array([3.0, np.nan, np.nan])), "synthetic_control")
    assert result.estimate == pytest.approx(2.0, abs=1e-12)
    weights = result.weights()
    assert weights["label"].tolist() == [1, 2]
    np.testing.assert_allclose(weights["weight"], [0.75, 0.25], rtol=1e-12)
    np.testing.assert_allclose(result.paths()["synthetic"], [3, 5, 8], rtol=1e-12)
    # Synthetic difference-in-differences sees three parallel lines before, so the penalty makes equal weights; the
    # base is equally good anywhere: (10 - 10) - (3 - 4) = 1 against the first period, 1 against the second.
    result = did(long(y, np.array([3.0, np.nan, np.nan])), "synthetic_did")
    assert result.estimate == pytest.approx(1.0, abs=1e-9)


def test_cohorts_are_weighted_by_their_unit_periods() -> None:
    frame = factors(n=30, periods=20, starts={11.0: 2, 16.0: 4}, effect=1.0)
    result = did(frame, "synthetic_did")
    table = result.by_cohort()
    np.testing.assert_allclose(table["weight"], [20 / 40, 20 / 40])
    assert result.estimate == pytest.approx(table["weight"] @ table["estimate"], rel=1e-12)
    for first in (11.0, 16.0):
        alone = did(frame[frame["first_treated"].isna() | (frame["first_treated"] == first)], "synthetic_did")
        assert alone.estimate == pytest.approx(table.set_index("cohort").loc[first, "estimate"], rel=1e-9)


@pytest.mark.parametrize("estimator", ALL)
def test_tables_agree(estimator: str) -> None:
    result = did(factors(effect=2.0), estimator)
    paths, events = result.paths(), result.event_study()
    np.testing.assert_allclose(paths["treated"] - paths["synthetic"], paths["gap"], atol=1e-9)
    assert paths.loc[paths["after"], "gap"].mean() == pytest.approx(result.estimate, rel=1e-12)
    np.testing.assert_allclose(events["estimate"], paths["gap"], atol=1e-12)
    assert events["event_time"].tolist() == list(range(-16, 8))
    weights = result.weights().groupby("of")["weight"].sum()
    np.testing.assert_allclose(weights, 1.0, atol=1e-12)
    assert ("time" in weights) == (estimator == "synthetic_did")
    again = pickle.loads(pickle.dumps(result))
    assert type(again) is type(result) and again.conf_int() == result.conf_int()


# --- known truth -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("estimator", ALL)
def test_a_known_effect_is_found(estimator: str) -> None:
    """Factors move apart, so plain differences miss by far more."""
    errors, plain, covered = [], [], []
    reps = 8 if estimator == "augmented_synthetic_control" else 25  # it leaves out every period of every placebo run
    for seed in range(reps):
        frame = factors(effect=3.0, seed=seed)
        result = did(frame, estimator)
        low, high = result.conf_int()
        errors.append(result.estimate - 3.0)
        covered.append(low <= 3.0 <= high)
        plain.append(did(frame, "two_by_two").estimate - 3.0)
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(reps) + 0.02
    assert np.std(errors) < 0.6 * np.std(plain)
    assert sum(covered) >= 0.84 * reps  # three binomial standard errors below 95 % of 25


def test_many_treated_get_a_standard_error() -> None:
    inside = 0
    for seed in range(20):
        result = did(factors(n=50, starts={15.0: 6, 18.0: 8}, effect=1.0, seed=seed), "synthetic_did")
        low, high = result.conf_int()
        inside += low <= 1.0 <= high
        assert result.std_error > 0 and "jackknife" in result.estimates.method
    assert inside >= 16  # 20 at 95 %, less three binomial standard errors
    assert np.isfinite(result.event_study().set_index("event_time").loc[0, "std_error"])


def test_jackknife_by_leaving_out() -> None:
    """Each unit dropped in turn, weights kept and brought back to a sum of one; 12 treated in one cohort."""
    frame = factors(n=30, periods=16, starts={11.0: 12}, seed=2)
    result = did(frame, "synthetic_did")
    fit = result.fitted.synthetic.answer.cohorts[0]
    y = frame.pivot(index="unit", columns="period", values="gmv").to_numpy()
    load = np.where(np.arange(16) >= 10, 1 / 6, 0) - fit.time
    left = []
    for i in range(30):
        treated = np.delete(y[:12], i, axis=0) if i < 12 else y[:12]
        unit = fit.unit.copy()
        if i >= 12:
            unit[i - 12] = 0
        left.append((treated.mean(axis=0) - unit / unit.sum() @ y[12:]) @ load)
    left = np.array(left)
    assert result.std_error == pytest.approx(np.sqrt(29 / 30 * np.sum((left - left.mean()) ** 2)), rel=1e-9)


def test_placebo_runs_by_hand() -> None:
    """Every control in turn, weighed by the other controls; the interval is what those runs do not reject."""
    frame = factors(n=31, periods=16, starts={11.0: 1}, seed=4)
    result = did(frame, "synthetic_control")
    y = frame.pivot(index="unit", columns="period", values="gmv").to_numpy()
    before = np.arange(16) < 10
    runs = [synthetic_control(np.delete(y[1:], j, axis=0), y[1 + j], 1, before, ~before) for j in range(30)]
    ratios = sorted((abs(r.estimate) / r.rmspe_before for r in runs), reverse=True)
    own = synthetic_control(y[1:], y[0], 1, before, ~before)
    assert result.p_value == pytest.approx(
        (1 + sum(r >= abs(own.estimate) / own.rmspe_before for r in ratios)) / 31, abs=1e-9
    )
    half = ratios[0] * own.rmspe_before  # one of 31 may lie above at 5 %
    np.testing.assert_allclose(result.conf_int(), (own.estimate - half, own.estimate + half), rtol=1e-8)
    assert "every control in the place of the treated" in result.estimates.method


def test_sets_of_controls_stand_in_for_several_treated() -> None:
    result = did(factors(n=40, starts={17.0: 3}, effect=2.0), "synthetic_control")
    assert "499 sets of controls" in result.estimates.method and result.conf_int()[0] < 2 < result.conf_int()[1]
    again = did(factors(n=40, starts={17.0: 3}, effect=2.0), "synthetic_control", seed=1)
    assert again.conf_int() != result.conf_int() and again.estimate == result.estimate


# --- conformal -------------------------------------------------------------------------------------------------------
def test_conformal_inverts_its_own_test() -> None:
    frame = factors(n=15, periods=30, starts={27.0: 1}, effect=2.0, seed=1)
    result = did(frame, "synthetic_control", inference="conformal")
    low, high = result.conf_int()
    assert low < 2 < high and "30 cyclic shifts" in result.estimates.method
    test = result.estimates.special[0].__wrapped__.__self__
    # By hand: weights on all periods, the shift by s puts other residuals after the start.
    y = frame.pivot(index="unit", columns="period", values="gmv").to_numpy()
    for effect in (0.0, 2.0, low - 0.05, high + 0.05):
        supposed = y[0] - effect * (np.arange(30) >= 26)
        every = np.ones(30, bool)
        size = np.abs(synthetic_control(y[1:], supposed, 1, every, every).gap)
        p = np.mean([np.roll(size, s)[26:].mean() >= size[26:].mean() * (1 - 1e-12) for s in range(30)])
        assert test.p_value(effect) == pytest.approx(p, abs=1e-9)
    assert test.p_value(low - 0.05) < 0.05 and test.p_value(high + 0.05) < 0.05
    assert result.p_value == pytest.approx(test.p_value(0.0))


def test_conformal_needs_as_many_periods_as_the_level_asks() -> None:
    result = did(factors(n=15, periods=16, starts={13.0: 1}), "synthetic_control", inference="conformal")
    assert math.isnan(result.conf_int()[0]) and "16 shifts, which cannot reject at 0.05" in result.estimates.withheld


# --- refusals --------------------------------------------------------------------------------------------------------
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "weights": ({"weights": "w"}, "weights= has no meaning"),
    "covariates": ({"covariates": ["w"]}, "covariates="),
    "controls": ({"control": "not_yet_treated"}, "control= has no meaning"),
    "lot": ({"assignment": "random"}, "assignment= has no meaning"),
    "ssc": ({"ssc": "full"}, "ssc= has no meaning"),
    "inference": ({"inference": "magic"}, "inference must be one of"),
    "clusters": ({"cluster": "town"}, "lie in 8 clusters"),
    "anticipation": ({"anticipation": 16}, "reaches back beyond the first period"),
}


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("case", list(REFUSED))
def test_what_has_no_meaning_is_refused(estimator: str, case: str) -> None:
    options, words = REFUSED[case]
    frame = factors().assign(w=1.5, town=lambda f: f["unit"] // 5)
    with pytest.raises(gc.GmvCausalError, match=words) as caught:
        did(frame, estimator, **options)
    assert caught.value.remedy


@pytest.mark.parametrize("estimator", ALL)
def test_absent_rows_are_refused_and_counted(estimator: str) -> None:
    frame = factors()
    with pytest.raises(gc.InputError, match="3 unit-periods of 2 units are absent") as caught:
        did(frame.drop(index=[30, 31, 700]), estimator)
    assert "zero" in caught.value.remedy
    # A unit that was treated from the start is left out, and so are its gaps.
    always = frame.assign(first_treated=frame["first_treated"].where(frame["unit"] != 5, 1.0))
    left_out = did(always.drop(index=5 * 24 + 3), estimator)
    assert left_out.estimate == pytest.approx(did(frame[frame["unit"] != 5], estimator).estimate, rel=1e-9)


def test_what_an_estimator_cannot_be_asked() -> None:
    for estimator, options, words in (
        ("synthetic_control", {"inference": "jackknife"}, "inference='jackknife' is for"),
        ("synthetic_did", {"inference": "jackknife"}, "a cohort has only one"),
        ("synthetic_did", {"inference": "conformal"}, "inference='conformal' is for"),
        ("two_by_two", {"inference": "placebo"}, "inference= has no meaning"),
    ):
        with pytest.raises(gc.GmvCausalError, match=words):
            did(factors(), estimator, **options)
    with pytest.raises(gc.DesignError, match="start in 2 different periods"):
        did(factors(starts={15.0: 1, 17.0: 1}), "synthetic_control", inference="conformal")
    with pytest.raises(gc.DesignError, match="no placebo runs were made"):
        did(factors(), "synthetic_control", inference="conformal").placebos()


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: factors(n=12), "placebo runs need 20 control units"),
        (lambda: factors(periods=6, starts={3.0: 1}), "need 3 periods before"),
        (lambda: factors(n=24, starts={17.0: 10}), "twice as many controls"),
        (lambda: factors(n=21), "cannot reject at 0.01"),
    ],
    ids=["controls", "periods", "treated", "level"],
)
def test_no_interval_where_none_holds(estimator: str, make: Any, words: str) -> None:
    inference = "placebo" if estimator == "synthetic_did" else None
    result = did(make(), estimator, inference=inference, alpha=0.01 if "0.01" in words else 0.05)
    assert math.isfinite(result.estimate) and math.isnan(result.conf_int()[0])
    assert words in result.estimates.withheld and result.audit["few_clusters"].status == "failed"
    assert words in result.summary().replace("\n            ", " ")


# --- audit and figures -----------------------------------------------------------------------------------------------
def test_clean_data_pass_the_audit() -> None:
    for estimator in ALL:
        audit = did(factors(n=40, effect=2.0), estimator).audit
        assert audit.credible and "pre_trend" not in audit
        assert {audit[c].status for c in ("pre_fit", "pre_periods", "donor_concentration")} == {"passed"}


def test_a_treated_unit_beyond_all_controls_fails() -> None:
    frame = factors()
    far = frame.assign(gmv=frame["gmv"] + 50 * (frame["unit"] == 0))
    result = did(far, "synthetic_control")
    assert result.audit["convex_hull"].status == "failed" and result.audit["pre_fit"].status == "failed"
    assert not result.audit.credible
    assert did(far, "augmented_synthetic_control").audit["convex_hull"].status == "warned"
    shifted = did(far, "synthetic_did")
    assert "convex_hull" not in shifted.audit and shifted.audit["pre_fit"].status == "passed"
    assert shifted.estimate == pytest.approx(did(frame, "synthetic_did").estimate, abs=1e-9)


def test_short_pasts_and_single_donors_are_told() -> None:
    assert did(factors(periods=8, starts={6.0: 1}), "synthetic_control").audit["pre_periods"].status == "warned"
    short = did(factors(periods=6, starts={2.0: 1}), "synthetic_control")
    assert short.audit["pre_periods"].status == "failed" and short.audit["backdating"].status == "not_run"
    assert short.audit["donors_per_period"].status == "warned"
    frame = factors()
    twin = frame["gmv"].to_numpy().reshape(40, 24).copy()
    twin[7] = twin[0] + 0.01 * np.arange(24) % 3
    result = did(frame.assign(gmv=twin.ravel()), "synthetic_control")
    assert (
        result.audit["donor_concentration"].status == "warned" and "'7'" in result.audit["donor_concentration"].message
    )


def test_a_perfect_fit_measures_no_chance() -> None:
    frame = factors(n=40, periods=12, starts={4.0: 1}, noise=2.0)
    y = frame["gmv"].to_numpy().reshape(40, 12).copy()
    y[0, :3] = y[1:, :3].mean(axis=0)
    result = did(frame.assign(gmv=y.ravel()), "synthetic_control")
    assert "the fit before the start is perfect" in result.estimates.withheld
    assert "other weights fit as well" in result.audit["donors_per_period"].message


def test_a_drift_before_the_start_is_found() -> None:
    found = []
    for seed in range(6):
        frame = factors(n=120, periods=24, seed=seed)
        drift = frame.assign(gmv=frame["gmv"] + 0.8 * np.maximum(frame["period"] - 11, 0) * (frame["unit"] == 0))
        found.append(did(drift, "synthetic_did").audit["backdating"].status)
        assert did(frame, "synthetic_did").audit["backdating"].status != "failed"
    assert found.count("failed") >= 5


def test_figures() -> None:
    one, several = did(factors(), "synthetic_control"), did(factors(starts={14.0: 2, 18.0: 2}), "synthetic_did")
    assert figures.kinds(one)[:3] == ("synthetic", "gap", "placebo") and "placebo" not in figures.kinds(several)
    for result in (one, several):
        for kind in figures.kinds(result):
            assert result.plot(kind).axes and figures.describe(result, kind)
    assert len(several.plot("synthetic").axes) == 2
    assert not any(line.get_label() == "base period" for line in one.plot("event_study").axes[0].lines)


def test_placebo_runs_that_fit_perfectly_bound_nothing() -> None:
    """Three periods before and forty controls: many of them are met exactly, and no ratio can be formed with rounding."""
    y = np.random.default_rng(0).normal(size=(40, 8))
    y[0] = 5 + y[1:4].mean(axis=0)
    result = did(long(y, np.r_[4.0, np.full(39, np.nan)]), "synthetic_control")
    assert math.isnan(result.conf_int()[0]) and "with a perfect fit before the start" in result.estimates.withheld
