"""Quantiles: where they lie in each arm, and how far chance moves them.

The share of an arm at or below its quantile is a mean, with rows or clusters behind it like any other. Its standard
error s in shares becomes one in values by Woodruff's (1952) interval: the quantiles at q - t s and q + t s are its
ends, and their distance over 2 t is the standard error (for clusters Deng, Knoblich and Lu 2018). The slope so found
makes the quantile a linear function of the indicator's mean, and with it a term like all others.
"""

from __future__ import annotations

import math

import numpy as np

from gmvcausal.abtest.intake.rows import Col, FloatArray, Mass
from gmvcausal.abtest.intake.source import Source
from gmvcausal.abtest.metrics import Quantile
from gmvcausal.abtest.terms.sample import Arm, Sample
from gmvcausal.abtest.terms.values import Value
from gmvcausal.errors import DesignError, InputError
from gmvcausal.stats.inference import critical_value

# Share of an arm on one value from which on its quantile jumps there; two rows of one amount are chance.
_MASS, _ROWS = 0.01, 3
_LEVEL = 0.95


def find(metric: Quantile, source: Source) -> FloatArray:
    """The quantile of each arm, shape (arms,).

    Raises
    ------
    InputError
        Where it lies at a value that many rows share.
    """
    col, arms = Col(metric.column), len(source.labels)
    found = source.quantiles(col, np.full((arms, 1), metric.q))
    _refuse_mass(metric, source, source.mass(col, found), np.full(arms, _MASS))
    return np.asarray(found[:, 0])


def indicators(metric: Quantile, at: FloatArray) -> list[Col]:
    """For each arm the indicator of lying at or below its quantile."""
    return [Col(metric.column, below=float(x)) for x in at]


def values(metric: Quantile, at: FloatArray, cols: list[Col], sample: Sample, source: Source) -> list[Value]:
    """The quantile of each arm with its gradient over the columns.

    Raises
    ------
    DesignError
        An arm too small for this quantile: the interval around it runs past its smallest or largest value.
    InputError
        Where the interval ends in a value that more rows share than the interval holds.
    """
    col, place = Col(metric.column), [cols.index(c) for c in indicators(metric, at)]
    error, reach = np.empty(len(at)), np.empty(len(at))
    ties = source.mass(col, at[:, None])
    for a, arm in enumerate(sample.arms):
        error[a] = math.sqrt(max(float(arm.cov[place[a], place[a]]), 0.0))
        # Where amounts are rounded, the slope is taken over several of their steps.
        tied = ties[a][0].rows / arm.n if ties[a][0].rows > 1 else 0.0
        reach[a] = max(critical_value(_LEVEL, _df(arm)) * error[a], 2 * tied)
        if not 0 < metric.q - reach[a] < metric.q + reach[a] < 1:
            raise DesignError(
                f"arm {str(source.labels[a])!r} has {arm.n:,.0f} rows, too few for its {metric.q:g} quantile: the "
                "interval around it runs past its smallest or largest value",
                column=metric.column,
                remedy="take a quantile nearer to the middle, or collect more units",
            )
    ends = source.quantiles(col, metric.q + reach[:, None] * np.array([-1.0, 1.0]))
    _refuse_mass(metric, source, source.mass(col, ends), np.maximum(reach, _MASS))
    slope = (ends[:, 1] - ends[:, 0]) / (2 * reach)
    found = []
    for a in range(len(at)):
        gradient = np.zeros(len(cols))
        gradient[place[a]] = -slope[a]
        found.append(Value(float(at[a]), 0.0, gradient))
    return found


def _df(arm: Arm) -> float:
    return arm.parts[0][1]


def _refuse_mass(metric: Quantile, source: Source, found: list[list[Mass]], most: FloatArray) -> None:
    """Where many rows share the value, the quantile does not move until the mass does, and has no standard error."""
    sizes = source.sizes()
    for a, own in enumerate(found):
        for mass in own:
            share = mass.rows / float(sizes[a])
            if mass.rows < _ROWS or share <= most[a]:
                continue
            label = str(source.labels[a])
            if mass.value != 0:
                raise InputError(
                    f"the {metric.q:g} quantile lies at a value that many rows share: {share:.1%} of arm {label!r} are "
                    f"{mass.value:g}, so it jumps there instead of moving",
                    column=metric.column,
                    remedy=f"compare shares, gc.Proportion of a column that says who is above {mass.value:g}, or "
                    f"gc.Mean({metric.column!r})",
                )
            among = source.live_quantiles(Col(metric.column), metric.q)
            told = ", ".join(f"{x:.6g} in {str(name)!r}" for name, x in zip(source.labels, among, strict=True))
            raise InputError(
                f"the {metric.q:g} quantile lies at or beside zero: {share:.1%} of arm {label!r} are zero, so it jumps "
                "there instead of moving",
                column=metric.column,
                remedy=f"compare gc.Mean({metric.column!r}) or the share of buyers; the {metric.q:g} quantile among "
                f"buyers is {told}, but buyers are selected after assignment: no effect of the tactic",
            )
