"""The result of `Logs.retention`: who orders again, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.logs.returns.small_groups import reach
from gmvcausal.results import Audit, Result
from gmvcausal.results.curves import Curves, Line
from gmvcausal.stats.inference import critical_value, sup_t
from gmvcausal.stats.survival import At, Counts, Survival, at, log_log, wilson

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MOST_LINES = 8
_SHARES = ["ordered", "std_error", "conf_low", "conf_high"]
_ACTIVITY = ["active", "active_low", "active_high", "orders", "orders_se"]


@dataclass(frozen=True)
class LogLog:
    """The interval of a share that ordered, a function of the level that can be stored."""

    left: float
    std_error: float

    def __call__(self, level: float) -> tuple[float, float]:
        low, high = log_log(self.left, self.std_error, level)
        return 1.0 - high, 1.0 - low


@dataclass(frozen=True, eq=False)
class Group:
    """One arm or cohort.

    Attributes
    ----------
    label : str
    curve : Survival
        Of those who have not ordered (again), in periods from the start.
    active : ndarray, shape (periods,)
        Users with an order in each whole period, among those watched throughout it.
    orders : Counts
    at_risk : ndarray of int, shape (periods,)
        Not yet ordered and still watched, at the end of every period.
    periods : int
        Up to which anybody is watched, at most the horizon.
    """

    label: str
    curve: Survival
    active: FloatArray
    orders: Counts
    at_risk: IntArray
    periods: int

    @property
    def risk_until(self) -> int:
        """Last period at whose end ten or more are at risk: there the curve of shares ends."""
        return reach(self.at_risk[: self.periods])

    @property
    def seen_until(self) -> int:
        """Last period through which ten or more are watched."""
        return reach(self.orders.seen[: self.periods])

    def left(self) -> At:
        """Share that has not ordered at the end of every period."""
        return at(self.curve, np.arange(1.0, self.periods + 1))


@dataclass(frozen=True, repr=False, eq=False)
class RetentionResult(Result):
    """Who orders (again) by when.

    Rows of `to_frame()`. Where chance drew the arms, for each arm against the control: ``arm`` (share who order within
    the horizon), ``arm (time)`` (mean time to the order, counted up to the horizon), ``arm (orders)`` (orders per
    user). Else one row for each arm or cohort: the share itself, which describes and is no effect.

    Attributes
    ----------
    checks : Audit
    groups : tuple of Group
        The control first, or cohorts by time.
    period : str
        "day", "week", ...
    horizon : int
    again : bool
        Whether users start with their first order.
    effect : bool
        Whether chance drew the arms.
    advice : tuple of str
    """

    checks: Audit
    groups: tuple[Group, ...]
    period: str
    horizon: int
    again: bool
    effect: bool
    advice: tuple[str, ...] = ()

    @property
    def audit(self) -> Audit:
        """The checks on arms, watching and season."""
        return self.checks

    @property
    def everybody(self) -> str:
        """Users of all groups."""
        return f"{sum(g.curve.n for g in self.groups):,} users"

    @property
    def described(self) -> tuple[str, ...]:
        """The shares in words, where no lot makes their difference an effect."""
        if self.effect:
            return ()
        lines = []
        for i, g in enumerate(self.groups[:_MOST_LINES]):
            row = self.row(i)
            span = f" ({row.low:.1%} to {row.high:.1%})" if math.isfinite(row.low) else ""
            many = f" of {g.label}" if len(self.groups) > 1 else ""
            lines.append(
                f"{row.estimate:.1%}{span}{many} order{' again' if self.again else ''} within {self._within(g)}"
            )
        if len(self.groups) > _MOST_LINES:
            lines.append(f"{len(self.groups) - _MOST_LINES} further groups are in to_frame()")
        if not self.again:
            lines.append(
                "who got it was not drawn by lot (assignment= is None), so the difference between arms is no effect of "
                "the tactic"
            )
        return tuple(lines)

    def _within(self, g: Group) -> str:
        return f"{g.periods} {self.period}{'s' if g.periods > 1 else ''}"

    @property
    def baseline_words(self) -> str:
        """Whose the baseline is."""
        return f"of {self.groups[0].label}"

    def _about_row(self, place: int) -> dict[str, Any]:
        if not self.effect:
            return {}
        several = (
            f", {self.groups[1 + place // 3].label} against {self.groups[0].label}" if len(self.groups) > 2 else ""
        )
        what = ("who order within the horizon", "until the order", "in orders")[place % 3]
        base = float(1.0 - self.groups[0].left().share[-1]) if place % 3 == 0 else math.nan
        return {"qualifier": f"{what}{several}", "baseline": base}

    @property
    def alike(self) -> tuple[int, ...]:
        """The shares of the other arms."""
        return tuple(range(3, len(self.estimates.term), 3)) if self.effect else ()

    def curve(self) -> pd.DataFrame:
        """Shares and orders by period.

        Returns
        -------
        DataFrame
            group, period (k: up to the end of the k-th from the start), ordered (share who have ordered by then;
            Kaplan-Meier), std_error (Greenwood), conf_low, conf_high (log-log), active (share with an order in the
            k-th period, among users watched throughout it), active_low, active_high (Wilson), orders (mean number by
            then), orders_se, at_risk (not yet ordered and still watched at the end of k), watched (throughout k).
            Empty from where fewer than ten are at risk (shares), or watched (activity and orders).
        """
        import pandas as pd

        level, out = 1 - self.alpha, []
        for g in self.groups:
            left, k = g.left(), np.arange(1, g.periods + 1)
            limits = np.array(
                [log_log(float(s), float(e), level) for s, e in zip(left.share, left.std_error, strict=True)]
            )
            n = g.orders.seen[: g.periods]
            low, high = wilson(g.active[: g.periods], n, level)
            with np.errstate(invalid="ignore", divide="ignore"):
                active = g.active[: g.periods] / n
            out.append(pd.DataFrame({
                "group": g.label, "period": k, "ordered": 1 - left.share, "std_error": left.std_error,
                "conf_low": 1 - limits[:, 1], "conf_high": 1 - limits[:, 0], "active": active, "active_low": low,
                "active_high": high, "orders": g.orders.mean[: g.periods], "orders_se": g.orders.std_error[: g.periods],
                "at_risk": g.at_risk[: g.periods], "watched": n.astype(int),
            }).astype({"at_risk": "Int64", "watched": "Int64"}))  # fmt: skip
            for until, rest, count in ((g.risk_until, _SHARES, "at_risk"), (g.seen_until, _ACTIVITY, "watched")):
                out[-1].loc[until:, rest] = math.nan
                out[-1].loc[until:, count] = pd.NA
        return pd.concat(out, ignore_index=True)

    def differences(self) -> pd.DataFrame:
        """Each arm's share who have ordered less that of the control, period by period.

        Returns
        -------
        DataFrame
            arm, control, period, difference, std_error, conf_low, conf_high, band_low, band_high (the band holds for
            all periods of an arm that are shown, at once). An effect only where chance drew the arms. Empty where one
            of the two curves has ended.
        """
        import pandas as pd

        out = []
        for g in self.groups[1:]:
            gap, cov, k = self._gap(g)
            error = np.sqrt(np.maximum(np.diag(cov), 0))
            one = critical_value(1 - self.alpha) * error
            wide = sup_t(cov, 1 - self.alpha, int(self.manifest.seed or 0))
            band = wide * error if wide == wide else one
            every = pd.RangeIndex(1, min(g.periods, self.groups[0].periods) + 1)
            shown = pd.DataFrame({
                "difference": gap, "std_error": error, "conf_low": gap - one, "conf_high": gap + one,
                "band_low": gap - band, "band_high": gap + band,
            }, index=k).reindex(every)  # fmt: skip
            names = {"arm": g.label, "control": self.groups[0].label, "period": every.astype(float)}
            out.append(pd.DataFrame(names, index=every).join(shown))
        if not out:
            from gmvcausal.errors import InputError

            raise InputError("there is one group, and nothing to compare it with", remedy="name tactic=")
        return pd.concat(out, ignore_index=True)

    def _gap(self, g: Group) -> tuple[FloatArray, FloatArray, FloatArray]:
        k = np.arange(1.0, min(g.risk_until, self.groups[0].risk_until) + 1)
        own, control = at(g.curve, k), at(self.groups[0].curve, k)
        return control.share - own.share, own.cov() + control.cov(), k

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """`ordered`, `active`, `orders`, and `differences` between arms."""
        return ("ordered", "active", "orders", *(("differences",) if not self.again else ()))

    @cached_property
    def _frame(self) -> Any:
        return self.curve()

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        if kind not in self.curve_kinds:
            raise KeyError(kind)
        if kind == "differences":
            d = self.differences()
            lines = [
                Line(str(arm), x, y, "line", low, high)
                for arm, own in d.groupby("arm", sort=False)
                for x, y, low, high in [_arrays(own, "period", "difference", "band_low", "band_high")]
            ]
            title = f"Share who have ordered, less that of {self.groups[0].label}"
            return Curves(title, f"{self.period}s from the start", "difference", tuple(lines), zero=True)
        named = {
            "ordered": ("Share who have ordered" + (" again" if self.again else ""), "conf_low", "conf_high"),
            "active": (f"Share with an order in the {self.period}", "active_low", "active_high"),
            "orders": ("Orders per user", "", ""),
        }
        title, low, high = named[kind]
        lines = []
        for label, own in list(self._frame.groupby("group", sort=False))[:_MOST_LINES]:
            x, y = _arrays(own, "period", kind)
            if low:
                below, above = _arrays(own, low, high)
            else:
                half = critical_value(1 - self.alpha) * own["orders_se"].to_numpy()
                below, above = y - half, y + half
            lines.append(Line(str(label), x, y, "line", below, above))
        return Curves(title, f"{self.period}s from the start", title.lower(), tuple(lines))


def _arrays(frame: Any, *columns: str) -> list[FloatArray]:
    return [frame[c].to_numpy(dtype=float) for c in columns]
