"""Group-time effects of repeated cross-sections given covariates (Sant'Anna and Zhao 2020, section 3.2).

One comparison uses the rows of two periods. With E_s a mean over the set s, t1 and t0 the cohort's rows now and in the
base, c1 and c0 those of the controls, d both periods of the cohort, and m_s the least-squares fit on x within s:

    regression     E_t1[y] - E_t0[y] - E_d[m_c1 - m_c0]
    ipw            E_t1[y] - E_t0[y] - (E_c1[y] - E_c0[y]),  controls weighted by the odds of the propensity
    doubly robust  E_t1[y - m_c1] - E_t0[y - m_c0] - (E_c1[y - m_c1] - E_c0[y - m_c0])
                   + (E_d - E_t1)[m_t1 - m_c1] - (E_d - E_t0)[m_t0 - m_c0]

The last is their locally efficient estimator: x is taken as alike in both periods, so the cohort's means of x come from
both. A row's influence is that on the means, w (z - E_s[z]) / W_s, and that through the fits and the logit, each times
the derivative of the effect with respect to their coefficients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.rollout.group_time.adjusted import TRIM, Sides, inverse_gram
from gmvcausal.rollout.group_time.from_rows import FromRows
from gmvcausal.rollout.intake.covariates import Covariates
from gmvcausal.stats.logit import fit_logit, independent

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_NUMBERS = 2_000_000


@dataclass(frozen=True)
class Compared:
    """One comparison: its effect, the influence of its rows, and who is compared with whom."""

    effect: float
    influence: FloatArray
    sides: Sides


def compare(
    rows: IntArray, y: FloatArray, now: BoolArray, treated: BoolArray, x: FloatArray, w: FloatArray, adjustment: str,
    who: str,
) -> Compared:  # fmt: skip
    """The effect on the rows `treated` between two periods, given `x`.

    Parameters
    ----------
    rows : ndarray, shape (m,)
        Positions in the panel.
    y, now, treated, w : ndarray, shape (m,)
    x : ndarray, shape (m, p)
        Covariates on one scale, without a constant.
    adjustment : {"doubly_robust", "regression", "ipw"}
    who : str
        The cohort, for messages.

    Raises
    ------
    DesignError
        The covariates separate the cohort from its controls, or the rows of a period are too few for them.
    """
    x = np.column_stack([np.ones(len(y)), x])
    x = np.ascontiguousarray(x[:, independent(x)])
    influence = np.zeros(len(y))
    odds, chance, bread, trimmed = np.ones(len(y)), None, None, 0
    if adjustment != "regression":
        logit = fit_logit(x, treated, w)
        if logit is None:
            raise DesignError(
                f"the covariates separate {who} from all of its control rows, so nobody compares with it",
                remedy="use fewer covariates or coarser categories, a wider group of controls, or "
                "adjustment='regression', which extrapolates",
            )
        chance, bread = logit.chance, logit.bread
        high = ~treated & (chance >= TRIM)
        trimmed = int(high.sum())
        odds = np.where(high, 0.0, np.exp(np.minimum(logit.odds, 50.0)))
    t1, t0, d = w * (treated & now), w * (treated & ~now), w * treated
    c1, c0 = w * odds * (~treated & now), w * odds * (~treated & ~now)
    if not (c1.sum() > 0 and c0.sum() > 0):
        raise DesignError(
            f"every control row of {who} has a propensity of {TRIM} or more in one period, so nobody compares with it",
            remedy="use fewer covariates, or a wider group of controls",
        )

    def mean(s: FloatArray, z: FloatArray, sign: float) -> float:
        """Mean of z over s, its influence added with the sign."""
        total = float(s.sum())
        at = float(s @ z) / total
        influence[:] += sign * s * (z - at) / total
        return sign * at

    def regress(inside: BoolArray, slope: FloatArray) -> FloatArray:
        """Fitted values of least squares within; the influence through its coefficients is added."""
        own = w * inside
        inverse = _inverse((own[:, None] * x).T @ x, int(inside.sum()), who)
        beta = inverse @ (x.T @ (own * y))
        influence[:] += own * (y - x @ beta) * (x @ (inverse @ slope))
        return np.asarray(x @ beta)

    average = {name: s @ x / s.sum() for name, s in (("t1", t1), ("t0", t0), ("d", d), ("c1", c1), ("c0", c0))}
    if adjustment == "regression":
        m1 = regress(~treated & now, -average["d"])
        m0 = regress(~treated & ~now, average["d"])
        effect = mean(t1, y, 1) + mean(t0, y, -1) + mean(d, m1 - m0, -1)
        return Compared(effect, influence, Sides(rows, treated, x, w * ~treated, chance, trimmed))
    z1 = z0 = y
    effect = 0.0
    if adjustment == "doubly_robust":
        m1 = regress(~treated & now, average["c1"] - average["d"])
        m0 = regress(~treated & ~now, average["d"] - average["c0"])
        own1 = regress(treated & now, average["d"] - average["t1"])
        own0 = regress(treated & ~now, average["t0"] - average["d"])
        z1, z0 = y - m1, y - m0
        effect += mean(d, own1 - m1, 1) + mean(t1, own1 - m1, -1) + mean(d, own0 - m0, -1) + mean(t0, own0 - m0, 1)
    e1, e0 = float(c1 @ z1) / c1.sum(), float(c0 @ z0) / c0.sum()
    effect += mean(t1, z1, 1) + mean(t0, z0, -1) + mean(c1, z1, -1) + mean(c0, z0, 1)
    assert bread is not None and chance is not None  # a propensity was fitted
    slope = (c0 * (z0 - e0)) @ x / c0.sum() - (c1 * (z1 - e1)) @ x / c1.sum()
    influence += w * (treated - chance) * (x @ (bread @ slope))
    return Compared(effect, influence, Sides(rows, treated, x, c1 + c0, chance, trimmed))


def _inverse(gram: FloatArray, count: int, who: str) -> FloatArray:
    found = inverse_gram(gram, count)
    if found is None:
        raise DesignError(
            f"{count:,} rows of one period in the comparison of {who} cannot tell {len(gram) - 1} covariates apart",
            remedy="use fewer covariates or coarser categories, longer periods, or adjustment='ipw'",
        )
    return found


@dataclass(frozen=True)
class FromRowsGiven(FromRows):
    """Group-time effects of people seen once, given covariates.

    Attributes
    ----------
    covariates : Covariates
    adjustment : {"doubly_robust", "regression", "ipw"}
    label : tuple of str
        Each cohort in words, for messages.
    """

    covariates: Covariates
    adjustment: str
    label: tuple[str, ...]

    @cached_property
    def compared(self) -> tuple[Compared | None, ...]:
        """Every comparison; None where one of its four sets of rows is empty."""
        cells, out = self.cells, list[Compared | None]()
        x = self.covariates.at(0)
        for k in range(len(cells.cohort)):
            now = self.column == cells.period[k]
            own = self.group == cells.cohort[k]
            inside = (own | np.append(cells.controls[k], False)[self.group]) & (now | (self.column == cells.base[k]))
            at = np.flatnonzero(inside)
            sets = np.bincount(2 * own[at] + now[at], minlength=4)
            if not sets.all():
                out.append(None)
                continue
            who = self.label[cells.cohort[k]]
            out.append(compare(at, self.value[at], now[at], own[at], x[at], self.weight[at], self.adjustment, who))
        return tuple(out)

    @property
    def att(self) -> FloatArray:
        """ATT of every cell, shape (K,); NaN where one of its four sets of rows is empty."""
        return np.array([np.nan if one is None else one.effect for one in self.compared])

    @property
    def trimmed(self) -> int:
        """Control rows whose propensity lies beyond the trimming bound, the most of any comparison."""
        return max((one.sides.trimmed for one in self.compared if one is not None), default=0)

    @cached_property
    def _influences(self) -> Any:
        """Influence of every row on every cell, sparse, shape (K, N)."""
        from scipy.sparse import csc_array

        made = [one for one in self.compared if one is not None]
        at = np.concatenate([one.sides.units for one in made])
        cell = np.repeat(np.arange(len(made)), [len(one.sides.units) for one in made])
        values = np.concatenate([one.influence for one in made])
        return csc_array((values, (cell, at)), shape=(len(made), len(self.group)))

    def _loaded(self, rows: FloatArray) -> BoolArray:
        """Which groups have influence on the aggregates."""
        cells, k = self.cells, len(self.cells.cohort)
        used = np.flatnonzero((rows[:, :k] != 0).any(axis=0))
        out = np.zeros(len(self.n), dtype=bool)
        out[cells.cohort[used]] = True
        out |= cells.controls[used].any(axis=0) | (self._of_shares(rows) != 0).any(axis=0)
        return out

    def _scores(self, rows: FloatArray) -> Iterator[tuple[FloatArray, IntArray]]:
        """Influence on every aggregate, shape (a, rows), of a piece of the rows at a time, in order of clusters."""
        shares, loads = self._of_shares(rows), rows[:, : len(self.cells.cohort)]
        order = self._order[self._loaded(rows)[self.group[self._order]]]
        step = max(1, _NUMBERS // max(1, len(rows)))
        for low in range(0, len(order), step):
            at = order[low : low + step]
            direct = np.asarray((self._influences[:, at].T @ loads.T).T)
            yield direct + shares[:, self.group[at]] * self.weight[at], at
