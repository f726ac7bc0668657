"""The passes of the tables of `Logs`: units, periods, sums, exposures, in the order of the statements in `logs/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, one_of
from gmvcausal.logs.calendar import DAY, Freq, Grid, parse_date, parse_freq, text
from gmvcausal.logs.span import CELL_BYTES, check_size
from gmvcausal.study.explain.of_logs import TABLE, Opened, distinct
from gmvcausal.study.explain.plan import Count, Pass, Step

KEPT_BYTES = 41  # a cell of the table that is left when it is made
GROUP_BYTES = 64  # a group of a GROUP BY: its key, a sum in whole numbers, a count
USER_BYTES = 150  # a user of a table of users: windows, sums and the columns themselves


# --- units and periods ------------------------------------------------------------------------------------------------
def _units(logs: Opened, role: str) -> tuple[list[Pass], Count]:
    """As `cells.find_units`: the passes, and how many units there are."""
    one_of("unit", role, ("user", "room", "product"))
    if role not in logs.roles["orders"]:
        raise InputError(
            f"unit={role!r} needs the role {role!r}, which orders do not have",
            remedy=f"name its column with columns={{{role!r}: ...}}",
        )
    passes = [logs.over("orders", f"orders without a {role}", (role, *(("gmv",) if logs.net else ())))]
    passes = [] if role == "user" else passes
    exposed = "exposures" in logs.tables and role in logs.roles["exposures"]
    seen = ["orders", "exposures"] if exposed else ["orders"]
    listed = f"{role}s" in logs.tables
    if logs.once(f"units: {role}"):
        passes += [logs.over(name, "units", (role,)) for name in (*seen, *([f"{role}s"] if listed else []))]
    if listed:
        return passes, Count(f"{role}s", logs.tables[f"{role}s"].rows, "exactly")
    count = Count(f"{role}s", sum(distinct(logs.tables[n], logs.roles[n][role]) for n in seen), "at most")
    ends = [logs.tables[n].ranges.get(logs.roles[n][role]) for n in seen]
    if all(e and isinstance(e[0], int) for e in ends):
        together = max(e[1] for e in ends if e) - min(e[0] for e in ends if e) + 1
        count = Count(count.what, min(count.n, together), "at most")
    return passes, count


def _periods(logs: Opened, freq: Freq, origin: Any) -> Count | None:
    """Whole periods between the ends of the log that the statistics tell; None without statistics."""
    ends = logs.tables["orders"].ranges.get(logs.roles["orders"]["time"])
    if ends is None:
        return None
    try:
        first, last = (np.datetime64(_plain(e), "us") for e in ends)
    except ValueError:
        return None
    start = first.astype("datetime64[D]").astype("datetime64[us]")
    if origin is not None:
        start = max(start, parse_date("origin", origin))
    end = last.astype("datetime64[D]").astype("datetime64[us]") + np.timedelta64(DAY, "us")
    # A zone may move either end over a midnight.
    zone = 1 if logs.options.get("timezone") else 0
    grid = Grid(freq, start)
    return Count(f"periods of {freq.text} ({text(first)} to {text(last)})", grid.complete(end) + zone, "at most")


def _plain(end: Any) -> str:
    return str(end).replace("Z", "")[:26].partition("+")[0]


# --- tables -----------------------------------------------------------------------------------------------------------
def panel_step(logs: Opened, title: str, options: Mapping[str, Any]) -> tuple[Step, int]:
    """`Logs.panel`: the step, and how many rows come out at most."""
    role, freq = options.get("unit", "user"), parse_freq("freq", options.get("freq", "D"))
    passes, units = _units(logs, role)
    periods = _periods(logs, freq, options.get("origin"))
    summed: tuple[str, ...] = (role, *logs.lines, *(("user",) if role != "user" else ()))
    keep = list(check("keep", options.get("keep", ())))
    summed += ("discount",) if "discount" in keep else ()
    passes.append(logs.over("orders", "panel sums", summed))
    passes += _life(logs, role)
    if "exposures" in logs.tables:
        passes += _tactics(logs) + _exposures(logs, role)
    maybe = _maybe(logs, role, options.get("tactic"))
    for name in keep:
        if name == "discount" and name in logs.roles["orders"]:
            continue
        passes += _attribute(logs, role, name)
    if options.get("origin") is not None:
        maybe.append(logs.over("orders", "orders before the origin", ("time",)))
    if logs.net or not logs.row_is_order:
        maybe.append(logs.over("orders", "where orders lie after the last whole period", ("time",)))
    return _table(logs, title, passes, maybe, units, periods, freq)


def stack_step(logs: Opened, title: str, options: Mapping[str, Any]) -> tuple[Step, int]:
    """`Logs.stack`."""
    freq = parse_freq("freq", options.get("freq", "W"))
    before, after = check("window", tuple(options.get("window", (-6, 5))))
    _need(logs, "exposures", "a tactic")
    passes = _tactics(logs)
    more, units = _units(logs, "user")
    passes += more + _exposures(logs, "user")
    passes.append(logs.over("orders", "panel sums", ("user", *logs.lines)))
    if "coverage" in logs.tables:
        passes.append(logs.over("coverage", "covered products", ("tactic", "product")))
        passes.append(logs.over("orders", "sums on covered products", ("user", "time", "product", "gmv")))
    passes += _life(logs, "user")
    maybe = _maybe(logs, "user", None)
    maybe.append(logs.over("orders", "where orders lie after the last whole period", ("time",)))
    periods = _periods(logs, freq, options.get("origin"))
    tactics = options.get("tactic")
    campaigns = len(tactics) if isinstance(tactics, list) else 1 if isinstance(tactics, str | int) else None
    step, _ = _table(logs, title, passes, maybe, units, periods, freq)
    width = after - before + 1
    each = units.n * width
    said = f"{units.n:,} users × {width} periods for each campaign"
    if campaigns is None:
        campaigns = 1
        said += "; how many campaigns there are is known when the exposures are read"
    refusal = step.refusal or _refused(logs, said, each * campaigns, freq)
    counts = (*step.counts, Count(f"rows for {campaigns:,} campaign{'s' * (campaigns > 1)}", each * campaigns))
    memory = step.memory + each * campaigns * CELL_BYTES
    rows = each * campaigns
    kept = rows * KEPT_BYTES
    made = Step(title, step.passes, step.maybe, counts, memory, kept, refusal=refusal, notes=(said,))
    return made, rows * (not refusal)


def users_step(logs: Opened, title: str, options: Mapping[str, Any]) -> tuple[Step, int]:
    """`Logs.users`."""
    parse_freq("pre", options.get("pre", "28D"), months=False)
    parse_freq("post", options.get("post", "7D"), months=False)
    asked = check("features", options.get("features"))
    history = "exposures" not in logs.tables and options.get("tactic") is None
    passes: list[Pass] = [] if history else _tactics(logs)
    more, units = _units(logs, "user")
    passes += more + ([] if history else _exposures(logs, "user"))
    passes += _life(logs, "user")
    passes.append(logs.over("orders", "sums of windows", ("user", *logs.lines)))
    if logs.once("days"):
        passes.append(logs.over("orders", "days without orders", ("time",)))
    for name in asked:
        passes += [] if name == "rfm" else _attribute(logs, "user", name)
    maybe = _maybe(logs, "user", options.get("tactic"))
    step = Step(
        title, tuple(passes), tuple(maybe), (units,), units.n * USER_BYTES, units.n * USER_BYTES,
        spill=_spill(logs, units.n), notes=("windows need only the row groups whose times they meet",),
    )  # fmt: skip
    return step, units.n


def _table(
    logs: Opened, title: str, passes: list[Pass], maybe: list[Pass], units: Count, periods: Count | None, freq: Freq
) -> tuple[Step, int]:
    """A table of units by periods."""
    if periods is None:
        note = "the files keep no statistics of the time, so how many periods there are is known when they are read"
        return Step(title, tuple(passes), tuple(maybe), (units,), notes=(note,)), 0
    cells = units.n * periods.n
    refusal = _refused(logs, f"{units.n:,} {units.what} × {periods.n:,} periods", cells, freq)
    counts = (units, periods, Count("cells", cells))
    # Whole numbers are added where the cells lie, whatever their number; other sums are grouped by the engine.
    spill = 0 if logs.row_is_order else _spill(logs, min(cells, logs.tables["orders"].rows))
    held, kept = cells * CELL_BYTES, cells * KEPT_BYTES
    step = Step(title, tuple(passes), tuple(maybe), counts, held, kept, spill=spill, refusal=refusal)
    return step, cells * (not refusal)


def _refused(logs: Opened, what: str, cells: int, freq: Freq) -> str:
    try:
        check_size(logs.holds, what, cells, freq)
    except InputError as error:
        return str(error)
    return ""


def _spill(logs: Opened, groups: int) -> int:
    """Temporary files of a GROUP BY whose groups do not fit the engine's buffers."""
    held = groups * GROUP_BYTES
    return held if held > logs.buffers else 0


def _exposures(logs: Opened, role: str) -> list[Pass]:
    """As `exposed.read_exposures`."""
    if role not in logs.roles["exposures"]:
        raise InputError(
            f"exposures have no column for the role {role!r}, so no {role} can be called treated",
            remedy=f"give exposures by {role}, or choose the unit that exposures name",
        )
    first = [logs.over("exposures", "end after start", ("start", "end"))] if "end" in logs.roles["exposures"] else []
    return [*first, logs.over("exposures", "exposures", (role, "tactic", "start", "end"))]


def _tactics(logs: Opened) -> list[Pass]:
    """As `exposed.labels_of`."""
    return [logs.over("exposures", "tactics", ("tactic",))] if logs.once("tactics") else []


def _life(logs: Opened, role: str) -> list[Pass]:
    """As `cells.bounds`."""
    listing = f"{role}s"
    if listing not in logs.tables:
        return []
    return [logs.over(listing, r, (role, r)) for r in ("entry", "exit") if r in logs.roles[listing]]


def _attribute(logs: Opened, role: str, name: str) -> list[Pass]:
    """As `attributes.of_units`."""
    for table in (f"{role}s", "orders"):
        if table in logs.tables and name in logs.tables[table].columns:
            return [Pass(table, f"attribute {name}", (logs.roles[table][role], name), TABLE)]
    return []  # the run says which columns there are


def _maybe(logs: Opened, role: str, tactic: Any) -> list[Pass]:
    if "exposures" not in logs.tables:
        return []
    if tactic is None:
        return []
    return [logs.over("exposures", "where there are other tactics", (role, "tactic", "start", "end"))]


def _need(logs: Opened, table: str, why: str) -> None:
    if table not in logs.tables:
        raise InputError(f"{why} needs {table}, which were not given", remedy=f"pass Logs({table}=...)")
