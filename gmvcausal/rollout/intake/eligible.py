"""Which units a tactic is meant for, and in which dose it came: one value a unit, or a refusal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import first_rows, flags, numeric
from gmvcausal.frames.table import Table
from gmvcausal.rollout.intake.cohorts import UNTREATED
from gmvcausal.rollout.intake.layout import Layout, units_touched

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_BLANK = -1.0
_ALIKE = 1e-9  # of a dose: what arithmetic leaves, far below any amount of money


def read_eligible(table: Table, layout: Layout, column: str) -> BoolArray:
    """Whether the tactic is meant for a unit, shape (R,).

    Raises
    ------
    InputError
        Other values than 0 and 1; a value that varies within units.
    DesignError
        One value throughout.
    """
    value, varies = layout.per_row(flags(table, column, "eligible").astype(float))
    if varies.any():
        raise rules.not_constant(
            column, "eligible", "units", units_touched(layout, varies), first_rows(varies),
            "mark whom the tactic is meant for by what was known before the start, one value a unit",
        )  # fmt: skip
    if value.all() or not value.any():
        raise DesignError(
            f"eligible is {value[0]:g} for every unit, so there is no third difference",
            column=column,
            remedy="supply eligible and ineligible units, or use estimator='callaway_santanna'",
        )
    return np.asarray(value == 1.0)


def read_dose(table: Table, layout: Layout, column: str, start: IntArray, dated: BoolArray) -> FloatArray:
    """The dose of every treated unit, zero for the others, shape (R,).

    Parameters
    ----------
    start : ndarray of int, shape (R,)
    dated : ndarray of bool, shape (R,)
        Units that are untreated in these data but have a date of treatment after them: they may have a dose.

    Raises
    ------
    InputError
        Negative doses, doses that vary within units, treated units without a dose, untreated ones with a dose.
    """
    rows = numeric(table, column, "dose").values
    blank = np.isnan(rows)
    below = ~blank & (rows < 0)
    if below.any():
        raise InputError(
            "doses must be at least 0",
            column=column,
            count=int(below.sum()),
            rows=first_rows(below),
            remedy="write the amount of the tactic, such as the face value of the coupon, as a number above 0",
        )
    dose, varies = layout.per_row(np.where(blank, _BLANK, rows))
    if varies.any():
        raise rules.not_constant(
            column, "dose", "units", units_touched(layout, varies), first_rows(varies),
            "write the dose that the unit gets from its start on into all its rows; a unit whose dose changes later "
            "belongs to no dose: leave it out, or end its rows before the change",
        )  # fmt: skip
    dose = np.maximum(dose, 0.0)
    without = (start >= 0) & (dose == 0)
    if without.any():
        raise InputError(
            f"{int(without.sum()):,} treated units have no dose",
            column=column,
            count=int(without.sum()),
            rows=layout.rows_of(without),
            remedy="write their dose, or blank their first_treated if they got none",
            counted=True,
        )
    odd = (start == UNTREATED) & (dose > 0) & ~dated
    if odd.any():
        raise InputError(
            f"{int(odd.sum()):,} units have a dose but are never treated",
            column=column,
            count=int(odd.sum()),
            rows=layout.rows_of(odd),
            remedy="give them their date of first treatment, or a dose of 0 if they got none",
            counted=True,
        )
    return np.where(start >= 0, dose, 0.0)


def merge_alike(dose: FloatArray, notes: list[str]) -> FloatArray:
    """Doses that differ by no more than rounding are one: 10 and 10.000000000000002 would have a step between them."""
    values, code, size = np.unique(dose, return_inverse=True, return_counts=True)
    apart = np.diff(values) > _ALIKE * values[1:]
    group = np.r_[0, np.cumsum(apart)]
    if group[-1] + 1 == len(values):
        return dose
    # Of each group the value that most units have, the smallest of several.
    order = np.lexsort((values, -size, group))
    kept = values[order][np.unique(group[order], return_index=True)[1]]
    gone = len(values) - len(kept)
    what = "dose that differs" if gone == 1 else "doses that differ"
    notes.append(f"{gone:,} {what} from another by rounding only (less than {_ALIKE:g} of it) read as that one")
    return np.asarray(kept[group][code], dtype=float)
