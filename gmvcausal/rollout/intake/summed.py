"""Outcomes of which only sums are held: what stands in the place of the matrix where the panel is too large for it.

The rows of such a `Panel` are groups of units that are alike in start, cluster and whether they were active early; each
stands for as many units as `Summed.behind` says. Whatever asks for the units themselves is refused in one sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.moments import Moments, merge
from gmvcausal.rollout.intake.facts import Tally

if TYPE_CHECKING:
    from gmvcausal.rollout.chance.moment_scores import Loads

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

AGGREGATE = (
    "give memory_limit= more, or aggregate first: in SQL, SELECT period, first_treated, concat(first_treated, '-', "
    "hash(unit) % 1000) AS unit, avg(gmv) AS gmv, count(*) AS members FROM panel GROUP BY ALL makes groups of units "
    "within cohorts, and gc.did(..., weights='members') takes them"
)


def refuse_rows(what: str = "this") -> NoReturn:
    """Say that only sums are held.

    Raises
    ------
    InputError
    """
    raise InputError(f"{what} takes the units one by one, and of this panel only sums are held", remedy=AGGREGATE)


class NoRows:
    """Something of the units that is not held; only its shape is known.

    Parameters
    ----------
    shape : tuple of int
    """

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        refuse_rows()

    __array__ = __array_ufunc__ = __array_function__ = _refuse
    __getitem__ = __len__ = __iter__ = __eq__ = __ne__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        # What Python itself looks for (to copy, to pickle) is simply not there.
        if name.startswith("__"):
            raise AttributeError(name)
        refuse_rows()


@dataclass(frozen=True)
class Largest:
    """What the units carry of the squares of an estimate's influences, by start.

    Attributes
    ----------
    start : ndarray of int, shape (k,)
        Codes as in `Panel.start`.
    most, total : ndarray, shape (k,)
        Largest square, and their sum.
    count : ndarray, shape (k,)
        Units whose influence is not 0.
    """

    start: IntArray
    most: FloatArray
    total: FloatArray
    count: FloatArray


class Summed(NoRows):
    """Sums of a complete panel.

    Parameters
    ----------
    width : int
        Periods.
    start : ndarray of int, shape (r,)
        As in `Panel`, of the groups.
    early : ndarray of bool, shape (r,)
        Whether the units of a group were active in the first periods, as the audit looks for.
    behind : ndarray of int, shape (r,)
        Units in every group.
    moments : Moments
        Keys are pairs of start and early.
    tally : Tally
    look : callable, optional
        Reads the rows again for the largest influences.
    """

    def __init__(
        self, width: int, start: IntArray, early: NDArray[np.bool_], behind: IntArray, moments: Moments, tally: Tally,
        look: Callable[[Loads], Largest] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(len(start), width)
        self.start, self.early, self.behind = start, early, behind
        self.parts, self.tally, self.look = moments, tally, look
        self.moments = of_starts(moments)

    def of_early(self) -> tuple[NDArray[np.bool_], Summed]:
        """The groups that were active early, and their sums."""
        inside = self.early & (self.behind > 0)
        keys = tuple(key for key, n in zip(self.parts.keys, self.parts.n, strict=True) if key[1] and n)  # type: ignore[index]  # keys are pairs
        part = self.parts.select(keys)
        return inside, Summed(
            self.shape[1], self.start[inside], self.early[inside], self.behind[inside], part, self.tally
        )

    def __getstate__(self) -> dict[str, Any]:
        # The rows lie where an engine reads them, which no pickle can hold.
        return {**self.__dict__, "look": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def of_starts(moments: Moments) -> Moments:
    """Moments by start from those by start and early, ascending."""
    starts = sorted({key[0] for key in moments.keys})  # type: ignore[index]  # keys are pairs
    halves = []
    for early in (False, True):
        own = moments.select(tuple((start, early) for start in starts))
        halves.append(replace(own, keys=tuple(starts)))
    return merge(*halves)
