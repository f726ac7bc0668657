"""Covariates of a panel: one row per unit where they never change, else one per unit and period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.covariates import encode
from gmvcausal.frames.table import Table
from gmvcausal.rollout.intake.layout import Layout
from gmvcausal.stats.standardise import standardised

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_SAME = 0.999
ADJUSTMENTS = ("doubly_robust", "regression", "ipw")
_MISSING = "supply the values, remove these units, or leave the column out: a covariate is never guessed"


@dataclass(frozen=True)
class Covariates:
    """Covariates on one scale, those that say nothing left out.

    Attributes
    ----------
    names : tuple of str
    x : ndarray, shape (R, p) or (R, T, p)
        The second where some column changes within units; NaN where the cell is absent.
    copies : mapping of str to float
        Columns that are (nearly) the outcome itself -> their squared correlation with it.
    """

    names: tuple[str, ...]
    x: FloatArray
    copies: Mapping[str, float]

    @property
    def moving(self) -> bool:
        """Whether some column changes within units."""
        return self.x.ndim == 3

    def at(self, column: int) -> FloatArray:
        """Values in one period, shape (R, p)."""
        return self.x[:, column] if self.moving else self.x

    def take(self, rows: NDArray[Any]) -> Covariates:
        """Those of the marked rows."""
        return replace(self, x=self.x[rows])


@dataclass(frozen=True)
class Given:
    """Covariates, what is done with them, and how periods are called in messages (one per column of the grid)."""

    covariates: Covariates
    adjustment: str
    label: tuple[str, ...]


def read_covariates(
    table: Table, layout: Layout, columns: Sequence[str], taken: Mapping[str, str | None], y: FloatArray,
    notes: list[str],
) -> Covariates | None:  # fmt: skip
    """Read the columns that `gmvcausal.did` was given as covariates.

    Parameters
    ----------
    taken : mapping of str to (str or None)
        What columns serve as already: the outcome or the treatment is no covariate.
    y : ndarray, shape (n,)
        Outcome of every row of the table.
    notes : list of str
        What was decided is added.

    Raises
    ------
    InputError
        A column that serves as something else; missing or infinite values; dates; text of too many levels.
    """
    if not columns:
        return None
    for role, column in taken.items():
        if column in columns:
            what = "the outcome itself" if role == "outcome" else f"the column of {role}"
            raise InputError(
                f"covariates= names {column!r}, which is {what}",
                column=column,
                remedy="control for what was fixed before the start, such as the mean outcome of earlier periods in a "
                "column of its own" if role == "outcome" else "leave it out",
            )  # fmt: skip
    encoded = encode(table, columns, _MISSING)
    notes += encoded.notes
    made = [layout.per_row(encoded.columns[j]) for j in range(len(encoded.names))]
    moving = list(dict.fromkeys(encoded.source[j] for j, (_, varies) in enumerate(made) if varies.any()))
    if moving:
        shape = (*layout.shape, len(made))
        whole = np.full(shape, np.nan)
        for j in range(len(made)):
            whole[:, :, j] = layout.matrix(encoded.columns[j])
        seen = np.isfinite(whole[:, :, 0])
        values, keep, dropped = standardised(whole[seen], encoded.names)
        x = np.full((*layout.shape, int(keep.sum())), np.nan)
        x[seen] = values
        notes.append(
            f"{', '.join(map(repr, moving))} may change within units: each comparison uses the value in its base "
            "period, before treatment; later values, which the tactic may have moved, are not used"
        )
    else:
        x, keep, dropped = standardised(np.column_stack([first for first, _ in made]), encoded.names)
    notes += dropped
    if not keep.any():
        raise InputError("no covariate is left: all are constant", column=columns[0], remedy="leave covariates= out")
    own = [j for j in range(len(made)) if encoded.source[j] in moving]  # what never changes is no copy of what does
    copies = _copies([encoded.columns[j] for j in own], [encoded.names[j] for j in own], y)
    return Covariates(tuple(np.array(encoded.names)[keep].tolist()), x, copies)


def _copies(columns: Sequence[FloatArray], names: Sequence[str], y: FloatArray) -> dict[str, float]:
    """Columns whose squared correlation with the outcome exceeds .999."""
    if not columns:
        return {}
    seen = np.isfinite(y)
    middle = y[seen] - y[seen].mean()
    size = float(middle @ middle)
    found = {}
    for column, name in zip(columns, names, strict=True):
        own = column[seen] - column[seen].mean()
        length = float(own @ own)
        r2 = float(own @ middle) ** 2 / (length * size) if length > 0 and size > 0 else 0.0
        if r2 > _SAME:
            found[name] = r2
    return found
