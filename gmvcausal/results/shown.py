"""The exports of what is no `Result` of its own, but belongs to one: a ranking held to account, a plan, its value."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gmvcausal.results.curves import Curves
from gmvcausal.results.exports import Exports

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.present.table import Table

# Heads, rows (the first cell is a label) and the note of a printed table.
Cells = tuple[tuple[str, ...], tuple[tuple[str, ...], ...], str]


class Shown(Exports):
    """Something with a heading, sentences and a frame, shown like a result: HTML, LaTeX, Word, CSV, `gc.report`."""

    @property
    @abstractmethod
    def report_title(self) -> str:
        """The heading of its section on a page, and of its table."""

    @abstractmethod
    def sentences(self) -> list[str]:
        """What it says, one sentence each, as a page prints them above the table."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Its numbers."""

    @abstractmethod
    def summary(self) -> str:
        """The same as text."""

    @property
    def level(self) -> float:
        """Of the intervals in `to_frame()`."""
        return 0.95

    @property
    def own(self) -> tuple[str, ...]:
        """Names of the user in its table: they are printed as they are in every language."""
        return ()

    @property
    def spoken(self) -> str:
        """The language of its text where nobody names one: ``"en"``, or ``"zh"`` where it was asked for."""
        return "en"

    def in_house(self, language: str) -> Shown:
        """The same with the stars that are usual in `language`, where none were asked for."""
        return self

    def cells(self) -> Cells | None:
        """Heads, rows and note of its printed table, where they are not those of `to_frame()`; None where they are."""
        return None

    def figures(self) -> Sequence[Curves]:
        """What a page shows under the table; none as a rule."""
        return ()

    def report_parts(self) -> list[Any]:
        """What a page shows of it: sentences, the table, figures."""
        from gmvcausal.present import tables

        return [*self.sentences(), tables.shown_table(self, caption=""), *self.figures()]

    def printed(self) -> str:
        """The table as text."""
        from gmvcausal.present import tables

        return str(tables.shown_table(self).in_language(self.spoken))

    def _repr_html_(self) -> str:
        from gmvcausal.present import tables

        return tables.shown_block(self)

    def _as_table(self, language: str = "en") -> Table:
        from gmvcausal.present import tables

        return tables.shown_table(self.in_house(language))
