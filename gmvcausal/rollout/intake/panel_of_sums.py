"""A `Panel` of which only sums are held."""

from __future__ import annotations

from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.facts import holds_people
from gmvcausal.rollout.intake.gathered import Ask
from gmvcausal.rollout.intake.large import Look, added_up, begin, summed
from gmvcausal.rollout.intake.levels_large import found_cluster, unused
from gmvcausal.rollout.intake.opened import Located, open_rows, parts_of
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.intake.summed import NoRows
from gmvcausal.rollout.intake.told import forget_unit, say_grid, say_read, single_cluster, tell


def panel_of_sums(located: Located, ask: Ask, meta: dict[str, Any], look: Look) -> Panel:
    """The panel of which only sums are held."""
    opened = open_rows(located, ask)
    if opened is None:
        raise InputError(
            "time or first_treated has more than 100,000 distinct values, so they look like moments, not periods",
            remedy="sum to days or weeks first, for example with gc.Logs(...).panel(freq='W')",
        )
    notes: list[str] = list(meta.get("notes", []))
    dropped: dict[str, int] = dict(meta.get("dropped", {}))
    path, cohorts = begin(opened, ask)
    moving: dict[str, int] = {}
    path, name, labels = found_cluster(path, meta, moving)
    if labels == 1:
        raise single_cluster(name)
    sums = added_up(path, labels)
    y, start, cluster = summed(path, sums, look)
    forget_unit(meta, ask.outcome, located.n, sums.total, notes)
    say_read(sums.filled, opened.calendar, notes)
    found = cohorts(sums.dates)
    never = None if opened.word is not None else ask.never
    tell(found, notes, dropped, ask.first_treated, never, kept=not ask.absorbing, word=opened.word, who="units")
    say_grid(opened.grid, notes)
    held: Any = y  # stands in the place of the matrix
    absent: Any = NoRows(len(start))
    columns = set(located.types)
    panel = Panel(
        y=held,
        on=None,
        start=start,
        unit=absent,
        unit_code=absent,
        cluster=cluster,
        cluster_name=name,
        weight=None,
        grid=opened.grid,
        offset=None,
        stack=None,
        stack_labels=None,
        other=None,
        cohorts=found,
        rows=located.n,
        columns=len(columns),
        spacing=sums.spacing,
        moving=moving,
        coarser=unused(path, {*ask.needed, name}) if name == ask.unit else (),
        parts=parts_of(located),
        has_parts="parts" in columns,
        notes=notes,
        dropped=dropped,
        meta=meta,
        people=ask.unit is None or holds_people(ask.unit, meta),
    )
    notes.append(
        f"{panel.units():,} units x {y.shape[1]} periods are more than memory is given: only sums by cohort are held, "
        f"made by {located.space.title}; the numbers are those of the whole panel, and what takes units one by one is "
        "refused"
    )
    return panel
