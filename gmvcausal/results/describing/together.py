"""How columns go together: correlations with stars, and how far each is told by the others."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.results.describing.read import FloatArray, IntArray
from gmvcausal.results.describing.result import Described, varying
from gmvcausal.results.describing.small_groups import hidden_pairs, without_pairs
from gmvcausal.results.shown import Cells, Shown
from gmvcausal.stats.describing import correlations, inflation
from gmvcausal.stats.small_cells import MIN_CELL

if TYPE_CHECKING:
    import pandas as pd

_HIGH = 10.0  # the usual rule of thumb for a VIF


@dataclass(frozen=True, eq=False, repr=False)
class Correlations(Shown):
    """Correlations, two columns at a time.

    Attributes
    ----------
    names : tuple of str
    method : {"pearson", "spearman"}
    r, p_value : ndarray, shape (p, p)
        P-values by the t distribution; NaN where rows are not independent.
    n : ndarray of int, shape (p, p)
        Rows behind each.
    missing : {"pairwise", "listwise"}
    lost : int
        Rows that lack some column.
    others : tuple of str
        Columns that are not among them: no numbers, or constant.
    asked : {"journal", "cn"}, optional
        The stars that were asked for; None follows the page.
    dependent : str
        Why there are no stars; empty where there are.
    unshown : bool
        Whether some are missing, since they rest on fewer than ten people.
    """

    names: tuple[str, ...]
    method: str
    r: FloatArray
    p_value: FloatArray
    n: IntArray
    missing: str
    lost: int
    others: tuple[str, ...]
    asked: str | None
    dependent: str
    unshown: bool = False

    @property
    def style(self) -> str:
        """Of the stars: ``journal`` where neither the caller nor a page says otherwise."""
        return self.asked or "journal"

    @property
    def spoken(self) -> str:
        """Chinese where the stars of Chinese journals were asked for."""
        return "zh" if self.style == "cn" else "en"

    def in_house(self, language: str) -> Correlations:
        """The same with the stars of a page in `language`, where none were asked for."""
        return self if self.asked else replace(self, asked={"zh": "cn"}.get(language, "journal"))

    @property
    def report_title(self) -> str:
        """Heading."""
        return "Correlations" if self.method == "pearson" else "Rank correlations"

    @property
    def own(self) -> tuple[str, ...]:
        """The columns."""
        return (*self.names, *self.others)

    def to_frame(self) -> pd.DataFrame:
        """The matrix in full: variable, then one column for each."""
        import pandas as pd

        return pd.DataFrame(self.r, columns=list(self.names)).assign(variable=self.names)[["variable", *self.names]]

    def pairs(self) -> pd.DataFrame:
        """One row per pair: first, second, r, p_value, n."""
        import pandas as pd

        i, j = np.tril_indices(len(self.names), -1)
        name = np.array(self.names, dtype=object)
        return pd.DataFrame(
            {"first": name[j], "second": name[i], "r": self.r[i, j], "p_value": self.p_value[i, j], "n": self.n[i, j]}
        )

    def cells(self) -> Cells:
        """The lower triangle with stars."""
        from gmvcausal.present import digits

        rows = []
        for i, name in enumerate(self.names):
            found = [
                digits.fixed(self.r[i, j], 3) + (digits.stars(self.p_value[i, j], self.style) if j < i else "")
                for j in range(i + 1)
            ]
            rows.append((f"({i + 1}) {name}", *found, *[""] * (len(self.names) - i - 1)))
        heads = ("", *(f"({i + 1})" for i in range(len(self.names))))
        return heads, tuple(rows), " ".join([*self._note(), *self._rows_words(), *self._unshown_words()])

    def _unshown_words(self) -> list[str]:
        return [f"What rests on fewer than {MIN_CELL} rows, or would count so few, is not shown."] * self.unshown

    def _note(self) -> list[str]:
        from gmvcausal.present import digits

        kind = "Pearson's" if self.method == "pearson" else "Spearman's"
        if self.dependent:
            return [f"{kind} coefficients; no stars: {self.dependent}."]
        return [f"{kind} coefficients; {digits.stars_words(self.style)}."]

    def _rows_words(self) -> list[str]:
        low, high = int(self.n.min()), int(self.n.max())
        if low == high and not self.lost:
            return [f"n = {high:,}."]
        if self.missing == "listwise":
            return [f"n = {high:,}: the rows that have every column; {self.lost:,} rows are left out (listwise)."]
        return [f"Each coefficient on the rows that have both columns (pairwise): n = {low:,} to {high:,}."]

    def sentences(self) -> list[str]:
        """How many would have a star by chance, and what is not among them."""
        from gmvcausal.present import digits

        pairs = int((~np.isnan(self.r[np.tril_indices(len(self.names), -1)])).sum())
        lines = self._rows_words()
        if not self.dependent and pairs:
            bound = digits.STARS[self.style][0]
            lines.append(
                f"Of {pairs} correlations, about {pairs * bound:.1f} would have a star by chance alone; none of them "
                "says what causes what."
            )
        elif self.dependent:
            lines.append(f"No p-values: {self.dependent}.")
        if self.others:
            lines.append(f"Not among them (no numbers, or the same in all rows): {', '.join(self.others)}.")
        return lines

    def summary(self) -> str:
        """The sentences and the table."""
        from gmvcausal.present.chinese import say

        return "\n".join([*(say(text, self.spoken) for text in self.sentences()), "", self.printed()])

    __repr__ = summary


@dataclass(frozen=True, eq=False, repr=False)
class Inflations(Shown):
    """Variance inflation factors.

    Attributes
    ----------
    names : tuple of str
    vif : ndarray, shape (p,)
    combinations : tuple of (str, tuple of str)
        A column, and those that give it exactly.
    n, lost : int
        Rows that have every column, and others.
    others : tuple of str
        Columns that are not among them.
    unshown : tuple of str
        Columns left out since their relations rest on fewer than ten people.
    """

    names: tuple[str, ...]
    vif: FloatArray
    combinations: tuple[tuple[str, tuple[str, ...]], ...]
    n: int
    lost: int
    others: tuple[str, ...]
    unshown: tuple[str, ...] = ()

    @property
    def report_title(self) -> str:
        """Heading."""
        return "Variance inflation factors"

    @property
    def own(self) -> tuple[str, ...]:
        """The columns."""
        return (*self.names, *self.others)

    def to_frame(self) -> pd.DataFrame:
        """variable, vif, tolerance (1 / vif): one row per column, the largest first."""
        import pandas as pd

        order = np.argsort(-self.vif, kind="stable")
        names = np.array(self.names, dtype=object)[order]
        return pd.DataFrame({"variable": names, "vif": self.vif[order], "tolerance": 1 / self.vif[order]})

    def cells(self) -> Cells:
        """The table with the mean, as theses print it."""
        from gmvcausal.present import digits

        frame = self.to_frame()
        rows = [
            (str(name), digits.fixed(vif, 2), digits.fixed(tolerance, 3))
            for name, vif, tolerance in frame.itertuples(index=False)
        ]
        rows.append(("mean", digits.fixed(float(self.vif.mean()), 2), ""))
        note = f"n = {self.n:,}; every regression with a constant."
        if self.lost:
            note += f" {self.lost:,} rows that lack a column are left out (listwise)."
        return ("variable", "VIF", "1 / VIF"), tuple(rows), note

    def sentences(self) -> list[str]:
        """The largest, exact combinations, and what a VIF is."""
        lines = [
            f"{name} is a combination of {' and '.join(parts)} exactly: a regression cannot hold all of them."
            for name, parts in self.combinations
        ]
        top = int(np.argmax(self.vif))
        if not self.combinations:
            worst, root = float(self.vif[top]), math.sqrt(float(self.vif[top]))
            beyond = "above" if worst > _HIGH else "not above"
            lines.append(
                f"The largest is {worst:.2f} ({self.names[top]}), {beyond} the usual 10: its standard error is "
                f"{root:.2f} times what it would be if the others told nothing of it. That is a cost in precision, and "
                "no reason by itself to leave a confounder out."
            )
        if self.lost:
            lines.append(f"On the {self.n:,} rows that have every column; {self.lost:,} rows are left out (listwise).")
        if self.others:
            lines.append(f"Not among them (no numbers, or the same in all rows): {', '.join(self.others)}.")
        if self.unshown:
            names = ", ".join(self.unshown)
            lines.append(f"Not among them, since relations of theirs rest on fewer than {MIN_CELL} rows: {names}.")
        return lines

    def summary(self) -> str:
        """The sentences and the table."""
        return "\n".join([*self.sentences(), "", self.printed()])

    __repr__ = summary


def correlated(of: Described, method: str, missing: str, style: str | None) -> Correlations:
    """See `Described.correlations`."""
    columns, others = varying(of)
    x = np.column_stack([c.values for c in columns])
    gaps = int(np.isnan(x).any(axis=1).sum())
    if missing == "listwise":
        x = x[~np.isnan(x).any(axis=1)]
        _refuse_few(x, 3)
    found = correlations(x, ranked=method == "spearman")
    np.fill_diagonal(found.r, 1.0)  # to the last digit: rounding depends on how many differ
    p = np.full_like(found.p, np.nan) if of.dependent else found.p
    away = hidden_pairs(x, [of.away[c.name][0] for c in columns]) if of.people else np.zeros(found.r.shape, dtype=bool)
    return Correlations(
        tuple(c.name for c in columns), method, np.where(away, np.nan, found.r), np.where(away, np.nan, p), found.n,
        missing, gaps, tuple(others), style, of.dependent, bool(away.any()),
    )  # fmt: skip


def inflated(of: Described) -> Inflations:
    """See `Described.vif`."""
    columns, others = varying(of)
    x, lost = of.whole_rows(columns)
    _refuse_few(x, len(columns) + 2)
    moving = [len(np.unique(column[:2])) > 1 or bool((column != column[0]).any()) for column in x.T]
    others += [c.name for c, moves in zip(columns, moving, strict=True) if not moves]
    columns = [c for c, moves in zip(columns, moving, strict=True) if moves]
    x = x[:, moving]
    unshown: list[str] = []
    if of.people:
        shown = without_pairs(x, [of.away[c.name][0] for c in columns])
        unshown = [c.name for k, c in enumerate(columns) if k not in shown]
        columns, x = [columns[k] for k in shown], x[:, shown]
    if unshown and len(columns) < 2:
        raise InputError(
            f"{len(columns)} column{'' if len(columns) == 1 else 's'} of numbers can be shown, and relations need two: "
            f"others rest on fewer than {MIN_CELL} rows, or would count so few",
            remedy="name more columns of numbers in columns=",
        )
    found = inflation(x)
    names = tuple(c.name for c in columns)
    told = tuple((names[j], tuple(names[k] for k in parts)) for j, parts in found.combinations)
    return Inflations(names, found.vif, told, len(x), lost, tuple(others), tuple(unshown))


def _refuse_few(x: FloatArray, least: int) -> None:
    if len(x) < least:
        raise InputError(
            f"{len(x):,} rows have every column, and {least} are needed",
            remedy="name fewer columns, or find out why so many values are missing",
        )
