"""Keyed pseudonyms in place of ids: whoever lacks the key can neither undo them nor test a guess."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import GmvCausalWarning, InputError
from gmvcausal.frames.params import check, said
from gmvcausal.frames.parquet import is_path
from gmvcausal.logs.privacy.ids import distinct
from gmvcausal.logs.privacy.key import digest, for_purpose, key_of

if TYPE_CHECKING:
    import pyarrow as pa

# A letter first, so that no spreadsheet takes a pseudonym for a number; 128 bits, so that no two ids share one.
_LETTER, _DIGITS = "p", 32
_LOOKED_AT = 1_000
_LONG = 6  # shorter values are shared by chance: 1 to 5 pieces are ids of the first five users
_REMEMBERED = 2_000_000  # about 0.5 GB
_KINDS = "pass a pandas or polars DataFrame, a pyarrow Table, or the path of parquet files with to="


def pseudonyms(
    data: Any,
    columns: Any,
    *,
    key: bytes | str | None = None,
    environment: str | None = None,
    purpose: str | None = None,
    to: str | os.PathLike[str] | None = None,
) -> Any:
    """Replace ids by keyed pseudonyms, the same for the same id in every table and column.

    A pseudonym is ``"p"`` and the first 32 hexadecimal digits of HMAC-SHA256 of the id as text, after the word "id" and
    a zero byte. The same key gives the same pseudonyms tomorrow and in other tables, so that joins survive; without the
    key nobody can undo them or test whether a pseudonym is a certain phone number. (A plain hash can be undone by
    hashing all phone numbers.) Whoever has the key can: lose it, and the link to the people is lost.

    Parameters
    ----------
    data : pandas or polars DataFrame, pyarrow Table, or path
        Never changed. Of parquet files the columns of ids are replaced batch by batch, in less memory than they take.
    columns : str or list of str
        The columns of ids. Whole numbers, whole-valued floats and text: an id is what is written, so that 7 and "7" are
        one id (tables whose types differ still join) and "007" is another. Missing ids stay missing.
    key : bytes or str, optional
        At least 32 bytes that cannot be guessed, without blanks or quotes around. It is neither stored nor shown in any
        message.
    environment : str, optional
        Name of an environment variable that holds the key, so that it stands in no script.
    purpose : str, optional
        Another purpose gives other pseudonyms by the same key, so that two publications cannot be joined. None: none.
    to : path, optional
        The parquet file to write, where `data` is a path.

    Returns
    -------
    DataFrame, Table or Path
        A new table of the same kind, other columns as they are; the file written, where `data` is a path. Notes of the
        table (``DataFrame.attrs``, metadata of Arrow) are dropped, since they may hold ids.

    Raises
    ------
    InputError
        A key that is short, follows a pattern or has blanks or quotes around; a column that is not there, or that holds
        fractions, dates, blank texts or floats too large to tell one id from the next, or mixes text and numbers.

    Warns
    -----
    GmvCausalWarning
        Another column, or the index, holds the ids (at the head of the table): it is left as it is.

    Notes
    -----
    Krawczyk, Bellare and Canetti (1997), RFC 2104; test vectors of RFC 4231.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> key = "5f1c6e0b9a7d43e28bb0a4c1d2e3f405"  # yours comes from secrets.token_hex(32), and from no script
    >>> orders = pd.DataFrame({"user": [7, 8, 7], "gmv": [120.0, 80.0, 60.0]})
    >>> users = pd.DataFrame({"user": ["8", "7"], "tier": ["gold", "new"]})
    >>> safe = gc.privacy.pseudonyms(orders, "user", key=key)
    >>> safe["user"].str[:7].tolist()
    ['pca0225', 'pebcf4d', 'pca0225']
    >>> safe.merge(gc.privacy.pseudonyms(users, "user", key=key))["tier"].tolist()
    ['new', 'gold', 'new']
    """
    secret = for_purpose(key_of(key, environment), purpose)
    names = check("columns", columns)
    if not names:
        raise InputError("columns names no column", remedy="write columns=['user']")
    if is_path(data):
        from gmvcausal.logs.privacy.files import write

        known: dict[str, str] = {}  # ids come again in other batches
        return write(
            data,
            names,
            to,
            lambda values, column: _replaced(values, column, secret, known),
            _warn_of_copies,
            _LOOKED_AT,
        )
    if to is not None:
        raise InputError(
            "to= names a file, and the table lies in memory", remedy="leave to= out and write what returns"
        )
    return _of_frame(data, names, lambda values, column: _replaced(values, column, secret))


def _replaced(values: Any, column: str, secret: bytes, known: dict[str, str] | None = None) -> pa.Array:
    """The pseudonyms of a column; each distinct id is hashed once, and those `known` not again."""
    import pyarrow as pa

    texts, codes = distinct(values, column)
    if known is None:
        made = [_pseudonym(text, secret) for text in texts]
    else:
        made = [known.get(text) or _pseudonym(text, secret) for text in texts]
        if len(known) < _REMEMBERED:
            known.update(zip(texts, made, strict=True))
    if len(set(made)) < len(made):  # 1 in 10^20 for a billion ids: seen, it is no chance
        raise InputError("two ids have one pseudonym", column=column, remedy="use another key")
    dictionary = pa.array(made, type=pa.string())
    return pa.DictionaryArray.from_arrays(codes, dictionary).cast(pa.string())


def _pseudonym(text: str, secret: bytes) -> str:
    return _LETTER + digest(secret, b"id", text).hex()[:_DIGITS]


def _of_frame(data: Any, names: list[str], replaced: Callable[[Any, str], pa.Array]) -> Any:
    from gmvcausal.frames.table import open_table

    kind = type(data).__module__.partition(".")[0]
    if kind not in ("pandas", "polars", "pyarrow") or hasattr(data, "collect"):
        raise InputError(f"data is {said(data) if data is None else f'a {type(data).__name__}'}", remedy=_KINDS)
    table = open_table(data)
    for name in names:
        table.series(name, "columns")
    if kind == "pandas":
        return _of_pandas(data, names, replaced)
    _warn_of_copies({c: table.frame[c].head(_LOOKED_AT).to_list() for c in table.columns}, names)
    found = data
    for name in names:
        if kind == "polars":
            import polars as pl

            if data.schema[name] in (pl.Object, pl.Int128):  # Arrow knows neither
                new = replaced(data[name].to_list(), name)
            else:
                new = replaced(data[name].to_arrow(), name)
            found = found.with_columns(pl.Series(name, pl.from_arrow(new)))
        else:
            place = data.schema.get_field_index(name)
            found = found.set_column(place, name, replaced(data.column(name), name))
    if kind == "pyarrow" and found.schema.metadata:  # what pandas noted of the columns may hold categories
        found = found.replace_schema_metadata(None)
    return found


def _of_pandas(data: Any, names: list[str], replaced: Callable[[Any, str], pa.Array]) -> Any:
    import pandas as pd
    import pyarrow as pa

    looked = {c: data[c].head(_LOOKED_AT).tolist() for c in data.columns}
    if not (isinstance(data.index, pd.RangeIndex) and data.index.name is None):
        for level, label in enumerate(data.index.names):
            values = data.index[:_LOOKED_AT].get_level_values(level).tolist()
            looked[f"{label if label is not None else 'index'} (the index)"] = values
    _warn_of_copies(looked, names)
    found = data.copy(deep=False)
    found.attrs = {}
    for name in names:
        try:
            values = pa.array(data[name], from_pandas=True)
        except (
            pa.ArrowException,
            UnicodeEncodeError,
            OverflowError,
            TypeError,
        ):  # kinds mixed, half a surrogate pair, 2^64
            values = data[name].astype(object).tolist()
        if not isinstance(values, list) and data[name].dtype == object and pa.types.is_floating(values.type):
            values = data[name].tolist()  # Arrow makes floats of whole numbers beside a fraction
        found[name] = pd.Series(replaced(values, name).to_pandas().array, index=data.index)
    return found


def _warn_of_copies(looked: dict[Any, list[Any]], names: list[str]) -> None:
    """Say which columns hold the ids and stay; values at the head are compared as they are written, whatever the type.

    A copy agrees in every row, or shares half its values with the ids where these are so long that it is no chance.
    """
    written = {c: [_written(v) for v in values] for c, values in looked.items()}
    for name in names:
        for other in (c for c in looked if c not in names):
            own, copy = written[name], written[other]
            both = [(a, b) for a, b in zip(own, copy, strict=True) if a and b]
            same = len({a for a, _ in both}) > 1 and all(a == b for a, b in both)
            values = set(copy) - {""}
            long = {v for v in values & set(own) if len(v) >= _LONG}
            if same or (long and 2 * len(long) >= len(values)):
                warnings.warn(
                    f"{str(other)!r} repeats ids of {name!r} and is left as it is: drop it, or name it in columns=",
                    GmvCausalWarning,
                    stacklevel=4,
                )


def _written(value: Any) -> str:
    """A value as an id is written: 7, 7.0 and " 7" are one here; empty where it is missing."""
    text = "" if value is None or isinstance(value, list | dict) else str(value).strip()
    return "" if text in ("nan", "NaN", "None", "<NA>", "NaT") else text.removesuffix(".0")
