"""What a table says about itself: the meaning of its numbers, what was dropped, and the checks on the logs."""

from __future__ import annotations

from typing import Any

from gmvcausal.logs.calendar import DAY, Freq, micros, parse_freq, text
from gmvcausal.logs.cells import Units
from gmvcausal.logs.facts import entry
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.span import Span, outside_lines

_LATE_HOUR = 18


def about(
    logs: Logs,
    *,
    table: str,
    unit: str,
    freq: Freq | None,
    per: str | None,
    outcome: str,
    keep: list[str],
    life_known: bool,
    notes: list[str],
    dropped: dict[str, int],
    checks: list[dict[str, Any]],
) -> dict[str, Any]:
    """The plain dict that travels in ``frame.attrs["gmvcausal"]``."""
    length = parse_freq("per", per) if per is not None else freq
    span = (
        f"{unit}-{length.word}"
        if length is not None and length.count == 1
        else f"{unit} and {length.word}"
        if length
        else unit
    )
    return {
        "table": table,
        "unit": unit,
        "freq": freq.text if freq else None,
        "per": per,
        "outcome": outcome,
        "gmv": logs._gmv,
        "gmv_is": logs._gmv_is,
        "discount": logs.orders.roles.get("discount"),
        "outcome_unit": f"{_thing(logs, outcome)} per {span}",
        "keep": keep,
        "life_known": life_known,
        "notes": notes,
        "dropped": dropped,
        "checks": checks,
    }


def _thing(logs: Logs, outcome: str) -> str:
    if not outcome.startswith("gmv"):
        return outcome
    which = {"gmv_covered": " on covered products", "gmv_other": " on other products"}.get(outcome, "")
    refunds = "gross" if logs._gmv == "gross" else "net-of-refunds"
    return f"{refunds} {logs._gmv_is} GMV{which}"


def outside(logs: Logs, span: Span, notes: list[str], inside: int | None = None) -> dict[str, int]:
    """Count and note the order lines outside the whole periods; `inside` as in `span.outside_lines`."""
    before, after = outside_lines(logs, span, inside)
    dropped: dict[str, int] = {}
    if span.first_cut:
        notes.append(
            f"periods begin at {text(span.grid.origin)}, the first that lies whole inside the log; "
            f"{before:,} order lines before it were dropped"
        )
        dropped |= {"incomplete first period": before} if before else {}
    elif before:
        dropped["before origin"] = before
        notes.append(f"{before:,} order lines before the origin {text(span.grid.origin)} were dropped")
    if after:
        dropped["incomplete last period"] = after
        notes.append(f"{after:,} order lines after the last whole period, which ends at {text(span.end)}, were dropped")
    return dropped


def outside_life(role: str, cells: int, lost: int, gone: int, notes: list[str]) -> dict[str, int]:
    """Note what lies outside the lives of the units: cells, orders in them, and units without any cell."""
    notes.append(f"rows outside a {role}'s entry and exit were left out: {cells:,} {role}-periods")
    dropped: dict[str, int] = {}
    if lost:
        dropped["orders outside entry and exit"] = lost
        notes.append(f"{lost:,} orders outside their {role}'s entry and exit were dropped")
    if gone:
        dropped[f"{role}s without a period in the panel"] = gone
    return dropped


def outside_stack_life(lost_rows: int, lost_orders: int, notes: list[str]) -> dict[str, int]:
    """Count and note what of a stack lies outside the lives of its users."""
    if not lost_rows:
        return {}
    notes.append(f"rows outside a user's entry and exit were left out: {lost_rows:,} of the stack")
    if not lost_orders:
        return {}
    notes.append(f"{lost_orders:,} orders outside their user's entry and exit were dropped")
    return {"orders outside entry and exit": lost_orders}


def note_units(units: Units, notes: list[str]) -> None:
    """Say how many units never ordered: they stand in the table with zeros."""
    if units.without_orders:
        notes.append(f"{units.without_orders:,} {units.role}s have no orders and stand in the table with zeros")


def last_day(logs: Logs, span: Span) -> list[dict[str, Any]]:
    """Warn where the last day counts as whole although the log stops early on it."""
    last, midnight = logs._lines.last, logs._lines.end
    if logs._facts.whole_days or span.end != midnight or logs._gmv == "net":
        return []
    hour = (micros(last) % DAY) / 3_600_000_000
    if hour >= _LATE_HOUR:
        return [entry("last_day", "passed", hour, _LATE_HOUR, f"the log runs to {text(last)}, late on its last day")]
    return [
        entry(
            "last_day",
            "warned",
            hour,
            _LATE_HOUR,
            f"the last day counts as whole, but its last order is at {text(last)}",
            "leave out orders of the last day if the log was taken before its end",
        )
    ]
