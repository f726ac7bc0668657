"""`gc.decompose`: by hand, by all orders, against `ab_test`, against the bootstrap, and what must not matter."""

from __future__ import annotations

import math
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.mechanism.factors.numbers import METHODS, pieces, slopes
from gmvcausal.mechanism.factors.rules import TABLE
from gmvcausal.stats.product import lmdi, shapley

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators" / "decompose.md"
STAGES = ["reached", "watched", "buyers", "orders", "gmv", "net"]
CLOSED = 1e-8


def shop(n: int, seed: int = 0, lift: float = 0.1) -> pd.DataFrame:
    """Users of a test whose arm 1 watches more."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 2, n)
    reached = rng.random(n) < 0.6
    watched = reached & (rng.random(n) < 0.5 + lift * arm)
    orders = watched * rng.poisson(0.8, n)
    gmv = orders * rng.gamma(2.0, 30.0, n)
    net = gmv * (rng.random(n) > 0.1)
    return pd.DataFrame({
        "arm": arm, "reached": reached, "watched": watched, "buyers": orders > 0, "orders": orders, "gmv": gmv,
        "net": net, "shop": rng.integers(0, 40, n),
    })  # fmt: skip


def by_orders(then: Any, now: Any) -> Any:
    """Shapley's values from their definition: every order in which the factors could have changed."""
    share, orders = np.zeros(len(then)), list(permutations(range(len(then))))
    for order in orders:
        level = np.array(then, dtype=float)
        for k in order:
            before = level.prod()
            level[k] = now[k]
            share[k] += (level.prod() - before) / len(orders)
    return share


# --- numbers ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("k", range(1, 8))
def test_shapley_is_the_mean_over_all_orders(k: int) -> None:
    rng = np.random.default_rng(k)
    then, now = rng.uniform(0.01, 5.0, k), rng.uniform(0.01, 5.0, k)
    np.testing.assert_allclose(shapley(then, now), by_orders(then, now), rtol=1e-11, atol=1e-12)


def test_lmdi_as_ang_defines_it() -> None:
    rng = np.random.default_rng(1)
    then, now = rng.uniform(0.1, 5.0, (2, 6))
    a, b = now.prod(), then.prod()
    mean = (a - b) / (math.log(a) - math.log(b))
    np.testing.assert_allclose(lmdi(then, now), [mean * math.log(q / p) for p, q in zip(then, now, strict=True)])


def test_lmdi_where_the_product_hardly_moves() -> None:
    """The logarithmic mean goes over into the product; Ang's quotient would lose its digits."""
    then = np.array([2.0, 3.0])
    assert lmdi(then, np.array([4.0, 1.5])).tolist() == pytest.approx([6 * math.log(2), -6 * math.log(2)], rel=1e-14)
    for u in (1e-12, 1e-6, 0.99e-4, 1.01e-4, 1e-3):
        shares = lmdi(then, then * np.array([math.exp(u), 1.0]))
        assert shares[0] == pytest.approx(6 * math.expm1(u), rel=1e-11) and shares[1] == 0


def test_nothing_is_shared_out_where_nothing_changes() -> None:
    x = np.array([0.5, 2.0, 30.0])
    for way in METHODS.values():
        assert way(x, x).tolist() == [0, 0, 0]


@pytest.mark.parametrize("method", METHODS)
def test_slopes_against_differences(method: str) -> None:
    rng = np.random.default_rng(2)
    then, now = rng.uniform(0.5, 3.0, (2, 6))
    for side, slope in enumerate(slopes(then, now, method)):
        for j in range(6):
            step, ends = 1e-5 * (then, now)[side][j], []
            for sign in (1, -1):
                means = [then.copy(), now.copy()]
                means[side][j] += sign * step
                ends.append(pieces(*means, method))
            np.testing.assert_allclose(slope[:, j], (ends[0] - ends[1]) / (2 * step), rtol=1e-6, atol=1e-8)


# --- by hand ----------------------------------------------------------------------------------------------------------
HAND = pd.DataFrame(
    {"arm": [0] * 4 + [1] * 4, "orders": [0, 0, 1, 1, 0, 1, 1, 2], "gmv": [0, 0, 10, 30, 0, 20, 20, 40.0]}
)


def test_eight_rows_by_hand() -> None:
    """Orders .5 to 1, basket 20 to 20: all of the +10 is orders."""
    frame = gc.decompose(HAND, ["orders", "gmv"]).to_frame()
    assert frame["term"].tolist() == ["total", "orders per user", "gmv per orders"]
    assert frame["estimate"].tolist() == pytest.approx([10, 10, 0], abs=1e-12)
    assert frame["before"].tolist() == [10, 0.5, 20] and frame["after"].tolist() == [20, 1, 20]
    # Shapley of two factors: orders d_o (b0 + b1) / 2 with b = gmv / orders, basket d_b (o0 + o1) / 2.
    # Slopes of the first: by o0  -(b0 + b1) / 2 - d_o b0 / (2 o0) = -20 - 10 = -30;  by g0  d_o / (2 o0) = 1/2;
    #                      by o1   20 - d_o b1 / (2 o1) = 15;                       by g1  d_o / (2 o1) = 1/4.
    # Rows of group 0 less their mean: (-.5, -10), (-.5, -10), (.5, 0), (.5, 20) -> 10, 10, -15, -5: sum of squares 450.
    # Rows of group 1:                 (-1, -20), (0, 0), (0, 0), (1, 20)        -> -20, 0, 0, 20: sum of squares 800.
    assert frame["std_error"][1] == pytest.approx(math.sqrt(450 / 12 + 800 / 12), rel=CLOSED)
    # The total is a difference of two means: variances 600/3 = 200 and 800/3.
    assert frame["std_error"][0] == pytest.approx(math.sqrt(200 / 4 + 800 / 12), rel=CLOSED)
    v = (450 / 12, 800 / 12)
    df = sum(v) ** 2 / (v[0] ** 2 / 3 + v[1] ** 2 / 3)
    assert gc.decompose(HAND, ["orders", "gmv"]).estimates.t.df[1] == pytest.approx(df, rel=CLOSED)


# --- against other ways -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("cluster", [None, "shop"])
def test_the_total_is_the_mean_of_ab_test(cluster: str | None) -> None:
    data = shop(3000).rename(columns={"arm": "group"})
    frame = gc.ab_test(data, arm="group", metrics=[gc.Mean("net", cap=None)], cluster=cluster).to_frame()
    r = gc.decompose(data, STAGES, by="group", cluster=cluster)
    assert (r.estimate, r.std_error, r.p_value) == pytest.approx(
        tuple(frame.loc[0, ["estimate", "std_error", "p_value"]]), rel=CLOSED
    )
    assert r.estimates.t.df[0] == pytest.approx(frame["df"][0], rel=CLOSED)


def test_log_points_are_those_of_the_gmv_metric() -> None:
    data = shop(3000)
    parts = gc.ab_test(data, metrics=[gc.Gmv(gmv="gmv", orders="orders", visits="watched")]).contributions()
    mine = gc.decompose(data, ["watched", "orders", "gmv"]).contributions()
    parts, mine = parts.set_index("factor"), mine.set_index("factor")
    for theirs, own in (("total", "total"), ("reach", "watched per user"), ("order value", "gmv per orders")):
        for column in ("estimate", "conf_low", "conf_high", "lift"):
            assert mine.loc[own, column] == pytest.approx(parts.loc[theirs, column], rel=CLOSED)


@pytest.mark.parametrize("method", METHODS)
def test_standard_errors_by_the_delta_method_in_full(method: str) -> None:
    """From the covariance of the columns' means and slopes by differences."""
    data = shop(2000)
    r = gc.decompose(data, STAGES, method=method)
    x = np.column_stack([np.ones(len(data)), data[STAGES].to_numpy(float)])
    arm = data["arm"].to_numpy()
    means = [x[arm == g].mean(axis=0) for g in (0, 1)]
    cov = np.zeros((14, 14))
    for g in (0, 1):
        slope = np.empty((14, 7))
        for j in range(7):
            step, ends = 1e-5 * means[g][j], []
            for sign in (1, -1):
                moved = [m.copy() for m in means]
                moved[g][j] += sign * step
                ends.append(pieces(*moved, method))
            slope[:, j] = (ends[0] - ends[1]) / (2 * step)
        cov += slope @ np.cov(x[arm == g].T) @ slope.T / (arm == g).sum()
    np.testing.assert_allclose(r.estimates.cov, cov[:7, :7], rtol=1e-6, atol=1e-6 * cov[0, 0])
    np.testing.assert_allclose(r.split.log_error, np.sqrt(np.diag(cov)[7:]), rtol=1e-6)


def test_standard_errors_by_the_bootstrap() -> None:
    data, rng = shop(3000, lift=0.2), np.random.default_rng(0)
    r = gc.decompose(data, STAGES)
    x, arm = data[STAGES].to_numpy(float), data["arm"].to_numpy()
    drawn = np.empty((400, 6))
    groups = [np.column_stack([np.ones((arm == g).sum()), x[arm == g]]) for g in (0, 1)]
    for b in range(400):
        means = [rng.multinomial(len(v), np.full(len(v), 1 / len(v))) @ v / len(v) for v in groups]
        drawn[b] = shapley(means[0][1:] / means[0][:-1], means[1][1:] / means[1][:-1])
    np.testing.assert_allclose(drawn.std(axis=0, ddof=1), r.to_frame()["std_error"][1:], rtol=0.15)


def test_intervals_hold_the_truth() -> None:
    """200 tests of 600 users; the truth is that of the market, watching .5 to .7."""
    then = np.array([0.6, 0.5, 1 - math.exp(-0.8), 0.8 / (1 - math.exp(-0.8)), 60.0, 0.9])
    now = then * np.array([1, 1.4, 1, 1, 1, 1])
    truth = np.concatenate([[now.prod() - then.prod()], shapley(then, now)])
    held = np.zeros(7)
    for seed in range(200):
        frame = gc.decompose(shop(600, seed, lift=0.2), STAGES).to_frame()
        held += (frame["conf_low"] <= truth) & (truth <= frame["conf_high"])
    # three standard errors of a share of .95 in 200 samples are .046
    assert (np.abs(held / 200 - 0.95) < 0.047).all(), held / 200


def test_users_of_two_periods_are_paired() -> None:
    """The same users before and after: the total is their paired difference."""
    rng = np.random.default_rng(4)
    own = rng.gamma(2.0, 1.0, 300)
    frames = []
    for week in (1, 2):
        orders = 1 + rng.poisson(own)
        frames.append(pd.DataFrame({"user": range(300), "week": week, "orders": orders, "gmv": orders * 10 * own}))
    data = pd.concat(frames)
    r = gc.decompose(data, ["orders", "gmv"], by="week", control=1)
    gap = frames[1]["gmv"] - frames[0]["gmv"]
    # the jackknife about the mean of n clusters with w = 1/n in each group: n / (n - 1) of the squared deviations
    assert r.std_error == pytest.approx(gap.std(ddof=1) / math.sqrt(300), rel=CLOSED)
    assert r.estimates.t.df[0] == pytest.approx(299, rel=1e-6)
    assert any("300 units are in more than one group" in note for note in r.manifest.notes)


# --- what must not matter ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS)
def test_terms_add_up_and_scale(method: str) -> None:
    data = shop(2000)
    r = gc.decompose(data, STAGES, method=method)
    frame = r.to_frame()
    assert frame["estimate"][1:].sum() == pytest.approx(frame["estimate"][0], rel=1e-9)
    assert frame["log_points"][1:].sum() == pytest.approx(frame["log_points"][0], rel=1e-9)
    one = np.ones(7)
    one[0] = -1
    assert one @ r.estimates.cov @ one == pytest.approx(0, abs=1e-9 * r.std_error**2)
    cents = gc.decompose(data.assign(gmv=100 * data["gmv"], net=100 * data["net"]), STAGES, method=method).to_frame()
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        np.testing.assert_allclose(cents[column], 100 * frame[column], rtol=1e-9)
    mixed = gc.decompose(data.sample(frac=1, random_state=1), STAGES, method=method)
    np.testing.assert_allclose(mixed.estimates.cov, r.estimates.cov, rtol=1e-9, atol=1e-12)
    assert mixed.manifest.data_sha256 == r.manifest.data_sha256


def test_the_other_way_round_changes_every_sign() -> None:
    data = shop(2000)
    there, back = (gc.decompose(data, STAGES, control=c).to_frame() for c in (0, 1))
    np.testing.assert_allclose(there["estimate"], -back["estimate"], rtol=1e-9)
    np.testing.assert_allclose(there["std_error"], back["std_error"], rtol=1e-9)


def test_several_groups_are_each_held_against_the_control() -> None:
    data = shop(3000).assign(arm=np.array(["none", "coupon", "push"])[np.arange(3000) % 3])
    r = gc.decompose(data, ["orders", "gmv"], control="none")
    frame = r.to_frame()
    alone = gc.decompose(data[data["arm"] != "push"], ["orders", "gmv"], control="none").to_frame()
    own = frame[frame["arm"] == "coupon"].reset_index(drop=True)
    for column in ("estimate", "std_error", "p_value", "log_low", "share"):
        np.testing.assert_allclose(own[column], alone[column], rtol=1e-9)
    assert frame["term"].tolist()[:2] == ["total (coupon)", "orders per user (coupon)"]
    # the control is shared, so the totals covary by its variance
    base = data.loc[data["arm"] == "none", "gmv"]
    assert r.estimates.cov[0, 3] == pytest.approx(base.var(ddof=1) / len(base), rel=1e-9)
    assert r.alike == (3,) and "push" in r.summary()


def test_sums_by_day_and_sums_by_period() -> None:
    rng = np.random.default_rng(5)
    days = pd.DataFrame({"week": np.repeat([1, 2], 14), "users": rng.integers(50, 100, 28)})
    days["orders"] = days["users"] // 3
    days["gmv"] = days["orders"] * rng.gamma(9.0, 3.0, 28)
    r = gc.decompose(days, ["orders", "gmv"], by="week", control=1, users="users")
    whole = days.groupby("week", as_index=False).sum()
    sums = gc.decompose(whole, ["orders", "gmv"], by="week", control=1, users="users")
    np.testing.assert_allclose(sums.estimates.estimate, r.estimates.estimate, rtol=1e-12)
    assert r.std_error > 0 and math.isnan(sums.std_error) and "rows of sums" not in sums.estimates.withheld
    assert "one row of sums" in sums.summary() and sums.n == whole["users"].sum()
    assert_protocol(sums)
    assert_protocol(r)


def test_names_may_be_given_and_may_be_anything() -> None:
    data = shop(1000).rename(columns={"orders": "订单 数", "gmv": '__import__("os")'})
    r = gc.decompose(data, {"频次": "订单 数", "basket": '__import__("os")'}, missing="zero")
    assert r.to_frame()["term"].tolist() == ["total", "频次", "basket"]


# --- the coupon of Artea ----------------------------------------------------------------------------------------------
def test_artea_orders_up_and_revenue_not(data_dir: Path) -> None:
    """Effects and standard errors as two independent packages give them; the split says where the revenue went."""
    data = pd.read_csv(data_dir / "artea-a_b-experiment.csv")
    r = gc.decompose(data, ["trans_after", "revenue_after"], by="test_coupon", assignment="random")
    total, orders, basket = r.to_frame().to_dict("records")
    assert total["estimate"] == pytest.approx(-0.24149507295684636, rel=CLOSED)
    assert total["std_error"] == pytest.approx(0.6683941608529775, rel=CLOSED)
    assert (total["conf_low"], total["conf_high"]) == pytest.approx(
        (-1.5518438284569647, 1.068853682543272), rel=CLOSED
    )
    assert orders["before"] == pytest.approx(0.1257005604483587, rel=CLOSED)
    assert orders["after"] == pytest.approx(0.1518784972022382, rel=CLOSED)
    assert orders["conf_low"] > 0 > basket["conf_high"]
    assert orders["estimate"] + basket["estimate"] == pytest.approx(total["estimate"], rel=1e-9)


# --- protocol and audit -----------------------------------------------------------------------------------------------
def test_protocol(tmp_path: Path) -> None:
    r = gc.decompose(shop(3000), STAGES, assignment="random")
    assert_protocol(r, tmp_path, (None, "waterfall", "estimates"))
    assert r.audit.credible and r.estimand.startswith("effect on")
    change = gc.decompose(shop(3000), STAGES)
    assert change.estimand.startswith("change in") and "not the effect" in change.summary().replace("\n", " ")
    assert "<table" in gc.table(r, change).to_html()


def test_the_audit_speaks() -> None:
    data = shop(3000)
    lost = data[(data["arm"] == 0) | (np.arange(3000) % 4 > 0)]
    assert gc.decompose(lost, STAGES, assignment="random").audit["sample_ratio"].status == "failed"
    planned = gc.decompose(lost, STAGES, assignment="random", expected_ratio={0: 4, 1: 3})
    assert planned.audit["sample_ratio"].status != "failed"
    stray = data.assign(orders=np.where(data["watched"], data["orders"], 1))
    assert gc.decompose(stray, STAGES).audit["funnel"].status == "failed"
    whale = data.copy()
    whale.loc[whale.index[whale["orders"] > 0][0], ["gmv", "net"]] = 1e6
    assert gc.decompose(whale, STAGES).audit["leverage"].status == "failed"
    few = gc.decompose(data[:60], ["orders", "gmv"])
    assert few.audit["few_clusters"].status in ("warned", "passed")
    assert gc.decompose(data[:300], ["orders", "gmv"]).audit["thin_stage"].status == "warned"
    assert gc.decompose(data, STAGES, cluster="shop").audit["few_clusters"].status == "passed"


def test_what_was_written_on_the_frame_is_carried_along() -> None:
    data = shop(1000)
    note = {"name": "dst", "status": "warned", "message": "a clock was changed", "remedy": "name the time zone"}
    data.attrs["gmvcausal"] = {"notes": ["orders after 31 May are missing"], "checks": [note], "outcome": "net",
                               "outcome_unit": "¥ per user in the 7 days from assignment"}  # fmt: skip
    r = gc.decompose(data, STAGES)
    assert r.audit["dst"].status == "warned" and "31 May" in r.summary() and r.unit.startswith("¥ per user")


def test_the_page_s_table_is_the_code_s() -> None:
    text = PAGE.read_text(encoding="utf-8").split("\n## Checks and thresholds\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE


def test_rows_written_twice() -> None:
    fine = shop(400, 3)
    fine["gmv"] = fine["gmv"] + np.random.default_rng(1).random(400) * (fine["orders"] > 0)
    fine["reached"], fine["watched"] = 1.0, np.random.default_rng(2).random(400)
    call = {"factors": ["watched", "gmv"], "by": "arm", "assignment": "random"}
    assert gc.decompose(fine, **call).audit["copies"].status == "passed"
    assert gc.decompose(pd.concat([fine, fine], ignore_index=True), **call).audit["copies"].status == "failed"
