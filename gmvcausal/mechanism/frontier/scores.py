"""Scores, peers, slacks, scale and influence of every unit on one frontier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.frontier.programs import Problem, Solved, single, solve

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# What lies nearer to 1 than this is 1: programmes are solved to about 1e-12.
NEAR = 1e-7


@dataclass(frozen=True, eq=False)
class Scores:
    """Units against the frontier that they span together.

    Attributes
    ----------
    score : ndarray, shape (n,)
        In (0, 1]: by what inputs could be multiplied (input orientation), or the share that outputs are of what they
        could be (output orientation).
    weights : ndarray, shape (n, n)
        Of the reference units, in the solution with the largest slacks.
    slack : ndarray, shape (n, m + s)
        Left after the radial change, in units of measurement.
    target : ndarray, shape (n, m + s)
        Inputs and outputs after the radial change and the slacks.
    scale : ndarray, shape (n,)
        Score with constant over that with variable returns.
    returns : ndarray of str, shape (n,)
        ``"constant"``, ``"increasing"`` or ``"decreasing"``.
    beyond : ndarray, shape (n,)
        Score against the others alone (Andersen and Petersen 1993): above 1 for units that nobody matches; NaN where
        the others cannot be combined to it.
    """

    score: FloatArray
    weights: FloatArray
    slack: FloatArray
    target: FloatArray
    scale: FloatArray
    returns: NDArray[np.str_]
    beyond: FloatArray

    @property
    def efficient(self) -> NDArray[np.str_]:
        """``"strong"`` (score 1 and no slack), ``"weak"`` (score 1, with slack) or ``"no"``."""
        left = (self.slack > NEAR * self.target).any(axis=1)
        return np.where(self.score < 1 - NEAR, "no", np.where(left, "weak", "strong"))


def against(x: FloatArray, y: FloatArray, output: bool, hull: str, *, slacks: bool = False) -> Solved:
    """Every unit against all of them."""
    return solve(Problem(output, hull), x, y, x[None], y[None], np.arange(len(x)), slacks=slacks)


def shares(factor: FloatArray, output: bool) -> FloatArray:
    """Factors as scores; what is 1 but for rounding is 1."""
    score = 1 / factor if output else factor
    return np.where(np.abs(score - 1) < NEAR, 1.0, score)


def evaluate(x: FloatArray, y: FloatArray, output: bool, hull: str) -> Scores:
    """Score all units.

    Parameters
    ----------
    x, y : ndarray, shapes (n, m) and (n, s)
        Inputs and outputs, above zero.
    output : bool
    hull : {"constant", "variable"}
    """
    m = x.shape[1]
    found = against(x, y, output, hull, slacks=True)
    score = shares(found.factor, output)
    by_hull = {h: score if h == hull else shares(against(x, y, output, h).factor, output)
               for h in ("constant", "variable", "decreasing")}  # fmt: skip
    scale = by_hull["constant"] / by_hull["variable"]
    # Weights that add up to less than 1 are open here too: where that changes nothing, smaller is not better.
    shrinking = by_hull["variable"] - by_hull["decreasing"] <= NEAR
    returns = np.where(scale >= 1 - NEAR, "constant", np.where(shrinking, "decreasing", "increasing"))
    amounts = np.column_stack([x, y])
    slack = found.slack * amounts
    grown = amounts.copy()
    if output:
        grown[:, m:] /= score[:, None]
    else:
        grown[:, :m] *= score[:, None]
    target = grown + slack * np.where(np.arange(amounts.shape[1]) < m, -1.0, 1.0)
    beyond = score.copy()
    for i in np.flatnonzero(score >= 1):
        others = np.arange(len(x)) != i
        factor = single(Problem(output, hull), x[i], y[i], x[others], y[others])
        beyond[i] = 1 / factor if output else factor
    return Scores(score, found.weights, slack, target, np.minimum(scale, 1.0), returns, beyond)


def influence(x: FloatArray, y: FloatArray, output: bool, hull: str, scores: Scores) -> FloatArray:
    """By how much the mean score of the others rises when a unit is left out, shape (n,).

    Only units that have it among their peers change, so only they are solved again.
    """
    n = len(x)
    rise = np.zeros(n)
    leaning = (scores.weights > NEAR) & ~np.eye(n, dtype=bool)
    for j in np.flatnonzero(leaning.any(axis=0)):
        who, rest = np.flatnonzero(leaning[:, j]), np.flatnonzero(np.arange(n) != j)
        own = np.searchsorted(rest, who)
        again = solve(Problem(output, hull), x[who], y[who], x[None, rest], y[None, rest], own)
        rise[j] = (shares(again.factor, output) - scores.score[who]).sum() / (n - 1)
    return rise
