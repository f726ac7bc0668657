"""A test level by level of a segment: the effect in each, and whether the effects differ at all."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.abtest.draws.drawn import Plan
from gmvcausal.abtest.draws.resample import refuse_few_draws, resample
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.gathered import gather
from gmvcausal.abtest.intake.read import read_rows
from gmvcausal.abtest.intake.rows import Rows
from gmvcausal.abtest.metrics import parts
from gmvcausal.abtest.segments.dealt import dealt_anew
from gmvcausal.abtest.segments.result import SegmentResult
from gmvcausal.abtest.terms.caps import Cap
from gmvcausal.abtest.terms.compare import Contrast, Limits
from gmvcausal.abtest.terms.estimate import Fit, Settings, fit
from gmvcausal.abtest.terms.rare import settled
from gmvcausal.abtest.terms.tables import ADJUSTED
from gmvcausal.errors import DesignError, GmvCausalError, GmvCausalWarning, InputError
from gmvcausal.frames.engines.choose import choose_engine
from gmvcausal.frames.engines.engine import without_positions
from gmvcausal.frames.engines.kinds import is_spark
from gmvcausal.frames.facts import rows_are_people
from gmvcausal.frames.params import column_name, one_of
from gmvcausal.results import Audit, Manifest
from gmvcausal.results.by_level import (
    FEW_IN_ARM,
    SHARED_CLUSTERS,
    SMALL,
    Test,
    apart,
    balance_check,
    family,
    few_people,
    hidden_beside,
    levels_check,
    none_left,
    people_of,
    refuse_levels,
)
from gmvcausal.results.estimates import Estimates
from gmvcausal.results.levels import Hidden, Interaction, few_of
from gmvcausal.stats.inference import equal_effects
from gmvcausal.stats.regrouped import Regrouped
from gmvcausal.stats.regrouped import said as said_of_deals
from gmvcausal.stats.small_sample import Spread

if TYPE_CHECKING:
    from gmvcausal.abtest.result import AbResult


@dataclass(frozen=True, eq=False)
class Origin:
    """What a result was made from, so that it can be made again within levels."""

    data: Any
    columns: Columns
    settings: Settings
    plan: Plan
    caps: tuple[Cap | None, ...]
    engine: Any = None
    memory_limit: int | None = None

    def rows(self, ask: Columns) -> Rows:
        """The rows in memory; what lies on Spark is brought here."""
        if self.engine is None and not is_spark(self.data):
            return read_rows(self.data, ask)
        space = choose_engine([self.data], self.engine, self.memory_limit)
        if space.names(self.data, "data") is None:
            return read_rows(self.data, ask)
        table, note = gather(space, self.data, ask.roles, "by()")
        with without_positions():
            rows = read_rows(table, ask)
        rows.notes.append(note)
        return rows

    def fitted(self, rows: Rows) -> Fit:
        """Estimates from these rows, caps held where they were."""
        found = fit(rows, self.columns.metrics, self.settings, self.caps)
        return settled(found if self.plan.inference == "t" else resample(found, self.plan), self.columns.metrics)


def caps_of(found: Fit, metrics: int) -> tuple[Cap | None, ...]:
    """The cap of every metric."""
    held = {t.metric: t.cap for t in found.terms if t.cap is not None}
    return tuple(held.get(k) for k in range(metrics))


def segmented(result: AbResult, segment: Any, how: Any, test: Test) -> SegmentResult:
    """`AbResult.by`."""
    column = column_name("segment", segment)
    assert column is not None
    how = None if how is None else one_of("adjust", how, ("holm", "bh"))
    origin = result.origin
    if origin is None:
        raise InputError(
            "this result does not know its data any more (it was pickled), or they are no rows of units but of days",
            remedy="call ab_test again on one row per unit, then by()",
        )
    rows, levels = _read(origin, column)
    if result.estimates.withheld:
        raise DesignError(f"no level can have an interval where the whole has none: {result.estimates.withheld}")
    whole = origin.fitted(rows)
    _unchanged(result, whole)
    assert rows.segment is not None
    people = people_of(rows.segment, len(levels), rows.arm, len(rows.labels), rows.cluster, rows.cluster_name)
    # No secret where rows are rooms, shops or cities.
    people *= rows_are_people(origin.columns.unit, rows.meta)
    few = few_people(people)
    made = [
        (None, FEW_IN_ARM) if few[k] else _level(origin, rows, rows.segment == k) for k in range(len(levels))
    ]  # fmt: skip
    with_few = hidden_beside(people, np.array([one is not None for one, _ in made]))
    found: dict[str, Fit] = {}
    hidden: list[Hidden] = []
    for (one, why), beside, level in zip(made, with_few, levels, strict=True):
        if one is None or beside:
            hidden.append(Hidden(str(level), why or FEW_IN_ARM))
        else:
            found[str(level)] = one
    if not found:
        raise none_left(column, hidden[0].level, hidden[0].why)
    dealt = dealt_anew(origin, rows, levels, found, test) if test.dealt else None
    return _result(result, origin, column, how, rows, levels, whole, found, hidden, test, dealt)


def _read(origin: Origin, column: str) -> tuple[Rows, tuple[Any, ...]]:
    ask = origin.columns
    if column == ask.arm or column in {p for m in ask.metrics for p in parts(m)}:
        raise InputError(
            f"{column!r} is the arm or an outcome of this test, so it is no segment",
            column=column,
            remedy="name a column that was fixed before assignment",
        )
    if ask.budget is not None:
        raise InputError("by() and budget= cannot be used together: the budget is not split by level")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GmvCausalWarning)  # said when the test was made
        rows = origin.rows(replace(ask, segment=column))
    refuse_levels(column, rows.of_segment)
    return rows, rows.of_segment


def _unchanged(result: AbResult, whole: Fit) -> None:
    """Refuse data that do not give the result any more: a frame may have been changed since."""
    e = result.estimates
    now = np.array([t.contrast.difference for t in whole.terms])
    error = np.sqrt([t.contrast.variance for t in whole.terms])
    # Rows among compliers come after those of the assigned, from which they follow.
    then, spread = e.estimate[: len(now)], e.std_error[: len(now)]
    same = len(now) == len(then) and np.allclose(error, spread, rtol=1e-7, atol=0, equal_nan=True)
    if not same or not (np.abs(now - then) <= 1e-7 * np.maximum(np.abs(then), spread)).all():
        raise InputError(
            f"the data do not give this result any more: {float(e.estimate[0]):.6g} then, {float(now[0]):.6g} now",
            remedy="call ab_test on the data as they are now, then by()",
        )


def _level(origin: Origin, rows: Rows, mask: Any) -> tuple[Fit | None, str]:
    """The fit of a level, or why there is none."""
    part = rows.part(mask)
    least = int(part.counts().min())
    if least < (2 if rows.cluster_name else SMALL):
        return None, f"fewer than {2 if rows.cluster_name else SMALL} {_units(rows)} in an arm"
    if part.stratum is not None:
        cells = np.bincount(part.arm * part.strata + part.stratum, minlength=len(part.labels) * part.strata)
        if cells.min() < 2:
            return None, "strata with fewer than 2 rows in an arm"
    try:
        found = origin.fitted(part)
    except GmvCausalError as error:
        return None, error.rule
    return (None, found.withheld) if found.withheld else (found, "")


def _units(rows: Rows) -> str:
    return f"{rows.cluster_name} clusters" if rows.cluster_name else "units"


def _result(
    result: AbResult, origin: Origin, segment: str, how: str | None, rows: Rows, levels: tuple[Any, ...], whole: Fit,
    found: Mapping[str, Fit], hidden: list[Hidden], test_of: Test, dealt: Regrouped | None,
) -> SegmentResult:  # fmt: skip
    e, x, alpha = result.estimates, result.extra, result.alpha
    assert rows.segment is not None
    alone = apart(rows.cluster, rows.segment)
    head: list[tuple[str, str, str]] = []
    counts: list[int | None] = []
    contrasts: list[Contrast] = []
    columns: dict[str, list[Any]] = {
        c: [] for c in ("metric", "arm", "control", "level", "relative", "relative_low", "relative_high",
                        "value", "control_value", "df")
    }  # fmt: skip
    shares: list[float] = []
    p_values: list[float] = []
    interactions: list[Interaction] = []
    said = ""
    for i, term in enumerate(whole.terms):
        own = [one.terms[i].contrast for one in found.values()]
        p = np.array([term.contrast.p_value(), *(c.p_value() for c in own)])
        p, share, said = family(how, p, alpha)
        # Where t does not hold, nor does a weight that is one over the variance.
        used = [c for c in own if c.variance > 0 and not c.by_itself]
        left = tuple(name for name, c in zip(found, own, strict=True) if not (c.variance > 0 and not c.by_itself))
        test = equal_effects(
            np.array([c.difference for c in used]), np.array([c.variance for c in used]), np.array([c.df for c in used])
        )
        statistic, df1, df2, p_inter = test if alone else (math.nan, math.nan, math.nan, math.nan)
        if dealt is not None:
            p_inter = float(dealt.p_value[i])
        interactions.append(
            Interaction(e.term[i], e.estimand[i], x.metric[i], x.arm[i], len(used), statistic, df1, df2, p_inter, left)
        )
        fits = [whole, *found.values()]
        arms = (term.arm, rows.control)
        counts += [round(sum(f.sample.arms[a].n for a in arms)) for f in fits]
        for name, c, s in zip(["", *found], [term.contrast, *own], share, strict=True):
            inside = f", {segment} = {name}" if name else ""
            head.append((e.term[i] + inside, e.estimand[i] + inside, e.unit[i]))
            contrasts.append(c)
            low, high = c.relative_interval(1 - s * alpha)
            gone = math.isnan(low) or math.isnan(high)
            row = (x.metric[i], x.arm[i], x.control[i], name or "all", math.nan if gone else c.relative, low, high,
                   c.treated, c.control, c.df)  # fmt: skip
            for values, value in zip(columns.values(), row, strict=True):
                values.append(value)
        shares += share.tolist()
        p_values += p.tolist()
    plan = origin.plan
    for one in (whole, *found.values()):
        refuse_few_draws(one, plan.inference, plan.draws, alpha * min(shares), origin.settings.alternative)
    estimates = Estimates(
        tuple(h[0] for h in head),
        tuple(h[1] for h in head),
        tuple(h[2] for h in head),
        np.array([c.difference for c in contrasts]),
        np.diag([c.variance for c in contrasts]),
        tuple(counts),
        Spread(np.array([c.df for c in contrasts]), np.ones(len(contrasts))),
        "",
        {k: Limits(c, shares[k]) for k, c in enumerate(contrasts)},
        dict(enumerate(p_values)),
        e.method,
    )
    notes = [n for n in result.manifest.notes if not n.startswith(ADJUSTED)]
    if said:
        notes.append(f"levels of {segment!r} are adjusted metric by metric and arm by arm: {said}")
    rare = [
        f"{e.term[i]} in {name} ({term.contrast.by_itself})"
        for name, one in found.items()
        for i, term in enumerate(one.terms)
        if term.contrast.by_itself
    ]
    if rare:
        notes.append(f"too few units with (or without) a value for t in an arm: {', '.join(rare)}")
    if dealt is not None:
        notes.append(said_of_deals(dealt))
    if any(c is not None for c in origin.caps):
        notes.append("caps are those of the whole test in every level")
    manifest = Manifest(
        "ab_test.by", {**result.manifest.options, "segment": segment, "adjust": how, **test_of.options},
        test_of.seed if test_of.dealt else result.manifest.seed,
        result.manifest.rows, result.manifest.columns, dict(result.manifest.dropped), tuple(notes), rows.analysed,
    )  # fmt: skip
    total = len(levels)
    audit = Audit(
        (
            *result.audit,
            balance_check(
                segment,
                rows.segment,
                few_of(levels, hidden),
                rows.arm,
                len(rows.labels),
                rows.cluster,
                rows.cluster_name,
            ),
            levels_check(segment, total, [(h.level, h.why) for h in hidden]),
        )
    )
    k = 1 + len(found)
    return SegmentResult(
        f"{result.title}, by {segment}", result.assumption, estimates, manifest, alpha, segment, audit,
        {name: tuple(values) for name, values in columns.items()}, tuple(interactions), tuple(hidden),
        "" if alone else SHARED_CLUSTERS.format(rows.cluster_name),
        tuple(f for f in x.factor for _ in range(k)), tuple(c for c in x.caps for _ in range(k)), k * result.spoken,
    )  # fmt: skip
