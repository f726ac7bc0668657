"""Cohorts of fewer than ten users are not shown, and the curves of others end where they rest on fewer than ten.

A share among ten or more is shown, as a rate of an A/B test is: its steps may be of one user, and do not say who. What
a step is taken of, those still at risk, is a group of its own that shrinks to a few people; a curve that goes on there
says what each of them did, and statistically next to nothing (Pocock, Clayton and Altman 2002).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.logs.returns.read import Watched
from gmvcausal.stats.small_cells import MIN_CELL, hidden


def reach(counts: NDArray[np.number]) -> int:
    """Number of periods up to which at least ten are counted; counts only fall.

    Examples
    --------
    >>> reach(np.array([40, 12, 9, 3])), reach(np.array([4]))
    (2, 0)
    """
    return int((np.asarray(counts) >= MIN_CELL).sum())


def without_small(w: Watched) -> Watched:
    """Without the users of cohorts that are too small to be shown, and of those that would give their size away.

    Raises
    ------
    DesignError
        None is left.
    """
    gone = hidden(np.bincount(w.group, minlength=len(w.labels)))
    if not gone.any():
        return w
    if gone.all():
        raise DesignError(
            f"no cohort can be shown: they are of fewer than {MIN_CELL} users, or would give away one that is",
            remedy="take longer ones, for example cohorts='M', or leave cohorts= out",
        )
    names = ", ".join(label for label, away in zip(w.labels, gone, strict=True) if away)
    notes = [*w.notes, f"cohorts of fewer than {MIN_CELL} users, and what would give them away, are not shown: {names}"]
    keep = ~gone[w.group]
    return replace(
        w, group=(np.cumsum(~gone) - 1)[w.group][keep],
        labels=tuple(label for label, away in zip(w.labels, gone, strict=True) if not away),
        time=w.time[keep], ordered=w.ordered[keep], until=w.until[keep], left=w.left[keep], counts=w.counts[keep],
        start=w.start[keep], at_start=w.at_start[keep], on_day=w.on_day[keep], days_before=w.days_before[keep],
        ids=w.ids[keep], notes=notes,
    )  # fmt: skip
