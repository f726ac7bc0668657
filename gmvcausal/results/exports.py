"""What leaves a result: its table as HTML, LaTeX and Word, its numbers as CSV."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.present.table import Table


class Exports(ABC):
    """The exports of anything with a table: results, and what belongs to them."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Its numbers."""

    @abstractmethod
    def _as_table(self, language: str = "en") -> Table:
        """Its numbers as they are printed, in English; the stars may be those that are usual in `language`."""

    def to_html(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        language: str = "en",
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """The numbers as an HTML table, text escaped; also written to `path` if given.

        Parameters
        ----------
        path : path, optional
            File to write as well.
        language : {"en", "zh"}
        labels : mapping of str to str, optional
            Names to print in place of the data's own: ``{"gmv": "成交额"}``.

        Raises
        ------
        InputError
            For another language, labels that are no texts, a path that cannot be written.
        """
        return self._as_table(language).in_language(language, labels).to_html(path)

    def to_latex(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        language: str = "en",
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """The numbers as a table of booktabs and threeparttable, text escaped; parameters as of `to_html`."""
        return self._as_table(language).in_language(language, labels).to_latex(path)

    def to_docx(
        self, path: str | os.PathLike[str], *, language: str = "en", labels: Mapping[str, str] | None = None
    ) -> None:
        """Write the numbers as a three-line table into a Word file; parameters as of `to_html`."""
        self._as_table(language).in_language(language, labels).to_docx(path)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write `to_frame()` as CSV; cells that a spreadsheet would run as a formula are defused."""
        from gmvcausal.present import spreadsheet

        spreadsheet.to_csv(self.to_frame(), path)
