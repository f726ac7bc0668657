"""Groups of held-out users: GATES, best linear predictor, CLAN: by hand, beside statsmodels, on known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

import gmvcausal as gc
from gmvcausal import DesignError, InputError
from gmvcausal.results.base import COMMON_COLUMNS
from gmvcausal.stats.multiplicity import holm
from gmvcausal.targeting.evaluate import evaluate

HALF = [0.5, 0.5]


def trial(n=2_000, seed=4, slope=2.0):
    rng = np.random.default_rng(seed)
    score, arm = rng.random(n), rng.integers(0, 2, n)
    return score, rng.exponential(1, n) + slope * arm * score, arm


def gamma_of(y, arm, mu, e=0.5):
    return mu[:, 1] - mu[:, 0] + np.where(arm == 1, (y - mu[:, 1]) / e, -(y - mu[:, 0]) / (1 - e))


def test_gates_by_hand() -> None:
    """Eight users, two groups of four: means of the scores, their spread, and the difference of the two."""
    score = np.array([8.0, 7, 6, 5, 4, 3, 2, 1])
    arm = np.array([1, 0, 1, 0, 1, 0, 1, 0])
    y = np.array([9.0, 1, 7, 3, 4, 2, 4, 4])
    mu = np.tile([2.0, 5.0], (8, 1))
    gamma = [3 + 2 * 4, 3 + 2 * 1, 3 + 2 * 2, 3 - 2 * 1, 3 - 2 * 1, 3, 3 - 2 * 1, 3 - 2 * 2]  # 11 5 7 1 | 1 3 1 -1
    found = evaluate(score, y, arm, HALF, mu=mu).gates(2)
    assert found.estimate.tolist() == [6.0, 1.0] == [np.mean(gamma[:4]), np.mean(gamma[4:])]
    # Squared deviations 25 + 1 + 1 + 25 and 0 + 4 + 0 + 4, over 4 x 4; two users of each arm, times 2 / 1.
    assert np.diag(found.cov) == pytest.approx([52 / 16 * 2, 8 / 16 * 2])
    # Welch: (26 + 26)^2 / (26^2 + 26^2), one degree of freedom an arm; in the second group (0 + 0) and (4 + 4).
    assert found.df == pytest.approx([2, 1])
    assert found.cov[0, 1] == 0 and found.n.tolist() == [4, 4] and found.predicted.tolist() == [6.5, 2.5]
    assert found.difference.estimate == 5 and found.difference.std_error == pytest.approx(np.sqrt(60 / 16 * 4 / 3))
    # Two groups: one rise, from 6 to 1, so the order is as far from wrong as the difference is from none.
    assert found.order_p == pytest.approx(1 - found.difference.p_value / 2, abs=0.01)


def test_gates_beside_least_squares_on_groups() -> None:
    """OLS of the scores on dummies of the groups, with and without clusters."""
    score, y, arm = trial()
    mu = np.column_stack([np.full(2_000, 1.0), 1 + 2 * score])
    group = np.floor(np.argsort(np.argsort(-score)) / 400).astype(int)
    gamma, cluster = gamma_of(y, arm, mu), np.arange(2_000) // 40  # each holds both arms
    fit = sm.OLS(gamma, np.eye(5)[group])
    found = evaluate(score, y, arm, HALF, mu=mu).gates()
    np.testing.assert_allclose(found.estimate, fit.fit().params, rtol=1e-8)
    by_arm = np.zeros(5)  # squares of each arm of a group, each with n / (n - 1) of its own users
    for g, a in np.ndindex(5, 2):
        own = (gamma - fit.fit().fittedvalues)[(group == g) & (arm == a)]
        by_arm[g] += (own**2).sum() / 400**2 * len(own) / (len(own) - 1)
    np.testing.assert_allclose(found.cov, np.diag(by_arm), rtol=1e-8, atol=1e-15)
    theirs = fit.fit(cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False}).cov_params()
    clustered = evaluate(score, y, arm, HALF, mu=mu, cluster=cluster).gates()
    widen = np.zeros(5)
    for g in range(5):  # Bell and McCaffrey, a room weighing as its users in the group, by the arms that these have
        size, treated = np.bincount(cluster, group == g), np.bincount(cluster, (group == g) * arm)
        sums = np.bincount(cluster, (gamma - fit.fit().fittedvalues) * (group == g)) / 400
        for kind in ((treated == 0) & (size > 0), (treated > 0) & (treated == size), (treated > 0) & (treated < size)):
            share = size[kind] / max(size[kind].sum(), 1)
            s2, s3 = (share**2).sum(), (share**3).sum()
            widen[g] += (sums[kind] ** 2).sum() * (s2 / (s2 - 2 * s3 + s2**2) if kind.sum() > 1 else 1)
    widen = np.sqrt(widen / np.diag(theirs))
    np.testing.assert_allclose(clustered.cov, theirs * np.outer(widen, widen), rtol=1e-8, atol=1e-12)
    test = fit.fit(cov_type="HC0").t_test([1, 0, 0, 0, -1])
    assert found.difference.estimate == pytest.approx(float(test.effect[0]), rel=1e-8)


def test_gates_are_deciles_of_the_doubly_robust_version() -> None:
    score, y, arm = trial()
    e = evaluate(score.round(1), y, arm, HALF)
    bins, found = e.doubly_robust.deciles(4), e.gates(4).to_frame()
    np.testing.assert_allclose(found[["estimate", "std_error", "n"]], bins[["estimate", "std_error", "n"]], rtol=1e-10)
    np.testing.assert_allclose(found[["point_low", "point_high"]], bins[["conf_low", "conf_high"]], rtol=1e-10)


def test_gates_table_joint_limits_and_words() -> None:
    score, y, arm = trial()
    e = evaluate(score, y, arm, HALF, unit="gmv")
    found = e.gates()
    frame = found.to_frame()
    assert list(frame.columns[:10]) == list(COMMON_COLUMNS) and frame["term"].is_unique
    assert found.critical == pytest.approx([2.569] * 5, abs=0.04)  # Sidak's for five independent groups
    np.testing.assert_allclose(frame["conf_high"] - frame["estimate"], found.critical * frame["std_error"])
    alone = 2 * (1 - _phi(abs(frame["statistic"])))
    np.testing.assert_allclose(frame["p_value"], 1 - (1 - alone) ** 5, atol=0.012)
    assert "the first group gains more" in found.summary() and found.order_p > 0.3
    upside = evaluate(-score, y, arm, HALF).gates()
    assert "upside down" in upside.summary() and upside.order_p < 0.05
    page = found.to_html() + e.best_linear().to_html()
    assert "group 5 of 5" in page and "heterogeneity" in page and "95% interval" in found.to_latex().replace("\\", "")
    assert "effects rise with the score" in e.best_linear().summary()
    figure = e.plot("gates")
    assert "Effect by group" in figure.axes[0].get_title(loc="left")


def _phi(x):
    from scipy import special

    return special.ndtr(x)


def test_rows_labels_and_money() -> None:
    rng = np.random.default_rng(0)
    score, y, arm = trial()
    score = score.round(1)
    traits = {"a": rng.normal(score), "b": (rng.random(2_000) < score).astype(float)}
    order = rng.permutation(2_000)
    one = evaluate(score, y, arm, HALF, traits=traits)
    two = evaluate(score[order], y[order], arm[order], HALF, traits={k: v[order] for k, v in traits.items()})
    rich = evaluate(score, 100 * y + 1e7, arm, HALF, traits=traits)
    np.testing.assert_allclose(two.gates().cov, one.gates().cov, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(two.best_linear().to_frame()["std_error"], one.best_linear().to_frame()["std_error"])
    pd.testing.assert_frame_equal(two.clan(), one.clan())
    np.testing.assert_allclose(rich.gates().estimate, 100 * one.gates().estimate, rtol=1e-6)
    for name in ("estimate", "std_error"):
        a, b = rich.best_linear().to_frame()[name], one.best_linear().to_frame()[name]
        np.testing.assert_allclose(a, 100 * b, rtol=1e-6)
    # The score in other units: groups and ATE stay, the slope turns about.
    scaled = evaluate(1000 * score - 3, y, arm, HALF).best_linear()
    assert scaled.slope.estimate * 1000 == pytest.approx(one.best_linear().slope.estimate)
    assert scaled.intercept.estimate == pytest.approx(one.best_linear().intercept.estimate)


@pytest.mark.parametrize("clustered", [False, True])
def test_best_linear_beside_weighted_least_squares(clustered: bool) -> None:
    """statsmodels WLS with HC2, or clusters; chances differ between users."""
    rng = np.random.default_rng(1)
    n = 1_500
    score, base = rng.random(n), rng.random(n)
    p = 0.2 + 0.5 * base
    arm = (rng.random(n) < p).astype(int)
    y = rng.exponential(1, n) + base + arm * (1 + 3 * score)
    cluster = np.arange(n) // 10 if clustered else None
    mu = np.column_stack([1 + base, 2 + base])
    found = evaluate(score, y, arm, np.column_stack([1 - p, p]), mu=mu, cluster=cluster).best_linear()
    s = score - score.mean()
    x = np.column_stack([arm - p, (arm - p) * s, np.ones(n), s, mu[:, 0]])
    wls = sm.WLS(y, x, weights=1 / (p * (1 - p)))
    fit = (
        wls.fit(cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False})
        if clustered
        else wls.fit(cov_type="HC2")
    )
    # What each user adds to the two coefficients; to the average also by the mean score.
    w = 1 / (p * (1 - p))
    bread = np.linalg.inv(x.T @ (x * w[:, None]))
    reach = np.einsum("ij,jk,ik->i", x, bread, x) * w
    rest = (y - x @ fit.params) / (1 if clustered else np.sqrt(1 - reach))
    own = ((x * (w * rest)[:, None]) @ bread)[:, :2]
    sums = own if cluster is None else np.add.reduceat(own, np.arange(0, n, 10))
    np.testing.assert_allclose(np.sqrt((sums**2).sum(axis=0)), fit.bse[:2], rtol=1e-8)
    own[:, 0] += fit.params[1] * s / n
    sums = own if cluster is None else np.add.reduceat(own, np.arange(0, n, 10))
    error = np.sqrt((sums**2).sum(axis=0))
    assert error[0] > 1.02 * fit.bse[0]
    for k, metric in enumerate((found.intercept, found.slope)):
        assert metric.estimate == pytest.approx(fit.params[k], rel=1e-8)
        factor = 1.0
        if clustered:  # Bell and McCaffrey, a room weighing as much as its outcomes do in the coefficient
            weight = np.bincount(cluster, np.abs(bread @ x.T * w)[k])
            s2, s3 = (((weight / weight.sum()) ** i).sum() for i in (2, 3))
            factor = np.sqrt(s2 / (s2 - 2 * s3 + s2**2))
        assert metric.std_error == pytest.approx(error[k] * factor, rel=1e-8)
        low, high = metric.conf_int(0.999)
        assert low < (2.5, 3.0)[k] < high
    assert list(found.to_frame().columns) == [*COMMON_COLUMNS, "arm"]


def test_average_along_a_line_is_held_where_effects_vary() -> None:
    """Effects of variance 16 and little noise: without the mean score's own spread 95 % intervals held 39 %."""
    held = 0
    for seed in range(150):
        rng = np.random.default_rng([6, seed])
        score, arm = rng.normal(size=400), rng.permutation(400) % 2
        y = 0.5 * rng.normal(size=400) + arm * (1 + 4 * score) - 2 * score
        low, high = evaluate(score, y, arm, HALF).best_linear().intercept.conf_int()
        held += low <= 1 <= high
    assert held >= 135  # of 150 at 95 %: fewer happens once in 200 times


def test_best_linear_of_one_of_several_arms_is_about_all_users() -> None:
    """Arm 2 went to those with a high score: weights bring the average back to everybody."""
    rng = np.random.default_rng(3)
    n = 30_000
    score = rng.random(n)
    e = np.column_stack([np.full(n, 0.3), 0.6 - 0.5 * score, 0.1 + 0.5 * score])
    arm = (rng.random(n)[:, None] > e.cumsum(axis=1)).sum(axis=1)
    y = rng.normal(size=n) + (arm == 2) * 4 * score**2
    found = evaluate(np.column_stack([score, score]), y, arm, e).of("arm 2").best_linear()
    truth = np.polyfit(score, 4 * score**2, 1)[0], (4 * score**2).mean()
    for metric, value in ((found.slope, truth[0]), (found.intercept, truth[1])):
        assert abs(metric.estimate - value) < 3.5 * metric.std_error < 0.5


def test_clan_by_hand_and_beside_least_squares() -> None:
    score, y, arm = trial(400)
    rng = np.random.default_rng(5)
    age = np.where(rng.random(400) < 0.1, np.nan, 40 + 10 * score + rng.normal(size=400))
    traits = {"age": age, "gold": (rng.random(400) < 0.3 + 0.4 * score).astype(float), "same": np.ones(400)}
    found = evaluate(score, y, arm, HALF, traits=traits).clan(4).set_index("feature")
    place = np.argsort(np.argsort(-score))
    first, last = place < 100, place >= 300
    raw: list[float] = []
    for name in ("age", "gold"):
        row, v = found.loc[name], traits[name]
        assert (row["most"], row["least"]) == pytest.approx((np.nanmean(v[first]), np.nanmean(v[last])))
        use = (first | last) & np.isfinite(v)
        fit = sm.OLS(v[use], np.column_stack([first[use], last[use]]).astype(float)).fit(cov_type="HC0")
        test = fit.t_test([1, -1])
        assert row["difference"] == pytest.approx(float(test.effect[0]), rel=1e-8)
        welch = stats.ttest_ind(v[first & use], v[last & use], equal_var=False)
        assert row["std_error"] == pytest.approx(abs(row["difference"] / welch.statistic), rel=1e-8)
        raw.append(welch.pvalue)
        assert row["n_most"] == (first & np.isfinite(v)).sum()
    np.testing.assert_allclose(found["p_value"][:2], holm(np.array(raw)), atol=1e-12)
    wide = (found["conf_high"] - found["difference"]) / found["std_error"]
    assert wide[:2].tolist() == pytest.approx([stats.t.ppf(1 - 0.0125, 190)] * 2, abs=3e-3)  # Bonferroni for two
    assert found.loc["same", "difference"] == 0 and np.isnan(found.loc["same", "p_value"])


def test_clan_of_a_trait_that_sets_the_groups_apart() -> None:
    """No spread in either group: the surest of all differences, and one of the family that Holm counts."""
    score, y, arm = trial(400)
    place = np.argsort(np.argsort(-score))
    noise = np.random.default_rng(1).normal(size=400)
    traits = {"first": (place < 100).astype(float), "noise": noise, "same": np.full(400, 0.1)}
    found = evaluate(score, y, arm, HALF, traits=traits).clan(4).set_index("feature")
    alone = evaluate(score, y, arm, HALF, traits={"noise": noise}).clan(4).set_index("feature")
    assert found.loc["first", ["difference", "std_error", "p_value", "conf_low", "conf_high"]].tolist() == [
        1,
        0,
        0,
        1,
        1,
    ]
    wide = found.loc["noise", "conf_high"] - found.loc["noise", "conf_low"]
    assert wide / (alone.loc["noise", "conf_high"] - alone.loc["noise", "conf_low"]) == pytest.approx(
        2.2414 / 1.96,
        3e-3,  # t, not normal
    )
    assert found.loc["same", "difference"] == 0 and np.isnan(found.loc["same", "p_value"])


def test_clan_of_a_model_has_its_features() -> None:
    rng = np.random.default_rng(0)
    n = 2_000
    data = pd.DataFrame(
        {
            "coupon": rng.integers(0, 2, n), "tier": rng.choice(["gold", "tin"], n),
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.integers(20, 60, n)),
        }
    )  # fmt: skip
    data["gmv"] = rng.exponential(5, n) + 8 * data["coupon"] * (data["tier"] == "gold")
    m = gc.uplift(data[:1_000], treatment="coupon", features=["tier", "age"], learner="t", folds=2, propensity=0.5)
    e = m.evaluate(data[1_000:])
    found = e.clan(2).set_index("feature")
    assert found.index.tolist() == ["tier = gold", "tier = tin", "age", "age missing"]
    assert found.loc["tier = gold", "most"] > 0.9 and found.loc["tier = gold", "p_value"] < 1e-6
    assert 35 < found.loc["age", "most"] < 45 and 0.05 < found.loc["age missing", "least"] < 0.15
    assert e.gates(2).difference.estimate > 4
    assert abs(e.best_linear().slope.estimate - 1) < 4 * e.best_linear().slope.std_error


def test_refusals() -> None:
    score, y, arm = trial(100)
    same = evaluate(np.ones(100), y, arm, HALF, traits={"a": y})
    for ask in (same.gates, same.best_linear, same.clan):
        with pytest.raises(DesignError, match="same score"):
            ask()
    assert "same score" in same._repr_html_() and same.figures()
    e = evaluate(score, y, arm, HALF)
    with pytest.raises(InputError, match="nothing is known"):
        e.clan()
    with pytest.raises(InputError, match="one number per user"):
        evaluate(score, y, arm, HALF, traits={"a": y[:50]}).clan()
    for groups in (1, 101):
        with pytest.raises(InputError, match="groups must be"):
            e.gates(groups)
    with pytest.raises(DesignError, match="fewer than two users"):
        e.gates(50)
    sure = np.tile([0.5, 0.5], (100, 1))
    sure[0] = [1 - arm[0], arm[0]]
    with pytest.raises(DesignError, match="could not have got both"):
        evaluate(score, y, arm, sure).best_linear()


def test_joint_limits_hold_the_truth() -> None:
    """Skewed money, a given score whose truth is known: all five groups at once, in 95 % of 100 trials."""
    held = np.zeros(3)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        n = 3_000
        score, arm = rng.random(n), rng.integers(0, 2, n)
        y = (rng.random(n) < 0.3) * rng.lognormal(1, 1, n) + 2 * arm * score
        e = evaluate(score, y, arm, HALF)
        frame = e.gates().to_frame()
        truth = 2 * np.array([0.9, 0.7, 0.5, 0.3, 0.1])
        held[0] += ((frame["conf_low"] <= truth) & (truth <= frame["conf_high"])).all()
        for k, (metric, value) in enumerate(((e.best_linear().slope, 2.0), (e.gates().difference, 1.6)), 1):
            low, high = metric.conf_int()
            held[k] += low <= value <= high
    assert (held >= 100 * 0.95 - 3 * np.sqrt(100 * 0.95 * 0.05)).all()
