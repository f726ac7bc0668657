"""The surrogate index: by hand, against two-step least squares, known truth, relations, audit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from protocol import assert_protocol
from scipy import stats
from surrogate_data import COLUMNS, TRUTH, tables, users

import gmvcausal as gc
from gmvcausal.mechanism.longrun import numbers
from gmvcausal.mechanism.longrun.rules import TABLE

GIVEN = {"outcome": "gmv_90d", "arm": "arm", "surrogates": COLUMNS, "covariates": ["taste"]}


def test_by_hand():
    # History: the line is 10 + 3 s, with residuals +1, -1, -1, +1 at s = 0, 1, 2, 3.
    past = pd.DataFrame({"s": [0.0, 1, 2, 3], "long": [11.0, 12, 15, 20]})
    test = pd.DataFrame({"arm": ["no", "no", "yes", "yes"], "s": [0.0, 2, 1, 5]})
    r = gc.surrogate(test, past, "long", "arm", ["s"], control="no")
    assert r.estimate == pytest.approx(3 * (3 - 1), abs=1e-12)
    # Arms: foretold 10, 16 and 13, 25 vary by 18 and 72, two each.
    of_arms = 18 / 2 + 72 / 2
    # Slope: distances -1.5, -.5, .5, 1.5 with squares 5; leverages 1/4 + d2/5.
    of_slope = (2 * 2.25 / (1 - 0.7) + 2 * 0.25 / (1 - 0.3)) / 25
    assert r.std_error**2 == pytest.approx(of_arms + 2**2 * of_slope, abs=1e-10)
    # Welch: one degree of freedom for each arm, two for the line.
    df = r.std_error**4 / (9**2 + 36**2 + (4 * of_slope) ** 2 / 2)
    assert r.conf_int()[1] == pytest.approx(6 + stats.t.ppf(0.975, df) * r.std_error, abs=1e-9)
    shown = r.surrogates().iloc[0]
    assert shown["effect"] == pytest.approx(2) and shown["slope"] == pytest.approx(3)
    assert shown["part"] == pytest.approx(6) and shown["without"] == 0
    # Bound: the index leaves a variance of 4 / 2 of the outcome, and the line of w on s what it leaves of w.
    w, s = np.array([0.0, 0, 1, 1]) - 0.5, np.array([0.0, 2, 1, 5]) - 2
    left = w - s * (w @ s) / (s @ s)
    assert r.bias()["bias"].iloc[-1] == pytest.approx(np.sqrt(2.0 * (left @ left) / 4) / 0.25, abs=1e-10)


@pytest.mark.parametrize("clustered", [False, True])
def test_is_the_two_steps_of_statsmodels(clustered):
    test, past = tables(3)
    test["shop"], past["shop"] = np.arange(600) % 40, 100 + np.arange(800) % 50
    kwargs = {"cluster": "shop"} if clustered else {}
    if clustered:
        test["arm"] = test["shop"] % 2
    r = gc.surrogate(test, past, **GIVEN, **kwargs)
    x = [*COLUMNS, "taste"]
    how = {"cov_type": "cluster", "cov_kwds": {"groups": past["shop"]}} if clustered else {"cov_type": "HC2"}
    line = sm.OLS(past["gmv_90d"], sm.add_constant(past[x])).fit(**how)
    told = line.predict(sm.add_constant(test[x]))
    on = test["arm"] == 1
    gap = np.r_[0.0, (test.loc[on, x].mean() - test.loc[~on, x].mean()).to_numpy()]
    assert r.estimate == pytest.approx(told[on].mean() - told[~on].mean(), rel=1e-10)
    variance = 0.0
    for own in (on, ~on):
        left = told[own] - told[own].mean()
        if clustered:
            sums = left.groupby(test.loc[own, "shop"]).sum() / own.sum()
            variance += (sums**2).sum() * 20 / 19
        else:
            variance += left.var() / own.sum()
    variance += gap @ line.cov_params().to_numpy() @ gap
    assert r.std_error == pytest.approx(np.sqrt(variance), rel=1e-8)


def _moments(theta, test, past, y, arm):
    """Stacked moments of logits, line and means (score and both together), row by row."""
    p = test.shape[1]
    place, score, line, rest = np.split(theta, [p, 2 * p, 3 * p])
    both, here = np.vstack([test, past]), np.r_[np.ones(len(test)), np.zeros(len(past))]
    out = [both * (here - 1 / (1 + np.exp(-both @ place)))[:, None]]
    chance = 1 / (1 + np.exp(-both @ score))
    out.append(both * (here * (np.r_[arm, np.zeros(len(past))] - chance))[:, None])
    left = np.r_[np.zeros(len(test)), y - past @ line]
    out.append(both * left[:, None])
    odds = (1 - here) * np.exp(both @ place)
    long = np.r_[np.zeros(len(test)), y]
    for target, at in ((long, 0), (left, 2)):
        out.append((odds * chance * (target - rest[at]))[:, None])
        out.append((odds * (1 - chance) * (target - rest[at + 1]))[:, None])
    told = np.r_[test @ line, np.zeros(len(past))]
    on = np.r_[arm, np.zeros(len(past))]
    out.append((on * (told - rest[4]))[:, None])
    out.append((here * (1 - on) * (told - rest[5]))[:, None])
    return np.hstack(out)


def test_score_and_both_have_the_sandwich_of_their_stacked_moments():
    from scipy.optimize import root

    rng = np.random.default_rng(5)
    n, m = 300, 400
    arm = rng.integers(0, 2, n)
    x, past = rng.normal(size=(n, 2)) + 0.3 * arm[:, None], rng.normal(size=(m, 2))
    y = past @ [2.0, 1.0] + rng.normal(size=m) + 0.3 * past[:, 0] ** 2
    names = ["a", "b"]
    test = pd.DataFrame(x, columns=names).assign(arm=arm)
    history = pd.DataFrame(past, columns=names).assign(long=y)
    one, ones = np.column_stack([np.ones(n), x]), np.column_stack([np.ones(m), past])
    total = lambda theta: _moments(theta, one, ones, y, arm).sum(axis=0)  # noqa: E731  # root wants a function
    found = root(total, np.zeros(15), tol=1e-13).x
    step = 1e-6
    slope = np.column_stack([(total(found + step * e) - total(found - step * e)) / (2 * step) for e in np.eye(15)])
    influence = -_moments(found, one, ones, y, arm) @ np.linalg.inv(slope).T
    for estimator, combination in (("score", {9: 1, 10: -1}), ("doubly_robust", {11: 1, 12: -1, 13: 1, 14: -1})):
        r = gc.surrogate(test, history, "long", "arm", names, estimator=estimator)
        of_term = sum(sign * influence[:, at] for at, sign in combination.items())
        on = np.r_[arm == 1, np.zeros(m, bool)]
        off = np.r_[arm == 0, np.zeros(m, bool)]
        variance = sum((of_term[k] ** 2).sum() * k.sum() / (k.sum() - 1) for k in (on, off, ~(on | off)))
        assert r.estimate == pytest.approx(sum(s * found[at] for at, s in combination.items()), rel=1e-6)
        assert r.std_error == pytest.approx(np.sqrt(variance), rel=1e-5)


def test_adjustment_is_that_of_interacted_least_squares():
    rng = np.random.default_rng(2)
    arm, c, y = rng.integers(0, 2, 200), rng.normal(size=(200, 2)), rng.normal(size=200)
    middle = c - c.mean(axis=0)
    design = np.column_stack([np.ones(200), arm, middle, middle * arm[:, None]])
    found = numbers.adjusted(y, c, arm, 1)
    assert found.estimate == pytest.approx(np.linalg.lstsq(design, y, rcond=None)[0][1], abs=1e-12)
    assert found.influence.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("estimator", ["index", "doubly_robust"])
def test_covers_the_truth(estimator):
    hits, runs = 0, 150
    for seed in range(runs):
        low, high = gc.surrogate(*tables(seed, 300, 300), **GIVEN, estimator=estimator).conf_int()
        hits += low <= TRUTH <= high
    assert hits >= stats.binom.ppf(0.002, runs, 0.95)


def test_trees_follow_a_curve_that_the_line_misses():
    rng = np.random.default_rng(8)
    n = m = 1500
    arm = rng.integers(0, 2, n)
    s, past = np.abs(rng.normal(size=n) * (1 + arm)), np.abs(rng.normal(size=m) * 1.5)
    long = lambda v: 10 * np.minimum(v, 1.0)  # noqa: E731  # one line of arithmetic
    test = pd.DataFrame({"s": s, "arm": arm})
    history = pd.DataFrame({"s": past, "long": long(past) + rng.normal(size=m)})
    truth = long(s[arm == 1]).mean() - long(s[arm == 0]).mean()
    line = gc.surrogate(test, history, "long", "arm", ["s"])
    tree = gc.surrogate(test, history, "long", "arm", ["s"], estimator="doubly_robust", learner="trees")
    assert abs(tree.estimate - truth) < 0.5 * abs(line.estimate - truth)
    assert line.audit["index_shape"].status == "warned" and "index_shape" not in tree.audit


def test_relations():
    test, past = tables(11, known=200)
    base = gc.surrogate(test, past, **GIVEN)
    rng = np.random.default_rng(0)
    mixed = gc.surrogate(test.sample(frac=1, random_state=rng), past.sample(frac=1, random_state=rng), **GIVEN)
    np.testing.assert_allclose(mixed.to_frame()["std_error"], base.to_frame()["std_error"], rtol=1e-9)
    np.testing.assert_allclose(mixed.to_frame()["estimate"], base.to_frame()["estimate"], rtol=1e-9)
    assert mixed.manifest.data_sha256 == base.manifest.data_sha256 and mixed.r2 == pytest.approx(base.r2)
    cents = [t.assign(gmv_90d=100 * t["gmv_90d"]) for t in (test, past)]
    r = gc.surrogate(*cents, **GIVEN)
    np.testing.assert_allclose(r.to_frame()["estimate"], 100 * base.to_frame()["estimate"], rtol=1e-9)
    moved = [t.assign(gmv_90d=t["gmv_90d"] + 1e7, visits=t["visits"] + 1e7) for t in (test, past)]
    r = gc.surrogate(*moved, **GIVEN)
    np.testing.assert_allclose(r.to_frame()["std_error"], base.to_frame()["std_error"], rtol=1e-6)
    turned = gc.surrogate(test.assign(arm=1 - test["arm"]), past, **GIVEN)
    assert turned.estimate == pytest.approx(-base.estimate)
    named = gc.surrogate(test.assign(arm=np.where(test["arm"] == 1, "x", "c")), past, **GIVEN, control="c")
    assert named.std_error == pytest.approx(base.std_error)
    # A straight map of a surrogate is the same surrogate.
    maps = [t.assign(visits=5 - 3 * t["visits"]) for t in (test, past)]
    assert gc.surrogate(*maps, **GIVEN).estimate == pytest.approx(base.estimate)


def test_several_arms_each_against_the_control():
    test, past = tables(4, 900)
    third = np.where(np.arange(900) % 3 == 2, 2, test["arm"])
    r = gc.surrogate(test.assign(arm=third), past, **GIVEN, control=0)
    two = gc.surrogate(test[third != 2].assign(arm=third[third != 2]), past, **GIVEN)
    assert list(r.to_frame()["term"]) == ["1", "2"] and r.estimate == pytest.approx(two.estimate)
    assert r.bias(arm=2)["bias"].iloc[-1] > 0 and len(r.surrogates()) == 6
    with pytest.raises(gc.InputError, match="2 treated arms"):
        r.bias()
    assert r.incremental_gmv(arm=2).estimate == pytest.approx(r.to_frame()["estimate"][1] * (third == 2).sum())


def test_protocol_and_words(tmp_path):
    test, past = tables(1, 1500, 2000)
    r = gc.surrogate(test, past, **GIVEN)
    assert_protocol(r, tmp_path, (None, "bias", "estimates"))
    text = " ".join(r.summary().split())
    assert "as its surrogates foretell it, not as seen" in text and "rests on surrogacy" in text
    assert "assumed, not seen" in text and r.audit["surrogacy"].status == "not_run"
    assert "foretold" in " ".join(r.incremental_gmv().summary().split())
    assert "gmv_90d as foretold" in str(gc.table(r))
    gc.report([r], tmp_path / "r.html")
    assert "not as seen" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_path_past_the_surrogates_is_found_where_outcomes_are_known():
    r = gc.surrogate(*tables(2, 800, direct=30.0, known=500), **GIVEN)
    assert r.audit["surrogacy"].status == "failed" and "REFUSED" in r.summary()
    # The bound holds the truth that the interval misses.
    assert list(r.to_frame()["kind"]) == ["foretold", "seen"]
    worst = r.bias().iloc[-1]
    assert (
        worst["conf_low"] <= TRUTH + 30 <= worst["conf_high"] and not r.conf_int()[0] <= TRUTH + 30 <= r.conf_int()[1]
    )


def test_the_bound_is_sharp():
    # All that the index leaves of the outcome goes with what surrogates leave of the arm: correlation 1.
    rng = np.random.default_rng(0)
    n = 40_000
    arm = np.repeat([0, 1], n // 2)
    s = rng.normal(size=n) + arm
    left = arm - arm.mean() - (s - s.mean()) * (np.cov(s, arm)[0, 1] / s.var())
    long = s + 5 * left
    past = pd.DataFrame({"s": rng.normal(size=n)})
    past["long"] = past["s"] + rng.normal(size=n) * 5 * left.std()
    r = gc.surrogate(pd.DataFrame({"s": s, "arm": arm}), past, "long", "arm", ["s"])
    truth = long[arm == 1].mean() - long[arm == 0].mean()
    assert r.bias()["bias"].iloc[-1] == pytest.approx(abs(truth - r.estimate), rel=0.05)


def test_clean_tables_raise_no_alarm():
    alarms = {"surrogacy": 0, "same_relation": 0, "index_shape": 0}
    runs = 100
    for seed in range(runs):
        audit = gc.surrogate(*tables(1000 + seed, 300, 300, known=200), **GIVEN).audit
        for name in alarms:
            alarms[name] += audit[name].status == "failed" or (name == "index_shape" and audit[name].status == "warned")
    assert max(alarms.values()) <= stats.binom.ppf(0.999, runs, 0.01) + 1


@pytest.mark.parametrize(
    ("name", "status", "change"),
    [
        ("same_relation", "failed", lambda t, h: (t.assign(gmv_90d=t["gmv_90d"] + 40), h)),
        ("comparable", "failed", lambda t, h: (t.assign(taste=t["taste"] + 30), h)),
        ("extrapolation", "failed", lambda t, h: (t, h[h["gmv_14d"] < 20])),
        ("index_r2", "failed", lambda t, h: (t, h.assign(gmv_90d=np.random.default_rng(0).permutation(h["gmv_90d"])))),
        ("history_treated", "warned", lambda t, h: (t, h.assign(arm=(np.arange(len(h)) % 4 == 0).astype(int)))),
        ("history_arm", "warned", lambda t, h: (
            t, h.assign(arm=np.arange(len(h)) % 2, gmv_90d=h["gmv_90d"] + 30 * (np.arange(len(h)) % 2)))),
        ("sample_ratio", "failed", lambda t, h: (t[(t["arm"] == 1) | (t.index % 2 == 0)], h)),
        ("balance", "failed", lambda t, h: (t.assign(arm=(t["taste"] > t["taste"].median()).astype(int)), h)),
        ("copies", "failed", lambda t, h: (pd.concat([t, t], ignore_index=True), h)),
        ("shared_units", "warned", lambda t, h: (t.assign(user=t.index), h.assign(user=h.index + 500))),
    ],
)  # fmt: skip
def test_checks(name, status, change):
    test, past = tables(6, known=400)
    clean = gc.surrogate(test, past, **GIVEN)
    assert name not in clean.audit or clean.audit[name].status == "passed"
    assert gc.surrogate(*change(test, past), **GIVEN).audit[name].status == status


def test_unseen_path_and_weights():
    test, past = tables(1, 4000, 3000)
    r = gc.surrogate(test, past, **GIVEN, estimator="doubly_robust")
    assert r.conf_int()[0] > 0 and "unseen_path" in r.audit
    assert 100 < r.audit["effective_sample_size"].value <= 3000
    far = past[past["visits"] <= 1]
    few = gc.surrogate(test.assign(visits=test["visits"] + 1), far, **GIVEN, estimator="score")
    assert few.audit["effective_sample_size"].status in ("warned", "failed")


def test_few_clusters_get_no_interval():
    test, past = tables(9)
    r = gc.surrogate(test.assign(club=np.arange(600) % 8 + 10 * test["arm"]), past, **GIVEN, cluster="club")
    assert np.isnan(r.std_error) and r.audit["few_clusters"].status == "failed"
    with pytest.warns(gc.GmvCausalWarning, match="does not vary within 'room'"):
        found = gc.surrogate(test.assign(room=np.arange(600) % 20 + 100 * test["arm"]), past, **GIVEN)
    assert found.audit["cluster_level"].status == "warned"


def test_units_of_both_tables_are_one_source_of_chance():
    rng = np.random.default_rng(7)
    past = users(rng, 400, np.zeros(400)).assign(user=np.arange(400))
    test = past[["taste", "visits", "gmv_14d", "user"]].assign(arm=rng.integers(0, 2, 400))
    with_units = gc.surrogate(test, past, **GIVEN)
    alone = gc.surrogate(test.drop(columns="user"), past, **GIVEN)
    assert with_units.estimate == pytest.approx(alone.estimate) and with_units.std_error != alone.std_error
    assert with_units.std_error == pytest.approx(alone.std_error, rel=0.2)


def test_a_history_with_users_twice_is_refused():
    test, past = tables(6)
    twice = pd.concat([past, past], ignore_index=True).assign(user=np.arange(2 * len(past)) % len(past))
    with pytest.raises(gc.InputError, match=r"units occur more than once.*'user'"):
        gc.surrogate(test, twice, **GIVEN)


def test_arms_without_covariates_are_taken_on_trust():
    audit = gc.surrogate(*tables(6), **GIVEN | {"covariates": []}).audit
    assert audit["balance"].status == "not_run"


def test_the_page_publishes_the_rules_of_the_code():
    page = Path(__file__).resolve().parents[2] / "docs" / "estimators" / "surrogates.md"
    text = page.read_text(encoding="utf-8").split("\n## Checks and thresholds\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE


@pytest.mark.parametrize("estimator", ["index", "score", "doubly_robust"])
def test_surrogates_that_nothing_moves_foretell_nothing(estimator):
    test, past = tables(0, 400, 500)
    still = test.assign(visits=1, gmv_14d=9.0, taste=2.0)
    assert gc.surrogate(still, past, **GIVEN, estimator=estimator).estimate == pytest.approx(0.0, abs=1e-9)
