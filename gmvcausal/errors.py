"""One family of errors: what is wrong, where it is, how often, and what to do next.

Messages are built from facts, so that every one of them can be read aloud in the same order:
the rule that was broken, the column, the count, the first bad row positions, the remedy.
Row *positions* (0-based, in the order of the data given) are shown, or times and amounts where rows have no positions;
never ids of people.
"""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN_ROWS = 5


class GmvCausalError(ValueError):
    """Base of all errors this library raises on purpose.

    Parameters
    ----------
    rule : str
        What is wrong, as one plain sentence without a final stop.
    column : str, optional
        The column concerned.
    count : int, optional
        How many rows (or of what `rule` speaks) are concerned.
    rows : iterable of int or str, optional
        Positions (0-based) of the bad rows; the first few are shown. Where rows have no positions, as on Spark: what
        some of them hold.
    remedy : str, optional
        What the user can do, as one plain sentence without a final stop (a question keeps its mark).
    counted : bool
        Whether `rule` says the count already; it is then carried but not printed again.

    Examples
    --------
    >>> from gmvcausal import InputError
    >>> print(InputError("outcome holds infinite values", column="gmv", count=2, rows=[4, 9],
    ...                  remedy="correct or remove these rows"))
    outcome holds infinite values; column 'gmv'; 2 found; first at row positions 4, 9. Correct or remove these rows.
    """

    def __init__(
        self,
        rule: str,
        *,
        column: str | None = None,
        count: int | None = None,
        rows: Iterable[int | str] = (),
        remedy: str | None = None,
        counted: bool = False,
    ) -> None:
        self.rule = rule
        self.column = column
        self.count = None if count is None else int(count)
        self.rows = tuple(r if isinstance(r, str) else int(r) for r in rows)[:_SHOWN_ROWS]
        self.remedy = remedy
        self._counted = counted
        super().__init__(self._text())

    def _text(self) -> str:
        facts = [self.rule]
        if self.column is not None:
            facts.append(f"column {str(self.column)!r}")
        if self.count is not None and not self._counted:
            facts.append(f"{self.count:,} found")
        if self.rows and isinstance(self.rows[0], str):
            facts.append(f"for example {' and '.join(str(r) for r in self.rows)}")
        elif self.rows:
            where = ", ".join(str(r) for r in self.rows)
            facts.append(f"first at row position{'s' if len(self.rows) > 1 else ''} {where}")
        text = "; ".join(facts) + "."
        if self.remedy:
            first = self.remedy.split()[0].rstrip(".,:;")
            code = any(mark in first for mark in "._=(")  # a name to be typed keeps its letters
            text += f" {self.remedy if code else self.remedy[:1].upper() + self.remedy[1:]}" + (
                "" if self.remedy.endswith("?") else "."
            )
        return text

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only facts must survive pickling: errors cross process borders in long runs.
        return (_rebuild, (type(self), self.rule, self.column, self.count, self.rows, self.remedy, self._counted))


class InputError(GmvCausalError):
    """The data or the call is wrong; the message says which row and what to do.

    See `GmvCausalError` for the parameters.
    """


class DesignError(GmvCausalError):
    """The data are well formed but cannot answer the question asked.

    See `GmvCausalError` for the parameters.
    """


class GmvCausalWarning(UserWarning):
    """Something was decided on the user's behalf and is said aloud (filter by this class)."""


def unplaced(error: GmvCausalError) -> GmvCausalError:
    """The same error without positions, for rows whose order means nothing to the user."""
    return _rebuild(type(error), error.rule, error.column, error.count, (), error.remedy, error._counted)


def _rebuild(
    kind: type[GmvCausalError],
    rule: str,
    column: str | None,
    count: int | None,
    rows: tuple[int, ...],
    remedy: str | None,
    counted: bool,
) -> GmvCausalError:
    return kind(rule, column=column, count=count, rows=rows, remedy=remedy, counted=counted)
