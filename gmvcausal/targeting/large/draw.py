"""Which rows are learned from: a lot that hangs on each row's own id, or on all that it holds, and on nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.arms import find_control, small_arms
from gmvcausal.frames.columns import identifiers
from gmvcausal.frames.table import open_table, quote
from gmvcausal.frames.texts import quote_text
from gmvcausal.targeting.large.source import Source

FloatArray = NDArray[np.float64]

_DIGITS = 13  # hexadecimal ones of the lot that are compared: 52 bits, which a double holds
LEAST = 100
DEALT = "=dealt"


@dataclass(frozen=True)
class Sampled:
    """What was learned from, of how much.

    Attributes
    ----------
    rows : int
        Of the table.
    n : int
        Learned from.
    sizes, taken : tuple of int
        Rows of every arm, the control first: of the table, and learned from.
    rates : tuple of float
        Chance of a row of each arm to be learned from.
    by : str
        Column that the lot hangs on; empty: all that a row holds.
    whole : bool
        Whether the average effects are of all rows of the table.
    """

    rows: int
    n: int
    sizes: tuple[int, ...]
    taken: tuple[int, ...]
    rates: tuple[float, ...]
    by: str
    whole: bool = False

    @property
    def even(self) -> bool:
        """Whether all arms have one chance."""
        return max(self.rates) == min(self.rates)

    def tilted(self, e: FloatArray) -> FloatArray:
        """Chances of the arms among rows that were drawn, from those among all, shape (n, arms)."""
        drawn = e * np.array(self.rates)
        return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))

    def wider(self, a: int) -> float:
        """How many times as wide the errors of arm `a` against the control are as those of all rows would be.

        Examples
        --------
        >>> Sampled(2_000, 400, (1_000, 1_000), (200, 200), (0.2, 0.2), "user").wider(1) ** 2
        5.000000000000001
        """
        few, many = (1 / k[0] + 1 / k[a] for k in (self.taken, self.sizes))
        return float(np.sqrt(few / many))

    def words(self, labels: Sequence[Any]) -> list[str]:
        """What was drawn and what that costs, a sentence each."""
        each = ", ".join(
            f"{label} {k:,} of {n:,} ({k / n:.3g})" for label, k, n in zip(labels, self.taken, self.sizes, strict=True)
        )
        by = f"by a lot that hangs on {self.by!r} alone" if self.by else "by a lot that hangs on what each row holds"
        out = [f"learned from {self.n:,} of {self.rows:,} rows ({self.n / self.rows:.2%}), drawn {by}: {each}"]
        worst = max(range(1, len(labels)), key=self.wider)
        times = self.wider(worst)
        out.append(
            f"what the sample costs: effects of users are learned with errors up to {times:.3g} times as wide as from "
            f"all rows (those of {labels[worst]} against {labels[0]} with {1 / times**2:.1%} of the effective rows)"
        )
        out.append(
            "the average effects and their intervals count every row, those that trained nothing with predictions of "
            "models that have not seen them"
            if self.whole
            else f"the average effects are those of the sample: their intervals are {times:.3g} times as wide as from "
            "all rows"
        )
        return out


@dataclass(frozen=True, eq=False)
class Draw:
    """A sample of a table, and the other rows.

    Attributes
    ----------
    sample : Arrow table
    rest : str
        SELECT of the columns that are needed, of all rows that were not drawn, and of a lot of theirs (`DEALT`, four
        hexadecimal digits).
    by : str
        As in `Sampled`.
    sizes, rates : dict
        Of every label: rows of the table, and chance to be drawn.
    """

    sample: Any
    rest: str
    by: str
    sizes: dict[Any, int]
    rates: dict[Any, float]

    def told(self, labels: Sequence[Any], taken: Sequence[int]) -> Sampled:
        """With the arms in the order of a trial."""
        sizes = tuple(self.sizes[label] for label in labels)
        rates = tuple(self.rates[label] for label in labels)
        return Sampled(sum(self.sizes.values()), sum(taken), sizes, tuple(taken), rates, self.by)


def rates_of(sizes: NDArray[np.int64], wanted: int, alike: bool) -> FloatArray:
    """Chance of each arm's rows to be drawn.

    Parameters
    ----------
    sizes : ndarray of int, shape (arms,)
    wanted : int
        Rows in all.
    alike : bool
        Whether arms are to be as alike in number as they can be; else all have one chance.

    Examples
    --------
    >>> rates_of(np.array([1_000, 100, 300]), 600, True).tolist()
    [0.25, 1.0, 0.8333333333333334]
    >>> rates_of(np.array([1_000, 200]), 600, False).tolist()
    [0.5, 0.5]
    """
    total = int(sizes.sum())
    if wanted >= total:
        return np.ones(len(sizes))
    if not alike:
        return np.full(len(sizes), wanted / total)
    out = np.ones(len(sizes))
    left, open_ = float(wanted), list(np.argsort(sizes, kind="stable"))
    while open_:  # the smallest first: what it cannot give the others do
        a, share = open_[0], left / len(open_)
        out[a] = min(1.0, share / float(sizes[a]))
        left -= out[a] * float(sizes[a])
        open_.pop(0)
    return out


def draw(
    source: Source, treatment: str, control: Any, unit: str | None, needed: Sequence[str], wanted: int, *,
    alike: bool, seed: int,
) -> Draw:  # fmt: skip
    """Draw the rows to learn from.

    A row is drawn where a number made of its id (md5 of the seed and the id) is below the rate of its arm: neither the
    order of rows, nor how many files they lie in, nor threads matter, and a user who is drawn from one file is drawn
    from another. Without an id the number is made of all that a row holds, copies being counted apart.

    Parameters
    ----------
    source : Source
    treatment : str
    control : label or None
    unit : str or None
        Column of the id.
    needed : sequence of str
        Columns whose content tells rows apart where there is no id.
    wanted : int
    alike : bool
        As in `rates_of`.
    seed : int

    Raises
    ------
    InputError
        Missing arms or ids, a control that is not named, an arm of fewer than two rows.
    """
    import pyarrow as pa

    space, arm = source.space, quote(treatment)
    counts = space.arrow(f"SELECT {arm} AS arm, count(*) AS n FROM {source.sql} GROUP BY {arm}", source.name)
    gone = np.asarray(counts.column("arm").to_pandas().isna(), dtype=bool)
    n = np.asarray(counts.column("n").to_numpy(), dtype=np.int64)
    if gone.any():
        raise rules.missing(
            treatment, "arm", int(n[gone].sum()), (), "remove these rows or give them the arm that they were in"
        )
    if len(n) > 10_000:
        find_control(treatment, tuple(range(len(n))), control)
    codes = identifiers(open_table(counts), "arm", "arm")
    labels = tuple(v.item() if isinstance(v, np.generic) else v for v in codes.labels)
    find_control(treatment, labels, control)
    sizes = np.bincount(codes.codes, n, len(labels)).astype(np.int64)
    small_arms(labels, sizes)
    rates = rates_of(sizes, wanted, alike)
    cut = pa.table({"arm": counts.column("arm"), "cut": [_border(float(rates[k])) for k in codes.codes]})
    lots = space.new_name("lots")
    space.register(lots, cut, source.name)
    rows = _with_lots(source, unit, needed, seed)
    within = f'FROM ({rows}) AS s JOIN {quote(lots)} AS r ON s.{arm} = r.arm WHERE s."=lot"'
    listed = ", ".join(f"s.{quote(c)}" for c in source.columns)
    sample = space.arrow(f'SELECT {listed} {within} < r.cut ORDER BY s."=lot"', source.name)
    # Digits of the lot that did not decide who was drawn decide by which models each other row is told.
    listed = ", ".join([*(f"s.{quote(c)}" for c in needed), f'substr(s."=lot", {_DIGITS + 4}, 4) AS {quote(DEALT)}'])
    rest = f"SELECT {listed} {within} >= r.cut"
    if sample.num_rows < LEAST // 2:
        raise InputError(f"the lot drew {sample.num_rows} rows to learn from", remedy="raise sample=")
    given = dict(zip(labels, sizes.tolist(), strict=True)), dict(zip(labels, rates.tolist(), strict=True))
    return Draw(sample, rest, unit or "", *given)


def _border(rate: float) -> str:
    """The text below which the lots of so large a share lie."""
    return "g" if rate >= 1 else format(int(rate * 16**_DIGITS), f"0{_DIGITS}x")


def _with_lots(source: Source, unit: str | None, needed: Sequence[str], seed: int) -> str:
    listed = ", ".join(quote(c) for c in source.columns)
    if unit is not None:
        name = f"CAST({quote(unit)} AS VARCHAR)"
        return f'SELECT {listed}, md5(concat({quote_text(f"{seed}|")}, {name})) AS "=lot" FROM {source.sql}'
    # A missing value is not the same as any text, and texts do not run into one another.
    held = ", ".join(f"coalesce('=' || CAST({quote(c)} AS VARCHAR), '')" for c in sorted(needed))
    inner = f'SELECT {listed}, md5(concat_ws(chr(31), {quote_text(str(seed))}, {held})) AS "=held" FROM {source.sql}'
    number = 'row_number() OVER (PARTITION BY "=held" ORDER BY "=held")'
    return f'SELECT {listed}, md5(concat("=held", \'#\', CAST({number} AS VARCHAR))) AS "=lot" FROM ({inner})'


def refuse_repeated(source: Source, unit: str, remedy: str | None = None) -> None:
    """Refuse a table in which a user stands twice, or has no id; the remedy for that is adding up unless given.

    Raises
    ------
    InputError
    """
    name = quote(unit)
    per_unit = f"SELECT {name} AS u, count(*) AS n FROM {source.sql} GROUP BY {name}"
    text = f"SELECT sum(CASE WHEN u IS NULL THEN n ELSE 0 END), count(CASE WHEN n > 1 THEN u END) FROM ({per_unit})"
    gone, again = source.space.row(text, source.name)
    if gone:
        raise rules.missing(unit, "unit", int(gone), (), "remove these rows or give them an id")
    if again:
        raise rules.duplicated(
            "units", unit, int(again), (),
            remedy
            or f"add each unit's rows up to one first, or pass cluster={unit!r}: rows of one unit are not independent",
        )  # fmt: skip
