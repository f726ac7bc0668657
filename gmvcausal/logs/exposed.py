"""Exposures in numbers: which unit lies under which tactic, in which periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import texts
from gmvcausal.frames.params import said
from gmvcausal.frames.table import quote
from gmvcausal.logs.calendar import IntArray, StampArray
from gmvcausal.logs.cells import Units
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.span import Span

_LISTED = 20


@dataclass(frozen=True)
class Exposed:
    """Exposures of the chosen tactics, in numbers.

    Attributes
    ----------
    unit : ndarray of int64, shape (exposures,)
    tactic : ndarray of int64, index into `labels`
    labels : list
        The tactics, sorted.
    start, end : ndarray of datetime64[us]
        End NaT where none is known.
    """

    unit: IntArray
    tactic: IntArray
    labels: list[Any]
    start: StampArray
    end: StampArray


def labels_of(logs: Logs) -> list[Any]:
    """All tactics of the exposures, sorted."""
    exposures = logs.need("exposures", "a tactic")
    if "tactics" not in logs._cache:
        found = logs._space.numpy(f'SELECT DISTINCT "tactic" AS t FROM {exposures.sql} ORDER BY t', "exposures")["t"]
        logs._cache["tactics"] = [v.item() if isinstance(v, np.generic) else str(v) for v in found]
    return list(logs._cache["tactics"])


def choose(logs: Logs, tactic: Any) -> list[Any]:
    """The labels that `tactic` names: all, one or several, checked against the exposures."""
    known = labels_of(logs)
    if tactic is None:
        return known
    several = isinstance(tactic, list | tuple | set | frozenset | np.ndarray | pd.Series | pd.Index)
    wanted = list(tactic) if several else [tactic]
    if not wanted:
        raise InputError("tactic is an empty list", remedy="name at least one tactic, or leave tactic out for all")
    by_text = {str(label): label for label in known}
    out: list[Any] = []
    for label in wanted:
        plain = label.item() if isinstance(label, np.generic) else label
        text = texts.safe(str(plain))
        if text not in by_text:
            listed = ", ".join(repr(texts.original(k)) for k in known)
            # Of so many labels some may be of people: a column of ids taken for the tactic.
            few = len(known) <= _LISTED
            held = f"the tactics are {listed}" if few else f"there are {len(known):,} tactics, and it is none of them"
            raise InputError(f"tactic {said(plain)} does not occur in exposures", remedy=held)
        out.append(by_text[text])
    return list(dict.fromkeys(out))


def nobody() -> Exposed:
    """No exposures at all, for logs that were given none."""
    none, never = np.zeros(0, dtype=np.int64), np.zeros(0, dtype="datetime64[us]")
    return Exposed(none, none, [], never, never)


def read_exposures(logs: Logs, units: Units, labels: Sequence[Any]) -> Exposed:
    """Exposures of the tactics `labels`, by unit.

    Raises
    ------
    InputError
        Exposures do not name this unit, or an exposure ends before it starts.
    """
    exposures = logs.need("exposures", "a tactic")
    if units.role not in exposures.kinds:
        raise InputError(
            f"exposures have no column for the role {units.role!r}, so no {units.role} can be called treated",
            remedy=f"give exposures by {units.role}, or choose the unit that exposures name",
        )
    q = quote(units.role)
    end = 'epoch_us("end")' if "end" in exposures.kinds else "CAST(NULL AS BIGINT)"
    if "end" in exposures.kinds:
        wrong = '"end" < "start"'
        count = int(logs._space.row(f"SELECT count(*) FILTER (WHERE {wrong}) FROM {exposures.sql}", "exposures")[0])
        if count:
            raise InputError(
                "an exposure ends before it starts",
                column=exposures.roles["end"],
                count=count,
                rows=exposures.first_rows(wrong),
                remedy="correct these rows at their source",
            )
    not_a_time = np.iinfo(np.int64).min  # how numpy writes NaT
    found = logs._space.numpy(
        f'SELECT {q} AS id, "tactic" AS tactic, epoch_us("start") AS start, coalesce({end}, {not_a_time}) AS "end" '
        f"FROM {exposures.sql}",
        "exposures",
    )
    position = {label: i for i, label in enumerate(labels)}
    codes, distinct = pd.factorize(np.asarray(found["tactic"]))
    known = [position.get(v.item() if isinstance(v, np.generic) else v, -1) for v in distinct]
    tactic = np.array(known, dtype=np.int64)[codes]
    chosen = tactic >= 0
    return Exposed(
        units.codes(found["id"][chosen]),
        tactic[chosen],
        list(labels),
        np.asarray(found["start"][chosen]).astype("datetime64[us]"),
        np.asarray(found["end"][chosen]).astype("datetime64[us]"),
    )


def active(unit: IntArray, first: IntArray, last: IntArray, units: int, periods: int) -> NDArray[Any]:
    """How many exposures are active in each cell, from period `first` to `last` inclusive.

    Parameters
    ----------
    unit, first, last : ndarray of int64, shape (exposures,)
        Periods may lie outside the panel.

    Returns
    -------
    ndarray of int16 (int32 where a unit has more exposures than int16 can count), shape (units, periods)
    """
    inside = (last >= 0) & (first < periods) & (last >= first)
    unit, first, last = unit[inside], np.maximum(first[inside], 0), np.minimum(last[inside], periods - 1)
    most = int(np.bincount(unit).max()) if len(unit) else 0
    kind = np.int16 if most <= np.iinfo(np.int16).max else np.int32
    steps = np.zeros((units, periods + 1), dtype=kind)
    np.add.at(steps, (unit, first), 1)
    np.add.at(steps, (unit, last + 1), -1)
    return np.cumsum(steps[:, :-1], axis=1, dtype=kind)


def periods_of(span: Span, exposed: Exposed) -> tuple[IntArray, IntArray]:
    """First and last period of each exposure; one without an end lasts to the end of the panel."""
    first = span.grid.index(exposed.start)
    endless = np.isnat(exposed.end)
    last = np.where(endless, span.periods - 1, span.grid.index(np.where(endless, exposed.start, exposed.end)))
    # An endless exposure that starts after the panel stays outside it.
    return first, np.maximum(last, first)
