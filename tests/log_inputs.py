"""The same small logs in every kind of input, for the tests of `Logs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

CONNECTION = duckdb.connect()  # a relation lives only as long as its connection
KINDS = ("pandas", "polars", "pyarrow", "parquet", "duckdb")


def as_kind(frame: pd.DataFrame, kind: str, directory: Path, name: str = "orders") -> Any:
    """`frame` as the kind of input called `kind`."""
    if kind == "pandas":
        return frame
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if kind == "pyarrow":
        return table
    if kind == "polars":
        return pl.from_arrow(table)
    path = directory / f"{name}.parquet"
    pq.write_table(table, path)
    if kind == "parquet":
        return path
    return CONNECTION.sql(f"SELECT * FROM read_parquet('{path}')")


def eight_orders() -> pd.DataFrame:
    """Eight orders of three users over three weeks and a day, small enough to sum by hand."""
    rows = [
        ("u1", "2025-03-03 09:00", 10.00, 1, "r1"),
        ("u1", "2025-03-09 23:59", 5.50, 2, "r1"),
        ("u2", "2025-03-10 00:00", 20.00, 3, "r2"),
        ("u1", "2025-03-12 12:00", 1.25, 4, "r2"),
        ("u3", "2025-03-17 08:00", 7.00, 5, "r1"),
        ("u3", "2025-03-17 08:00", 3.00, 6, "r1"),
        ("u2", "2025-03-23 20:00", 4.00, 7, "r2"),
        ("u1", "2025-03-24 10:00", 99.00, 8, "r1"),
    ]
    frame = pd.DataFrame(rows, columns=["user", "time", "gmv", "order", "room"])
    frame["time"] = pd.to_datetime(frame["time"])
    return frame


def two_exposures() -> pd.DataFrame:
    """u1 was exposed in the second week, u4 (who never ordered) from the third on."""
    return pd.DataFrame(
        {
            "user": ["u1", "u4"],
            "tactic": ["coupon", "coupon"],
            "start": pd.to_datetime(["2025-03-11", "2025-03-17"]),
            "end": pd.to_datetime(["2025-03-16", None]),
        }
    )
