"""Moments where the rows lie: the text of the sums, in the part of DuckDB's dialect that other engines have too.

Two scans: the means of the groups, then sums and products about them, which therefore keep their digits under any
offset; what the rounding of the first scan left is corrected exactly. Where numbers near the means are known before,
the second scan is enough. Only p x p numbers for each group come out, and
for each cluster of a group where clusters are asked for.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.table import literal, quote
from gmvcausal.moments.core import CellProducts, ClusterCells, FloatArray, Moments, add

if TYPE_CHECKING:
    from gmvcausal.frames.engines.engine import Engine

_FAR = 1e4  # squared distance of a mean from where its sums are made, in variances


@dataclass(frozen=True)
class Grouping:
    """Rows, their groups and their values, as expressions of SQL.

    Attributes
    ----------
    source : str
        What stands after FROM.
    keys : tuple of str
        One or several, which together are the group; none of them missing.
    values : tuple of str
        DOUBLE, none of them missing or infinite.
    cluster : str or None
        Asks for the cluster level.
    held : tuple of int
        Places of the values whose products with all others are wanted by cluster.
    near : tuple of float, or None
        A number for each value that lies among its values, where one is known: if it lies near enough to the means of
        the groups, their sums are made about it and the first scan is saved.
    """

    source: str
    keys: tuple[str, ...]
    values: tuple[str, ...]
    cluster: str | None = None
    held: tuple[int, ...] = ()
    near: tuple[float, ...] | None = None

    @property
    def named(self) -> list[str]:
        """Names of the keys in the statements."""
        return [f"k{i}" for i in range(len(self.keys))]

    @property
    def rows(self) -> str:
        """A statement of the rows with columns k0, k1, ..., x0, x1, ... and c."""
        listed = [f"{key} AS {k}" for key, k in zip(self.keys, self.named, strict=True)]
        listed += [f"{value} AS x{j}" for j, value in enumerate(self.values)]
        listed += [] if self.cluster is None else [f"{self.cluster} AS c"]
        return f"SELECT {', '.join(listed)} FROM {self.source}"


def grouped(space: Engine, what: Grouping, name: str = "data") -> Moments:
    """Moments of expressions by group, computed inside an engine.

    Parameters
    ----------
    space : Engine
        The engine.
    what : Grouping
    name : str
        What messages call the rows.

    Returns
    -------
    Moments
        Keys in sorted order: labels where there is one key, else tuples of these.

    Raises
    ------
    InputError
        Missing or infinite values, or what the engine cannot read.

    Examples
    --------
    >>> from gmvcausal.frames.engines.duck import DuckEngine
    >>> space = DuckEngine()
    >>> found = grouped(space, Grouping("range(9) t(i)", ("i % 2",), ("CAST(i AS DOUBLE)",)))
    >>> found.keys, found.mean[:, 0].tolist(), found.cross[:, 0, 0].tolist()
    ((0, 1), [4.0, 4.0], [40.0, 20.0])
    >>> space.close()
    """
    if what.near is not None:
        about = f"SELECT {', '.join([*what.named, *_cluster(what), *_moved(what, map(literal, what.near))])}"
        found = _centred(space, what, f"{about} FROM ({what.rows}) AS t", name)
        if _near_enough(found):
            return _finished(space, what, found, name)
    p, named = len(what.values), what.named
    sums = [f"avg(x{j}) AS a{j}, count(x{j}) AS c{j}" for j in range(p)]
    group = ", ".join(named)
    text = f"SELECT {', '.join([group, *sums, 'count(*) AS n'])} FROM ({what.rows}) AS t GROUP BY {group}"
    first = space.numpy(text, name)
    if len(first["n"]) == 0:
        return Moments((), np.zeros(0), np.zeros((0, p)), np.zeros((0, p, p)), np.zeros((0, p)))
    shift, gone = _columns(first, "a", p), _columns(first, "c", p) < _floats(first["n"])[:, None]
    if gone.any() or not np.isfinite(shift).all() or any(v is None for k in named for v in _plain(first[k])):
        _refuse_gaps(space, what, name)
    view = _means(space, first, named, p)
    on = " AND ".join(f"t.{k} = m.{k}" for k in named)
    listed = [*(f"t.{k} AS {k}" for k in named), *_cluster(what), *_moved(what, (f"m.a{j}" for j in range(p)))]
    deviations = f"SELECT {', '.join(listed)} FROM ({what.rows}) AS t JOIN {quote(view)} AS m ON {on}"
    found = _centred(space, what, deviations, name)
    order = _sorted(first, named)
    return _finished(space, what, found._replace(shift=shift[order]), name)


class _Centred(NamedTuple):
    """Sums of the groups about `shift`, and the statement of the rows' distances from it."""

    deviations: str
    keys: tuple[Hashable, ...]
    n: FloatArray
    shift: FloatArray
    total: FloatArray
    product: FloatArray


def _cluster(what: Grouping) -> list[str]:
    return [] if what.cluster is None else ["t.c AS c"]


def _moved(what: Grouping, by: Iterable[str]) -> list[str]:
    return [f"t.x{j} - {shift} AS d{j}" for j, shift in zip(range(len(what.values)), by, strict=True)]


def _centred(space: Engine, what: Grouping, deviations: str, name: str) -> _Centred:
    """The scan that makes sums and products."""
    p, group = len(what.values), ", ".join(what.named)
    pairs = [(i, j) for i in range(p) for j in range(i, p)]
    listed = [group, "count(*) AS n", *_totals(p), *(f"sum(d{i} * d{j}) AS q{i}_{j}" for i, j in pairs)]
    found = space.numpy(f"SELECT {', '.join(listed)} FROM ({deviations}) AS t GROUP BY {group}", name)
    order = _sorted(found, what.named)
    n = _floats(found["n"])[order]
    product = np.empty((len(n), p, p))
    for i, j in pairs:
        product[:, i, j] = product[:, j, i] = _floats(found[f"q{i}_{j}"])[order]
    shift = np.tile(np.array(what.near if what.near is not None else [0.0] * p), (len(n), 1))
    return _Centred(deviations, _keys(found, what.named, order), n, shift, _columns(found, "s", p)[order], product)


def _near_enough(found: _Centred) -> bool:
    """Whether the sums were made so near to the means that they cost no more than four digits of sixteen."""
    square = np.einsum("kii->ki", found.product)
    moved = found.total**2 / np.maximum(found.n, 1.0)[:, None]
    return bool((np.isfinite(square) & (moved <= _FAR * np.maximum(square - moved, 0.0))).all())


def _finished(space: Engine, what: Grouping, found: _Centred, name: str) -> Moments:
    n, total, off = found.n, found.total, found.total / found.n[:, None]
    cross = found.product - total[:, :, None] * off[:, None, :]
    mean, rest = add(found.shift, off)
    cells = None if what.cluster is None else _cells(space, what, found, off, name)
    return Moments(found.keys, n, mean, (cross + cross.transpose(0, 2, 1)) / 2, rest, cells)


def _totals(p: int) -> list[str]:
    return [f"sum(d{j}) AS s{j}" for j in range(p)]


def _means(space: Engine, first: dict[str, Any], named: list[str], p: int) -> str:
    """The means as a table of the engine."""
    import pyarrow as pa

    view = space.new_name("means")
    columns = {k: pa.array(_plain(first[k])) for k in named}
    space.register(view, pa.table({**columns, **{f"a{j}": _floats(first[f"a{j}"]) for j in range(p)}}))
    return view


def _cells(space: Engine, what: Grouping, made: _Centred, off: FloatArray, name: str) -> ClusterCells:
    """Counts and means by group and cluster; `off` is how far the groups' means lie from where sums were made."""
    shift = made.shift
    p, named = shift.shape[1], what.named
    by = ", ".join([*named, "c"])
    pairs = sorted({(min(i, j), max(i, j)) for i in what.held for j in range(p)})
    listed = [by, "count(*) AS n", *_totals(p), *(f"sum(d{i} * d{j}) AS q{i}_{j}" for i, j in pairs)]
    found = space.numpy(f"SELECT {', '.join(listed)} FROM ({made.deviations}) AS t GROUP BY {by}", name)
    if np.ma.getmaskarray(np.ma.asarray(found["c"])).any():
        _refuse_gaps(space, what, name)
    at, cluster = _places(found, named, made.keys), np.asarray(np.ma.getdata(found["c"]))
    order = np.lexsort((np.unique(cluster, return_inverse=True)[1], at))
    at, cluster = at[order], cluster[order]
    n, total = _floats(found["n"])[order], _columns(found, "s", p)[order]
    products = None
    if what.held:
        cross = np.empty((len(n), len(what.held), p))
        for i, h in enumerate(what.held):
            for j in range(p):
                product = _floats(found[f"q{min(h, j)}_{max(h, j)}"])[order]
                moved = off[at, h] * total[:, j] + off[at, j] * total[:, h] - n * off[at, h] * off[at, j]
                cross[:, i, j] = product - moved
        products = CellProducts(what.held, total - n[:, None] * off[at], cross)
    return ClusterCells(at, cluster, n, shift[at] + total / n[:, None], products)


# --- what comes back --------------------------------------------------------------------------------------------------
def _floats(column: Any) -> FloatArray:
    """A column as float64, NaN where it is missing."""
    return np.asarray(np.ma.filled(np.ma.asarray(column).astype(float), np.nan), dtype=float)


def _columns(found: dict[str, Any], stem: str, p: int) -> FloatArray:
    return np.stack([_floats(found[f"{stem}{j}"]) for j in range(p)], axis=1) if p else np.zeros((len(found["n"]), 0))


def _plain(column: Any) -> list[Any]:
    """A column as Python's own values, None where it is missing."""
    return list(np.ma.asarray(column).tolist())


def _sorted(found: dict[str, Any], named: Sequence[str]) -> NDArray[np.int64]:
    columns = [_plain(found[k]) for k in named]
    rows = list(zip(*columns, strict=True))
    return np.array(sorted(range(len(rows)), key=lambda i: tuple((v is None, v) for v in rows[i])), dtype=np.int64)


def _keys(found: dict[str, Any], named: Sequence[str], order: NDArray[np.int64]) -> tuple[Hashable, ...]:
    rows = list(zip(*(_plain(found[k]) for k in named), strict=True))
    return tuple(rows[i] if len(named) > 1 else rows[i][0] for i in order)


def _places(found: dict[str, Any], named: Sequence[str], keys: tuple[Hashable, ...]) -> NDArray[np.int64]:
    """The place of each row's key among `keys`; rows may be many, so no loop passes over them."""
    code = np.zeros(len(found["n"]), dtype=np.int64)
    for k in named:
        labels, own = np.unique(np.asarray(np.ma.getdata(found[k])), return_inverse=True)
        code = code * len(labels) + own
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    few = {k: np.ma.asarray(found[k])[first] for k in named}
    place = {key: i for i, key in enumerate(keys)}
    return np.array([place[key] for key in _keys(few, named, np.arange(len(first)))], dtype=np.int64)[inverse]


def _refuse_gaps(space: Engine, what: Grouping, name: str) -> None:
    """Missing or infinite values would silently change which rows are counted, so they are refused."""
    # Not isfinite, a name that few engines know.
    bad = "{0} IS NULL OR isnan({0}) OR abs({0}) > 1.7976931348623157e308"
    tests = {value: bad.format(f"x{j}") for j, value in enumerate(what.values)}
    tests |= {key: f"{k} IS NULL" for key, k in zip(what.keys, what.named, strict=True)}
    tests |= {} if what.cluster is None else {what.cluster: "c IS NULL"}
    listed = ", ".join(f"count(*) FILTER (WHERE {test}) AS n{i}" for i, test in enumerate(tests.values()))
    for expression, count in zip(tests, space.row(f"SELECT {listed} FROM ({what.rows}) AS t", name), strict=True):
        if count:
            raise InputError(
                "moments need complete, finite columns",
                column=expression.removeprefix('"').removesuffix('"'),
                count=int(count),
                remedy="leave these rows out or fill them deliberately first",
            )
