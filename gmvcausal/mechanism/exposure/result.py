"""The result of `gmvcausal.spillover`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import one_of
from gmvcausal.results import Audit, Result
from gmvcausal.results.curves import Curves, Line

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Projection:
    """What `incremental_gmv()` adds up: a row, over how many users, and in which words."""

    place: int
    users: int
    over: str
    advice: tuple[str, ...]


@dataclass(frozen=True, repr=False, eq=False)
class SpilloverResult(Result):
    """Direct effect, spillover and total, with their audit.

    Besides the shared protocol (`estimate`, `conf_int()`, `to_frame()`, `summary()`, `audit`, ...): the attributes
    `estimate`, `p_value`, ... are those of ``direct``, the first row; the finding in words is about ``total``.

    Attributes
    ----------
    checks : Audit
    outcome : str
    kind : {"line", "conditions", "saturation"}
    method : tuple of str
        Column of `to_frame()`: how each row is made.
    qualifiers : mapping of int to str
        Row -> what sets it apart, as sentences say it.
    place_of_total : int
    projection : Projection
    tested : dict of str to list
        Columns of `tests()`.
    table : dict of str to list
        Columns of `conditions()`; empty where there are none.
    drawing : Curves or None
    baseline : float
        Mean outcome of those whom nothing reached, where it is known; else of the untreated.
    advice : tuple of str
    everybody : str
    """

    checks: Audit
    outcome: str
    kind: str
    method: tuple[str, ...]
    qualifiers: Mapping[int, str]
    place_of_total: int
    projection: Projection
    tested: dict[str, list[Any]] = field(repr=False)
    table: dict[str, list[Any]] = field(repr=False)
    drawing: Curves | None = field(default=None, repr=False)
    baseline: float = float("nan")
    baseline_words: str = "that untreated users have"
    advice: tuple[str, ...] = ()
    everybody: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def audit(self) -> Audit:
        """The checks that bear on the assumption."""
        return self.checks

    @property
    def spoken(self) -> int:
        """The row that sentences speak of: the total."""
        return self.place_of_total

    @property
    def also(self) -> tuple[int, ...]:
        """Rows that have a sentence of their own beside the total."""
        return tuple(i for i in self.qualifiers if i != self.place_of_total)

    def _about_row(self, place: int) -> dict[str, Any]:
        return {"qualifier": self.qualifiers.get(place, "")} | (
            {"baseline": self.baseline} if place == self.place_of_total else {}
        )

    def _extra_columns(self) -> dict[str, Any]:
        return {"method": list(self.method)}

    def tests(self) -> pd.DataFrame:
        """Fisher's test of no spillover, and the tests of the audit.

        Returns
        -------
        DataFrame
            test, what (is tested), statistic, p_value.

        Raises
        ------
        InputError
            Of a saturation design, which has none.
        """
        import pandas as pd

        if not self.tested:
            raise InputError("tests of spillover along links need edges=", remedy="read the row 'spillover'")
        return pd.DataFrame(self.tested)

    def conditions(self) -> pd.DataFrame:
        """The four exposure conditions, or the cells of a saturation design.

        Returns
        -------
        DataFrame
            condition, users, effective (sample, by Kish's formula), smallest and mean probability, mean (Hájek). Of a
            saturation design: saturation, treated, users, groups, mean. Of people, conditions (cells) of fewer than
            ten hold no numbers of theirs, nor do others from which these would follow.

        Raises
        ------
        InputError
            Along the line, where probabilities of conditions have no closed form.
        """
        import pandas as pd

        if not self.table:
            raise InputError("probabilities of the four conditions have no closed form in this lottery",
                             remedy="ask for them with exposure='any'")  # fmt: skip
        frame = pd.DataFrame(self.table)
        return frame.astype({"users": "Int64"}) if None in self.table["users"] else frame

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """``"exposure"``: the outcome by the share of treated neighbours, or by saturation."""
        return () if self.drawing is None else ("exposure",)

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        one_of("kind", kind, self.curve_kinds)
        assert self.drawing is not None
        return self.drawing


def by_share(
    y: FloatArray, treated: FloatArray, share: FloatArray, linked: NDArray[np.bool_], level: FloatArray,
    slopes: FloatArray, outcome: str,
) -> Curves:  # fmt: skip
    """Mean outcomes by tenths of the share of treated neighbours, and the fitted lines.

    Parameters
    ----------
    level : ndarray, shape (2,)
        The line of the untreated and of the treated where no neighbour is.
    """
    lines = []
    for arm, name in ((0, "untreated"), (1, "treated")):
        rows = linked & (treated == arm)
        at = np.minimum((share[rows] * 10 + 1e-9).astype(np.int64), 9)
        count = np.bincount(at, minlength=10)
        some = count >= 10
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(at, y[rows], minlength=10) / count
            square = np.bincount(at, (y[rows] - np.nan_to_num(mean)[at]) ** 2, minlength=10) / np.maximum(count - 1, 1)
            half = 1.96 * np.sqrt(square / count)
            x = np.bincount(at, share[rows], minlength=10) / count
        x, mean, half = x[some], mean[some], half[some]
        lines.append(Line(name, x, mean, "points", mean - half, mean + half))
    ends = np.array([0.0, 1.0])
    for arm, name in ((0, "line of the untreated"), (1, "line of the treated")):
        lines.append(Line(name, ends, level[arm] + slopes[1] * ends, ("dashed", "line")[arm]))
    return Curves("Outcome by the share of treated neighbours", "share of neighbours treated", outcome, tuple(lines))


def by_saturation(levels: FloatArray, mean: FloatArray, error: FloatArray, outcome: str) -> Curves:
    """Mean outcomes of untreated and treated by saturation."""
    lines = []
    for arm, name in ((0, "untreated"), (1, "treated")):
        there = np.isfinite(mean[:, arm])
        x, y, half = levels[there], mean[there, arm], 1.96 * error[there, arm]
        lines.append(Line(name, x, y, ("dashed", "line")[arm], y - half, y + half))
    return Curves("Outcome by saturation", "share of the group treated", outcome, tuple(lines))
