"""Logs to one row per campaign, unit and period around the campaign's start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import one_of
from gmvcausal.logs import attributes, cells, describe
from gmvcausal.logs import exposed as exposures
from gmvcausal.logs.calendar import parse_freq, text
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.span import Span, check_size, make_span


@dataclass(frozen=True)
class Campaign:
    """One campaign's place in the panel.

    Attributes
    ----------
    label : str or int
    number : int
        Index of the label among the exposures read.
    start : int
        Period of its start.
    first, last : int
        First and last period of its stack.
    """

    label: Any
    number: int
    start: int
    first: int
    last: int

    @property
    def length(self) -> int:
        """Number of periods in the stack."""
        return self.last - self.first + 1


def make_stack(logs: Logs, tactic: Any, window: Any, freq: str, outcome: str | None, origin: Any) -> pd.DataFrame:
    """See `Logs.stack`."""
    before, after = _window(window)
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
    campaigns, left_out = _place(span, exposed, wanted, start, end, before, after)
    notes = list(logs._notes)
    dropped = {**logs._dropped, **describe.outside(logs, span, notes)}
    for reason, names in left_out.items():
        dropped[f"campaigns: {reason}"] = len(names)
        shown = ", ".join(str(n) for n in names)
        what = "campaign was" if len(names) == 1 else "campaigns were"
        notes.append(f"{len(names):,} {what} left out (start {reason}): {shown}")
    describe.note_units(units, notes)
    if not campaigns:
        raise InputError(
            f"no campaign fits window=({before}, {after}) of freq={freq!r} inside the log; "
            + "; ".join(notes[-len(left_out) :]),
            remedy="take a shorter window or a longer log",
        )
    width = sum(c.length for c in campaigns)
    check_size(f"{units.n:,} users × {span.periods:,} periods", units.n * span.periods, length)
    check_size(f"{units.n:,} users × {width:,} periods of {len(campaigns):,} campaigns", units.n * width, length)
    sums = cells.sum_cells(logs, units, span, {"gmv": logs._facts.total(), "orders": cells.count_orders(logs)})
    columns = _rows(units, span, campaigns)
    columns |= {name: _windows(values, campaigns) for name, values in sums.items()}
    if coverage is not None:
        columns["gmv_covered"] = _covered(logs, units, span, campaigns)
        rest = columns["gmv"] - columns["gmv_covered"]
        # Whole cents stay whole: a difference of sums would leave dust that looks like spending.
        columns["gmv_other"] = np.round(rest * 100) / 100 if logs._facts.amounts.in_cents else rest
        _check_covered(logs, campaigns, notes)
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
    frame = pd.DataFrame({name: columns[name] for name in order if name in columns}, copy=False)
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
        checks=list(logs._checks) + describe.last_day(logs, span),
    ) | {"window": [before, after], "campaigns": len(campaigns)}
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


def _window(value: Any) -> tuple[int, int]:
    ok = isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(v, int | np.integer) for v in value)
    if not ok or value[0] >= 0 or value[1] < 0:
        raise InputError(
            f"window must be two whole numbers around 0, for example (-6, 5), but is {value!r}",
            remedy="the first is the number of periods before the start, as a negative number; the last is 0 or more",
        )
    return int(value[0]), int(value[1])


def _place(
    span: Span,
    exposed: exposures.Exposed,
    wanted: Sequence[Any],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    before: int,
    after: int,
) -> tuple[list[Campaign], dict[str, list[Any]]]:
    """Campaigns that fit into the panel, and those that do not with the reason."""
    campaigns: list[Campaign] = []
    left_out: dict[str, list[Any]] = {}
    for label in wanted:
        number = exposed.labels.index(label)
        own = exposed.tactic == number
        stamps = np.unique(exposed.start[own])
        if len(stamps) > 1:
            raise InputError(
                f"campaign {label!r} starts at {len(stamps):,} different times, from {text(stamps[0])} to "
                f"{text(stamps[-1])}, so its users share no event time",
                remedy="use panel() for a roll-out that starts unit by unit",
            )
        s, e = int(start[own][0]), int(end[own].max())
        # The period of the start is treated only in part unless the start opens it; one whole period must follow.
        whole = s if span.grid.starts(s) == stamps[0] else s + 1
        if s + before < 0:
            left_out.setdefault("too early for a whole pre-window", []).append(label)
        elif whole >= span.periods:
            left_out.setdefault("too late for one whole period after it", []).append(label)
        else:
            campaigns.append(Campaign(label, number, s, s + before, min(e, s + after, span.periods - 1)))
    return campaigns, left_out


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
    ids: Any = units.ids if units.ids.dtype != object else pd.Series(units.ids).array
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


def _covered(logs: Logs, units: cells.Units, span: Span, campaigns: Sequence[Campaign]) -> NDArray[np.float64]:
    """GMV on the products that each campaign covers, inside its window."""
    coverage = logs.need("coverage", "gmv_covered")
    if "product" not in logs.orders.kinds:
        raise InputError(
            "coverage names products, but orders have no column for the role 'product'",
            remedy="name it with columns={'product': ...}",
        )
    space = logs._space
    text_labels = isinstance(campaigns[0].label, str)
    offsets = np.concatenate([[0], np.cumsum([c.length * units.n for c in campaigns])])
    listed = pa.table(
        {
            "tactic": pa.array([c.label for c in campaigns], type=pa.string() if text_labels else pa.int64()),
            "number": np.arange(len(campaigns)),
            "first": [c.first for c in campaigns],
            "last": [c.last for c in campaigns],
        }
    )
    name = space.new_name("campaigns")
    space.connection.register(name, listed)
    source, key = cells.unit_key(logs, units, logs._lines.view)
    period = span.grid.sql('"time"')
    out = np.zeros(int(offsets[-1]))
    lengths = np.array([c.length for c in campaigns])
    firsts = np.array([c.first for c in campaigns])
    # Sums are taken after the join, over the lines of the windows only.
    query = (
        f"SELECT c.number AS number, s.unit AS unit, s.period AS period, {logs._facts.total('s.gmv')} AS gmv FROM "
        f'(SELECT {key} AS unit, {period} AS period, "product" AS product, "gmv" AS gmv '
        f"FROM {source} WHERE {span.where()}) s "
        f'JOIN (SELECT DISTINCT "tactic", "product" FROM {coverage.sql}) v ON v."product" = s.product '
        f'JOIN {name} c ON c.tactic = v."tactic" AND s.period BETWEEN c.first AND c.last GROUP BY ALL'
    )
    for batch in space.batches(query, 500_000, "orders and coverage"):
        ids = batch.column("unit").to_numpy(zero_copy_only=False)
        codes = ids if key == "unit_code" else units.codes(ids)
        number = batch.column("number").to_numpy()
        where = offsets[number] + codes * lengths[number] + batch.column("period").to_numpy() - firsts[number]
        out[where] = batch.column("gmv").to_numpy(zero_copy_only=False)
    return out


def _check_covered(logs: Logs, campaigns: Sequence[Campaign], notes: list[str]) -> None:
    """Say which campaigns cover no product at all: their covered GMV is zero by construction."""
    coverage = logs.need("coverage", "gmv_covered")
    found = logs._space.numpy(f'SELECT DISTINCT "tactic" AS t FROM {coverage.sql}', "coverage")["t"]
    known = {str(v) for v in found}
    bare = [str(c.label) for c in campaigns if str(c.label) not in known]
    if bare:
        notes.append(f"{len(bare):,} campaigns cover no product, so their gmv_covered is zero: {', '.join(bare)}")
