"""A two-way table without its totals, which readers know from another: nothing hidden follows, or a warning says so."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

import gmvcausal as gc


def table(counts: Any) -> pd.DataFrame:
    x = np.asarray(counts)
    return pd.DataFrame(x, index=[f"a{i}" for i in range(len(x))], columns=[f"b{j}" for j in range(x.shape[1])])


def suppressed(counts: Any) -> tuple[Any, bool]:
    """What is hidden, and whether a warning came."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        gone = gc.privacy.suppress(table(counts)).isna().to_numpy()
    return gone, any("no group is left to hide" in str(w.message) for w in told)


@pytest.mark.parametrize(
    "counts", [[[12, 0], [40, 5]], [[12, 0], [9, 2]], [[9, 1], [0, 0]], [[30, 0, 12], [40, 5, 0], [0, 0, 60]]]
)
def test_cells_that_follow_from_a_column_whatever_is_hidden_are_warned_of(counts: list[list[int]]) -> None:
    with pytest.warns(gc.GmvCausalWarning, match="whoever knows their total can work them out") as told:
        shown = gc.privacy.suppress(table(counts))
    assert told[0].filename == __file__
    x = np.asarray(counts)
    gone = shown.isna().to_numpy()
    assert gone[(x > 0) & (x < 10)].all() and not gone[x == 0].any()
    # Readers who know the totals of rows alone are told nothing: no small cell is the only one hidden of its row.
    assert all(row.sum() != 1 for row in gone)


def test_more_cells_are_hidden_where_there_are_some() -> None:
    gone, warned = suppressed([[4, 60, 90], [65, 50, 80], [90, 30, 85]])
    assert gone.astype(int).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]] and not warned
    # The 40 of the second column is alone in it, so the third shelters the row.
    gone, warned = suppressed([[1, 40, 40, 2], [40, 0, 12, 12]])
    assert gone.astype(int).tolist() == [[1, 0, 1, 1], [1, 0, 1, 1]] and not warned


def test_totals_that_nobody_knows_are_no_danger() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gone = gc.privacy.suppress(table([[12, 0], [40, 5]]), total=False).isna().to_numpy()
    assert gone.astype(int).tolist() == [[0, 0], [1, 1]]


def test_whoever_knows_all_totals_finds_no_hidden_cell() -> None:
    rng = np.random.default_rng(1)
    quiet = hidden = 0
    for _ in range(150):
        r, c = rng.integers(2, 5, 2)
        x = rng.choice([0, 1, 2, 5, 9, 10, 12, 40, 200], (r, c))
        gone, warned = suppressed(x)
        assert gone[(x > 0) & (x < 10)].all()
        if warned or not gone.any():
            continue
        quiet += 1
        places = np.argwhere(gone)
        lines = [places[:, 0] == i for i in range(r)] + [places[:, 1] == j for j in range(c)]
        sums = np.r_[(x * gone).sum(axis=1), (x * gone).sum(axis=0)]
        rule = LinearConstraint(np.array(lines, dtype=float), sums, sums)
        for k in range(len(places)):
            hidden += 1
            goal = np.eye(len(places))[k]
            ends = [
                milp(s * goal, constraints=rule, bounds=Bounds(1, np.inf), integrality=np.ones(len(places))).fun * s
                for s in (1, -1)
            ]
            assert ends[1] - ends[0] > 0.5, (x.tolist(), places[k].tolist())
    assert quiet > 30 and hidden > 150
