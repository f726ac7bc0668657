"""A test along a number known before it: Lin's interacted regression on one moderator."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.abtest.intake.blocks import Col
from gmvcausal.abtest.intake.rows import Rows
from gmvcausal.abtest.metrics import Mean, Metric, Proportion, parts
from gmvcausal.errors import DesignError, GmvCausalWarning, InputError
from gmvcausal.frames.params import column_name
from gmvcausal.frames.rules import nearest
from gmvcausal.results.audit import Check
from gmvcausal.results.moderated import RULES, Moderated, moderated, too_thin
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.moderated import BoolArray, FloatArray, interacted, least_squares
from gmvcausal.stats.two_groups import welch

if TYPE_CHECKING:
    from gmvcausal.abtest.result import AbResult

_CHANCE = "Chance drew the arms and not {0}: this says for whom it works; whatever goes with {0} may be why"


def moderation(result: AbResult, by: Any, metric: Any, arm: Any) -> Moderated:
    """`AbResult.moderation`."""
    column = column_name("by", by)
    assert column is not None
    origin = result.origin
    if origin is None:
        raise InputError(
            "this result does not know its data any more (it was pickled), or they are no rows of units but of days",
            remedy="call ab_test again on one row per unit, then moderation()",
        )
    ask = origin.columns
    chosen = _metric(ask.metrics, metric)
    if column == ask.arm or column in {p for m in ask.metrics for p in parts(m)}:
        raise InputError(
            f"{column!r} is the arm or an outcome of this test, so it is no moderator",
            column=column,
            remedy="name a number that was fixed before assignment",
        )
    if ask.budget is not None:
        raise InputError("moderation() and budget= cannot be used together: the budget is not split by users")
    if ask.strata:
        raise DesignError(
            "moderation() reads a test without strata: shares that differ between strata would pass for an effect",
            remedy="use by(), or call ab_test within each stratum, then moderation()",
        )
    if result.estimates.withheld:
        raise DesignError(f"no line can have an interval where the whole has none: {result.estimates.withheld}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GmvCausalWarning)  # said when the test was made
        # Read as a covariate, where missing values are refused whatever missing= says of outcomes.
        try:
            rows = origin.rows(replace(ask, metrics=(Mean(chosen, pre=column, cap=None),)))
        except InputError as error:
            if error.column == column and error.rule == "covariate is missing":
                raise InputError(
                    "moderator is missing", column=column, count=error.count, rows=error.rows, remedy=error.remedy
                ) from None
            raise
    if Col(column) not in rows.values:
        raise InputError(
            f"{column!r} holds groups, and a moderator is a number",
            column=column,
            remedy=f"by({column!r}) has the effect in each group, and the test that it is the same",
        )
    at = _arm(rows, arm)
    inside = (rows.arm == rows.control) | (rows.arm == at)
    treated = rows.arm[inside] == at
    y, w = rows.values[Col(chosen)][inside], rows.values[Col(column)][inside]
    cluster = None if rows.cluster is None else np.unique(rows.cluster[inside], return_inverse=True)[1]
    place = next(k for k, m in enumerate(result.extra.metric) if m == chosen and result.extra.arm[k] == rows.labels[at])
    _unchanged(result, place, y, treated)
    line = interacted(y, treated, w, float(w.mean()), cluster)
    if line is None:
        raise DesignError(
            f"{column!r} does not vary in an arm, so the effect along it cannot be told",
            column=column,
            remedy="name a number that varies in both arms",
        )
    if thin := too_thin(w, treated):
        raise DesignError(
            f"{column!r} has too few units for a line in each arm: {thin}",
            column=column,
            remedy="take ranks, logarithms or wider levels of it, fixed before assignment",
        )
    notes = ["the line is that of the metric as it is: no cap, no further covariates, no strata"]
    return moderated(
        result, column, chosen, f"average effect on {chosen}", result.estimates.unit[place], line, w, len(y),
        [_balance(w, treated, cluster, column)], _CHANCE.format(column), notes,
        {"by": column, "metric": chosen, "arm": rows.labels[at]}, place,
    )  # fmt: skip


def _metric(metrics: tuple[Metric, ...], asked: Any) -> str:
    known = [m.column for m in metrics if isinstance(m, Mean | Proportion)]
    if asked is None and known:
        return known[0]
    if not known or asked not in known:
        raise InputError(
            "moderation() takes means and proportions"
            + (f", and {asked!r} is none of this test" if asked is not None else ", and this test has none"),
            remedy=nearest(asked, known, "the metrics are") if known else "add gc.Mean('gmv') to metrics=",
        )
    return str(asked)


def _arm(rows: Rows, asked: Any) -> int:
    others = [k for k in range(len(rows.labels)) if k != rows.control]
    if asked is None and len(others) == 1:
        return others[0]
    for k in others:
        if asked is not None and (rows.labels[k] == asked or str(rows.labels[k]) == str(asked)):
            return k
    listed = ", ".join(repr(rows.labels[k]) for k in others)
    raise InputError(
        "the arm whose effect is asked for is not named"
        if asked is None
        else f"{asked!r} is no arm beside the control",
        remedy=f"pass arm=, one of {listed}",
    )


def _unchanged(result: AbResult, place: int, y: FloatArray, treated: BoolArray) -> None:
    """Refuse data that do not give the arms' means any more: a frame may have been changed since."""
    then, now = result.extra.value[place], float(y[treated].mean())
    plain = not result.extra.caps[place] and not result.extra.variance_reduction[place] > 0
    if plain and result.manifest.options.get("strata") in (None, (), []) and not math.isclose(
        then, now, rel_tol=1e-7, abs_tol=1e-7 * float(np.abs(y).max(initial=0.0))
    ):  # fmt: skip
        raise InputError(
            f"the data do not give this result any more: the arm's mean was {then:.6g} then and is {now:.6g} now",
            remedy="call ab_test on the data as they are now, then moderation()",
        )


def _balance(w: FloatArray, treated: BoolArray, cluster: Any, column: str) -> Check:
    """Whether the moderator is the same in both arms, as one fixed before a draw by lot is."""
    from scipy import stats

    if cluster is None:
        p = welch(w, treated).p_value
        ks = float(stats.ks_2samp(w[treated], w[~treated], method="asymp").pvalue)
        p = min(1.0, 2 * min(p, ks))
    else:
        x = np.column_stack([np.ones(len(w)), treated.astype(float)])
        fit = least_squares(x, (w - w.mean()) / (w.std() or 1.0), cluster)
        own = fit.influence[:, 1]
        z = abs(float(fit.beta[1])) / math.sqrt(float(own @ own))
        p = min(1.0, 2 * float(2 * stats.t.sf(z, max(len(own) - 2, 1))))
    status = RULES.judge("moderator_balance", p)
    have = "is the same in both arms" if status == "passed" else "is not the same in both arms"
    return RULES.check(
        "moderator_balance", p, f"{column!r} {have}: {p_words(p)}",
        "name a number that was fixed before assignment: this one was moved by the tactic, or the arms were not drawn "
        "by lot",
    )  # fmt: skip
