"""Moments in memory, in DuckDB and in rational arithmetic: the same to ten digits, whatever the type and offset."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gmvcausal import InputError
from gmvcausal.frames.engines.duck import DuckEngine
from gmvcausal.frames.table import quote
from gmvcausal.moments import Moments, from_arrays, merge
from gmvcausal.moments.sql import Grouping, grouped

N, P, K = 90, 3, 3
# Means and products cross a border relative to their own size.
TEN_DIGITS = {"rtol": 1e-10, "atol": 0.0}

DTYPES = {
    "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT",
    "uint8": "UTINYINT", "uint16": "USMALLINT", "uint32": "UINTEGER", "uint64": "UBIGINT", "HUGEINT": "HUGEINT",
    "float32": "FLOAT", "float64": "DOUBLE", "decimal": "DECIMAL(20, 2)",
}  # fmt: skip


def table(offset: float = 0.0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.integers(0, 120, (N, P)) + offset, columns=["a", "b 元", 'c"'])
    return frame.assign(g=rng.integers(0, K, N), c=rng.integers(0, 12, N))


VALUES = ["a", "b 元", 'c"']


def exact(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts, means and centred products in rational arithmetic, rounded once at the end."""
    n, mean, cross = np.zeros(K), np.zeros((K, P)), np.zeros((K, P, P))
    for k in range(K):
        rows = [[Fraction(float(v)) for v in row] for row in frame.loc[frame["g"] == k, VALUES].to_numpy()]
        m = [sum(column, Fraction(0)) / len(rows) for column in zip(*rows, strict=True)]
        n[k], mean[k] = len(rows), [float(v) for v in m]
        cross[k] = [[float(sum((r[i] - m[i]) * (r[j] - m[j]) for r in rows)) for j in range(P)] for i in range(P)]
    return n, mean, cross


def check(found: Moments, frame: pd.DataFrame) -> None:
    n, mean, cross = exact(frame)
    np.testing.assert_array_equal(found.n, n)
    np.testing.assert_allclose(found.mean, mean, **TEN_DIGITS)
    scale = np.sqrt(np.einsum("kii,kjj->kij", cross, cross))
    np.testing.assert_allclose(found.cross / scale, cross / scale, rtol=0, atol=1e-10)


def in_memory(frame: pd.DataFrame) -> Moments:
    return from_arrays(
        frame[VALUES].to_numpy(dtype=float), frame["g"].to_numpy(), tuple(range(K)), frame["c"].to_numpy()
    )


def in_duckdb(frame: pd.DataFrame, sql_type: str = "DOUBLE") -> Moments:
    columns = tuple(f"CAST(CAST({quote(v)} AS {sql_type}) AS DOUBLE)" for v in VALUES)
    with contextlib.closing(DuckEngine()) as space:
        space.register("rows", pa.Table.from_pandas(frame))
        return grouped(space, Grouping('"rows"', ("g",), columns, "c"))


@pytest.mark.parametrize("offset", [0.0, 1e9])
@pytest.mark.parametrize("dtype", list(DTYPES))
def test_every_dtype_against_exact_arithmetic(dtype: str, offset: float) -> None:
    if offset and dtype in ("int8", "int16", "uint8", "uint16"):
        offset = 0.0 if "8" in dtype else 3e4
    frame = table(offset)
    if dtype == "float32":
        frame[VALUES] = frame[VALUES].astype("float32").astype(float)  # what a float32 holds is what is averaged
    check(in_duckdb(frame, DTYPES[dtype]), frame)
    check(in_memory(frame), frame)


@pytest.mark.parametrize("offset", [0.0, 1e7, 1e9, -1e12])
def test_memory_and_duckdb_agree_with_their_cells(offset: float) -> None:
    frame = table(offset, seed=3)
    a, b = in_memory(frame), in_duckdb(frame)
    assert a.cells is not None and b.cells is not None
    by_hand = frame.assign(n=1.0).groupby(["g", "c"], as_index=False).agg({**dict.fromkeys(VALUES, "mean"), "n": "sum"})
    for cells in (a.cells, b.cells):
        order = np.lexsort((cells.cluster, cells.group))
        np.testing.assert_array_equal(cells.group[order], by_hand["g"])
        np.testing.assert_array_equal(cells.cluster[order], by_hand["c"])
        np.testing.assert_array_equal(cells.n[order], by_hand["n"])
        np.testing.assert_allclose(
            cells.mean[order] - offset, by_hand[VALUES] - offset, rtol=1e-9, atol=np.spacing(abs(offset)) * 4
        )
    np.testing.assert_allclose(a.cross, b.cross, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_merge_is_associative_and_commutative(offset: float) -> None:
    frame = table(offset, seed=5)
    parts = [in_memory(frame.iloc[rows]) for rows in np.array_split(np.random.default_rng(1).permutation(N), 4)]
    left = merge(merge(merge(parts[0], parts[1]), parts[2]), parts[3])
    right = merge(parts[0], merge(parts[1], merge(parts[2], parts[3])))
    turned = merge(merge(parts[3], parts[2]), merge(parts[1], parts[0]))
    nothing = from_arrays(np.zeros((0, P)), np.zeros(0, int), (0, 1), np.zeros(0, int))
    for whole in (left, right, turned, merge(nothing, left), merge(left, nothing)):
        check(whole, frame)
        assert whole.cells is not None and left.cells is not None
        order = np.lexsort((whole.cells.cluster, whole.cells.group))
        first = np.lexsort((left.cells.cluster, left.cells.group))
        np.testing.assert_array_equal(whole.cells.n[order], left.cells.n[first])
        np.testing.assert_allclose(
            whole.cells.mean[order] - offset, left.cells.mean[first] - offset, rtol=1e-7, atol=1e-6
        )


def test_select_orders_and_fills() -> None:
    whole = in_memory(table())
    chosen = whole.select((2, "nobody", 0))
    np.testing.assert_array_equal(chosen.n, [whole.n[2], 0, whole.n[0]])
    np.testing.assert_array_equal(chosen.cross[2], whole.cross[0])
    assert chosen.cells is not None and set(chosen.cells.group) == {0, 2}
    assert chosen.cells.n[chosen.cells.group == 0].sum() == whole.n[2]


def test_groups_left_out_and_empty_groups() -> None:
    frame = table()
    group = frame["g"].to_numpy().copy()
    group[group == 1] = -1
    found = from_arrays(frame[VALUES].to_numpy(dtype=float), group, (0, 1, 2))
    assert found.n[1] == 0 and not found.mean[1].any() and not found.cross[1].any()
    np.testing.assert_allclose(found.mean[[0, 2]], exact(frame)[1][[0, 2]], **TEN_DIGITS)


def test_blocks_do_not_show() -> None:
    """More rows than one block: groups that lie far apart and drift within themselves keep their digits."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(70_000, 2)) + np.arange(70_000)[:, None] / 1e4
    group = np.arange(70_000) % 2
    x[group == 1] += 1e9
    found = from_arrays(x, group, ("a", "b"))
    for k in (0, 1):
        part = x[group == k].astype(np.longdouble)
        centred = part - part.mean(axis=0)
        np.testing.assert_allclose(found.cross[k], (centred.T @ centred).astype(float), rtol=1e-10)


def test_unlike_moments_do_not_merge() -> None:
    one = from_arrays(np.ones((2, 1)), np.zeros(2, int), ("a",))
    with pytest.raises(InputError, match="cannot be merged"):
        merge(one, from_arrays(np.ones((2, 2)), np.zeros(2, int), ("a",)))
    with pytest.raises(InputError, match="cluster level"):
        merge(one, from_arrays(np.ones((2, 1)), np.zeros(2, int), ("a",), np.zeros(2, int)))


def test_more_groups_than_a_short_integer_counts() -> None:
    k = 2**15 + 3
    group = np.random.default_rng(1).permutation(np.r_[np.arange(k), np.arange(k), [-1, -1]])
    values = np.random.default_rng(2).normal(size=(len(group), 1))
    found = from_arrays(values, group, tuple(range(k)))
    inside = group >= 0
    np.testing.assert_array_equal(found.n, 2.0)
    sums = np.bincount(group[inside], values[inside, 0])
    np.testing.assert_allclose(found.mean[:, 0], sums / 2, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_weighted_moments_by_definition_and_merged(offset: float) -> None:
    frame = table(offset, seed=5)
    x, g, c = frame[VALUES].to_numpy(dtype=float), frame["g"].to_numpy(), frame["c"].to_numpy()
    w = np.random.default_rng(6).uniform(0.1, 4.0, N)
    whole = from_arrays(x, g, (0, 1, 2), c, w)
    half = np.arange(N) < 37
    joined = merge(
        from_arrays(x[half], g[half], (0, 1, 2), c[half], w[half]),
        from_arrays(x[~half], g[~half], (0, 1, 2), c[~half], w[~half]),
    )
    # A group that only one side has, and the groups in another order.
    parts = merge(
        from_arrays(x, np.where(g == 2, 0, -1), (2,), c, w), from_arrays(x, np.where(g < 2, g, -1), (0, 1), c, w)
    )
    for found in (whole, joined.select((0, 1, 2)), parts.select((0, 1, 2))):
        assert found.weighted is not None and found.cells is not None
        for k in range(K):
            own, v = x[g == k] - offset, w[g == k]
            mean = v @ own / v.sum()
            assert found.n[k] == pytest.approx(v.sum(), rel=1e-12)
            assert found.count[k] == (g == k).sum()
            np.testing.assert_allclose((found.mean[k] - offset) + found.rest[k], mean, rtol=1e-10)
            z = np.column_stack([own - mean, np.ones(len(own))]) * v[:, None]
            np.testing.assert_allclose(found.cross[k], (own - mean).T @ (v[:, None] * (own - mean)), rtol=1e-7)
            near = 1e-10 if offset == 0 else 1e-6  # `square` lies about the rounded mean
            np.testing.assert_allclose(found.weighted.square[k], z.T @ z, rtol=near, atol=near * (z * z).sum())
            np.testing.assert_allclose(found.weighted.powers[k], [(v**j).sum() for j in range(1, 6)], rtol=1e-12)
        total = np.zeros((K, 12))
        total[found.cells.group, found.cells.cluster] = found.cells.n
        np.testing.assert_allclose(total, [[w[(g == k) & (c == j)].sum() for j in range(12)] for k in range(K)])
    with pytest.raises(InputError, match="with and without weights"):
        merge(whole, from_arrays(x, g, (0, 1, 2), c))
