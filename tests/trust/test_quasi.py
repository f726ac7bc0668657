"""Designs where nobody drew lots in the trust room: the world of orders and its truth, weak instruments, the page."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gmvcausal as gc
from gmvcausal import trust
from gmvcausal.trust import Cell, asks_quasi, baskets, page_designs, plans_quasi
from gmvcausal.trust.page import page_text

ORDERS = "gmvcausal.trust.baskets:orders"


@pytest.mark.parametrize("dials", [{}, {"heap": 0.2}, {"each": 4}, {"topup": 0.0}], ids=str)
def test_the_truth_of_orders_by_brute_force(dials: dict[str, float]) -> None:
    n = 400_000
    with_it, without = (
        baskets.orders(n=n, seed=seed, **{**dials, "topup": topup}).table()["basket"].to_numpy()
        for seed, topup in ((1, float(dials.get("topup", 0.35))), (2, 0.0))
    )
    truth = baskets.orders(n=n, seed=1, **dials).truth
    near = (without >= 240) & (without < 300)
    error = math.sqrt(near.mean() / n)
    share = float(dials.get("topup", 0.35))
    assert abs(share * near.mean() - truth["excess_orders"] / n) < 4 * error
    assert abs(share * ((307.5 - without) * near).mean() - truth["extra_gmv"]) < 4 * 60 * error
    above = (with_it >= 300).mean()
    if not share:
        assert truth["excess_share"] == truth["response"] == 0
        return
    assert abs(truth["excess_orders"] / n / truth["excess_share"] - above) < 4 * math.sqrt(above / n)


def test_orders_are_what_they_say() -> None:
    one = baskets.orders(n=3_000, seed=3, compare=True, each=3, new=0.02)
    table = one.table()
    assert table["promotion"].value_counts().to_dict() == {0: 3_000, 1: 3_060}
    assert table.groupby("user").size().value_counts().to_dict() == {3: 2_000, 1: 60}
    assert one.truth["new_orders"] == 60 and (table["basket"].iloc[-60:] >= 300).all()
    logs = np.log(baskets.orders(n=200_000, seed=4, topup=0.0, each=2).table()["basket"].to_numpy())
    assert logs.std() == pytest.approx(baskets.SPREAD, rel=0.01)
    pairs = np.corrcoef(logs[:100_000], logs[100_000:])[0, 1]
    assert pairs == pytest.approx(0.5, abs=0.02)
    assert baskets.orders(n=3_000, seed=3, compare=True, each=3, new=0.02).table().equals(table)


def test_a_set_without_an_end_is_counted_as_holding() -> None:
    market = gc.simulate.world("D14", n=1_000, seed=1, unsent=0.999)
    table, call = market.table(), market.design.call
    answer, plain = asks_quasi.weak(table, **call), gc.iv(table, **call)
    assert math.isinf(plain.conf_int()[1] - plain.conf_int()[0])
    low, high = answer.interval(0.95)
    assert (low[0], high[0]) == (-asks_quasi.FAR, asks_quasi.FAR)
    assert answer.to_frame()["estimate"][0] == plain.estimate


def test_d14_with_walk_ins_and_little_reach() -> None:
    market = gc.simulate.world("D14", n=60_000, seed=6, unsent=0.3, reach=0.5, direct=4.0)
    table, truth = market.table(), market.truth
    sent = table["sent"] == 1
    moved = table["delivered"][sent].mean() - table["delivered"][~sent].mean()
    assert moved == pytest.approx(truth["share"], abs=0.01)
    gap = table["gmv"][sent].mean() - table["gmv"][~sent].mean()
    error = math.sqrt(table["gmv"][sent].var() / sent.sum() + table["gmv"][~sent].var() / (~sent).sum())
    assert abs(gap - truth["itt"]) < 4 * error


def test_the_section_of_the_page() -> None:
    cells = [
        Cell("quasi/bunching/curve/extra_gmv", ORDERS, n=3_000, verb="bunching", call={"reps": 99}, term="extra_gmv",
             gates=("runs", "coverage"), reps=2),
        Cell("quasi/iv/direct", "D14", "fails on purpose", n=400, verb="iv", dials={"direct": 15.0},
             gates=("runs", "seen_failing"), reps=2),
    ]  # fmt: skip
    report = trust.run(cells, workers=0, progress=False)
    section = page_designs.section(report, "quasi")
    text = page_text(report)
    assert section in text and "nan" not in section and "### A rule with a threshold" not in section
    for cell in cells:
        assert f"| `{cell.id}` |" in section
        assert cell.id not in text.partition("## Instruments, thresholds")[0]
    assert page_designs.section(trust.run([Cell("a", "D5", n=20, reps=1)], workers=0, progress=False), "quasi") == ""


def test_the_plan_names_what_it_compares_with() -> None:
    cells = {cell.id: cell for cell in plans_quasi.cells()}
    assert set(plans_quasi.QUICK) <= set(cells)
    assert all(cell.clean in cells for cell in cells.values() if cell.clean)
