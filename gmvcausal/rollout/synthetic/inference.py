"""Chance in synthetic comparisons: controls in the place of the treated, units left out in turn, blocks moved round."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gmvcausal.rollout.synthetic.design import Answer, Design, compare
from gmvcausal.rollout.synthetic.paths import FloatArray, IntArray, Method, Weighted, with_weights
from gmvcausal.stats.few_treated import PlaceboRuns, sets

DRAWS = 499  # sets of controls, where there are more; a p-value of .05 is then known to .01
PERFECT = 1e-7  # of the largest outcome: a gap before the start that is rounding
_GRID = 80  # effects tried at first on either side for the ends of a conformal interval
_FURTHEST = 1_000.0  # gaps before the start, up to where ends are looked for


@dataclass(frozen=True)
class Placebos:
    """What the method finds for controls put in the place of the treated.

    Attributes
    ----------
    picks : ndarray of int, shape (runs, k)
        Controls taken in each run.
    estimate, scale : ndarray, shape (runs,)
        As those of `Answer`.
    before, after : ndarray, shape (runs,)
        Root mean squared gap before and after the start, the cohorts taken together by their shares.
    gaps : ndarray, shape (runs, T), or None
        Gap in every period, where a single unit is treated.
    least : float
        Scales up to this are rounding: the fit before the start was perfect.
    """

    picks: IntArray
    estimate: FloatArray
    scale: FloatArray
    before: FloatArray
    after: FloatArray
    gaps: FloatArray | None
    least: float

    @property
    def spread(self) -> float:
        """Standard deviation of the placebo estimates (Arkhangelsky and others 2021, algorithm 4)."""
        return float(self.estimate.std())

    def scaled(self, answer: Answer) -> PlaceboRuns:
        """The estimate beside the runs, each measured by its own gap before the start."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(self.scale > self.least, np.abs(self.estimate) / self.scale, np.inf)
        return PlaceboRuns(answer.estimate, answer.scale, np.sort(ratios)[::-1])

    def rank(self, answer: Answer) -> tuple[int, int]:
        """Place of the treated by the ratio of the gaps after to before (Abadie and others 2010), and of how many."""
        before, after = ratio_parts(answer)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(self.before > self.least, self.after / self.before, np.inf)
        own = after / before if before > self.least else math.inf
        return 1 + int(np.count_nonzero(ratios >= own * (1 - 1e-12))), len(ratios) + 1


def rounding(design: Design) -> float:
    """A gap before the start that is rounding: the fit is perfect, and says nothing of chance."""
    return PERFECT * float(np.abs(design.controls).max())


def ratio_parts(answer: Answer) -> tuple[float, float]:
    """Root mean squared gap before and after the start, over cohorts by their shares."""
    parts = np.array([[w.rmspe_before, w.rmspe_after] for w in answer.cohorts])
    before, after = np.sqrt(answer.share @ parts**2)
    return float(before), float(after)


def placebos(design: Design, method: Method, seed: int, draws: int = DRAWS) -> Placebos:
    """Take as many controls as are treated, give them the starts of the treated, and weigh the controls that are left.

    Parameters
    ----------
    design : Design
        More controls than treated units.
    seed : int
        Of a generator of its own. Controls are drawn in the order of their paths, so neither the order of rows nor the
        names of units change a draw.
    draws : int
        All sets are taken where there are at most so many, as with a single treated unit.
    """
    k, n = len(design.treated), len(design.controls)
    order = np.lexsort(design.controls.T[::-1])
    rng = np.random.default_rng(seed)
    picks = order[sets(rng, draws, k, n, ordered=len(design.starts) > 1)]
    estimate, scale, before, after = np.zeros((4, len(picks)))
    gaps = np.zeros((len(picks), design.controls.shape[1])) if k == 1 else None
    left = np.ones(n, dtype=bool)
    for i, pick in enumerate(picks):
        left[pick] = False
        run = compare(replace(design, controls=design.controls[left], treated=design.controls[pick]), method)
        left[pick] = True
        estimate[i], scale[i], (before[i], after[i]) = run.estimate, run.scale, ratio_parts(run)
        if gaps is not None:
            gaps[i] = run.cohorts[0].gap
    return Placebos(picks, estimate, scale, before, after, gaps, rounding(design))


def jackknife(design: Design, answer: Answer, load: FloatArray) -> FloatArray:
    """Influence of every unit by leaving it out, its squares adding up to the variance; shape (k + N, a).

    Weights on units and periods are kept (those on units brought back to a sum of 1), as in Arkhangelsky and others
    (2021), algorithm 3.

    Parameters
    ----------
    load : ndarray, shape (a, G, T)
        Weight of every cohort's gap in each of `a` aggregates, the cohorts' shares apart: those follow the units left.
    """
    k, n = len(design.treated), len(design.controls)
    if int(design.sizes.min()) < 2:
        raise ValueError("a cohort of one unit cannot lose it")
    out = np.empty((k + n, len(load)))
    for i in range(k + n):
        keep, rows = np.arange(k) != i, np.arange(n) != i - k
        some = replace(design, controls=design.controls[rows], treated=design.treated[keep], cohort=design.cohort[keep])
        gaps = np.stack(
            [
                with_weights(replace(w, unit=w.unit[rows]), some.controls, path).gap
                for w, path in zip(answer.cohorts, some.paths, strict=True)
            ]
        )
        out[i] = aggregate(load, gaps, some.sizes)
    return np.asarray((out.mean(axis=0) - out) * math.sqrt((k + n - 1) / (k + n)))


def aggregate(load: FloatArray, gaps: FloatArray, sizes: IntArray) -> FloatArray:
    """Means of gaps over the treated unit-periods that each row of `load` marks; shape (a,)."""
    cells = load * sizes[:, None]
    return np.asarray((cells * gaps).sum(axis=(1, 2)) / cells.sum(axis=(1, 2)))


@dataclass(frozen=True)
class Conformal:
    """Residuals under a supposed effect, with blocks of them moved round (Chernozhukov, Wuthrich and Zhu 2021).

    The weights are fitted on all periods, the supposed effect taken off those after the start. If it is the right one,
    the residuals after the start are like those before: the p-value is the share of the T cyclic shifts whose mean
    absolute residual after the start is at least as large.

    Attributes
    ----------
    controls : ndarray, shape (N, T)
    treated : ndarray, shape (T,)
    fitted : Weighted
    refit : callable
        From outcomes of controls and treated to weights on the controls, all periods fitted on.
    """

    controls: FloatArray
    treated: FloatArray
    fitted: Weighted
    refit: Callable[[FloatArray, FloatArray], FloatArray]

    def p_value(self, effect: float = 0.0) -> float:
        """p-value of a constant effect."""
        after = self.fitted.after
        supposed = self.treated - effect * after
        size = np.abs(supposed - self.refit(self.controls, supposed) @ self.controls)
        own = float(size[after].mean())
        moved = np.array([np.roll(size, s)[after].mean() for s in range(len(size))])
        return float((moved >= own * (1 - 1e-12)).mean() * (1 - 1e-12))

    def limits(self, level: float) -> tuple[float, float]:
        """Smallest and largest constant effect that is not rejected; infinite where none is, NaN where all are."""
        if 1.0 / len(self.treated) > 1 - level + 1e-12:
            return -math.inf, math.inf
        return _outer(lambda effect: self.p_value(effect) >= 1 - level, self.fitted)


def _outer(accepted: Callable[[float], bool], fitted: Weighted) -> tuple[float, float]:
    """Outermost effects accepted, as the set may have holes: a grid finds them, halving puts them to 1e-6."""
    step = max(fitted.rmspe_before, abs(fitted.estimate) / 100, 1e-12)
    beside = step * np.geomspace(0.1, _FURTHEST, _GRID)
    grid = fitted.estimate + np.concatenate([-beside[::-1], [0.0], beside])
    held = np.array([accepted(effect) for effect in grid])
    if not held.any():
        return math.nan, math.nan
    ends = []
    for sign, last in ((-1.0, int(held.argmax())), (1.0, len(held) - 1 - int(held[::-1].argmax()))):
        if last in (0, len(grid) - 1):
            ends.append(sign * math.inf)
            continue
        inside, outside = float(grid[last]), float(grid[last + int(sign)])
        while abs(outside - inside) > 1e-6 * step:
            half = (inside + outside) / 2
            inside, outside = (half, outside) if accepted(half) else (inside, half)
        ends.append(inside)
    return ends[0], ends[1]
