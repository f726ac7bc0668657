"""The result of `gmvcausal.before_after`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.observational.series.analyse import Placebos
from gmvcausal.results import Audit, Result
from gmvcausal.results.curves import Curves, Line
from gmvcausal.stats.inference import critical_value

if TYPE_CHECKING:
    import pandas as pd


FloatArray = NDArray[np.float64]


@dataclass(frozen=True, repr=False, eq=False)
class BeforeAfterResult(Result):
    """A series beside what it would have been, with its audit.

    Rows of `to_frame()`: ``average`` (per period of the window, the headline), ``cumulative``, ``relative``; ``level``
    and ``slope`` (of a line through the effects of the window, on the working scale); ``outside_promotions`` where the
    window holds one never seen before; ``after`` with ``end=``; and ``naive``, what a comparison of means would report.

    Attributes
    ----------
    checks : Audit
    baseline : float
        What a period of the window would have had.
    advice : tuple of str
    """

    checks: Audit
    baseline: float
    make_table: Callable[[], dict[str, Any]] = field(repr=False)
    earlier: Placebos = field(repr=False)
    labels: tuple[str, ...] = field(repr=False)
    word: str = "day"
    what: str = ""
    start: int = 0
    stop: int = 0
    periods: int = 0
    everybody: str = ""
    facts: dict[str, Any] = field(default_factory=dict, repr=False)
    advice: tuple[str, ...] = ()

    @property
    def audit(self) -> Audit:
        """The checks on the comparison with the time before."""
        return self.checks

    @property
    def baseline_words(self) -> str:
        """What the effect is a percentage of."""
        return f"per {self.word} that would have been"

    @cached_property
    def _table(self) -> dict[str, Any]:
        return self.make_table()

    def by_period(self) -> pd.DataFrame:
        """Every period: what was, what would have been, and the difference.

        Returns
        -------
        DataFrame
            period, window ("before", "window" or "after"), actual, counterfactual, conf_low and conf_high of it;
            effect, effect_low, effect_high; cumulative, cumulative_low, cumulative_high (within the window). Before the
            start the counterfactual is the fit.
        """
        import pandas as pd

        return pd.DataFrame(self._table)

    def placebo(self) -> pd.DataFrame:
        """The same analysis at earlier dates, when nothing began.

        Returns
        -------
        DataFrame
            start, periods, estimate, std_error, p_value, one row per date; the frame is empty where the time before is
            too short. The p-value by rank among them is `placebo_p_value`.
        """
        import pandas as pd

        e = self.earlier
        labels = [self.labels[int(k)] for k in e.place]
        columns = {"start": labels, "periods": e.length, "estimate": e.estimate, "std_error": e.std_error}
        return pd.DataFrame({**columns, "p_value": e.p_value})

    @property
    def placebo_p_value(self) -> float:
        """Share of dates, this one among them, at which the finding is at least as unlikely as here."""
        return self.earlier.rank(float(self.estimates.p_value[0])) if len(self.earlier.place) else float("nan")

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """``"series"``, ``"effect"``, ``"cumulative"``, and ``"placebo"`` where there are earlier dates."""
        return ("series", "effect", "cumulative", *(("placebo",) if len(self.earlier.place) else ()))

    @property
    def _ticks(self) -> tuple[str, ...]:
        """Labels short enough for an axis: month and day within a year, year and month beyond."""
        if "-" not in self.labels[0][1:]:
            return self.labels
        part = slice(5, 10) if self.labels[0] > f"{int(self.labels[-1][:4]) - 1}{self.labels[-1][4:]}" else slice(7)
        return tuple(label[part] for label in self.labels)

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        t, at, ticks = self._table, np.arange(len(self.labels), dtype=float), self._ticks
        if kind == "series":
            ends = np.array([self.start - 0.5] * 2)
            high = np.array([np.nanmin(t["actual"]), np.nanmax(t["actual"])])
            lines: tuple[Line, ...] = (
                Line("actual", at, t["actual"]),
                Line("what would have been", at, t["counterfactual"], "dashed", t["conf_low"], t["conf_high"]),
                Line("start", ends, high, "dotted"),
            )
            return Curves(self.title, self.word, self.what, lines, ticks=ticks)
        if kind in ("effect", "cumulative"):
            own = slice(self.start, self.stop if kind == "cumulative" else len(at))
            low, high = (t[f"{kind}_{end}"][own] for end in ("low", "high"))
            name = "effect" if kind == "effect" else "cumulative effect"
            line = Line(name, np.arange(len(at[own]), dtype=float), t[kind][own], "line", low, high)
            title = "Effect by period" if kind == "effect" else "Effect added up from the start on"
            return Curves(title, self.word, self.what, (line,), zero=True, ticks=ticks[own])
        if kind != "placebo":
            raise KeyError(kind)
        e = self.earlier
        half = critical_value(1 - self.alpha) * e.std_error
        own_low, own_high = self.conf_int()
        own_x = np.array([float(self.start)])
        lines = (
            Line("earlier dates", e.place.astype(float), e.estimate, "points", e.estimate - half, e.estimate + half),
            Line("the start", own_x, np.array([self.estimate]), "points", np.array([own_low]), np.array([own_high])),
        )
        return Curves("The same analysis when nothing began", f"{self.word} at which the window begins", self.unit,
                      lines, zero=True, ticks=ticks)  # fmt: skip
