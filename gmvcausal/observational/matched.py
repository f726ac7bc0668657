"""The result of `gmvcausal.match`: the matched rows with their weights, and how alike the groups are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.params import one_of
from gmvcausal.observational.balance import (
    balance_by_cohort,
    balance_table,
    density,
    effective,
    largest,
    rare,
    without_rare,
)
from gmvcausal.observational.rules import RULES
from gmvcausal.results import Audit, Check, Manifest
from gmvcausal.results.balanced import NOT_SHOWN, balance_cells
from gmvcausal.results.curves import Curves, Line, wrapped
from gmvcausal.results.shown import Cells, Shown
from gmvcausal.stats.small_cells import hidden
from gmvcausal.stats.small_columns import TOO_FEW

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_GRID = 256
_CHANCE = 0.05


@dataclass(frozen=True, repr=False, eq=False)
class Matched(Shown):
    """Matched treated and control units.

    Attributes
    ----------
    frame : DataFrame
        The rows of the matched units, in the order of the data, with the columns ``weight`` (1 for the treated; for a
        control the number of treated units it stands for) and ``propensity``. The same weight in all rows of a unit.
        With ``replace=False`` also ``pair``, the number of the pair.
    manifest : Manifest
    counts : dict of str to int
        treated, control, off_support, beyond_caliper, matched_treated, matched_control.
    caliper : float
        In log odds; infinity for none.
    names : tuple of str
        Covariates, then ``"log odds of treatment"``.
    x : ndarray, shape (n, p + 1)
    treated : ndarray of bool, shape (n,)
    weight : ndarray, shape (n,)
        Zero where a unit was left out.
    moving : ndarray of bool, shape (p + 1,)
        Which covariates change over time.
    cohort : ndarray of str, shape (n,), or None
        When each treated unit started, "" for controls; None where that is not known.
    people : bool
        Whether units are people: shares and cohorts of fewer than ten are not shown.
    """

    frame: pd.DataFrame
    manifest: Manifest
    counts: dict[str, int]
    caliper: float
    names: tuple[str, ...]
    x: FloatArray
    treated: BoolArray
    weight: FloatArray
    moving: BoolArray
    cohort: NDArray[np.str_] | None = None
    people: bool = False

    @cached_property
    def _balance(self) -> pd.DataFrame:
        return balance_table(self.names, self.x, self.treated, self.weight)

    @cached_property
    def _rare(self) -> BoolArray:
        """Covariates whose shares are not shown."""
        if not self.people:
            return np.zeros(len(self.names), dtype=bool)
        used = self.weight > 0
        sides = [side & when for side in (self.treated, ~self.treated) for when in (used, ~used)]
        return rare(self.names, self.x, sides, last=1)

    def balance(self) -> pd.DataFrame:
        """How alike treated and controls are, before and after, covariate by covariate.

        Returns
        -------
        DataFrame
            covariate, and for ``_before`` and ``_after``: treated and control (means), smd (difference of means over
            the pooled standard deviation before matching), variance_ratio, ks (largest distance of the distribution
            functions), p (Welch's; it falls with the number of units, so do not judge balance by it). Of people,
            without the numbers of a 0/1 covariate or level that fewer than ten of a side have or have not, matched or
            not, of those by which it would follow, and of a number of at most four values of which one is as rare.
        """
        return without_rare(self._balance.copy(), self._rare)

    def balance_by_cohort(self) -> pd.DataFrame:
        """How alike the matched units of every cohort and the weighted controls are.

        Returns
        -------
        DataFrame
            cohort, covariate, n, treated and control (means after matching), smd, p; no rows where starts are not
            known or there is a single one. Of people, cohorts of fewer than ten have no numbers, nor has one more where
            theirs would follow from it.
        """
        table = self._cohorts
        if not self.people or not len(table):
            return table.copy()
        sizes = table.drop_duplicates("cohort").set_index("cohort")["n"]
        away = sizes.index[hidden(sizes.to_numpy())]
        inside = [self.cohort == label for label in sizes.index] if self.cohort is not None else []
        flags = rare(self.names, self.x, [own & self.treated & (self.weight > 0) for own in inside], last=1)
        small = table["cohort"].isin(away).to_numpy()
        gone = small | table["covariate"].isin(np.array(self.names)[flags | self._rare]).to_numpy()
        out = table.astype({"n": "Int64"})
        out.loc[gone, ["treated", "control", "smd", "p"]] = np.nan
        out.loc[small, "n"] = None
        return out

    @cached_property
    def _cohorts(self) -> pd.DataFrame:
        start = np.zeros(len(self.treated), dtype=np.str_) if self.cohort is None else self.cohort
        table = balance_by_cohort(self.names, self.x, start, self.treated, self.weight)
        return table if table["cohort"].nunique() > 1 else table.iloc[:0]

    def to_frame(self) -> pd.DataFrame:
        """The balance table."""
        return self.balance()

    @property
    def report_title(self) -> str:
        """Heading."""
        return "Balance before and after matching"

    def sentences(self) -> list[str]:
        """Who found a match, and what the audit says."""
        c = self.counts
        return [
            f"Of {c['treated']:,} treated units {c['matched_treated']:,} have a match, with {c['matched_control']:,} "
            f"of {c['control']:,} controls.",
            *(f"Audit, {check.name}: {check.message}." for check in self.audit if check.status in ("failed", "warned")),
        ]

    def cells(self) -> Cells:
        """Means of both sides, standardised difference and Welch's p, before and after."""
        return balance_cells(self.balance())

    def figures(self) -> tuple[Curves, ...]:
        """Balance of every covariate, and the distributions of the propensity."""
        return self.curves("love"), self.curves("density")

    @cached_property
    def audit(self) -> Audit:
        """The checks on the matching; `gmvcausal.did` on `frame` repeats them."""
        return Audit(tuple(_checks(self)))

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        if one_of("kind", kind, ("love", "density")) == "love":
            table, at = self.balance(), np.arange(len(self.names), dtype=float)
            edge = np.array([-0.5, len(at) - 0.5])
            return Curves(
                "Balance before and after matching",
                "covariate",
                "absolute standardised difference",
                (
                    Line("before", at, table["smd_before"].abs().to_numpy(float), "points"),
                    Line("after", at, table["smd_after"].abs().to_numpy(float), "points"),
                    Line("0.1", edge, np.full(2, 0.1), "dashed"),
                ),
                zero=True,
                ticks=self.names,
            )
        odds = self.x[:, -1]
        low, high = float(odds.min()), float(odds.max())
        grid = np.linspace(low - 0.1 * (high - low), high + 0.1 * (high - low), _GRID)
        lines = [
            Line(f"{who}, {when}", grid, density(odds[side], weight[side], grid), style)
            for who, side, weight, when, style in (
                ("treated", self.treated, np.ones(len(odds)), "before", "line"),
                ("controls", ~self.treated, np.ones(len(odds)), "before", "dotted"),
                ("treated", self.treated, self.weight, "after", "line"),
                ("controls", ~self.treated, self.weight, "after", "dashed"),
            )
        ]
        return Curves("Propensity of treated and controls", "log odds of treatment", "density", tuple(lines), zero=True)

    def plot(self, kind: str = "love", *, language: str = "en", labels: Mapping[str, str] | None = None) -> Figure:
        """Draw the balance (``"love"``) or the distributions of the propensity (``"density"``)."""
        return self.curves(kind).draw(language=language, labels=labels)

    def summary(self) -> str:
        """Counts, balance and audit as text of at most 92 columns."""
        c = self.counts
        lines = ["Matching on the propensity", "==========================", ""]
        said = [
            f"Treated    {c['treated']:,}; {c['off_support']:,} off the common support, {c['beyond_caliper']:,} with "
            f"no control within the caliper, {c['matched_treated']:,} matched",
            f"Controls   {c['control']:,}; {c['matched_control']:,} used, which count as {self._controls:.1f}",
            f"Caliper    {self.caliper:.4g} in log odds" if np.isfinite(self.caliper) else "Caliper    none",
        ]
        lines += [wrapped(said), ""]
        width = max(12, *(min(28, len(name)) for name in self.names))
        lines.append(
            f"{'covariate':{width}}  {'SMD before':>10}  {'SMD after':>10}  {'VR before':>10}  {'VR after':>10}"
        )
        for _, row in self.balance().iterrows():
            cells = [row[k] for k in ("smd_before", "smd_after", "variance_ratio_before", "variance_ratio_after")]
            name = str(row["covariate"])
            name = name if len(name) <= 28 else name[:27] + "…"
            lines.append(f"{name:{width}}" + "".join(f"  {v:>10.3f}" for v in cells))
        lines += [wrapped([NOT_SHOWN])] if self._rare.any() else []
        lines += ["", "Audit"]
        for check in self.audit:
            text = f"  {check.status:8} {check.name}: {check.message}"
            lines.append(wrapped([text]))
            if check.remedy:
                lines.append(wrapped([f"           -> {check.remedy}"]))
        notes = [f"{n:,} units left out: {why}" for why, n in self.manifest.dropped.items()]
        if notes or self.manifest.notes:
            lines += ["", wrapped([f"Notes      {note}." for note in (*notes, *self.manifest.notes)])]
        after = ", cluster='pair'" if "pair" in self.frame else ""
        lines += ["", wrapped([f"Next       gc.did(m.frame, weights='weight'{after}) compares the matched treated with "
                               "the weighted controls"])]  # fmt: skip
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.summary()

    @property
    def _controls(self) -> float:
        return effective(self.weight[~self.treated])


def _checks(m: Matched) -> list[Check]:
    table = m._balance
    out = []

    def add(name: str, value: float, message: str, remedy: str, *, rare: bool = False) -> None:
        found = RULES.check(name, value, message, remedy)
        out.append(replace(found, value=None) if rare else found)

    size = table["smd_after"].abs().to_numpy(float)
    k = largest(size)
    said = (
        f"the largest standardised difference after matching is {table['smd_after'].iloc[k]:+.3f} ({m.names[k]!r}; "
        f"{table['smd_before'].iloc[k]:+.3f} before)"
    )
    if m._rare[k]:
        said = f"the largest standardised difference after matching is in {m.names[k]!r} {TOO_FEW}"
    add(
        "balance", size[k], said,
        "match on other terms (squares, products, logs), a narrower caliper, or use gc.did(covariates=...)",
        rare=bool(m._rare[k]),
    )  # fmt: skip
    cohorts, told = m._cohorts, m.balance_by_cohort()
    if len(cohorts):
        # A small cohort differs by chance: counted are differences beyond it, for their number.
        real = (cohorts["p"] < _CHANCE / len(cohorts)).to_numpy()
        apart = np.where(real, cohorts["smd"].abs().to_numpy(float), 0.0)
        k = largest(apart) if real.any() else largest(cohorts["smd"].abs().to_numpy(float))
        row, few = cohorts.iloc[k], bool(np.isnan(told["smd"].iloc[k])) and not np.isnan(cohorts["smd"].iloc[k])
        said = (
            f"the matched units that start in {row['cohort']} are {row['smd']:+.3f} standard deviations from the "
            f"weighted controls in {row['covariate']!r}, the most of {cohorts['cohort'].nunique()} cohorts"
        )
        if few:
            said = (
                f"of {cohorts['cohort'].nunique()} cohorts one that is not shown lies farthest from the weighted "
                f"controls, in {row['covariate']!r}"
            )
        add(
            "balance_by_cohort", apart[k], said + ("" if real.any() else ", which chance explains"),
            "did compares every cohort with the same weighted controls: use gc.did(covariates=...), which weighs them "
            "for each cohort, or match and estimate cohort by cohort",
            rare=few,
        )  # fmt: skip
    ratio = table["variance_ratio_after"].to_numpy(float)
    with np.errstate(divide="ignore"):
        apart = np.where(np.isfinite(ratio), np.maximum(ratio, 1.0 / ratio), np.inf)
    k = largest(apart)
    add(
        "variance_ratio", apart[k],
        f"variances differ most in {m.names[k]!r} {TOO_FEW}"
        if m._rare[k] else f"variances differ at most by a factor of {apart[k]:.2f} ({m.names[k]!r})",
        "match on the square of this covariate too", rare=bool(m._rare[k]),
    )  # fmt: skip
    c = m.counts
    share = 1 - c["matched_treated"] / c["treated"]
    add(
        "unmatched", share, f"{share:.1%} of the {c['treated']:,} treated units have no match",
        "the answer is for the matched only: say so beside the number, or widen the caliper",
    )  # fmt: skip
    add(
        "matched_controls", m._controls,
        f"{c['matched_control']:,} controls stand for {c['matched_treated']:,} treated units and count as "
        f"{m._controls:.1f}",
        "a few controls decide: replace=False, or more control units",
    )  # fmt: skip
    if m.moving.any():
        before = np.where(m.moving, table["smd_before"].abs().to_numpy(float), -1.0)
        k = largest(before)
        add(
            "regression_to_mean", before[k],
            f"{m.names[k]!r} changes over time and differed before matching {TOO_FEW}"
            if m._rare[k] else
            f"{m.names[k]!r} changes over time and differed by {before[k]:.2f} standard deviations before matching",
            "units matched on what was high or low by chance go back to their own mean, and the gap comes back as an "
            "effect (Daw and Hatfield 2018): leave it out and read the leads, or match on what does not change",
            rare=bool(m._rare[k]),
        )  # fmt: skip
    return out
