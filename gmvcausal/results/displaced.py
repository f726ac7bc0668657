"""What a tactic took from other periods: the result of `pull_forward`, whatever design the effect comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.results.audit import Audit, Check
from gmvcausal.results.base import Result
from gmvcausal.results.curves import Curves, Line
from gmvcausal.stats.inference import critical_values
from gmvcausal.stats.path import Path

if TYPE_CHECKING:
    import pandas as pd

NET, DURING, AFTER, BEFORE, SHARE = "net", "during", "after", "before", "borrowed_share"


@dataclass(frozen=True)
class Window:
    """The periods that are added up, counted from the start (period 0).

    Attributes
    ----------
    before, during, length : int
        Periods before the start; periods from it on that count as the push; periods from the start to the end.
    word : str
        What a period is called.
    """

    before: int
    during: int
    length: int
    word: str

    def span(self, count: int) -> str:
        """So many periods, in words."""
        return f"{count} {self.word}" + ("s" if count != 1 else "")

    def first(self) -> str:
        """The push in words: "the first week"."""
        return f"the first {self.word}" if self.during == 1 else f"the first {self.span(self.during)}"

    def unit(self, unit: str, count: int) -> str:
        """The unit of a sum over `count` periods of what is measured per unit and period."""
        head, per, tail = unit.rpartition(" per ")
        who, dash, word = tail.rpartition("-")
        if per and dash and word == self.word:
            return f"{head} per {who} over {self.span(count)}"
        return f"{unit}, summed over {self.span(count)}"


@dataclass(frozen=True, repr=False, eq=False)
class PullForwardResult(Result):
    """What a tactic gained while it pushed, what it lost afterwards, and what is left.

    Terms of `to_frame()`: ``net`` (the headline: everything in the window), ``during``, ``after``, ``before`` (where
    asked for), all sums per treated unit; and ``borrowed_share``, the part of the gain that other periods gave, with
    Fieller's interval.

    Attributes
    ----------
    source : Result
        The result it was made from.
    window : Window
    path : Path
        Effects of the periods added up.
    checks : Audit
    units : float
        Treated units that the net is the effect on.
    outcome : str
        Its column.
    meta : mapping
        What `Logs` wrote beside the table.
    baseline : float
        What the treated units would sell over the window at the level before.
    total_note : str
        Why the net times the units is no exact total; empty where it is.
    """

    source: Result
    window: Window
    path: Path
    checks: Audit
    units: float
    outcome: str
    meta: Mapping[str, Any]
    baseline: float = math.nan
    total_note: str = ""

    @property
    def audit(self) -> Audit:
        """The checks of the source, then those of the window."""
        return self.checks

    def _extra_columns(self) -> dict[str, Any]:
        w, name = self.window, self.estimates.term
        ends = {
            NET: (-w.before, w.length - 1),
            BEFORE: (-w.before, -1),
            DURING: (0, w.during - 1),
            AFTER: (w.during, w.length - 1),
            SHARE: (-w.before, w.length - 1),
        }
        return {"first_period": [ends[t][0] for t in name], "last_period": [ends[t][1] for t in name]}

    def cumulative(self) -> pd.DataFrame:
        """The effect period by period and added up: what is left of the gain by each period.

        Returns
        -------
        DataFrame
            period (since the start), effect, cumulative, std_error, conf_low, conf_high of the cumulative effect (each
            for its period alone).
        """
        import pandas as pd

        total, variance, (df, factor) = self.path.cumulative()
        error = np.sqrt(np.maximum(variance, 0.0))
        reach = critical_values(1 - self.alpha, df) * factor * error
        return pd.DataFrame(
            {
                "period": self.path.at,
                "effect": self.path.estimate,
                "cumulative": total,
                "std_error": error,
                "conf_low": total - reach,
                "conf_high": total + reach,
            }
        )

    @property
    def advice(self) -> tuple[str, ...]:
        """The gain, what followed, and what is left, in words."""
        w, lines = self.window, []
        rows = {t: self.row(i) for i, t in enumerate(self.estimates.term)}
        rest = w.length - w.during
        per_period = self.baseline / (w.before + w.length)
        said = []
        for name, count, when in (
            (BEFORE, w.before, f"in the {w.span(w.before)} before" if w.before > 1 else f"in the {w.word} before"),
            (DURING, w.during, f"in {w.first()}"),
            (
                AFTER,
                w.length - w.during,
                f"in the {w.span(rest)} after that" if rest > 1 else f"in the {w.word} after that",
            ),
        ):
            if name in rows:
                row = rows[name]
                share = 100 * row.estimate / (per_period * count)
                size = f" ({share:+.3g} %)" if math.isfinite(share) and per_period > 0 else ""
                said.append(f"{row.estimate:+.4g}{size} {when}{_limits(row.low, row.high)}")
        lines.append(f"It is the sum of {', '.join(said[:-1])} and {said[-1]}")
        net, during, share_row = rows[NET], rows[DURING], rows[SHARE]
        if during.low > 0:
            value = f"{share_row.estimate:.0%}{_limits(share_row.low, share_row.high, '.0%')}"
            lines.append(f"Of the gain of {w.first()}, {value} was taken from other periods")
        if during.low > 0 and not net.low > 0 and math.isfinite(net.low):
            lines.append(
                f"The gain of {w.first()} is not shown to be one over {w.span(w.before + w.length)}: quote the net"
            )
        return tuple(lines)

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """The cumulative effect with its interval."""
        return ("cumulative",)

    def curves(self, kind: str) -> Curves:
        """``"cumulative"``: the effect added up from the first period of the window."""
        if kind not in self.curve_kinds:
            return super().curves(kind)
        frame = self.cumulative()
        x = np.arange(len(frame), dtype=float)
        known = bool(np.isfinite(frame["conf_low"]).any())
        low, high = (frame[c].to_numpy(float) if known else None for c in ("conf_low", "conf_high"))
        lines = (
            Line("added up", x, frame["cumulative"].to_numpy(float), "line", low, high),
            Line(f"in each {self.window.word}", x, frame["effect"].to_numpy(float), "points"),
        )
        title = f"Cumulative effect, {100 * (1 - self.alpha):g}% intervals, each for its {self.window.word}"
        ticks = tuple(str(p) for p in frame["period"])
        return Curves(title, f"{self.window.word} since the start", self.source.unit, lines, zero=True, ticks=ticks)


def _limits(low: float, high: float, form: str = "+.4g") -> str:
    if math.isnan(low) or math.isnan(high):
        return ""
    ends = [format(x, form) if math.isfinite(x) else "no end" for x in (low, high)]
    return f" [{ends[0]} to {ends[1]}]"


def without(audit: Audit, names: tuple[str, ...], more: tuple[Check, ...]) -> Audit:
    """The checks of the source less those that the result answers, and its own."""
    return Audit((*more, *(c for c in audit if c.name not in names)))
