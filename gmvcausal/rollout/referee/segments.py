"""A roll-out level by level of a segment: the effect in each, and whether the effects differ at all."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, GmvCausalError, InputError
from gmvcausal.frames.params import column_name, one_of
from gmvcausal.results import Audit, Estimates, Result
from gmvcausal.results.by_level import (
    FEW_ON_SIDE,
    SHARED_CLUSTERS,
    Test,
    apart,
    family,
    few_people,
    hidden_beside,
    levels_check,
    none_left,
    refuse_levels,
)
from gmvcausal.rollout.audit.case import subset
from gmvcausal.rollout.fitted import Fitted, IntArray, Options
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.intake.per_unit import labels_of
from gmvcausal.rollout.methods import estimate
from gmvcausal.stats.inference import equal_effects
from gmvcausal.stats.regrouped import Effects, Regrouped, deals, regrouped
from gmvcausal.stats.regrouped import said as said_of_deals
from gmvcausal.stats.small_sample import Spread

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.rollout.result import DidResult

# Options that name the columns by which treated and controls are told apart.
_DESIGN = ("outcome", "unit", "time", "first_treated", "treated", "stack", "dose", "eligible", "exposed")


@dataclass(frozen=True, repr=False, eq=False)
class DidSegments(Result):
    """A roll-out by the levels of a segment.

    The first row is the whole roll-out; one row for each level follows, its p-value and interval adjusted for the
    number of levels.

    Attributes
    ----------
    segment : str
    levels : tuple of str
        Of the rows; "all" first.
    hidden : tuple of (str, str)
        Levels that are not estimated, with the reason.
    test : tuple of float
        Statistic, two degrees of freedom and p-value of equal effects; NaN where there is no test.
    no_test : str
        Why there is none; empty where there is one.
    """

    segment: str
    levels: tuple[str, ...]
    hidden: tuple[tuple[str, str], ...]
    test: tuple[float, float, float, float]
    no_test: str
    checks: Audit

    @property
    def audit(self) -> Audit:
        """The checks of the whole roll-out, then that of the levels."""
        return self.checks

    def _extra_columns(self) -> dict[str, Any]:
        return {"level": list(self.levels)}

    def interaction(self) -> pd.DataFrame:
        """The test that the effect is the same in all levels: levels, statistic, df1, df2, p_value (one row).

        Welch's (1951) test of several means with unequal variances; with two levels the t test of their difference.
        """
        import pandas as pd

        names = ["statistic", "df1", "df2", "p_value"]
        return pd.DataFrame([{"levels": len(self.levels) - 1, **dict(zip(names, self.test, strict=True))}])

    @property
    def advice(self) -> tuple[str, ...]:
        """The test of equal effects, and which levels are missing."""
        p = self.test[3]
        if math.isnan(p):
            lines = [f"No test of equal effects: {self.no_test}."]
        else:
            found = "differ between" if p < self.alpha else "are not shown to differ between"
            lines = [
                f"Effects {found} the {len(self.levels) - 1} levels of {self.segment} (p = {p:.2g}); a level that is "
                "significant beside one that is not is no difference between them."
            ]
        lines += [f"Not estimated: {name} ({why})." for name, why in self.hidden[:5]]
        return tuple(lines)


def by_segment(result: DidResult, segment: Any, how: Any, test: Test) -> DidSegments:
    """`DidResult.by`."""
    column = column_name("segment", segment)
    assert column is not None
    how = None if how is None else one_of("adjust", how, ("holm", "bh"))
    panel, options = result.panel, result.options
    used = {options_column for k in _DESIGN
            if (options_column := result.manifest.options.get(k)) is not None}  # fmt: skip
    if column in used:
        raise InputError(
            f"{column!r} is a column of the design itself, so it is no segment",
            column=column,
            remedy="name a column of groups that was fixed before the start",
        )
    if options.estimator == "stacked":
        raise DesignError(
            "campaigns are stacked, and levels need their own", remedy="call did on the rows of each level"
        )
    origin = result.known_origin()
    code, labels = labels_of(origin.data, panel, origin.unit, column, "segment", options.outcome)
    refuse_levels(column, labels)
    # No secret where units are rooms, shops or cities.
    people = np.array([_sides(panel, code == k) for k in range(len(labels))]) * int(panel.people)
    few = few_people(people)
    made = [(None, FEW_ON_SIDE) if few[k] else _level(panel, code == k, options) for k in range(len(labels))]
    with_few = hidden_beside(people, np.array([one is not None for one, _ in made]))
    found: dict[str, Fitted] = {}
    hidden: list[tuple[str, str]] = []
    for (one, why), beside, label in zip(made, with_few, labels, strict=True):
        if one is None or beside:
            hidden.append((str(label), why or FEW_ON_SIDE))
        else:
            found[str(label)] = one
    if not found:
        raise none_left(column, *hidden[0])
    alone = apart(panel.cluster, code)
    dealt = None
    if test.dealt:
        if not alone or len(found) < 2 or not all(np.isfinite(one.estimates.std_error[0]) for one in found.values()):
            raise DesignError(
                SHARED_CLUSTERS.format(panel.cluster_name) if not alone else "it needs two levels with standard errors",
                column=column,
                remedy="use test='welch', and read the levels apart",
            )
        dealt = _dealt(result, code, [k for k, label in enumerate(labels) if str(label) in found], found, test)
    return _result(result, column, how, found, hidden, test, dealt, alone=alone)


def _dealt(result: DidResult, code: IntArray, kept: list[int], found: dict[str, Fitted], test: Test) -> Regrouped:
    """The test of equal effects by deals of the levels among units (clusters) of one start."""
    inside = np.isin(code, kept)
    part, own = subset(result.panel, inside), np.searchsorted(kept, code[inside])
    cluster = None if part.alone else np.unique(part.cluster, return_inverse=True)[1]

    def of(every: list[Estimates]) -> Effects:
        error = np.array([e.std_error[0] * e.t.factor[0] for e in every])
        return np.array([e.estimate[0] for e in every]), error**2, np.array([e.t.df[0] for e in every])

    def effects(dealt: IntArray) -> list[Effects]:
        return [of([estimate(subset(part, dealt == k), result.options).estimates for k in range(len(kept))])]

    seen = equal_effects(*of([one.estimates for one in found.values()]))[0]
    return regrouped([seen], deals(own, cluster, part.start, test.seed), effects, test.reps, progress=test.progress)


def _sides(panel: Panel, here: NDArray[np.bool_]) -> tuple[int, int]:
    """Units of a level that are treated, and that are not."""
    treated = panel.units(here & (panel.start >= 0))
    return treated, panel.units(here) - treated


def _level(panel: Panel, here: NDArray[np.bool_], options: Options) -> tuple[Fitted | None, str]:
    """The fit of a level, or why there is none."""
    try:
        one = estimate(subset(panel, here), options)
    except GmvCausalError as error:
        return None, error.rule
    if 0 not in one.estimates.special and not np.isfinite(one.estimates.std_error[0]):
        return None, one.estimates.withheld or "no interval"
    return one, ""


def _result(
    result: DidResult, column: str, how: str | None, found: dict[str, Fitted], hidden: list[tuple[str, str]],
    test_of: Test, dealt: Regrouped | None, *, alone: bool,
) -> DidSegments:  # fmt: skip
    alpha, every = result.alpha, [result.estimates, *(one.estimates for one in found.values())]
    p, share, said = family(how, np.array([e.p_value[0] for e in every]), alpha)
    value = np.array([e.estimate[0] for e in every])
    error = np.array([e.std_error[0] for e in every])
    df, factor = (np.array([x[0] for x in part]) for part in zip(*(e.t for e in every), strict=True))
    known = np.isfinite(error[1:]).all()
    no_test = (
        SHARED_CLUSTERS.format(result.panel.cluster_name)
        if not alone
        else "it needs two levels with standard errors"
        if not known or len(found) < 2
        else ""
    )
    test = (math.nan,) * 4 if no_test else equal_effects(value[1:], (error * factor)[1:] ** 2, df[1:])
    if dealt is not None:
        test = (*test[:3], float(dealt.p_value[0]))
    names = ["all", *found]
    inside = ["", *(f", {column} = {name}" for name in found)]
    first = result.estimates
    estimates = Estimates(
        tuple(first.term[0] + part for part in inside),
        tuple(first.estimand[0] + part for part in inside),
        (first.unit[0],) * len(every),
        value,
        np.diag(error**2),
        tuple(e.n[0] for e in every),
        Spread(df, factor),
        first.withheld if math.isnan(p[0]) else "",
        {k: partial(_limits, e, float(s)) for k, (e, s) in enumerate(zip(every, share, strict=True))},
        dict(enumerate(p.tolist())),
        first.method,
    )
    notes = list(result.manifest.notes)
    if said:
        notes.append(f"levels of {column!r} are adjusted: {said}")
    if dealt is not None:
        notes.append(said_of_deals(dealt))
    shown = levels_check(column, len(found) + len(hidden), hidden)
    options = {**result.manifest.options, "segment": column, "adjust": how, **test_of.options}
    return DidSegments(
        f"{result.title}, by {column}", result.assumption, estimates,
        replace(result.manifest, verb="did.by", options=options, notes=tuple(notes)), alpha, column, tuple(names),
        tuple(hidden), test, no_test, Audit((*result.audit, shown)),
    )  # fmt: skip


def _limits(e: Estimates, share: float, level: float) -> tuple[float, float]:
    low, high = e.interval(1 - share * (1 - level))
    return float(low[0]), float(high[0])
