"""Which cohorts, periods and bases are compared, and with whom."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Reached:
    """Whom others' treatment reaches.

    Attributes
    ----------
    since : ndarray, shape (G,)
        Column from which on each cohort may be affected by anybody's treatment.
    treated : ndarray of bool, shape (G,)
        Which cohorts are treated themselves, sooner or later.
    """

    since: IntArray
    treated: BoolArray


@dataclass(frozen=True)
class Cells:
    """The (cohort, period, base) comparisons.

    Attributes
    ----------
    cohort : ndarray, shape (K,)
        Position in `starts`.
    period, base : ndarray, shape (K,)
        Columns of the grid.
    controls : ndarray of bool, shape (K, H)
        Which groups are pooled as controls; H is the cohorts and, last, the untreated.
    event : ndarray, shape (K,)
        Event time in steps of the grid.
    starts : ndarray, shape (G,)
        Column of first treatment of each cohort; of first exposure, of one that is exposed and never treated.
    kind : tuple of str, shape (G,), or None
        Which way each cohort switched first, "on" or "off", where a tactic may do both.
    since : ndarray, shape (G,), or None
        Column from which on a cohort may be affected, where that is not its start: others' treatment reached it before.
    spill : ndarray of bool, shape (K,), or None
        Where others' treatment is at work beside no treatment of one's own.
    """

    cohort: IntArray
    period: IntArray
    base: IntArray
    controls: BoolArray
    event: IntArray
    starts: IntArray
    kind: tuple[str, ...] | None = None
    since: IntArray | None = None
    spill: BoolArray | None = None

    def keep(self, mask: BoolArray) -> Cells:
        """The marked comparisons."""
        of_cells = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("starts", "kind", "since")}
        return replace(self, **{name: values[mask] for name, values in of_cells.items() if values is not None})

    @property
    def own(self) -> BoolArray:
        """Comparisons of the treated, before or after their start, shape (K,)."""
        return np.ones(len(self.cohort), dtype=bool) if self.spill is None else ~self.spill

    @property
    def post(self) -> BoolArray:
        """Comparisons at or after the start of the treated, shape (K,)."""
        return np.asarray((self.event >= 0) & self.own)

    def reference(self, position: IntArray) -> int | None:
        """Event time of the base of post cells: that nearest to the start, where gaps make cohorts differ."""
        post = self.post
        if not post.any():
            return None
        return int((position[self.base[post]] - position[self.starts[self.cohort[post]]]).max())


def make_cells(
    starts: IntArray, position: IntArray, has_never: bool, control: str, base_period: str, anticipation: int,
    reached: Reached | None = None,
) -> Cells:  # fmt: skip
    """List the comparisons that the data allow.

    Parameters
    ----------
    starts : ndarray, shape (G,)
        Columns of first treatment, sorted.
    position : ndarray, shape (T,)
        Steps of the periods, see `Grid`.
    control : {"never_treated", "not_yet_treated"}
    base_period : {"varying", "universal"}
        The base of pre-period cells: the period before, or the last period before treatment (and anticipation).
    reached : Reached, optional
        Which cohorts others' treatment reaches. Their base lies before that, and nobody's controls are exposed.
    """
    since = starts if reached is None else reached.since
    n_cohorts, n_periods = len(starts), len(position)
    cohort = np.repeat(np.arange(n_cohorts), n_periods)
    period = np.tile(np.arange(n_periods), n_cohorts)
    is_pre = position[period] < position[since[cohort]] - anticipation
    base = (is_pre.reshape(n_cohorts, n_periods).sum(axis=1) - 1)[cohort]
    if base_period == "varying":
        base = np.where(is_pre, period - 1, base)
    pool = np.zeros((len(cohort), n_cohorts + 1), dtype=bool)
    pool[:, n_cohorts] = has_never
    if control == "not_yet_treated":
        horizon = position[np.maximum(period, base)] + anticipation
        pool[:, :n_cohorts] = position[since] > horizon[:, None]
        pool[np.arange(len(cohort)), cohort] = False
    event = position[period] - position[starts[cohort]]
    listed = (base >= 0) & (base != period) & pool.any(axis=1)
    if reached is None:
        return Cells(cohort, period, base, pool, event, starts).keep(listed)
    early = since[cohort] < starts[cohort]
    between = early & (position[period] < position[starts[cohort]] - anticipation) & (period >= since[cohort])
    event[between] -= (position[since] - position[starts])[cohort[between]]
    # Waiting for others' treatment is neither a lead of one's own nor an effect of theirs.
    listed &= ~(early & ~is_pre & (period < since[cohort]))
    spill = between | ~reached.treated[cohort]
    return Cells(cohort, period, base, pool, event, starts, None, since, spill).keep(listed)
