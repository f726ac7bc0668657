"""What the rows of the data say, before anybody judges it: units by periods, and one value for each unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.facts import COARSER
from gmvcausal.frames.table import Table
from gmvcausal.frames.times import Times
from gmvcausal.rollout.intake.covariates import Covariates
from gmvcausal.rollout.intake.layout import Layout

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

OPTIONAL = (*COARSER, "other_tactic", "parts")
NEVER = np.iinfo(np.int64).min  # no date of first treatment: a value of its own, so that "sometimes missing" varies
NO_OUTCOME = (
    "a unit that bought nothing has outcome 0: pass missing='zero' if that is what missing means "
    "here, else remove the rows"
)
NO_PARTS = "write 1 where a row holds a sum"

SAMPLE = 2_000  # units on which a column is looked at first


@dataclass(frozen=True)
class Ask:
    """Which columns a call names, and how they are to be read; see `gmvcausal.did`.

    `one_by_one` names what the call asks for that takes the units one by one, so that sums of them will not do.
    """

    outcome: str
    unit: str | None
    time: str
    first_treated: str
    treated: str | None
    stack: str | None
    never: Any
    cluster: str | None
    weights: str | None
    anticipation: int
    missing: str
    dedupe: str | None
    absorbing: bool
    covariates: Sequence[str] = ()
    ratios: bool = False
    dose: str | None = None
    eligible: str | None = None
    one_by_one: tuple[str, ...] = ()

    @property
    def needed(self) -> dict[str, str]:
        """Every column named, once -> what for."""
        treatment = "first_treated" if self.treated is None else "treated"
        roles = ("stack", "cluster", "weights", "dose", "eligible", treatment, "time", "outcome", "unit")
        named = dict.fromkeys(self.covariates, "covariates") | {getattr(self, role): role for role in roles}
        return {column: role for column, role in named.items() if column is not None}


@dataclass(frozen=True)
class Codes:
    """One column by units.

    Attributes
    ----------
    codes : ndarray of int, shape (R,)
        Dense code of each unit's value, in its first row where it has several.
    several : int
        Units that have several values.
    rows : list of int
        First rows that disagree, where they are known.
    """

    codes: IntArray
    several: int
    rows: list[int]


class Further(Protocol):
    """The other columns of the data, read when somebody asks."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of all columns."""

    def codes(self, column: str, role: str) -> Codes:
        """One column by units; `InputError` where it holds no ids."""

    def sample(self, columns: Sequence[str]) -> tuple[Table, IntArray] | None:
        """Those of the columns that may hold ids, of some units whole, and each row's unit."""


@dataclass(frozen=True)
class Rows:
    """What the rows say.

    Attributes
    ----------
    n : int
    columns : tuple of str
        All columns of the data, those that were not read among them.
    layout : Layout
    never : object
        The code of never that is left to be looked for; None where it was text, `word`, and read as missing.
    calendar, when : Times
        Periods and dates of first treatment, each value at least once; `when` is None with ``treated=``.
    y : ndarray, shape (R, T)
        NaN where absent.
    total : float
        Sum of the outcome.
    filled : int
        Missing outcomes that were set to 0.
    spacing : float
        See `Numbers`.
    on : ndarray, shape (R, T), or None
    first : ndarray of int64, shape (R,), or None
        Date of first treatment on the scale of `calendar`, `NEVER` where there is none.
    weight : ndarray, shape (R,), or None
    parts : float
    further : Further
    dose : callable or None
        From each unit's column of first treatment, and whether it is treated later, to its dose.
    eligible : ndarray of bool, shape (R,), or None
    """

    n: int
    columns: tuple[str, ...]
    layout: Layout
    calendar: Times
    when: Times | None
    y: FloatArray
    total: float
    filled: int
    spacing: float
    on: FloatArray | None
    first: IntArray | None
    weight: FloatArray | None
    parts: float
    further: Further
    other: FloatArray | None = None
    covariates: Covariates | None = None
    dose: Callable[[IntArray, NDArray[np.bool_]], FloatArray] | None = None
    eligible: NDArray[np.bool_] | None = None
    never: Any = None
    word: str | None = None
    notes: tuple[str, ...] = ()
