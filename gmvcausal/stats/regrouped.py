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


class Regrouped(NamedTuple):
    """P-values, one for each effect that was compared; runs that were made, and those that had no estimate."""

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
        Most deals have no estimate.

    Notes
    -----
    The statistic is divided by its error in every run, so that the test also holds where groups differ in their spread
    (Janssen 1997; Chung and Romano 2013). The real groups count as one of the runs.
    """
    from tqdm import tqdm

    reached, failed = np.zeros(len(seen)), 0
    for _ in tqdm(range(reps), desc="groups", unit="run", disable=not progress, delay=_SLOW, leave=False):
        try:
            found = effects(next(draws))
        except GmvCausalError:
            failed += 1
            continue
        reached += [equal_effects(*one)[0] >= own * (1 - 1e-12) for one, own in zip(found, seen, strict=True)]
    runs = reps - failed
    if runs <= failed:
        raise DesignError(
            f"{failed:,} of {reps:,} deals of the groups have no estimate", remedy="merge levels, or use test='welch'"
        )
    p = (1 + reached) / (1 + runs)
    return Regrouped(np.where(np.isnan(seen), np.nan, p), runs, failed)


def said(found: Regrouped) -> str:
    """What the manifest says of it."""
    text = f"the test of equal effects is by {found.runs:,} deals of the levels among units of one arm or start"
    return text + (f"; {found.failed:,} more had no estimate" if found.failed else "")
