"""What parquet files say of themselves: rows, columns and types; and whether a column is the same thing in all of them.

Harmless, because every value stays what it is: whole numbers of several widths; flags, whole numbers, decimals and
floats of two widths together (said in a note); times of several units; a column without any value. All else is refused:
text beside numbers, times with a zone beside times without, dates beside times, a column that some files lack or spell
with other capitals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from gmvcausal.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_THREADS = 16  # reading a footer is waiting for the disk
_NUMBERS = {"flags", "whole numbers", "decimals", "32-bit floats", "64-bit floats"}
EMPTY = "nothing"
_DIGITS = 38  # a decimal has no more


@dataclass(frozen=True)
class Footer:
    """What one file says of itself.

    Attributes
    ----------
    rows : int
    types : dict of str to str
        Column to its type in Arrow's words.
    kinds : dict of str to str
        Column to what its values are: types of one kind can be read together.
    digits : dict of str to (int, int)
        Digits before and after the point, of decimals.
    ranges : dict of str to (Any, Any) or None
        Smallest and largest value of columns that are also keys of the file's folders; None where not known.
    """

    rows: int
    types: dict[str, str]
    kinds: dict[str, str]
    digits: dict[str, tuple[int, int]]
    ranges: dict[str, tuple[Any, Any] | None]


def read_footers(files: Sequence[tuple[str, int]], name: str) -> tuple[Footer, ...]:
    """Read the footers of files, given as path and size.

    Raises
    ------
    InputError
        A file that is empty, cut short, or no parquet.
    """
    if len(files) < 4:
        return tuple(_read(path, size, name) for path, size in files)
    with ThreadPoolExecutor(min(_THREADS, len(files))) as pool:
        return tuple(pool.map(lambda file: _read(file[0], file[1], name), files))


def unread(name: str) -> str:
    """How every message about data that could not be read begins."""
    return f"{name} could not be read"


def not_whole(path: str, name: str, why: str) -> InputError:
    """The error of a file that cannot be read to its end."""
    return InputError(
        f"{unread(name)}: the file {path!r} is not whole: {why}",
        remedy="write or copy it again, or leave it out deliberately by naming the other files",
    )


def _read(path: str, size: int, name: str) -> Footer:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if size == 0:
        raise not_whole(path, name, "it has 0 bytes")
    try:
        found = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise not_whole(path, name, _first_line(error, size)) from None
    counted = sum(found.row_group(k).num_rows for k in range(found.num_row_groups))
    if counted != found.num_rows:
        raise not_whole(path, name, f"its parts hold {counted:,} rows, its footer says {found.num_rows:,}")
    try:
        schema = {field.name: field.type for field in found.schema.to_arrow_schema()}
    except pa.ArrowException:  # a type that Arrow does not know: compared as the file spells it
        leaves = [found.schema.column(k) for k in range(len(found.schema))]
        types = {leaf.path.split(".")[0]: f"{leaf.physical_type} {leaf.logical_type}" for leaf in leaves}
        return Footer(found.num_rows, types, types, {}, {})
    keys = {part.partition("=")[0] for part in path.replace("\\", "/").split("/")[:-1] if "=" in part}
    return Footer(
        found.num_rows,
        {column: str(kind) for column, kind in schema.items()},
        {column: _kind(kind) for column, kind in schema.items()},
        {column: _digits(kind) for column, kind in schema.items() if _kind(kind) == "decimals"},
        {column: _range(found, column) for column in keys & set(schema)},
    )


def _first_line(error: Exception, size: int) -> str:
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "magic bytes" in text or "Parquet file size" in text:
        return f"it has {size:,} bytes and no footer of parquet at its end (a writer stopped, or it is of another kind)"
    return text


def _kind(kind: pa.DataType) -> str:
    from pyarrow import types as t

    if t.is_dictionary(kind):
        return _kind(kind.value_type)
    for words, told in (
        ("flags", t.is_boolean),
        ("whole numbers", t.is_integer),
        ("32-bit floats", t.is_float32),
        ("64-bit floats", t.is_float64),
        ("decimals", t.is_decimal),
        ("text", t.is_string),
        ("text", t.is_large_string),
        ("text", t.is_string_view),
        ("dates", t.is_date),
        (EMPTY, t.is_null),
    ):
        if told(kind):
            return words
    if t.is_timestamp(kind):
        return "times with a zone" if kind.tz is not None else "times without a zone"
    return str(kind)


def _digits(kind: pa.DataType) -> tuple[int, int]:
    from pyarrow import types as t

    kind = kind.value_type if t.is_dictionary(kind) else kind
    return kind.precision - kind.scale, kind.scale


def _range(found: Any, column: str) -> tuple[Any, Any] | None:
    names = [found.schema.column(k).path for k in range(len(found.schema))]
    place = names.index(column) if column in names else None
    if place is None:
        return None
    parts = [found.row_group(k).column(place).statistics for k in range(found.num_row_groups)]
    if not parts or any(p is None or not p.has_min_max or p.null_count != 0 for p in parts):
        return None
    return min(p.min for p in parts), max(p.max for p in parts)


# --- a column in all files ------------------------------------------------------------------------------------------
def drift(
    name: str,
    paths: Sequence[str],
    footers: Sequence[Footer],
    keys: Sequence[Mapping[str, str]],
    needed: Sequence[str],
) -> list[str]:
    """Refuse columns that are not the same thing in all files.

    Parameters
    ----------
    name : str
        What messages call the data.
    paths : sequence of str
    footers : sequence of Footer
    keys : sequence of mappings
        Of each file, the names and values of its folders.
    needed : sequence of str
        Columns that are used; others may differ as they like. One that no file has is left to the caller.

    Returns
    -------
    list of str
        What is to be said of differences that change no value.

    Raises
    ------
    InputError
        A column that some files lack or spell otherwise, that changes its kind, or that a folder contradicts.
    """
    notes: list[str] = []
    for column in dict.fromkeys(needed):
        has = [column in footer.types or column in key for footer, key in zip(footers, keys, strict=True)]
        _refuse_neighbours(name, paths, footers, column)
        if not any(has):
            continue
        if not all(has):
            raise _lacking(name, paths, footers, keys, column, has)
        inside = [column in footer.types for footer in footers]
        beside = [column in key for key in keys]
        if any(beside):
            _check_keys(name, paths, footers, keys, column, inside, beside)
            continue
        notes += _check_kinds(name, paths, footers, column)
    return notes


def _refuse_neighbours(name: str, paths: Sequence[str], footers: Sequence[Footer], column: str) -> None:
    """Two columns of one file that differ in case only: matched by name, one would be taken for the other."""
    for path, footer in zip(paths, footers, strict=True):
        alike = [c for c in footer.types if c.lower() == column.lower()]
        if column in alike and len(alike) > 1:
            raise InputError(
                f"the file {path!r} of {name} has columns whose names differ only in case: "
                f"{', '.join(map(repr, sorted(alike)))}, and SQL takes them for one",
                column=column,
                remedy="rename one of them, or read the table into a frame first",
            )


def _lacking(
    name: str,
    paths: Sequence[str],
    footers: Sequence[Footer],
    keys: Sequence[Mapping[str, str]],
    column: str,
    has: Sequence[bool],
) -> InputError:
    first = has.index(False)
    spelt = [c for c in [*footers[first].types, *keys[first]] if c.lower() == column.lower()]
    other = f", which has {spelt[0]!r}" if spelt else ""
    return InputError(
        f"{has.count(False):,} of the {len(has):,} files of {name} lack a column that the others have, "
        f"first {paths[first]!r}{other}",
        column=column,
        remedy="write it in all of them, or name only the files that belong together",
    )


def _check_keys(
    name: str,
    paths: Sequence[str],
    footers: Sequence[Footer],
    keys: Sequence[Mapping[str, str]],
    column: str,
    inside: Sequence[bool],
    beside: Sequence[bool],
) -> None:
    """A column that folders name: all of them must, and where the files hold it too they must agree."""
    uneven = {tuple(key) for key in keys}
    if not all(beside) or len(uneven) > 1:
        other = (k for k, key in enumerate(keys) if tuple(key) != tuple(keys[0]))
        first = next(other) if all(beside) else beside.index(False)
        raise InputError(
            f"a column of {name} is the name of some files' folders only, or stands among other keys; first "
            f"{paths[first]!r}",
            column=column,
            remedy="lay all files in folders of the same keys, or write the column into all files",
        )
    for path, footer, key, held in zip(paths, footers, keys, inside, strict=True):
        if not held or footer.rows == 0:
            continue
        said, range_ = unquote(key[column]), footer.ranges.get(column)
        if range_ is None or {str(range_[0]), str(range_[1])} != {said}:
            found = "holds values that are not known" if range_ is None else f"holds {range_[0]} to {range_[1]}"
            raise InputError(
                f"the file {path!r} of {name} lies in the folder {column}={key[column]}, but its own column {found}",
                column=column,
                remedy="leave the column out of the files, or lay them in folders with plain names",
            )


def _check_kinds(name: str, paths: Sequence[str], footers: Sequence[Footer], column: str) -> list[str]:
    kinds = [footer.kinds[column] for footer in footers]
    counts = Counter(kind for kind in kinds if kind != EMPTY)
    if len(counts) < 2:
        if "decimals" in counts:
            _check_digits(name, paths, footers, column)
        return []
    main = counts.most_common(1)[0][0]
    said = " and ".join(f"{kind} in {count:,}" for kind, count in counts.most_common())
    if set(counts) <= _NUMBERS:
        if "decimals" in counts:
            _check_digits(name, paths, footers, column)
        few = ", so those amounts carry 7 digits" if "32-bit floats" in counts else ""
        return [f"{name}: column {column!r} is {said} of {len(paths):,} files; read as the widest of these{few}"]
    first = next(k for k, kind in enumerate(kinds) if kind not in (main, EMPTY))
    raise InputError(
        f"a column of {name} changes its type: {said} of {len(paths):,} files, first {paths[first]!r} with "
        f"{kinds[first]} ({footers[first].types[column]})",
        column=column,
        remedy="write it with one type in all of them, or name only the files that belong together",
    )


def _check_digits(name: str, paths: Sequence[str], footers: Sequence[Footer], column: str) -> None:
    """Decimals that no one type can hold would be cut."""
    before = after = 0
    for path, footer in zip(paths, footers, strict=True):
        if column in footer.digits:
            before, after = max(before, footer.digits[column][0]), max(after, footer.digits[column][1])
            if before + after > _DIGITS:
                raise InputError(
                    f"decimals of {name} change their scale: together they need {before} digits before the point and "
                    f"{after} after it, more than {_DIGITS}; first at {path!r}",
                    column=column,
                    remedy="write them with one precision and scale in all files",
                )
