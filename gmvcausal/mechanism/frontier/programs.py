"""The linear programmes of data envelopment analysis, thousands at once: a revised simplex over stacks of small bases.

Every programme has as many rows as there are inputs and outputs (one more with a convexity row), and a first basis that
is known, one unit by itself: so each needs a handful of pivots, and numpy makes those of all programmes together. The
solution is computed afresh from the final basis and held against the conditions of optimality; whatever fails them is
given to HiGHS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_COST = 1e-10  # columns are scaled to 1, so a reduced cost above -_COST lowers nothing that matters
_PIVOT = 1e-9
_FIRM = 1e-9  # how far the final basis may be from feasible and optimal
_DANTZIG, _MOST = 60, 600
_NUMBERS = 1_000_000  # of a stack, which should stay near the processor


@dataclass(frozen=True, eq=False)
class Problem:
    """What is asked of every point.

    Attributes
    ----------
    output : bool
        Whether outputs are expanded; else inputs are contracted.
    hull : {"constant", "variable", "decreasing"}
        Weights of the reference units: any, adding up to 1, adding up to 1 at most.
    """

    output: bool
    hull: str


@dataclass(frozen=True, eq=False)
class Solved:
    """Solutions, one line per point.

    Attributes
    ----------
    factor : ndarray, shape (k,)
        What inputs are multiplied by (input orientation, <= 1 inside the hull), or outputs (>= 1); NaN where no
        reference unit allows it.
    weights : ndarray, shape (k, n)
        Of the reference units.
    slack : ndarray, shape (k, m + s)
        Left after the radial change, as shares of the point's own inputs and outputs.
    """

    factor: FloatArray
    weights: FloatArray
    slack: FloatArray


def solve(
    problem: Problem,
    x: FloatArray,
    y: FloatArray,
    ref_x: FloatArray,
    ref_y: FloatArray,
    start: IntArray,
    *,
    slacks: bool = False,
    tick: Callable[[int], object] | None = None,
) -> Solved:
    """Solve one programme for every point.

    Parameters
    ----------
    problem : Problem
    x, y : ndarray, shapes (k, m) and (k, s)
        Points, above zero.
    ref_x, ref_y : ndarray, shapes (r, n, m) and (r, n, s)
        Sets of reference units; r is 1, or divides k: then the points come set by set.
    start : ndarray of int, shape (k,)
        A reference unit that alone is feasible for the point: any with constant returns; else one with no less of each
        output (input orientation), or no more of each input.
    slacks : bool
        Whether the sum of the slacks is made largest among the solutions (the second phase).
    tick : callable, optional
        Told how many programmes are done.
    """
    k, n, q = len(x), ref_x.shape[1], x.shape[1] + y.shape[1] + 1
    per = k // len(ref_x) if len(ref_x) > 1 else k
    step = max(1, _NUMBERS // (q * (n + q + 1)))
    step = max(per, step // per * per) if len(ref_x) > 1 else step
    parts = []
    for first in range(0, k, step):
        at = np.arange(first, min(first + step, k))
        which = at // per
        parts.append(_stack(problem, x[at], y[at], ref_x[which], ref_y[which], start[at], slacks))
        if tick is not None:
            tick(len(at))
    return Solved(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("factor", "weights", "slack")))


def single(problem: Problem, x: FloatArray, y: FloatArray, ref_x: FloatArray, ref_y: FloatArray) -> float:
    """The factor of one point by HiGHS; NaN where the programme has no solution.

    A point far off is first brought near along its own ray, which changes its factor by as much: HiGHS drops what is
    too small.
    """
    near = float((ref_y.max(axis=0) / y).min() if problem.output else (ref_x.min(axis=0) / x).max())
    moved = (x, y * near) if problem.output else (x * near, y)
    a, b, cost = _whole(problem, moved[0][None], moved[1][None], ref_x[None], ref_y[None])
    return near * _highs(a[0], b, cost)[1]


def _whole(
    problem: Problem, x: FloatArray, y: FloatArray, ref_x: FloatArray, ref_y: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Columns (weights, the factor, slacks of inputs, slacks of outputs, slack of the sum), right side and cost.

    Rows are divided by the point's own amounts: units of measurement do not matter, and a slack is a share.
    """
    (k, n, m), s = ref_x.shape, y.shape[1]
    convex = problem.hull != "constant"
    q = m + s + convex
    own = np.zeros((q, 1 + m + s + (problem.hull == "decreasing")))
    own[:m, 0], own[m : m + s, 0] = (0.0, -1.0) if problem.output else (-1.0, 0.0)
    own[:m, 1 : 1 + m] = np.eye(m)
    own[m : m + s, 1 + m : 1 + m + s] = -np.eye(s)
    if problem.hull == "decreasing":
        own[-1, -1] = 1.0
    a = np.empty((k, q, n + own.shape[1]))
    a[:, :m, :n] = (ref_x / x[:, None, :]).transpose(0, 2, 1)
    a[:, m : m + s, :n] = (ref_y / y[:, None, :]).transpose(0, 2, 1)
    if convex:
        a[:, -1, :n] = 1.0
    a[:, :, n:] = own
    b = np.ones(q)
    b[m : m + s if problem.output else m] = 0.0
    if not problem.output:
        b[:m] = 0.0
    cost = np.zeros(a.shape[2])
    cost[n] = -1.0 if problem.output else 1.0
    return a, b, cost


def _stack(
    problem: Problem, x: FloatArray, y: FloatArray, ref_x: FloatArray, ref_y: FloatArray, start: IntArray, slacks: bool
) -> Solved:
    (k, n, m), s = ref_x.shape, y.shape[1]
    # Points far off are brought near along their own ray, so that no number is too small to count.
    ray = (ref_y.max(axis=1) / y).min(axis=1) if problem.output else (ref_x.min(axis=1) / x).max(axis=1)
    x, y = (x, y * ray[:, None]) if problem.output else (x * ray[:, None], y)
    a, b, cost = _whole(problem, x, y, ref_x, ref_y)
    share = np.ones((k, m + s))  # of the point's own amounts, for one of those after the move
    share[:, m:] *= ray[:, None] if problem.output else 1.0
    share[:, :m] *= 1.0 if problem.output else ray[:, None]
    cost = np.broadcast_to(cost, (k, len(cost)))
    scale = a[:, :, :n].max(axis=1)
    a[:, :, :n] /= scale[:, None, :]
    basis = _first(problem, a, start, n, m, s)
    blocked = np.zeros((k, a.shape[2]), dtype=bool)
    basis, bad = _pivots(a, b, cost, basis, blocked)
    values, priced = _settled(a, b, cost, basis)
    if slacks:
        second = np.zeros(cost.shape)
        second[:, n + 1 : n + 1 + m + s] = -share
        basis, late = _pivots(a, b, second, basis, priced > _FIRM)
        bad |= late
        values, priced = _settled(a, b, cost, basis)
    bad |= (values < -_FIRM).any(axis=1) | (priced < -_FIRM).any(axis=1) | ~np.isfinite(values).all(axis=1)
    full = np.zeros((k, a.shape[2]))
    np.put_along_axis(full, basis, values, axis=1)
    full[:, :n] /= scale
    for i in np.flatnonzero(bad):
        again = _whole(problem, x[i : i + 1], y[i : i + 1], ref_x[i : i + 1], ref_y[i : i + 1])[0][0]
        full[i] = _highs(again, b, cost[i], second[i] if slacks else None)[0]
    slack = full[:, n + 1 : n + 1 + m + s] * share
    return Solved(full[:, n] * ray, np.where(full[:, :n] > 0, full[:, :n], 0.0), np.where(slack > _FIRM, slack, 0.0))


def _first(problem: Problem, a: FloatArray, start: IntArray, n: int, m: int, s: int) -> IntArray:
    """The basis of one reference unit by itself: it, the factor, and the slacks of all rows that do not bind."""
    k, q = a.shape[:2]
    one = np.take_along_axis(a, start[:, None, None], axis=2)[:, :, 0]
    # Which input and which output bind: their slacks stay out of the basis.
    tight_in, tight_out = one[:, :m].argmax(axis=1), one[:, m : m + s].argmin(axis=1)
    stays = np.ones((k, m + s), dtype=bool)
    rows = np.arange(k)
    constant = problem.hull == "constant"
    if not problem.output or constant:
        stays[rows, tight_in] = False
    if problem.output or constant:
        stays[rows, m + tight_out] = False
    slack = n + 1 + np.nonzero(stays)[1].reshape(k, q - 2)
    return np.column_stack([start, np.full(k, n), slack])


def _pivots(
    a: FloatArray, b: FloatArray, cost: FloatArray, basis: IntArray, blocked: BoolArray
) -> tuple[IntArray, BoolArray]:
    """Pivot every programme to its optimum; columns that are blocked never enter. Also which did not get there."""
    out, bad = basis.copy(), np.zeros(len(a), dtype=bool)
    at, basis = np.arange(len(a)), basis.copy()
    inverse = np.linalg.inv(np.take_along_axis(a, basis[:, None, :], axis=2))
    value = inverse @ b
    for turn in range(_MOST):
        dual = np.einsum("kq,kqp->kp", np.take_along_axis(cost, basis, axis=1), inverse)
        price = cost - np.einsum("kq,kqn->kn", dual, a)
        price[blocked] = 0.0
        # Bland's rule, once the steepest price might go in circles.
        enter = price.argmin(axis=1) if turn < _DANTZIG else (price < -_COST).argmax(axis=1)
        rows = np.arange(len(a))
        going = price[rows, enter] < -_COST
        out[at[~going]] = basis[~going]
        if not going.any():
            return out, bad
        if going.sum() < 0.7 * len(going):
            at, a, basis, inverse = at[going], a[going], basis[going], inverse[going]
            value, blocked, enter, cost = value[going], blocked[going], enter[going], cost[going]
            rows, going = np.arange(len(a)), np.ones(len(a), dtype=bool)
        column = np.einsum("kqp,kp->kq", inverse, np.take_along_axis(a, enter[:, None, None], axis=2)[:, :, 0])
        usable = column > _PIVOT
        ratio = np.where(usable, np.maximum(value, 0.0) / np.where(usable, column, 1.0), np.inf)
        least = ratio.min(axis=1)
        tied = ratio <= (least + 1e-12 * (1 + least))[:, None]
        if turn < _DANTZIG:
            leave = np.where(tied, column, -np.inf).argmax(axis=1)
        else:
            leave = np.where(tied, -basis, -a.shape[2] - 1).argmax(axis=1)
        stuck = going & ~np.isfinite(least)
        bad[at[stuck]] = True
        going &= ~stuck
        pivot = np.where(going, column[rows, leave], 1.0)
        swept = np.where(going[:, None], column, 0.0)
        swept[rows, leave] = np.where(going, pivot - 1.0, 0.0)
        row, amount = inverse[rows, leave] / pivot[:, None], value[rows, leave] / pivot
        inverse = inverse - swept[:, :, None] * row[:, None, :]
        value = value - swept * amount[:, None]
        basis[rows[going], leave[going]] = enter[going]
        if stuck.any():
            blocked = blocked | stuck[:, None]
    out[at], bad[at] = basis, True
    return out, bad


def _settled(a: FloatArray, b: FloatArray, cost: FloatArray, basis: IntArray) -> tuple[FloatArray, FloatArray]:
    """Values of the basis and prices of all columns, from the basis itself and not from the updates that led to it."""
    held = np.take_along_axis(a, basis[:, None, :], axis=2)
    values = np.linalg.solve(held, np.broadcast_to(b, basis.shape)[:, :, None])[:, :, 0]
    dual = np.linalg.solve(held.transpose(0, 2, 1), np.take_along_axis(cost, basis, axis=1)[:, :, None])[:, :, 0]
    return np.asarray(values, dtype=float), np.asarray(cost - np.einsum("kq,kqn->kn", dual, a), dtype=float)


def _highs(
    a: FloatArray, b: FloatArray, cost: FloatArray, second: FloatArray | None = None
) -> tuple[FloatArray, float]:
    from scipy.optimize import linprog

    found = linprog(cost, A_eq=a, b_eq=b, bounds=(0, None), method="highs")
    if found.status != 0:
        return np.full(len(cost), np.nan), float("nan")
    factor = int(np.flatnonzero(cost)[0])
    x = np.asarray(found.x, dtype=float)
    if second is not None:
        bounds: list[tuple[float, float | None]] = [(0.0, None)] * len(cost)
        bounds[factor] = (x[factor], x[factor])
        more = linprog(second, A_eq=a, b_eq=b, bounds=bounds, method="highs")
        x = np.asarray(more.x, dtype=float) if more.status == 0 else x
    return x, float(x[factor])
