"""Balance before and after matching or weighting, as a table prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmvcausal.results.shown import Cells
from gmvcausal.stats.small_cells import MIN_CELL

if TYPE_CHECKING:
    import pandas as pd

NOT_SHOWN = f"Shares of fewer than {MIN_CELL} rows, and what would give them away, are not shown."


def balance_cells(table: pd.DataFrame) -> Cells:
    """Means of both sides, standardised difference and Welch's p, before and after.

    Parameters
    ----------
    table : DataFrame
        With covariate, and treated, control, smd and p, each with ``_before`` and ``_after``.
    """
    from gmvcausal.present import digits

    rows = []
    for _, row in table.iterrows():
        for when in ("before", "after"):
            one, other, smd, p = (float(row[f"{k}_{when}"]) for k in ("treated", "control", "smd", "p"))
            places = digits.beside(float("nan"), one, other)
            name = digits.inline(row["covariate"]) if when == "before" else ""
            sizes = (digits.fixed(one, places), digits.fixed(other, places))
            rows.append((name, when, *sizes, digits.fixed(smd, 3), digits.p_value(p)))
    head = ("covariate", "matching", "treated", "control units", "standardised difference", "p")
    note = "Differences are over the pooled standard deviation before matching; p is Welch's."
    if table["treated_before"].isna().any():
        note += f" {NOT_SHOWN}"
    return head, tuple(rows), note
