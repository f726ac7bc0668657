"""A model's out-of-fold prediction as the one covariate: against a second implementation, and what it may not do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

import gmvcausal as gc
from gmvcausal.abtest.terms.cupac import FOLDS

COLUMNS = ["estimate", "std_error", "p_value", "relative_low", "relative_high"]
PRE = ["past", "visits", "age"]


def bent(n: int = 1500, seed: int = 0, effect: float = 0.3) -> pd.DataFrame:
    """The outcome depends on the past in a way that no straight line follows."""
    rng = np.random.default_rng(seed)
    past, visits, age = rng.gamma(2, 1, n), rng.normal(size=n), rng.normal(size=n)
    arm = rng.integers(0, 2, n)
    gmv = 5 + 3 * np.abs(visits) * (age > 0) + past + rng.normal(0, 1, n) + effect * arm
    frame = pd.DataFrame({"arm": arm, "gmv": gmv, "past": past, "visits": visits, "age": age})
    return frame.assign(orders=rng.poisson(np.exp(0.3 * visits)) + 1, place=rng.integers(0, 40, n))


DATA = bent()


def adjusted(data: Any, model: Any = "lightgbm", **options: Any) -> pd.DataFrame:
    return gc.ab_test(data, metrics=[gc.Mean("gmv", pre=PRE, model=model, cap=None)], **options).to_frame()


def test_second_implementation() -> None:
    """Folds, least squares in each, and Lin's regression with HC2, written out anew."""
    n = len(DATA)
    order = np.lexsort([DATA["arm"], DATA["gmv"], DATA["age"], DATA["visits"], DATA["past"]])
    fold = np.empty(n, dtype=int)
    fold[order] = np.random.default_rng(5).permutation(np.arange(n) % 5)
    x = np.column_stack([np.ones(n), DATA[PRE]])
    y = DATA["gmv"].to_numpy()
    g = np.empty(n)
    for j in range(5):
        inside = fold == j
        slope = np.linalg.lstsq(x[~inside], y[~inside], rcond=None)[0]
        g[inside] = x[inside] @ slope - y[~inside].mean()  # least squares predicts the mean it learned from
    d = DATA["arm"].to_numpy()
    g -= g.mean()
    wanted = sm.OLS(y, np.column_stack([np.ones(n), d, g, d * g])).fit(cov_type="HC2", use_t=True)
    found = adjusted(DATA, LinearRegression(), seed=5)
    assert found["estimate"][0] == pytest.approx(wanted.params[1], rel=1e-9)
    assert found["std_error"][0] == pytest.approx(wanted.bse[1], rel=1e-8)


def test_a_model_that_knows_nothing_changes_nothing() -> None:
    result = gc.ab_test(DATA, metrics=[gc.Mean("gmv", pre=PRE, model=DummyRegressor(), cap=None)])
    plain = gc.ab_test(DATA, metrics=[gc.Mean("gmv", cap=None)])
    assert result.estimate == pytest.approx(plain.estimate, rel=1e-13)
    assert result.std_error == pytest.approx(plain.std_error, rel=1e-13)
    assert any("the model's prediction of 'gmv'" in note for note in result.manifest.notes)
    assert any("gains next to nothing" in line for line in result.advice)


def test_bends_are_found_and_the_gain_is_said() -> None:
    result = gc.ab_test(DATA, metrics=[gc.Mean("gmv", pre=PRE, model="lightgbm"), gc.Mean("gmv", pre=PRE)])
    table = result.to_frame()
    assert list(table["term"]) == ["gmv adjusted by model", "gmv adjusted"]
    assert table["variance_reduction"][0] > table["variance_reduction"][1] + 0.15
    said = next(line for line in result.advice if "a model of" in line)
    assert f"{100 * table['variance_reduction'][0]:.2g}% off" in said and "linear adjustment" in said
    assert f"would take {100 * table['variance_reduction'][1]:.2g}%" in said and "leave model= out" not in said


def test_no_gain_is_said() -> None:
    noise = DATA.assign(gmv=np.random.default_rng(1).gamma(2, 1, len(DATA)))
    result = gc.ab_test(noise, metrics=[gc.Mean("gmv", pre=PRE, model="lightgbm", cap=None)])
    assert any("gains next to nothing" in line for line in result.advice)
    straight = DATA.assign(gmv=DATA["past"] + DATA["visits"] + np.random.default_rng(2).normal(size=len(DATA)))
    result = gc.ab_test(straight, metrics=[gc.Mean("gmv", pre=PRE, model="lightgbm", cap=None)])
    assert any("the model gains nothing over it: leave model= out" in line for line in result.advice)


@pytest.mark.parametrize("cluster", [None, "place"])
def test_relations(cluster: str | None, tmp_path: Path) -> None:
    wanted = adjusted(DATA, cluster=cluster)[COLUMNS]
    pd.testing.assert_frame_equal(
        adjusted(DATA.sample(frac=1, random_state=2), cluster=cluster)[COLUMNS], wanted, rtol=1e-9
    )
    scaled = adjusted(DATA.assign(gmv=DATA["gmv"] * 100), cluster=cluster)[COLUMNS]
    pd.testing.assert_frame_equal(scaled, wanted * [100, 100, 1, 1, 1], rtol=1e-6)
    swapped = adjusted(DATA.assign(arm=1 - DATA["arm"]), control=1, cluster=cluster)
    assert swapped["estimate"][0] == pytest.approx(wanted["estimate"][0], rel=1e-9)
    DATA.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(adjusted(tmp_path / "t.parquet", cluster=cluster)[COLUMNS], wanted, rtol=1e-9)


def test_random_numbers_come_from_the_seed_alone() -> None:
    forest = RandomForestRegressor(8, max_depth=4)
    np.random.seed(1)  # noqa: NPY002  # the global state is what must not matter, and must not move
    before = np.random.get_state()[1].tolist()  # noqa: NPY002  # the global state is what must not move
    one = adjusted(DATA, forest)[COLUMNS]
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002  # the global state is what must not move
    np.random.seed(2)  # noqa: NPY002  # the global state is what must not move
    pd.testing.assert_frame_equal(adjusted(DATA, forest)[COLUMNS], one)
    assert not hasattr(forest, "estimators_") and forest.random_state is None  # the user's model is not touched
    assert adjusted(DATA, forest, seed=1)["estimate"][0] != one["estimate"][0]


class Spy(RegressorMixin, BaseEstimator):
    """Writes down which places it learned from and which it predicted."""

    seen: list[tuple[set[float], set[float]]] = []  # noqa: RUF012  # shared by all clones on purpose

    def fit(self, x: Any, y: Any) -> Spy:
        self.learned = set(x[:, 0])
        return self

    def predict(self, x: Any) -> Any:
        Spy.seen.append((self.learned, set(x[:, 0])))
        return np.zeros(len(x))


def test_no_cluster_is_predicted_by_a_model_that_saw_it() -> None:
    Spy.seen.clear()
    frame = DATA.assign(where=DATA["place"] * 1.0)
    gc.ab_test(frame, metrics=[gc.Mean("gmv", pre=["where"], model=Spy(), cap=None)], cluster="place")
    held = [predicted for learned, predicted in Spy.seen if predicted != learned]
    assert len(held) == FOLDS and set.union(*held) == set(frame["where"]) and sum(map(len, held)) == 40
    assert all(not (learned & predicted) for learned, predicted in Spy.seen if predicted != learned)


def test_ratio_has_a_model_for_each_part() -> None:
    metric = gc.Ratio("gmv", "orders", pre=PRE, model="lightgbm", cap=None)
    result = gc.ab_test(DATA, metrics=[metric])
    plain = gc.ab_test(DATA, metrics=[gc.Ratio("gmv", "orders", cap=None)])
    assert result.to_frame()["variance_reduction"][0] > 0.05 and result.std_error < plain.std_error
    assert abs(result.estimate - plain.estimate) < 3 * plain.std_error


def test_missing_covariates_are_taken_and_counted() -> None:
    gaps = DATA.assign(visits=DATA["visits"].where(DATA.index % 7 != 0))
    result = gc.ab_test(gaps, metrics=[gc.Mean("gmv", pre=PRE, model="lightgbm", cap=None)])
    count = int(gaps["visits"].isna().sum())
    assert any(f"{count:,} missing values of 'visits'" in note for note in result.manifest.notes)
    assert result.to_frame()["variance_reduction"][0] > 0.5
    with pytest.raises(gc.InputError, match=rf"cannot be fitted \({count} rows have missing covariates\).*lightgbm"):
        adjusted(gaps, LinearRegression())
    with pytest.raises(gc.InputError, match="covariate is missing"):  # the linear adjustment of another metric
        gc.ab_test(gaps, metrics=[gc.Mean("gmv", pre=PRE, model="lightgbm"), gc.Mean("orders", pre="visits")])


def test_capped_and_uncapped_rows_share_the_prediction() -> None:
    heavy = DATA.assign(gmv=np.exp(DATA["gmv"]))
    result = gc.ab_test(heavy, metrics=[gc.Mean("gmv", pre=PRE, model="lightgbm", cap=0.95)])
    assert any("learned from the capped outcome" in note for note in result.manifest.notes)
    assert (result.to_frame()["variance_reduction"] > [0.5, 0.05]).all()


def test_what_was_not_measured_before_fails_the_audit() -> None:
    moved = DATA.assign(visits=DATA["visits"] + DATA["arm"])
    check = gc.ab_test(moved, metrics=[gc.Mean("gmv", pre=PRE, model="lightgbm")]).audit["balance"]
    assert check.status == "failed" and "'visits'" in check.message
    same = DATA.assign(past=2 * DATA["gmv"] + 1)
    check = gc.ab_test(same, metrics=[gc.Mean("gmv", pre=PRE, model="lightgbm")]).audit["leakage"]
    assert check.status == "failed" and check.value is not None and check.value > 0.999


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gc.Mean("gmv", model="lightgbm"), "nothing to learn from.*pre="),
        (lambda: gc.Mean("gmv", pre="past", model="xgboost"), "model must be 'lightgbm'"),
        (lambda: gc.Mean("gmv", pre="past", model=LinearRegression), "an instance"),
        (lambda: gc.Ratio("gmv", "orders", pre="past", model=3), "model must be"),
        (lambda: adjusted(DATA.head(9).assign(arm=[0, 1] * 4 + [0])), "9 rows are too few for a model"),
        (lambda: adjusted(DATA, seed=-1), "seed"),
    ],
)
def test_refused(make: Any, message: str) -> None:
    with pytest.raises(gc.GmvCausalError, match=f"(?s){message}"):
        make()


def test_without_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(gc.InputError, match="pip install lightgbm"):
        adjusted(DATA)


def test_truth_is_covered() -> None:
    found = []
    for seed in range(60):
        row = adjusted(bent(500, seed + 100)).iloc[0]
        found.append((row["estimate"], row["std_error"], row["conf_low"] <= 0.3 <= row["conf_high"]))
    estimate, error, covered = np.array(found, dtype=float).T
    assert abs(estimate.mean() - 0.3) < 3 * estimate.std() / np.sqrt(60)
    assert 0.8 < error.mean() / estimate.std() < 1.3 and covered.mean() >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 60)
