"""What straight lines take for granted is asked of the data, and said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.observational.adjustment.checks import Case, form
from gmvcausal.observational.adjustment.intake import Asked, read
from gmvcausal.observational.adjustment.learn import learn
from gmvcausal.observational.adjustment.numbers import ESTIMATORS
from gmvcausal.stats.conditional import Curves


def spenders(seed: int, n: int = 2000) -> pd.DataFrame:
    """Coupons follow the logarithm of spend, and so does GMV; the coupon adds nothing."""
    rng = np.random.default_rng(seed)
    spend = rng.lognormal(4, 1, n)
    coupon = rng.random(n) < 1 / (1 + np.exp(4 - np.log(spend)))
    gmv = 20 + 10 * np.log(spend) + rng.normal(0, 10, n)
    return pd.DataFrame({"spend": spend, "coupon": coupon.astype(int), "gmv": gmv})


def checked(data: pd.DataFrame, estimator: str, estimand: str, covariates: tuple[str, ...]) -> Any:
    s = read(data, Asked("gmv", "coupon", covariates, learned=False))
    known = learn(s, False, 5, 0, 1)
    return form(Case(s, known, ESTIMATORS[estimator](s, known, estimand), estimator, estimand))


@pytest.mark.parametrize("estimator", ["regression", "ipw"])
def test_curves_fail_straight_lines(estimator: str) -> None:
    r = gc.adjust(spenders(0), treatment="coupon", covariates=["spend"], estimator=estimator, estimand="overlap")
    assert r.conf_int()[0] > 0  # wrong with confidence
    check = r.audit["form"]
    assert check.status == "failed" and "estimator='aipw'" in check.remedy
    assert f"{r.estimate:+.4g}" in check.message
    assert not r.audit.credible
    assert "straight line" in r.summary().replace("\n", " ")
    logs = spenders(0).assign(spend=lambda d: np.log(d["spend"]))
    assert checked(logs, estimator, "overlap", ("spend",)).status == "passed"


@pytest.mark.parametrize("estimator", ["regression", "ipw"])
def test_right_lines_are_left_alone(estimator: str) -> None:
    raised = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x, z = rng.normal(size=(2, 400))
        coupon = (rng.random(400) < 1 / (1 + np.exp(-0.7 * x))).astype(int)
        data = pd.DataFrame({"x": x, "z": z, "coupon": coupon, "gmv": 3 * x + z + coupon + rng.gamma(1, 3, 400)})
        raised.append(checked(data, estimator, "ate", ("x", "z")).status)
    assert raised.count("passed") >= 53  # 57 on average at 5 %
    assert "failed" not in raised and "not_run" not in raised


def test_regression_beyond_the_other_arm_fails() -> None:
    rng = np.random.default_rng(1)
    x = np.r_[rng.normal(size=500), rng.normal(6, 1, 500)]
    coupon = np.r_[rng.integers(0, 2, 500), np.ones(500, dtype=int)]
    data = pd.DataFrame({"x": x, "coupon": coupon, "gmv": 10 + 0.5 * x + 2 * coupon + rng.normal(0, 1, 1000)})
    r = gc.adjust(data, treatment="coupon", covariates=["x"], estimator="regression")
    assert r.audit["balance"].status == "failed"


def test_a_front_door_with_a_bend() -> None:
    rng = np.random.default_rng(0)
    n = 3000
    taste = rng.normal(size=n)
    coupon = (taste + rng.normal(size=n) > 0).astype(int)
    views = rng.gamma(1.0, 1 + 2 * coupon)
    graph = "digraph { taste -> {coupon gmv}; coupon -> views -> gmv }"
    status = {}
    for kind, part in {"line": 5 * views, "bend": 20 * np.log1p(views)}.items():
        data = pd.DataFrame({"coupon": coupon, "views": views, "gmv": 9 * taste + part + rng.normal(0, 3, n)})
        status[kind] = gc.adjust(data, treatment="coupon", graph=graph).audit["form"].status
    assert status == {"line": "passed", "bend": "failed"}


def test_tiers_do_not_contradict_a_right_graph() -> None:
    right, false = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        spend = rng.lognormal(4, 1, 4000)
        coupon = (rng.random(4000) < np.where(spend > 100, 0.7, 0.2)).astype(float)
        for found, added in ((right, 0.0), (false, 0.5)):
            visits = rng.poisson(1 + 2 * (spend > 80) + added * coupon).astype(float)
            curves = Curves([spend[:, None], coupon[:, None], visits[:, None]])
            found.append(curves.tied(1, 2, [0]).p_value)
    assert min(right) > 0.001 and np.mean(np.array(right) < 0.05) <= 0.2
    assert max(false) < 0.001


def test_words() -> None:
    data = spenders(3, 400)
    data["tier"] = pd.Series(["a", "b"] * 200, dtype=object).where(data.index % 7 > 0)
    with pytest.raises(gc.InputError) as caught:
        gc.adjust(data, treatment="coupon", covariates=["tier"], estimator="ipw")
    assert "give them an id" not in str(caught.value)
    with pytest.raises(gc.InputError) as caught:
        gc.adjust(data, treatment="coupon", covariates=[])
    assert "Gc." not in str(caught.value)
    error = gc.DesignError("nothing moves it", remedy="gc.ab_test compares the arms")
    assert "gc.ab_test compares" in str(error)


def test_rare_treatment_is_sent_to_the_treated() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=5000)
    coupon = (rng.random(5000) < 0.01 * np.exp(0.3 * x)).astype(int)
    data = pd.DataFrame({"x": x, "coupon": coupon, "gmv": 10 + x + rng.normal(0, 1, 5000)})
    r = gc.adjust(data, treatment="coupon", covariates=["x"], estimator="ipw")
    assert r.audit["overlap"].status == "failed" and "estimand='att'" in r.audit["overlap"].remedy


def test_an_outcome_that_does_not_vary() -> None:
    r = gc.adjust(spenders(0, 500).assign(gmv=5.1), treatment="coupon", covariates=["spend"], estimator="ipw")
    assert r.estimate == 0 and not (r.conf_int()[0] > 0 or r.conf_int()[1] < 0)
