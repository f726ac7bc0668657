"""`gc.adjust`: every estimator by hand, beside second implementations, under relabelling, and on known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.observational.adjustment.intake import Sample
from gmvcausal.observational.adjustment.learn import Nuisances, learn
from gmvcausal.observational.adjustment.numbers import ESTIMATORS, scores, spread_of
from tests.protocol import assert_protocol

EVERY = ("aipw", "regression", "ipw", "matching", "dml")
COVARIATES = ["a", "b", "c"]


def people(n: int, seed: int, *, effect: float = 2.0, bend: float = 0.0) -> pd.DataFrame:
    """Selection and outcome by three covariates, along lines or bent."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3))
    lean = 0.6 * x[:, 0] - 0.4 * x[:, 1] + bend * np.abs(x[:, 2])
    got = rng.random(n) < 1 / (1 + np.exp(-lean))
    level = 10 + 2 * x[:, 0] - x[:, 1] + bend * 2 * np.abs(x[:, 2])
    y = level + got * (effect + 0.5 * x[:, 0]) + rng.standard_normal(n)
    return pd.DataFrame(x, columns=COVARIATES).assign(got=got.astype(int), gmv=y)


def asked(data: Any, **options: Any) -> Any:
    return gc.adjust(data, **{"outcome": "gmv", "treatment": "got", "covariates": COVARIATES, **options})


@pytest.mark.parametrize("estimator", EVERY)
def test_protocol(estimator: str, tmp_path: Path) -> None:
    r = asked(people(300, 1), estimator=estimator)
    plots: tuple[str | None, ...] = (None, "overlap", "love") if estimator == "ipw" else (None,)
    assert_protocol(r, tmp_path if estimator == "aipw" else None, plots)
    assert abs(r.estimate - 2) < 4 * r.std_error
    assert r.audit["hidden_confounding"].status == "not_run"
    assert r.estimates.term == ("1", "1 (unadjusted)")


@pytest.mark.parametrize("estimator", ["aipw", "regression", "ipw", "matching"])
def test_sensitivity_speaks_of_strength(estimator: str) -> None:
    r = asked(people(800, 2), estimator=estimator)
    found = r.sensitivity(benchmark="a")
    row = found.to_frame().iloc[0]
    assert row["estimate"] == r.estimate and 0 < row["robustness"] < 1
    assert row["conf_low"] < row["bound_low"] < r.estimate < row["bound_high"] < row["conf_high"]
    one = found.benchmark_frame().iloc[0]
    assert one["feature"] == "a" and one["change"] > 0.5 and 0 < one["treatment"] < 1
    again = asked(people(800, 2), estimator=estimator, covariates=["b", "c"]).estimate - r.estimate
    assert one["change"] == pytest.approx(again, abs=0.1 if estimator == "aipw" else 1e-9)  # folds are drawn anew
    assert "covariates leave" in found.summary()
    own = {"regression": "partial_robustness", "matching": "rosenbaum_gamma"}.get(estimator)
    assert own is None or row[own] > 0
    with pytest.raises(gc.InputError, match="no covariate of this model"):
        r.sensitivity(benchmark="z")


def test_robustness_of_an_additive_regression_is_cinelli_and_hazlett_s() -> None:
    import statsmodels.api as sm

    from gmvcausal.stats.hidden import partial_r2, robustness_value

    data = people(400, 3)
    fit = sm.OLS(data["gmv"], sm.add_constant(data[["got", *COVARIATES]])).fit()
    row = asked(data, estimator="regression").sensitivity().to_frame().iloc[0]
    t = float(fit.tvalues["got"])
    assert row["partial_r2"] == pytest.approx(partial_r2(t, fit.df_resid), rel=1e-9)
    assert row["partial_robustness"] == pytest.approx(robustness_value(t, fit.df_resid), rel=1e-9)


# --- second implementations -----------------------------------------------------------------------------------------
def sample(y: Any, treated: Any, x: Any, cluster: Any = None) -> Sample:
    columns = np.asarray(x, dtype=float)
    names = tuple(f"x{j}" for j in range(columns.shape[1]))
    on = np.asarray(treated).astype(bool)
    n = len(on)
    return Sample(
        np.asarray(y, dtype=float), on, (0, 1), columns, names, (), None, cluster, "city", False, np.arange(n), n, 3,
        names, names,
    )  # fmt: skip


# DoubleML 0.11.4: DoubleMLIRM (score "ATE", "ATTE") and DoubleMLPLR (partialling out), external_predictions as below.
DOUBLEML = {
    ("aipw", "ate"): (1.2733159521399646, 1.2658791610714166),
    ("aipw", "att"): (0.7651815837671085, 1.9173796312148927),
    ("dml", "overlap"): (1.6027210884353735, 1.0142286777015057),
}


@pytest.mark.parametrize("which", DOUBLEML)
def test_given_nuisances_it_is_doubleml(which: tuple[str, str]) -> None:
    i = np.arange(12)
    s = sample([3.0, 5, 4, 8, 6, 9, 7, 12, 5, 10, 8, 11], [0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1], i[:, None])
    known = Nuisances(np.linspace(0.2, 0.8, 12), np.column_stack([3 + 0.4 * i, 5 + 0.5 * i]), None, False)
    estimator, estimand = which
    found = ESTIMATORS[estimator](s, known, estimand)
    estimate, error = DOUBLEML[which]
    assert found.estimate == pytest.approx(estimate, rel=1e-9)
    assert np.sqrt((found.influence**2).sum()) == pytest.approx(error, rel=1e-9)
    # Six rows in each arm: the printed variance has n / (n - 1) of them.
    assert spread_of(s, found.influence)[0] == pytest.approx(error**2 * 6 / 5, rel=1e-9)


def test_overlap_weights_and_the_partially_linear_model_are_one_number() -> None:
    data = people(500, 5)
    one, other = asked(data, estimator="dml"), asked(data, estimand="overlap")
    assert one.estimate == pytest.approx(other.estimate, rel=1e-12)
    assert one.std_error == pytest.approx(other.std_error, rel=1e-9)


@pytest.mark.parametrize("estimand", ["ate", "att"])
@pytest.mark.parametrize(("estimator", "name"), [("ipw", "ipw"), ("regression", "ra")])
def test_weights_and_regressions_are_those_of_statsmodels(estimator: str, name: str, estimand: str) -> None:
    """Its errors are those of the stacked moment conditions: the joint influence, without small-sample factors."""
    import statsmodels.api as sm
    from statsmodels.treatment.treatment_effects import TreatmentEffect

    data = people(400, 6)
    x, on = sm.add_constant(data[COVARIATES]), data["got"].to_numpy()
    second = TreatmentEffect(sm.OLS(data["gmv"], x), on, results_select=sm.Logit(on, x).fit(disp=0))
    theirs = getattr(second, name)(return_results=True, effect_group="all" if estimand == "ate" else 1)
    s = sample(data["gmv"], on, data[COVARIATES])
    found = ESTIMATORS[estimator](s, learn(s, False, 5, 0, 1), estimand)
    assert found.estimate == pytest.approx(float(np.ravel(theirs.effect)[0]), rel=1e-6)
    if estimator == "ipw":
        error = np.sqrt((found.influence**2).sum())
    else:  # without HC2
        d = s.design
        mu = [d @ np.linalg.lstsq(d[on == a], s.y[on == a], rcond=None)[0] for a in (0, 1)]
        about = np.ones(s.n, dtype=bool) if estimand == "ate" else s.treated
        own = np.where(about, mu[1] - mu[0] - found.estimate, 0) / about.sum()
        for a, sign in ((1, 1), (0, -1)):
            z = d[on == a]
            own[on == a] += sign * (z @ np.linalg.solve(z.T @ z, d[about].mean(axis=0))) * (s.y - mu[a])[on == a]
        error = np.sqrt((own**2).sum())
        assert np.sqrt((found.influence**2).sum()) == pytest.approx(error, rel=0.02)
    assert error == pytest.approx(float(theirs.results_gmm.bse[0]), rel=1e-5)


def test_scores_are_hc2_and_cr2() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(8)
    z = sm.add_constant(rng.standard_normal((40, 2)))
    y = z @ [1, 2, 3] + rng.standard_normal(40) * (1 + (z[:, 1] > 0))
    fit = sm.OLS(y, z).fit()
    target = np.array([1.0, 0.5, -0.2])
    own = scores(z, fit.resid, target, None)
    assert own @ own == pytest.approx(target @ fit.get_robustcov_results("HC2").cov_params() @ target, rel=1e-9)
    cluster = np.repeat(np.arange(8), 5)
    sums = np.bincount(cluster, scores(z, fit.resid, target, cluster))
    bread, total = np.linalg.inv(z.T @ z), 0.0
    for g in range(8):  # Bell and McCaffrey's definition, cluster by cluster
        at = cluster == g
        value, vector = np.linalg.eigh(np.eye(5) - z[at] @ bread @ z[at].T)
        total += float(target @ bread @ z[at].T @ (vector / np.sqrt(value)) @ vector.T @ fit.resid[at]) ** 2
    assert sums @ sums == pytest.approx(total, rel=1e-9)


# --- by hand ----------------------------------------------------------------------------------------------------------
def test_weights_by_hand() -> None:
    """Two tiers of four: of the lower one treated of four, of the upper three of four."""
    data = pd.DataFrame(
        {"tier": [0, 0, 0, 0, 1, 1, 1, 1], "got": [1, 0, 0, 0, 1, 1, 1, 0], "gmv": [5.0, 1, 2, 3, 10, 11, 12, 4]}
    )
    # Within tiers the differences are 5 - 2 = 3 and 11 - 4 = 7: everyone's mean is 5, that of the treated
    # (3 + 3 * 7) / 4, and tiers have the same e (1 - e).
    for estimand, value in (("ate", 5.0), ("att", 6.0), ("overlap", 5.0)):
        r = asked(data, covariates=["tier"], estimator="ipw", estimand=estimand)
        assert r.estimate == pytest.approx(value, rel=1e-9)
    # The logistic regression is saturated, so that the influence of a row is that of its tier's means.
    r = asked(data, covariates=["tier"], estimator="ipw")
    own = r.found.influence[np.argsort(r.sample.row)]
    by_hand = (
        np.array([(3 - 5) + 0, (3 - 5) + 4 / 3, (3 - 5) + 0, (3 - 5) - 4 / 3, 2 - 4 / 3, 2 + 0, 2 + 4 / 3, 2 + 0]) / 8
    )
    np.testing.assert_allclose(own, by_hand, atol=1e-9)
    size = (by_hand[data["got"] == 1] ** 2).sum() * 4 / 3 + (by_hand[data["got"] == 0] ** 2).sum() * 4 / 3
    assert r.std_error == pytest.approx(np.sqrt(size), rel=1e-9)


def test_matching_by_hand() -> None:
    """Matched within tiers, where all are equally near: the same means, with the correction doing nothing."""
    data = pd.DataFrame(
        {"tier": [0, 0, 0, 0, 1, 1, 1, 1, 1], "got": [1, 0, 0, 0, 1, 1, 1, 0, 0],
         "gmv": [5.0, 1, 2, 3, 10, 11, 12, 4, 5]}
    )  # fmt: skip
    r = asked(data, covariates=["tier"], estimator="matching", estimand="att")
    assert r.estimate == pytest.approx((3 + 6.5 * 3) / 4, rel=1e-9)
    assert r.found.weight[~r.sample.treated].sum() == pytest.approx(4)  # each treated row has one match
    np.testing.assert_allclose(np.sort(r.found.weight[~r.sample.treated]), [1 / 3, 1 / 3, 1 / 3, 1.5, 1.5], rtol=1e-9)


# --- relations --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("estimator", EVERY)
def test_relations(estimator: str) -> None:
    data = people(240, 9)
    whole = asked(data, estimator=estimator)

    def same(other: pd.DataFrame, size: float = 1.0, **options: Any) -> None:
        r = asked(other, estimator=estimator, **options)
        np.testing.assert_allclose(r.to_frame()["estimate"], size * whole.to_frame()["estimate"], rtol=1e-6)
        np.testing.assert_allclose(r.to_frame()["std_error"], abs(size) * whole.to_frame()["std_error"], rtol=1e-6)

    same(data.sample(frac=1, random_state=1))
    same(data.assign(gmv=data["gmv"] * 100), 100.0)
    same(data.assign(got=np.where(data["got"] == 1, "coupon", "none")), control="none")
    # A covariate in other units says the same (econml: standard error .0355 -> .0009).
    same(data.assign(a=data["a"] * 1e8 + 1e6))
    same(data.rename(columns={"a": '花 费"`__import__'}), covariates=['花 费"`__import__', "b", "c"])


@pytest.mark.parametrize("estimator", ["regression", "ipw", "matching"])
def test_turned_arms_and_a_large_level(estimator: str) -> None:
    data = people(240, 10)
    whole = asked(data, estimator=estimator)
    turned = asked(data.assign(got=1 - data["got"]), estimator=estimator)
    assert turned.estimate == pytest.approx(-whole.estimate, rel=1e-8)
    raised = asked(data.assign(gmv=data["gmv"] + 1e7), estimator=estimator)
    assert raised.estimate == pytest.approx(whole.estimate, rel=1e-6)
    assert raised.std_error == pytest.approx(whole.std_error, rel=1e-6)


def test_clusters() -> None:
    data = people(600, 11).assign(city=np.repeat(np.arange(40), 15))
    for estimator in EVERY:
        r = asked(data, estimator=estimator, cluster="city")
        assert r.audit["few_clusters"].status == "passed" and r.std_error > 0
    # Forty copies of every row are no more than the rows themselves, once they are clustered.
    copied = pd.concat([people(150, 12).assign(user=np.arange(150))] * 4)
    once = asked(people(150, 12), estimator="regression")
    four = asked(copied, estimator="regression", cluster="user")
    assert four.estimate == pytest.approx(once.estimate, rel=1e-9)
    assert four.std_error == pytest.approx(once.std_error, rel=0.02)
    few = asked(data.assign(city=np.arange(600) % 7), estimator="ipw", cluster="city")
    assert np.isnan(few.std_error) and not few.audit.credible


# --- known truth ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("estimator", "bend"), [("regression", 0), ("ipw", 0), ("matching", 0)])
def test_intervals_hold(estimator: str, bend: float) -> None:
    hits = 0
    for seed in range(120):
        low, high = asked(people(400, 1_000 + seed, bend=bend), estimator=estimator).conf_int()
        hits += low < 2 < high
    assert 107 <= hits <= 120, hits


def test_trees_and_bends_reach_where_lines_do_not() -> None:
    data = people(4_000, 13, bend=1.0)
    line, learned = asked(data, estimator="regression"), asked(data)
    assert abs(learned.estimate - 2) < 3 * learned.std_error
    assert abs(line.estimate - 2) > 5 * line.std_error


# --- LaLonde ----------------------------------------------------------------------------------------------------------
def test_lalonde(data_dir: Path) -> None:
    """Experiment 1794 (671); what others make of the survey controls: DoubleML 1448, econml 1198, dowhy -7038."""
    path = data_dir / "lalonde.parquet"
    if not path.exists():
        pytest.skip(f"no {path}")
    frame = pd.read_parquet(path)
    keep = ((frame["source"] == "nsw_dw") & (frame["treat"] == 1)) | (frame["source"] == "cps_controls")
    data = frame[keep].assign(treat=lambda d: d["treat"].astype(int))
    names = ["age", "education", "black", "hispanic", "married", "nodegree", "re74", "re75"]
    r = gc.adjust(data, "re78", "treat", names, estimand="att")
    assert abs(r.estimate - 1794.34) < 671 and r.audit.credible
    check = r.audit["effective_sample_size"]
    assert check.status == "warned" and 50 < (check.value or 0) < 200 and "15,992" in check.message
    assert r.estimates.estimate[-1] == pytest.approx(-8497.516148132978, rel=1e-9)
    assert r.estimates.std_error[-1] == pytest.approx(583.432074493459, rel=1e-9)
    for estimator in ("aipw", "ipw"):  # of everyone, of whom next to nobody could have got it: no headline
        whole = gc.adjust(data, "re78", "treat", names, estimator=estimator)
        assert whole.audit["overlap"].status == "failed" and "No headline" in whole.summary()
        assert "estimand='overlap'" in whole.summary() and "1 (overlap)" in whole.estimates.term


# --- what flows on ----------------------------------------------------------------------------------------------------
def test_money_tables_and_triangles() -> None:
    data = people(400, 14)
    r = asked(data, estimator="ipw", estimand="att")
    money = r.incremental_gmv(cost=100, cost_is="other", margin=0.5, gmv_is="paid")
    treated = int(data["got"].sum())
    assert money.estimate == pytest.approx(r.estimate * treated, rel=1e-12)
    assert money.to_frame()["estimate"].iloc[3] == pytest.approx(0.5 * r.estimate * treated - 100, rel=1e-9)
    with pytest.raises(gc.InputError, match="estimand='att'"):
        asked(data, estimator="ipw").incremental_gmv()
    other = asked(data, estimator="regression", estimand="att")
    assert "1 against 0" in str(gc.table(r, other).to_latex())
    found = gc.combine({"weights": r, "lines": other}, how="triangulate")
    assert found.agree and len(found.credible) == 2
