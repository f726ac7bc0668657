"""CSV that no spreadsheet can run."""

from __future__ import annotations

import datetime as dt
import numbers
import os
from typing import TYPE_CHECKING, Any

from gmvcausal.frames.written import whole_file
from gmvcausal.present import digits, files

if TYPE_CHECKING:
    import pandas as pd

_CSV_ROWS = 100_000
# Excel in a Chinese locale reads the full-width forms as formulas too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_INVISIBLE = " \u200b\u200c\u200d\u200e\u200f\u2060\u00a0\ufeff"


def to_csv(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a frame as CSV (UTF-8 with its mark, so that spreadsheets read Chinese).

    Text that a spreadsheet would run as a formula gets a leading apostrophe, in heads and in cells; numbers stay.

    Parameters
    ----------
    frame : DataFrame
        The index is not written.
    path : path
        File to write.
    """
    import pandas as pd

    found = files.target(path)
    heads = [_defuse(c) for c in frame.columns]
    try:
        with whole_file(found) as beside, open(beside, "w", encoding="utf-8-sig", newline="") as out:
            for start in range(0, max(len(frame), 1), _CSV_ROWS):
                part = frame.iloc[start : start + _CSV_ROWS].copy()
                part.columns = pd.RangeIndex(part.shape[1])  # heads may repeat; positions never do
                for i in part.columns:
                    if not _is_plain(part[i].dtype):
                        part[i] = part[i].astype(object).map(_defuse)
                part.to_csv(out, index=False, header=heads if start == 0 else False, lineterminator="\n")
    except OSError as error:
        raise files.refused(path, error) from None


def _is_plain(dtype: Any) -> bool:
    from pandas.api import types

    return bool(types.is_numeric_dtype(dtype) or types.is_bool_dtype(dtype) or types.is_datetime64_any_dtype(dtype))


def _defuse(value: Any) -> Any:
    """A cell as it may be written: numbers, dates and gaps as they are, all else as text that is no formula."""
    import pandas as pd

    if isinstance(value, bool | numbers.Number | dt.date | dt.timedelta):
        return value
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    text = digits.clean(value)
    risky = text.lstrip(_INVISIBLE).startswith(_FORMULA)
    # A bare carriage return goes unquoted by older csv writers and would break the row in two.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if risky else text
