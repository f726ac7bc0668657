"""Logs to one row per campaign, unit and period around the campaign's start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import texts
from gmvcausal.frames.params import check, one_of
from gmvcausal.logs import attributes, cells, describe, signs
from gmvcausal.logs import exposed as exposures
from gmvcausal.logs.calendar import parse_freq
from gmvcausal.logs.campaigns import Campaign, place
from gmvcausal.logs.covered import coverage_match, covered
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.span import Span, check_size, make_span


def make_stack(logs: Logs, tactic: Any, window: Any, freq: str, outcome: str | None, origin: Any) -> pd.DataFrame:
    """See `Logs.stack`."""
    before, after = check("window", window)
    length = parse_freq("freq", freq)
    coverage = logs.table("coverage")
    choices = ("gmv", "orders") + (("gmv_covered", "gmv_other") if coverage is not None else ())
    outcome = (
        one_of("outcome", outcome, choices) if outcome is not None else "gmv" if coverage is None else "gmv_covered"
    )
    labels = exposures.labels_of(logs)
    wanted = exposures.choose(logs, tactic)
    units = cells.find_units(logs, "user")
    span = make_span(logs, length, origin)
    # All exposures are read, because a unit may lie under a campaign that was not asked for.
    exposed = exposures.read_exposures(logs, units, labels)
    start, end = exposures.periods_of(span, exposed)
    campaigns, left_out, shared = place(span, exposed, wanted, start, end, before, after)
    notes = list(logs._notes)
    dropped = {**logs._dropped, **describe.outside(logs, span, notes)}
    for reason, names in left_out.items():
        dropped[f"campaigns: {reason}"] = len(names)
        shown = ", ".join(texts.printable(n) for n in names)
        what = "campaign was" if len(names) == 1 else "campaigns were"
        notes.append(f"{len(names):,} {what} left out (start {reason}): {shown}")
    if shared:
        shown = ", ".join(texts.printable(label) for label in shared)
        notes.append(
            f"{len(shared):,} campaigns start at different times within one period, which is event time 0 for all of "
            f"their users: {shown}"
        )
    if not campaigns:
        raise InputError(
            f"no campaign fits window=({before}, {after}) of freq={freq!r} inside the log; "
            + "; ".join(notes[-len(left_out) :]),
            remedy="take a shorter window or a longer log",
        )
    describe.note_units(units, notes)
    holds = logs._space.holds
    width = sum(c.length for c in campaigns)
    check_size(holds, f"{units.n:,} users × {span.periods:,} periods", units.n * span.periods, length)
    check_size(holds, f"{units.n:,} users × {width:,} periods of {len(campaigns):,} campaigns", units.n * width, length)
    sums = cells.sum_cells(logs, units, span, {"gmv": cells.gmv(logs), "orders": cells.orders(logs)})
    checks = list(logs._checks) + signs.of_stack(
        logs, units, span, sums["orders"], exposed, [c.number for c in campaigns], notes
    )
    columns = _rows(units, span, campaigns)
    columns |= {name: _windows(values, campaigns) for name, values in sums.items()}
    if coverage is not None:
        columns["gmv_covered"] = covered(logs, units, span, campaigns)
        rest = columns["gmv"] - columns["gmv_covered"]
        # Whole cents stay whole: a difference of sums would leave dust that looks like spending.
        columns["gmv_other"] = np.round(rest * 100) / 100 if logs._facts.amounts.in_cents else rest
        checks.append(coverage_match(logs, units, campaigns, columns["gmv_covered"], outcome))
    columns |= _exposure_columns(units, span, exposed, start, end, campaigns)
    columns["treated"] = ((columns["sent"] == 1) & (columns["event_time"] >= 0)).astype(np.int8)
    alive, life_known = cells.life(logs, units, span)
    if not alive.all():
        dropped |= _bury(columns, alive, sums["orders"], campaigns, notes)
    order = [
        "stack",
        "unit",
        "period",
        "event_time",
        "gmv",
        "gmv_covered",
        "gmv_other",
        "orders",
        "sent",
        "treated",
        "other_tactic",
    ]
    frame = texts.data_frame({name: columns[name] for name in order if name in columns})
    frame.attrs["gmvcausal"] = describe.about(
        logs,
        table="stack",
        unit="user",
        freq=length,
        per=None,
        outcome=outcome,
        keep=[],
        life_known=life_known,
        notes=notes,
        dropped=dropped,
        checks=checks + describe.last_day(logs, span),
    ) | {"window": [before, after], "campaigns": len(campaigns)}
    signs.seal(frame)
    return frame


def _bury(
    columns: dict[str, Any],
    alive: NDArray[np.bool_],
    orders: NDArray[Any],
    campaigns: Sequence[Campaign],
    notes: list[str],
) -> dict[str, int]:
    """Leave out (in place) the rows outside the lives of the users, and count what was lost with them."""
    rows = _windows(alive, campaigns)
    used = np.zeros(alive.shape[1], dtype=bool)
    for c in campaigns:
        used[c.first : c.last + 1] = True
    for name, values in columns.items():
        columns[name] = values[rows]
    lost = int(orders[:, used][~alive[:, used]].sum())
    return describe.outside_stack_life(int((~rows).sum()), lost, notes)


def _windows(values: NDArray[Any], campaigns: Sequence[Campaign]) -> NDArray[Any]:
    """Cells of each campaign's window, one campaign after the other, as one column."""
    return np.concatenate([values[:, c.first : c.last + 1].ravel() for c in campaigns])


def _rows(units: cells.Units, span: Span, campaigns: Sequence[Campaign]) -> dict[str, Any]:
    """The columns that identify a row."""
    lengths = np.array([c.length for c in campaigns])
    labels = np.array([c.label for c in campaigns], dtype=object if isinstance(campaigns[0].label, str) else None)
    periods = [span.grid.starts(np.arange(c.first, c.last + 1)) for c in campaigns]
    events = [np.arange(c.first - c.start, c.last - c.start + 1) for c in campaigns]
    pieces = [np.repeat(np.arange(units.n), k) for k in lengths]
    ids = texts.compact(texts.originals(units.ids))
    return {
        "stack": attributes.repeated(labels, lengths * units.n),
        "unit": ids.take(np.concatenate(pieces)),
        "period": np.concatenate([np.tile(p, units.n) for p in periods]),
        "event_time": np.concatenate([np.tile(e, units.n) for e in events]),
    }


def _exposure_columns(
    units: cells.Units,
    span: Span,
    exposed: exposures.Exposed,
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    campaigns: Sequence[Campaign],
) -> dict[str, NDArray[Any]]:
    """Whether the unit was sent this campaign, and whether another one was active for it."""
    every = exposures.active(exposed.unit, start, end, units.n, span.periods)
    sent: list[NDArray[Any]] = []
    other: list[NDArray[Any]] = []
    for c in campaigns:
        own = exposed.tactic == c.number
        got = np.zeros(units.n, dtype=np.int8)
        got[exposed.unit[own]] = 1
        sent.append(np.repeat(got, c.length))
        mine = exposures.active(exposed.unit[own], start[own], end[own], units.n, span.periods)
        other.append((every - mine > 0)[:, c.first : c.last + 1].ravel().view(np.int8))
    return {"sent": np.concatenate(sent), "other_tactic": np.concatenate(other)}
