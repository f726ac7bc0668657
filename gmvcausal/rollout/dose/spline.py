"""Many doses: the tables by dose from the splines of the cohorts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS
from gmvcausal.rollout.dose.basis import DEGREE, Basis, fit_basis
from gmvcausal.rollout.dose.from_spline import FromSpline
from gmvcausal.rollout.dose.rows import Doses, Row, series, weighted
from gmvcausal.rollout.fitted import Options, Series, count
from gmvcausal.rollout.group_time.cells import make_cells
from gmvcausal.rollout.group_time.effects import groups_of
from gmvcausal.rollout.intake.panel import Panel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_GRID = np.arange(0.05, 0.951, 0.05)


def spline(panel: Panel, options: Options, control: str) -> Doses:
    """Effects by dose where doses are many.

    Raises
    ------
    DesignError
        Rows are absent; no cohort has ten clusters with ten different doses.
    """
    if not np.isfinite(panel.y).all():
        raise DesignError(
            "doses of more than ten values are joined by a curve, which needs a panel without absent rows",
            remedy="fill or leave out the units with absent rows, or round the doses to at most ten values",
        )
    assert panel.dose is not None
    starts, group = groups_of(panel.start)
    weight = np.ones(len(panel.y)) if panel.weight is None else panel.weight / panel.weight.mean()
    bases, notes, left = list[Basis](), list[str](), 0
    for g in range(len(starts)):
        units = np.flatnonzero(group == g)
        dose = panel.dose[units]
        size = min(count(panel.cluster, group == g), len(np.unique(dose)))
        if size < MIN_CLUSTERS:
            left += len(units)
        else:
            bases.append(fit_basis(g, units, dose, weight[units], size))
    if not bases:
        raise DesignError(
            f"no cohort has {MIN_CLUSTERS} clusters with as many different doses, so no curve can be drawn",
            remedy="round the doses to at most ten values, or use longer periods so that cohorts merge",
        )
    sizes = sorted({len(b.knots) - 2 * (DEGREE + 1) for b in bases})
    notes.append(
        "the dose has many values: a cubic B-spline in every cohort, with "
        + (f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else str(sizes[0]))
        + " inner knots at quantiles of its doses"
    )
    if left:
        notes.append(
            f"the curves leave out {left:,} treated units of cohorts with fewer than {MIN_CLUSTERS} clusters or doses"
        )
    has_never = bool((group == len(starts)).any())

    def effects_on(base: str) -> FromSpline:
        pairs = make_cells(starts, panel.grid.position, has_never, control, base, options.anticipation)
        pairs = pairs.keep(np.isin(pairs.cohort, [b.cohort for b in bases]))
        y = panel.y - panel.y.mean(axis=1, keepdims=True)
        return FromSpline(pairs, tuple(bases), group, y, weight, panel.cluster)

    effects = effects_on(options.base_period)
    reached = set(effects.pairs.cohort[effects.pairs.event >= 0].tolist())
    effects = replace(effects, bases=tuple(b for b in bases if b.cohort in reached))
    effects = replace(effects, pairs=effects.pairs.keep(np.isin(effects.pairs.cohort, list(reached))))
    own = np.isin(group, list(reached))
    at = np.unique(np.quantile(panel.dose[own], _GRID))
    table = _Table(effects, panel)
    return Doses(
        at, effects, tuple(table.row(d, 0) for d in at), tuple(table.row(d, 1) for d in at), table.average(),
        lambda: _Table(effects_on("universal"), panel).trend(), saturated=False, notes=tuple(notes),
    )  # fmt: skip


class _Table:
    """Rows of the tables by dose."""

    def __init__(self, effects: FromSpline, panel: Panel) -> None:
        self.effects, self.panel = effects, panel
        self.post = effects.pairs.event >= 0

    def _load(self, pairs: IntArray, of_pair: dict[int, FloatArray]) -> Any:
        """Sums over the coefficients of each pair, by the vector of its cohort."""
        from scipy.sparse import csr_array

        effects = self.effects
        pair, piece = effects.index
        line = {int(p): i for i, p in enumerate(pairs)}
        at = np.flatnonzero(np.isin(pair, pairs))
        data = [of_pair[int(effects.pairs.cohort[pair[k]])][piece[k]] for k in at]
        return csr_array((data, ([line[int(pair[k])] for k in at], at)), shape=(len(pairs), len(pair)))

    def _row(self, pairs: IntArray, vectors: dict[int, FloatArray]) -> Row:
        effects, cohorts = self.effects, self.effects.pairs.cohort[pairs]
        estimate, row = weighted(effects, self._load(pairs, vectors), cohorts, effects.width)
        own = np.isin(effects.group, cohorts)
        controls = effects.pairs.controls[pairs].any(axis=0)
        beside = (effects.group >= 0) & np.append(controls, False)[effects.group]
        clusters = min(count(effects.cluster, own), count(effects.cluster, beside))
        return Row(estimate, row, int(own.sum()), clusters)

    def row(self, dose: float, derivative: int) -> Row:
        """The curve, or its slope, at a dose: over the cohorts whose doses reach it."""
        effects = self.effects
        reach = [b for b in effects.bases if b.reaches(dose)]
        pairs = np.flatnonzero(self.post & np.isin(effects.pairs.cohort, [b.cohort for b in reach]))
        return self._row(pairs, {b.cohort: b.at(np.array([dose]), derivative)[0] for b in reach})

    def average(self) -> Row:
        """The slope at every treated unit's own dose, averaged."""
        effects = self.effects
        pairs = np.flatnonzero(self.post)
        found = self._row(pairs, {b.cohort: effects.steepness(b) for b in effects.bases})
        row, (pair, piece) = found.load.copy(), effects.index
        weight = effects.shares[effects.pairs.cohort]
        total = weight[pairs].sum()
        for k in np.flatnonzero(self.post[pair]):
            p = pair[k]
            row[effects.places[int(effects.pairs.cohort[p])] + piece[k]] += weight[p] * effects.att[k] / total
        return replace(found, load=row)

    def trend(self) -> Series | None:
        """Slope of the leads on the dose, by event time: the line through the doses of every cohort and period."""
        effects, rows, events = self.effects, list[Row](), list[int]()
        assert self.panel.dose is not None
        lines = {}
        for b in effects.bases:
            w, dose = effects.weight[b.units], self.panel.dose[b.units]
            distance = dose - w @ dose / w.sum()
            lines[b.cohort] = (w * distance / (w @ distance**2)) @ b.psi
        for event in np.unique(effects.pairs.event[~self.post]):
            found = self._row(np.flatnonzero(effects.pairs.event == event), lines)
            load = found.load.copy()
            load[len(effects.att) :] = 0.0  # the weights of the test count as fixed
            rows.append(replace(found, load=load))
            events.append(int(event))
        return series(effects, np.array(events), tuple(rows)) if rows else None
