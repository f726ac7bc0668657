"""Designs tried on one question, side by side: which are credible, why not the others, and whether they agree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.mechanism.pooled.read import Study
from gmvcausal.results.curves import Curves, Line, wrapped
from gmvcausal.results.shown import Shown
from gmvcausal.stats.inference import FloatArray, p_value

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_SHARED = (
    "The designs answer one question, as a rule from the same data, so their errors are not independent: no pooled "
    "number is given."
)


@dataclass(frozen=True, repr=False, eq=False)
class Triangulation(Shown):
    """Several designs on one question.

    Attributes
    ----------
    designs : tuple of Study
    alpha : float
        Of the test of differences, for all pairs together.
    """

    designs: tuple[Study, ...]
    alpha: float

    @property
    def credible(self) -> tuple[Study, ...]:
        """The designs whose audit did not fail and that have an interval, as it takes to be compared."""
        return tuple(d for d in self.designs if d.credible and d.std_error > 0)

    @property
    def agree(self) -> bool | None:
        """Whether no two credible designs differ beyond what chance could explain; None where there are no two."""
        pairs = self.differences()
        return None if pairs.empty else not bool(pairs["differ"].any())

    def differences(self) -> pd.DataFrame:
        """Credible designs in pairs: first, second, difference, error_at_most, p_at_most, differ, same_data.

        The errors of two designs on the same data covary in a way that nobody knows. The standard error of their
        difference is at most the sum of theirs (correlation -1), so `p_at_most` bounds the p-value whatever the
        correlation is, and `differ` (Bonferroni over the pairs) is never the work of a wrong one. Designs in different
        units are not compared.
        """
        import pandas as pd

        columns = ["first", "second", "difference", "error_at_most", "p_at_most", "differ", "same_data"]
        rows = []
        for a, b in combinations(self.credible, 2):
            if a.unit != b.unit:
                continue
            gap, error = a.estimate - b.estimate, a.std_error + b.std_error
            p = float(p_value(np.array([gap]), np.array([error]), np.array([min(a.df, b.df)]))[0])
            rows.append([a.label, b.label, gap, error, p, False, bool(a.data) and a.data == b.data])
        frame = pd.DataFrame(rows, columns=columns)
        frame["differ"] = (frame["p_at_most"] < self.alpha / max(len(frame), 1)).astype(bool)
        return frame

    def to_frame(self) -> pd.DataFrame:
        """One row per design: design, credible, estimate, std_error, low, high, p_value, n, unit, estimand, why_not."""
        import pandas as pd

        return pd.DataFrame(
            {
                "design": d.label, "credible": bool(d.credible), "estimate": d.estimate, "std_error": d.std_error,
                "low": d.low, "high": d.high, "p_value": d.p_value, "n": d.n, "unit": d.unit, "estimand": d.estimand,
                "why_not": "; ".join(d.why_not),
            }
            for d in self.designs
        )  # fmt: skip

    @property
    def report_title(self) -> str:
        """The heading of its section on a page."""
        return "One question, several designs"

    def sentences(self) -> list[str]:
        """Which designs are credible, whether they agree, why not the others."""
        good = [d.label for d in self.designs if d.credible]
        out = [f"{len(good)} of {len(self.designs)} designs are credible" + (f": {', '.join(good)}." if good else ".")]
        silent = [d.label for d in self.designs if d.credible and not d.std_error > 0]
        if silent:
            out.append(f"Without a standard error, and so not compared: {', '.join(silent)}.")
        pairs = self.differences()
        if not good:
            out.append("None supports a number: find a design that does before quoting any.")
        elif pairs.empty:
            out.append("There are no two credible designs in one unit to hold against each other.")
        elif self.agree:
            worst = pairs.sort_values("p_at_most").iloc[0]
            out.append(
                f"The credible ones do not contradict each other: the largest difference for its errors is "
                f"{worst['difference']:+.4g} ({worst['first']} less {worst['second']}), which chance could explain. "
                "That is no proof that they agree: look at how wide the intervals are."
            )
        else:
            for _, row in pairs[pairs["differ"]].iterrows():
                out.append(
                    f"{row['first']} and {row['second']} differ by {row['difference']:+.4g}, more than chance explains "
                    f"whatever the correlation of their errors (p at most {row['p_at_most']:.2g}): at least one "
                    "assumption is wrong, or they answer different questions."
                )
        kinds = list(dict.fromkeys(d.estimand for d in self.credible))
        if len(kinds) > 1:
            out.append("The credible ones do not estimate the same: " + "; ".join(kinds) + ".")
        out += [f"Not credible: {d.label}. " + ". ".join(d.why_not) + "." for d in self.designs if d.credible is False]
        out += [f"Without an audit, so not held to be credible: {d.label}." for d in self.designs if d.credible is None]
        return [*out, _SHARED]

    def curves(self, kind: str = "designs") -> Curves:
        """The intervals of the designs of the first one's unit; credible ones apart from the others."""
        same = [d for d in self.designs if d.unit == self.designs[0].unit]
        at = np.arange(len(same), dtype=float)

        def line(label: str, take: Sequence[bool]) -> Line:
            def values(name: str) -> FloatArray:
                return np.array([getattr(d, name) if t else math.nan for d, t in zip(same, take, strict=True)])

            return Line(label, at, values("estimate"), "points", values("low"), values("high"))

        lines = (line("credible", [bool(d.credible) for d in same]), line("not", [not d.credible for d in same]))
        names = tuple(d.label for d in same)
        return Curves(self.report_title, "design", self.designs[0].unit, lines, zero=True, ticks=names, slanted=True)

    def figures(self) -> Sequence[Curves]:
        """The intervals side by side."""
        return (self.curves(),)

    def plot(self, kind: str = "designs", *, language: str = "en", labels: Mapping[str, str] | None = None) -> Figure:
        """Draw the intervals side by side."""
        return self.curves(kind).draw(language=language, labels=labels)

    def summary(self) -> str:
        """The designs, and the sentences, as text of at most 92 columns."""
        lines = [self.report_title, "=" * len(self.report_title)]
        width = max(8, *(min(40, len(d.label)) for d in self.designs))
        head = f"{'design':{width}}  {'estimate':>10}  {'interval':>22}  {'credible':>8}"
        lines += [head, "-" * len(head)]
        for d in self.designs:
            span = f"{d.low:.4g} to {d.high:.4g}" if d.low == d.low else "none"
            said = {True: "yes", False: "no", None: "?"}[d.credible]
            label = d.label if len(d.label) <= width else d.label[: width - 1] + "…"
            lines.append(f"{label:{width}}  {d.estimate:>10.4g}  {span:>22}  {said:>8}")
        units = list(dict.fromkeys(d.unit for d in self.designs))
        told: list[Any] = [f"Unit: {'; '.join(units)}.", *self.sentences()]
        return "\n".join([*lines, "", wrapped(told, indent=2)])

    def __repr__(self) -> str:
        return self.summary()
