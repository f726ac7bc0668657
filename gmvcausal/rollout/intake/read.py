"""One reading of the data for every estimator of this room: rows in, a validated `Panel` out."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.engines.choose import choose_engine
from gmvcausal.frames.engines.engine import without_positions
from gmvcausal.frames.facts import frame_facts, holds_people
from gmvcausal.frames.table import lies_elsewhere
from gmvcausal.rollout.intake import cohorts as cohort_rules
from gmvcausal.rollout.intake.cohorts import UNTREATED, Cohorts
from gmvcausal.rollout.intake.eligible import merge_alike
from gmvcausal.rollout.intake.gathered import NEVER, Ask, Rows
from gmvcausal.rollout.intake.large import Look, refuse_large
from gmvcausal.rollout.intake.layout import Layout
from gmvcausal.rollout.intake.levels import ROW, clusters, started_apart, unused_coarser
from gmvcausal.rollout.intake.memory import check_column, from_table
from gmvcausal.rollout.intake.opened import LargerThanMemory, locate
from gmvcausal.rollout.intake.panel import NOT_LATER, FloatArray, IntArray, Panel
from gmvcausal.rollout.intake.panel_of_sums import panel_of_sums
from gmvcausal.rollout.intake.scan import BUFFERS, by_row, scan
from gmvcausal.rollout.intake.told import forget_unit, say_grid, say_read, single_cluster, tell

CROSSED = "every row is taken as a person seen once, in its own period (unit=None)"
ALONE = "; rows count as independent: where places were given the tactic, name the place with cluster="


def read_panel(data: Any, ask: Ask, memory_limit: int | None = None) -> Panel:
    """Read and check the columns that `gmvcausal.did` was given; see there for the rules and the errors raised.

    Files and relations are streamed: only one number for each unit and period is held. What is wrong with them is left
    to the reader in memory, whose messages name rows.
    """
    if not lies_elsewhere(data):
        return _panel(from_table(data, ask), ask, frame_facts(data))
    options, wrong, fits, positions = by_row(ask), None, True, True
    opens = partial(choose_engine, [data], None, memory_limit, BUFFERS)
    try:
        with closing(opens()) as space:
            positions = space.positions
            located = locate(space, data, ask)
            fits = located.fits
            if not fits:
                refuse_large(located, [*options, *ask.one_by_one])
                return panel_of_sums(located, ask, frame_facts(data), Look(opens, data, ask, located.n))
            streamed = None if options else scan(located, ask)
            if streamed is not None:
                with without_positions(positions):
                    return _panel(streamed, ask, frame_facts(data))
    except LargerThanMemory:
        raise
    except InputError as error:
        if not fits:
            raise
        wrong = error.column
    with without_positions(positions):
        if wrong in ask.needed:
            check_column(data, ask, wrong)  # one column says it as well, in less memory
        panel = _panel(from_table(data, ask), ask, frame_facts(data))
    if options:
        panel.notes.append(f"all rows were read into memory for {' and '.join(options)}, which takes them one by one")
    return panel


def _panel(rows: Rows, ask: Ask, meta: dict[str, Any]) -> Panel:
    notes: list[str] = list(meta.get("notes", []))
    dropped: dict[str, int] = dict(meta.get("dropped", {}))
    layout, on = rows.layout, rows.on
    forget_unit(meta, ask.outcome, rows.n, rows.total, notes)
    say_read(rows.filled, rows.calendar, notes)
    if layout.keep is not None:
        gone = rows.n - len(layout.keep)
        others_said = " (compared were the columns used here)" if len(rows.columns) > len(ask.needed) else ""
        notes.append(
            f"{gone:,} rows that repeated another row exactly were dropped, as dedupe='exact' asked{others_said}"
        )
        dropped["exact duplicates"] = gone
    found: Cohorts | None = None
    code = None
    if rows.first is not None:
        code = cohort_rules.parse_never(rows.never, rows.calendar)
        found = cohort_rules.from_first_treated(
            rows.first, rows.first == NEVER, layout.grid, ask.anticipation, code, ask.first_treated, layout.rows_of
        )
    elif ask.absorbing and on is not None:
        found = cohort_rules.from_flags(on, layout.grid, ask.anticipation, str(ask.treated), layout.rows_of)
    if found is not None:
        start = found.start
    else:
        assert on is not None  # `treated` was given, or `found` would be there
        start = _start_of_flags(on, layout)
    if on is not None:
        unseen = (start > 0) & np.isnan(on[np.arange(len(on)), np.maximum(start, 1) - 1])
        if unseen.any():
            notes.append(
                f"{int(unseen.sum()):,} units are absent just before they are first seen treated, so their treatment "
                "may have begun earlier than it is read here"
            )
    if found is not None:
        column = ask.first_treated if ask.treated is None else ask.treated
        who = "rows" if ask.unit is None else "units"
        tell(found, notes, dropped, column, rows.never, kept=not ask.absorbing, word=rows.word, who=who)
    moving: dict[str, int] = {}
    name, cluster_code = clusters(rows.further, layout, ask.cluster, ask.unit, start, meta, moving)
    if int(cluster_code.max()) == 0:
        raise single_cluster(name)
    finest = name == (ask.unit or ROW)
    coarser = unused_coarser(rows.further, layout, {*ask.needed, name}, start) if finest else ()
    if ask.unit is None:
        notes.append(CROSSED + (ALONE if finest else ""))
        if not finest and ask.first_treated is not None:
            notes += started_apart(start, cluster_code, str(ask.first_treated), name)
    notes += rows.notes
    say_grid(layout.grid, notes)
    later = None if rows.dose is None and rows.eligible is None else _later(rows, code)
    columns = set(rows.columns)
    return Panel(
        y=rows.y,
        on=on,
        start=start,
        unit=layout.unit,
        unit_code=layout.unit_code,
        cluster=cluster_code,
        cluster_name=name,
        weight=rows.weight,
        grid=layout.grid,
        offset=layout.offset,
        stack=layout.stack,
        stack_labels=layout.stack_labels,
        other=rows.other,
        cohorts=found,
        rows=rows.n,
        columns=len(rows.columns),
        spacing=rows.spacing,
        moving=moving,
        coarser=coarser,
        parts=rows.parts,
        has_parts="parts" in columns,
        notes=notes,
        dropped=dropped,
        meta=meta,
        people=ask.unit is None or holds_people(ask.unit, meta),
        covariates=rows.covariates,
        dose=None if rows.dose is None or later is None else merge_alike(rows.dose(start, later > NOT_LATER), notes),
        eligible=rows.eligible,
        later=None if rows.eligible is None else later,
        crossed=ask.unit is None,
        row_of=None if ask.unit is not None or layout.cell is None else layout.cell // layout.shape[1],
    )


def _later(rows: Rows, never: int | None) -> IntArray:
    """The date of units that are first treated after the last period, `NOT_LATER` for all others."""
    if rows.first is None:
        return np.full(len(rows.y), NOT_LATER)
    after = (rows.first > rows.layout.grid.values[-1]) & (rows.first != (NEVER if never is None else never))
    return np.where(after, rows.first, NOT_LATER)


def first_on(on: FloatArray) -> IntArray:
    """First column in which each row is seen treated; `UNTREATED` where never."""
    hit = on == 1.0
    return np.where(hit.any(axis=1), hit.argmax(axis=1), UNTREATED).astype(np.int64)


def _start_of_flags(on: FloatArray, layout: Layout) -> IntArray:
    """First treated column of each row from flags that may switch off again; in a stack, that of its campaign."""
    start = first_on(on)
    if layout.stack is None:
        return start
    earliest = np.full(int(layout.stack.max()) + 1, on.shape[1], dtype=np.int64)
    treated = start >= 0
    np.minimum.at(earliest, layout.stack[treated], start[treated])
    return np.where(treated, earliest[layout.stack], UNTREATED)
