"""Fisher's permutation test between groups: who is in which group is dealt out anew, and effects are compared again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, GmvCausalError
from gmvcausal.stats.inference import equal_effects

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# Effects, their variances and degrees of freedom, one for each group.
Effects = tuple[FloatArray, FloatArray, FloatArray]

_SLOW = 2.0  # seconds before a bar is shown
_MOST_BROKEN = 0.05  # share of deals without a statistic; each counts as reached, so that p is never too small


class Regrouped(NamedTuple):
    """P-values, one for each effect that was compared; runs that were made, and the most that had no statistic."""

    p_value: FloatArray
    runs: int
    failed: int


def deals(code: IntArray, cluster: IntArray | None, role: IntArray, seed: int) -> Iterator[IntArray]:
    """Groups dealt out anew among rows (clusters) of one role, so that every group keeps its treated and its controls.

    Parameters
    ----------
    code : ndarray of int, shape (n,)
        Group of each row, constant within clusters.
    cluster : ndarray of int, shape (n,), optional
        Dense codes.
    role : ndarray of int, shape (n,)
        Arm or cohort.
    seed : int

    Examples
    --------
    >>> one = next(deals(np.array([0, 0, 1, 1, 0, 1]), None, np.array([0, 0, 0, 0, 1, 1]), 0))
    >>> np.bincount(one[:4]).tolist(), np.bincount(one[4:]).tolist()
    ([2, 2], [1, 1])
    """
    own = np.arange(len(code)) if cluster is None else cluster
    first = np.unique(own, return_index=True)[1]
    # A cluster that holds several roles is told by the largest.
    most = np.full(len(first), np.iinfo(np.int64).min)
    np.maximum.at(most, own, role)
    rng = np.random.default_rng(seed)
    start = code[first]
    while True:
        dealt = start.copy()
        for value in np.unique(most):
            inside = np.flatnonzero(most == value)
            dealt[inside] = rng.permutation(start[inside])
        yield dealt[own]


def regrouped(
    seen: list[float], draws: Iterator[IntArray], effects: Callable[[IntArray], list[Effects]], reps: int, *,
    progress: bool,
) -> Regrouped:  # fmt: skip
    """How often groups dealt out at random differ as much as the real ones, by Welch's statistic.

    Parameters
    ----------
    seen : list of float
        Statistics of the real groups (`equal_effects`), one for each effect.
    draws : iterator of ndarray
    effects : callable
        Effects of the groups under a deal, in the order of `seen`.
    reps : int
    progress : bool
        Whether a bar is shown where it takes more than two seconds.

    Raises
    ------
    DesignError
        More than 5 % of the deals have no statistic.

    Notes
    -----
    The statistic is divided by its error in every run, so that the test also holds where groups differ in their spread
    (Janssen 1997; Chung and Romano 2013). The real groups count as one of the runs. A deal in which a group has no
    effect or no variance has no statistic; it counts as reached.
    """
    from tqdm import tqdm

    own = np.array(seen, dtype=float)
    reached, broken = np.zeros(len(own)), np.zeros(len(own), dtype=np.int64)
    for _ in tqdm(range(reps), desc="groups", unit="run", disable=not progress, delay=_SLOW, leave=False):
        dealt = next(draws)
        try:
            found = np.array([_statistic(*one) for one in effects(dealt)])
        except GmvCausalError:
            found = np.full(len(own), np.nan)
        broken += np.isnan(found)
        reached += ~(found < own * (1 - 1e-12))
    tested = ~np.isnan(own)
    failed = int(broken[tested].max(initial=0))
    if failed > _MOST_BROKEN * reps:
        raise DesignError(
            f"{failed:,} of {reps:,} deals of the levels cannot be compared: too few units with a value for a "
            "permutation test",
            remedy="merge levels, or use test='welch'",
        )
    return Regrouped(np.where(tested, (1 + reached) / (1 + reps), np.nan), reps, failed)


def _statistic(estimate: FloatArray, variance: FloatArray, df: FloatArray) -> float:
    """Welch's, NaN where one of the groups has none: fewer groups are another test."""
    return equal_effects(estimate, variance, df)[0] if (variance > 0).all() else float("nan")


def said(found: Regrouped) -> str:
    """What the manifest says of it."""
    text = f"the test of equal effects is by {found.runs:,} deals of the levels among units of one arm or start"
    return text + (f"; up to {found.failed:,} of them have no statistic and count as reached" if found.failed else "")
