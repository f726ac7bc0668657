"""`UpliftEstimator`: scikit-learn's own checks, pipelines, searches, and the same numbers as the verb."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import gmvcausal as gc

N = 900
RNG = np.random.default_rng(3)
X = pd.DataFrame(
    {
        "coupon": RNG.permutation(np.arange(N) % 3).astype(str), "tier": RNG.integers(0, 4, N), "age": RNG.random(N),
        "device": np.array(["a", "b"])[RNG.integers(0, 2, N)], "price": 0.5,
    }
)  # fmt: skip
Y = pd.Series(10 + (X["coupon"] != "0") * X["tier"] * 2.0 + X["age"] + RNG.normal(size=N), name="gmv")
SHARES = {"0": 1 / 3, "1": 1 / 3, "2": 1 / 3}
OPTIONS: dict[str, Any] = {"control": "0", "learner": "t", "folds": 2, "propensity": SHARES, "cost": "price"}


class Halves(gc.UpliftEstimator):
    """Two arms of equal size, whatever the first column holds: scikit-learn's checks know nothing of arms."""

    def fit(self, X: Any, y: Any) -> Halves:
        super().fit(halved(X), y)
        return self

    def predict(self, X: Any) -> Any:
        return super().predict(X)[:, 0]

    def score(self, X: Any, y: Any) -> float:
        return super().score(halved(X), y)


def halved(X: Any) -> Any:
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] and X.dtype.kind in "iuf":
        X = X.astype(float)
        X[:, 0] = np.arange(len(X)) % 2
    return X


# Checks of scikit-learn that are not ours to pass.
NOT_OURS = {
    "check_fit_score_takes_y": "scores the rows that were learned from, which is refused",
    "check_pipeline_consistency": "scores the rows that were learned from, which is refused",
    "check_fit2d_1sample": "one row is refused because it has one arm, not in scikit-learn's words",
}


def test_scikit_learns_own_checks() -> None:
    found = check_estimator(
        Halves(treatment=0, folds=2, learner="t"), expected_failed_checks=NOT_OURS, on_skip=None, on_fail=None
    )
    wrong = {one["check_name"]: str(one["exception"]) for one in found if one["status"] == "failed"}
    assert not wrong and len(found) > 30
    assert {one["check_name"] for one in found if one["status"] == "xfail"} == set(NOT_OURS)


def test_it_is_the_verb() -> None:
    one = gc.UpliftEstimator("coupon", **OPTIONS).fit(X, Y)
    direct = gc.uplift(X.assign(gmv=Y), treatment="coupon", features=["tier", "age", "device"], **OPTIONS)
    pd.testing.assert_frame_equal(one.result_.to_frame(), direct.to_frame())
    np.testing.assert_array_equal(one.predict(X.drop(columns="coupon")), direct.predict(X))
    assert one.arms_ == ("1", "2") and one.result_.unit == "gmv per unit" and one.n_features_in_ == 5
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(one)).predict(X), one.predict(X))
    polars = gc.UpliftEstimator("coupon", **OPTIONS).fit(pl.from_pandas(X), pl.Series("gmv", Y.to_list()))
    np.testing.assert_array_equal(polars.predict(pl.from_pandas(X)), one.predict(X))
    shuffled = Y.set_axis(np.arange(N)[::-1])  # rows belong together by place: the index says nothing
    np.testing.assert_array_equal(gc.UpliftEstimator("coupon", **OPTIONS).fit(X, shuffled).predict(X), one.predict(X))


def test_every_option_of_the_verb_is_one_of_the_estimator() -> None:
    verb = {n: p.default for n, p in inspect.signature(gc.uplift).parameters.items()}
    own = {n: p.default for n, p in inspect.signature(gc.UpliftEstimator).parameters.items()}
    ours = {"outcome", "data", "scoring", "features"}
    assert {n: v for n, v in verb.items() if n not in ours} == {n: v for n, v in own.items() if n not in ours}
    with_ids = X.assign(user=np.arange(N), city=np.arange(N) % 40)  # who a row belongs to is no feature
    one = gc.UpliftEstimator("coupon", **OPTIONS).fit(with_ids, Y)
    assert one.result_.trial.features.names == ("tier", "age", "device")
    told = "left out of the features, because they name users or places: 'user', 'city' (features= takes them)"
    assert told in one.result_.manifest.notes and one.result_.origin is not None
    named = gc.UpliftEstimator("coupon", features=["tier", "city"], **OPTIONS).fit(with_ids, Y)
    assert named.result_.trial.features.names == ("tier", "city")
    assert not any("left out of the features" in note for note in named.result_.manifest.notes)


def test_arrays_go_by_position() -> None:
    array = np.column_stack([X["tier"], X["age"], (X["coupon"] == "1") * 1])
    named = pd.DataFrame(array, columns=["x0", "x1", "x2"])
    one = gc.UpliftEstimator(2, learner="t", folds=2).fit(array, Y.to_numpy())
    two = gc.UpliftEstimator("x2", learner="t", folds=2, features=["x0", "x1"]).fit(named, Y.to_list())
    np.testing.assert_array_equal(one.predict(array), two.predict(named))
    with pytest.raises(gc.InputError, match=r"2 features.*expecting 3"):
        one.predict(array[:, :2])


@pytest.mark.parametrize("scoring", ["qini", "value"])
def test_scores_are_those_of_held_out_rows(scoring: str) -> None:
    train, test = np.arange(N) < 600, np.arange(N) >= 600
    one = gc.UpliftEstimator("coupon", scoring=scoring, **OPTIONS).fit(X[train], Y[train])
    held = X.assign(gmv=Y)[test]
    if scoring == "qini":
        e = one.result_.evaluate(held, version="doubly_robust")
        expected = (e.of("1").qini.estimate + e.of("2").qini.estimate) / 2
    else:  # a plan without budget, made for other users, does the same
        plan = one.result_.policy(X[train])
        policy = plan.rule.assigned(plan.read(held, True))
        psi = one.result_.held_out(held)
        from gmvcausal.stats.nuisance.aipw import scores

        t = psi.trial
        gain = scores(t.y, t.arm, psi.e, psi.mu)
        rows = np.arange(t.n)
        expected = float((gain[rows, policy] - gain[:, 0] - 0.5 * (policy > 0)).mean())
    assert one.score(X[test], Y[test]) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(gc.DesignError, match="trained the model"):
        one.score(X[train], Y[train])


def test_pipeline_search_and_clone() -> None:
    steps = ColumnTransformer(
        [("scale", StandardScaler(), ["age"])], remainder="passthrough", verbose_feature_names_out=False
    )
    pipe = Pipeline([("prepare", steps.set_output(transform="pandas")), ("uplift", gc.UpliftEstimator("coupon"))])
    pipe.set_params(**{f"uplift__{k}": v for k, v in OPTIONS.items()})
    grid = {"uplift__learner": ["t", "s"], "uplift__margin": [1.0]}
    before = X.copy()
    search = GridSearchCV(pipe, grid, cv=KFold(2, shuffle=True, random_state=0), error_score="raise").fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    assert search.predict(X).shape == (N, 2)
    assert search.best_score_ == pytest.approx(
        cross_val_score(clone(search.best_estimator_), X, Y, cv=KFold(2, shuffle=True, random_state=0)).mean()
    )
    pd.testing.assert_frame_equal(X, before)
    alone = clone(gc.UpliftEstimator("coupon", **OPTIONS))
    assert alone.get_params() == gc.UpliftEstimator("coupon", **OPTIONS).get_params()
    arrays = Pipeline([("same", FunctionTransformer()), ("uplift", gc.UpliftEstimator(0, learner="t", folds=2))])
    numbers = np.column_stack([(X["coupon"] == "1") * 1, X["tier"]])
    assert arrays.fit(numbers, Y).predict(numbers).shape == (N, 1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gc.UpliftEstimator("coupon").fit(X, Y), "not named.*control="),
        (lambda: gc.UpliftEstimator().fit(X, Y), "no column 'treatment'"),
        (lambda: gc.UpliftEstimator("coupon", **OPTIONS).fit(X, Y[:5]), r"y has the shape \(5,\).*900 rows"),
        (lambda: gc.UpliftEstimator("coupon", **OPTIONS).fit(X.assign(gmv=1), Y), "'gmv', which is what y is called"),
        (lambda: gc.UpliftEstimator("coupon", **OPTIONS).fit(X, None), "requires y"),
        (lambda: gc.UpliftEstimator("coupon", scoring="auc", **OPTIONS).fit(X, Y), "scoring must be one of 'qini'"),
        (lambda: gc.UpliftEstimator("coupon", features="age", **OPTIONS).fit(X, Y), "features must be a list"),
        (lambda: gc.UpliftEstimator("coupon", **OPTIONS).fit(X["age"], Y), "(?i)frame|table|dimension"),
    ],
)
def test_refused(make: Any, words: str) -> None:
    with pytest.raises(gc.InputError, match=f"(?s){words}"):
        make()
