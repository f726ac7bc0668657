"""The result of `gmvcausal.surrogate`: a long-term effect foretold by what is seen early."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.results import Audit, Result
from gmvcausal.results.curves import Curves, Line

if TYPE_CHECKING:
    import pandas as pd

CORRELATIONS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
FORETOLD = "as its surrogates foretell it, not as seen"


@dataclass(frozen=True, repr=False, eq=False)
class SurrogateResult(Result):
    """Effects on a long outcome that nobody has seen yet.

    Rows of `to_frame()`: one for each arm but the control, as foretold; then, where the long outcome is known for some
    of the experiment, the difference seen among them (term ``"... (seen)"``). Further columns: ``arm``, ``control``,
    ``kind`` (foretold, seen).

    Attributes
    ----------
    checks : Audit
    arms : tuple of str
        Of each row.
    control, outcome : str
    baseline : float
        Mean of the long outcome that the index foretells for the control arm.
    r2 : float
        Share of the variance of the long outcome that the index tells in rows of the history it has not seen.
    worst : tuple of float
        For each foretold row, the bias at a correlation of 1 of arm and long outcome past the surrogates.
    told : mapping
        What `surrogates()` shows.
    sizes : tuple of int
        Users of the arm of each row.
    advice : tuple of str
    """

    checks: Audit
    arms: tuple[str, ...]
    control: str
    outcome: str
    baseline: float
    r2: float
    worst: tuple[float, ...]
    told_by: dict[str, list[Any]]
    sizes: tuple[int, ...]
    advice: tuple[str, ...]
    meta: dict[str, Any]

    @property
    def audit(self) -> Audit:
        """The checks on surrogacy, on the history, and on the experiment."""
        return self.checks

    @property
    def alike(self) -> tuple[int, ...]:
        """The other arms as foretold."""
        return tuple(range(1, len(self.worst)))

    @property
    def baseline_words(self) -> str:
        """Whose the baseline is."""
        return f"foretold for {self.control}"

    @property
    def everybody(self) -> str:
        """Users of both tables."""
        past = self.manifest.options["history_rows"]
        return f"{self.n:,} users in the experiment, {past:,} in the history"

    def _about_row(self, place: int) -> dict[str, Any]:
        several = len(self.worst) > 1
        words = [f"{self.arms[place]} against {self.control}"] if several else []
        if place < len(self.worst):
            return {"qualifier": ", ".join([*words, FORETOLD]), "baseline": self.baseline}
        return {"qualifier": ", ".join([*words, "as seen so far"])}

    def _extra_columns(self) -> dict[str, Any]:
        k = len(self.worst)
        kind = ["foretold"] * k + ["seen"] * (len(self.arms) - k)
        return {"arm": list(self.arms), "control": [self.control] * len(self.arms), "kind": kind}

    def surrogates(self) -> pd.DataFrame:
        """What each surrogate contributes to the linear index.

        Returns
        -------
        DataFrame
            arm, surrogate, effect (of the arm on it), std_error, slope (long outcome per unit of it, the others equal),
            slope_error, part (effect x slope: the parts add up to the effect by the linear index; those of covariates
            are chance), without (the effect by a linear index without it; empty for covariates).
        """
        import pandas as pd

        return pd.DataFrame(self.told_by)

    def bias(self, arm: Any = None) -> pd.DataFrame:
        """How far off the effect can be where surrogacy fails (the bound of Athey, Chetty, Imbens and Kang 2019).

        Arm and long outcome may go together past the surrogates. Their correlation, given the surrogates, times the
        spread that the index leaves of the outcome and that the surrogates leave of the arm, is the bias.

        Parameters
        ----------
        arm : label, optional
            Needed where there are several.

        Returns
        -------
        DataFrame
            correlation, bias (at most, either way), conf_low, conf_high (the interval, wider by the bias).
        """
        import pandas as pd

        place = self.place_of(arm)
        row = self.row(place)
        bias = np.array(CORRELATIONS) * self.worst[place]
        return pd.DataFrame(
            {"correlation": CORRELATIONS, "bias": bias, "conf_low": row.low - bias, "conf_high": row.high + bias}
        )

    def place_of(self, arm: Any) -> int:
        """Position of the foretold row of an arm; which one must be said where there are several."""
        from gmvcausal.errors import InputError

        own = self.arms[: len(self.worst)]
        if arm is None and len(own) == 1:
            return 0
        if str(arm) not in own:
            raise InputError(
                f"the experiment has {len(own)} treated arms" if arm is None else f"{arm!s} is no treated arm",
                remedy=f"pass arm= one of {', '.join(map(repr, own))}",
            )
        return own.index(str(arm))

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """`bias`: the interval by how strong a path past the surrogates may be."""
        return ("bias",) if not self.estimates.withheld else ()

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        if kind not in self.curve_kinds:
            raise KeyError(kind)
        row = self.row(0)
        size = max(abs(row.low), abs(row.high), abs(row.estimate))
        end = min(1.0, 1.5 * size / self.worst[0]) if self.worst[0] > 0 else 1.0
        x = np.linspace(0.0, end, 201)
        bias = x * self.worst[0]
        flat = np.full(len(x), row.estimate)
        lines = (Line(self.arms[0], x, flat, "line", row.low - bias, row.high + bias),)
        return Curves(
            "How strong may a path past the surrogates be?", "correlation of arm and outcome past the surrogates",
            self.unit, lines, zero=True,
        )  # fmt: skip


def strength(low: float, high: float, worst: float) -> tuple[float, float]:
    """The bias that brings the interval to zero, and its correlation; 0 where the interval holds zero."""
    limit = low if low > 0 else -high if high < 0 else 0.0
    return limit, limit / worst if worst > 0 else math.inf
