"""How a panel's arms run through its periods, and the checks that say what that rules out."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.columns import identifiers
from gmvcausal.frames.table import Table
from gmvcausal.frames.times import times
from gmvcausal.observational.adjustment.rules import PANEL
from gmvcausal.results.audit import Check

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

# Holes beyond this share, in a panel without a single zero: rows are there because something was bought.
_BOUGHT = 0.1


class Runs(NamedTuple):
    """How the arms run.

    Attributes
    ----------
    switchers : int
        Units whose arm changes.
    ended : int
        Units whose arm goes off again.
    explained : float
        Share of the variance of the arm that periods explain.
    cells : int
        Units times periods.
    holes : int
        Unit-periods without a row.
    between : int
        Those of them between a unit's first row and its last.
    """

    switchers: int
    ended: int
    explained: float
    cells: int
    holes: int
    between: int

    @property
    def stays(self) -> bool:
        """Whether the arm comes and hardly ever goes (from one switcher in ten it counts as going)."""
        return self.switchers > 0 and self.ended < 0.1 * self.switchers


def in_order(table: Table, column: str) -> IntArray:
    """Periods as dense codes in the order of time, shape (n,); text that is no date goes by the numbers in it."""
    try:
        found = times(table, column, "time").values
    except InputError:
        codes = identifiers(table, column, "time")
        labels = [str(v) for v in codes.labels]
        rank = sorted(range(len(labels)), key=lambda k: ([int(d) for d in re.findall(r"\d+", labels[k])], labels[k]))
        place = np.empty(len(labels), dtype=np.int64)
        place[rank] = np.arange(len(labels))
        return place[codes.codes]
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def runs(unit: IntArray, time: IntArray, treated: BoolArray) -> Runs:
    """How the arms of a panel run.

    Parameters
    ----------
    unit, time : ndarray of int, shape (n,)
        Dense codes, periods in the order of time; every pair at most once.
    treated : ndarray of bool, shape (n,)

    Examples
    --------
    >>> unit, time = np.repeat([0, 1, 2], 3), np.tile([0, 1, 2], 3)
    >>> runs(unit, time, np.array([0, 1, 1, 0, 1, 0, 0, 0, 0], dtype=bool))[:2]  # one stays, one ends
    (2, 1)
    """
    units, periods = int(unit.max()) + 1, int(time.max()) + 1
    order = np.lexsort((time, unit))
    who, when, on = unit[order], time[order], treated[order]
    same = who[1:] == who[:-1]
    moved, off = np.zeros(units, dtype=bool), np.zeros(units, dtype=bool)
    moved[who[1:][same & (on[1:] != on[:-1])]] = True
    off[who[1:][same & ~on[1:] & on[:-1]]] = True
    size = np.bincount(time, minlength=periods)
    share = np.bincount(time, treated, minlength=periods) / np.maximum(size, 1)
    mean = float(treated.mean())
    explained = float((size * (share - mean) ** 2).sum() / (len(unit) * mean * (1 - mean)))
    return Runs(
        int(moved.sum()), int(off.sum()), explained, units * periods, units * periods - len(unit),
        int((when[1:] - when[:-1] - 1)[same].sum()),
    )  # fmt: skip


def calendar(run: Runs, name: str, known: bool) -> Check | None:
    """How far do periods decide the arm, where they are no covariate?"""
    if known:
        return None
    message = f"which {name} it is explains {run.explained:.0%} of who has the arm"
    return PANEL.check(
        "calendar", run.explained, message,
        f"the comparison of all rows is then largely one of {name}s: take {name!r} into covariates (as a "
        "category, so that each is a level), or use gc.did, which compares within them",
    )  # fmt: skip


def holes(run: Runs, unit: str, time: str, positive: bool) -> Check:
    """Has every unit a row in every period?"""
    share = run.holes / run.cells
    message = f"{run.holes:,} of {run.cells:,} {unit}-{time}s have no row" if run.holes else "every unit has all rows"
    bought = positive and run.between > _BOUGHT * run.cells
    if bought:
        message += f", {run.between:,} of them between rows of the same {unit}, and no outcome is 0"
    return PANEL.check(
        "holes", share, message,
        "where no row means that nothing was bought, fill it in with 0 (gc.Logs(...).panel does): the tactic also "
        "moves who buys at all, which rows with a purchase alone cannot show",
        status="failed" if bought else None,
    )  # fmt: skip
