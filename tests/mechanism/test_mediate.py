"""Natural direct and indirect effects: by hand, by second implementations, by known truth; what must not matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from statsmodels.stats.mediation import Mediation

import gmvcausal as gc
from gmvcausal.mechanism.pathways.contrasts import chosen, weights
from gmvcausal.mechanism.pathways.draws import draw_effects
from gmvcausal.mechanism.pathways.fitting import fit_system
from gmvcausal.mechanism.pathways.read import Asked, read
from gmvcausal.mechanism.pathways.rules import TABLE
from gmvcausal.mechanism.pathways.system import Model
from tests.protocol import assert_protocol


def people(n: int = 600, seed: int = 3, noise: float = 1.0) -> pd.DataFrame:
    """A raffle that moves interaction (0/1), watch time and sharing; activity moves all of them, and GMV."""
    rng = np.random.default_rng(seed)
    activity, raffle = rng.standard_normal(n), rng.integers(0, 2, n)
    watch = 10 + 2 * raffle + activity + rng.standard_normal(n)
    interacted = (rng.random(n) < 1 / (1 + np.exp(0.5 - raffle - 0.4 * activity))).astype(int)
    shared = (rng.random(n) < 0.2 + 0.3 * raffle).astype(int)
    index = 5 + raffle + 0.5 * watch + 2 * interacted + 0.7 * raffle * interacted + shared + activity
    gmv = index + noise * rng.standard_normal(n)
    room = rng.integers(0, 40, n)
    return pd.DataFrame({
        "raffle": raffle, "watch": watch, "interacted": interacted, "shared": shared, "activity": activity,
        "room_no": room, "gmv": gmv, "bought": (gmv > np.median(gmv) + rng.standard_normal(n)).astype(int),
        "spend": rng.poisson(np.exp(0.15 * index - 1)) * rng.exponential(2.0, n),
    })  # fmt: skip


def call(data: pd.DataFrame, **more: Any) -> Any:
    options: dict[str, Any] = {"mediators": ["watch"], "covariates": ["activity"], "reps": 0} | more
    return gc.mediate(data, options.pop("outcome", "gmv"), options.pop("treatment", "raffle"), **options)


def row(result: Any, term: str) -> pd.Series[Any]:
    return result.to_frame().set_index("term").loc[term]


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


# --- the rho curve ----------------------------------------------------------------------------------------------------
def test_the_curve_is_the_closed_form_of_imai_keele_and_yamamoto() -> None:
    data = people()
    r = call(data, interaction=False)
    x = sm.add_constant(data[["raffle", "activity"]])
    first, reduced = sm.OLS(data["watch"], x).fit(), sm.OLS(data["gmv"], x).fit()
    s1, s2 = np.std(reduced.resid), np.std(first.resid)
    tilde = np.corrcoef(reduced.resid, first.resid)[0, 1]
    path = r.sensitivity().paths[0]
    for rho in (-0.5, 0.0, 0.3):
        want = first.params["raffle"] * s1 / s2 * (tilde - rho * np.sqrt((1 - tilde**2) / (1 - rho**2)))
        assert_allclose(path.at(rho)[0], want, rtol=1e-8)
    assert_allclose(path.zero, tilde, rtol=1e-8)
    assert_allclose(path.at(0.0), row(r, "indirect:watch")[["estimate", "std_error"]].astype(float), rtol=1e-8)
    low, high = path.zero_between(1.96)
    assert low < path.zero < high


def test_the_curve_finds_the_truth_at_the_true_rho() -> None:
    rng = np.random.default_rng(0)
    n, rho = 60_000, 0.4
    t = rng.integers(0, 2, n)
    error = rng.multivariate_normal([0, 0], [[1, 2 * rho], [2 * rho, 4]], n)
    m = 0.8 * t + error[:, 0]
    data = pd.DataFrame({"t": t, "m": m, "gmv": t + 1.5 * m + 0.5 * t * m + error[:, 1]})
    r = gc.mediate(data, "gmv", "t", ["m"], reps=0)
    assert row(r, "indirect:m")["estimate"] > 2.0  # the truth is .8 x 2
    for split, truth in (("pure_direct", 1.6), ("total_direct", 1.2), ("average", 1.4)):
        path = gc.mediate(data, "gmv", "t", ["m"], reps=0, split=split).sensitivity().paths[0]
        assert abs(path.at(rho)[0] - truth) < 4 * path.at(rho)[1]


# --- three steps and moderation ---------------------------------------------------------------------------------------
def test_three_steps_are_the_regressions_and_sobel_is_its_closed_form() -> None:
    data = people()
    r = call(data)
    x = sm.add_constant(data[["raffle", "activity"]])
    fits = [sm.OLS(data["gmv"], x).fit(), sm.OLS(data["watch"], x).fit(),
            sm.OLS(data["gmv"], x.assign(watch=data["watch"])).fit()]  # fmt: skip
    for mine, peer in zip(r.regressions, fits, strict=True):
        names = list(mine.names)
        assert_allclose(mine.beta, peer.params[names], rtol=1e-9)
        assert_allclose(mine.errors["unadjusted"], peer.bse[names], rtol=1e-8)
        robust = pd.Series(peer.get_robustcov_results("HC1").bse, index=peer.params.index)[names]
        assert_allclose(mine.errors["robust"], robust, rtol=1e-8)
        assert_allclose(mine.r2, peer.rsquared, rtol=1e-9)
    a, b = fits[1], fits[2]
    sobel = a.params["raffle"] * b.params["watch"] / np.hypot(
        a.params["raffle"] * b.bse["watch"], b.params["watch"] * a.bse["raffle"])  # fmt: skip
    from gmvcausal.mechanism.pathways.steps import product_of

    to, on = r.regressions[1], r.regressions[2]
    errors = float(to.errors["unadjusted"][0]), float(on.errors["unadjusted"][1])
    found = product_of(float(to.beta[0]), errors[0], float(on.beta[1]), errors[1], 0.05, 0)
    assert_allclose(found.z, sobel, rtol=1e-8)
    shown = " ".join(r.three_steps(errors="unadjusted").summary().split())
    assert f"{sobel:.2f}" in shown and "Known faults" in shown and "partial mediation by watch" in shown


def test_the_flow_of_wen_and_ye() -> None:
    from gmvcausal.mechanism.pathways.steps import Product, flow

    strong, weak = Product(2.0, 0.2, 10, 0.0, 1.5, 2.5), Product(0.1, 0.2, 0.5, 0.6, -0.3, 0.5)
    assert flow(3.0, 1.0, 0.5, weak, False, 0.05)[0] == "none"
    assert flow(3.0, 1.0, 0.5, strong, False, 0.05)[0] == "full"  # the product's interval decides
    assert flow(4.0, 2.0, 0.001, strong, True, 0.05) == ("partial", 0.5)
    assert flow(-1.0, -4.0, 0.001, strong, True, 0.05) == ("masked", 0.5)


def test_steps_stand_in_a_report(tmp_path: Path) -> None:
    r = call(people())
    gc.report([r], tmp_path / "r.html", title="Why?")
    page = tmp_path / "s.html"
    gc.report({"raffle": r, "steps": r.three_steps()}, page)
    assert "Known faults of the steps" in page.read_text(encoding="utf-8")


def test_the_table_goes_to_word_latex_and_chinese(tmp_path: Path) -> None:
    table = call(people(), mediators=["watch", "interacted"], cluster="room_no").three_steps(style="cn", language="zh")
    table.to_docx(tmp_path / "t.docx")
    assert (tmp_path / "t.docx").stat().st_size > 1000
    assert "\\toprule" in table.to_latex() and "温忠麟" in table.summary() and "逐步法的已知缺陷" in table.to_html()


def test_simple_slopes_and_region_by_statsmodels() -> None:
    data = people().assign(city=lambda d: np.where(d["room_no"] % 3 == 0, "Hefei", "Wuhu"))
    data["gmv"] += 1.5 * data["raffle"] * data["activity"]
    found = call(data, moderator="activity").moderation()
    w = data["activity"]
    x = sm.add_constant(pd.DataFrame({"t": data["raffle"], "tw": data["raffle"] * w, "w": w}))
    peer = sm.OLS(data["gmv"], x).fit(cov_type="HC1")
    frame = found.to_frame().set_index("term")
    for step, name in ((-1, "mean - 1 SD"), (0, "mean"), (1, "mean + 1 SD")):
        at = float(w.mean() + step * w.std(ddof=0))
        test = peer.t_test([0, 1, at, 0])
        mine = next(frame.loc[t] for t in frame.index if t.startswith(f"effect at {name} ("))
        assert_allclose([mine["estimate"], mine["std_error"]], [test.effect[0], test.sd[0, 0]], rtol=1e-8)
    assert_allclose(found.interaction[0], peer.tvalues["tw"] ** 2, rtol=1e-8)
    low, high = found.region[-1]
    edge = peer.t_test([0, 1, low, 0])
    assert_allclose(abs(edge.effect[0] / edge.sd[0, 0]), 1.959964, rtol=1e-5)
    assert_allclose(high, w.max())
    by_city = call(data, moderator="city").moderation()
    assert by_city.places == ("Hefei", "Wuhu") and not by_city.region
    hefei = data[data["city"] == "Hefei"]
    apart = call(data, moderator="city", covariates=[]).moderation().to_frame()["estimate"][0]
    means = hefei.groupby("raffle")["gmv"].mean()
    assert_allclose(apart, means[1] - means[0], rtol=1e-9)
    index = frame.loc["index of moderated mediation:watch, activity", "estimate"]
    a3 = sm.OLS(data["watch"], x).fit().params["tw"]
    a1 = sm.OLS(data["watch"], x).fit().params["t"] + a3 * w.mean()  # at the mean
    both = sm.OLS(data["gmv"], x.assign(m=data["watch"], mw=data["watch"] * (w - w.mean()))).fit().params
    assert_allclose(index, a3 * both["m"] + a1 * both["mw"], rtol=1e-8)


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


# --- the protocol, words and the audit --------------------------------------------------------------------------------
def test_the_protocol(tmp_path: Path) -> None:
    r = call(people(), mediators=["watch", "interacted"], reps=199, moderator="activity")
    assert_protocol(r, tmp_path, (None, "paths", "rho", "moderation", "estimates"))
    assert list(r.to_frame()["term"]) == ["total", "direct", "indirect:watch", "indirect:interacted"]
    assert gc.table(r).to_latex() and "by way of watch" in r.summary()
    assert_protocol(call(people(), interval="bca", reps=199))
    assert_protocol(call(people(), interval="delta"))


def test_no_share_of_a_total_that_may_be_zero() -> None:
    data = people(200, noise=30.0)
    r = call(data, reps=99)
    assert not r.p_value < 0.05
    assert r.to_frame()["share"].isna().all() and "No share of the total" in r.summary()
    sure = call(people(), reps=99)
    assert_allclose(sure.to_frame()["share"].iloc[1:].sum(), 1.0)


def status(result: Any, name: str) -> str:
    return str(result.audit[name].status)


def test_the_audit_sees_what_it_should() -> None:
    data = people(2000)
    clean = call(data, mediators=["interacted"])
    assert clean.audit.credible and status(clean, "interaction") == "passed" and status(clean, "balance") == "passed"
    assert status(call(data, mediators=["interacted"], interaction=False), "interaction") == "warned"
    late = data.assign(a=1, m=np.where(np.arange(2000) % 5 == 0, 0, 2), y=3)
    times = {"raffle": "a", "watch": "m", "gmv": "y"}
    assert status(call(late, times=times), "time_order") == "failed"
    assert status(call(late.assign(m=2), times=times), "time_order") == "passed"
    assert status(call(data), "time_order") == "not_run"
    twin = data.assign(watch=20 * data["raffle"] + 0.1 * data["watch"])
    assert status(call(twin), "collinearity") == "failed" and status(call(twin), "mediator_overlap") == "failed"
    part = data.assign(orders=data["gmv"] * 2 + 1e-3 * data["watch"])
    assert status(call(part, mediators=["orders"]), "part_of_outcome") == "failed"
    related = data.assign(shared=data["watch"] + np.random.default_rng(0).standard_normal(2000))
    assert status(call(related, mediators=["watch", "shared"]), "mediators_apart") == "warned"
    assert "mediators_apart" not in call(related, mediators=["watch", "shared"], ordered=True).audit
    chosen_by = data.assign(raffle=(data["activity"] > 0.2).astype(int) | (np.arange(2000) % 9 == 0))
    assert status(call(chosen_by), "balance") == "warned"
    nothing = call(data.assign(watch=np.random.default_rng(7).standard_normal(2000)))
    assert status(nothing, "mediator_confounding") == "not_run"
    many = people(9000)
    faint = many.assign(gmv=many["raffle"] + 0.07 * many["watch"] + np.random.default_rng(1).standard_normal(9000))
    assert status(call(faint), "mediator_confounding") == "warned"
    few = call(data.assign(room_no=data["room_no"] % 4), cluster="room_no")
    assert status(few, "few_clusters") == "failed" and np.isnan(few.std_error)
    skewed = call(data.iloc[:1600].assign(raffle=np.r_[np.ones(1000), np.zeros(600)].astype(int)), assignment="random")
    assert status(skewed, "sample_ratio") == "failed"


def test_the_page_prints_the_rules() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "estimators" / "mediate.md").read_text(encoding="utf-8")
    lines = page.partition("## Checks and thresholds")[2].partition("## ")[0].splitlines()
    cells = [[c.strip() for c in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE
    seen = call(people(), reps=0, assignment="random", interaction=False, cluster="room_no").audit
    assert {c.name for c in seen} <= set(TABLE)


def test_a_mediator_of_one_arm_only() -> None:
    """Who may enter the raffle only under it: its slope is that of the treated, and all else follows."""
    data = people().assign(entered=lambda d: d["interacted"] * d["raffle"])
    r = call(data, mediators=["entered"], covariates=[])
    on = data[data["raffle"] == 1].groupby("entered")["gmv"].mean()
    want = data.loc[data["raffle"] == 1, "entered"].mean() * (on[1] - on[0])
    assert_allclose(row(r, "indirect:entered")["estimate"], want, rtol=1e-9)
    assert any("does not vary in one of the arms" in note for note in r.manifest.notes)


# --- known truth ------------------------------------------------------------------------------------------------------
def test_intervals_cover_the_truth_of_the_world() -> None:
    inside = np.zeros(3)
    for seed in range(20):
        market = gc.simulate.world("D16", n=1000, seed=seed)
        frame = gc.mediate(market.table(), **market.design.call, reps=199).to_frame().set_index("term")
        truth = market.truth.to_frame().set_index("term")["value"]
        inside += [frame.loc[t, "conf_low"] <= truth[t] <= frame.loc[t, "conf_high"] for t in frame.index]
    assert (inside >= 16).all()


def test_three_mediators_of_the_world() -> None:
    market = gc.simulate.world("D16", n=20_000, seed=2, mediators=3)
    frame = gc.mediate(market.table(), **market.design.call, reps=0).to_frame().set_index("term")
    truth = market.truth.to_frame().set_index("term")["value"]
    assert list(frame.index) == ["total", "direct", "indirect:interacted", "indirect:watched", "indirect:shared"]
    assert_allclose(truth["total"], truth.drop("total").sum())
    for term in frame.index:
        assert abs(frame.loc[term, "estimate"] - truth[term]) < 4 * frame.loc[term, "std_error"]


def test_a_hidden_sign_misleads_the_parts_and_not_the_total() -> None:
    market = gc.simulate.world("D16", n=40_000, seed=3, hidden=1.0)
    r = gc.mediate(market.table(), **market.design.call, reps=0)
    frame, truth = r.to_frame().set_index("term"), market.truth.to_frame().set_index("term")["value"]
    assert abs(frame.loc["total", "estimate"] - truth["total"]) < 4 * frame.loc["total", "std_error"]
    gap = frame.loc["indirect:interacted", "estimate"] - truth["indirect:interacted"]
    assert gap > 4 * frame.loc["indirect:interacted", "std_error"]


def test_a_strong_hidden_cause_passes_nothing() -> None:
    rng = np.random.default_rng(29)
    mood, arm = rng.normal(size=800), rng.integers(0, 2, 800)
    data = pd.DataFrame({"arm": arm, "m": 2 * arm + 2 * mood + rng.normal(size=800)})
    data["gmv"] = 50 + 3 * arm + 20 * mood + rng.normal(0, 10, 800)  # nothing goes by way of m
    check = gc.mediate(data, "gmv", "arm", ["m"], assignment="random", reps=0).audit["mediator_confounding"]
    assert check.status == "not_run" and check.value is not None and check.value > 0.5


def test_who_chose_for_himself_is_no_lot() -> None:
    data = people(800)
    plain = gc.mediate(data, "gmv", "raffle", ["watch"], reps=0)
    assert not plain.audit.credible and "assignment='random'" in plain.audit["balance"].remedy
    assert gc.mediate(data, "gmv", "raffle", ["watch"], reps=0, assignment="random").audit.credible
    assert status(call(data), "hidden_confounding") == "not_run"
    assert "hidden_confounding" not in call(data, assignment="random").audit
