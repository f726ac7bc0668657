"""What was estimated, as a result: rows, curves, audit, words."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.frames.params import counted
from gmvcausal.observational.series.analyse import PLAIN, How, analyse, fitted, placebos
from gmvcausal.observational.series.case import Case
from gmvcausal.observational.series.checks import checks_of
from gmvcausal.observational.series.mixture import Mixture
from gmvcausal.observational.series.model import Model, build
from gmvcausal.observational.series.paths import Paths, Total
from gmvcausal.observational.series.promotions import told
from gmvcausal.observational.series.read import Series
from gmvcausal.observational.series.result import BeforeAfterResult
from gmvcausal.results import Estimates, Manifest
from gmvcausal.results.audit import audit_with

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_WEEK = 7


def make_result(s: Series, model: Model, how: How, options: dict[str, Any], manifest: Manifest) -> BeforeAfterResult:
    """Estimate, look at earlier dates, audit, words."""
    size, m = len(s.y), s.stop - s.start
    end = min(size, s.stop + m) if s.stop < size else s.stop
    whole = analyse(model, s.start, s.stop if how.errors == "hac" else end, how)
    window = _part(whole, m)
    inside = np.ones(m, dtype=bool)
    placebo = placebos(model, s.start - s.partial, m, how)
    reactions = _reactions(s, model, options)
    later = None
    if end > s.stop and how.errors != "hac" and np.isfinite(s.y[s.stop : end]).any():
        later = whole.mean_over(np.arange(len(whole.y)) >= m)
    after = None if later is None else float(later.expected.below(_at(later))[0])
    # Checks need the forecasts of the periods before alone, whatever the method.
    plain = window if how == PLAIN else analyse(model, s.start, s.stop, PLAIN)
    case = Case(s, model, how, plain, placebo, str(options["controls_as"]), reactions, after,
                bool(options["promotions_shared"]), bool(options["promotions"]))  # fmt: skip
    checks = checks_of(case)
    average = window.mean_over(inside)
    alpha = float(options["alpha"])
    what = _measured(s, str(options["outcome"]))
    estimates = _estimates(s, model, window, average, later, what)
    naive = float(estimates.estimate[-1])
    advice = [f"A comparison of means, as texts report it, says {naive:+,.4g} {what} per {s.word}."]
    if len(placebo.place):
        rank = placebo.rank(float(average.p_value[0]))
        advice.append(
            f"Of {counted(len(placebo.place), 'earlier date')} with nothing to find, {(placebo.p_value < 0.05).sum()} "
            f"show an effect too (p < .05); by rank among them p = {rank:.2g}."
        )
    before = int(np.isfinite(model.z[: s.start]).sum())
    behind = f"{counted(before, s.word)} before, {counted(int(window.known.sum()), s.word)} in the window"
    label = (s.label(s.start), s.label(s.stop - 1))
    control = f"{counted(len(s.names), 'control series')}".replace("seriess", "series") if s.names else "no control"
    assumption = (
        "without the tactic the series would have gone on as it did before"
        + (", measured against the control series, which the tactic did not move" if s.names else "")
        + "; nothing else began at the same time"
        + (
            f"; the control series have {told(unseen)} to the same degree (promotions_shared=True)"
            if options["promotions_shared"] and (unseen := model.touching(s.start, s.stop, unseen=True))
            else ""
        )
    )
    return BeforeAfterResult(
        f"Before and after: {options['outcome']} from {label[0]} to {label[1]}, {control}", assumption, estimates,
        manifest, alpha, audit_with(checks, s.facts), float(average.counterfactual[0]),
        partial(_curves, s, model, how, end, alpha), placebo, tuple(s.label(k) for k in range(size)), s.word, what,
        s.start, s.stop, int(window.known.sum()), behind, s.facts, tuple(advice),
    )  # fmt: skip


def _at(total: Total) -> FloatArray:
    """What was, on the scale of what is expected."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(total.actual) if total.log else total.actual


def _part(paths: Paths, m: int) -> Paths:
    """The first m periods."""
    f = paths.ahead
    ahead = replace(f, centre=f.centre[:, :m], noise=f.noise[:, :m, :m], own=f.own[:, :m])
    return Paths(paths.y[:m], paths.z[:m], paths.offset[:m], ahead, paths.log)


def _measured(s: Series, outcome: str) -> str:
    unit = str(s.facts.get("outcome_unit", "")) if s.facts.get("outcome") == outcome else ""
    return unit.rpartition(" per ")[0] or unit or outcome


def _reactions(s: Series, model: Model, options: dict[str, Any]) -> FloatArray:
    """P-value of a jump of every control series at the start."""
    out = np.full(len(s.names), np.nan)
    for j in range(len(s.names)):
        others = np.arange(len(s.names)) != j
        one = replace(s, y=s.controls[:, j], controls=s.controls[:, others],
                      names=tuple(np.array(s.names)[others].tolist()))  # fmt: skip
        alone = not others.any()
        made = build(one, model.log, str(options["controls_as"]), alone, options["events"], options["promotions"], [])
        use = np.isfinite(one.y[s.start : s.stop])
        if alone:
            use &= ~model.unseen[s.start : s.stop]
            use &= np.cumsum(use) <= (_WEEK if s.step != _WEEK else 2)
        if not use.any():
            continue
        try:
            found = analyse(made, s.start, s.stop, PLAIN)
        except DesignError:
            continue
        out[j] = found.mean_over(use).p_value[0]
    return out


def _limits(total: Total, times: float, level: float) -> tuple[float, float]:
    low, high = total.interval(level)
    return float(low[0]) * times, float(high[0]) * times


def _shares(total: Total, level: float) -> tuple[float, float]:
    low, high = total.share(level)
    return float(low[0]), float(high[0])


def _drawn(of: Mixture, level: float) -> tuple[float, float]:
    low, high = of.interval(level)
    return float(low[0]), float(high[0])


def _estimates(s: Series, model: Model, window: Paths, average: Total, later: Total | None, what: str) -> Estimates:
    per, many = f"{what} per {s.word}", int(window.known.sum())
    span = f"{s.label(s.start)} to {s.label(s.stop - 1)}"
    n = int(np.isfinite(model.z[: s.start]).sum()) + many
    rows: list[tuple[str, str, str, float, float, Any, float]] = []

    def total(term: str, estimand: str, found: Total, times: float = 1.0, unit: str = per) -> None:
        rows.append((term, estimand, unit, float(found.effect[0]) * times, float(found.std_error[0]) * times,
                     partial(_limits, found, times), float(found.p_value[0])))  # fmt: skip

    total("average", f"mean effect per {s.word}, {span}", average)
    total("cumulative", f"sum of the effects, {span}", average, many, what)
    base, error = float(average.counterfactual[0]), float(average.std_error[0])
    if base > 0:
        actual = float(average.actual[0])
        share = actual / base - 1
        rows.append(("relative", f"effect over what would have been, {span}", "share", share, error * actual / base**2,
                     partial(_shares, average), float(average.p_value[0])))  # fmt: skip
    lines = window.level_and_slope(np.ones(len(window.y), dtype=bool))
    scale = "log points" if model.log else per
    for j, (term, estimand) in enumerate((("level", "effect at the start"), ("slope", "its change from one to the next "
                                                                                     f"{s.word}"))):  # fmt: skip
        if j < lines.centre.shape[1]:
            one = lines.take(j)
            measured = scale if j == 0 else f"{scale} per {s.word}"
            rows.append((term, f"{estimand}, by a line through the effects", measured,
                         float(one.mean[0]), float(one.sd[0]), partial(_drawn, one),
                         float(one.p_value(np.zeros(1))[0])))  # fmt: skip
    outside = ~model.unseen[s.start : s.stop] & window.known
    if outside.any() and not outside[window.known].all():
        total("outside_promotions", f"mean effect per {s.word} outside promotions never seen before, "
              f"{counted(int(outside.sum()), s.word)}", window.mean_over(outside))  # fmt: skip
    if later is not None:
        total("after", f"mean difference per {s.word} after the end, as long as the window or to the last "
              f"{s.word}", later)  # fmt: skip
    rows.append(_naive(s, per))
    sd = np.array([r[4] for r in rows])
    cov = np.full((len(rows), len(rows)), np.nan)
    np.fill_diagonal(cov, sd**2)
    return Estimates(
        tuple(r[0] for r in rows), tuple(r[1] for r in rows), tuple(r[2] for r in rows),
        np.array([r[3] for r in rows]), cov, (n,) * len(rows), None, "",
        {k: r[5] for k, r in enumerate(rows) if r[5] is not None},
        {k: r[6] for k, r in enumerate(rows) if r[5] is not None}, "forecast errors",
    )  # fmt: skip


def _naive(s: Series, per: str) -> tuple[str, str, str, float, float, Any, float]:
    """Mean after less mean before, with the standard error of Welch's test."""
    a, b = s.y[s.start : s.stop], s.y[: s.start]
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    error = math.sqrt((a.var(ddof=1) / len(a) if len(a) > 1 else 0.0) + b.var(ddof=1) / len(b))
    what = (
        "what texts would report: mean of the window less mean before, as if there were no season and no day knew of "
        "the next"
    )
    return ("naive", what, per, float(a.mean() - b.mean()), error, None, math.nan)


def _curves(s: Series, model: Model, how: How, end: int, alpha: float) -> dict[str, Any]:
    """Columns of `by_period`, made when they are asked for."""
    whole = analyse(model, s.start, s.stop if how.errors == "hac" else end, how)
    size, m, to = len(s.y), s.stop - s.start, s.start + len(whole.y)
    nan = np.full(size, np.nan)
    out: dict[str, Any] = {
        "period": [s.label(k) for k in range(size)],
        "window": np.where(np.arange(size) < s.start, "before", np.where(np.arange(size) < s.stop, "window", "after")),
        "actual": s.y.copy(),
    }
    names = ("counterfactual", "conf_low", "conf_high", "effect", "effect_low", "effect_high", "cumulative",
             "cumulative_low", "cumulative_high")  # fmt: skip
    out |= {name: nan.copy() for name in names}
    # Unknown periods are forecast too: only their actual value is missing.
    each = replace(whole, y=np.where(whole.known, whole.y, 1.0)).totals(np.eye(len(whole.y)))
    level = 1 - alpha
    low, high = each.expected.interval(level)
    inside = slice(s.start, to)
    out["counterfactual"][inside] = each.counterfactual
    out["conf_low"][inside], out["conf_high"][inside] = each._money(low), each._money(high)
    out["effect"][inside] = s.y[inside] - each.counterfactual
    out["effect_low"][inside] = s.y[inside] - out["conf_high"][inside]
    out["effect_high"][inside] = s.y[inside] - out["conf_low"][inside]
    use = np.flatnonzero(whole.known[:m])
    sums = _part(whole, m).totals(np.tril(np.ones((m, m)))[use])
    at = s.start + use
    out["cumulative"][at] = sums.effect
    out["cumulative_low"][at], out["cumulative_high"][at] = sums.interval(level)
    x, _ = model.usable(s.start)
    found = fitted(model, s.start)
    best = int(np.argmax(found.weight))
    line = x[: s.start] @ found.beta[best] + model.offset[: s.start]
    out["counterfactual"][: s.start] = np.exp(line) if model.log else line
    return out
