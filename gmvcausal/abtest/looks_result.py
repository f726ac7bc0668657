"""What `sequential` returns: every look, where the test stops, and what may be said there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.results import Audit, Check, Manifest
from gmvcausal.results.base import COMMON_COLUMNS
from gmvcausal.results.curves import Curves, Line, wrapped
from gmvcausal.stats.inference import FloatArray, critical_value
from gmvcausal.stats.sequential import Bounds, stage_wise_quantiles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_ESTIMAND = "difference between the arms, all data up to the look"


@dataclass(frozen=True, eq=False, repr=False)
class SequentialResult:
    """A test at all of its looks.

    The scalar attributes speak of the look at which the test stops: the first that crosses its bound, else the last.

    Attributes
    ----------
    look : tuple
        Labels of the looks.
    estimates, std_errors : ndarray, shape (k,)
    information, fraction : ndarray, shape (k,)
        Information so far, and its share of what was planned.
    bound : ndarray, shape (k,)
        What the statistic must reach; infinite where nothing may be spent.
    spent : ndarray, shape (k,)
        Alpha spent so far; NaN for a confidence sequence.
    srm_p : ndarray, shape (k,)
        P-values of the sequential sample-ratio test; NaN where units are not known.
    counts : ndarray, shape (k, 2)
        Units in control and treated; shape (0, 2) where not known.
    method, spending, alternative : str
    alpha, srm_alpha : float
    manifest : Manifest
    """

    look: tuple[Any, ...]
    estimates: FloatArray
    std_errors: FloatArray
    information: FloatArray
    fraction: FloatArray
    bound: FloatArray
    spent: FloatArray
    srm_p: FloatArray
    counts: FloatArray
    method: str
    spending: str
    alternative: str
    alpha: float
    srm_alpha: float
    manifest: Manifest = field(repr=False)
    _p_values: Callable[[], FloatArray] = field(repr=False)

    @cached_property
    def statistic(self) -> FloatArray:
        """z at each look."""
        return self.estimates / self.std_errors

    @cached_property
    def p_values(self) -> FloatArray:
        """Stage-wise (group-sequential) or always valid: each holds for stopping at that look."""
        return self._p_values()

    @cached_property
    def crossed(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether each look's statistic reaches its bound."""
        z = {"two-sided": np.abs(self.statistic), "greater": self.statistic, "less": -self.statistic}[self.alternative]
        return np.asarray(z >= self.bound)

    @property
    def stopped(self) -> Any:
        """Label of the first look that crosses its bound; None where none does."""
        return self.look[self._at] if self.crossed.any() else None

    @property
    def _at(self) -> int:
        return int(np.argmax(self.crossed)) if self.crossed.any() else len(self.look) - 1

    @property
    def estimate(self) -> float:
        """The difference at the look where the test stops; `adjusted` takes the stop into account."""
        return float(self.estimates[self._at])

    @property
    def std_error(self) -> float:
        """Its standard error."""
        return float(self.std_errors[self._at])

    @property
    def p_value(self) -> float:
        """P-value that counts all looks up to there."""
        return float(self.p_values[self._at])

    @property
    def estimand(self) -> str:
        """What is estimated."""
        return _ESTIMAND

    @property
    def unit(self) -> str:
        """Unit of measurement of the estimate."""
        return "unit of the outcome"

    @property
    def n(self) -> int | None:
        """Units behind the answer, where they are known."""
        return int(self.counts[self._at].sum()) if len(self.counts) else None

    def conf_int(self) -> tuple[float, float]:
        """Interval at the look where the test stops; it holds together with those of all other looks."""
        low, high = self._intervals()
        return float(low[self._at]), float(high[self._at])

    def _intervals(self) -> tuple[FloatArray, FloatArray]:
        """Repeated confidence intervals: estimate and bound times standard error (Jennison and Turnbull 1989)."""
        half = self.bound * self.std_errors
        low = np.full(len(half), -np.inf) if self.alternative == "less" else self.estimates - half
        high = np.full(len(half), np.inf) if self.alternative == "greater" else self.estimates + half
        return low, high

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
        if self.method != "group_sequential":
            raise DesignError(
                "stops of a confidence sequence follow no plan, so no estimate can take them into account",
                remedy="report its interval, which holds at every stop, or pass method='group_sequential'",
            )
        sides = 2 if self.alternative == "two-sided" else 1
        sign = -1.0 if self.alternative == "less" else 1.0
        bounds = Bounds(self.information, self.fraction, self.bound, self.spent, sides)
        tail = self.alpha / sides
        z = sign * float(self.statistic[self._at])
        low, middle, high = sign * self.std_error * stage_wise_quantiles(bounds, z, self._at, [tail, 0.5, 1 - tail])
        if sides == 2:
            return float(middle), float(low), float(high)
        return (float(middle), float(low), np.inf) if sign > 0 else (float(middle), -np.inf, float(low))

    @property
    def naive_looks(self) -> int:
        """Looks at which an interval for a single look would have excluded zero."""
        z = {"two-sided": np.abs(self.statistic), "greater": self.statistic, "less": -self.statistic}[self.alternative]
        level = 1 - self.alpha if self.alternative == "two-sided" else 1 - 2 * self.alpha
        return int(np.count_nonzero(z >= critical_value(level)))

    @cached_property
    def audit(self) -> Audit:
        """The sequential sample-ratio test."""
        if not len(self.counts):
            return Audit((Check("sample_ratio", "not_run", "the numbers of units in the arms are not known"),))
        p = float(self.srm_p[-1])
        status = "failed" if p < self.srm_alpha else "warned" if p < 0.05 else "passed"
        shown = f"{self.counts[-1, 0]:,.0f} units in control and {self.counts[-1, 1]:,.0f} in treated"
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
            )
        )

    def to_frame(self) -> pd.DataFrame:
        """One row for each look.

        The ten columns that every verb has, then look, information, fraction (of the planned information), bound,
        spent, crossed, and srm_p.
        """
        import pandas as pd

        low, high = self._intervals()
        k = len(self.look)
        counts = self.counts.sum(axis=1).astype(np.int64) if len(self.counts) else np.full(k, np.nan)
        values = (
            [f"look {one}" for one in self.look], [self.estimand] * k, [self.unit] * k, self.estimates, self.std_errors,
            self.statistic, self.p_values, low, high, counts,
        )  # fmt: skip
        return pd.DataFrame(dict(zip(COMMON_COLUMNS, values, strict=True))).assign(
            look=list(self.look),
            information=self.information,
            fraction=self.fraction,
            bound=self.bound,
            spent=self.spent,
            crossed=self.crossed,
            srm_p=self.srm_p,
        )

    def summary(self) -> str:
        """What may be said after all looks, as text."""
        low, high = self.conf_int()
        percent = f"{100 * (1 - self.alpha):g} %"
        k = len(self.look)
        how = {
            "group_sequential": f"group-sequential, {_NAMES[self.spending]} spending",
            "always_valid": "confidence sequence, valid whenever one stops",
        }[self.method]
        if not self.audit.credible:
            check = self.audit.failed[0]
            lines = [f"REFUSED    the sample ratio is not as planned: {check.message}. {_upper(check.remedy)}."]
        elif self.stopped is not None:
            lines = [f"FINDING    an effect: the bound is crossed at look {self.stopped}, {self._at + 1} of {k}."]
        else:
            lines = [f"FINDING    no bound is crossed in {k} look{'s' if k > 1 else ''}."]
        where = f"at look {self.look[self._at]}"
        lines += [
            f"Effect     {self.estimate:+.6g} {where}; p {_p(self.p_value)}",
            f"{percent:<10} {low:.6g} to {high:.6g}, together with the intervals of all other looks",
            f"Method     {how}; {self.alternative}; alpha {self.alpha:g} for all looks together",
            f"Looks      {k}; information at the last is {100 * self.fraction[-1]:.4g} % of what was planned",
            f"Naive      an interval for a single look would have excluded zero at {self.naive_looks} of {k} looks",
        ]
        if self.stopped is not None:
            lines.append("           (an estimate at an early stop is too large on average; adjusted() corrects it)")
        lines += [f"Audit      {c.name}: {c.status}; {c.message}" for c in self.audit]
        rows = [f"{self.manifest.rows:,} rows read"]
        rows += [f"left out: {why}: {count:,}" for why, count in self.manifest.dropped.items()]
        rows += list(self.manifest.notes)
        lines += [f"{'Rows' if i == 0 else '':<11}{row}" for i, row in enumerate(rows)]
        return wrapped(["A test looked at many times", "=" * 27, *lines])

    def __repr__(self) -> str:
        return self.summary()

    def plot(self, kind: str | None = None) -> Figure:
        """Draw the looks.

        Parameters
        ----------
        kind : {"estimates", "statistic"}, optional
            The estimate with its interval at each look (default), or z beside its bound.
        """
        from gmvcausal.frames.params import one_of

        kind = one_of("kind", "estimates" if kind is None else kind, ("estimates", "statistic"))
        x = np.arange(len(self.look), dtype=float)
        ticks = tuple(str(one) for one in self.look)
        if kind == "estimates":
            low, high = (np.where(np.isfinite(limit), limit, np.nan) for limit in self._intervals())
            far = 4 * float(np.max(np.abs(self.estimates) + 2 * self.std_errors))  # the first looks dwarf all others
            label = f"estimate, {100 * (1 - self.alpha):g}% interval for all looks together"
            line = Line(label, x, self.estimates, "line", np.maximum(low, -far), np.minimum(high, far))
            return Curves("Effect at each look", "look", "difference", (line,), True, ticks=ticks).draw()
        bound = np.where(np.isfinite(self.bound), np.minimum(self.bound, 8.0), np.nan)
        single = critical_value(1 - self.alpha if self.alternative == "two-sided" else 1 - 2 * self.alpha)
        lines = [Line("z", x, self.statistic)]
        signs = {"two-sided": (1.0, -1.0), "greater": (1.0,), "less": (-1.0,)}[self.alternative]
        for sign in signs:
            lines.append(Line("bound (cut at 8)" if sign == signs[0] else "", x, sign * bound, "dashed"))
        lines.append(Line("a single look", x, np.full(len(x), signs[0] * single), "dashed"))
        return Curves("Statistic and bound at each look", "look", "z", tuple(lines), True, ticks=ticks).draw()


_NAMES = {"obrien_fleming": "O'Brien-Fleming", "pocock": "Pocock"}


def _p(value: float) -> str:
    return "< .0001" if value < 0.0001 else f"{value:.4f}".lstrip("0")


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
