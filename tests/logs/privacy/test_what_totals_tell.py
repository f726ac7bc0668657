"""Small cells where zeros are shown, so that hidden ones are known to be one at least; what else of a table tells."""

from __future__ import annotations

import datetime as dt
import decimal
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

import gmvcausal as gc
from gmvcausal.stats.small_cells import enough, hidden, hidden_two_way


def ranges(counts: Any) -> list[tuple[int, int, int]]:
    """True value and bounds of every hidden cell, by linear programming (in a network the bounds are whole numbers)."""
    r, c = counts.shape
    x = np.zeros((r + 1, c + 1), dtype=int)
    x[:-1, :-1], x[:-1, -1], x[-1, :-1], x[-1, -1] = counts, counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    m = hidden_two_way(counts)
    mask = np.zeros(x.shape, dtype=bool)
    mask[:-1, :-1], mask[:-1, -1], mask[-1, :-1], mask[-1, -1] = m
    rows, known = [], []
    at = np.arange(x.size).reshape(x.shape)
    for line, own, place in [*zip(x, mask, at, strict=True), *zip(x.T, mask.T, at.T, strict=True)]:
        sign = np.r_[np.ones(len(line) - 1), -1.0]
        row = np.zeros(x.size)
        row[place[own]] = sign[own]
        rows.append(row)
        known.append(-(sign * line)[~own].sum())
    bounds = [(1, None) if hid else (0, 0) for hid in mask.ravel()]
    out = []
    for k in np.flatnonzero(mask.ravel()):
        goal = np.zeros(x.size)
        goal[k] = 1.0
        ends = []
        for sign_of in (1.0, -1.0):
            found = linprog(sign_of * goal, A_eq=np.array(rows), b_eq=known, bounds=bounds)
            ends.append(10**9 if found.status == 3 else round(found.x[k]))
        out.append((int(x.ravel()[k]), *ends))
    return out


@pytest.mark.parametrize(
    "cells", [[[0, 51, 22], [1, 29, 0], [0, 1, 1]], [[96, 1, 668], [1, 0, 13], [73, 1, 14]], [[1]]]
)
def test_cells_of_one_do_not_follow_from_their_totals(cells: list[list[int]]) -> None:
    found = ranges(np.array(cells))
    assert found and all(low <= true <= high and low < high for true, low, high in found)


def test_no_hidden_cell_has_one_value_alone() -> None:
    rng = np.random.default_rng(11)
    seen = 0
    for kind in range(45):
        shape = tuple(rng.integers(1, 5, 2))
        x = [
            rng.integers(0, 30, shape),
            rng.poisson(3, shape) * (rng.random(shape) < 0.7),
            (rng.random(shape) < 0.6) * 1 + (rng.random(shape) < 0.15) * rng.integers(1, 60, shape),
        ][kind % 3]
        found = ranges(x)
        seen += len(found)
        assert all(low < high for _, low, high in found), x.tolist()
    assert seen > 100


def test_lists_of_ones() -> None:
    assert hidden(np.array([1] * 10 + [500])).all()  # 10 in ten groups would be one each
    assert hidden(np.array([1] * 9 + [2, 500])).tolist() == [True] * 10 + [False]
    assert not enough(np.array([1] * 10))
    table = pd.DataFrame({"n": [1] * 10})
    with pytest.warns(gc.GmvCausalWarning, match="no group is left to hide"):
        assert gc.privacy.suppress(table, "n")["n"].isna().all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.privacy.suppress(table, "n", total=False)


TIERS = pd.DataFrame({"tier": ["new", "gold", "black"], "users": [400, 35, 4]})
MEANS: dict[str, list[Any]] = {
    "decimals": [decimal.Decimal("20.5"), decimal.Decimal("80"), decimal.Decimal("310.12")],
    "texts": ["20.5", "80", "310.12"],
    "money": ["¥20.5", "-¥1,080", "¥310.12"],
    "shares": ["20 %", "80%", "31.5%"],
    "powers": ["2e1", "8e1", "3.1E+2"],
    "lists": [[1.0], [2.0], [310.0]],
    "spans": list(pd.to_timedelta([1, 2, 3], unit="s")),
    "bytes": [b"20", b"80", b"310"],
}


@pytest.mark.parametrize("kind", MEANS)
def test_what_is_measured_of_a_hidden_group_goes_whatever_holds_it(kind: str) -> None:
    table = TIERS.assign(mean=pd.Series(MEANS[kind]))
    shown = gc.privacy.suppress(table, "users")
    assert shown["mean"].isna().tolist() == [False, True, True]
    assert shown["tier"].tolist() == table["tier"].tolist()
    if kind == "texts":
        assert gc.privacy.suppress(table.astype({"mean": "category"}), "users")["mean"].isna().tolist() == [0, 1, 1]
        assert gc.privacy.suppress(table, "users", keep="mean")["mean"].notna().all()


def test_labels_stay() -> None:
    labels = TIERS.assign(
        age=["18-24", "25-34", "35+ years"], since=[dt.date(2025, 1, d) for d in (1, 2, 3)], own=[True, False, True]
    )
    labels["band"] = pd.cut([1, 5, 9], [0, 4, 6, 10])
    labels["kind"] = pd.Categorical(["a", "b", "c"])
    shown = gc.privacy.suppress(labels, "users")
    assert shown.drop(columns="users").notna().all(axis=None)


CROSS = pd.DataFrame({"x": [40, 60, 100], "y": [30, 20, 50], "All": [70, 80, 150]}, index=["a", "b", "All"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gc.privacy.suppress(TIERS.astype({"users": object}), "users"), "held as object"),
        (lambda: gc.privacy.suppress(TIERS.astype({"users": str}), "users"), "not as numbers"),
        (lambda: gc.privacy.suppress(TIERS.astype({"users": "category"}), "users"), "held as category"),
        (lambda: gc.privacy.suppress(TIERS, "users", keep="users"), "keep= names a column of counts"),
        (lambda: gc.privacy.suppress(TIERS, "users", within=["users"]), "within= names a column of counts"),
        (lambda: gc.privacy.suppress(TIERS, []), "counts names no column"),
        (lambda: gc.privacy.suppress(TIERS.set_axis(["a", "a"], axis=1), "a"), "share a name"),
        (lambda: gc.privacy.suppress(CROSS.assign(All=[70, 81, 150]), margins="All"), "sums.*row position 1"),
        (lambda: gc.privacy.suppress(CROSS.assign(y=[30, 20, 51]), margins="All"), "totals of columns.*'y'"),
        (lambda: gc.privacy.suppress(CROSS.assign(All=[70, 80, 151]), margins="All"), "totals of columns.*'All'"),
        (lambda: gc.privacy.suppress(pd.concat([CROSS, CROSS.tail(1)]), margins="All"), "more than one row"),
    ],
)
def test_bad_tables(call: Any, words: str) -> None:
    with pytest.raises(gc.InputError, match=words):
        call()
