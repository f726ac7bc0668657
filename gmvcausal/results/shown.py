"""The exports of what is no `Result` of its own, but belongs to one: a ranking held to account, a plan, its value."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gmvcausal.results.curves import Curves

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.present.table import Table

# Heads, rows (the first cell is a label) and the note of a printed table.
Cells = tuple[tuple[str, ...], tuple[tuple[str, ...], ...], str]


class Shown(ABC):
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

        return str(tables.shown_table(self))

    def _repr_html_(self) -> str:
        from gmvcausal.present import tables

        return tables.shown_block(self)

    def to_html(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        language: str = "en",
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """The numbers as an HTML table, text escaped; also written to `path` if given.

        `language` is ``"en"`` or ``"zh"``; `labels` maps names in the data to the names to print.
        """
        return self._printed(language, labels).to_html(path)

    def to_latex(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        language: str = "en",
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """The numbers as a booktabs table, text escaped; `path`, `language`, `labels` as in `to_html`."""
        return self._printed(language, labels).to_latex(path)

    def to_docx(
        self, path: str | os.PathLike[str], *, language: str = "en", labels: Mapping[str, str] | None = None
    ) -> None:
        """Write the numbers as a three-line table into a Word file; `language`, `labels` as in `to_html`."""
        self._printed(language, labels).to_docx(path)

    def _printed(self, language: str, labels: Mapping[str, str] | None) -> Table:
        from gmvcausal.present import tables

        return tables.shown_table(self).in_language(language, labels)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write `to_frame()` as CSV; cells that a spreadsheet would run as a formula are defused."""
        from gmvcausal.present import spreadsheet

        spreadsheet.to_csv(self.to_frame(), path)
