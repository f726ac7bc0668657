"""Moments inside an engine: several keys, products within clusters, sums about numbers known before, gaps refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gmvcausal.errors import InputError
from gmvcausal.frames.engines.duck import DuckEngine
from gmvcausal.moments import Moments, from_arrays
from gmvcausal.moments.sql import Grouping, grouped

ROWS = "(SELECT i % 2 AS arm, CAST(i AS DOUBLE) AS gmv, i // 3 AS room FROM range(9) t(i)) AS r"
N = 3_000


@pytest.fixture
def space() -> Iterator[DuckEngine]:
    with contextlib.closing(DuckEngine()) as made:
        yield made


def test_by_hand(space: DuckEngine) -> None:
    """gmv 0 2 4 6 8 in arm 0 and 1 3 5 7 in arm 1; rooms of 0 1 2, 3 4 5 and 6 7 8."""
    found = grouped(space, Grouping(ROWS, ("arm",), ("gmv",), "room", (0,)))
    assert found.keys == (0, 1)
    np.testing.assert_array_equal(found.n, [5, 4])
    np.testing.assert_array_equal(found.mean[:, 0], [4, 4])
    np.testing.assert_array_equal(found.cross[:, 0, 0], [40, 20])
    cells = found.cells
    assert cells is not None and cells.products is not None
    np.testing.assert_array_equal(cells.group, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(cells.cluster, [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(cells.n, [2, 1, 2, 1, 2, 1])
    np.testing.assert_array_equal(cells.mean[:, 0], [1, 4, 7, 1, 4, 7])
    np.testing.assert_array_equal(cells.products.sums[:, 0], [-6, 0, 6, -3, 0, 3])
    np.testing.assert_array_equal(cells.products.cross[:, 0, 0], [20, 0, 20, 9, 2, 9])


def _made(space: DuckEngine, near: tuple[float, ...] | None, offset: float) -> tuple[Moments, Moments]:
    rng = np.random.default_rng(3)
    arm, stratum = rng.integers(0, 2, N), rng.integers(0, 3, N)
    room = np.char.add("房间 ", rng.integers(0, 40, N).astype(str))
    x = offset + 5.0 * stratum[:, None] + rng.normal(size=(N, 3))
    labels = np.array(["a", "b'", "丙"])[stratum]
    space.register("rows", pa.table({"a": arm, "s": labels, "c": room, **{f"y{j}": x[:, j] for j in range(3)}}))
    found = grouped(space, Grouping('"rows"', ("a", "s"), ("y0", "y1", "y2"), "c", (1, 2), near))
    assert found.keys == tuple((a, s) for a in (0, 1) for s in ("a", "b'", "丙"))
    return found, from_arrays(x, arm * 3 + stratum, tuple(range(6)), room, held=(1, 2))


@pytest.mark.parametrize("near", [None, (1.0, 2.0, 3.0), (1e7, 1e7 + 20, 1e7)])
@pytest.mark.parametrize("offset", [0.0, 1e7])
def test_wherever_the_sums_are_made(space: DuckEngine, near: tuple[float, ...] | None, offset: float) -> None:
    found, wanted = _made(space, near, offset)
    np.testing.assert_array_equal(found.n, wanted.n)
    # Seven digits of a value near 1e7 are spent on the offset.
    np.testing.assert_allclose(found.mean + found.rest - offset, wanted.mean + wanted.rest - offset, atol=1e-8, rtol=0)
    np.testing.assert_allclose(found.cross, wanted.cross, rtol=1e-11, atol=1e-8)
    assert found.cells is not None and wanted.cells is not None
    a, b = found.cells.products, wanted.cells.products
    assert a is not None and b is not None
    np.testing.assert_array_equal(found.cells.cluster, wanted.cells.cluster)
    np.testing.assert_allclose(a.sums, b.sums, rtol=0, atol=3e-8)
    np.testing.assert_allclose(a.cross, b.cross, rtol=1e-10, atol=3e-7)


def test_a_number_too_far_from_the_means_is_not_used(space: DuckEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    ask = space.numpy

    def counted(text: str, name: str = "") -> Any:
        texts.append(text)
        return ask(text, name)

    monkeypatch.setattr(space, "numpy", counted)
    still = ROWS.replace("CAST(i AS DOUBLE)", "7.5e0")
    found = grouped(space, Grouping(still, ("arm",), ("gmv",), near=(3.0,)))
    # A constant has no variance for the distance to hide in.
    assert len(texts) == 3 and (found.cross == 0).all() and (found.mean == 7.5).all()
    texts.clear()
    grouped(space, Grouping(ROWS, ("arm",), ("gmv",), near=(3.0,)))
    assert len(texts) == 1


@pytest.mark.parametrize("value", ["NULL", "'nan'::DOUBLE", "'inf'::DOUBLE"])
def test_gaps_are_refused(space: DuckEngine, value: str) -> None:
    rows = f"(SELECT 1 AS g, 2e0 AS x UNION ALL SELECT 1, {value}) AS r"
    with pytest.raises(InputError, match="complete, finite columns; column 'x'; 1 found"):
        grouped(space, Grouping(rows, ("g",), ("x",)))


def test_missing_keys_and_clusters_are_refused(space: DuckEngine) -> None:
    rows = ROWS.replace("i // 3", "CASE WHEN i <= 6 THEN i // 3 END")
    with pytest.raises(InputError, match="complete, finite columns; column 'room'; 2 found"):
        grouped(space, Grouping(rows, ("arm",), ("gmv",), "room"))
    with pytest.raises(InputError, match="column 'room'; 2 found"):
        grouped(space, Grouping(rows, ("arm", "room"), ("gmv",)))
    assert len(grouped(space, Grouping(rows, ("arm",), ("gmv",))).keys) == 2


def test_no_rows_make_no_groups(space: DuckEngine) -> None:
    none = f"(SELECT * FROM {ROWS} WHERE gmv > 9) AS none"
    for near in (None, (1.0,)):
        assert grouped(space, Grouping(none, ("arm",), ("gmv",), near=near)).keys == ()
