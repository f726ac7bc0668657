"""What a scan found: columns, kinds and numbers of rows, never a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmvcausal.results.shown import Shown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Finding:
    """One column that seems to hold one kind of what names people.

    Attributes
    ----------
    column : str
        Its name; its position, where the name itself is a phone number or the like.
    kind : str
    found_in : {"values", "free text", "name"}
        Whether values are it, hold it among other words, or the column is only called so.
    rows : int or None
        How many rows; None where only the name says so.
    """

    column: str
    kind: str
    found_in: str
    rows: int | None


@dataclass(frozen=True, repr=False)
class Scan(Shown):
    """What a scan found.

    Attributes
    ----------
    findings : tuple of Finding
    rows, scanned : int
        Rows of the table, and how many of them were looked at.
    columns : int
        Columns looked at.
    left : tuple of str
        Columns whose values cannot be looked into (bytes), with nothing known of them but their names.
    """

    findings: tuple[Finding, ...]
    rows: int
    scanned: int
    columns: int
    left: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.findings)

    @property
    def report_title(self) -> str:
        """The heading of its section on a page."""
        return "What may name people"

    def to_frame(self) -> pd.DataFrame:
        """One row per finding: column, kind, found_in, rows, share (of the rows looked at)."""
        import pandas as pd

        made = [(f.column, f.kind, f.found_in, f.rows, None if f.rows is None else f.rows / max(self.scanned, 1))
                for f in self.findings]  # fmt: skip
        frame = pd.DataFrame(made, columns=["column", "kind", "found_in", "rows", "share"])
        return frame.astype({"rows": "Int64", "share": float})

    def sentences(self) -> list[str]:
        """What was found, one sentence each, then what was looked at."""
        out = []
        for f in self.findings:
            if f.rows is None:
                out.append(f"{f.column!r} is called like a column of the kind: {f.kind}.")
            else:
                where = " among other words" if f.found_in == "free text" else ""
                out.append(f"{f.column!r} seems to hold, in {f.rows:,} rows{where}: {f.kind}.")
        if not out:
            out.append("Nothing was found that has the form of what names people.")
        part = f"the first {self.scanned:,} of {self.rows:,}" if self.scanned < self.rows else f"all {self.rows:,}"
        out.append(f"Looked at: {part} rows of {self.columns:,} columns; a form can be told, and who is meant cannot.")
        if self.left:
            out.append(f"Not looked into, since they hold bytes: {', '.join(self.left)}.")
        return out

    def summary(self) -> str:
        """The findings as text."""
        return "\n".join(self.sentences())

    def __repr__(self) -> str:
        return self.summary()
