"""A fitted trial level by level of a segment: the effect in each, and whether the effects differ at all."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError, GmvCausalWarning, InputError
from gmvcausal.frames.columns import identifiers
from gmvcausal.frames.params import column_name, one_of
from gmvcausal.frames.table import open_table
from gmvcausal.results import Audit, Check, Estimates
from gmvcausal.results.by_level import (
    FEW_IN_ARM,
    SHARED_CLUSTERS,
    SMALL,
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
from gmvcausal.results.levels import Hidden, Interaction, LevelsResult, few_of
from gmvcausal.stats.inference import critical_value, equal_effects
from gmvcausal.stats.nuisance.aipw import Averages, averages, mean_outcomes
from gmvcausal.stats.nuisance.outcomes import arm_means
from gmvcausal.stats.small_sample import Spread
from gmvcausal.targeting.audit.of_design import worth
from gmvcausal.targeting.audit.rules import MIN_CLUSTERS
from gmvcausal.targeting.intake.read import read_trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gmvcausal.targeting.intake.trial import FloatArray, IntArray, Trial
    from gmvcausal.targeting.result import Uplift


@dataclass(frozen=True, repr=False, eq=False)
class UpliftSegments(LevelsResult):
    """Average effects by the levels of a segment.

    The first row of every arm is the whole, as `uplift` gives it; one row for each level follows, its p-value and
    interval adjusted for the number of levels, arm by arm.

    Attributes
    ----------
    segment : str
        The column.
    interactions : tuple of Interaction
        The test of equal effects of every arm.
    hidden : tuple of Hidden
        Levels that are not estimated, with the reason.
    dependent : str
        Why there is no interaction test; empty where there is one.
    """


@dataclass(frozen=True, eq=False)
class _Level:
    """What a level says of every arm but the control: effects, and the mean outcomes that they lie between."""

    found: Averages
    value: FloatArray
    control: FloatArray
    n: int


def by_segment(m: Uplift, segment: Any, how: Any) -> UpliftSegments:
    """`Uplift.by`."""
    column = str(column_name("segment", segment))
    how = None if how is None else one_of("adjust", how, ("holm", "bh"))
    asked, t = m.asked, m.trial
    if column in (asked.outcome, asked.treatment):
        raise InputError(
            f"{column!r} is the treatment or the outcome, so it is no segment",
            column=column,
            remedy="name a column that was fixed before assignment",
        )
    level, labels = _levels(m, column)
    if m.estimates.withheld:
        raise DesignError(f"no level can have an interval where the whole has none: {m.estimates.withheld}")
    people = people_of(level, len(labels), t.arm, t.arms, t.cluster, t.cluster_name) * int(m.people)
    why = [FEW_IN_ARM if few else _too_small(t, level == k) for k, few in enumerate(few_people(people))]
    with_few = hidden_beside(people, np.array([not w for w in why]))
    why = [FEW_IN_ARM if beside else w for w, beside in zip(why, with_few, strict=True)]
    hidden = [Hidden(label, w) for label, w in zip(labels, why, strict=True) if w]
    found = {label: _fitted(m, level == k) for k, label in enumerate(labels) if not why[k]}
    if not found:
        raise none_left(column, hidden[0].level, hidden[0].why)
    return _result(m, column, how, level, labels, found, hidden)


def _levels(m: Uplift, column: str) -> tuple[IntArray, list[str]]:
    """Level of every row of the trial, and the labels; the data are read again and refused if they changed."""
    if m.sampled is not None:
        raise InputError(
            "a sample of the rows was learned from, and levels of a segment would be compared on it alone",
            remedy="compare them on all rows, gc.ab_test(...).by(), or call uplift without sample=",
        )
    data = m.known_origin()
    table = open_table(data, needed=[column])
    codes = identifiers(table, column, "segment")
    refuse_levels(column, codes.labels.tolist())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GmvCausalWarning)  # said when the model was fitted
        now = read_trial(data, m.asked)
    then = m.trial
    pairs: list[tuple[NDArray[Any], NDArray[Any]]] = [(then.y, now.y), (then.arm, now.arm), (then.x, now.x)]
    more = ((then.propensity, now.propensity), (then.cluster, now.cluster))
    pairs += [(a, b) for a, b in more if a is not None and b is not None]
    same = then.labels == now.labels and then.features.to_dict() == now.features.to_dict()
    if not same or not all(a.shape == b.shape and np.array_equal(a, b, equal_nan=True) for a, b in pairs):
        raise InputError(
            "the data are not those that were learned from any more",
            remedy="call uplift on the data as they are now, then by()",
        )
    return codes.codes[now.row], [str(v) for v in codes.labels.tolist()]


def _too_small(t: Trial, here: NDArray[np.bool_]) -> str:
    """Why a level is not shown; empty where it is."""
    arm, y = t.arm[here], t.y[here]
    if np.bincount(arm, minlength=t.arms).min() < SMALL:
        return f"fewer than {SMALL} units in an arm"
    kinds = [("with a non-zero outcome", y != 0)]
    if ((t.y == 0) | (t.y == 1)).all():
        kinds.append(("without the outcome", y == 0))
    for words, mask in kinds:
        counts = np.bincount(arm[mask], minlength=t.arms)
        if counts.min() < SMALL:
            return f"fewer than {SMALL} of arm {t.labels[int(counts.argmin())]!s} {words}"
    if t.cluster is not None:
        fewest = worth(replace(t, arm=arm, cluster=_dense(t.cluster[here]))).fewest
        if fewest < MIN_CLUSTERS:
            return f"{fewest:.0f} clusters by {t.cluster_name!r} in an arm, fewer than {MIN_CLUSTERS}"
    return ""


def _dense(codes: IntArray) -> IntArray:
    return np.asarray(np.unique(codes, return_inverse=True)[1], dtype=np.int64)


def _lot(m: Uplift) -> bool:
    """Whether one lot dealt out the arms, to all with the same chances."""
    if m.trial.known:
        return float(np.ptp(m.fit.e, axis=0).max()) < 1e-12
    return m.fit.settled


def _fitted(m: Uplift, here: NDArray[np.bool_]) -> _Level:
    """The average effects of the rows of a level."""
    t, estimand = m.trial, str(m.manifest.options["estimand"])
    y, arm, e, mu = t.y[here], t.arm[here], m.fit.e[here], m.fit.mu[here]
    cluster = None if t.cluster is None else _dense(t.cluster[here])
    if m.fit.model is None:
        # Nothing is known of the rows but the level: its own means, as a difference of means has them.
        mu = arm_means(y, arm, t.arms)
        if _lot(m):
            e = np.tile(np.bincount(arm, minlength=t.arms) / len(y), (len(y), 1))
    found = averages(y, arm, e, mu, estimand=estimand, cluster=cluster, known=m.fit.settled)
    mean = mean_outcomes(y, arm, e, mu, estimand)
    control = mean[1:] - found.estimate if estimand == "att" else np.full(t.arms - 1, mean[0])
    return _Level(found, mean[1:], control, len(y))


def _result(
    m: Uplift,
    segment: str,
    how: str | None,
    level: IntArray,
    labels: list[str],
    found: dict[str, _Level],
    hidden: list[Hidden],
) -> UpliftSegments:
    t, e, x, alpha = m.trial, m.estimates, m.extra, m.alpha
    alone = apart(t.cluster, level)
    names, k, said = ["all", *found], t.arms - 1, ""
    rows: list[tuple[Any, ...]] = []
    interactions: list[Interaction] = []
    shares: list[float] = []
    p_values: list[float] = []
    for a in range(k):
        own = [one.found for one in found.values()]
        value = np.array([e.estimate[a], *(o.estimate[a] for o in own)])
        error = np.array([e.std_error[a], *(np.sqrt(o.cov[a, a]) for o in own)])
        df = np.array([e.t.df[a], *(o.spread.df[a] for o in own)])
        factor = np.array([e.t.factor[a], *(o.spread.factor[a] for o in own)])
        plain = Estimates(("",) * len(names), ("",) * len(names), ("",) * len(names), value, np.diag(error**2),
                          (None,) * len(names), Spread(df, factor))  # fmt: skip
        p, share, said = family(how, plain.p_value, alpha)
        live = np.array([o.cov[a, a] > 0 for o in own])
        test = equal_effects(value[1:], (error * factor)[1:] ** 2, df[1:]) if alone else (math.nan,) * 4
        left = tuple(name for name, ok in zip(found, live, strict=True) if not ok)
        interactions.append(Interaction(
            e.term[a], e.estimand[a], m.asked.outcome, x.arm[a], int(live.sum()), *test, left,
        ))  # fmt: skip
        levels = [(x.value[a], x.control_value[a], t.n)]
        levels += [(float(o.value[a]), float(o.control[a]), o.n) for o in found.values()]
        for i, name in enumerate(names):
            inside = f", {segment} = {name}" if i else ""
            rows.append((
                e.term[a] + inside, e.estimand[a] + inside, e.unit[a], value[i], error[i], df[i], factor[i],
                levels[i][2], m.asked.outcome, x.arm[a], x.control[a], name, *levels[i][:2], df[i],
            ))  # fmt: skip
        shares += share.tolist()
        p_values += p.tolist()
    term, estimand, unit, values, errors, dfs, factors, n, *rest = zip(*rows, strict=True)
    estimates = Estimates(
        term, estimand, unit, np.array(values), np.diag(np.array(errors) ** 2), n,
        Spread(np.array(dfs), np.array(factors)), "",
        {i: partial(_limits, rows[i], s) for i, s in enumerate(shares) if s != 1}, dict(enumerate(p_values)), e.method,
    )  # fmt: skip
    columns = ("metric", "arm", "control", "level", "value", "control_value", "df")
    notes = [*m.manifest.notes]
    if said:
        notes.append(f"levels of {segment!r} are adjusted arm by arm: {said}")
    options = {**m.manifest.options, "segment": segment, "adjust": how}
    total = len(found) + len(hidden)
    checks = [
        _balance(m, segment, level, few_of(labels, hidden)),
        levels_check(segment, total, [(h.level, h.why) for h in hidden]),
    ]
    return UpliftSegments(
        f"{m.title}, by {segment}", m.assumption, estimates,
        replace(m.manifest, verb="uplift.by", options=options, notes=tuple(notes)), alpha, segment,
        Audit((*m.audit, *checks)), dict(zip(columns, map(tuple, rest), strict=True)), tuple(interactions),
        tuple(hidden), "" if alone else SHARED_CLUSTERS.format(t.cluster_name),
    )  # fmt: skip


def _limits(row: tuple[Any, ...], share: float, level: float) -> tuple[float, float]:
    value, error, df, factor = row[3:7]
    half = critical_value(1 - share * (1 - level), df) * error * factor
    return float(value - half), float(value + half)


def _balance(m: Uplift, segment: str, level: IntArray, away: NDArray[np.bool_]) -> Check:
    t = m.trial
    if not _lot(m):
        return Check(
            "segment_balance", "not_run", "chances of the arms differ between users, and so may the levels' shares",
            remedy=f"name {segment!r} among the features if it told who was treated" if not t.known else "",
        )  # fmt: skip
    return balance_check(segment, level, away, t.arm, t.arms, t.cluster, t.cluster_name)
