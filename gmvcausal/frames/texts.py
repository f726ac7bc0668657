"""Ids and labels with characters that are no text: lone halves of surrogate pairs, as broken logs hold them.

Arrow and DuckDB hold UTF-8 only. Such a text travels through them in a spelling of its own and is spelt back on its way
out, so that no id is lost and no two become one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

# A noncharacter: no text is meant to begin with it, and one that does is spelt out as well.
_MARK = "\U0010ffff"


def safe(text: str) -> str:
    """The text itself, or where UTF-8 cannot hold it a spelling that it can; different texts stay different."""
    try:
        if not text.startswith(_MARK):
            text.encode()
            return text
    except UnicodeEncodeError:
        pass
    return _MARK + text.encode("utf-8", "surrogatepass").hex()


def original(text: Any) -> Any:
    """What `safe` was given; anything else is returned as it is."""
    if not (isinstance(text, str) and text.startswith(_MARK)):
        return text
    try:
        return bytes.fromhex(text[1:]).decode("utf-8", "surrogatepass")
    except ValueError:
        return text


def originals(values: NDArray[Any]) -> NDArray[Any]:
    """`original` of each value of an array."""
    if values.dtype != object or not any(isinstance(v, str) and v.startswith(_MARK) for v in values):
        return values
    out = np.empty(len(values), dtype=object)
    out[:] = [original(v) for v in values]
    return out


def printable(text: Any) -> str:
    """The original text with what cannot be printed written as an escape."""
    return str(original(text)).encode("utf-8", "backslashreplace").decode()


def compact(values: NDArray[Any]) -> Any:
    """Texts in pandas' own dtype for text, in which they are cheap to repeat; as they are where it cannot hold them."""
    import pandas as pd

    if values.dtype != object:
        return values
    try:
        return pd.Series(values).array
    except UnicodeEncodeError:
        return values


def data_frame(columns: dict[str, Any]) -> pd.DataFrame:
    """A frame of these columns, without copies where pandas can hold them as they are."""
    import pandas as pd

    try:
        return pd.DataFrame(columns, copy=False)
    except UnicodeEncodeError:
        kept = {
            name: pd.Series(v, dtype=object) if isinstance(v, np.ndarray) and v.dtype == object else v
            for name, v in columns.items()
        }
        return pd.DataFrame(kept, copy=False)


def quote_text(text: str) -> str:
    """Quote text as an SQL string literal."""
    return "'" + str(text).replace("'", "''") + "'"
