"""The rho curve, the three steps and moderation: closed forms, regressions by statsmodels, the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from mediate_data import call, people, row
from numpy.testing import assert_allclose

import gmvcausal as gc


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
