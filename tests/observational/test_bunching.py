"""Baskets that are topped up: a second implementation, a case by hand, relations, coverage on known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.observational.notch.rules import TABLE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators" / "bunching.md"
CUTOFF, REACH, OVER = 300.0, 50.0, 15.0


def baskets(rng: np.random.Generator, n: int, topup: float) -> tuple[np.ndarray, np.ndarray]:
    """Baskets as they are, and as they would be: some of those 50 or less below are topped up by up to 65."""
    wish = np.exp(rng.normal(4.9, 0.7, n))
    up = (wish >= CUTOFF - REACH) & (wish < CUTOFF) & (rng.random(n) < topup)
    return np.where(up, CUTOFF + OVER * rng.random(n), wish), wish


def market(n: int = 8_000, topup: float = 0.4, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    with_it, before = baskets(rng, n, topup)[0], baskets(rng, n, 0.0)[0]
    basket = np.concatenate([before, with_it])
    return pd.DataFrame({"promotion": np.repeat([0, 1], n), "basket": basket, "user": rng.integers(0, n, 2 * n)})


FRAME = market().drop(columns="user")
ALONE = FRAME.query("promotion == 1").reset_index(drop=True)


def rows(result: Any) -> pd.DataFrame:
    return result.to_frame().set_index("term")


# --- a second implementation ------------------------------------------------------------------------------------------
def test_with_a_comparison_it_is_a_difference_of_two_means() -> None:
    r = gc.bunching(FRAME, "basket", 300, compare="promotion", discount=40, reps=2_000)
    ours, theirs = (FRAME.query(f"promotion == {k}")["basket"].to_numpy() for k in (1, 0))
    a, b = (x[(x >= 225) & (x < 330)] for x in (ours, theirs))
    extra = len(a) * (a.mean() - b.mean())
    p, q = (a >= 300).mean(), (b >= 300).mean()
    excess, above = len(a) * (p - q), int((ours >= 300).sum())
    told = rows(r)["estimate"]
    want = {
        "extra_gmv": extra / len(ours), "extra_gmv_total": extra, "excess_orders": excess,
        "excess_share": excess / above, "response": extra / excess, "discount_paid": 40 * above,
        "windfall_share": 1 - excess / above, "net_of_discount": extra - 40 * above,
    }  # fmt: skip
    np.testing.assert_allclose(told[list(want)], list(want.values()), rtol=1e-9)
    lower = (ours < 225).sum() / (theirs < 225).sum()
    assert told["new_orders"] == pytest.approx((ours >= 225).sum() - lower * (theirs >= 225).sum(), rel=1e-9)
    # Spread of the orders in the window: closed forms, of which 2,000 draws know 1.6 %, but for the spread in a bin.
    error = len(a) * np.sqrt(a.var() / len(a) + b.var() / len(b)) / len(ours)
    spread = np.sqrt(error**2 + (extra / len(ours)) ** 2 * (1 / len(a) - 1 / len(ours)))
    assert rows(r)["std_error"]["extra_gmv"] == pytest.approx(spread, rel=0.05)
    moved = len(a) * np.sqrt(p * (1 - p) / len(a) + q * (1 - q) / len(b))
    moved = np.sqrt(moved**2 + excess**2 * (1 / len(a) - 1 / len(ours)))
    assert rows(r)["std_error"]["excess_orders"] == pytest.approx(moved, rel=0.05)


def weighted_fits(count: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Poisson regression by iterated least squares."""
    eta = np.log(count + 0.5)
    for _ in range(50):
        w = np.sqrt(np.exp(eta))
        beta = np.linalg.lstsq(x * w[:, None], w * (eta + count / np.exp(eta) - 1), rcond=None)[0]
        eta = x @ beta
    return beta


def test_without_one_it_is_a_poisson_regression_through_the_bins() -> None:
    r = gc.bunching(ALONE, "basket", 300, order=3, round_numbers=(100,), reps=99)
    edges = np.arange(120, 601, 5.0)
    basket = ALONE["basket"].to_numpy()
    count = np.histogram(basket, edges)[0].astype(float)
    x = np.log(edges[:-1] + 2.5) - 5.7
    at, below = np.isin(edges[:-1], [200, 300, 400, 500]), np.isin(edges[1:], [200, 300, 400, 500, 600])
    design = np.column_stack([np.ones_like(x), x, x**2, x**3, below, at])
    window = (edges[:-1] >= 225) & (edges[:-1] < 330)
    expected = np.exp(design @ weighted_fits(count[~window], design[~window]))
    np.testing.assert_allclose(r.counterfactual()["expected"], expected, rtol=1e-7)
    gap = count[window].sum() - expected[window].sum()
    assert r.audit["missing_mass"].message.split()[4] == f"{abs(gap):,.1f}"
    expected *= count[window].sum() / expected[window].sum()
    excess = (count - expected)[window & (edges[:-1] >= 300)].sum()
    assert rows(r)["estimate"]["excess_orders"] == pytest.approx(excess, rel=1e-6)
    mean = np.array([basket[(basket >= e) & (basket < e + 5)].mean() for e in edges[:-1]])
    offset = (mean - edges[:-1])[edges[:-1] >= 330].mean()
    usual = np.where(edges[:-1] < 300, mean, edges[:-1] + offset)
    extra = basket[(basket >= 225) & (basket < 330)].sum() - (expected * usual)[window].sum()
    assert r.estimate == pytest.approx(extra / len(basket), rel=1e-6)


def test_a_case_by_hand() -> None:
    """Ten of twenty at 75 and five of twenty-five at 85 have gone up to 105."""
    before = {15: 60, 45: 40, 65: 30, 75: 20, 85: 25, 95: 15, 105: 30, 115: 10, 135: 50}
    after = before | {75: 10, 85: 20, 105: 45}
    made = [(k, v) for k, now in enumerate((before, after)) for v, n in now.items() for _ in range(n)]
    frame = pd.DataFrame(made, columns=["on", "basket"])
    r = gc.bunching(frame, "basket", 100, width=10, window=(70, 120), fit_range=(10, 160), compare="on", discount=20)
    want = {
        "extra_gmv": (10 * 30 + 5 * 20) / 280, "extra_gmv_total": 400, "excess_orders": 15, "excess_share": 15 / 105,
        "response": 400 / 15, "reach": 30, "new_orders": 0, "discount_paid": 2100, "windfall_share": 90 / 105,
        "net_of_discount": -1700,
    }  # fmt: skip
    got = rows(r)["estimate"]
    assert list(got.index) == list(want)
    np.testing.assert_allclose(got, list(want.values()), atol=1e-9)
    table = r.counterfactual().set_index("basket_from")
    assert table["orders"][[70, 80, 100]].tolist() == [10, 20, 45]
    np.testing.assert_allclose(table["expected"][[70, 80, 100]], [20, 25, 30])
    assert table.index[table["in_window"]].tolist() == [70, 80, 90, 100, 110]


def test_bins_in_which_nobody_lies() -> None:
    """Beside the window there is nobody, seen or expected: no surprise, and no crash."""
    before = {15: 60, 45: 40, 75: 20, 85: 25, 95: 15, 105: 30, 115: 10, 145: 50}
    made = [(k, v) for k in (0, 1) for v, n in before.items() for _ in range(n)]
    frame = pd.DataFrame(made, columns=["on", "basket"])
    r = gc.bunching(frame, "basket", 100, width=10, window=(70, 120), fit_range=(10, 160), compare="on", progress=True)
    assert r.audit["window_ends"].status == "passed" and r.estimate == 0
    assert r.audit["excess"].status == "warned" and "response" not in set(r.to_frame()["term"])


# --- relations --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("options", [{"compare": "promotion"}, {}, {"window": "converge"}], ids=str)
def test_order_labels_and_money(options: dict[str, Any]) -> None:
    frame = FRAME if "compare" in options else ALONE
    plain = gc.bunching(frame, "basket", 300, reps=99, **options).to_frame()
    mixed = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(gc.bunching(mixed, "basket", 300, reps=99, **options).to_frame(), plain)
    cents = gc.bunching(frame.assign(basket=frame["basket"] * 100), "basket", 30_000, reps=99, **options).to_frame()
    money = plain["term"].isin(["extra_gmv", "extra_gmv_total", "response", "reach"])
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(cents[column], plain[column] * np.where(money, 100, 1), rtol=1e-7)


def test_labels_of_the_groups_do_not_matter() -> None:
    named = FRAME.assign(promotion=FRAME["promotion"].map({0: "zz before", 1: "during"}))
    r = gc.bunching(named, "basket", 300, compare="promotion", control="zz before", reps=99)
    plain = gc.bunching(FRAME, "basket", 300, compare="promotion", reps=99)
    np.testing.assert_array_equal(r.to_frame()["std_error"], plain.to_frame()["std_error"])
    assert "zz before" in r.assumption and "promotion = 0" in plain.assumption


def test_each_order_twice_in_one_cluster_is_the_order_once() -> None:
    frame = ALONE[:4000].assign(who=np.arange(4000))
    once = gc.bunching(frame, "basket", 300, cluster="who", reps=2_000)
    twice = gc.bunching(pd.concat([frame, frame]), "basket", 300, cluster="who", reps=2_000)
    assert twice.estimate == pytest.approx(once.estimate, rel=1e-9)
    apart = gc.bunching(frame, "basket", 300, reps=2_000)
    # Three sets of 2,000 draws, each of which knows the error to 1.6 %.
    assert [twice.std_error, apart.std_error] == pytest.approx([once.std_error] * 2, rel=0.08)
    again = gc.bunching(frame.assign(who=4000 - frame["who"]), "basket", 300, cluster="who", reps=2_000)
    assert again.std_error == once.std_error


def test_the_seed_decides() -> None:
    one = gc.bunching(ALONE, "basket", 300, reps=99, seed=3)
    assert one.std_error == gc.bunching(ALONE, "basket", 300, reps=99, seed=3).std_error
    assert one.std_error != gc.bunching(ALONE, "basket", 300, reps=99, seed=4).std_error


# --- known truth ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["curve", "compare"])
def test_intervals_hold_the_truth(how: str) -> None:
    n, wish = 6_000, baskets(np.random.default_rng(99), 2_000_000, 0.4)
    truth = np.array([(wish[0] - wish[1]).mean(), (wish[0] != wish[1]).mean() * n])
    held = []
    for seed in range(60):
        frame = market(n, seed=seed + 1).drop(columns="user")
        frame, options = (frame, {"compare": "promotion"}) if how == "compare" else (frame[n:], {})
        told = gc.bunching(frame, "basket", 300, reps=100, **options).to_frame()
        low, high = (told[end].to_numpy()[[0, 2]] for end in ("conf_low", "conf_high"))
        held.append((low < truth) & (truth < high))
    assert np.mean(held, axis=0).min() > 0.85  # 95 % in long runs: docs/estimators/bunching.md


def test_the_simulated_market_s_top_ups() -> None:
    sim = gc.simulate.livestream(
        users=8000, days=24, tactics="threshold_coupon", conversion=0.4, targeting="lot", treated_share=1, seed=2
    )
    orders = sim.logs.orders.assign(on=lambda o: (o["time"] >= "2026-03-14").astype(int))
    r = gc.bunching(orders, "list_price", 300, compare="on", cluster="user", discount=40, reps=200)
    told = rows(r)["estimate"]
    # 35 % of those 60 or less below, who end up to 15 above: about 38 each.
    assert r.p_value < 0.01 and 20 < told["response"] < 55
    assert not r.audit.failed
    near = orders.query("on == 0 and 240 <= list_price < 300")
    expected = 0.35 * len(near) / (orders["on"] == 0).sum() * (orders["on"] == 1).sum()
    error = rows(r)["std_error"]["excess_orders"]
    assert abs(told["excess_orders"] - expected) < 3 * np.hypot(error, 0.35 * np.sqrt(len(near)))


def test_the_world_whose_threshold_is_chosen() -> None:
    chosen = gc.simulate.world("D15", bunching=0.35, seed=1)
    moved = float(chosen.truth.to_frame().set_index("term")["value"]["moved"])
    r = gc.bunching(chosen.table().drop(columns="user"), "gmv_pre", 300, reps=200)
    told = rows(r)
    assert abs(told["estimate"]["excess_orders"] / 20_000 - moved) < 3 * told["std_error"]["excess_orders"] / 20_000
    assert not r.audit.failed and r.audit["excess"].status == "passed"
    quiet = gc.bunching(gc.simulate.world("D15", seed=1).table().drop(columns="user"), "gmv_pre", 300, reps=200)
    assert quiet.audit["excess"].status == "warned" and "response" not in set(quiet.to_frame()["term"])


# --- the audit --------------------------------------------------------------------------------------------------------
def test_another_rung_of_the_ladder_is_found() -> None:
    rng = np.random.default_rng(0)
    basket = ALONE["basket"].to_numpy().copy()
    up = (basket >= 170) & (basket < 200) & (rng.random(len(basket)) < 0.5)
    frame = pd.DataFrame({"basket": np.where(up, 200 + 10 * rng.random(len(basket)), basket)})
    check = gc.bunching(frame, "basket", 300, reps=99).audit["other_thresholds"]
    assert check.status == "failed" and "near 195" in check.message
    fewer = gc.bunching(frame, "basket", 300, fit_range=(212, 600), window=(240, 330), reps=99)
    assert fewer.audit["other_thresholds"].status == "passed"


def test_new_orders_are_seen_with_a_comparison() -> None:
    rng = np.random.default_rng(1)
    new = pd.DataFrame({"promotion": 1, "basket": 300 + rng.exponential(80, 500)})
    r = gc.bunching(pd.concat([FRAME, new]), "basket", 300, compare="promotion", reps=200)
    assert r.audit["new_orders"].status == "failed" and r.audit["missing_mass"].status == "failed"
    told = rows(r)
    assert abs(told["estimate"]["new_orders"] - 500) < 3 * told["std_error"]["new_orders"]
    assert "REFUSED" in r.summary() and "gc.ab_test" in r.summary()
    assert gc.bunching(ALONE, "basket", 300, reps=99).audit["new_orders"].status == "not_run"


def test_a_window_that_is_too_short_above() -> None:
    rng = np.random.default_rng(2)
    wish = np.exp(rng.normal(4.9, 0.7, 20_000))
    up = (wish >= 250) & (wish < 300) & (rng.random(20_000) < 0.6)
    frame = pd.DataFrame({"basket": np.where(up, 300 + 70 * rng.random(20_000), wish)})
    check = gc.bunching(frame, "basket", 300, reps=99).audit["window_ends"]
    assert check.status == "failed" and "above the window" in check.message
    assert gc.bunching(frame, "basket", 300, window=(225, 375), reps=99).audit["window_ends"].status == "passed"


def test_heaps_at_round_numbers_are_terms() -> None:
    rng = np.random.default_rng(3)
    basket = np.exp(rng.normal(4.9, 0.7, 20_000))
    heap = rng.random(20_000) < 0.15  # prices of 99, 199, 299 without any promotion
    frame = pd.DataFrame({"basket": np.where(heap, 100 * np.round(basket / 100) - 1, basket)}).query("basket > 0")
    r = gc.bunching(frame, "basket", 300, reps=200)
    assert any("just below a multiple of 100" in note for note in r.manifest.notes)
    assert abs(r.estimate) < 3 * r.std_error
    blind = gc.bunching(frame, "basket", 300, round_numbers=(), reps=200)
    assert blind.audit["fit"].status == "failed" and blind.audit["other_thresholds"].status == "failed"


def test_a_curve_that_decides_the_number() -> None:
    rng = np.random.default_rng(4)
    humps = np.concatenate([rng.normal(180, 25, 6_000), rng.normal(290, 30, 6_000), rng.normal(420, 40, 6_000)])
    r = gc.bunching(pd.DataFrame({"basket": humps[humps > 0]}), "basket", 300, order=2, reps=99)
    assert {"polynomial", "fit"} <= {c.name for c in r.audit.failed}
    assert gc.bunching(pd.DataFrame({"basket": ALONE["basket"]}), "basket", 300, reps=99).audit.credible


def test_the_window_that_converges_finds_the_reach() -> None:
    frame = pd.DataFrame({"basket": baskets(np.random.default_rng(5), 60_000, 0.5)[0]})
    r = gc.bunching(frame, "basket", 300, window="converge", reps=99)
    assert rows(r)["estimate"]["reach"] == pytest.approx(REACH, abs=15)
    assert r.manifest.options["window"][0] == 300 - rows(r)["estimate"]["reach"]
    assert "as found by convergence" in r.summary()


def test_the_threshold_design_points_here() -> None:
    frame = gc.simulate.world("D15", bunching=0.35, seed=0)
    check = gc.threshold(frame.table(), **frame.design.call).audit["density"]
    assert check.status == "failed" and "gc.bunching" in check.remedy


# --- the protocol, and the page ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("options", [{"compare": "promotion", "discount": 40}, {}], ids=["compare", "curve"])
def test_protocol(options: dict[str, Any], tmp_path: Path) -> None:
    frame = FRAME if options else ALONE
    assert_protocol(gc.bunching(frame, "basket", 300, reps=99, **options), tmp_path, (None, "bunching"))


def test_nothing_to_tell_is_told_as_such() -> None:
    r = gc.bunching(pd.DataFrame({"basket": market(topup=0.0, seed=8)["basket"]}), "basket", 300, reps=200)
    assert r.p_value > 0.05 and r.audit["excess"].status == "warned"
    assert "topped up, by" not in r.summary()


def test_the_table_of_the_page_is_the_code_s() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    told = {c[0].strip("`"): tuple(c[1:]) for c in ([x.strip() for x in line.strip("|").split("|")] for line in lines)}
    assert {k: v for k, v in told.items() if k in TABLE} == TABLE


def test_a_pile_elsewhere_is_not_this_threshold_s() -> None:
    rng = np.random.default_rng(0)
    plain = rng.lognormal(5.5, 0.5, 20_000)
    promoted = rng.lognormal(5.5, 0.5, 20_000)
    up = (promoted > 260) & (promoted < 320) & (rng.random(20_000) < 0.4)
    promoted[up] = 320 + rng.exponential(5, int(up.sum()))
    orders = pd.DataFrame({"basket": np.r_[plain, promoted], "on": np.repeat([0, 1], 20_000)})
    r = gc.bunching(orders, "basket", 300, compare="on", reps=199)
    assert not r.audit.credible
    assert {r.audit[name].status for name in ("pile_in_place", "other_thresholds")} & {"failed"}
    there = gc.bunching(orders, "basket", 320, compare="on", reps=199)
    assert there.audit["pile_in_place"].status == "passed"


def test_a_discount_for_every_so_much_is_not_counted_once() -> None:
    rng = np.random.default_rng(1)
    plain, promoted = rng.lognormal(5.8, 0.5, 20_000), rng.lognormal(5.8, 0.5, 20_000)
    for step in (300, 600):
        up = (promoted > 0.85 * step) & (promoted < step) & (rng.random(20_000) < 0.4)
        promoted[up] = step + rng.exponential(6, int(up.sum()))
    orders = pd.DataFrame({"basket": np.r_[plain, promoted], "on": np.repeat([0, 1], 20_000)})
    call = {"compare": "on", "reps": 199, "fit_range": (150, 580)}
    assert gc.bunching(orders, "basket", 300, discount=50, **call).audit["each_time"].status == "failed"
    assert "each_time" not in gc.bunching(orders, "basket", 300, **call).audit
    once = orders[(orders["on"] == 0) | (orders["basket"] < 570)]
    more = once.assign(basket=once["basket"])
    assert gc.bunching(more, "basket", 300, discount=50, **call).audit["each_time"].status != "failed"
