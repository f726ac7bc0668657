"""The result of `gmvcausal.describe`: the descriptive table, and the tables that stand beside it in a chapter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, counted, one_of
from gmvcausal.results.describing.read import BoolArray, Column, FloatArray, IntArray
from gmvcausal.results.describing.small_groups import away, shown
from gmvcausal.results.shown import Cells, Shown
from gmvcausal.stats.describing import Summary, summary
from gmvcausal.stats.small_cells import MIN_CELL

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.results.describing.arms import Balance
    from gmvcausal.results.describing.meanings import Definitions, Levels
    from gmvcausal.results.describing.together import Correlations, Inflations

# Head of the frame -> head of the printed table.
_HEADS = {
    "variable": "variable", "n": "n", "missing": "missing", "mean": "mean", "sd": "SD", "min": "min", "p25": "P25",
    "median": "median", "p75": "P75", "max": "max", "zeros": "zeros",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of ``by=``: column, labels (the control first), the place of every row's label."""

    column: str
    labels: tuple[str, ...]
    code: IntArray


@dataclass(frozen=True, eq=False, repr=False)
class Described(Shown):
    """Columns of a table described: counts, means, spread and quantiles, missing values and zeros.

    Attributes
    ----------
    columns : tuple of Column
    n : int
        Rows.
    left : tuple of str
        Columns that are not described, with the reason.
    meanings : mapping of str to str
        Column -> what it is, as the call defined it.
    units : mapping of str to str
        Column -> what it is measured in.
    groups : Groups or None
    dependent : str
        Why rows are not independent of each other, so that no test of them holds; empty where nothing says so.
    people : bool
        Whether rows are of people: what rests on fewer than ten of them is not shown.
    """

    columns: tuple[Column, ...]
    n: int
    left: tuple[str, ...]
    meanings: Mapping[str, str]
    units: Mapping[str, str]
    groups: Groups | None = None
    dependent: str = ""
    people: bool = True

    @property
    def report_title(self) -> str:
        """Heading."""
        return "Descriptive statistics"

    @property
    def own(self) -> tuple[str, ...]:
        """Columns, their levels, and what the call says of them."""
        levels = (level for c in self.columns if c.kind == "category" for level in c.levels)
        return (*(c.name for c in self.columns), *levels, *self.meanings.values(), *self.units.values())

    @property
    def numbers(self) -> list[Column]:
        """The columns that have a mean."""
        return [c for c in self.columns if c.is_number]

    @property
    def summaries(self) -> list[tuple[Column, Summary]]:
        """The columns of numbers, each with its summary."""
        if not self.people:
            return [(c, summary(c.values)) for c in self.numbers]
        return [(c, shown(c.values, bool(self.away[c.name][0]))) for c in self.numbers]

    @cached_property
    def away(self) -> dict[str, BoolArray]:
        """What of each column is hidden for the sake of few people: the mean of a number, levels of a category."""
        columns = [c for c in self.columns if c.kind != "date"]
        return away(columns) if self.people else {c.name: np.zeros(len(c.levels) or 1, dtype=bool) for c in columns}

    def to_frame(self) -> pd.DataFrame:
        """One row per column of numbers: variable, n, missing, mean, sd, min, p25, median, p75, max, zeros (share).

        Where rows are people, what rests on 1 to 9 of them is missing: all but the counts of a column that so few have,
        mean, SD and zeros where so few differ from the others, and shares from which so few could be counted.
        """
        import pandas as pd

        rows = [
            (c.name, s.n, s.missing, s.mean, s.sd, s.low, s.p25, s.median, s.p75, s.high, s.zeros)
            for c, s in self.summaries
        ]
        return pd.DataFrame(rows, columns=list(_HEADS))

    def cells(self) -> Cells:
        """The table as it is printed."""
        from gmvcausal.present import digits

        rows = []
        for c, s in self.summaries:
            places = digits.beside(s.sd, s.mean, digits=3)
            sizes = [digits.fixed(v, places) for v in (s.mean, s.sd, s.low, s.p25, s.median, s.p75, s.high)]
            rows.append((c.name, f"{s.n:,}", f"{s.missing:,}", *sizes, digits.percent(s.zeros)))
        return tuple(_HEADS.values()), tuple(rows), " ".join(self._notes())

    def _notes(self) -> list[str]:
        lines = ["Each line counts the rows that have a value; quartiles are interpolated; SD over n − 1."]
        texts = [c.name for c in self.columns if c.kind == "category"]
        if texts:
            lines.append(f"Counted by level, in a table of their own: {', '.join(texts)}.")
        if any(s.n and math.isnan(s.mean + (s.sd if s.n > 1 else 0.0) + s.zeros) for _, s in self.summaries):
            lines.append(f"What rests on fewer than {MIN_CELL} rows, or would count so few, is not shown.")
        return lines

    def sentences(self) -> list[str]:
        """Rows, what is missing, what does not vary, what is mostly zero, what is left out."""
        lines = [f"{counted(self.n, 'row')}, {counted(len(self.columns), 'column')}."]
        gaps = [f"{c.name} in {c.missing:,} rows ({c.missing / self.n:.1%})" for c in self.columns if c.missing]
        lines.append(f"Missing: {'; '.join(gaps)}." if gaps else "No value is missing.")
        found = self.summaries
        still = [c.name for c, s in found if s.n and s.low == s.high]
        still += [c.name for c in self.columns if c.kind == "category" and len(c.levels) == 1]
        if still:
            lines.append(f"The same in all rows, so that nothing can be learned from it: {', '.join(still)}.")
        zero = [f"{c.name} in {s.zeros:.1%}" for c, s in found if c.kind == "number" and 0.5 < s.zeros < 1]
        if zero:
            lines.append(
                f"Zero in more than half of the rows: {'; '.join(zero)}; the median is then 0, and the mean is that of "
                "few rows."
            )
        if self.left:
            lines.append(f"Not described: {', '.join(self.left)}.")
        return lines

    def summary(self) -> str:
        """The sentences and the table."""
        return "\n".join([*self.sentences(), "", self.printed()])

    __repr__ = summary

    def report_parts(self) -> list[Any]:
        """What the columns are, where the call says so; the table; counts by level and the balance, where there are."""
        from gmvcausal.present import tables
        from gmvcausal.results.describing.arms import compared, none_compared

        beside: list[Shown] = [self.levels()] if any(c.kind == "category" for c in self.columns) else []
        parts = super().report_parts()
        if self.meanings or self.units:
            parts.insert(0, tables.shown_table(self.definitions()))
        if self.groups is not None and compared(self, self.groups):
            beside.append(self.balance())
        elif self.groups is not None:
            parts.append(f"No balance: {none_compared(self.groups.column)}.")
        for one in beside:
            parts += [*one.sentences(), tables.shown_table(one)]
        return parts

    def definitions(self) -> Definitions:
        """What each column is: variable, meaning, unit, type.

        Meanings are those that the call gave (``definitions=``); a column without one says so.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> users = pd.DataFrame({"gmv": [0.0, 12.5, 3.0], "member": [0, 1, 1]})
        >>> found = gc.describe(users, definitions={"gmv": ("GMV after the coupon", "yuan")}).definitions()
        >>> found.to_frame()["unit"].tolist(), found.to_frame()["type"].tolist()
        (['yuan', ''], ['number', '0/1'])
        """
        from gmvcausal.results.describing.meanings import Definitions

        return Definitions(self)

    def levels(self) -> Levels:
        """How many rows every level of every category has: variable, level, n, share.

        Raises
        ------
        InputError
            No column is a category.
        """
        from gmvcausal.results.describing.meanings import Levels

        if not any(c.kind == "category" for c in self.columns):
            raise InputError("no column is a category, so there are no levels", remedy="describe a column of text")
        return Levels(self)

    def correlations(
        self, method: str = "pearson", *, missing: str = "pairwise", style: str | None = None
    ) -> Correlations:
        """Correlations of the columns of numbers, the lower triangle with stars.

        Parameters
        ----------
        method : {"pearson", "spearman"}
            Spearman's is that of ranks: one whale does not decide it.
        missing : {"pairwise", "listwise"}
            Each coefficient on the rows that have both columns, or all on the rows that have every column.
        style : {"journal", "cn"}, optional
            Stars at 5, 1 and .1 %, or at 10, 5 and 1 %; ``cn`` also prints in Chinese. Default that of the page: ``cn``
            in a Chinese one, ``journal`` elsewhere.

        Raises
        ------
        InputError
            Fewer than two columns of numbers that vary; listwise, fewer than three rows.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> users = pd.DataFrame({"gmv": 10 * [0.0, 3, 5, 8, 9, 14], "orders": 10 * [0, 1, 1, 2, 2, 3]})
        >>> found = gc.describe(users).correlations().pairs()
        >>> found[["first", "second", "r", "n"]].round(3).values.tolist()
        [['gmv', 'orders', 0.986, 60]]
        """
        from gmvcausal.results.describing.together import correlated

        one_of("method", method, ("pearson", "spearman"))
        one_of("missing", missing, ("pairwise", "listwise"))
        return correlated(self, method, missing, None if style is None else check("style", style))

    def vif(self) -> Inflations:
        """Variance inflation factors of the columns of numbers, on the rows that have all of them.

        Each column is regressed on the others and a constant; categories and columns that do not vary are left out and
        named. A column that others give exactly is infinite, and the sentences say which these are.

        Raises
        ------
        InputError
            Fewer than two columns of numbers that vary, or no more rows than columns.
        """
        from gmvcausal.results.describing.together import inflated

        return inflated(self)

    def balance(self) -> Balance:
        """How alike the groups of ``by=`` are, column by column and all together.

        Numbers are compared by Welch's t, 0/1 columns and categories by Pearson's chi-square (no correction), each on
        the rows that have a value; the joint test is the F test of the group on all columns, on the rows that have all.
        Where rows are people, groups and columns whose numbers rest on fewer than ten are not shown, and not in the
        joint test, from which they could be worked out.

        Raises
        ------
        InputError
            `describe` was called without ``by=``; where rows are people, no group of ten can be compared.
        """
        from gmvcausal.results.describing.arms import balanced

        if self.groups is None:
            raise InputError("balance() compares groups, and none were named", remedy="call describe with by=")
        return balanced(self, self.groups)

    def whole_rows(self, columns: Sequence[Column]) -> tuple[FloatArray, int]:
        """Their numbers side by side on the rows that have all of them, and how many rows are left out."""
        x = np.column_stack([part for c in columns for part in c.dummies()])
        whole = ~np.isnan(x).any(axis=1)
        return x[whole], int((~whole).sum())


def varying(described: Described) -> tuple[list[Column], list[str]]:
    """Columns of numbers that vary, and the names of all others.

    Raises
    ------
    InputError
        Fewer than two are left.
    """
    kept = [c for c in described.numbers if len(np.unique(c.values[~np.isnan(c.values)])) > 1]
    others = [c.name for c in described.columns if c not in kept]
    if len(kept) < 2:
        raise InputError(
            f"{len(kept)} column{'' if len(kept) == 1 else 's'} of numbers vary, and relations need two",
            remedy="name more columns of numbers in columns=",
        )
    return kept, others
