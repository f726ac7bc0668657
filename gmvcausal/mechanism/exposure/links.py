"""Links between users, from a frame of two columns to a sparse matrix whose rows add up to one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.columns import first_rows, id_values, numeric
from gmvcausal.frames.params import counted, said
from gmvcausal.frames.table import open_table
from gmvcausal.frames.times import times

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
_NAMED = ("unit", "neighbour")


@dataclass(frozen=True)
class LinksAsked:
    """How the frame of links is read."""

    ends: Any = None
    weight: str | None = None
    directed: bool = False
    outside: str = "raise"
    time: str | None = None
    start: Any = None


@dataclass(frozen=True, eq=False)
class Network:
    """Who reaches whom.

    Attributes
    ----------
    weights : sparse array, shape (n, n)
        Row i holds the neighbours whose treatment reaches unit i, with weights that add up to one.
    weighted : bool
    links : int
        Links (pairs, where they hold in both directions).
    late : int or None
        Links made after the start; None where the time of links is not known.
    outside : float or None
        Share of links to users who are not in the data; None unless these are to be left out.
    """

    weights: Any
    weighted: bool
    links: int
    late: int | None
    notes: list[str] = field(repr=False)
    dropped: dict[str, int] = field(repr=False)
    outside: float | None = None

    @property
    def degree(self) -> NDArray[np.int64]:
        """Neighbours of each unit."""
        return np.asarray(np.diff(self.weights.indptr), dtype=np.int64)


def _refuse(bad: BoolArray, what: str, column: str | None, remedy: str) -> None:
    if bad.any():
        raise InputError(what, column=column, count=int(bad.sum()), rows=first_rows(bad), remedy=remedy)


def read_links(edges: Any, ids: NDArray[Any], asked: LinksAsked) -> Network:
    """Read the links between the users `ids`.

    Raises
    ------
    InputError
        No two columns of ids; gaps; a user linked to itself; a link given twice; users who are not in the data; weights
        that are not positive.
    DesignError
        No link is left.
    """
    extra = [c for c in (asked.weight, asked.time) if c is not None]
    table = open_table(edges, "edges")
    ends = _ends(table.columns, asked.ends, extra)
    table = open_table(edges, "edges", needed=dict.fromkeys((*ends, *extra), "edges"))
    one, other = (id_values(table, c, "end of a link") for c in ends)
    _same_kind(ids, one, other, ends)
    known = pd.Index(ids)
    u, v = known.get_indexer(pd.Index(one)), known.get_indexer(pd.Index(other))
    notes: list[str] = []
    dropped: dict[str, int] = {}
    inside = (u >= 0) & (v >= 0)
    if not inside.any():
        raise InputError("no link of edges= joins two users of the data", column=ends[0],
                         remedy="write ids in edges= as the unit column does (1 and '1' are two ids)")  # fmt: skip
    if not inside.all() and asked.outside == "raise":
        _refuse(~inside, "edges= names users who are not in the data, so whether they were treated is not known",
                ends[1], "add their rows, or pass outside='drop' to leave these links out, and say so")  # fmt: skip
    _refuse(inside & (u == v), "a user is linked to itself", ends[1], "remove these rows of edges=")
    if not inside.all():
        dropped["links to users who are not in the data"] = int((~inside).sum())
        notes.append(
            f"{counted(int((~inside).sum()), 'link')} to users who are not in the data left out (outside='drop'): "
            "exposure is counted among users of the data"
        )
    weight = np.ones(len(u))
    if asked.weight is not None:
        weight = numeric(table, asked.weight, "weight of edges", missing="give every link a weight").values
        _refuse(~(weight > 0), "weights of links must be positive", asked.weight, "remove links that should not count")
    late = _late(table, asked, inside)
    return _matrix(u, v, weight, inside, len(ids), asked, ends, late, notes, dropped)


def _ends(columns: list[str], given: Any, extra: list[str]) -> tuple[str, str]:
    if given is not None:
        ok = isinstance(given, list | tuple) and len(given) == 2 and all(isinstance(c, str) for c in given)
        if not ok or given[0] == given[1]:
            raise InputError(f"ends must name two columns of edges=, but is {said(given)}",
                             remedy="write ends=('user', 'friend')")  # fmt: skip
        return str(given[0]), str(given[1])
    if set(_NAMED) <= set(columns):
        return _NAMED
    left = [c for c in columns if c not in extra]
    if len(left) != 2:
        raise InputError(
            f"edges= has the columns {', '.join(map(repr, left[:8]))}, and which two are the ends is not said",
            remedy="pass ends=('user', 'friend'), and weight= or edge_time= for the others that matter",
        )
    return left[0], left[1]


def _same_kind(ids: NDArray[Any], one: NDArray[Any], other: NDArray[Any], ends: tuple[str, str]) -> None:
    for found, column in ((one, ends[0]), (other, ends[1])):
        if ("O" in (ids.dtype.kind, found.dtype.kind)) and ids.dtype.kind != found.dtype.kind:
            kinds = ("text", "whole numbers")
            text = found.dtype.kind == "O"
            raise InputError(
                f"edges= holds {kinds[not text]} where the unit column of the data holds {kinds[text]}", column=column,
                remedy="write ids in both alike (1 and '1' are two ids)",
            )  # fmt: skip


def _late(table: Any, asked: LinksAsked, inside: BoolArray) -> int | None:
    """How many links are younger than the treatment."""
    if asked.time is None:
        return None
    if asked.start is None:
        raise InputError("edge_time= says when links were made, and start= does not say when treatment began",
                         remedy="pass start=, for example start='2026-11-01'")  # fmt: skip
    clock = times(table, asked.time, "edge_time")
    begin = times(open_table(pd.DataFrame({"start": [asked.start]}), "start"), "start", "start")
    if begin.is_date != clock.is_date:
        raise InputError("edge_time holds dates and start= does not, or the other way round", column=asked.time,
                         remedy="write both in the same way")  # fmt: skip
    return int((inside & (clock.values >= begin.values[0])).sum())


def _matrix(
    u: NDArray[Any], v: NDArray[Any], weight: FloatArray, inside: BoolArray, n: int, asked: LinksAsked,
    ends: tuple[str, str], late: int | None, notes: list[str], dropped: dict[str, int],
) -> Network:  # fmt: skip
    from scipy.sparse import csr_array

    rows = np.flatnonzero(inside)
    u, v, weight = u[rows].astype(np.int64), v[rows].astype(np.int64), weight[rows]
    key = u * n + v
    again = _again(key)
    if again.any():
        _refuse(_spread(again, rows, len(inside)), "a link is listed more than once", ends[1],
                "list each link once, for example edges.drop_duplicates()")  # fmt: skip
    if not asked.directed:
        pair = np.minimum(u, v) * n + np.maximum(u, v)
        again = _again(pair)
        if again.any():
            if asked.weight is not None:
                place = pd.Series(weight).groupby(pair).transform("nunique").to_numpy() > 1
                _refuse(_spread(place, rows, len(inside)), "the two directions of a link have weights that differ",
                        asked.weight, "pass directed=True, or give both the same weight")  # fmt: skip
            notes.append(f"{counted(int(again.sum()), 'link')} listed in both directions counted once each")
            u, v, weight = u[~again], v[~again], weight[~again]
        links = len(u)
        u, v, weight = np.concatenate([u, v]), np.concatenate([v, u]), np.concatenate([weight, weight])
        notes.append(f"{counted(links, 'link')}, taken to hold in both directions (directed=False)")
    else:
        links = len(u)
        notes.append(f"{counted(links, 'link')}: the treatment of {ends[1]!r} reaches {ends[0]!r} (directed=True)")
    if not links:
        raise DesignError("no link is left", remedy="check edges= and outside=")
    found = csr_array((weight, (u, v)), shape=(n, n))
    total: FloatArray = found.sum(axis=1)
    found.data /= np.repeat(total, np.diff(found.indptr))
    weighted = asked.weight is not None and bool((weight != weight[0]).any())
    outside = float((~inside).mean()) if asked.outside == "drop" else None
    return Network(found, weighted, links, late, notes, dropped, outside)


def _again(key: NDArray[np.int64]) -> BoolArray:
    """Which keys occurred before."""
    return np.asarray(pd.Series(key).duplicated().to_numpy(), dtype=bool)


def _spread(mask: BoolArray, rows: NDArray[np.int64], n: int) -> BoolArray:
    """A mask over chosen rows as one over all."""
    out = np.zeros(n, dtype=bool)
    out[rows[mask]] = True
    return out
