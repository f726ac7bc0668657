"""A search through a table for what names people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import narwhals as nw

from gmvcausal.frames import rules
from gmvcausal.frames.params import check
from gmvcausal.frames.params import whole as whole_number
from gmvcausal.frames.table import Table, open_table
from gmvcausal.logs.privacy.found import Finding, Scan
from gmvcausal.logs.privacy.kinds import KINDS, by_name, plain

# What no kind can do without: eleven digits with blanks, dashes, dots or other marks between them, seen or not, or an
# at sign (also in full width and small).
_MAYBE = (
    r"(?:\p{Nd}[\s\p{Z}\p{Pd}\p{Cf}\x{2212}.\x{FF0E}()_/~\x{B7}\x{FF3F}\x{FF0F}\x{FF5E}]{0,3}){10}\p{Nd}"
    r"|[@\x{FF20}\x{FE6B}]|^\s*\d\.\d{1,18}[eE]\+?1\d\s*$"
)


def scan(data: Any, columns: Any = None, *, rows: int | None = None) -> Scan:
    """Find the columns that hold, or are called like, what names people.

    Looked for are mobile numbers of mainland China (bare, with +86, with blanks, dashes, dots and other marks between
    their digits, or right beside letters), identity cards (18
    characters with region, date and check character; the old form of 15 digits), bank cards (prefix and check digit),
    e-mails, alone or in free text, in columns and in the index of a pandas frame, and names of columns such as 手机号,
    身份证, 收货地址, address, openid. A value is never shown. A scan finds forms: that it finds nothing does not make a
    table anonymous.

    Parameters
    ----------
    data : table
        As every verb takes it; never changed.
    columns : list of str, optional
        Default: all.
    rows : int, optional
        Look at so many rows from the top, for large tables; the result says so. Default: all rows.

    Returns
    -------
    Scan
        ``to_frame()``: column, kind, found_in ("values", "free text", "name"), rows, share; ``summary()``; true where
        anything was found.

    Raises
    ------
    InputError
        A column that is not there.

    Notes
    -----
    Order numbers have the shape of phones and cards by chance. Bare numbers are reported where at least half of those
    of the same length in the column pass (of numbers drawn by lot 6.2 % pass as phones, 2.6 % as bank cards, 1.4 % as
    old identity cards; of identity cards of 18 characters 0.1 % must pass, and 1.6 in 100,000 do by lot).

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> orders = pd.DataFrame({"no": [20250311000017, 20250311000018], "remark": ["call 138-0013-8000", "none"]})
    >>> print(gc.privacy.scan(orders).summary())
    'remark' seems to hold, in 1 rows among other words: phone number.
    Looked at: all 2 rows of 2 columns; a form can be told, and who is meant cannot.
    """
    asked = None if columns is None else check("columns", columns)
    table = open_table(data, needed=asked)
    for name in asked or ():
        if name not in table.columns:
            raise rules.no_such_column(name, table.columns, "columns", table.name)
    limit = table.n if rows is None else min(whole_number("rows", rows, 1, 2**62), table.n)
    chosen = asked if asked is not None else table.columns
    found: list[Finding] = []
    left: list[str] = []
    looked = [(table, name, f"column {place}", str(name)) for place, name in enumerate(chosen)]
    looked += _levels(data) if asked is None else []
    for holds, name, place, called in looked:
        telling = _kinds_of({called: 1})
        shown = place if telling else called
        found += [Finding(shown, kind, "name", None) for kind, _ in telling]
        texts = _texts(holds, name, limit)
        if texts is None:
            left.append(shown)
            texts = Counter()
        inside = _kinds_of(texts)
        found += [Finding(shown, kind, where, count) for (kind, where), count in inside.items()]
        named = by_name(called)
        if named and not any(kind == named for kind, _ in inside):
            found.append(Finding(shown, named, "name", None))
    return Scan(tuple(found), table.n, limit, len(looked), tuple(left))


def _levels(data: Any) -> list[tuple[Table, Any, str, str]]:
    """The levels of the index of a pandas frame that is more than a count of rows, as tables of one column."""
    if not hasattr(data, "index") or type(data).__module__.partition(".")[0] != "pandas":
        return []
    import pandas as pd

    if isinstance(data.index, pd.RangeIndex) and data.index.name is None:
        return []
    return [
        (
            open_table(pd.DataFrame({"level": data.index.get_level_values(k)})),
            "level",
            f"level {k} of the index",
            f"{'index' if label is None else label} (the index)",
        )
        for k, label in enumerate(data.index.names)
    ]


def _texts(table: Table, name: str, limit: int) -> Counter[str] | None:
    """Distinct values in which something may be found, with their numbers of rows; None for bytes that are no text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    series = table.frame[name].head(limit)
    dtype = series.dtype
    if dtype.is_temporal() or dtype == nw.Boolean:
        return Counter()
    try:
        values = series.to_arrow()
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        kind = values.type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
            try:
                values = values.cast(pa.large_binary()).cast(pa.large_string())
            except pa.ArrowInvalid:  # no text
                return None
        if pa.types.is_floating(kind):
            values = pc.if_else(pc.and_(pc.is_finite(values), pc.less(pc.abs(values), 2.0**63)), values, None)
            values = pc.if_else(pc.equal(values, pc.floor(values)), values, None).cast(pa.int64())
        if pa.types.is_nested(kind):
            raise pa.ArrowNotImplementedError
        counted = pc.value_counts(values)
        texts, number = pc.cast(counted.field("values"), pa.string()), counted.field("counts")
        maybe = pc.fill_null(pc.match_substring_regex(texts, _MAYBE), False)
        kept: Iterable[tuple[str, int]] = zip(
            pc.filter(texts, maybe).to_pylist(), pc.filter(number, maybe).to_pylist(), strict=True
        )
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):  # kinds mixed, lists, half a surrogate pair
        kept = Counter(str(v) for v in series.to_list()).items()
    out: Counter[str] = Counter()
    for text, count in kept:
        out[plain(text)] += count
    return out


def _kinds_of(texts: Any) -> dict[tuple[str, str], int]:
    """Kind and where it was found (alone or among other words) -> number of rows."""
    out: dict[tuple[str, str], int] = {}
    for name in dict.fromkeys(kind.name for kind in KINDS):
        found: dict[str, bool] = {}  # two forms of one kind may tell the same text: it counts once
        for kind in (k for k in KINDS if k.name == name):
            shaped = 0
            real: dict[str, bool] = {}
            for text, count in texts.items():
                if text.isdecimal():  # most are: their length tells the shape
                    hits = [text] if len(text) in kind.lengths else []
                else:
                    hits = [m[1] for m in kind.shape.finditer(text)]
                if not hits:
                    continue
                shaped += count
                true = [hit for hit in hits if kind.real(hit)]
                if true:
                    real[text] = true[0] == text.strip()
            if real and sum(texts[text] for text in real) >= kind.share * shaped:
                found |= {text: alone or found.get(text, False) for text, alone in real.items()}
        rows = sum(texts[text] for text in found)
        if rows:
            whole = sum(texts[text] for text, alone in found.items() if alone)
            out[name, "values" if 2 * whole >= rows else "free text"] = rows
    return out
