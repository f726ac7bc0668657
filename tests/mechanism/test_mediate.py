"""Natural direct and indirect effects: by hand, by second implementations; what must not matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from mediate_data import call, people, row
from numpy.testing import assert_allclose
from statsmodels.stats.mediation import Mediation

import gmvcausal as gc
from gmvcausal.mechanism.pathways.asked import Asked
from gmvcausal.mechanism.pathways.contrasts import chosen, weights
from gmvcausal.mechanism.pathways.draws import draw_effects
from gmvcausal.mechanism.pathways.fitting import fit_system
from gmvcausal.mechanism.pathways.read import read
from gmvcausal.mechanism.pathways.system import Model


# --- by hand ----------------------------------------------------------------------------------------------------------
def test_eight_rows_by_hand() -> None:
    data = pd.DataFrame({"t": [0, 0, 0, 0, 1, 1, 1, 1], "m": [0, 0, 0, 1, 0, 1, 1, 1],
                         "gmv": [1.0, 3, 2, 4, 4, 9, 11, 10]})  # fmt: skip
    # Without treatment: 2 where m = 0, 4 where m = 1, a quarter has m = 1. Under it: 4 and 10, three quarters.
    # Pure direct: 3/4 (4 - 2) + 1/4 (10 - 4) = 3. Total indirect: (3/4 - 1/4) (10 - 4) = 3. Total: 8.5 - 2.5 = 6.
    r = gc.mediate(data, "gmv", "t", ["m"], reps=0)
    assert_allclose(r.to_frame()["estimate"], [6, 3, 3], rtol=1e-12)
    # Total direct: 1/4 (4 - 2) + 3/4 (10 - 4) = 5. Pure indirect: (3/4 - 1/4) (4 - 2) = 1.
    other = gc.mediate(data, "gmv", "t", ["m"], reps=0, split="total_direct")
    assert_allclose(other.to_frame()["estimate"], [6, 5, 1], rtol=1e-12)
    both = gc.mediate(data, "gmv", "t", ["m"], reps=0, split="average")
    assert_allclose(both.to_frame()["estimate"], [6, 4, 2], rtol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("split", ["pure_direct", "total_direct", "average"])
def test_parts_add_up_whatever_the_means_are(k: int, split: str) -> None:
    mean = np.random.default_rng(k).standard_normal(2 ** (k + 1))
    value = chosen(k, split) @ weights(k) @ mean
    assert_allclose(value[0], value[1:].sum(), rtol=1e-12)
    assert_allclose(value[0], mean[-1] - mean[0], rtol=1e-12)


@pytest.mark.parametrize("model", ["linear", "logit", "poisson", "hurdle"])
@pytest.mark.parametrize("split", ["pure_direct", "total_direct", "average"])
def test_direct_and_indirect_add_up_to_the_total(model: str, split: str) -> None:
    outcome = {"logit": "bought", "linear": "gmv"}.get(model, "spend")
    r = call(people(), outcome=outcome, mediators=["watch", "interacted", "shared"], outcome_model=model, split=split)
    found = r.to_frame()["estimate"]
    assert_allclose(found[0], found[1:].sum(), rtol=1e-12)


# --- second implementations -------------------------------------------------------------------------------------------
def test_slopes_and_robust_errors_are_those_of_statsmodels() -> None:
    data = people()
    x = sm.add_constant(data[["raffle", "activity"]])
    first = sm.OLS(data["watch"], x).fit()
    last = sm.OLS(data["gmv"], x.assign(watch=data["watch"])).fit()
    a, b, direct = first.params["raffle"], last.params["watch"], last.params["raffle"]
    r = call(data, interaction=False)
    assert_allclose(r.to_frame()["estimate"], [direct + a * b, direct, a * b], rtol=1e-9)
    # What each row adds to the slopes, by their matrices; the product by the delta method.
    bread = [np.linalg.inv(m.model.exog.T @ m.model.exog) for m in (first, last)]
    own = [m.model.exog * np.asarray(m.resid)[:, None] @ k for m, k in zip((first, last), bread, strict=True)]
    own = [o * np.sqrt(len(data) / (len(data) - o.shape[1])) for o in own]
    of_a, of_b, of_c = own[0][:, 1], own[1][:, 3], own[1][:, 1]
    assert_allclose(np.sqrt((of_c**2).sum()), last.get_robustcov_results("HC1").bse[1], rtol=1e-9)
    want = [np.sqrt(((of_c + a * of_b + b * of_a) ** 2).sum()), np.sqrt((of_c**2).sum()),
            np.sqrt(((a * of_b + b * of_a) ** 2).sum())]  # fmt: skip
    assert_allclose(r.to_frame()["std_error"], want, rtol=1e-8)


class _NoNoise(Mediation):
    """statsmodels' own steps with slopes and mediators at their means, so that nothing is left to chance."""

    def _simulate_params(self, result: Any, rng: Any) -> Any:
        return result.params


@pytest.mark.parametrize("outcome", ["gmv", "bought"])
def test_points_are_those_of_statsmodels_mediation(outcome: str) -> None:
    data = people()
    x = np.column_stack([np.ones(len(data)), data["raffle"], data["activity"]])
    m = data["interacted"].to_numpy(float)
    whole = np.column_stack([m, x])
    family = sm.families.Binomial() if outcome == "bought" else sm.families.Gaussian()
    last = sm.GLM(data[outcome].to_numpy(float), whole, family=family)
    peer = _NoNoise(last, sm.GLM(m, x, family=sm.families.Binomial()), (2, 1), 0).fit(n_rep=700, rng=0)
    r = call(data, outcome=outcome, mediators=["interacted"], interaction=False)
    v = r.versions().set_index(["term", "version"])["estimate"]
    # The mediator is drawn there and summed over here: equal within the error of 700 draws.
    for t, version in ((0, "pure"), (1, "total")):
        for term, drawn in (("direct", peer.direct_effects[t]), ("indirect:interacted", peer.indirect_effects[t])):
            each = drawn.mean(axis=0)
            assert abs(each.mean() - v[term, version]) < 4 * each.std() / np.sqrt(700) + 1e-9
    # And exactly, with the chances that statsmodels predicts in place of draws.
    chance = [sm.GLM(m, x, family=sm.families.Binomial()).fit().predict(_at(x, 1, t)) for t in (0, 1)]
    fitted = last.fit()
    mean = [[fitted.predict(_at(_at(whole, 2, t), 0, s)) for s in (0, 1)] for t in (0, 1)]
    mu = [[(mean[t][1] * chance[s] + mean[t][0] * (1 - chance[s])).mean() for s in (0, 1)] for t in (0, 1)]
    assert_allclose(v["indirect:interacted", "total"], mu[1][1] - mu[1][0], rtol=1e-7)
    assert_allclose(v["direct", "pure"], mu[1][0] - mu[0][0], rtol=1e-7)


def _at(x: np.ndarray[Any, Any], column: int, value: float) -> np.ndarray[Any, Any]:
    x = x.copy()
    x[:, column] = value
    return x


def test_the_published_framing_example() -> None:
    """Brader, Valentino and Suhay (2008), as R's mediation prints it: ACME .085, total .103 (there a probit)."""
    folder = Path(sm.__file__).parents[1] / "statsmodels" / "stats" / "tests" / "results"
    data = pd.read_csv(folder / "framing.csv")
    data["educ"] = data["educ"].astype(str)
    r = gc.mediate(data, "cong_mesg", "treat", ["emo"], ["age", "educ", "gender", "income"], interaction=False,
                   split="average", reps=0)  # fmt: skip
    assert abs(row(r, "indirect:emo")["estimate"] - 0.0854) < 0.005
    assert abs(r.estimate - 0.1026) < 0.015


def test_poisson_and_hurdle_by_statsmodels() -> None:
    data = people(2000)
    x = sm.add_constant(data[["raffle", "interacted", "activity"]]).to_numpy(float)
    whole = np.column_stack([x, x[:, 1] * x[:, 2]])
    y = data["spend"].to_numpy()
    chance = [sm.Logit(x[:, 2], x[:, [0, 1, 3]]).fit(disp=0).predict(_at(x[:, [0, 1, 3]], 1, t)) for t in (0, 1)]

    def at(t: float, s: float) -> np.ndarray[Any, Any]:
        out = _at(_at(whole, 1, t), 2, s)
        out[:, 4] = t * s
        return out

    one = sm.GLM(y, whole, family=sm.families.Poisson()).fit()
    some = sm.Logit(y > 0, whole).fit(disp=0)
    much = sm.GLM(y[y > 0], whole[y > 0], family=sm.families.Poisson()).fit()
    for model, mean in (("poisson", one.predict), ("hurdle", lambda z: some.predict(z) * much.predict(z))):
        mu = [[(mean(at(t, 1)) * chance[s] + mean(at(t, 0)) * (1 - chance[s])).mean() for s in (0, 1)] for t in (0, 1)]
        r = call(data, outcome="spend", mediators=["interacted"], outcome_model=model)
        want = [mu[1][1] - mu[0][0], mu[1][0] - mu[0][0], mu[1][1] - mu[1][0]]
        assert_allclose(r.to_frame()["estimate"], want, rtol=1e-6)


def test_fixed_effects_are_dummies() -> None:
    data = people().assign(day=lambda d: d["room_no"] % 7)
    r = call(data, fixed="room_no", interaction=True)
    dummies = pd.get_dummies(data["room_no"], dtype=float)
    x = np.column_stack([data["raffle"], data["activity"], dummies])
    a = np.linalg.lstsq(x, data["watch"], rcond=None)[0][0]
    whole = np.column_stack([data["raffle"], data["watch"], data["raffle"] * data["watch"], data["activity"], dummies])
    beta = np.linalg.lstsq(whole, data["gmv"], rcond=None)[0]
    low = data["watch"].mean() - a * data["raffle"].mean()
    assert_allclose(row(r, "indirect:watch")["estimate"], a * (beta[1] + beta[2]), rtol=1e-8)
    assert_allclose(row(r, "direct")["estimate"], beta[0] + beta[2] * low, rtol=1e-8)
    two = call(data, fixed=["room_no", "day"])  # day is told by room_no
    assert_allclose(two.to_frame()["estimate"], r.to_frame()["estimate"], rtol=1e-7)


def test_ordered_mediators_pass_on_what_they_moved() -> None:
    data = people()
    r = call(data, mediators=["interacted", "watch"], ordered=True, interaction=False)
    flat = call(data, mediators=["interacted", "watch"], mediator_model="linear", interaction=False)
    x = sm.add_constant(data[["raffle", "activity"]])
    a = sm.OLS(data["interacted"], x).fit().params["raffle"]
    second = sm.OLS(data["watch"], x.assign(i=data["interacted"])).fit().params
    last = sm.OLS(data["gmv"], x.assign(i=data["interacted"], w=data["watch"])).fit().params
    assert_allclose(row(r, "indirect:interacted")["estimate"], a * (last["i"] + second["i"] * last["w"]), rtol=1e-8)
    assert_allclose(row(r, "indirect:watch")["estimate"], second["raffle"] * last["w"], rtol=1e-8)
    # Another share-out of the same sum.
    assert_allclose(r.to_frame()["estimate"][:2], flat.to_frame()["estimate"][:2], rtol=1e-8)


@pytest.mark.parametrize("model", ["linear", "logit", "poisson", "hurdle"])
def test_errors_are_those_of_refits(model: str) -> None:
    """The analytic standard error beside the spread of 400 refits from scratch."""
    data = people(500)
    outcome = {"logit": "bought", "linear": "gmv"}.get(model, "spend")
    r = call(data, outcome=outcome, mediators=["interacted"], outcome_model=model, reps=400)
    assert_allclose(r.to_frame()["boot_error"], r.to_frame()["std_error"], rtol=0.15)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        again = data.iloc[rng.integers(0, len(data), len(data))]
        found.append(call(again, outcome=outcome, mediators=["interacted"], outcome_model=model).to_frame()["estimate"])
    assert_allclose(np.std(found, axis=0), r.to_frame()["std_error"], rtol=0.35)


@pytest.mark.parametrize("cluster", [None, "room_no"])
def test_a_draw_of_least_squares_is_the_refit_itself(cluster: str | None) -> None:
    data = people(300)
    asked = Asked("gmv", "raffle", ("watch", "shared"), ("activity",), (), cluster, None, None, {}, None, "raise",
                  "auto")  # fmt: skip
    rows = read(data, asked)
    system = fit_system(rows, Model("linear", ("linear", "linear"), (0, 1), False))
    drawn = draw_effects(system, rows.groups, 3, np.random.default_rng(5))
    # The same weights, as repeated rows of a table.
    rng, weight = np.random.default_rng(5), np.zeros((3, len(rows.groups)))
    for g in range(int(rows.groups.max()) + 1):
        home = np.flatnonzero(rows.groups == g)
        for draw, pick in enumerate(rng.integers(0, len(home), (3, len(home)))):
            weight[draw, home] = np.bincount(pick, minlength=len(home))
    for draw in range(3):
        by_row = weight[draw] if cluster is None else weight[draw][rows.cluster]
        at = np.repeat(np.arange(rows.n), by_row.astype(int))
        again = pd.DataFrame({"gmv": rows.y[at], "raffle": rows.t[at], "activity": rows.x[at, 0],
                              "watch": rows.m[at, 0], "shared": rows.m[at, 1]})  # fmt: skip
        r = call(again, mediators=["watch", "shared"], mediator_model="linear")
        v = r.versions().set_index(["term", "version"])["estimate"]
        want = [r.estimate, v["direct", "pure"], v["direct", "total"], v["indirect:watch", "pure"],
                v["indirect:watch", "total"], v["indirect:shared", "pure"], v["indirect:shared", "total"]]  # fmt: skip
        assert_allclose(drawn[draw], want, rtol=1e-7)


# --- what must not matter ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("cluster", [None, "room_no"])
@pytest.mark.parametrize("outcome", ["gmv", "bought"])
def test_the_order_of_rows_does_not_matter(outcome: str, cluster: str | None) -> None:
    data = people()
    more = {"outcome": outcome, "cluster": cluster, "mediators": ["interacted", "watch"], "reps": 99, "seed": 4}
    one = call(data, **more)
    moved = data.sample(frac=1, random_state=1)
    moved["room_no"] = moved["room_no"].map(lambda v: f"room {97 * v % 41}")
    other = call(moved, **more)
    skip = ["n"]
    pd.testing.assert_frame_equal(one.to_frame().drop(columns=skip), other.to_frame().drop(columns=skip), rtol=1e-9)


def test_scale_and_shift_and_names_do_not_matter() -> None:
    data = people()
    one = call(data, reps=199).to_frame()
    for change, factor in ((lambda d: d.assign(gmv=100 * d["gmv"]), 100), (lambda d: d.assign(gmv=d["gmv"] + 1e7), 1),
                           (lambda d: d.assign(watch=60 * d["watch"] + 1e5), 1)):  # fmt: skip
        other = call(change(data), reps=199).to_frame()
        for name in ("estimate", "std_error", "conf_low", "conf_high"):
            assert_allclose(other[name], factor * one[name], rtol=1e-6)
    labels = data.assign(raffle=data["raffle"].map({0: "none", 1: "a raffle"}))
    named = call(labels, control="none", reps=199).to_frame()
    assert_allclose(named["estimate"], one["estimate"], rtol=1e-12)
    # The other arm as control: what was pure is total, with the other sign.
    back = call(labels, control="a raffle", split="total_direct").to_frame()
    assert_allclose(back["estimate"], -one["estimate"], rtol=1e-9)


def _global_state() -> np.ndarray[Any, Any]:
    return np.asarray(np.random.get_state()[1]).copy()  # noqa: NPY002  # the very state that must stay as it is


def test_neither_the_frame_nor_the_global_state_is_touched() -> None:
    data = people()
    before, state = data.copy(), _global_state()
    one = call(data, reps=99, seed=1)
    pd.testing.assert_frame_equal(data, before)
    assert (_global_state() == state).all()
    assert_allclose(call(data, reps=99, seed=1).to_frame()["conf_low"], one.to_frame()["conf_low"], rtol=0)
    assert row(call(data, reps=99, seed=2), "direct")["conf_low"] != row(one, "direct")["conf_low"]
