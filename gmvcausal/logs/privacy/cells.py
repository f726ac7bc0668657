"""Tables of groups of people without the small ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.params import check, said
from gmvcausal.stats.small_cells import MIN_CELL, hidden, hidden_two_way

if TYPE_CHECKING:
    import pandas as pd


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
        Columns with the number of people. Each is judged; what one hides is hidden whole.
    min_cell : int
        10 by default: usual for tables of customers, and what `by()` keeps. 0 shows everything.
    within : str or list of str
        Columns whose every value has groups with a total of their own (a cohort, of which every period is shown).
    keep : str or list of str
        Columns of numbers that label a group and stay (a period, a decile). Texts and dates stay anyway.
    margins : str, optional
        Label of the row and column of totals of a two-way table (`pandas.crosstab` with ``margins=True``: "All").
    total : bool
        Whether readers know the totals, from this table or elsewhere. Say False only where they cannot.

    Returns
    -------
    DataFrame
        The same rows and columns; hidden numbers are missing. ``attrs["hidden"]`` counts the rows or cells hidden.

    Raises
    ------
    InputError
        Counts that are negative, missing or no whole numbers; a column that is not there; no `margins` of that label.

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
    if counts is None:
        return _two_way(table, least, margins)
    names, inside, labels = check("counts", counts), check("within", within), check("keep", keep)
    for name in (*names, *inside, *labels):
        if name not in table.columns:
            raise rules.no_such_column(name, [str(c) for c in table.columns], "this table", "table")
    hide = np.zeros(len(table), dtype=bool)
    groups = table.groupby(inside, sort=False, dropna=False).ngroup().to_numpy() if inside else np.zeros(len(table))
    for name in names:
        values = _whole(table[name].to_numpy(dtype=float, na_value=np.nan), name)
        for group in np.unique(groups):
            own = groups == group
            hide[own] |= hidden(values[own], least, total=total)
    # A group that another count hides may leave a third one alone in its total.
    for name in names if total and len(names) > 1 else ():
        values = table[name].to_numpy(dtype=float)
        for group in np.unique(groups):
            own = np.flatnonzero(groups == group)
            hide[own] = _enough(values[own], hide[own], least)
    out = table.copy()
    for column in table.columns:
        if column in inside or column in labels or not pd.api.types.is_numeric_dtype(table[column].dtype):
            continue
        if pd.api.types.is_bool_dtype(table[column].dtype):
            continue
        out[column] = _blanked(table[column], hide)
    out.attrs = {**table.attrs, "hidden": int(hide.sum())}
    return out


def _blanked(column: pd.Series[Any], hide: Any) -> pd.Series[Any]:
    whole = column.dtype.kind in "iu" and isinstance(column.dtype, np.dtype)
    return (column.astype("Int64") if whole else column).mask(hide)


def _enough(values: Any, hide: Any, least: int) -> Any:
    """More hidden groups, until two that hold enough people are, where any is."""
    if not hide.any():
        return hide
    out = hide.copy()
    for k in np.argsort(values, kind="stable"):
        if out.sum() >= 2 and values[out].sum() >= least:
            break
        out[k] |= values[k] > 0
    return out


def _whole(values: Any, name: str) -> Any:
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


def _two_way(table: pd.DataFrame, least: int, margins: str | None) -> pd.DataFrame:
    import pandas as pd

    inner = table
    if margins is not None:
        if margins not in table.index or margins not in table.columns:
            raise InputError(
                f"the table has no row and column called {margins!r}",
                remedy="name their label in margins=, or leave it out",
            )
        inner = table.drop(index=margins, columns=margins)
    if not len(inner) or not inner.shape[1]:
        raise InputError("the table has no cells", remedy="pass a table of counts, or name counts=")
    other = [c for c in inner.columns if not pd.api.types.is_numeric_dtype(inner[c].dtype)]
    if other:
        raise InputError(
            "a two-way table of counts holds numbers alone",
            column=str(other[0]),
            remedy="name the column of counts in counts=, or make the labels the index",
        )
    values = np.column_stack(
        [_whole(inner[c].to_numpy(dtype=float, na_value=np.nan), str(c)) for c in inner.columns]
    ).astype(np.int64)
    masks = hidden_two_way(values, least)
    whole = np.zeros(table.shape, dtype=bool)
    rows = np.ones(len(table), dtype=bool) if margins is None else np.asarray(table.index != margins)
    columns = np.ones(table.shape[1], dtype=bool) if margins is None else np.asarray(table.columns != margins)
    whole[np.ix_(rows, columns)] = masks.cells
    if margins is not None:
        whole[np.ix_(rows, ~columns)] = masks.rows[:, None]
        whole[np.ix_(~rows, columns)] = masks.columns[None, :]
        whole[np.ix_(~rows, ~columns)] = masks.total
    out = table.astype("Int64").mask(whole)
    out.attrs = {**table.attrs, "hidden": int(whole.sum())}
    return out
