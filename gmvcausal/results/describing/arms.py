"""Are the groups alike before anything happened: differences column by column, and one test of all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.results.describing.read import Column
from gmvcausal.results.describing.result import Described, Groups
from gmvcausal.results.describing.small_groups import away_by
from gmvcausal.results.shown import Cells, Shown
from gmvcausal.stats.small_cells import MIN_CELL, hidden
from gmvcausal.stats.two_groups import Gap, alike, together, welch

if TYPE_CHECKING:
    import pandas as pd

_APART = 0.1  # standardised difference that is usually called small
_FIELDS = ("statistic", "df", "p_value")


class Line(NamedTuple):
    """One line: a number, or one level of a category; its test stands on the first line of the column."""

    variable: str
    level: str
    group: str
    gap: Gap
    test: str
    statistic: float
    df: float
    p_value: float


class Joint(NamedTuple):
    """The test of all columns together: F with its degrees of freedom, on the rows that have all of them."""

    group: str
    statistic: float
    df1: int
    df2: int
    p_value: float
    n: int
    lost: int


@dataclass(frozen=True, eq=False, repr=False)
class Balance(Shown):
    """Groups beside the control, column by column.

    Attributes
    ----------
    by, control : str
        The column of the groups, and the label of the control.
    lines : tuple of Line
    joint : tuple of Joint
        One for every other group.
    dependent : str
        Why there are no tests; empty where there are.
    left : tuple of str
        Groups that are not shown, being of fewer than ten people or giving such a one away.
    untested : tuple of str
        Columns that are not in the joint test, since not all of their numbers are shown.
    with_all : dict of str to bool
        Whether a group is told apart at 5 % with those columns in the test; no more is said of that test, from which
        they could be worked out.
    """

    by: str
    control: str
    lines: tuple[Line, ...]
    joint: tuple[Joint, ...]
    dependent: str
    left: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()
    with_all: Mapping[str, bool] = field(default_factory=dict)

    @property
    def report_title(self) -> str:
        """Heading."""
        return f"Balance by {self.by}"

    @property
    def own(self) -> tuple[str, ...]:
        """Columns and levels; a group called by a plain word is told by it."""
        return tuple(name for x in self.lines for name in (x.variable, x.level))

    def to_frame(self) -> pd.DataFrame:
        """One row per number or level: variable, level, group, both sides, differences and the test.

        Columns are variable, level (of a category), group, n_control, n, mean_control, mean, sd_control, sd, difference
        (group less control), standardised (over the root of the mean of both variances), test ("t" or "chi2"),
        statistic, df, p_value. The test of a category stands in the row of its first level.
        """
        import pandas as pd

        rows = [
            (
                x.variable, x.level, x.group, x.gap.n[0], x.gap.n[1], x.gap.mean[0], x.gap.mean[1], x.gap.sd[0],
                x.gap.sd[1], x.gap.difference, x.gap.standardised, x.test, x.statistic, x.df, x.p_value,
            )
            for x in self.lines
        ]  # fmt: skip
        heads = ["variable", "level", "group", "n_control", "n", "mean_control", "mean", "sd_control", "sd",
                 "difference", "standardised", "test", *_FIELDS]  # fmt: skip
        return pd.DataFrame(rows, columns=heads)

    def joint_test(self) -> pd.DataFrame:
        """The test that no column tells a group from the control: group, statistic (F), df1, df2, p_value, n, lost."""
        import pandas as pd

        return pd.DataFrame(self.joint, columns=list(Joint._fields))

    def cells(self) -> Cells:
        """The table as it is printed, the joint test last."""
        from gmvcausal.present import digits

        several = len(self.joint) > 1
        rows = []
        for x in self.lines:
            places = digits.beside(min(s for s in x.gap.sd) or max(x.gap.sd), *x.gap.mean, digits=3)
            sizes = [digits.fixed(v, places) for v in (x.gap.mean[0], x.gap.mean[1], x.gap.difference)]
            name = f"{x.variable} = {x.level}" if x.level else x.variable
            label = f"{name}, {x.group}" if several else name
            rows.append((label, *sizes, digits.fixed(x.gap.standardised, 3), x.test, digits.p_value(x.p_value)))
        for j in self.joint:
            label = f"all together, {j.group}" if several else "all together"
            rows.append((label, "", "", "", "", f"F({j.df1}, {j.df2})", digits.p_value(j.p_value)))
        group = "group" if several else self.joint[0].group
        head = ("variable", self.control, group, "difference", "standardised", "test", "p")
        return head, tuple(rows), " ".join(self._note())

    def _note(self) -> list[str]:
        lines = [
            "Means (shares for 0/1 and levels), difference from the control, and the difference over the root of the "
            "mean of both variances. t is Welch's; chi2 is Pearson's, of all levels of a column."
        ]
        if self.untested:
            lines.append(f"Numbers of fewer than {MIN_CELL} rows, and what would give them away, are not shown.")
        if self.left:
            names = ", ".join(self.left)
            lines.append(
                f"Groups of fewer than {MIN_CELL} rows, and what would give them away, are not shown: {names}."
            )
        if self.dependent:
            return [*lines, f"No tests: {self.dependent}."]
        if len(self.joint) == 1:
            rows = f"n = {self.joint[0].n:,}; {self.joint[0].lost:,} are left out"
        else:
            rows = "; ".join(f"n = {j.n:,}, {j.lost:,} left out" for j in self.joint)
        lines.append(f"The joint test is on the rows that have every column ({rows}).")
        if self.untested:
            lines.append(f"It leaves out what is not shown in full: {', '.join(self.untested)}.")
        return lines

    def sentences(self) -> list[str]:
        """What the joint test says, how many differ by chance, and the largest difference."""
        lines = []
        for j in self.joint:
            told = f"{j.group} and {self.control}"
            if self.dependent:
                lines.append(f"{told}: no test, for {self.dependent}.")
            elif math.isnan(j.p_value):
                why = "too few rows have every column" if j.df1 or not j.n else "none is left that varies"
                lines.append(f"{told}: all columns together cannot be tested; {why}.")
            else:
                found = "are told apart by" if j.p_value < 0.05 else "are not told apart by"
                p = f"p = {j.p_value:.3f}" if j.p_value >= 0.001 else "p < 0.001"
                what = "the columns tested" if self.untested else "all columns"
                lines.append(f"{told} {found} {what} together (F = {j.statistic:.3g}, {p}).")
            if j.group in self.with_all:
                names, also = ", ".join(self.untested), "are" if self.with_all[j.group] else "are not"
                lines.append(f"With {names}, of which not all numbers are shown, they {also} told apart at 5 %.")
        known = [x for x in self.lines if not math.isnan(x.gap.standardised)]
        if known:
            top = max(known, key=lambda x: abs(x.gap.standardised))
            size, level = top.gap.standardised, f" = {top.level}" if top.level else ""
            lines.append(f"The largest standardised difference is {size:+.3f} ({top.variable}{level}).")
        tests = sum(1 for x in self.lines if x.test and not math.isnan(x.p_value))
        if tests:
            lines.append(
                f"Of {tests} tests, about {0.05 * tests:.1f} fall below 5 % by chance where a lot was drawn. Where "
                f"none was, read the standardised differences (beyond {_APART:g} is no longer small): p falls with the "
                "number of rows."
            )
        return lines

    def summary(self) -> str:
        """The sentences and the table."""
        return "\n".join([*self.sentences(), "", self.printed()])

    __repr__ = summary


def compared(of: Described, groups: Groups) -> list[int]:
    """Places of the groups that can be shown beside the control: of people, none of a group of fewer than ten."""
    sizes = np.bincount(groups.code, minlength=len(groups.labels))
    away = hidden(sizes) if of.people else np.zeros(len(sizes), dtype=bool)
    return [] if away[0] else [k for k in range(1, len(sizes)) if not away[k]]


def none_compared(by: str) -> str:
    """Why there is no balance."""
    return f"the groups of {by!r} are of fewer than {MIN_CELL} rows, or one would give away another that is"


def balanced(of: Described, groups: Groups) -> Balance:
    """See `Described.balance`."""
    shown = compared(of, groups)
    if not shown:
        raise InputError(
            none_compared(groups.column),
            column=groups.column,
            remedy="join small groups with others",
        )
    columns = [c for c in of.columns if c.kind != "date"]
    away = away_by(columns, of.away, groups.code, len(groups.labels)) if of.people else of.away
    tested = [c for c in columns if not away[c.name].any()]
    lines: list[Line] = []
    joint: list[Joint] = []
    with_all: dict[str, bool] = {}
    for k in shown:
        inside = (groups.code == 0) | (groups.code == k)
        treated = groups.code[inside] == k
        for column in columns:
            lines += _lines(column, inside, treated, groups.labels[k], bool(of.dependent), away[column.name])
        joint.append(_joint(groups.labels[k], tested, inside, treated, bool(of.dependent)))
        if len(tested) < len(columns):
            p = _joint(groups.labels[k], columns, inside, treated, bool(of.dependent)).p_value
            with_all |= {groups.labels[k]: p < 0.05} if not math.isnan(p) else {}
    left = tuple(label for k, label in enumerate(groups.labels) if k and k not in shown)
    untested = tuple(c.name for c in columns if c not in tested)
    return Balance(groups.column, groups.labels[0], tuple(lines), tuple(joint), of.dependent, left, untested, with_all)


def _joint(label: str, columns: list[Column], inside: np.ndarray, treated: np.ndarray, untested: bool) -> Joint:
    x = np.column_stack([part[inside] for c in columns for part in c.dummies()] or [np.zeros(int(inside.sum()))])
    whole = ~np.isnan(x).any(axis=1)
    test = (math.nan, 0, 0, math.nan)
    if not untested and treated[whole].any() and not treated[whole].all():
        test = together(x[whole], treated[whole])
    return Joint(label, *test, int(whole.sum()), int((~whole).sum()))


def _unshown(gap: Gap) -> Gap:
    """Without shares, from which the size of a small group could be worked out."""
    gone = (math.nan, math.nan)
    return Gap(gap.n, gone, gone, math.nan, math.nan, math.nan, math.nan, math.nan)


def _lines(
    column: Column, inside: np.ndarray, treated: np.ndarray, label: str, untested: bool, away: np.ndarray
) -> list[Line]:
    values = column.values[inside]
    if column.kind == "number":
        gap = _unshown(welch(values, treated)) if away.any() else welch(values, treated)
        test = (math.nan,) * 3 if untested else (gap.statistic, gap.df, gap.p_value)
        return [Line(column.name, "", label, gap, "t", *test)]
    live = ~np.isnan(values)
    levels = len(column.levels) or 2
    counts = np.stack([np.bincount(values[live & s].astype(np.int64), minlength=levels) for s in (~treated, treated)])
    statistic, df, p = (math.nan, 0, math.nan) if untested else alike(counts.T.astype(float))
    if away.any():  # a chi-square and the shares beside it give the cells back
        statistic, df, p = math.nan, 0, math.nan
    if column.kind == "0/1":
        gap = welch(values, treated)
        return [Line(column.name, "", label, _unshown(gap) if away.any() else gap, "chi2", statistic, float(df), p)]
    out = []
    for k, level in enumerate(column.levels):
        gap = welch(np.where(live, values == k, np.nan), treated)
        gap = _unshown(gap) if away[k] else gap
        test = (statistic, float(df), p) if k == 0 else (math.nan,) * 3
        out.append(Line(column.name, level, label, gap, "chi2" if k == 0 else "", *test))
    return out
