"""Small cells: by hand, against linear algebra, and what an attacker who knows the rule can still work out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import null_space
from scipy.optimize import linprog

import gmvcausal as gc
from gmvcausal.stats.small_cells import Masks, hidden, hidden_two_way


@pytest.mark.parametrize(
    ("counts", "want"),
    [
        ([400, 35, 4, 120], [0, 1, 1, 0]),  # 4 is small, and 35 goes with it: else 559 - 555 = 4
        ([400, 35, 4, 7], [0, 0, 1, 1]),  # 11 in all: their sum tells neither
        ([400, 35, 4, 5], [0, 1, 1, 1]),  # 9 in all: the union would be a small cell
        ([400, 35, 0, 120], [0, 0, 0, 0]),  # nobody is nobody
        ([400, 0, 4], [1, 0, 1]),  # a zero is known, and shelters nothing
        ([4, 3], [1, 1]),
        ([4], [1]),
        ([9, 10, 11], [1, 1, 0]),
        ([10, 11], [0, 0]),
    ],
)
def test_lists_by_hand(counts: list[int], want: list[int]) -> None:
    assert hidden(np.array(counts)).astype(int).tolist() == want
    assert hidden(np.array(counts), 1).sum() == 0


def whole(counts: Any, masks: Masks) -> tuple[Any, Any]:
    """The table with its totals, and what of it is hidden."""
    x = np.zeros((counts.shape[0] + 1, counts.shape[1] + 1), dtype=int)
    mask = np.zeros(x.shape, dtype=bool)
    x[:-1, :-1], x[:-1, -1], x[-1, :-1], x[-1, -1] = counts, counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    mask[:-1, :-1], mask[:-1, -1], mask[-1, :-1], mask[-1, -1] = masks
    return x, mask


def sums(shape: tuple[int, int]) -> Any:
    """Every line of a table less its total is zero: one equation each."""
    out = []
    for axis, length in enumerate(shape):
        for k in range(length):
            one = np.zeros(shape)
            line = one[k] if axis == 0 else one[:, k]
            line[:-1], line[-1] = 1, -1
            out.append(one.ravel())
    return np.array(out)


def test_two_ways_by_hand() -> None:
    # The 4 needs a rectangle (or a longer cycle) of hidden cells. Beside it: 60 and 65 with 50 cost 175, 60 and 90 with
    # 30 cost 180, 90 and 65 with 80 cost 235: the first is taken.
    found = hidden_two_way(np.array([[4, 60, 90], [65, 50, 80], [90, 30, 85]]))
    assert found.cells.astype(int).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert not found.rows.any() and not found.columns.any() and not found.total
    # Two small cells in one rectangle shelter each other, but hold 7 in their row: one more is hidden there.
    found = hidden_two_way(np.array([[4, 3, 90], [40, 30, 80]]))
    assert found.cells.astype(int).tolist() == [[1, 1, 1], [1, 1, 1]]


def test_nobody_can_work_out_a_hidden_cell() -> None:
    rng = np.random.default_rng(1)
    widths, exact, cells = [], 0, 0
    for _ in range(60):
        r, c = rng.integers(2, 6, 2)
        counts = rng.poisson(rng.gamma(0.7, 40, size=(r, c)))
        counts[rng.random((r, c)) < 0.2] = 0
        x, mask = whole(counts, hidden_two_way(counts))
        primary = (x > 0) & (x < 10)
        assert (mask | ~primary).all() and not (mask & (x == 0)).any()
        places = np.flatnonzero(mask.ravel())
        if not len(places):
            assert not primary.any()
            continue
        a = sums(x.shape)[:, places]
        free = (np.abs(null_space(a)) > 1e-9).any(axis=1)
        known = x.ravel()[places]
        for k in np.flatnonzero(primary.ravel()[places]):
            cells += 1
            exact += not free[k]
            goal = np.eye(len(places))[k]
            # The attacker knows every total shown and that no zero is hidden.
            ends = [linprog(s * goal, A_eq=a, b_eq=a @ known, bounds=(1, None)) for s in (1, -1)]
            widths.append(np.inf if ends[1].status == 3 else -ends[1].fun - ends[0].fun)
    assert cells > 100 and exact == 0
    assert min(widths) >= 1 and np.median(widths) >= 9


def test_order_and_labels_do_not_matter() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        counts = rng.permutation(rng.integers(0, 400, 12) // rng.integers(1, 60, 12)).reshape(3, 4)
        straight = hidden_two_way(counts).cells
        np.testing.assert_array_equal(hidden_two_way(counts.T).cells.sum(), straight.sum())
        if len(set(counts.ravel())) == counts.size:
            order = rng.permutation(4)
            again = hidden_two_way(counts[:, order]).cells
            assert counts[straight].sum() == counts[:, order][again].sum()


TIERS = pd.DataFrame(
    {"tier": ["new", "gold", "black", "none"], "users": [400, 35, 4, 0], "gmv": [20.5, 80.0, 310.0, np.nan]}
)


def test_a_table_of_groups() -> None:
    before = TIERS.copy()
    safe = gc.privacy.suppress(TIERS, "users")
    pd.testing.assert_frame_equal(TIERS, before)
    assert safe["users"].isna().tolist() == [False, True, True, False]
    assert safe["gmv"].isna().tolist() == [False, True, True, True]
    assert safe["tier"].tolist() == TIERS["tier"].tolist() and safe.attrs["hidden"] == 2
    pd.testing.assert_frame_equal(gc.privacy.suppress(TIERS, "users", min_cell=0).astype({"users": "int64"}), TIERS)
    assert gc.privacy.suppress(TIERS, "users", min_cell=50)["users"].isna().sum() == 3
    assert gc.privacy.suppress(TIERS, "users", total=False)["users"].isna().sum() == 1


def test_groups_within_groups_and_two_counts() -> None:
    frame = pd.DataFrame({
        "cohort": [1, 1, 1, 2, 2, 2], "period": [0, 1, 2] * 2, "users": [50, 5, 20, 60, 70, 80],
        "buyers": [40, 5, 15, 8, 40, 30], "gmv": np.arange(6.0),
    })  # fmt: skip
    safe = gc.privacy.suppress(frame, ["users", "buyers"], within="cohort", keep="period")
    assert safe["users"].isna().tolist() == [False, True, True, True, False, True]
    assert safe["period"].tolist() == [0, 1, 2] * 2 and safe["cohort"].tolist() == [1, 1, 1, 2, 2, 2]
    assert safe["gmv"].isna().tolist() == safe["buyers"].isna().tolist() == safe["users"].isna().tolist()


def test_a_crosstab_with_its_margins() -> None:
    counts = np.array([[4, 60, 90], [65, 50, 80], [90, 30, 85]])
    users = pd.DataFrame([(f"r{i}", f"c{j}") for i in range(3) for j in range(3) for _ in range(counts[i, j])])
    table = pd.crosstab(users[0], users[1], margins=True)
    safe = gc.privacy.suppress(table, margins="All")
    assert safe.isna().to_numpy().astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert safe.loc["All", "All"] == 554 and safe.attrs["hidden"] == 4
    bare = gc.privacy.suppress(pd.crosstab(users[0], users[1]))
    assert bare.isna().to_numpy().astype(int).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gc.privacy.suppress(TIERS, "n"), "no column 'n'"),
        (lambda: gc.privacy.suppress(TIERS, "gmv"), "whole"),
        (lambda: gc.privacy.suppress(TIERS.assign(users=-1), "users"), "below 0"),
        (lambda: gc.privacy.suppress(TIERS), "numbers alone"),
        (lambda: gc.privacy.suppress(TIERS, "users", min_cell=-1), "min_cell"),
        (lambda: gc.privacy.suppress(TIERS, "users", min_cell=2.5), "min_cell"),
        (lambda: gc.privacy.suppress([1], "users"), "DataFrame"),
        (lambda: gc.privacy.suppress(pd.DataFrame({"a": [1]}), margins="All"), "no row and column"),
        (lambda: gc.privacy.suppress(pd.DataFrame()), "no cells"),
    ],
)
def test_bad_calls(call: Any, words: str) -> None:
    with pytest.raises(gc.InputError, match=words):
        call()
