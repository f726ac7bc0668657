"""Two plain tables: what the columns are, as the call defines them, and how many rows each level of a category has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.rules import nearest
from gmvcausal.results.shown import Cells, Shown
from gmvcausal.stats.small_cells import MIN_CELL

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.results.describing.result import Described


@dataclass(frozen=True, eq=False, repr=False)
class Definitions(Shown):
    """What each column is: variable, meaning, unit, type."""

    of: Described

    @property
    def report_title(self) -> str:
        """Heading."""
        return "Definitions of variables"

    @property
    def own(self) -> tuple[str, ...]:
        """Those of the description."""
        return self.of.own

    def to_frame(self) -> pd.DataFrame:
        """variable, meaning, unit (as the call defined them; empty where it did not), type (as the column holds it)."""
        import pandas as pd

        rows = [
            (c.name, self.of.meanings.get(c.name, ""), self.of.units.get(c.name, ""), c.kind_words)
            for c in self.of.columns
        ]
        return pd.DataFrame(rows, columns=["variable", "meaning", "unit", "type"])

    def cells(self) -> Cells:
        """The table as it is printed."""
        rows = self.to_frame().to_numpy(dtype=object)
        return ("variable", "meaning", "unit", "type"), tuple(tuple(v or "–" for v in row) for row in rows), ""

    def sentences(self) -> list[str]:
        """Which columns nobody has defined."""
        bare = [c.name for c in self.of.columns if not self.of.meanings.get(c.name)]
        return [f"No meaning was given (definitions=) for {', '.join(bare)}."] if bare else []

    def summary(self) -> str:
        """The sentences and the table."""
        return "\n".join([*self.sentences(), self.printed()])

    __repr__ = summary


@dataclass(frozen=True, eq=False, repr=False)
class Levels(Shown):
    """Rows of every level of every category."""

    of: Described

    @property
    def report_title(self) -> str:
        """Heading."""
        return "Categories by level"

    @property
    def own(self) -> tuple[str, ...]:
        """Those of the description."""
        return self.of.own

    def to_frame(self) -> pd.DataFrame:
        """variable, level, n, share (of the rows that have a level).

        Where rows are people, counts below ten, which would point at persons, are missing, and one more where the total
        would give them away.
        """
        import pandas as pd

        rows = []
        for c in self.of.columns:
            if c.kind == "category":
                live = c.values[~np.isnan(c.values)].astype(np.int64)
                count = np.bincount(live, minlength=len(c.levels))
                rows += [
                    (c.name, v, None if gone else int(k), None if gone else k / len(live))
                    for v, k, gone in zip(c.levels, count, self.of.away[c.name], strict=True)
                ]
        return pd.DataFrame(rows, columns=["variable", "level", "n", "share"]).astype({"n": "Int64", "share": float})

    def cells(self) -> Cells:
        """The table as it is printed."""
        from gmvcausal.present import digits

        rows = [
            (name, level, digits.fixed(n, 0), digits.percent(share))
            for name, level, n, share in self.to_frame().astype({"n": float}).itertuples(index=False)
        ]
        note = "Shares are of the rows that have a level."
        if self.to_frame()["n"].isna().any():
            note += f" Levels of fewer than {MIN_CELL} rows, and what would give them away, are not shown."
        return ("variable", "level", "n", "share"), tuple(rows), note

    def sentences(self) -> list[str]:
        """Nothing beyond the table."""
        return []

    def summary(self) -> str:
        """The table."""
        return self.printed()

    __repr__ = summary


def meanings_of(definitions: Any, known: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Meaning and unit of every column that `definitions` names.

    Raises
    ------
    InputError
        No mapping of columns of the data to texts, or to pairs of meaning and unit.
    """
    if definitions is None:
        return {}, {}
    form = "write definitions={'gmv': 'GMV of the week after'} or {'gmv': ('GMV of the week after', 'yuan')}"
    if not isinstance(definitions, Mapping):
        raise InputError("definitions must map columns to what they mean", remedy=form)
    meanings, units = {}, {}
    for column, told in definitions.items():
        if column not in known:
            raise InputError(
                f"definitions names {str(column)!r}, which is no column of data", remedy=nearest(column, known)
            )
        pair = (told, "") if isinstance(told, str) else told
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(t, str) for t in pair):
            raise InputError(f"the definition of {column!r} must be a text, or a meaning and its unit", remedy=form)
        meanings[column], units[column] = pair
    return meanings, units
