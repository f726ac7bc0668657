"""What the data say against before and after."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.frames.params import counted
from gmvcausal.observational.series.analyse import LEAST, PLAIN, analyse, fitted
from gmvcausal.observational.series.case import NEXT, SEASON, Case, earlier
from gmvcausal.observational.series.festive import promotion
from gmvcausal.observational.series.promotions import told
from gmvcausal.observational.series.rules import RULES
from gmvcausal.results import Check
from gmvcausal.stats.multiplicity import holm

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_LAGS = 7
_FEW_CHANGES = 12


def checks_of(case: Case) -> list[Check]:
    """Every check that applies, in the order of the published table."""
    out: list[Check] = []
    for one in (
        control_series, control_follows, promotion, placebo_dates, pre_length, pre_break,
        pre_shock, anticipation, control_reacts, extrapolation, pull_forward, autocorrelation, hac_size, last_period,
        calendar_gaps, day_boundary, one_period,
    ):  # fmt: skip
        found = one(case)
        if found is not None:
            out.append(found)
    return out


def control_series(case: Case) -> Check:
    """Is there a series that shows what the season did?"""
    many = len(case.s.names)
    if many:
        return RULES.check("control_series", many, f"{many} control series: {told(case.s.names)}", "")
    return RULES.check("control_series", 0, f"{SEASON}: there is no control series{earlier(case.placebo)}", NEXT)


def _changes(case: Case) -> tuple[FloatArray, FloatArray]:
    """Changes from period to period before the start, of the outcome and of the control series."""
    before = slice(0, case.s.start)
    y, controls = case.s.y[before], case.s.controls[before]
    dy, dc = np.diff(y), np.diff(controls, axis=0)
    known = np.isfinite(dy) & np.isfinite(dc).all(axis=1)
    return dy[known], dc[known]


def control_follows(case: Case) -> Check | None:
    """Do the control series say anything of the outcome? One that does not is none."""
    from scipy import stats

    if not case.s.names:
        return None
    dy, dc = _changes(case)
    if len(dy) < _FEW_CHANGES:
        return Check("control_follows", "not_run", "there are too few periods before the start to tell")
    p = [float(stats.spearmanr(dy, c, alternative="greater").pvalue) if np.ptp(c) > 0 else 1.0 for c in dc.T]
    j = int(np.nanargmin(np.nan_to_num(np.array(p), nan=1.0)))
    value = min(1.0, float(np.nan_to_num(p[j], nan=1.0)) * len(p))
    return RULES.check(
        "control_follows", value,
        f"before the start changes of the outcome and of {case.s.names[j]!r} go together with p = {value:.2g}",
        f"a control series that does not move with the outcome before cannot stand for the season after: {NEXT}",
    )  # fmt: skip


def placebo_dates(case: Case) -> Check:
    """Does the analysis find effects when nothing began?"""
    from scipy import stats

    p, rule = case.placebo, RULES["placebo_dates"]
    if not len(p.place):
        return Check("placebo_dates", "not_run", "the time before the start is too short for earlier dates")
    warn, fail = (float(stats.binom.ppf(level, p.windows, 0.05)) / p.windows for level in (0.95, 0.99))
    status = "failed" if p.share > max(fail, rule.warn or 0.0) else "passed"
    if status == "passed" and p.share > max(warn, rule.warn or 0.0):
        status = "warned"
    return RULES.check(
        "placebo_dates", p.share,
        f"an effect (p < .05) is found at {(p.p_value < 0.05).sum()} of {counted(len(p.place), 'earlier date')} with "
        f"windows of {counted(p.length, case.s.word)} ({p.windows} side by side)",
        f"the series moves by itself as much as after the start: look at plot('placebo'); {NEXT}", status=status,
    )  # fmt: skip


def pre_length(case: Case) -> Check:
    """Is there enough before?"""
    s = case.s
    many = int(np.isfinite(case.model.z[: s.start]).sum())
    status = RULES["pre_length"].status(many)
    if status == "passed" and many < case.m:
        status = "warned"
    return RULES.check(
        "pre_length", many, f"{counted(many, s.word)} before the start, {case.m:,} in the window",
        "supply a longer history: season and memory of the noise are learned from it", status=status,
    )  # fmt: skip


def _whitened(case: Case) -> FloatArray | None:
    try:
        found = fitted(case.model, case.s.start).whitened
    except DesignError:
        return None
    return found[np.isfinite(found)]


def pre_break(case: Case) -> Check:
    """Does the series keep its course before the start?"""
    from scipy import special

    w = _whitened(case)
    if w is None or len(w) < LEAST:
        return Check("pre_break", "not_run", "the time before the start is too short")
    walk = np.cumsum(w - w.mean()) / (w.std() * math.sqrt(len(w)))
    p = float(special.kolmogorov(np.abs(walk).max()))
    return RULES.check("pre_break", p, f"CUSUM of the residuals before the start: p = {p:.2g}",
                  "something else changed before the start: begin the data after it, or name it in events=",
    )  # fmt: skip


def pre_shock(case: Case) -> Check:
    """Is there a day that nothing explains?"""
    try:
        w = fitted(case.model, case.s.start).whitened
    except DesignError:
        return Check("pre_shock", "not_run", "the time before the start is too short")
    known = w[np.isfinite(w)]
    spread = 1.4826 * float(np.median(np.abs(known - np.median(known))))
    size = np.where(np.isfinite(w), np.abs(w - np.median(known)), 0.0)
    j = int(np.argmax(size))
    return RULES.check(
        "pre_shock", float(size[j] / spread) if spread > 0 else 0.0,
        f"on {case.s.label(j)} GMV moves by {size[j] / spread if spread > 0 else 0:.1f} robust standard deviations",
        "name that day in events=, or begin the data after it where GMV stayed there: the noise is taken for larger, "
        "and longer in memory, than it is",
    )  # fmt: skip


def autocorrelation(case: Case) -> Check:
    """Is anything left that the noise should remember?"""
    from scipy import special

    w = _whitened(case)
    if w is None or len(w) < LEAST:
        return Check("autocorrelation", "not_run", "the time before the start is too short")
    w = w - w.mean()
    r = np.array([w[k:] @ w[:-k] for k in range(1, _LAGS + 1)]) / (w @ w)
    q = len(w) * (len(w) + 2) * float((r**2 / (len(w) - np.arange(1, _LAGS + 1))).sum())
    p = float(special.chdtrc(_LAGS, q))
    return RULES.check("autocorrelation", p, f"the whitened residuals before the start remember: p = {p:.2g}",
                  "a season is missing (pay days, school terms): name it in events=, or pass method='structural'; "
                  "intervals may be too narrow")  # fmt: skip


def anticipation(case: Case) -> Check:
    """Did GMV move just before the start, as shoppers waited or bought ahead?"""
    s = case.s
    length, end = (2 if s.step == 7 else 7), s.start - s.partial
    if end - length < LEAST or not np.isfinite(case.model.z[end - length : end]).any():
        return Check("anticipation", "not_run", "the time before the start is too short")
    found = analyse(case.model, end - length, end, PLAIN)
    mean = found.mean_over(np.isfinite(case.model.z[end - length : end]))
    p = float(mean.p_value[0])
    return RULES.check(
        "anticipation", p,
        f"in the last {length} {s.word}s before the start GMV is {mean.effect[0] / mean.counterfactual[0]:+.1%} from "
        f"what the time before foretells (p = {p:.2g})",
        "shoppers knew, or the tactic began earlier (or because GMV fell): name an earlier start=",
    )  # fmt: skip


def control_reacts(case: Case) -> Check | None:
    """Did the tactic move the control series?"""
    s = case.s
    if not s.names:
        return None
    known = np.isfinite(case.reactions)
    if not known.any():
        return Check("control_reacts", "not_run", "a single control series within a promotion has nothing to be held "
                     "against")  # fmt: skip
    adjusted = np.where(known, holm(case.reactions), np.inf)
    j = int(np.argmin(adjusted))
    against = "the mean of the others" if len(s.names) > 1 else "its own past"
    return RULES.check(
        "control_reacts", float(adjusted[j]),
        f"{s.names[j]!r} jumps at the start against {against} with p = {adjusted[j]:.2g}",
        "the tactic took shoppers from it, or brought it some: leave it out of controls=, or find one farther away",
    )  # fmt: skip


def extrapolation(case: Case) -> Check | None:
    """Does a control series go where the regression has never been?"""
    s = case.s
    if not s.names or case.controls_as != "regression":
        return None
    c = np.log(s.controls) if case.model.log else s.controls
    before = c[: s.start][np.isfinite(case.model.z[: s.start])]
    now = c[s.start : s.stop]
    now = now[np.isfinite(now).all(axis=1)]
    over = np.maximum(now.max(axis=0) - before.max(axis=0), before.min(axis=0) - now.min(axis=0))
    far = np.maximum(over, 0) / before.std(axis=0)
    j = int(np.argmax(far))
    return RULES.check(
        "extrapolation", float(far[j]),
        f"{s.names[j]!r} goes {far[j]:.1f} standard deviations beyond its range before the start",
        "a coefficient learned from small moves says little of large ones, and noise in the control makes it too "
        "small: pass controls_as='ratio' with a series of the same kind",
    )  # fmt: skip


def pull_forward(case: Case) -> Check | None:
    """Is GMV below its course after the end?"""
    if case.after is None:
        return None
    return RULES.check(
        "pull_forward", case.after, f"GMV after the end is below its course with p = {case.after:.2g} (one-sided)",
        "part of the gain was borrowed from later: quote the rows average and after together, or leave end= out",
    )  # fmt: skip


def hac_size(case: Case) -> Check | None:
    """Are the errors of the kind that the texts use?"""
    if case.how.errors != "hac":
        return None
    return Check(
        "hac_size", "warned", "Newey and West's errors of a step at the end of a series are too small: the residuals "
        "of the window add up to nothing by construction", None, None, "leave errors= at its default, 'memory'",
    )  # fmt: skip


def last_period(case: Case) -> Check | None:
    """Was the last period over when the data were taken?"""
    s = case.s
    back = 7 if s.step == 1 else 1
    last = len(s.y) - 1
    places = [last - back * k for k in range(1, 5) if last - back * k >= 0]
    if s.first is None or len(places) < 4:
        return None
    together = np.column_stack([s.y, s.controls])
    with np.errstate(divide="ignore", invalid="ignore"):
        share = together[last] / np.nanmean(together[places], axis=0)
    share = np.where(np.isfinite(share) & (share > 0), share, 1.0)
    if case.model.unseen[[last, *places]].any():
        return Check("last_period", "not_run", "a promotion lies around the last period")
    j = int(np.argmin(share))
    what = "the outcome" if j == 0 else repr(s.names[j - 1])
    return RULES.check("last_period", float(share[j]),
                  f"in the last {s.word} {what} is {share[j]:.0%} of what it was in the four before",
                  f"if the {s.word} was not over when the data were taken, remove it")  # fmt: skip


def calendar_gaps(case: Case) -> Check:
    """Are there periods without a row?"""
    s = case.s
    before = int((~np.isfinite(s.y[: s.start])).sum())
    inside = int((~np.isfinite(s.y[s.start : s.stop])).sum())
    value = inside / case.m
    status = RULES["calendar_gaps"].status(value)
    if status == "passed" and before:
        status = "warned"
    return RULES.check(
        "calendar_gaps", value,
        f"{counted(before, s.word)} before the start and {inside:,} of {case.m:,} in the window have no row",
        "they count as unknown, not as zero: write 0 where nothing was sold", status=status,
    )  # fmt: skip


def day_boundary(case: Case) -> Check | None:
    """Where are the days cut?"""
    s = case.s
    if s.first is None:
        return None
    utc = s.zone.upper() in ("UTC", "ETC/UTC", "GMT", "UTC+00:00", "0:00:00")
    if not s.clock and not utc:
        return Check("day_boundary", "passed", "days begin at midnight")
    where = f"at {s.clock}" if s.clock else "at midnight of UTC"
    return Check(
        "day_boundary", "warned", f"days begin {where}, so that evenings and promotions may count to another day",
        None, None, "cut days at local midnight before adding orders up (Logs(timezone=) does)",
    )  # fmt: skip


def one_period(case: Case) -> Check | None:
    """Does one period carry the effect?"""
    at = np.flatnonzero(case.window.known)
    if len(at) < 5:
        return None
    size = np.abs(case.window.totals(np.eye(case.m)[at]).effect)
    if not size.sum() > 0:
        return None
    j = int(np.argmax(size))
    return RULES.check(
        "one_period", float(size[j] / size.sum()),
        f"{case.s.label(case.s.start + int(at[j]))} alone holds {size[j] / size.sum():.0%} of the sizes of all effects",
        "look at that day: one order, a promotion not named in events=, or a fault of the log",
    )  # fmt: skip
