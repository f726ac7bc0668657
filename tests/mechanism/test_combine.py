"""`gc.combine`: published numbers, a second implementation, by hand, and what must be refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol
from scipy import optimize
from statsmodels.stats.meta_analysis import combine_effects

import gmvcausal as gc
from gmvcausal.mechanism.pooled.numbers import METHODS, egger, pool, restricted
from gmvcausal.mechanism.pooled.rules import TABLE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "combining-results.md"
CLOSED = 1e-8

# Trials of the BCG vaccine (Colditz et al. 1994; dat.bcg of R's metafor): cases and others, vaccinated then not.
BCG = np.array([
    [4, 119, 11, 128], [6, 300, 29, 274], [3, 228, 11, 209], [62, 13536, 248, 12619], [33, 5036, 47, 5761],
    [180, 1361, 372, 1079], [8, 2537, 10, 619], [505, 87886, 499, 87892], [29, 7470, 45, 7232], [17, 1699, 65, 1600],
    [186, 50448, 141, 27197], [5, 2493, 3, 2338], [27, 16886, 29, 17825],
], dtype=float)  # fmt: skip


def bcg() -> pd.DataFrame:
    """Log risk ratios and their standard errors, as escalc(measure="RR") makes them."""
    a, b, c, d = BCG.T
    y = np.log(a / (a + b)) - np.log(c / (c + d))
    v = 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)
    return pd.DataFrame({
        "label": [f"trial {i + 1}" for i in range(13)], "estimate": y, "std_error": np.sqrt(v), "n": BCG.sum(axis=1),
    })  # fmt: skip


def weeks_of(k: int, seed: int = 0, **columns: Any) -> list[Any]:
    """Results of k randomised tests."""
    out = []
    for i in range(k):
        rng = np.random.default_rng(100 * seed + i)
        n = 300 + 40 * i
        arm = rng.integers(0, 2, n)
        gmv = rng.gamma(2.0, 10.0, n) + 3.0 * arm
        out.append(gc.ab_test(pd.DataFrame({"arm": arm, "gmv": gmv, **columns}), metrics=[gc.Mean("gmv", cap=None)]))
    return out


# --- published numbers ------------------------------------------------------------------------------------------------
def test_bcg_as_metafor_prints_it() -> None:
    """rma(yi, vi, data=dat): REML; printed to four digits (metafor's own pages)."""
    r = gc.combine(bcg(), interval="normal")
    low, high = r.conf_int()
    told = (r.pool.tau2, math.sqrt(r.pool.tau2), r.estimate, r.std_error, r.estimate / r.std_error, low, high, r.pool.q)
    assert told == pytest.approx((0.3132, 0.5597, -0.7145, 0.1798, -3.9744, -1.0669, -0.3622, 152.2330), abs=6e-5)
    assert 100 * r.pool.i2 == pytest.approx(92.22, abs=6e-3) and r.p_value < 1e-4
    # confint(): tau 0.3460 to 1.0543, I2 81.92 to 97.68
    assert r.tau_interval() == pytest.approx((0.3460, 1.0543), abs=6e-5)
    assert r.i2_interval() == pytest.approx((0.8192, 0.9768), abs=6e-5)


@pytest.mark.parametrize(
    ("first", "estimate", "low", "high", "tau2"),
    [
        (2, -1.32500344224488, -5.60470865844108, 2.95470177395133, 0.0),
        (3, -0.972079931812824, -1.95119919485508, 0.00703933122943246, 0.087206792838218),
        (7, -0.901251100272772, -1.40314344022821, -0.399358760317336, 0.120459721860583),
        (13, -0.714532342158211, -1.10844371368566, -0.320620970630764, 0.313243258137274),
    ],
)
def test_bcg_knapp_and_hartung(first: int, estimate: float, low: float, high: float, tau2: float) -> None:
    """R's metafor to all its digits: cumul(rma(yi, vi, method="REML", test="knha"), order=year) after k trials."""
    by_year = [0, 1, 5, 2, 9, 8, 11, 4, 6, 10, 12, 3, 7]
    r = gc.combine(bcg().iloc[by_year[:first]], guard=False)
    assert (r.estimate, *r.conf_int()) == pytest.approx((estimate, low, high), rel=CLOSED)
    assert r.pool.tau2 == pytest.approx(tau2, rel=CLOSED, abs=1e-12) and r.estimates.t.df[0] == first - 1
    # the guard has nothing to do where their factor is above 1
    assert (gc.combine(bcg().iloc[by_year[:first]]).std_error == r.std_error) == (r.pool.spread >= 1)


# --- a second implementation ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("ours", "theirs"), [("dl", "chi2"), ("pm", "iterated")])
def test_against_statsmodels(ours: str, theirs: str) -> None:
    data = bcg()
    y, v = data["estimate"].to_numpy(), data["std_error"].to_numpy() ** 2
    peer = combine_effects(y, v, method_re=theirs, use_t=True, atol=1e-13, maxiter=1000)
    plain = gc.combine(data, method=ours, interval="normal")
    knapp = gc.combine(data, method=ours, guard=False)
    assert plain.pool.tau2 == pytest.approx(peer.tau2, rel=CLOSED)
    assert plain.estimate == pytest.approx(peer.mean_effect_re, rel=CLOSED)
    assert plain.std_error == pytest.approx(peer.sd_eff_w_re, rel=CLOSED)
    assert knapp.std_error == pytest.approx(peer.sd_eff_w_re_hksj, rel=CLOSED)
    assert plain.pool.q == pytest.approx(peer.q, rel=CLOSED)
    assert (plain.pool.common, plain.pool.common_error) == pytest.approx(
        (peer.mean_effect_fe, peer.sd_eff_w_fe), rel=CLOSED
    )
    np.testing.assert_allclose(plain.studies()["weight"], peer.weights_rel_re, rtol=CLOSED)
    assert knapp.conf_int() == pytest.approx(tuple(peer.conf_int(use_t=True)[3]), rel=CLOSED)
    if ours == "dl":  # where the moment estimator is used, I2 is that of Higgins and Thompson
        assert plain.pool.i2 == pytest.approx((peer.q - 12) / peer.q, rel=CLOSED)


def test_reml_is_the_maximum_of_the_restricted_likelihood() -> None:
    """By a plain search of the likelihood from the full covariance matrix."""
    data = bcg()
    y, v = data["estimate"].to_numpy(), data["std_error"].to_numpy() ** 2

    def minus(t: float) -> float:
        cov, one = np.diag(v + t), np.ones((13, 1))
        inverse = np.linalg.inv(cov)
        information = one.T @ inverse @ one
        mean = (one.T @ inverse @ y) / information[0, 0]
        rest = y - mean
        return 0.5 * float(np.linalg.slogdet(cov)[1] + np.log(information[0, 0]) + rest @ inverse @ rest)

    best = optimize.minimize_scalar(minus, bounds=(0, 3), method="bounded", options={"xatol": 1e-10})
    assert METHODS["reml"](y, v) == pytest.approx(best.x, rel=1e-6)
    two = restricted(y, v, np.array([0.2, 0.4]))
    assert two[0] - two[1] == pytest.approx(minus(0.4) - minus(0.2), rel=CLOSED)


# --- by hand ----------------------------------------------------------------------------------------------------------
def test_three_studies_by_hand() -> None:
    """Equal variances 1, effects 0, 3, 6: every estimator has tau2 = 9 - 1, the mean is 3, its variance 9/3."""
    data = pd.DataFrame({"estimate": [0.0, 3, 6], "std_error": [1.0, 1, 1]})
    for method in METHODS:
        r = gc.combine(data, method=method)
        assert (r.pool.tau2, r.estimate, r.std_error) == pytest.approx((8, 3, math.sqrt(3)), rel=CLOSED)
        assert r.pool.q == pytest.approx(18, rel=CLOSED) and r.pool.i2 == pytest.approx(8 / 9, rel=CLOSED)
    # t with 2 degrees of freedom: 4.30265; the next study: t with 1, 12.7062, and variance 8 + 3
    assert r.conf_int() == pytest.approx((3 - 4.302652729911275 * math.sqrt(3), 3 + 4.302652729911275 * math.sqrt(3)))
    new = r.to_frame().set_index("term").loc["new study"]
    assert new["conf_high"] == pytest.approx(3 + 12.706204736432095 * math.sqrt(11))


def test_the_guard_widens_and_says_so() -> None:
    data = pd.DataFrame({"estimate": [1.0, 1.01, 0.99, 1.0], "std_error": [0.5] * 4})
    plain, guarded = gc.combine(data, guard=False), gc.combine(data)
    assert plain.std_error < 0.05 and guarded.std_error == pytest.approx(0.25, rel=CLOSED)
    assert any("counts as 1" in note for note in guarded.manifest.notes) and not plain.manifest.notes
    assert guarded.pool.tau2 == 0 and guarded.std_error == guarded.pool.common_error


# --- what must not matter ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS)
def test_order_units_and_offset(method: str) -> None:
    data = bcg()
    r = gc.combine(data, method=method)
    mixed = gc.combine(data.sample(frac=1, random_state=0), method=method)
    assert (mixed.estimate, mixed.std_error) == pytest.approx((r.estimate, r.std_error), rel=1e-9)
    assert mixed.manifest.data_sha256 == r.manifest.data_sha256
    cents = gc.combine(data.assign(estimate=100 * data["estimate"], std_error=100 * data["std_error"]), method=method)
    assert (cents.estimate, cents.std_error) == pytest.approx((100 * r.estimate, 100 * r.std_error), rel=1e-9)
    far = gc.combine(data.assign(estimate=data["estimate"] + 1e6), method=method)
    assert far.estimate - 1e6 == pytest.approx(r.estimate, abs=1e-8) and far.pool.tau2 == pytest.approx(
        r.pool.tau2, rel=1e-6
    )


def test_intervals_hold_the_mean_of_effects() -> None:
    """600 sets of six studies of unequal size; the normal interval of DerSimonian and Laird holds too seldom."""
    rng, held, normal = np.random.default_rng(1), 0, 0
    for _ in range(600):
        s = rng.uniform(0.3, 1.5, 6)
        y = 2 + rng.normal(0, 1.0, 6) + rng.normal(0, s)
        one, other = pool(y, s * s, "reml", True, True), pool(y, s * s, "dl", False, False)
        held += abs(one.estimate - 2) <= 2.570582 * one.std_error
        normal += abs(other.estimate - 2) <= 1.959964 * other.std_error
    assert 0.923 <= held / 600 <= 0.977 and normal / 600 < 0.923


# --- results ----------------------------------------------------------------------------------------------------------
def test_results_of_tests_are_pooled(tmp_path: Path) -> None:
    found = weeks_of(6)
    r = gc.combine({f"week {i}": one for i, one in enumerate(found)})
    table = pd.DataFrame({
        "label": [f"week {i}" for i in range(6)], "estimate": [f.estimate for f in found],
        "std_error": [f.std_error for f in found],
    })  # fmt: skip
    assert (r.estimate, r.std_error) == pytest.approx(
        (gc.combine(table).estimate, gc.combine(table).std_error), rel=1e-12
    )
    assert r.n == sum(f.n for f in found) and r.unit == "gmv per unit"
    assert_protocol(r, tmp_path, (None, "forest", "estimates"))
    assert r.studies()["weight"].sum() == pytest.approx(1) and "6 studies of" in r.summary()
    own = r.studies().iloc[0]
    assert (own["conf_low"], own["conf_high"]) == pytest.approx(found[0].conf_int(), rel=1e-9)
    gone = r.leave_one_out()
    again = gc.combine({f"week {i}": one for i, one in enumerate(found) if i})
    assert gone.loc[0, "estimate"] == pytest.approx(again.estimate) and gone.loc[0, "without"] == "week 0"
    gc.report({"All weeks": r}, tmp_path / "page.html")
    assert "gmv per unit" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_effects_in_per_cent() -> None:
    """The log of a ratio of means has the variance v1/m1^2 + v0/m0^2; the baseline of a table is taken as known."""
    found = weeks_of(5)
    r = gc.combine(found, relative=True)
    frames = [f.to_frame().iloc[0] for f in found]
    y = np.array([math.log(f["value"] / f["control_value"]) for f in frames])
    errors = np.sqrt(r.v)
    for i, one in enumerate(found):
        rng = np.random.default_rng(i)
        n = 300 + 40 * i
        arm = rng.integers(0, 2, n)
        gmv = rng.gamma(2.0, 10.0, n) + 3.0 * arm
        v = [gmv[arm == a].var(ddof=1) / (arm == a).sum() / gmv[arm == a].mean() ** 2 for a in (0, 1)]
        assert one.n == n and errors[i] == pytest.approx(
            math.sqrt(sum(v)), rel=0.01
        )  # Fieller against the delta method
    np.testing.assert_allclose(r.y, y, rtol=1e-9)
    inside = gc.combine(pd.DataFrame({"estimate": r.y, "std_error": errors}))
    assert r.estimate == pytest.approx(100 * math.expm1(inside.estimate), rel=1e-9)
    assert r.conf_int() == pytest.approx(tuple(100 * math.expm1(x) for x in inside.conf_int()), rel=1e-9)
    assert r.p_value == pytest.approx(inside.p_value, rel=1e-9) and r.unit == "% of the baseline"
    assert_protocol(r)
    table = pd.DataFrame(
        {"estimate": [1.0, 2.0], "std_error": [0.5, 0.6], "baseline": [10.0, 20.0], "unit": ["¥", "$"]}
    )
    of_table = gc.combine(table, relative=True)
    np.testing.assert_allclose(of_table.y, np.log([1.1, 1.1]))
    np.testing.assert_allclose(np.sqrt(of_table.v), [0.5 / 11, 0.6 / 22])
    assert any("taken as known" in note for note in of_table.manifest.notes)


def test_decompositions_are_pooled_by_term() -> None:
    rng, found = np.random.default_rng(3), []
    for i in range(4):
        n = 900 + i
        arm = rng.integers(0, 2, n)
        orders = rng.poisson(0.5 + 0.2 * arm)
        data = pd.DataFrame({"arm": arm, "orders": orders, "gmv": orders * rng.gamma(4.0, 5.0, n)})
        found.append(gc.decompose(data, ["orders", "gmv"], assignment="random"))
    r = gc.combine(found, term="orders per user")
    assert r.estimate > 0 and r.estimand.endswith("1 minus 0 (random effects)")
    assert gc.combine(found, relative=True).y[0] == pytest.approx(found[0].log_ratio(0)[0])


def test_the_audit_speaks() -> None:
    r = gc.combine(bcg())
    assert {c.name for c in r.audit} == set(TABLE)
    assert r.audit["heterogeneity"].status == "warned" and r.audit["credible_studies"].status == "not_run"
    assert gc.combine(bcg()[:4]).audit["few_studies"].status == "warned"
    found = weeks_of(3)
    lopsided = pd.DataFrame({"arm": [0] * 300 + [1] * 200, "gmv": np.random.default_rng(9).gamma(2.0, 10.0, 500)})
    bad = gc.ab_test(lopsided, metrics=[gc.Mean("gmv", cap=None)])
    refused = gc.combine([*found, bad])
    assert refused.audit["credible_studies"].status == "failed" and "REFUSED" in refused.summary()
    same_shape = gc.combine([weeks_of(1)[0], weeks_of(1, seed=7)[0]])
    assert same_shape.audit["shared_data"].status == "warned"
    swayed = pd.DataFrame({"estimate": [0.3, 0.1, 0.2, 0.1, 0.2], "std_error": [0.5, 2, 2, 2, 2]})
    alone = gc.combine(swayed, method="dl")
    assert alone.audit["one_study"].status == "warned"
    one = gc.combine(pd.DataFrame({"estimate": [1.0, 1.1, 0.9, -0.8], "std_error": [0.1] * 4}))
    assert one.audit["leave_one_out"].status == "warned" and "study 4" in one.audit["leave_one_out"].message


def test_egger_by_ordinary_least_squares() -> None:
    from statsmodels.api import OLS, add_constant

    data = bcg()
    y, s = data["estimate"].to_numpy(), data["std_error"].to_numpy()
    peer = OLS(y / s, add_constant(1 / s)).fit().pvalues[0]
    assert egger(y, s**2) == pytest.approx(peer, rel=CLOSED)


# --- one question, several designs ------------------------------------------------------------------------------------
def panel(gap: float = 3.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame([
        {"unit": u, "period": t, "gmv": 10 + u % 5 + t + gap * (u < 40 and t >= 5) + rng.normal(),
         "first_treated": 5 if u < 40 else None}
        for u in range(100) for t in range(1, 9)
    ])  # fmt: skip


def test_designs_side_by_side(tmp_path: Path) -> None:
    data = panel()
    designs = {name: gc.did(data, estimator=name) for name in ("callaway_santanna", "twfe", "naive")}
    t = gc.combine(designs, how="triangulate")
    frame = t.to_frame()
    assert frame["design"].tolist() == list(designs) and frame["credible"].tolist() == [True, True, False]
    assert frame.loc[2, "why_not"].startswith("no_design") and frame["estimate"].tolist() == [
        r.estimate for r in designs.values()
    ]
    assert t.agree is True
    text = " ".join(t.summary().split())
    assert (
        "2 of 3 designs are credible" in text and "no pooled number is given" in text and "Not credible: naive" in text
    )
    pair = t.differences().iloc[0]
    assert pair["error_at_most"] == pytest.approx(
        sum(r.std_error * r.estimates.t.factor[0] for r in list(designs.values())[:2])
    )
    assert not hasattr(t, "estimate")
    assert t.plot().axes and "<table" in t.to_html()
    t.to_docx(tmp_path / "t.docx")
    gc.report([designs["twfe"], t], tmp_path / "page.html")
    assert "several designs" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_credible_designs_that_disagree() -> None:
    one, other = gc.did(panel()), gc.did(panel(9.0).query("unit % 7 != 0"))
    t = gc.combine({"city": one, "rooms": other}, how="triangulate")
    assert t.agree is False and "more than chance explains whatever the correlation" in " ".join(t.summary().split())
    alone = gc.combine({"city": one, "naive": gc.did(panel(), estimator="naive")}, how="triangulate")
    assert alone.agree is None


# --- refused ----------------------------------------------------------------------------------------------------------
def test_what_describes_is_no_effect() -> None:
    a, b = weeks_of(2)
    rooms = pd.DataFrame(
        {"room": list("abcdefgh"), "hours": [2.0, 4, 3, 5, 6, 2, 7, 4], "gmv": [2.0, 3, 4, 4, 7, 1, 9, 5]}
    )
    scores = gc.efficiency(rooms, "room", ["hours"], ["gmv"], reps=99)
    for how in ("pool", "triangulate"):
        with pytest.raises(gc.InputError, match=r"'scores' describes and estimates no effect"):
            gc.combine({"a": a, "b": b, "scores": scores}, how=how)


def test_what_is_refused() -> None:
    a, b, c = weeks_of(3)
    with pytest.raises(gc.InputError, match=r"made from the same data.*how='triangulate'"):
        gc.combine({"a": a, "b": b, "again": a})
    data = panel()
    with pytest.raises(gc.InputError, match="made from the same data"):
        gc.combine([gc.did(data), gc.did(data, estimator="twfe")])
    with pytest.raises(gc.InputError, match=r"measured in 'gmv per unit' and 'did' in"):
        gc.combine({"a": a, "did": gc.did(data)})
    table = pd.DataFrame({"estimate": [1.0, 2.0], "std_error": [1.0, 1.0], "estimand": ["ATE", "ATT"]})
    with pytest.raises(gc.InputError, match=r"'study 1' estimates 'ATE' and 'study 2' 'ATT'.*estimand="):
        gc.combine(table)
    assert gc.combine(table, estimand="effect on buyers").estimand.startswith("mean over studies of: effect on buyers")
    for value, words in ((0.0, "above 0"), (np.nan, "missing"), (np.inf, "infinite")):
        with pytest.raises(gc.InputError, match=words) as found:
            gc.combine(table.assign(std_error=[1.0, value]))
        assert found.value.rows == (1,) and found.value.column == "std_error"
    for bad, words in (
        ([a], "there is 1 study"), ([], "there are no studies"), (7, "no table"),
        (["a"], "the path 'a', which does not exist"),
        (table[:1], "there is 1 study"), (table.assign(label="May"), "two studies are called 'May'"),
        (table.drop(columns="std_error"), "no column 'std_error'"), (table.assign(estimate="a"), "text"),
        (table.assign(label=["pooled", "b"], estimand="x"), "called 'pooled'"),
    ):  # fmt: skip
        with pytest.raises(gc.InputError, match=words):
            gc.combine(bad)
    for options, words in (
        ({"how": "vote"}, "how must be one of"), ({"method": "ml"}, "method must be one of"),
        ({"interval": "t"}, "interval must be"), ({"guard": 1}, "guard must be True or False"),
        ({"alpha": 95}, "alpha must be"), ({"term": "orders"}, "has no term 'orders'.*'gmv'"),
        ({"how": "triangulate", "relative": True}, "relative= is of pooled"),
    ):  # fmt: skip
        with pytest.raises(gc.InputError, match=words):
            gc.combine([a, b, c], **options)
    with pytest.raises(gc.InputError, match="no baseline above 0"):
        gc.combine(table.assign(estimand="x"), relative=True)


def test_the_table_is_left_as_it_was_and_may_be_of_any_kind() -> None:
    data = bcg()
    before = data.copy()
    r = gc.combine(data)
    pd.testing.assert_frame_equal(data, before)
    import polars as pl

    assert gc.combine(pl.from_pandas(data)).estimate == r.estimate


def test_the_page_s_table_is_the_code_s() -> None:
    text = PAGE.read_text(encoding="utf-8").split("\n## Checks and thresholds\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE
