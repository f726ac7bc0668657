"""Tables of groups of people without the small ones."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import GmvCausalWarning, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.params import check, said
from gmvcausal.stats.small_cells import MIN_CELL, enough, filled, hidden, hidden_beside_totals, hidden_two_way

if TYPE_CHECKING:
    import pandas as pd

# A number written as text, with its sign, currency, thousands or per cent.
_NUMBER = re.compile(r"[^\w.]*\d[\d.,\s]*(?:[eE][+-]?\d+)?\s*\W?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


def suppress(
    table: pd.DataFrame,
    counts: Any = None,
    *,
    min_cell: int = MIN_CELL,
    within: Any = (),
    keep: Any = (),
    margins: str | None = None,
    total: bool = True,
) -> pd.DataFrame:
    """Hide groups of fewer than `min_cell` people, and what their size could be worked out from.

    A table with a row for each group (`counts` names its column of people), or a two-way table of counts such as
    `pandas.crosstab` makes (`counts` left out). Hidden are counts of 1 to ``min_cell - 1`` and, since a total less what
    is shown would be the hidden count, the next smallest groups: in a list until two are hidden that hold `min_cell`
    together, in a two-way table until no hidden cell follows from rows, columns and totals.

    Parameters
    ----------
    table : DataFrame
        Never changed.
    counts : str or list of str, optional
        Columns with the number of people, as numbers. Each is judged; what one hides is hidden whole.
    min_cell : int
        10 by default: usual for tables of customers, and what `by()` keeps. 0 shows everything.
    within : str or list of str
        Columns whose every value has groups with a total of their own (a cohort, of which every period is shown).
    keep : str or list of str
        Columns of numbers that label a group and stay (a period, a decile). Texts that are no numbers, categories of
        such texts, intervals, dates and booleans stay anyway; the index stays. All else is hidden: a mean held as
        Decimal, as text or in a list is a mean.
    margins : str, optional
        Label of the row and column of totals of a two-way table (`pandas.crosstab` with ``margins=True``: "All").
    total : bool
        Whether readers know the totals, from this table or elsewhere. Say False only where they cannot. A two-way table
        without `margins` has totals that nothing can be hidden of; with False, as many of them are taken for unknown as
        its cells need.

    Returns
    -------
    DataFrame
        The same rows and columns; hidden numbers are missing. ``attrs["hidden"]`` counts the rows or cells hidden.

    Raises
    ------
    InputError
        Counts that are negative, missing, no whole numbers or not held as numbers; a column that is not there, comes
        twice, or is a count and named in `within` or `keep`; no `margins` of that label, or some that do not add up.

    Warns
    -----
    GmvCausalWarning
        No group is left to hide with those hidden: whoever knows their total can work them out.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> tiers = pd.DataFrame({"tier": ["new", "gold", "black"], "users": [400, 35, 4], "gmv": [20.5, 80.0, 310.0]})
    >>> gc.privacy.suppress(tiers, "users")
        tier  users   gmv
    0    new    400  20.5
    1   gold   <NA>   NaN
    2  black   <NA>   NaN
    """
    import pandas as pd

    least = check("min_cell", min_cell)
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"table must be a pandas DataFrame, but is {said(table)}")
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise InputError(
            "columns of the table share a name", column=str(twice[0]), count=len(twice), remedy="rename them"
        )
    if counts is None:
        return _two_way(table, least, margins, total)
    names, inside, labels = check("counts", counts), check("within", within), check("keep", keep)
    if not names:
        raise InputError("counts names no column", remedy="write counts=['users'], or leave counts= out")
    for name in (*names, *inside, *labels):
        if name not in table.columns:
            raise rules.no_such_column(name, [str(c) for c in table.columns], "this table", "table")
    for name in names:
        if name in inside or name in labels:
            what = "within" if name in inside else "keep"
            raise InputError(f"{what}= names a column of counts, which would stay", column=name, remedy="leave it out")
    values = [_whole(table[name], name) for name in names]
    hide = np.zeros(len(table), dtype=bool)
    groups = table.groupby(inside, sort=False, dropna=False).ngroup().to_numpy() if inside else np.zeros(len(table))
    lines = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    for own in lines:
        for n in values:
            hide[own] |= hidden(n[own], least, total=total)
        before = -1
        # What one count hides may leave another one alone in its total.
        while total and before < (before := int(hide[own].sum())):
            for n in values:
                hide[own] = filled(n[own], hide[own], least)
    if total:
        bare = [n[own][hide[own]] for own in lines for n in values if hide[own].any()]
        if short := sum(not enough(n[n > 0], least) for n in bare):
            _warn_of_totals(short, 3)
    out = table.copy()
    for column in table.columns:
        if column not in inside and column not in labels and (column in names or _tells(table[column], hide)):
            out[column] = _blanked(table[column], hide)
    out.attrs = {**table.attrs, "hidden": int(hide.sum())}
    return out


def _tells(column: pd.Series[Any], hide: Any) -> bool:
    """Whether a column may hold what was counted or measured of a group, and not its label alone."""
    import datetime as dt

    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _tells(
            pd.Series(dtype.categories[np.unique(column.cat.codes[hide & (column.cat.codes >= 0)])]), slice(None)
        )
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_datetime64_any_dtype(dtype):
        return False
    if isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
        return False
    if dtype.kind != "O" and not isinstance(dtype, pd.StringDtype):
        return True
    labels = (str, bool, np.bool_, dt.date, pd.Period, pd.Interval)
    found = [v for v in column[hide] if not pd.api.types.is_scalar(v) or not pd.isna(v)]
    return any(not isinstance(v, labels) or (isinstance(v, str) and _NUMBER.fullmatch(v.strip())) for v in found)


def _blanked(column: pd.Series[Any], hide: Any) -> pd.Series[Any]:
    whole = column.dtype.kind in "iu" and isinstance(column.dtype, np.dtype)
    return (column.astype("Int64") if whole else column).mask(hide)


def _whole(column: pd.Series[Any], name: str) -> Any:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column.dtype) or column.dtype.kind in "bc":
        raise InputError(
            f"numbers of people are held as {column.dtype}, not as numbers",
            column=name,
            remedy=f"convert them (table[{name!r}].astype('int64')), or name the column that counts people in counts=",
        )
    values = column.to_numpy(dtype=float, na_value=np.nan)
    bad = ~np.isfinite(values) | (values < 0) | (values != np.floor(values))
    if bad.any():
        raise InputError(
            "numbers of people must be whole, not missing and not below 0",
            column=name,
            count=int(bad.sum()),
            rows=np.flatnonzero(bad)[:5].tolist(),
            remedy="name the column that counts people in counts=",
        )
    return values


def _two_way(table: pd.DataFrame, least: int, margins: str | None, total: bool) -> pd.DataFrame:
    import pandas as pd

    inner = table
    if margins is not None:
        if margins not in table.index or margins not in table.columns:
            raise InputError(
                f"the table has no row and column called {margins!r}",
                remedy="name their label in margins=, or leave it out",
            )
        if int((table.index == margins).sum()) > 1:
            raise InputError(f"more than one row is called {margins!r}", remedy="rename them")
        inner = table.drop(index=margins, columns=margins)
    if not len(inner) or not inner.shape[1]:
        raise InputError("the table has no cells", remedy="pass a table of counts, or name counts=")
    other = [c for c in table.columns if not pd.api.types.is_numeric_dtype(table[c].dtype)]
    if other:
        raise InputError(
            "a two-way table of counts holds numbers alone",
            column=str(other[0]),
            remedy="name the column of counts in counts=, or make the labels the index",
        )
    values = np.column_stack([_whole(inner[c], str(c)) for c in inner.columns]).astype(np.int64)
    if margins is not None:
        _must_add_up(table, values, margins)
    elif total:
        cells, short = hidden_beside_totals(values, least)
        if short:
            _warn_of_totals(short, 4)
        return _without(table, cells)
    masks = hidden_two_way(values, least)
    whole = np.zeros(table.shape, dtype=bool)
    rows = np.ones(len(table), dtype=bool) if margins is None else np.asarray(table.index != margins)
    columns = np.ones(table.shape[1], dtype=bool) if margins is None else np.asarray(table.columns != margins)
    whole[np.ix_(rows, columns)] = masks.cells
    if margins is not None:
        whole[np.ix_(rows, ~columns)] = masks.rows[:, None]
        whole[np.ix_(~rows, columns)] = masks.columns[None, :]
        whole[np.ix_(~rows, ~columns)] = masks.total
    return _without(table, whole)


def _without(table: pd.DataFrame, hide: Any) -> pd.DataFrame:
    out = table.astype("Int64").mask(hide)
    out.attrs = {**table.attrs, "hidden": int(hide.sum())}
    return out


def _warn_of_totals(short: int, depth: int) -> None:
    warnings.warn(
        f"no group is left to hide with those hidden ({short} times): whoever knows their total can work them "
        "out, so do not show it, or put groups together",
        GmvCausalWarning,
        stacklevel=depth,
    )


def _must_add_up(table: pd.DataFrame, values: Any, margins: str) -> None:
    """Totals of other people than the cells would not be protected, nor protect them."""
    down = _whole(table[margins], margins)
    own = np.asarray(table.index == margins)
    wrong = np.flatnonzero(~own)[down[~own] != values.sum(axis=1)]
    if len(wrong):
        raise InputError(
            "totals of rows are not the sums of their cells",
            column=margins,
            count=len(wrong),
            rows=wrong[:5].tolist(),
            remedy="count the totals over the rows and columns shown",
        )
    across = table.loc[margins].to_numpy(dtype=float, na_value=np.nan)
    sums = np.append(values.sum(axis=0), values.sum())
    at = [*np.flatnonzero(table.columns != margins), *np.flatnonzero(table.columns == margins)]
    bad = [k for k, whole in zip(at, sums, strict=True) if across[k] != whole]
    if bad:
        raise InputError(
            "totals of columns are not the sums of their cells",
            column=str(table.columns[bad[0]]),
            count=len(bad),
            rows=np.flatnonzero(own).tolist(),
            remedy="count the totals over the rows and columns shown",
        )
