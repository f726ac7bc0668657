"""Many answers to one question in one picture: which to believe, and which failed their audit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmvcausal.present import digits, phrases, style, words
from gmvcausal.present.selection import naive_first
from gmvcausal.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WHOSE = {"that treated units had before": "what treated units had before", "of the control arm": "the control arm"}


@dataclass(frozen=True)
class _Row:
    name: str
    estimate: float
    low: float
    high: float
    baseline: float
    said: str
    verdict: str
    word: str


def compare(results: Any, *, benchmarks: Sequence[str] = (), currency: str = "") -> Figure:
    """Draw several answers side by side, with what the audit says of each.

    Where every answer knows its baseline, effects are drawn as a percentage of it, so that answers about different
    outcomes share one axis; the amounts stand beside them.

    Parameters
    ----------
    results : mapping of str to Result, or list of Result
    benchmarks : sequence of str
        Names shown for comparison only.
    currency : str
        Symbol before amounts.

    Returns
    -------
    Figure
    """
    found = phrases.named(results, benchmarks)
    marked = {digits.inline(b) for b in benchmarks}
    rows = [_row(name, r, name in marked, currency) for name, r in found.items()]
    naive = _naive(found, currency)
    rows = [*([naive] if naive else []), *rows][::-1]
    share = all(r.baseline > 0 for r in rows)
    units = list(dict.fromkeys(digits.inline(r.told.unit) for r in found.values()))
    with style.applied():
        figure, axes = style.drawing(9.2, 1.3 + 0.62 * len(rows))
        style.bare(axes, zero="x")
        for i, row in enumerate(rows):
            by = row.baseline / 100 if share else 1.0
            failed = row.verdict in ("refused", "naive")
            plain = row.verdict in ("no_interval", "described")
            color = style.GREY if failed or plain else style.BLUE
            if math.isfinite(row.low):
                axes.hlines(
                    i, row.low / by, row.high / by, color=color, linewidth=2.0, linestyle=":" if failed else "-"
                )
            fill = "white" if failed else color
            axes.plot(
                row.estimate / by,
                i,
                "o",
                markersize=8,
                markeredgecolor=color,
                markerfacecolor=fill,
                markeredgewidth=1.6,
            )
            beside = axes.get_yaxis_transform()
            axes.text(1.02, i + 0.02, row.said, transform=beside, va="bottom", fontsize=9)
            tone = style.VERMILION if failed else style.GREY if plain else style.BLUE
            axes.text(1.02, i - 0.06, row.word, transform=beside, va="top", fontsize=9, color=tone, fontweight="bold")
        names = [digits.cut_lines(r.name, 56, 28) for r in rows]
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        bases = {getattr(r, "baseline_words", "that treated units had before") for r in found.values()}
        base = _WHOSE.get(next(iter(bases)), "the baseline") if len(bases) == 1 else "the baseline"
        label = f"effect, % of {base}" if share else "; ".join(units)
        axes.set_xlabel("\n".join(digits.wrap(label, 90)[:3]))
    return figure


def _row(name: str, result: Result, benchmark: bool, currency: str) -> _Row:
    found = words.verdict(result)
    told = result.told
    said = phrases.estimate_words(result, currency)
    if math.isfinite(told.low):
        said += f"  [{phrases.interval_words(result, currency, level=False)}]"
    word = words.VERDICTS[found] + (" (benchmark)" if benchmark and found != "refused" else "")
    return _Row(name, told.estimate, told.low, told.high, phrases.baseline_of(result), said, found, word)


def _naive(found: dict[str, Result], currency: str) -> _Row | None:
    """The naive comparison that a result carries along, unless the study already lists one of its own."""
    if any(r.manifest.options.get("estimator") == "naive" for r in found.values()):
        return None
    for result in naive_first(found):
        naive = getattr(result, "naive", None)
        if naive is not None and math.isfinite(naive.difference):
            known = phrases.symbol(result.unit, currency)
            said = digits.number(naive.difference, 3, signed=True, currency=known)
            nan = math.nan
            word = "no design: a difference of means"
            return _Row(
                "naive comparison", naive.difference, nan, nan, phrases.baseline_of(result), said, "naive", word
            )
    return None
