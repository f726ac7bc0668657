"""The effect under other defensible choices: outcome, window, promotion days, controls, clusters, estimator.

Every specification is estimated as `did` would, from the panel that was read, and carries its own audit. One that
cannot be estimated is listed with the reason: a table that only shows what worked is no test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import GmvCausalError, InputError
from gmvcausal.frames.columns import first_rows, flags
from gmvcausal.frames.params import said
from gmvcausal.frames.table import open_table
from gmvcausal.frames.times import times
from gmvcausal.results import Audit, Check, Estimates, Result
from gmvcausal.results.curves import Curves, Line
from gmvcausal.rollout.audit.rules import bound, judge
from gmvcausal.rollout.fitted import IntArray, Options
from gmvcausal.rollout.intake import winsor
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.intake.per_unit import labels_of
from gmvcausal.rollout.intake.rows import FOLLOWS
from gmvcausal.rollout.methods import METHODS
from gmvcausal.rollout.referee.placebo_test import first_of
from gmvcausal.rollout.referee.reassigned import cut, refuse
from gmvcausal.stats.small_sample import Spread

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.rollout.result import DidResult

OTHERS = ("callaway_santanna", "sun_abraham", "imputation", "etwfe", "twfe", "two_by_two")
CONDITIONAL = ("callaway_santanna", "two_by_two")  # those that take covariates
_SLOW = 2.0
MAIN = "as estimated"


@dataclass(frozen=True)
class Spec:
    """One specification: what it changes, how it reads, and the panel and options that it is estimated with."""

    changes: str
    name: str
    panel: Panel
    options: Options


@dataclass(frozen=True, repr=False, eq=False)
class RobustnessResult(Result):
    """An effect under other specifications; the first row is the result as it was estimated.

    Attributes
    ----------
    changes : tuple of str
        What each row changes: "", "outcome", "window", "promotion", "controls", "clusters" or "estimator".
    audits : tuple of str
        Status of each row's own audit, with the checks that failed or warned.
    refused : tuple of (str, str)
        Specifications that cannot be estimated, and why.
    """

    changes: tuple[str, ...]
    audits: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    checks: Audit

    @property
    def audit(self) -> Audit:
        """Whether specifications agree, and the checks of the result itself."""
        return self.checks

    def _extra_columns(self) -> dict[str, Any]:
        return {"changes": list(self.changes), "audit": list(self.audits)}

    def not_estimated(self) -> pd.DataFrame:
        """Specifications that were refused: spec, reason."""
        import pandas as pd

        return pd.DataFrame(self.refused, columns=["spec", "reason"])

    @property
    def advice(self) -> tuple[str, ...]:
        """The range over specifications, how many find the same, and which could not be estimated."""
        e, (low, high) = self.estimates.estimate, self.estimates.interval(1 - self.alpha)
        side = np.sign(e[0])
        clear = int(((low > 0) & (side > 0) | (high < 0) & (side < 0)).sum())
        failed = sum(a.startswith("failed") for a in self.audits)
        lines = [
            f"Over {len(e)} specifications the estimate lies between {e.min():.4g} and {e.max():.4g}; the intervals of "
            f"{clear} leave zero out on the side of the first; the audit of {failed} fails."
        ]
        lines += [f"Not estimated: {name} ({why})." for name, why in self.refused]
        return tuple(lines)

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """The specification curve: estimates in order with their intervals, and which specification each is."""
        return ("specifications",)

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        e, (low, high) = self.estimates.estimate, self.estimates.interval(1 - self.alpha)
        order = np.argsort(e, kind="stable")
        place = np.arange(len(order), dtype=float)
        lines = []
        for name, own in (("other specifications", order != 0), (MAIN, order == 0)):
            at = order[own]
            if len(at):
                lines.append(Line(name, place[own], e[at], "points", low[at], high[at]))
        names = tuple(self.estimates.term[i] for i in order)
        return Curves("Specification curve", "", self.unit, tuple(lines), zero=True, ticks=names, slanted=True)


def robustness(
    result: DidResult, *, winsorise: Any, drop: Any, promotion: str | None, clusters: Sequence[str], progress: bool
) -> RobustnessResult:
    """See `DidResult.robustness`."""
    from tqdm import tqdm

    from gmvcausal.rollout.result import DidResult as Kind

    refuse(result.panel, result.options, "other specifications are not estimated")
    level = winsor.share_of(winsorise)
    if isinstance(drop, bool) or not isinstance(drop, int) or drop < 1:
        raise InputError(f"drop must count periods, at least 1, but is {said(drop)}")
    if isinstance(clusters, str):
        clusters = [clusters]
    found: list[Any] = [result]
    names, changes, refused = [MAIN], [""], list[tuple[str, str]]()
    specs = list(_specs(result, level, drop, promotion, clusters, refused))
    for spec in tqdm(specs, desc="robustness", unit="spec", disable=not progress, delay=_SLOW, leave=False):
        try:
            other = Kind.made(result.title, result.assumption, result.manifest, result.alpha, spec.panel, spec.options)
        except GmvCausalError as error:
            refused.append((spec.name, error.rule))
            continue
        if winsor.measured(other.unit, other.panel) != winsor.measured(result.unit, other.panel):
            refused.append((spec.name, f"its estimate is in {other.unit}, that of the result in {result.unit}"))
            continue
        found.append(other)
        names.append(spec.name)
        changes.append(spec.changes)
    return _result(result, found, names, changes, refused)


def _specs(
    result: DidResult, level: float, drop: int, promotion: str | None, clusters: Sequence[str],
    refused: list[tuple[str, str]],
) -> Iterator[Spec]:  # fmt: skip
    panel, options = result.panel, result.options
    whole = winsor.uncapped(panel)
    if panel.cut is not None:
        yield Spec("outcome", "outcome not capped", whole, _measured(options, whole))
    if panel.cut is None or panel.cut.share != level:
        # From the outcomes as they came: the quantile of capped ones is the cap again.
        try:
            capped = winsor.capped(whole, level, options.anticipation)
        except GmvCausalError as error:
            refused.append((f"outcome winsorised (q {level:g})", error.rule))
        else:
            assert capped.cut is not None  # it was just capped
            name = f"outcome winsorised at {capped.cut.at:.4g} (q {level:g})"
            yield Spec("outcome", name, capped, _measured(options, capped))
    width = panel.y.shape[1]
    for name, keep in (
        (f"without the first {_periods(drop)}", np.arange(drop, width)),
        (f"without the last {_periods(drop)}", np.arange(width - drop)),
    ):
        if len(keep) > 1:
            yield Spec("window", name, cut(panel, keep), options)
        else:
            refused.append((name, "fewer than two periods are left"))
    if promotion is not None:
        keep = _quiet_periods(result, promotion)
        name = f"without the {_periods(width - len(keep))} of {promotion}"
        if len(keep) > 1:
            yield Spec("promotion", name, cut(panel, keep), options)
        else:
            refused.append((name, "fewer than two periods are left"))
    if options.estimator in ("callaway_santanna", "dose"):
        other = "not_yet_treated" if options.control == "never_treated" else "never_treated"
        yield Spec("controls", f"controls {other.replace('_', ' ')}", panel, replace(options, control=other))
    for column in clusters:
        if column == panel.cluster_name:
            continue
        origin = result.known_origin()
        code, labels = labels_of(origin.data, panel, origin.unit, column, "cluster", options.outcome)
        name = f"clusters by {column}"
        if len(labels) < 2:
            refused.append((name, "there is a single cluster"))
        else:
            yield Spec("clusters", name, replace(panel, cluster=code, cluster_name=column, place=None), options)
    if options.estimator == "triple":
        refused.append(("other estimators", "they have no third difference, so they estimate something else"))
    for other in () if options.estimator == "triple" else OTHERS:
        # The mean effect over doses is that of the default.
        if other != ("callaway_santanna" if options.estimator == "dose" else options.estimator):
            name = f"estimator {other.replace('_', ' ')}"
            if panel.covariates is not None and other not in CONDITIONAL:
                refused.append((name, "it takes no covariates"))
            elif panel.crossed and not METHODS[other].crossed:
                refused.append((name, f"it {FOLLOWS}"))
            elif panel.exposed is not None:
                refused.append((name, "it takes no exposed units"))
            else:
                asked = replace(options, estimator=other, control="never_treated", base_period="varying")
                yield Spec("estimator", name, panel, asked)


def _measured(options: Options, panel: Panel) -> Options:
    return replace(options, outcome_unit=winsor.measured(options.outcome_unit, panel))


def _periods(count: int) -> str:
    return "period" if count == 1 else f"{count} periods"


def _quiet_periods(result: DidResult, column: str) -> IntArray:
    """Columns of the panel without a promotion."""
    origin, panel = result.known_origin(), result.panel
    time = str(result.manifest.options["time"])
    table = open_table(origin.data, needed={column: "promotion", time: "time"})
    on, when = flags(table, column, "promotion").astype(bool), times(table, time, "time").values
    place = np.minimum(np.searchsorted(panel.grid.values, when), len(panel.grid.values) - 1)
    if (panel.grid.values[place] != when).any():
        raise InputError("the data hold periods that the estimate does not know", remedy="call did on the data as now")
    busy = np.bincount(place[on], minlength=len(panel.grid.values)) > 0
    varies = busy[place] & ~on
    if varies.any():
        raise InputError(
            f"{column!r} is 1 for some units of a period and 0 for others, so it marks no days",
            column=column,
            count=int(varies.sum()),
            rows=first_rows(varies),
            remedy="mark promotion days for all units alike",
        )
    if not busy.any():
        raise InputError(f"{column!r} is 0 throughout, so there is no promotion to leave out", column=column)
    return np.flatnonzero(~busy)


def _status(audit: Audit) -> str:
    for status, checks in (("failed", audit.failed), ("warned", audit.warned)):
        if checks:
            return f"{status}: {', '.join(c.name for c in checks)}"
    return "passed"


def _result(
    result: DidResult, found: list[Any], names: list[str], changes: list[str], refused: list[tuple[str, str]]
) -> RobustnessResult:
    every = [first_of(r.estimates) for r in found]
    value = np.array([e.estimate[0] for e in every])
    df, factor = (np.array([x[0] for x in part]) for part in zip(*(e.t for e in every), strict=True))
    limits = {k: partial(_limits, e) for k, e in enumerate(every)}
    main, sure = float(value[0]), [_leaves_zero(*ends(1 - result.alpha)) for ends in limits.values()]
    away = 0
    for k in range(1, len(every)):
        low, high = limits[k](1 - result.alpha)
        # Around zero every other estimate has the other sign: it counts where one of the two is told from zero.
        turned = np.sign(value[k]) != np.sign(main) and (sure[0] or sure[k])
        away += bool(turned or low > main or high < main)
    share = away / max(len(every) - 1, 1)
    agree = Check(
        "robustness",
        judge("robustness", share),
        f"{away} of {len(every) - 1} other specifications contradict: an interval without the main "
        "estimate, or the other sign where one of the two intervals leaves zero out",
        share,
        bound("robustness"),
        "say which choice moves the estimate, and why the one made is right" if away else "",
    )
    estimates = Estimates(
        tuple(names),
        tuple(e.estimand[0] for e in every),
        tuple(e.unit[0] for e in every),
        value,
        np.diag(np.array([e.std_error[0] for e in every]) ** 2),
        tuple(e.n[0] for e in every),
        Spread(df, factor),
        every[0].withheld,
        limits,
        {k: float(e.p_value[0]) for k, e in enumerate(every)},
        every[0].method,
    )
    return RobustnessResult(
        f"{result.title}: robustness", result.assumption, estimates,
        replace(result.manifest, verb="did.robustness"), result.alpha, tuple(changes),
        tuple(_status(r.audit) for r in found), tuple(refused), Audit((agree, *result.audit)),
    )  # fmt: skip


def _leaves_zero(low: float, high: float) -> bool:
    """Whether a sign can be told; it counts as told where there is no interval to say otherwise."""
    return not low <= 0 <= high


def _limits(e: Estimates, level: float) -> tuple[float, float]:
    low, high = e.interval(level)
    return float(low[0]), float(high[0])
