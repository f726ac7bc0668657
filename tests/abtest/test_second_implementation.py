"""The same numbers from scipy, statsmodels and plain formulas that share no code with ours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from ab_users import users
from scipy import optimize, stats

import gmvcausal as gc

CLOSE = {"rel": 1e-8}
DATA = users()
T, C = DATA[DATA["arm"] == 1], DATA[DATA["arm"] == 0]


def row(result: gc.ab_test, term: str) -> pd.Series:
    return result.to_frame().set_index("term").loc[term]


def test_welch() -> None:
    wanted = stats.ttest_ind(T["gmv"], C["gmv"], equal_var=False)
    result = gc.ab_test(DATA, metrics=["gmv"])
    found = row(result, "gmv")
    span = wanted.confidence_interval(0.95)
    numbers = (found["statistic"], found["p_value"], found["df"], found["conf_low"], found["conf_high"])
    assert numbers == pytest.approx((wanted.statistic, wanted.pvalue, wanted.df, span.low, span.high), **CLOSE)
    for side in ("greater", "less"):
        wanted = stats.ttest_ind(T["gmv"], C["gmv"], equal_var=False, alternative=side)
        found = row(gc.ab_test(DATA, metrics=["gmv"], alternative=side), "gmv")
        span = wanted.confidence_interval(0.95)
        assert (found["p_value"], found["conf_low"], found["conf_high"]) == pytest.approx(
            (wanted.pvalue, span.low, span.high), **CLOSE
        )


def lin(outcome: str, covariates: list[str]) -> tuple[float, float]:
    """Lin's (2013) interacted regression with HC2, by statsmodels."""
    x = DATA[covariates] - DATA[covariates].mean()
    t = DATA["arm"].to_numpy()
    design = sm.add_constant(np.column_stack([t, x, t[:, None] * x]))
    found = sm.OLS(DATA[outcome], design).fit(cov_type="HC2")
    return float(found.params.iloc[1]), float(found.bse.iloc[1])


@pytest.mark.parametrize("covariates", [["gmv_pre"], ["gmv_pre", "age"]])
def test_lin(covariates: list[str]) -> None:
    result = gc.ab_test(DATA, metrics=[gc.Mean("gmv", pre=covariates)])
    assert (result.estimate, result.std_error) == pytest.approx(lin("gmv", covariates), **CLOSE)


def test_lin_without_second_pass() -> None:
    """Each arm's own regression, predicted at the covariates' mean over both arms."""
    at = np.concatenate([[1.0], DATA[["gmv_pre", "age"]].mean()])
    value, variance = [], []
    for part in (T, C):
        fit = sm.OLS(part["gmv"], sm.add_constant(part[["gmv_pre", "age"]])).fit()
        value.append(float(at @ fit.params))
        variance.append(float(at @ fit.cov_params().to_numpy() @ at))
    result = gc.ab_test(DATA, metrics=[gc.Mean("gmv", pre=["gmv_pre", "age"])], hc=None)
    assert result.estimate == pytest.approx(value[0] - value[1], **CLOSE)
    assert result.std_error == pytest.approx(sum(variance) ** 0.5, **CLOSE)


def test_text_covariates_are_indicators() -> None:
    wide = DATA.join(pd.get_dummies(DATA["segment"], dtype=float, drop_first=True))
    both = [gc.ab_test(wide, metrics=[gc.Mean("gmv", pre=pre)]) for pre in (["segment", "age"], ["old", "vip", "age"])]
    assert both[0].estimate == pytest.approx(both[1].estimate, **CLOSE)
    assert both[0].std_error == pytest.approx(both[1].std_error, **CLOSE)
    assert "new, old, vip" in both[0].summary()


def test_ratio_by_the_delta_method() -> None:
    def arm(part: pd.DataFrame) -> tuple[float, float]:
        n, r = len(part), part["gmv"].sum() / part["orders"].sum()
        v = np.cov(part["gmv"], part["orders"])
        return r, (v[0, 0] - 2 * r * v[0, 1] + r * r * v[1, 1]) / part["orders"].mean() ** 2 / n

    (r1, v1), (r0, v0) = arm(T), arm(C)
    found = row(gc.ab_test(DATA, metrics=[gc.Ratio("gmv", "orders")]), "gmv / orders")
    assert (found["estimate"], found["std_error"]) == pytest.approx((r1 - r0, (v1 + v0) ** 0.5), **CLOSE)


def test_adjusted_ratio_is_a_ratio_of_adjusted_means() -> None:
    found = gc.ab_test(DATA, metrics=[gc.Ratio("gmv", "orders", pre="gmv_pre", cap=None)])
    means = gc.ab_test(DATA, metrics=[gc.Mean(c, pre="gmv_pre", cap=None) for c in ("gmv", "orders")]).to_frame()
    wanted = (
        means["value"].iloc[0] / means["value"].iloc[1]
        - means["control_value"].iloc[0] / means["control_value"].iloc[1]
    )
    assert found.estimate == pytest.approx(wanted, **CLOSE)
    # The linearised ratio, regressed arm by arm, has the same HC2 variance.
    total = 0.0
    for part, column in ((T, "value"), (C, "control_value")):
        ratio, bottom = means[column].iloc[0] / means[column].iloc[1], means[column].iloc[1]
        line = (part["gmv"] - ratio * part["orders"]) / bottom
        fit = sm.OLS(line, sm.add_constant(part["gmv_pre"])).fit(cov_type="HC2")
        at = np.array([1.0, DATA["gmv_pre"].mean()])
        total += float(at @ fit.cov_params().to_numpy() @ at)
    assert found.std_error == pytest.approx(total**0.5, **CLOSE)


def test_strata() -> None:
    estimate = variance = 0.0
    for _, part in DATA.groupby("segment"):
        share = len(part) / len(DATA)
        t, c = (part.loc[part["arm"] == a, "gmv"] for a in (1, 0))
        estimate += share * (t.mean() - c.mean())
        variance += share**2 * (t.var() / len(t) + c.var() / len(c))
    result = gc.ab_test(DATA, metrics=["gmv"], strata="segment")
    assert (result.estimate, result.std_error) == pytest.approx((estimate, variance**0.5), **CLOSE)


@pytest.mark.parametrize("crossed", [False, True])
def test_clusters_are_the_jackknife(crossed: bool) -> None:
    """Leaving out one cluster at a time; exact for means (Bell and McCaffrey 2002)."""
    data = DATA if crossed else DATA.assign(arm=DATA["place"] % 2)
    result = gc.ab_test(data, metrics=["gmv"], cluster="place")

    def difference(part: pd.DataFrame) -> float:
        means = part.groupby("arm")["gmv"].mean()
        return float(means[1] - means[0])

    full, variance = difference(data), 0.0
    for own in (None,) if crossed else (0, 1):
        places = data["place"].unique() if own is None else data.loc[data["arm"] == own, "place"].unique()
        jack = [difference(data[data["place"] != g]) - full for g in places]
        variance += (len(places) - 1) / len(places) * float(np.dot(jack, jack))
    assert result.estimate == pytest.approx(full, **CLOSE)
    assert result.std_error == pytest.approx(variance**0.5, **CLOSE)
    if crossed:  # Satterthwaite's for clusters that vary alike
        w = data["place"].value_counts(normalize=True).to_numpy()
        apart = np.diag(w) @ (np.eye(40) - w)
        square = apart @ apart.T
        df = np.trace(square) ** 2 / (square**2).sum()
        assert 35 < df < 39 and row(result, "gmv")["df"] == pytest.approx(df, rel=1e-9)


def test_fieller_is_the_inverted_test() -> None:
    """The limits are the lifts at which the t test of 'treated = lift x control' is just significant."""
    found = row(gc.ab_test(DATA, metrics=["gmv"]), "gmv")
    (m1, v1), (m0, v0) = ((p["gmv"].mean(), p["gmv"].var() / len(p)) for p in (T, C))
    critical = stats.t.ppf(0.975, found["df"])

    def edge(lift: float) -> float:
        return abs(m1 - (1 + lift) * m0) - critical * (v1 + (1 + lift) ** 2 * v0) ** 0.5

    middle = m1 / m0 - 1
    wanted = (
        optimize.brentq(edge, middle - 2, middle, xtol=1e-14),
        optimize.brentq(edge, middle, middle + 2, xtol=1e-14),
    )
    assert (found["relative_low"], found["relative_high"]) == pytest.approx(wanted, rel=1e-8)


def test_log_and_linear_lift() -> None:
    (m1, v1), (m0, v0) = ((p["gmv"].mean(), p["gmv"].var() / len(p)) for p in (T, C))
    log = row(gc.ab_test(DATA, metrics=["gmv"], lift="log"), "gmv")
    half = stats.t.ppf(0.975, log["df"]) * (v1 / m1**2 + v0 / m0**2) ** 0.5
    assert log["relative_high"] == pytest.approx(m1 / m0 * np.exp(half) - 1, **CLOSE)
    linear = row(gc.ab_test(DATA, metrics=["gmv"], lift="linear"), "gmv")
    half = stats.t.ppf(0.975, linear["df"]) * (v1 + (m1 / m0) ** 2 * v0) ** 0.5 / m0
    assert linear["relative_low"] == pytest.approx(m1 / m0 - 1 - half, **CLOSE)


def test_holm_and_benjamini_hochberg() -> None:
    from statsmodels.stats.multitest import multipletests

    data = users(n=4000, arms=3, seed=3)
    metrics = [gc.Mean("gmv", cap=None), gc.Mean("orders", cap=None), gc.Proportion("bought")]
    plain = gc.ab_test(data, control=0, metrics=metrics).to_frame()
    for ours, theirs in (("holm", "holm"), ("bh", "fdr_bh")):
        found = gc.ab_test(data, control=0, metrics=metrics, adjust=ours)
        wanted = multipletests(plain["p_value"], method=theirs)[1]
        np.testing.assert_allclose(found.to_frame()["p_value"], wanted, rtol=1e-10)
        assert "adjusted" in found.summary()
    wide = gc.ab_test(data, control=0, metrics=metrics, adjust="holm").to_frame()
    low = plain["estimate"] - stats.t.ppf(1 - 0.025 / 6, plain["df"]) * plain["std_error"]
    np.testing.assert_allclose(wide["conf_low"], low, rtol=1e-8)


def test_joint_covariance() -> None:
    """Between metrics and between arms that share the control: from the rows themselves."""
    data = users(n=2000, arms=3, seed=5)
    found = gc.ab_test(data, control=0, metrics=[gc.Mean("gmv", cap=None), gc.Mean("orders", cap=None)])
    parts = {a: data.loc[data["arm"] == a, ["gmv", "orders"]] for a in (0, 1, 2)}
    v = {a: np.cov(p.T) / len(p) for a, p in parts.items()}
    wanted = np.empty((4, 4))  # gmv 1, gmv 2, orders 1, orders 2
    for i, (m, a) in enumerate([(0, 1), (0, 2), (1, 1), (1, 2)]):
        for j, (k, b) in enumerate([(0, 1), (0, 2), (1, 1), (1, 2)]):
            wanted[i, j] = v[0][m, k] + (v[a][m, k] if a == b else 0.0)
    np.testing.assert_allclose(found.estimates.cov, wanted, rtol=1e-8)
