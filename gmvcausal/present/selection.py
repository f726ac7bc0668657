"""What the naive comparison says, and what sets it apart from the estimate: selection, or time."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gmvcausal.present.digits import decimals, number
from gmvcausal.present.phrases import money, symbol, unit_words
from gmvcausal.results import Result

_MONEY_WORDS = ("gmv", "spend", "sales", "revenue", "paid")


def selection(result: Result, currency: str = "") -> str:
    """What the naive comparison says, and what sets it apart from the estimate: selection or time; empty if unknown."""
    naive = getattr(result, "naive", None)
    if naive is None or not math.isfinite(naive.difference):
        return ""
    currency = symbol(result.unit, currency)
    unit = unit_words(result.unit, currency)
    gap = number(naive.difference, 3, signed=True, currency=currency)
    said = f"The naive comparison of means says {gap} {unit}".rstrip() + "."
    low, high, before = naive.never_low, naive.never_high, naive.before
    if not all(math.isfinite(v) for v in (low, high, before)):
        return said
    places = decimals(max(abs(low), abs(high), abs(before)), 2)
    span = money(low, places, currency=currency)
    if money(high, places) != money(low, places):
        span += "\u2013" + money(high, places)
    own = money(before, places, currency=currency)
    spends = bool(currency) or any(w in result.unit.lower() for w in _MONEY_WORDS)
    if low <= before <= high:
        return f"{said} Units with the tactic stood at {own} before it, within the {span} of those that never got it."
    per = f" {unit_words(result.unit, 'x')}" if " per " in result.unit else ""
    against = f"before it, against {span} of those that never got it"
    # Selection raises the naive number where the treated stood higher, and lowers it where they stood lower.
    pull = 1 if before > high else -1
    surplus = math.nan if is_naive(result) else naive.difference - result.estimate
    if surplus * pull > 0 and number(result.estimate, 3, signed=True, currency=currency) != gap:
        more, less = ("already spend", "spend only") if spends else ("already stand at", "stand at only")
        stood = f"{more if pull > 0 else less} {own}{per} {against}"
        return f"{said} That is selection: the tactic goes to units that {stood}."
    stood = f"Units with the tactic stood at {own}{per} {against}"
    if surplus * pull < 0:
        way = ("above", "down") if surplus > 0 else ("below", "up")
        return (
            f"{said} {stood}: that pulls it {way[1]}. It lies {way[0]} the estimate all the same, because its means "
            "with and without the tactic are of different periods: that is time, such as a season."
        )
    return f"{said} {stood}."


def naive_first(found: Mapping[str, Result]) -> list[Result]:
    """Results that know what the never treated had come first: only they can tell selection from effect.

    The naive comparison itself comes after those that have another estimate to hold it against.
    """

    def unknown(result: Result) -> tuple[bool, bool]:
        low = getattr(getattr(result, "naive", None), "never_low", math.nan)
        return not math.isfinite(low), is_naive(result)

    return sorted(found.values(), key=unknown)


def is_naive(result: Result) -> bool:
    """Whether a result is the naive comparison itself."""
    return bool(result.manifest.options.get("estimator") == "naive")
