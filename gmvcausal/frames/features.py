"""Features as trees take them: numbers on a scale of their own, categories by their levels, gaps as gaps."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import GmvCausalWarning, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import first_rows, numeric
from gmvcausal.frames.covariates import is_category, is_text
from gmvcausal.frames.params import said
from gmvcausal.frames.table import Table
from gmvcausal.frames.times import times

FloatArray = NDArray[np.float64]
Matrix = NDArray[np.float32]
# Of every feature with levels that training never saw: in how many rows, and the first of them.
Unseen = dict[str, tuple[int, str]]

MOST_LEVELS = 255  # LightGBM keeps so many bins, and a column of more is an id
_MISSING = "(missing)"
_DAY = 86_400_000_000


# Shares of rows with levels that training never saw: above the first a warning; above the second, with so many rows at
# least, they are another spelling.
_FEW, _RENAMED, _ENOUGH = 0.01, 0.95, 20


@dataclass(frozen=True)
class Features:
    """How columns of a table become the columns of a matrix; plain values throughout, so that it can be stored.

    Attributes
    ----------
    names : tuple of str
    kinds : tuple of {"number", "category", "date"}
    levels : tuple of tuple of str
        Of each category; empty for numbers.
    shift, scale : tuple of float
        A number enters as (value - shift) / scale, so that single precision loses no differences.
    fill : tuple of float
        What a gap is filled with, on that scale; NaN where gaps stay gaps.
    assigned_at : str
        Column of the time of assignment: dates count as days before it. Empty without dates.
    role : str
        The option that named the columns, for messages.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    shift: tuple[float, ...]
    scale: tuple[float, ...]
    fill: tuple[float, ...]
    assigned_at: str = ""
    role: str = "features"

    @property
    def one(self) -> str:
        """What one of the columns is called."""
        return self.role.removesuffix("s")

    @property
    def categorical(self) -> list[int]:
        """Positions of the categories."""
        return [j for j, kind in enumerate(self.kinds) if kind == "category"]

    @property
    def needed(self) -> list[str]:
        """Columns that a table must have."""
        return [*self.names, *([self.assigned_at] if self.assigned_at else [])]

    def take(self, keep: Sequence[int]) -> Features:
        """The columns at the positions `keep`."""

        def of(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(values[j] for j in keep)

        return replace(
            self, names=of(self.names), kinds=of(self.kinds), levels=of(self.levels), shift=of(self.shift),
            scale=of(self.scale), fill=of(self.fill),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a gap's NaN is null."""
        return {
            "names": list(self.names),
            "kinds": list(self.kinds),
            "levels": [list(v) for v in self.levels],
            "shift": list(self.shift),
            "scale": list(self.scale),
            "fill": [None if v != v else v for v in self.fill],
            "assigned_at": self.assigned_at,
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Features:
        """What `to_dict` made."""
        return cls(
            tuple(map(str, found["names"])),
            tuple(map(str, found["kinds"])),
            tuple(tuple(map(str, v)) for v in found["levels"]),
            tuple(map(float, found["shift"])),
            tuple(map(float, found["scale"])),
            tuple(np.nan if v is None else float(v) for v in found["fill"]),
            str(found["assigned_at"]),
        )

    def transform(self, table: Table, notes: list[str] | None = None, unseen: Unseen | None = None) -> Matrix:
        """The matrix of a table, shape (n, p); what was met on the way is added to `notes`.

        Levels never seen before are gaps, which trees send the way of gaps, and are counted: in `unseen` where the
        table is a batch of a larger one, which `judge_unseen` then judges as a whole.

        Raises
        ------
        InputError
            A column is not there, holds text where numbers were, infinite values, dates after assignment.
        """
        out = np.empty((table.n, len(self.names)), dtype=np.float32, order="F")
        told = [] if notes is None else notes
        for j, name in enumerate(self.names):
            if self.kinds[j] == "category":
                codes, gone, new = _codes(_texts(table, name, self.role), self.levels[j])
                if new.any():
                    example = str(_texts(table, name, "features")[int(np.flatnonzero(new)[0])])
                    if unseen is None:
                        told.append(_told_unseen(table.n, name, example, int(new.sum()), self.levels[j], new))
                    else:
                        count, first = unseen.get(name, (0, example))
                        unseen[name] = (count + int(new.sum()), first)
            else:
                codes, gone = self._numbers(table, j)
            if np.isnan(self.fill[j]):
                if gone.any():
                    told.append(f"{self.one} {name!r} is missing in {int(gone.sum()):,} rows: trees take it as it is")
            elif gone.any():
                told.append(f"{self.one} {name!r} is missing in {int(gone.sum()):,} rows and was filled (impute=)")
                codes = np.where(gone, self.fill[j], codes)
            out[:, j] = codes
        return out

    def judge_unseen(self, unseen: Unseen, n: int) -> list[str]:
        """What to say of levels that training never saw, from their counts in all batches of a table of `n` rows.

        Raises
        ------
        InputError
            Hardly any level of a feature is one that training saw.
        """
        levels = dict(zip(self.names, self.levels, strict=True))
        return [_told_unseen(n, name, first, count, levels[name]) for name, (count, first) in unseen.items()]

    def _numbers(self, table: Table, j: int) -> tuple[FloatArray, NDArray[np.bool_]]:
        values = _raw(table, self.names[j], self.kinds[j], self.assigned_at, self.role)
        with np.errstate(over="ignore"):
            out = (values - self.shift[j]) / self.scale[j]
        # Beyond single precision lies nothing that training has seen: the last value stands for all of it.
        limit = float(np.finfo(np.float32).max) / 2
        return np.clip(out, -limit, limit), np.isnan(values)


def learn_features(
    table: Table, columns: Sequence[str], impute: Any, assigned_at: str | None, role: str = "features"
) -> Features:
    """Find out what each column is, from the table that models learn from.

    Parameters
    ----------
    table : Table
    columns : sequence of str
    impute : {None, "median"} or float
        What fills gaps of numbers; gaps of categories are then a level of their own.
    assigned_at : str or None
    role : str
        The option that names the columns, for messages.

    Raises
    ------
    InputError
        Infinite values, dates without `assigned_at`, text of more than 255 levels, numbers or dates written as text.
    """
    kinds: list[str] = []
    levels: list[tuple[str, ...]] = []
    shift: list[float] = []
    scale: list[float] = []
    fill: list[float] = []
    dated = False
    for column in columns:
        kind = _kind(table, column, assigned_at, role)
        dated |= kind == "date"
        kinds.append(kind)
        if kind == "category":
            texts = _texts(table, column, role)
            found = tuple(sorted({v for v in texts if v is not None}))
            gaps = any(v is None for v in texts)
            if not is_category(table.series(column, role)):
                rules.refuse_written(found, column, role)
            rules.refuse_people(column, role, len(found))
            if impute is not None and gaps:
                found = (*found, _MISSING)
            if len(found) > MOST_LEVELS:
                raise InputError(
                    f"{role} holds text of {len(found):,} levels, for example {rules.shown(found[0], column)}, "
                    f"and at most {MOST_LEVELS} can be told apart",
                    column=column,
                    remedy="group the levels, leave an id out, or convert the column to numbers if it holds numbers",
                )
            levels.append(found)
            shift.append(0.0)
            scale.append(1.0)
            fill.append(float(len(found) - 1) if impute is not None and gaps else np.nan)
            continue
        values = _raw(table, column, kind, assigned_at or "", role)
        live = values[~np.isnan(values)]
        middle = float(live.mean()) if len(live) else 0.0
        spread = float(np.abs(live - middle).max(initial=0.0))
        levels.append(())
        shift.append(middle)
        scale.append(spread if spread > 0 else 1.0)
        chosen = np.nan if impute is None else float(np.median(live)) if impute == "median" and len(live) else 0.0
        if impute is not None and impute != "median":
            chosen = float(impute)
        fill.append((chosen - middle) / scale[-1])
    return Features(
        tuple(columns), tuple(kinds), tuple(levels), tuple(shift), tuple(scale), tuple(fill),
        (assigned_at or "") if dated else "", role,
    )  # fmt: skip


def said_of_levels(features: Features) -> list[str]:
    """The levels of every category, for the notes."""
    out = []
    for name, levels in zip(features.names, features.levels, strict=True):
        if levels:
            shown = ", ".join(map(repr, levels[:10])) + (f", … ({len(levels)} in all)" if len(levels) > 10 else "")
            out.append(f"{features.one} {name!r} is a category with the levels {shown}")
    return out


def tell_constant(features: Features, x: NDArray[np.float32], notes: list[str]) -> None:
    seen: dict[bytes, str] = {}
    for j, name in enumerate(features.names):
        live = x[:, j][~np.isnan(x[:, j])]
        if not len(live) or live.min() == live.max():
            notes.append(f"{features.one} {name!r} is constant and says nothing")
            continue
        content = hashlib.blake2b(np.ascontiguousarray(x[:, j]).data).digest()
        if content in seen:
            notes.append(f"{features.one} {name!r} is {seen[content]!r} over again, on another scale at most")
        seen.setdefault(content, name)


def check_impute(value: Any) -> Any:
    """None, "median" or a number."""
    if value is None or (isinstance(value, str) and value == "median"):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(float(value)):
        raise InputError(f"impute must be None, 'median' or a number, but is {said(value)}")
    return float(value)


def _kind(table: Table, column: str, assigned_at: str | None, role: str) -> str:
    series = table.series(column, role)
    if is_text(series):
        return "category"
    if series.dtype in (nw.Date, nw.Datetime):
        if assigned_at is None:
            raise InputError(
                f"{role} holds dates, and whether they lie before assignment is not said",
                column=column,
                remedy="pass assigned_at=, the column of the time of assignment: dates then count as days before it",
            )
        return "date"
    return "number"


def _raw(table: Table, column: str, kind: str, assigned_at: str, role: str) -> FloatArray:
    """Numbers as they are; dates as days before assignment."""
    if kind == "number":
        if is_text(table.series(column, role)):
            text = next((str(v) for v in table.series(column, role).to_list() if v is not None), "")
            raise rules.text_number(column, role, text, range(min(5, table.n)), table.n)
        return numeric(table, column, role).values
    when = times(table, column, role, allow_missing=True)
    start = times(table, assigned_at, "assigned_at")
    days = np.where(when.missing, np.nan, (start.values - when.values) / _DAY)
    late = days < 0
    if late.any():
        raise InputError(
            f"a {role.removesuffix('s')} lies after assignment, where the tactic may have moved it",
            column=column,
            count=int(late.sum()),
            rows=first_rows(late),
            remedy="use what was known before assignment only",
        )
    return np.asarray(days, dtype=np.float64)


def _texts(table: Table, column: str, role: str) -> list[str | None]:
    import pandas as pd

    items = table.series(column, role).to_list()
    return [None if gone else str(v) for v, gone in zip(items, pd.isna(np.array(items, dtype=object)), strict=True)]


def _told_unseen(
    n: int, name: str, example: str, count: int, levels: Sequence[str], where: NDArray[np.bool_] | None = None
) -> str:
    """What to say of levels that training never saw: refused where hardly any other is left, warned where many are.

    Raises
    ------
    InputError
    """
    if count >= _ENOUGH and count > _RENAMED * n:
        raise InputError(
            f"feature {name!r} has hardly any level that training saw: it holds {rules.shown(example, name)}, "
            f"and training saw {', '.join(rules.shown(v, name) for v in levels[:3])}",
            column=name,
            count=count,
            rows=() if where is None else first_rows(where),
            remedy="write its levels as in the table that the model learned from",
        )
    one = rules.shown(example, name)
    words = f"feature {name!r} has levels never seen in training, for example {one}, in {count:,} rows"
    if count > _FEW * n:
        warnings.warn(f"{words} ({count / n:.1%}): they count as missing", GmvCausalWarning, stacklevel=5)
    return f"{words}: they count as missing"


def _codes(texts: list[str | None], levels: Sequence[str]) -> tuple[FloatArray, NDArray[np.bool_], NDArray[np.bool_]]:
    """Codes of the levels, NaN for gaps and unseen levels; which are gaps; which are unseen."""
    import pandas as pd

    place = {level: float(k) for k, level in enumerate(levels)}
    column = pd.Series(texts, dtype=object)
    gone = np.asarray(column.isna().to_numpy(), dtype=bool)
    # A column of whole numbers becomes one of floats by a single gap: 1.0 is the level 1.
    whole = {f"{level}.0": code for level, code in place.items() if f"{level}.0" not in place}
    codes = np.asarray(column.map(place | whole).to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    return codes, gone, np.isnan(codes) & ~gone
