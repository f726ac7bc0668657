"""One column of ids as Arrow holds it: every distinct id once, as text, and which row has which."""

from __future__ import annotations

import decimal
import numbers
import uuid
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_ROLE = "id"
# From here on a float stands for more than one whole number.
_WHOLE = {16: 2**11, 32: 2**24, 64: 2**53}


def distinct(values: Any, column: str) -> tuple[list[str], pa.Array]:
    """The distinct ids of a column as text, and the place of every row's id among them (null where it is missing).

    An id is what is written: 7, 7.0 and "7" are one, and "007" is another. Dates and numbers with fractions are none,
    nor is a float so large that it stands for several whole numbers.

    Parameters
    ----------
    values : pyarrow Array or ChunkedArray, or list
        A list holds Python objects of several kinds, or texts that UTF-8 cannot hold.
    column : str

    Raises
    ------
    InputError
        Fractions, dates, booleans, blank texts, or text and numbers mixed in one column.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not isinstance(values, list) and isinstance(values.type, pa.BaseExtensionType):  # UUIDs
        values = values.to_pylist()
    if isinstance(values, list):
        values, texts = _of_objects(values, column)
        return texts, values
    kind = values.type
    if pa.types.is_null(kind):
        return [], pa.nulls(len(values), pa.int32())
    if pa.types.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
        _whole(values, column)
        values = values.cast(pa.int64())
    elif pa.types.is_decimal(kind):
        values = _whole_decimals(values, column)
    elif not (pa.types.is_integer(kind) or _is_text(kind)):
        raise _no_id(column, str(kind))
    coded = (values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values).dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = pa.concat_arrays(coded.unify_dictionaries().chunks) if coded.num_chunks else coded.combine_chunks()
    texts = [str(v) for v in coded.dictionary.to_pylist()]
    _refuse_blank(texts, coded.indices.to_numpy(zero_copy_only=False), column)
    return texts, coded.indices


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _whole(values: Any, column: str) -> None:
    import numpy as np

    found = values.to_numpy(zero_copy_only=False) if not hasattr(values, "chunks") else values.to_numpy()
    with np.errstate(invalid="ignore"):
        bad = ~np.isnan(found) & ((found != np.floor(found)) | (np.abs(found) >= _WHOLE[values.type.bit_width]))
    if bad.any():
        raise _too_large(column, np.flatnonzero(bad).tolist())


def _whole_decimals(values: Any, column: str) -> Any:
    import pyarrow as pa

    found = values.to_pylist()
    bad = [i for i, v in enumerate(found) if v is not None and (not v.is_finite() or v != v.to_integral_value())]
    if bad:
        raise InputError(
            "ids are fractions", column=column, count=len(bad), rows=bad[:5], remedy="name a column of ids"
        )
    return pa.array([None if v is None else str(int(v)) for v in found], type=pa.string())


def _of_objects(items: list[Any], column: str) -> tuple[pa.Array, list[str]]:
    """Codes and texts of Python objects."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    place: dict[str, int] = {}
    codes: list[int | None] = []
    kinds: dict[str, int] = {}
    for i, item in enumerate(items):
        if item is None or item is pd.NA or item is pd.NaT or _is_nan(item):
            codes.append(None)
            continue
        if isinstance(item, str):
            kind, text = "text", item
        elif isinstance(item, bool | np.bool_) or not isinstance(item, numbers.Real | decimal.Decimal | uuid.UUID):
            raise _no_id(column, type(item).__name__, i)
        elif isinstance(item, uuid.UUID):
            kind, text = "UUID", str(item)
        elif isinstance(item, numbers.Integral):
            kind, text = "number", str(int(item))
        else:
            exact = item if isinstance(item, decimal.Decimal) else decimal.Decimal(str(item))
            if not exact.is_finite() or exact != exact.to_integral_value():
                raise InputError("ids are fractions", column=column, rows=[i], remedy="name a column of ids")
            # Arrow makes floats of 64 bits of narrower ones; here each tells its own width.
            if not isinstance(item, decimal.Decimal) and abs(exact) >= _WHOLE.get(
                8 * getattr(item, "itemsize", 8), 2**53
            ):
                raise _too_large(column, [i])
            kind, text = "number", str(int(exact))
        kinds.setdefault(kind, i)
        codes.append(place.setdefault(text, len(place)))
    if len(kinds) > 1:
        raise InputError(
            f"{_ROLE} mixes kinds ({' and '.join(sorted(kinds))}), so 7 and '7' could be the same or not",
            column=column,
            rows=sorted(kinds.values()),
            remedy="convert the column to text or to whole numbers",
        )
    texts = list(place)
    _refuse_blank(texts, np.array([-1 if c is None else c for c in codes]), column)
    return pa.array(codes, type=pa.int32()), texts


def _refuse_blank(texts: list[str], codes: Any, column: str) -> None:
    import numpy as np

    blank = [k for k, text in enumerate(texts) if not text.strip()]
    if blank:
        rows = np.flatnonzero(np.isin(codes, blank))
        raise InputError(
            "ids are blank, and all of these rows would be one person",
            column=column,
            count=len(rows),
            rows=rows[:5].tolist(),
            remedy="make blank ids missing (they stay missing), or remove these rows",
        )


def _is_nan(item: Any) -> bool:
    return item.is_nan() if isinstance(item, decimal.Decimal) else isinstance(item, numbers.Real) and item != item


def _too_large(column: str, rows: list[int]) -> InputError:
    return InputError(
        "ids are fractions, or too large for a float to hold each of them",
        column=column,
        count=len(rows),
        rows=rows[:5],
        remedy="read the column as whole numbers or as text",
    )


def _no_id(column: str, kind: str, row: int | None = None) -> InputError:
    return InputError(
        f"a column of {kind} holds no ids",
        column=column,
        rows=() if row is None else [row],
        remedy="name a column of text or whole numbers",
    )
