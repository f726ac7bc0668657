"""Logs to one row per unit and period, zero-filled inside each unit's life."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, one_of
from gmvcausal.frames.texts import data_frame
from gmvcausal.logs import attributes, cells, describe, signs
from gmvcausal.logs import exposed as exposures
from gmvcausal.logs.calendar import parse_freq, shorter_periods
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.span import Span, check_size, make_span

_MOSTLY_ON = 0.9
COLUMNS = ("unit", "period", "gmv", "orders", "buyers", "first_treated", "treated", "parts")


def make_panel(
    logs: Logs, unit: str, freq: str, origin: Any, outcome: str, tactic: Any, keep: Sequence[str], per: str | None
) -> pd.DataFrame:
    """See `Logs.panel`."""
    length = parse_freq("freq", freq)
    one_of("outcome", outcome, ("gmv", "orders", "buyers"))
    parts = 1 if per is None else shorter_periods(length, per)
    units = cells.find_units(logs, unit)
    keep, amounts = kept(logs, keep)
    span = make_span(logs, length, origin)
    holds = logs._space.holds
    check_size(holds, f"{units.n:,} {units.role}s × {span.periods:,} periods", units.n * span.periods, length)
    measures = cells.of_panel(logs, unit, amounts)
    sums = cells.sum_cells(logs, units, span, measures)
    # Where every line is an order, the orders just summed are the lines inside the periods.
    inside = int(sums["orders"].sum()) if measures["orders"].total == "count(*)" and logs._gmv == "gross" else None
    first, treated, exposed = _treatment(logs, units, span, tactic)
    alive, life_known = cells.life(logs, units, span)
    notes, checks = list(logs._notes), list(logs._checks)
    ordered = sums["orders"] > 0
    periods = np.asarray(ordered.any(axis=0))
    checks += signs.of_panel(logs, units, span, periods, exposed, tactic, notes)
    since = np.maximum.accumulate(treated, axis=1) > 0
    notes += ended(int(treated.sum()), int(since.sum()))
    del ordered, since
    dropped = {**logs._dropped, **describe.outside(logs, span, notes, inside)}
    describe.note_units(units, notes)
    if not alive.all():
        lost, gone = int((sums["orders"] * ~alive).sum()), int((~alive.any(axis=1)).sum())
        dropped |= describe.outside_life(units.role, int((~alive).sum()), lost, gone, notes)
    columns: dict[str, Any] = {}
    rows: NDArray[np.bool_] | None = None if alive.all() else alive.ravel()
    counts = np.full(units.n, span.periods) if rows is None else alive.sum(axis=1)

    def flat(values: NDArray[Any]) -> NDArray[Any]:
        return values.ravel() if rows is None else values.ravel()[rows]

    columns["unit"] = attributes.repeated(units.ids, counts)
    starts = span.grid.starts(np.arange(span.periods))
    columns["period"] = flat(np.broadcast_to(starts, (units.n, span.periods)))
    orders = flat(sums.pop("orders"))
    columns["gmv"] = flat(sums.pop("gmv"))
    columns["orders"] = orders
    columns["buyers"] = flat(sums.pop("buyers")) if unit != "user" else (orders > 0).astype(np.int32)
    columns |= {name: flat(sums.pop(name)) for name in amounts}
    if parts > 1:
        for name in ("gmv", "orders", "buyers", *amounts):
            columns[name] = columns[name] / parts
    columns["first_treated"] = np.repeat(first, counts)
    columns["treated"] = flat(treated)
    if per is not None:
        columns["parts"] = np.full(len(orders), parts, dtype=np.int16)
    for name in keep:
        if name in columns:
            raise InputError(f"keep names {name!r}, which is a column of every panel", remedy="rename the attribute")
        values, constant = attributes.of_units(logs, units, name)
        columns[name] = attributes.repeated(values, counts)
        checks += [constant] if constant else []
    checks += describe.last_day(logs, span)
    frame = data_frame(columns)
    frame.attrs["gmvcausal"] = describe.about(
        logs,
        table="panel",
        unit=unit,
        freq=length,
        per=per,
        outcome=outcome,
        keep=list(keep),
        life_known=life_known,
        notes=notes,
        dropped=dropped,
        checks=checks,
    )
    signs.seal(frame)
    return frame


def kept(logs: Logs, keep: Any) -> tuple[list[str], list[str]]:
    """Attributes to carry along, and amounts of orders to sum like GMV: the discount is one of them."""
    names = check("keep", keep)
    amounts = [name for name in names if name == "discount" and name in logs.orders.kinds]
    return [name for name in names if name not in amounts], amounts


def ended(active: int, since: int) -> list[str]:
    """A note where the tactic is off again in much of the time that a date of first treatment counts as treated.

    Parameters
    ----------
    active, since : int
        Cells in which the tactic is active, and cells from its first start on.
    """
    if not since or active / since >= _MOSTLY_ON:
        return []
    return [
        f"from its first start on the tactic is active in {active / since:.0%} of unit-periods; estimators that take "
        "first_treated count all of them as treated"
    ]


def _treatment(
    logs: Logs, units: cells.Units, span: Span, tactic: Any
) -> tuple[NDArray[np.datetime64], NDArray[np.int8], exposures.Exposed | None]:
    """Start of the period of each unit's first exposure (NaT never), whether one is active in each cell, and the
    exposures (None where there are none)."""
    first = np.full(units.n, np.datetime64("NaT", "us"), dtype="datetime64[us]")
    if logs.table("exposures") is None:
        if tactic is not None:
            logs.need("exposures", f"tactic={tactic!r}")
        return first, np.zeros((units.n, span.periods), dtype=np.int8), None
    exposed = exposures.read_exposures(logs, units, exposures.choose(logs, tactic))
    start, end = exposures.periods_of(span, exposed)
    earliest = np.full(units.n, np.iinfo(np.int64).max)
    np.minimum.at(earliest, exposed.unit, start)
    ever = earliest < np.iinfo(np.int64).max
    first[ever] = span.grid.starts(earliest[ever])
    treated = exposures.active(exposed.unit, start, end, units.n, span.periods) > 0
    return first, treated.view(np.int8), exposed
