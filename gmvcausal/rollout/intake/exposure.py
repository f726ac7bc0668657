"""Who was exposed to others' treatment, and from when on: as a column says, or as the links between units imply.

An exposure mapping (Aronow and Samii 2017) says which of the others' treatments can matter to a unit. Here it is a
date: the first period in which the unit, not treated itself, was exposed. Links make it from the share of neighbours
that are treated, by weight where links have one.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.columns import first_rows, id_values, numeric
from gmvcausal.frames.params import counted, said
from gmvcausal.frames.table import Table, open_table
from gmvcausal.frames.times import Times
from gmvcausal.rollout.intake.cohorts import ALWAYS, UNTREATED, from_first_treated, parse_never
from gmvcausal.rollout.intake.panel import FloatArray, IntArray, Panel
from gmvcausal.rollout.intake.per_unit import dates_of

BoolArray = NDArray[np.bool_]
_ENDS = {name: f"{name} of edges" for name in ("unit", "neighbour")}
_ROUNDING = 1e-9  # thirds of neighbours add up to one only so far


def threshold(exposure: Any) -> str | float:
    """Check from which share of treated neighbours on a unit counts as exposed."""
    if isinstance(exposure, str) and exposure == "any":
        return exposure
    real = not isinstance(exposure, bool | np.bool_) and isinstance(exposure, numbers.Real)
    if not real or not 0 < float(exposure) <= 1:
        raise InputError(
            f"exposure must be 'any' or a share above 0, at most 1, but is {said(exposure)}",
            remedy="write exposure=0.5 to count a unit as exposed once half of its neighbours are treated",
        )
    return float(exposure)


@dataclass(frozen=True, eq=False)
class Links:
    """Who can reach whom.

    Attributes
    ----------
    unit, neighbour : ndarray, shape (k,)
        Labels: the neighbour's treatment reaches the unit.
    weight : ndarray, shape (k,)
    """

    unit: NDArray[Any]
    neighbour: NDArray[Any]
    weight: FloatArray

    def __str__(self) -> str:
        return counted(len(self.unit), "link")


def read_links(edges: Any) -> Links:
    """Read a frame with the columns unit, neighbour and, where there is one, weight.

    Raises
    ------
    InputError
        A column is missing, holds gaps or no ids; a weight is not positive; a unit is its own neighbour; a link
        occurs twice.
    """
    table = open_table(edges, "edges", needed=_ENDS, optional=("weight",))
    ends = [id_values(table, name, role) for name, role in _ENDS.items()]
    if ends[0].dtype.kind != ends[1].dtype.kind and "O" in (ends[0].dtype.kind, ends[1].dtype.kind):
        raise InputError(
            "'unit' and 'neighbour' of edges= hold different kinds of ids",
            column="neighbour",
            remedy="write both as the unit column of the data does",
        )
    _refuse(ends[0] == ends[1], "a unit is listed as its own neighbour", "neighbour", "remove these rows of edges=")
    twice = pd.DataFrame({"u": ends[0], "v": ends[1]}).duplicated().to_numpy()
    _refuse(twice, "a link is listed more than once", "neighbour", "list each link once, with one weight")
    weight = _weight(table) if "weight" in table.columns else np.ones(table.n)
    return Links(ends[0], ends[1], weight)


def _weight(table: Table) -> FloatArray:
    values = numeric(table, "weight", "weight of edges", missing="give every link a weight").values
    _refuse(~(values > 0), "weights of links must be positive", "weight", "remove links that should not count")
    return values


def _refuse(bad: BoolArray, what: str, column: str, remedy: str) -> None:
    if bad.any():
        raise InputError(what, column=column, count=int(bad.sum()), rows=first_rows(bad), remedy=remedy)


def with_exposure(data: Any, panel: Panel, options: Mapping[str, Any], links: Links | None) -> Panel:
    """The panel with its exposed units set apart: from the controls, and from the treated.

    Parameters
    ----------
    data : frame, path or relation
    panel : Panel
    options : mapping
        `exposed`, `exposure`, `never`, `anticipation`, `unit` of the call.
    links : Links or None

    Raises
    ------
    InputError
        A date off the grid or in other units than the periods; a neighbour of whom the data say nothing.
    DesignError
        No untreated unit is exposed: there is nothing to set apart.
    """
    if options["exposed"] is None and links is None:
        return panel
    found, notes = [], list(panel.notes)
    if options["exposed"] is not None:
        found.append(_dated(data, panel, options))
    if links is not None:
        found.append(_linked(panel, links, options, notes))
    first = found[0] if len(found) == 1 else _earlier(*found)
    if len(found) == 2:
        notes.append("exposed= and edges= are both given: a unit is exposed from the earlier of the two dates on")
    return _apart(panel, first, notes)


def _dated(data: Any, panel: Panel, options: Mapping[str, Any]) -> IntArray:
    """Column of first exposure of every row from a column of dates."""
    column = options["exposed"]
    when, place, word = dates_of(data, panel, options["unit"], column, "exposed", options["never"])
    if not when.missing.all() and when.is_date != panel.grid.is_date:
        kinds = ("whole numbers", "dates")
        raise InputError(
            f"time holds {kinds[panel.grid.is_date]} but exposed holds {kinds[when.is_date]}",
            column=column,
            remedy="write both in the same way",
        )

    def rows(mask: BoolArray) -> list[int]:
        return [int(i) for i in np.sort(place[mask])[:5]]

    _refuse_flags(when, panel.grid.values, column, rows)
    never = None if word is not None else parse_never(options["never"], when)
    return from_first_treated(
        when.values, when.missing, panel.grid, options["anticipation"], never, column, rows, "exposed"
    ).start


def _refuse_flags(when: Times, periods: IntArray, column: str, rows: Callable[[BoolArray], list[int]]) -> None:
    """0 and 1 of who is exposed would read as the dates 0 and 1: nearly everybody left out, and nothing said."""
    one = ~when.missing & (when.values == 1)
    flags = not when.is_date and one.any() and bool(np.isin(when.values[~when.missing], (0, 1)).all())
    if flags and (periods[0] == 1 or not when.missing.any()):
        raise InputError(
            "exposed must hold the first period of exposure, but holds 0 and 1 only: "
            f"{counted(int(one.sum()), 'unit')} would be read as exposed from period 1 on",
            column=column,
            count=int(one.sum()),
            rows=rows(one),
            remedy="write the period in which each unit was first exposed, and leave it empty for all others",
            counted=True,
        )


def _linked(panel: Panel, links: Links, options: Mapping[str, Any], notes: list[str]) -> IntArray:
    """Column of first exposure of every row from the share of its neighbours that are treated in each period."""
    from scipy.sparse import csr_array

    least, position = options["exposure"], panel.grid.position
    if panel.cohorts is not None and panel.cohorts.excluded:
        raise DesignError(
            f"{panel.cohorts.excluded:,} units are treated after the data but within the anticipation window, so from "
            "when on they reach their neighbours is not known",
            remedy="give the dates of exposure themselves with exposed=",
        )
    known = pd.Index(panel.unit)
    unit, neighbour = (known.get_indexer(pd.Index(ends)) for ends in (links.unit, links.neighbour))
    ours = unit >= 0
    if not ours.any():
        raise InputError(
            "no unit of edges= is in the data",
            column="unit",
            remedy="write ids in edges= as the unit column of the data does (1 and '1' are two ids)",
        )
    _refuse(
        ours & (neighbour < 0),
        "edges= names neighbours that are not in the data, so when they were treated is not known",
        "neighbour",
        "add their rows to the data, or remove these links and say so",
    )
    if not ours.all():
        gone = int((~ours).sum())
        notes.append(
            f"{counted(gone, 'link')} of units that are not in the data {'was' if gone == 1 else 'were'} left out"
        )
    u, v, w = unit[ours], neighbour[ours], links.weight[ours]
    n, width = panel.y.shape
    if len(u) > 1 and not np.isin(v * n + u, u * n + v).any():
        notes.append(
            "no link of edges= is listed in both directions: each was read as neighbour -> unit (the neighbour's "
            "treatment reaches the unit) and not back; list mutual links in both directions"
        )
    total = np.bincount(u, w, minlength=n)
    reach = csr_array((w / total[u], (u, v)), shape=(n, n))
    start = panel.start if panel.cohorts is None else panel.cohorts.start
    on = (start[:, None] == ALWAYS) | ((start >= 0)[:, None] & (np.arange(width) >= start[:, None]))
    share = np.asarray(reach @ on.astype(float))
    hit = share > 0 if least == "any" else share >= float(least) * (1 - _ROUNDING)
    first = np.where(hit.any(axis=1), hit.argmax(axis=1), UNTREATED)
    alone = int((total == 0).sum())
    said_so = "any neighbour is treated" if least == "any" else f"at least {least:.4g} of its neighbours are treated"
    notes.append(
        f"a unit counts as exposed once {said_so}"
        + (
            f"; {counted(alone, 'unit')} {'has' if alone == 1 else 'have'} no neighbour to be exposed by"
            if alone
            else ""
        )
    )
    has_base = position[np.maximum(first, 0)] - options["anticipation"] > position[0]
    return np.where((first >= 0) & ~has_base, ALWAYS, first).astype(np.int64)


def _earlier(one: IntArray, other: IntArray) -> IntArray:
    late = np.iinfo(np.int64).max
    first = np.minimum(*(np.where(x == UNTREATED, late, x) for x in (one, other)))  # ALWAYS lies before all columns
    return np.where(first == late, UNTREATED, first)


def _apart(panel: Panel, first: IntArray, notes: list[str]) -> Panel:
    start = panel.start
    treated, untreated = start >= 0, start == UNTREATED
    own = first >= 0
    # Exposure from the start of one's own treatment on is part of what the roll-out did to the treated.
    counts = own & (untreated | (treated & (first < start)))
    gone = (first == ALWAYS) & (untreated | treated)
    if not counts.any() and not gone.any():
        raise DesignError(
            "no unit was exposed before or without its own treatment, so there is no spillover to set apart",
            remedy="leave exposed= and edges= out, or check the dates and links (a link is read as neighbour -> unit: "
            "list mutual ones in both directions)",
        )
    dropped = dict(panel.dropped)
    if gone.any():
        dropped["units exposed from the first period on"] = int(gone.sum())
        notes.append(
            f"{int(gone.sum()):,} units were exposed from the first period on, {int((gone & treated).sum()):,} of them "
            "treated later: they have no period before and are left out"
        )
    exposed = np.where(counts, first, UNTREATED)
    exposed = np.where(gone | (start == ALWAYS), ALWAYS, exposed)
    apart = np.where(gone | (counts & untreated), ALWAYS, start)
    return replace(panel, start=apart, exposed=exposed, notes=notes, dropped=dropped)
