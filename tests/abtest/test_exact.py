"""Every type of number in every kind of table, against exact rational arithmetic."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gmvcausal as gc

N = 200
WHOLE = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
KINDS = [*WHOLE, "float32", "float64", "Int64", "Float64", "bool", "decimal"]
BACK_ENDS = ["pandas", "pandas on arrow", "polars", "pyarrow", "relation", "parquet"]
rng = np.random.default_rng(8)
BASE = {
    "arm": np.arange(N) % 2,
    "y": rng.integers(0, 90, N) * (rng.random(N) < 0.4),
    "d": rng.integers(1, 9, N),
    "x": rng.integers(0, 60, N),
}


def _column(kind: str, name: str) -> tuple[pa.Array, list[Fraction]]:
    values = BASE[name]
    if kind == "bool":
        values = values % 2 if name != "d" else np.maximum(values % 2, np.arange(N) % 3 == 0)
        return pa.array(values.astype(bool)), [Fraction(int(v)) for v in values]
    if kind == "decimal":
        listed = [Decimal(int(v)) / 4 for v in values]
        return pa.array(listed, pa.decimal128(12, 2)), [Fraction(v) for v in listed]
    if kind.lower().startswith("float"):
        floats = (values * 1.1).astype(kind.lower())
        return pa.array(floats), [Fraction(float(v)) for v in floats]
    return pa.array(values.astype(kind.lower())), [Fraction(int(v)) for v in values]


def _table(kind: str, back_end: str, folder: Path) -> tuple[Any, dict[str, list[Fraction]]]:
    made = {name: _column(kind, name) for name in "ydx"}
    table = pa.table({"arm": pa.array(BASE["arm"]), **{name: column for name, (column, _) in made.items()}})
    exact = {name: values for name, (_, values) in made.items()}
    if back_end == "pandas":
        frame = table.to_pandas()
        return (frame.astype(dict.fromkeys("ydx", kind)) if kind in ("Int64", "Float64") else frame), exact
    if back_end == "pandas on arrow":
        return table.to_pandas(types_mapper=pd.ArrowDtype), exact
    if back_end == "polars":
        return pl.from_arrow(table), exact
    if back_end == "relation":
        return duckdb.from_arrow(table), exact
    if back_end == "parquet":
        pq.write_table(table, folder / "t.parquet")
        return folder / "t.parquet", exact
    return table, exact


def _mean(x: list[Fraction]) -> Fraction:
    return sum(x, Fraction(0)) / len(x)


def _product(x: list[Fraction], y: list[Fraction]) -> Fraction:
    a, b = _mean(x), _mean(y)
    return sum(((p - a) * (q - b) for p, q in zip(x, y, strict=True)), Fraction(0))


def _quantile(x: list[Fraction], share: Fraction) -> Fraction:
    ordered = sorted(x)
    at = share * (len(ordered) - 1)
    low = at.numerator // at.denominator
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def _arms(exact: dict[str, list[Fraction]]) -> list[dict[str, list[Fraction]]]:
    return [
        {c: [v for v, a in zip(x, BASE["arm"], strict=True) if a == arm] for c, x in exact.items()} for arm in (0, 1)
    ]


def _wanted(how: str, exact: dict[str, list[Fraction]]) -> tuple[Fraction, Fraction]:
    """Difference of the arms and its variance."""
    control, treated = _arms(exact)
    if how == "capped":
        cap = _quantile([v for v in exact["y"] if v], Fraction(0.75))
        control, treated = ({**arm, "y": [min(v, cap) for v in arm["y"]]} for arm in (control, treated))
    values, variance = [], Fraction(0)
    for arm in (control, treated):
        y, n = arm["y"], len(arm["y"])
        if how == "ratio":
            ratio = _mean(y) / _mean(arm["d"])
            line = [(p - ratio * q) / _mean(arm["d"]) for p, q in zip(y, arm["d"], strict=True)]
            values.append(ratio)
            variance += _product(line, line) / (n * (n - 1))
        elif how == "adjusted":
            square = _product(arm["x"], arm["x"])
            slope = _product(arm["x"], y) / square
            distance = _mean(arm["x"]) - _mean(exact["x"])
            values.append(_mean(y) - slope * distance)
            for p, q in zip(arm["x"], y, strict=True):
                z = p - _mean(arm["x"])
                error = (q - _mean(y) - slope * z) * (Fraction(1, n) - z * distance / square)
                variance += error**2 / (1 - Fraction(1, n) - z**2 / square)
        else:
            values.append(_mean(y))
            variance += _product(y, y) / (n * (n - 1))
    return values[1] - values[0], variance


METRICS = {
    "mean": gc.Mean("y", cap=None),
    "ratio": gc.Ratio("y", "d", cap=None),
    "adjusted": gc.Mean("y", pre="x", cap=None),
    "capped": gc.Mean("y", cap=0.75),
}


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_exact(kind: str, back_end: str, tmp_path: Path) -> None:
    data, exact = _table(kind, back_end, tmp_path)
    for how, metric in METRICS.items():
        if (kind, how) == ("bool", "capped"):
            continue  # no value lies above a cap of one
        row = gc.ab_test(data, metrics=[metric], control=0)
        estimate, variance = _wanted(how, exact)
        assert row.estimate == pytest.approx(float(estimate), rel=1e-10), how
        assert row.std_error == pytest.approx(float(variance) ** 0.5, rel=1e-10), how
