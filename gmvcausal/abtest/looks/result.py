"""What `sequential` returns: every look, where the test stops, and what may be said there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.results import Audit, Check, Estimates, Result
from gmvcausal.results.curves import Curves, Line
from gmvcausal.stats.anytime import mixture_critical
from gmvcausal.stats.inference import POWER_80, FloatArray, critical_value
from gmvcausal.stats.sequential import Bounds, spending_bounds, stage_wise_quantiles

if TYPE_CHECKING:
    import pandas as pd

UNIT = "in the outcome's unit"


@dataclass(frozen=True)
class Plan:
    """How the looks of a test are bound.

    Attributes
    ----------
    method : {"group_sequential", "always_valid"}
    spending : {"obrien_fleming", "pocock"}
    alternative : {"two-sided", "greater", "less"}
    end : float
        Information at the planned end.
    """

    method: str
    spending: str
    alternative: str
    end: float

    @property
    def sides(self) -> int:
        """Two, or one where only a gain or only a loss counts."""
        return 2 if self.alternative == "two-sided" else 1

    def toward(self, z: FloatArray) -> FloatArray:
        """How far each statistic lies in a direction that counts."""
        return np.asarray({"two-sided": np.abs(z), "greater": z, "less": -z}[self.alternative])

    def bounds(self, information: FloatArray, alpha: float) -> FloatArray:
        """What the statistic must reach at each look."""
        return np.array(_bounds(self, tuple(information.tolist()), alpha))

    def limits(self, look: int, seen: Seen, level: float) -> tuple[float, float]:
        """Limits that hold at all looks together: estimate and bound times standard error."""
        half = float(self.bounds(seen.information, round(1 - level, 12))[look]) * float(seen.std_error[look])
        at = float(seen.estimate[look])
        return (
            -np.inf if self.alternative == "less" else at - half,
            np.inf if self.alternative == "greater" else at + half,
        )


@lru_cache(maxsize=64)
def _bounds(plan: Plan, information: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    """Made once per level: all looks have them together."""
    if plan.method == "always_valid":
        found = mixture_critical(information, alpha=alpha, tuned_at=plan.end, sides=plan.sides)
    else:
        found = spending_bounds(information, alpha=alpha, spending=plan.spending, sides=plan.sides, maximum=plan.end).z
    return tuple(found.tolist())


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen at each look, on all data so far; arrays of shape (k,)."""

    label: tuple[Any, ...]
    estimate: FloatArray
    std_error: FloatArray
    information: FloatArray
    counts: FloatArray


def sequential_estimates(seen: Seen, plan: Plan, bound: FloatArray, p: FloatArray) -> Estimates:
    """The effect where the test stops, then every look; successive looks share their data.

    Parameters
    ----------
    seen : Seen
    plan : Plan
    bound, p : ndarray, shape (k,)
        Bound and p-value of each look.
    """
    k = len(seen.label)
    at = stop(plan.toward(seen.estimate / seen.std_error), bound)
    rows = [at, *range(k)]
    earlier, later = (
        np.minimum.outer(seen.information, seen.information),
        np.maximum.outer(seen.information, seen.information),
    )
    cov = np.outer(seen.std_error, seen.std_error) * np.sqrt(earlier / later)
    n = [int(c) for c in seen.counts.sum(axis=1)] if len(seen.counts) else [None] * k
    return Estimates(
        ("effect", *(f"look {one}" for one in seen.label)),
        tuple(f"difference between the arms, all data up to look {seen.label[i]}" for i in rows),
        (UNIT,) * (k + 1),
        seen.estimate[rows],
        cov[np.ix_(rows, rows)],
        tuple(n[i] for i in rows),
        special={row: partial(plan.limits, i, seen) for row, i in enumerate(rows)},
        special_p={row: float(p[i]) for row, i in enumerate(rows)},
        method="repeated confidence intervals: they hold at all looks together",
    )


def stop(toward: FloatArray, bound: FloatArray) -> int:
    """The first look that crosses its bound, else the last at which one could: behind the planned end nothing can."""
    crossed = toward >= bound
    if crossed.any():
        return int(np.argmax(crossed))
    open_to = np.flatnonzero(np.isfinite(bound))
    return int(open_to[-1]) if len(open_to) else len(bound) - 1


@dataclass(frozen=True, eq=False, repr=False)
class SequentialResult(Result):
    """A test at all of its looks.

    The first row of `to_frame()`, and the scalar attributes with it, speak of the look at which the test stops: the
    first that crosses its bound, else the last that could. A row for each look follows. All intervals hold together:
    they are repeated confidence intervals (Jennison and Turnbull 1989).

    Attributes
    ----------
    seen : Seen
        Labels, estimates, standard errors, information and counts, look by look.
    plan : Plan
        Method, spending, alternative, and information at the planned end.
    bound : ndarray, shape (k,)
        What the statistic must reach; infinite where nothing may be spent.
    spent : ndarray, shape (k,)
        Alpha spent so far; NaN for a confidence sequence.
    srm_p : ndarray, shape (k,)
        P-values of the sequential sample-ratio test; NaN where units are not known.
    srm_alpha : float
    p_values : ndarray, shape (k,)
        At most alpha exactly where a bound has been crossed. Group-sequential: stage-wise from the stop on (a crossing,
        or the planned end), repeated before it. Always valid for a confidence sequence.
    """

    seen: Seen
    plan: Plan
    bound: FloatArray
    spent: FloatArray
    srm_p: FloatArray
    srm_alpha: float
    p_values: FloatArray

    @property
    def look(self) -> tuple[Any, ...]:
        """Labels of the looks."""
        return self.seen.label

    @property
    def fraction(self) -> FloatArray:
        """Information at each look as a share of what was planned."""
        return self.seen.information / self.plan.end

    @cached_property
    def statistic(self) -> FloatArray:
        """z at each look."""
        return self.seen.estimate / self.seen.std_error

    @cached_property
    def crossed(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether each look's statistic reaches its bound."""
        return np.asarray(self.plan.toward(self.statistic) >= self.bound)

    @property
    def stopped(self) -> Any:
        """Label of the first look that crosses its bound; None where none does."""
        return self.look[self._at] if self.crossed.any() else None

    @property
    def _at(self) -> int:
        return stop(self.plan.toward(self.statistic), self.bound)

    def _about_row(self, place: int) -> dict[str, Any]:
        at = self._at if place == 0 else place - 1
        return {"detectable_errors": float(self.bound[at]) + POWER_80}

    def adjusted(self) -> tuple[float, float, float]:
        """Estimate and interval that take the stop into account: median-unbiased, and of the level of the test.

        An estimate at an early stop is too large on average. Ordering results by the look at which they stop, then by z
        (Tsiatis, Rosner and Mehta 1984), gives an estimate that is too large as often as too small, and an interval for
        the stop alone, narrower than `conf_int`, which holds at all looks together. It supposes that the test
        did stop at its first crossing.

        Returns
        -------
        estimate, low, high : float

        Raises
        ------
        DesignError
            For a confidence sequence: its stops follow no plan, so they have no order.
        """
        if self.plan.method != "group_sequential":
            raise DesignError(
                "stops of a confidence sequence follow no plan, so no estimate can take them into account",
                remedy="report its interval, which holds at every stop, or pass method='group_sequential'",
            )
        sides = self.plan.sides
        sign = -1.0 if self.plan.alternative == "less" else 1.0
        bounds = Bounds(self.seen.information, self.fraction, self.bound, self.spent, sides)
        tail = self.alpha / sides
        z = sign * float(self.statistic[self._at])
        low, middle, high = sign * self.std_error * stage_wise_quantiles(bounds, z, self._at, [tail, 0.5, 1 - tail])
        if sides == 2:
            return float(middle), float(low), float(high)
        return (float(middle), float(low), np.inf) if sign > 0 else (float(middle), -np.inf, float(low))

    @property
    def naive_looks(self) -> int:
        """Looks at which an interval for a single look would have excluded zero."""
        return int(np.count_nonzero(self.plan.toward(self.statistic) >= self._single))

    @property
    def _single(self) -> float:
        """What the statistic would have to reach at a single look."""
        return critical_value(1 - self.alpha if self.plan.sides == 2 else 1 - 2 * self.alpha)

    @cached_property
    def audit(self) -> Audit:
        """The sequential sample-ratio test, and whether the test ran past its plan."""
        plan = () if (overrun := self._overrun) is None else (overrun,)
        if not len(self.seen.counts):
            return Audit((Check("sample_ratio", "not_run", "the numbers of units in the arms are not known"), *plan))
        p = float(self.srm_p[-1])
        status = "failed" if p < self.srm_alpha else "warned" if p < 0.05 else "passed"
        shown = f"{self.seen.counts[-1, 0]:,.0f} units in control and {self.seen.counts[-1, 1]:,.0f} in treated"
        return Audit(
            (
                Check(
                    "sample_ratio",
                    status,
                    f"{shown}: sequential p {p:.2g} against the planned shares",
                    p,
                    self.srm_alpha,
                    "" if status == "passed" else "find out how units are lost or counted twice before reading effects",
                ),
                *plan,
            )
        )

    @property
    def _overrun(self) -> Check | None:
        """Looks behind the planned end, at which nothing is left to spend."""
        if self.plan.method != "group_sequential" or self.stopped is not None or not np.isinf(self.bound[-1]):
            return None
        past = len(self.look) - 1 - self._at
        if past < 1 or not np.isfinite(self.bound[self._at]):
            return None
        return Check(
            "overrun",
            "warned",
            f"{past} looks came after the planned end, look {self.look[self._at]}; alpha was spent there, so no later "
            "look can find anything, and the answer is that of the end",
            float(past),
            0.0,
            "plan the next test with planned=; method='always_valid' is for tests without an end",
        )

    @property
    def advice(self) -> tuple[str, ...]:
        """Where the test stopped, how its looks are bound, and what looking naively would have said."""
        k, at = len(self.look), self._at
        if self.stopped is None:
            where = f"No bound is crossed in {k} look{'s' if k > 1 else ''}."
        else:
            where = f"The bound is crossed at look {self.stopped}, {at + 1} of {k}."
        how = f"group-sequential, {_NAMES[self.plan.spending]} spending"
        if self.plan.method == "always_valid":
            how = "a confidence sequence, valid whenever one stops"
        lines = [
            where,
            f"Method: {how}; {self.plan.alternative}; alpha {self.alpha:g} for all looks together; information at the "
            f"last look is {100 * self.fraction[-1]:.4g}% of what was planned.",
            f"An interval for a single look would have excluded zero at {self.naive_looks} of {k} looks.",
        ]
        if self.stopped is not None and self.plan.method == "group_sequential":
            lines.append("An estimate at an early stop is too large on average; adjusted() corrects it.")
        return tuple(lines)

    def to_frame(self) -> pd.DataFrame:
        """The effect where the test stops, then one row for each look.

        The ten columns that every verb has, then look, information, fraction (of the planned information), bound,
        spent, crossed, and srm_p.
        """
        return super().to_frame()

    def _extra_columns(self) -> dict[str, Any]:
        rows = [self._at, *range(len(self.look))]
        columns = (self.seen.information, self.fraction, self.bound, self.spent, self.crossed, self.srm_p)
        names = ("information", "fraction", "bound", "spent", "crossed", "srm_p")
        more = {name: values[rows] for name, values in zip(names, columns, strict=True)}
        return {"look": [self.look[i] for i in rows], **more}

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """The estimate with its interval at each look, and z beside its bound."""
        return ("estimates", "statistic")

    def curves(self, kind: str) -> Curves:
        """The looks: ``"estimates"`` with their intervals, or ``"statistic"``, z beside its bound."""
        x = np.arange(len(self.look), dtype=float)
        ticks = tuple(str(one) for one in self.look)
        here = slice(self._at, self._at + 1)
        where = "" if self.stopped is None else f"stops at {self.stopped}"
        if kind == "estimates":
            frame = self.to_frame().iloc[1:]
            low, high = (frame[c].to_numpy(float) for c in ("conf_low", "conf_high"))
            # The first looks dwarf all others: their limits run out of the picture.
            far = 8 * float(abs(self.seen.estimate[self._at]) + 2 * self.seen.std_error[self._at])
            label = f"estimate, {100 * (1 - self.alpha):g}% interval for all looks together"
            lines = [Line(label, x, self.seen.estimate, "line", np.maximum(low, -far), np.minimum(high, far))]
            lines += [Line(where, x[here], self.seen.estimate[here], "points")] if where else []
            title = "Effect at each look, on all data so far"
            return Curves(title, "look", f"difference, {UNIT}", tuple(lines), True, ticks=ticks)
        bound = np.where(np.isfinite(self.bound), np.minimum(self.bound, 8.0), np.nan)
        lines = [Line("z", x, self.statistic)]
        signs = {"two-sided": (1.0, -1.0), "greater": (1.0,), "less": (-1.0,)}[self.plan.alternative]
        for sign in signs:
            lines.append(Line("bound (cut at 8)" if sign == signs[0] else "", x, sign * bound, "dashed"))
        for sign in signs:
            single = np.full(len(x), sign * self._single)
            lines.append(Line("a single look" if sign == signs[0] else "", x, single, "dotted"))
        lines += [Line(where, x[here], self.statistic[here], "points")] if where else []
        return Curves("Statistic and bound at each look", "look", "z", tuple(lines), True, ticks=ticks)


_NAMES = {"obrien_fleming": "O'Brien-Fleming", "pocock": "Pocock"}
