"""Bootstrap draws of every effect: weights of users (clusters) times what each adds, not one fit after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.pathways.system import System
from gmvcausal.stats.resampling import silent

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_BLOCK = 4_000_000  # weights in memory at once
_CHUNK = 50_000
_KEPT = 30_000_000  # numbers that are held rather than made again for every block


def draw_effects(
    system: System, group: IntArray, draws: int, rng: np.random.Generator, tick: Callable[[int], object] = silent
) -> FloatArray:
    """Effects of resampled users (clusters), shape (draws, 3 + 2 K); NaN where a draw leaves no information.

    Slopes move by one Newton step from the estimates: of least squares that is the refit itself. Products of slopes and
    means over rows are then taken anew in every draw.

    Parameters
    ----------
    system : System
    group : ndarray of int, shape (units,)
        Within which users (clusters) are drawn: their arm, or one group for all.
    draws : int
    rng : Generator
    tick : callable, optional
        Told how many draws were made.
    """
    rows = system.rows
    out = np.empty((draws, len(system.weights)))
    done = 0
    width = sum(eq.width for eq in system.equations)
    kept = _pieces(system, slice(None)) if rows.cluster is not None or rows.n * width <= _KEPT else None
    if kept is not None and rows.cluster is not None:
        kept = np.add.reduceat(kept, np.flatnonzero(np.diff(rows.cluster, prepend=-1)), axis=0)
    for weight in _weights(group, draws, rng):
        if kept is not None:
            sums = weight @ kept
        else:
            sums = np.zeros((len(weight), width))
            for start in range(0, rows.n, _CHUNK):
                own = slice(start, start + _CHUNK)
                sums += weight[:, own] @ _pieces(system, own)
        betas, at = [], 0
        for eq in system.equations:
            betas.append(eq.step(sums[:, at : at + eq.width]))
            at += eq.width
        if system.linear:
            low, high = system.levels(betas, weight)
            found = system.of_slopes(system.slopes(betas, low, high))
        else:
            found = np.empty((len(weight), out.shape[1]))
            for r in range(len(weight)):
                w = rows.spread_out(weight[r : r + 1], slice(None))[0]
                found[r] = np.asarray(system.means([b[r] for b in betas], w), dtype=np.float64)
        out[done : done + len(weight)] = found
        done += len(weight)
        tick(len(weight))
    return out


def _pieces(system: System, rows: slice) -> FloatArray:
    return np.hstack([eq.pieces(rows) for eq in system.equations])


def _weights(group: IntArray, draws: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    """How often each unit is drawn, in blocks of shape (some draws, units)."""
    units = len(group)
    homes = [np.flatnonzero(group == g) for g in range(int(group.max()) + 1)]
    step = max(1, min(draws, _BLOCK // units))
    for start in range(0, draws, step):
        size = min(step, draws - start)
        weight = np.empty((size, units))
        for home in homes:
            pick = rng.integers(0, len(home), (size, len(home))) + np.arange(size)[:, None] * len(home)
            weight[:, home] = np.bincount(pick.ravel(), minlength=size * len(home)).reshape(size, len(home))
        yield weight
