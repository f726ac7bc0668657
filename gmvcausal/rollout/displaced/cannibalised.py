"""The result of `DidResult.cannibalisation`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmvcausal.results import Audit, Result, Row

if TYPE_CHECKING:
    from gmvcausal.rollout.result import DidResult

TOTAL, TREATED, ELSEWHERE, NEIGHBOUR, SHARE = "total", "treated", "elsewhere", "per exposed", "cannibalised_share"


@dataclass(frozen=True, repr=False, eq=False)
class CannibalisationResult(Result):
    """What the treated gained, what was lost elsewhere for it, and what the platform is left with.

    Terms of `to_frame()`: ``total`` (the headline: everything, for the platform), ``treated``, ``elsewhere`` (one row
    for each other outcome; or the units next door, and ``per exposed`` their effect per exposed unit-period), all per
    treated unit-period; and ``cannibalised_share``, minus what happened elsewhere over the gain, with Fieller's
    interval.

    Attributes
    ----------
    source : DidResult
    checks : Audit
    place : str
        Where elsewhere is, in words.
    baseline : float
        Mean outcome of the treated before.
    """

    source: DidResult
    checks: Audit
    place: str
    baseline: float

    @property
    def audit(self) -> Audit:
        """The checks of the source, and whether the other outcomes stand up to them."""
        return self.checks

    @property
    def advice(self) -> tuple[str, ...]:
        """The gain, what was lost for it, and what is left, in words."""
        rows = {t: self.row(i) for i, t in enumerate(self.estimates.term)}
        own, total, share = rows[TREATED], rows[TOTAL], rows[SHARE]
        away = [r for t, r in rows.items() if t.startswith(ELSEWHERE)]
        parts = [f"{_told(r)}" + (f" ({r.term.partition(': ')[2]})" if ": " in r.term else "") for r in away]
        lines = [
            f"The treated themselves have {_told(own)}; {self.place}, per treated unit-period: {', '.join(parts)}",
        ]
        if own.low > 0:
            lines.append(f"Of the gain of the treated, {share.estimate:.0%}{_span(share, '.0%')} was taken from there")
        if own.low > 0 and not total.low > 0 and math.isfinite(total.low):
            lines.append("The gain of the treated is not shown to be one for the platform: quote the total")
        return tuple(lines)


def _told(row: Row) -> str:
    return f"{row.estimate:+.4g}{_span(row, '+.4g')}"


def _span(row: Row, form: str) -> str:
    if math.isnan(row.low) or math.isnan(row.high):
        return ""
    ends = [format(x, form) if math.isfinite(x) else "no end" for x in (row.low, row.high)]
    return f" [{ends[0]} to {ends[1]}]"
