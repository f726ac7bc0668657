"""Sun-Abraham, ETWFE, imputation and two-stage: identities, dense regressions, another implementation, by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import rollout, thinned
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.rollout.regression import cell_effects, linear, normal

FAMILY = ("sun_abraham", "imputation", "two_stage", "etwfe")
IMPUTING = ("imputation", "two_stage", "etwfe")
FULL = rollout(n=150, periods=6, cohorts=(3, 5), seed=7)
HOLES = thinned(FULL)
NO_NEVER = rollout(n=120, periods=7, cohorts=(3, 5, 7), never=0.0, seed=4)
TABLES = ("event_study", "att_gt", "by_cohort", "by_period")
NUMBERS = ["estimate", "std_error", "conf_low", "band_low", "n"]


def fit(frame: Any, estimator: str, **options: Any) -> Any:
    options.setdefault("cluster", "unit")
    return gc.did(frame, estimator=estimator, **options)


def tables(result: Any) -> pd.DataFrame:
    """Every number of the result."""
    head = result.to_frame()[["estimate", "std_error", "conf_low", "n"]]
    return pd.concat([head, *(getattr(result, t)()[NUMBERS] for t in TABLES)], ignore_index=True)


# --- identities ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("anticipation", [0, 1])
def test_sun_abraham_is_callaway_santanna(anticipation: int) -> None:
    """Balanced, unweighted, never-treated controls, universal base: every cell, relative to the outcome's spread."""
    cs = fit(FULL, "callaway_santanna", base_period="universal", anticipation=anticipation)
    sa = fit(FULL, "sun_abraham", anticipation=anticipation)
    for table in TABLES:
        a, b = getattr(cs, table)(), getattr(sa, table)()
        assert list(a.iloc[:, 0]) == list(b.iloc[:, 0])
        assert np.abs(a["estimate"] - b["estimate"]).max() / FULL["gmv"].std() < 1e-12
    assert np.abs(cs.to_frame()["estimate"] - sa.to_frame()["estimate"]).max() / FULL["gmv"].std() < 1e-12


@pytest.mark.parametrize("frame", [FULL, NO_NEVER], ids=["never", "no never"])
@pytest.mark.parametrize("anticipation", [0, 1])
def test_three_names_of_one_estimate(frame: pd.DataFrame, anticipation: int) -> None:
    results = [fit(frame, e, anticipation=anticipation) for e in IMPUTING]
    for other in results[1:]:
        for table in TABLES:
            gap = getattr(other, table)()["estimate"] - getattr(results[0], table)()["estimate"]
            assert np.abs(gap).max() / frame["gmv"].std() < 1e-10
        assert abs(other.estimate - results[0].estimate) / frame["gmv"].std() < 1e-10


def test_one_start_is_twoway_effects() -> None:
    """With one start and nobody else, the mean of imputed effects is the coefficient of two-way effects."""
    one = rollout(n=90, periods=5, cohorts=(3,), seed=2)
    for estimator in IMPUTING:
        assert fit(one, estimator).estimate == pytest.approx(fit(one, "twfe").estimate, abs=1e-12)


@pytest.mark.parametrize("estimator", FAMILY)
@pytest.mark.parametrize("cluster", ["unit", "place"])
def test_moments_and_units_give_the_same(estimator: str, cluster: str) -> None:
    """Equal weights take the way by units, none the way by moments."""
    by_moments = tables(fit(FULL, estimator, cluster=cluster))
    by_units = tables(fit(FULL.assign(one=3.0), estimator, cluster=cluster, weights="one"))
    np.testing.assert_allclose(by_units, by_moments, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("estimator", FAMILY)
def test_whole_weights_are_copies(estimator: str) -> None:
    """A unit of weight 2 counts as two units in the points; and its cluster as one in the standard errors."""
    twice = FULL.assign(w=1.0 + (FULL["unit"] % 3 == 0), c=FULL["unit"])
    copies = pd.concat([twice, twice[twice["w"] == 2].assign(unit=lambda f: f["unit"] + 10_000)], ignore_index=True)
    a = fit(twice, estimator, weights="w", ssc="none").to_frame()
    b = fit(copies, estimator, cluster="c", ssc="none").to_frame()
    np.testing.assert_allclose(a[["estimate", "std_error"]], b[["estimate", "std_error"]], rtol=1e-10)


@pytest.mark.parametrize("estimator", FAMILY)
def test_pieces_and_single_cells_change_nothing(estimator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the units are cut, and cell by cell instead of jointly."""
    for options in ({}, {"weights": "w", "cluster": "place"}):
        whole = fit(FULL, estimator, **options)
        expected, error = tables(whole), whole.att_gt()["std_error"]
        with monkeypatch.context() as patch:
            patch.setattr(linear, "_NUMBERS", 90)
            patch.setattr(normal, "_ROWS", 7)
            np.testing.assert_allclose(tables(fit(FULL, estimator, **options)), expected, rtol=1e-10, atol=1e-11)
            patch.setattr(cell_effects, "MAX_JOINT", 2)
            patch.setattr(cell_effects, "_CELLS_AT_ONCE", 3)
            single = fit(FULL, estimator, **options)
            np.testing.assert_allclose(single.att_gt()["std_error"], error, rtol=1e-10)


# --- dense least squares ---------------------------------------------------------------------------------------------
class Dense:
    """The regressions with every dummy written out, as a reader would who has never heard of moments."""

    def __init__(self, frame: pd.DataFrame, cluster: str = "unit", weights: str | None = None) -> None:
        self.frame = frame = frame.reset_index(drop=True)
        self.y = frame["gmv"].to_numpy()
        self.w = np.ones(len(frame)) if weights is None else frame[weights].to_numpy() / frame[weights].mean()
        self.event = (frame["period"] - frame["first_treated"]).to_numpy()
        self.unit = pd.get_dummies(frame["unit"]).to_numpy(float)
        self.time = pd.get_dummies(frame["period"]).to_numpy(float)
        self.cluster = pd.factorize(frame[cluster])[0]
        keys = list(zip(frame["first_treated"], frame["period"], strict=True))
        self.cells = sorted({k for k in keys if not math.isnan(k[0])})
        self.cell = np.array([[k == c for c in self.cells] for k in keys], dtype=float)
        self.at = np.array([p - g for g, p in self.cells])

    def clustered(self, scores: np.ndarray) -> np.ndarray:
        sums = np.zeros((self.cluster.max() + 1, scores.shape[1]))
        np.add.at(sums, self.cluster, scores)
        return sums.T @ sums

    def ols(self, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of `columns` beside both effects on `rows`, and their covariance (ssc='nested')."""
        keep = np.flatnonzero(rows)
        x = np.hstack([columns[keep], self.unit[keep], self.time[keep]])
        w = self.w[keep]
        inverse = np.linalg.pinv((x.T * w) @ x, rcond=1e-12, hermitian=True)
        b = inverse @ (x.T @ (w * self.y[keep]))
        scores = np.zeros((len(self.y), x.shape[1]))
        scores[keep] = x * (w * (self.y[keep] - x @ b))[:, None]
        k = columns.shape[1]
        g, n = len(np.unique(self.cluster[keep])), len(keep)
        outside = int((self.time[keep].sum(axis=0) > 0).sum())
        factor = g / (g - 1) * (n - 1) / (n - k - outside)
        return b[:k], factor * (inverse @ self.clustered(scores) @ inverse)[:k, :k]

    def imputed(self, rows: np.ndarray, cautious: bool) -> tuple[float, float]:
        """A weighted mean of imputed effects over treated cells (`rows`: share of each observation), and its SE."""
        z = np.hstack([self.unit, self.time])
        before = ~(self.event >= 0)
        inverse = np.linalg.pinv((z[before].T * self.w[before]) @ z[before], rcond=1e-12, hermitian=True)
        effect = self.y - z @ (inverse @ (z[before].T @ (self.w[before] * self.y[before])))
        reachable = np.isin(self.frame["unit"], self.frame["unit"][before])
        rows = np.where(reachable, rows, 0.0) * self.w
        rows = rows / rows.sum()
        estimate = float(rows @ effect)
        weight = np.where(before, -self.w * (z @ (inverse @ (z.T @ rows))), rows)
        residual = effect.copy()
        if cautious:
            for k in range(len(self.cells)):
                inside = (self.cell[:, k] == 1) & (self.event >= 0) & reachable
                v = np.bincount(self.cluster, np.where(inside, weight, 0.0))
                vt = np.bincount(self.cluster, np.where(inside, weight * effect, 0.0))
                if v.any():
                    residual[inside] -= (v @ vt) / (v @ v)
        else:
            residual[~before] -= estimate
        return estimate, math.sqrt(float(self.clustered((weight * residual)[:, None])[0, 0]))


def shares(dense: Dense, inside: np.ndarray, weights: bool) -> np.ndarray:
    """Weights over the cells `inside`: their (weighted) observations."""
    size = (dense.cell * (dense.w[:, None] if weights else 1.0)).sum(axis=0)
    return np.where(inside, size, 0.0) / size[inside].sum()


CASES: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
    "complete": (FULL, {}),
    "holes": (HOLES, {}),
    "clusters": (FULL, {"cluster": "place"}),
    "weights": (FULL, {"weights": "w"}),
    "all": (HOLES, {"cluster": "place", "weights": "w"}),
}


@pytest.fixture(params=list(CASES), scope="module")
def case(request: pytest.FixtureRequest) -> tuple[pd.DataFrame, dict[str, Any], Dense]:
    frame, options = CASES[request.param]
    return frame, options, Dense(frame, **{"cluster": "unit", **options})


@pytest.mark.parametrize("estimator", ["sun_abraham", "etwfe"])
def test_least_squares(case: tuple[pd.DataFrame, dict[str, Any], Dense], estimator: str) -> None:
    frame, options, dense = case
    result = fit(frame, estimator, **options)
    use = dense.at != -1 if estimator == "sun_abraham" else dense.at >= 0
    b, cov = dense.ols(dense.cell[:, use], np.ones(len(frame), dtype=bool))
    cells = result.att_gt()
    np.testing.assert_allclose(cells["estimate"], b, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(cells["std_error"], np.sqrt(np.diag(cov)), rtol=1e-8)
    share = shares(dense, dense.at >= 0, True)[use]
    assert result.estimate == pytest.approx(share @ b, rel=1e-8)
    assert result.std_error == pytest.approx(math.sqrt(share @ cov @ share), rel=1e-8)
    series = result.event_series
    for i, e in enumerate(series.at):
        if e >= 0 or estimator == "sun_abraham":
            share = shares(dense, dense.at == e, True)[use]
            assert series.estimate[i] == pytest.approx(share @ b, rel=1e-8, abs=1e-8)
            assert series.cov[i, i] == pytest.approx(share @ cov @ share, rel=1e-8)
            other = shares(dense, dense.at == 0, True)[use]
            zero = int(np.flatnonzero(series.at == 0)[0])
            assert series.cov[i, zero] == pytest.approx(share @ cov @ other, rel=1e-7, abs=1e-9)


def test_imputation(case: tuple[pd.DataFrame, dict[str, Any], Dense]) -> None:
    frame, options, dense = case
    result = fit(frame, "imputation", **options)
    found = dense.imputed((dense.event >= 0).astype(float), True)
    assert (result.estimate, result.std_error) == pytest.approx(found, rel=1e-8)
    event = result.event_study().set_index("event_time")
    for e in range(4):
        found = dense.imputed((dense.event == e).astype(float), True)
        assert (event["estimate"][e], event["std_error"][e]) == pytest.approx(found, rel=1e-8)


def test_two_stage(case: tuple[pd.DataFrame, dict[str, Any], Dense]) -> None:
    """The sandwich of both stages for a second stage with one dummy: all treated, or one event time."""
    frame, options, dense = case
    result = fit(frame, "two_stage", **options)
    found = dense.imputed((dense.event >= 0).astype(float), False)
    assert (result.estimate, result.std_error) == pytest.approx(found, rel=1e-8)
    event = result.event_study().set_index("event_time")
    for e in range(4):
        found = dense.imputed((dense.event == e).astype(float), False)
        assert (event["estimate"][e], event["std_error"][e]) == pytest.approx(found, rel=1e-8)


@pytest.mark.parametrize("estimator", IMPUTING)
def test_leads_are_a_regression_on_untreated_rows(
    case: tuple[pd.DataFrame, dict[str, Any], Dense], estimator: str
) -> None:
    frame, options, dense = case
    series = fit(frame, estimator, **options).event_series
    at = [-4, -3, -2]
    dummies = np.column_stack([dense.event == e for e in at]).astype(float)
    b, cov = dense.ols(dummies, ~(dense.event >= 0))
    assert list(series.at[:3]) == at and series.reference == -1
    np.testing.assert_allclose(series.estimate[:3], b, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(series.cov[:3, :3], cov, rtol=1e-8, atol=1e-12)


def test_leads_and_effects_covary() -> None:
    """The block of the covariance that no single regression holds, where means of sides are all there is.

    One start in period 3 of 4: the lead is y1 - y2, the effect one period after the start y4 - (y1 + y2)/2, treated
    less control, so their covariance is the sum over both sides of the sample's own, over n.
    """
    y = np.random.default_rng(0).normal(0, 1, (60, 4)).cumsum(axis=1)  # with memory, so that the block is not zero
    frame = pd.DataFrame({
        "unit": np.repeat(np.arange(60), 4), "period": np.tile(np.arange(1, 5), 60), "gmv": y.ravel(),
        "first_treated": np.repeat(np.where(np.arange(60) < 25, 3.0, np.nan), 4),
    })  # fmt: skip
    pair = np.column_stack([y[:, 0] - y[:, 1], y[:, 3] - (y[:, 0] + y[:, 1]) / 2])
    sides = (pair[:25], pair[25:])
    by_hand = sum(np.cov(side.T, bias=True)[0, 1] / len(side) for side in sides)
    for estimator in IMPUTING:
        series = fit(frame, estimator, ssc="none").event_series
        lead, effect = (int(np.flatnonzero(series.at == e)[0]) for e in (-2, 1))
        assert series.cov[lead, effect] == pytest.approx(by_hand, rel=1e-10)
        assert series.cov[effect, lead] == pytest.approx(by_hand, rel=1e-10)


# --- another implementation ------------------------------------------------------------------------------------------
# diff-diff 3.13.0 on FULL and HOLES (written to csv with full digits): ImputationDiD, TwoStageDiD, SunAbraham with
# aggregate="event_study", WooldridgeDiD overall; two_stage on FULL also equals pyfixest 0.60.0 did2s to 1e-9.
PEER: dict[tuple[str, str], dict[Any, tuple[float, float]]] = {
    ("full", "imputation"): {
        "overall": (1.9416497716508492, 0.15196241713045386), 0: (2.020783889478259, 0.1695294180611143),
        1: (1.783961864101474, 0.18400984142040677), 3: (1.8282848042016782, 0.27264512151224674),
    },
    ("full", "two_stage"): {
        "overall": (1.94164977165085, 0.15201906647437152), 0: (2.020783889478259, 0.16967204273790099),
        1: (1.7839618641014734, 0.18427492828191136),
    },
    ("full", "sun_abraham"): {
        "overall": (2.01495003401151, 0.19648538103273464), -4: (-0.011600987655520936, 0.28908690411793114),
        0: (2.058358154291984, 0.22734173553927256), 1: (1.8364122659807336, 0.21870963580578887),
    },
    ("full", "etwfe"): {"overall": (1.94164977163296, 0.15341296061317963)},
    ("holes", "imputation"): {
        "overall": (2.003124603524902, 0.1646041529843097), 0: (2.0575797510565663, 0.18713843233232438),
        3: (1.939419565877838, 0.3076482090495377),
    },
    ("holes", "two_stage"): {
        "overall": (2.0031246035249017, 0.16438481895159038), 0: (2.057579751056567, 0.1876280218271873),
    },
    ("holes", "sun_abraham"): {
        "overall": (2.0386055202085958, 0.20627350952269127), -4: (-0.176224219086603, 0.33051142815598156),
        0: (2.060204952932429, 0.2425099658001573),
    },
    ("holes", "etwfe"): {"overall": (1.9909212388433704, 0.16515472362384415)},
}  # fmt: skip


@pytest.mark.parametrize(("panel", "estimator"), list(PEER))
def test_another_implementation(panel: str, estimator: str) -> None:
    result = fit(FULL if panel == "full" else HOLES, estimator)
    event = result.event_study().set_index("event_time")
    for at, (estimate, error) in PEER[panel, estimator].items():
        row = result.to_frame().iloc[0] if at == "overall" else event.loc[at]
        assert (row["estimate"], row["std_error"]) == pytest.approx((estimate, error), rel=1e-6)


# --- by hand ---------------------------------------------------------------------------------------------------------
def by_hand(repeat: int = 1) -> pd.DataFrame:
    """Cohort 2, cohort 3, never. Changes of the never treated: 1, 0."""
    paths = {"A": [1, 4, 6], "B": [2, 5, 7], "C": [0, 1, 1]}
    first = {"A": 2, "B": 3}
    return pd.DataFrame([
        {"unit": f"{name}{k}", "period": t, "gmv": float(y), "first_treated": first.get(name)}
        for name, path in paths.items() for k in range(repeat) for t, y in enumerate(path, 1)
    ])  # fmt: skip


@pytest.mark.parametrize("estimator", IMPUTING)
def test_by_hand(estimator: str) -> None:
    """Untreated: A1 = 1; B1 = 2, B2 = 5; C = 0, 1, 1.

    Period effects from B and C: b2 - b1 is the mean of 3 and 1 (each has both), but C3 bears on it too: given C3, C's
    level is the mean of its three. Least squares over b2, b3 and the levels of B and C (b1 = 0): the sum of squares
    (5 - 2 - b2)^2 / 2 for B; C fits b3 freely, leaving (1 - 0 - b2)^2 / 2. So b2 = 2, C's level is -1/2 and b3 = 3/2.
    Effects: A in 2: 4 - 1 - 2 = 1; A in 3: 6 - 1 - 3/2 = 7/2; B in 3: its level is (2 + 5 - 2)/2 = 5/2, 7 - 5/2 - 3/2
    = 3. Mean 5/2.
    """
    result = fit(by_hand(), estimator)
    np.testing.assert_allclose(result.att_gt()["estimate"], [1.0, 3.5, 3.0], rtol=1e-12)
    assert result.estimate == pytest.approx(2.5, rel=1e-12)
    assert math.isnan(result.std_error) and "fewer than 10" in result.estimates.withheld


def test_by_hand_sun_abraham() -> None:
    """Each cohort against the never treated from its own base: A: 3 - 1 and 5 - 1; B in 1: -3 + 1, in 3: 2 - 0."""
    result = fit(by_hand(), "sun_abraham")
    np.testing.assert_allclose(result.att_gt()["estimate"], [2.0, 4.0, -2.0, 2.0], rtol=1e-12)
    assert result.estimate == pytest.approx(8 / 3, rel=1e-12)


def test_standard_error_by_hand() -> None:
    """Sides of 20: changes that lie 1 from their mean, so the effect has variance 2 x 20/20^2 = .1."""
    paths = {"A": [10, 16], "B": [12, 16], "C": [5, 6], "D": [7, 10]}
    frame = pd.DataFrame([
        {"unit": f"{name}{k}", "period": t, "gmv": float(y), "first_treated": 2 if name in "AB" else None}
        for name, path in paths.items() for k in range(10) for t, y in enumerate(path, 1)
    ])  # fmt: skip
    factor = 40 / 39 * 79 / 77
    for estimator, by in (("imputation", 1.0), ("two_stage", 1.0), ("sun_abraham", factor), ("etwfe", factor)):
        result = fit(frame, estimator)
        assert result.estimate == pytest.approx(3, rel=1e-12)
        assert result.std_error == pytest.approx(math.sqrt(0.1 * by), rel=1e-12)


# --- designs ---------------------------------------------------------------------------------------------------------
def test_the_last_cohort_serves_where_nobody_is_untreated() -> None:
    result = fit(NO_NEVER, "sun_abraham")
    assert any("last cohort, first treated in 7, serves as control" in n for n in result.manifest.notes)
    known = NO_NEVER[NO_NEVER["period"] < 7].copy()
    known.loc[known["first_treated"] == 7, "first_treated"] = np.nan
    assert result.estimate == pytest.approx(fit(known, "callaway_santanna").estimate, rel=1e-12)
    assert result.std_error == pytest.approx(fit(known, "sun_abraham").std_error, rel=1e-12)
    assert set(result.by_cohort()["cohort"]) == {3, 5}


@pytest.mark.parametrize("estimator", IMPUTING)
def test_cells_without_untreated_units_are_said_and_left_out(estimator: str) -> None:
    result = fit(NO_NEVER, estimator)
    assert any("3 of 9 treated cohort-periods have no untreated unit" in n for n in result.manifest.notes)
    assert result.att_gt()["period"].max() == 6


@pytest.mark.parametrize("estimator", FAMILY)
def test_anticipation_moves_the_base(estimator: str) -> None:
    """Effects one period early: with anticipation they are cells of their own and bias nothing."""
    early = rollout(n=200, periods=7, cohorts=(4, 6), effect=0.0, seed=3)
    event = early["period"] - early["first_treated"]
    early["gmv"] += 5.0 * (event == -1) + 3.0 * (event >= 0)
    naive, careful = (fit(early, estimator, anticipation=a) for a in (0, 1))
    assert careful.estimate == pytest.approx(3.0, abs=4 * careful.std_error)
    assert naive.estimate < careful.estimate - 0.7
    table = careful.event_study().set_index("event_time")
    assert table["estimate"][-1] == pytest.approx(5.0, abs=4 * table["std_error"][-1])
    assert careful.event_base == -2


@pytest.mark.parametrize("estimator", IMPUTING)
def test_units_without_a_period_before_are_lost_and_counted(estimator: str) -> None:
    gone = FULL[~((FULL["unit"] < 12) & (FULL["period"] < FULL["first_treated"]))]
    treated = FULL.loc[(FULL["unit"] < 12) & FULL["first_treated"].notna(), "unit"].nunique()
    result = fit(gone, estimator)
    if estimator != "etwfe":
        assert result.fitted.lost_units == treated > 0
        assert any(f"{treated} treated units enter no comparison" in n for n in result.manifest.notes)
        assert "lost_units" in {c.name for c in result.audit.checks}


def test_periods_that_nothing_links() -> None:
    """Cohort 4 is seen in its first two and last two periods by different units: its effects are not identified."""
    cut = FULL[~((FULL["first_treated"] == 5) & (FULL["period"] < 5))]
    for estimator in FAMILY:
        result = fit(cut, estimator)
        assert set(result.att_gt()["cohort"]) == {3}
        assert result.estimate == pytest.approx(fit(FULL[FULL["first_treated"] != 5], estimator).estimate, rel=1e-9)
        assert any("first treated in 5 enter no comparison" in n for n in result.manifest.notes)


@pytest.mark.parametrize("estimator", FAMILY)
def test_influence_gives_the_standard_error(estimator: str) -> None:
    for options in ({}, {"weights": "w"}, {"cluster": "place"}):
        result = fit(FULL, estimator, **options)
        total = math.sqrt(float((result.cluster_influence() ** 2).sum()))
        assert total == pytest.approx(result.std_error, rel=1e-9)


@pytest.mark.parametrize("estimator", FAMILY)
def test_coverage_of_effects_that_grow(estimator: str) -> None:
    """Effects that grow and differ by cohort, 100 panels, 95 % intervals."""
    hits, runs = 0, 100
    for seed in range(runs):
        frame = rollout(n=80, periods=5, cohorts=(3, 4), effect=lambda c, k: c + k, seed=seed, city_noise=0.0)
        event = (frame["period"] - frame["first_treated"]).to_numpy()
        truth = np.mean((frame["first_treated"].to_numpy() + event)[event >= 0])
        low, high = fit(frame, estimator).conf_int()
        hits += low <= truth <= high
    assert 0.89 <= hits / runs <= 0.99


@pytest.mark.parametrize("estimator", IMPUTING)
def test_leads_and_effects_of_two_bases_are_not_mixed(estimator: str) -> None:
    """Roth (2024): leads from the last period before and effects from the mean of all show kinks that are not there."""
    result = fit(FULL, estimator)
    found, one_base = (r.sensitivity(grid=[1.0]) for r in (result, fit(FULL, "sun_abraham")))
    assert found.to_frame().equals(one_base.to_frame()) and found.estimate != result.estimate
    # A straight drift of .2 a period and no effect: the audit's line, carried from that mean, gives all that is found.
    drift = rollout(n=400, periods=8, cohorts=(5,), effect=0.0, city_noise=0.0, seed=9)
    drift["gmv"] += 0.2 * drift["period"] * drift["first_treated"].notna()
    check = fit(drift, estimator).audit["pre_trend_slope"]
    assert check.status == "failed"
    left = float(check.message.rsplit("leaves ", 1)[1].replace("+", ""))
    assert abs(left) < 0.3 and fit(drift, estimator).estimate == pytest.approx(0.8, abs=0.2)


@pytest.mark.parametrize("estimator", FAMILY)
def test_intervals_on_request(estimator: str) -> None:
    """The wild bootstrap of scores agrees with the t interval where clusters are many and alike."""
    plain, wild = fit(FULL, estimator), fit(FULL, estimator, inference="wild")
    assert wild.estimate == plain.estimate and "wild" in wild.estimates.method
    np.testing.assert_allclose(wild.conf_int(), plain.conf_int(), atol=0.15 * plain.std_error)
    known = wild.to_frame()["conf_low"].notna()
    assert known.all() if estimator != "two_stage" else list(known) == [True, False, False, False]
    one = rollout(n=60, periods=8, cohorts=(5,), never=0.95, seed=4)
    few = fit(one, estimator, inference="conley_taber")
    assert few.conf_int()[0] < few.estimate < few.conf_int()[1]
    assert fit(one, estimator).conf_int()[0] < few.estimate  # placebo runs


@pytest.mark.parametrize("estimator", FAMILY)
def test_protocol(estimator: str, tmp_path: Path) -> None:
    """Tables, texts, files, figures and pickling, as of every result."""
    assert_protocol(fit(HOLES, estimator), tmp_path, (None, "event_study", "heatmap", "trends"))


def test_files_give_the_same(tmp_path: Path) -> None:
    FULL.to_parquet(tmp_path / "panel.parquet")
    for estimator in FAMILY:
        a, b = fit(FULL, estimator), fit(tmp_path / "panel.parquet", estimator)
        np.testing.assert_allclose(tables(b), tables(a), rtol=1e-10)
