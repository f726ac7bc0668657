"""The result of `gmvcausal.adjust`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.observational.adjustment.intake import Asked, Sample
from gmvcausal.observational.adjustment.learn import Nuisances
from gmvcausal.observational.adjustment.numbers import Found
from gmvcausal.observational.balance import density
from gmvcausal.results import Audit, Result
from gmvcausal.results.curves import Curves, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from gmvcausal.results.hidden_confounding import HiddenConfounding
    from gmvcausal.results.refutation import Refutation

_GRID = 128


@dataclass(frozen=True)
class Extra:
    """The columns of `to_frame()` that only adjusted comparisons have, one entry per row."""

    arm: tuple[Any, ...]
    control: tuple[Any, ...]
    method: tuple[str, ...]
    control_value: tuple[float, ...]
    df: tuple[float, ...]


@dataclass(frozen=True, repr=False, eq=False)
class Adjusted(Result):
    """An effect of a treatment that nobody drew lots for, given covariates, with its audit.

    Besides the shared protocol (`estimate`, `conf_int()`, `to_frame()`, `summary()`, `audit`, ...):

    Attributes
    ----------
    checks : Audit
    extra : Extra
    asked : Asked
        Which column is what.
    sample : Sample
        The rows that were compared.
    known : Nuisances
        Chances of treatment and expected outcomes.
    found : Found
        The estimate with what each row adds to it.
    estimator, about : str
        The estimator, and whom the effect is about: "ate", "att" or "overlap".
    advice : tuple of str
        What the summary adds to the finding.
    """

    checks: Audit
    extra: Extra
    asked: Asked
    sample: Sample = field(repr=False)
    known: Nuisances = field(repr=False)
    found: Found = field(repr=False)
    estimator: str = "aipw"
    about: str = "ate"
    advice: tuple[str, ...] = ()

    @property
    def audit(self) -> Audit:
        """The checks that bear on the assumption; refuters run when it is first asked for, where they cost little."""
        return self._whole_audit

    @cached_property
    def _whole_audit(self) -> Audit:
        from gmvcausal.observational.adjustment.refute import of_itself

        return Audit((*self.checks, *of_itself(self)))

    def refute(self, *, seed: int = 0, draws: int = 20) -> Refutation:
        """Four ways to catch the effect out: false arms, a false covariate, part of the rows, rows drawn anew.

        Chances and outcomes are learned again in every run, on 20,000 rows at most: allow 4 x `draws` times the time of
        the estimate. With regressions and up to 5,000 rows the audit runs them by itself with ten draws.

        Parameters
        ----------
        seed : int
        draws : int
            Runs of each refuter, from 5 to 1,000; default 20.

        Returns
        -------
        Refutation
            `audit` (checks placebo_treatment, random_common_cause, data_subset; with "regression" and "ipw" also
            bootstrap), `to_frame()`, `plot()`, `summary()`.

        Raises
        ------
        DesignError
            No standard error; a run that cannot be fitted.

        References
        ----------
        Sharma and Kiciman (2020), arXiv 2011.04216; Abadie and Imbens (2008), Econometrica 76.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> users = pd.DataFrame({"coupon": [0, 1] * 100, "tier": [u // 3 % 4 for u in range(200)]})
        >>> users["gmv"] = 10 + users["coupon"] + 2.0 * users["tier"] + [u % 7 for u in range(200)]
        >>> r = gc.adjust(users, treatment="coupon", covariates=["tier"], estimator="regression")
        >>> r.refute(draws=10).audit.credible
        True
        """
        from gmvcausal.observational.adjustment.refute import refute

        return refute(self, seed, draws)

    @property
    def baseline_words(self) -> str:
        """Whose the baseline is."""
        return "that the same units would have without it"

    def _about_row(self, place: int) -> dict[str, Any]:
        return {"baseline": self.extra.control_value[place]}

    def _extra_columns(self) -> dict[str, Any]:
        return {name: list(getattr(self.extra, name)) for name in ("arm", "control", "method", "control_value", "df")}

    def balance(self) -> pd.DataFrame:
        """How alike both arms are before and after weighting, covariate by covariate.

        Returns
        -------
        DataFrame
            covariate, and for ``_before`` and ``_after``: treated and control (means, standardised where regressions
            were asked for), smd, variance_ratio, ks, p. Where rows are people, without the numbers of a 0/1 covariate
            or level that fewer than ten of an arm have or have not, of those by which it would follow, and of a number
            of at most four values of which one is as rare.
        """
        from gmvcausal.observational.adjustment.checks import columns, rare_columns
        from gmvcausal.observational.balance import balance_table, without_rare

        found = columns(self.sample)
        table = balance_table(
            [name for name, _ in found], np.column_stack([c for _, c in found]), self.sample.treated, self.found.weight
        )
        return without_rare(table, rare_columns(self.sample))

    def sensitivity(
        self,
        benchmark: str | Sequence[str] | None = None,
        *,
        outcome: float = 0.03,
        treatment: float = 0.03,
        rho: float = 1.0,
        alpha: float | None = None,
    ) -> HiddenConfounding:
        """How strong something that nobody has measured would have to be to explain the effect away.

        Parameters
        ----------
        benchmark : str or list of str, optional
            Covariates to compare with: the effect is estimated again without each, and what is lost is its strength.
        outcome, treatment : float
            Strength for which bounds are printed: share of what the covariates leave of the outcome that the
            confounder explains, and share that it adds to the mean square of the weights. Default .03 each.
        rho : float
            How far both work the same way; default 1, the worst case.
        alpha : float, optional
            Default that of the call.

        Returns
        -------
        HiddenConfounding
            `to_frame()` (robustness values, bounds, E-values; of a regression also partial R2, of matching Rosenbaum's
            odds), `benchmark_frame()`, `plot()` (contours), `summary()`.

        Raises
        ------
        InputError
            No such covariate; strengths that are none.

        References
        ----------
        Chernozhukov, Cinelli, Newey, Sharma and Syrgkanis (2022), NBER Working Paper 30302; Cinelli and Hazlett (2020),
        Journal of the Royal Statistical Society B 82; Rosenbaum (2002), Observational Studies; VanderWeele and Ding
        (2017), Annals of Internal Medicine 167.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> users = pd.DataFrame({"coupon": [0, 1, 0, 1, 1] * 80, "tier": [0, 0, 0, 1, 1] * 80})
        >>> users["gmv"] = 10.0 + 4 * users["coupon"] + users["tier"] + [u % 7 for u in range(400)]
        >>> users["coupon"] = [c if u % 9 else 1 - c for u, c in enumerate(users["coupon"])]
        >>> r = gc.adjust(users, treatment="coupon", covariates=["tier"], estimator="regression")
        >>> bool(0 < r.sensitivity().to_frame()["partial_robustness"][0] < 1)
        True
        """
        from gmvcausal.frames.params import check
        from gmvcausal.observational.adjustment.sensitivity import sensitivity

        level = self.alpha if alpha is None else check("alpha", alpha)
        return sensitivity(self, benchmark, outcome, treatment, rho, level)

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """`overlap`: who has a counterpart; `love`: balance before and after."""
        return ("overlap", "love")

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        if kind not in self.curve_kinds:
            raise KeyError(kind)
        s, e = self.sample, self.known.chance
        if kind == "love":
            table = self.balance()
            at = np.arange(len(table), dtype=float)
            edge = np.array([-0.5, len(at) - 0.5])
            return Curves(
                "Balance before and after weighting", "covariate", "absolute standardised difference",
                (
                    Line("before", at, table["smd_before"].abs().to_numpy(float), "points"),
                    Line("after", at, table["smd_after"].abs().to_numpy(float), "points"),
                    Line("0.1", edge, np.full(2, 0.1), "dashed"),
                ),
                zero=True, ticks=tuple(table["covariate"]), slanted=True,
            )  # fmt: skip
        odds = np.log(np.clip(e, 1e-6, 1 - 1e-6) / np.clip(1 - e, 1e-6, 1 - 1e-6))
        low, high = float(odds.min()), float(odds.max())
        room = 0.1 * (high - low) or 1.0
        grid = np.linspace(low - room, high + room, _GRID)
        lines = [
            Line(f"{label}{when}", grid, density(odds[side], weight[side], grid), style)
            for label, side, weight, when, style in (
                (str(s.labels[1]), s.treated, np.ones(s.n), "", "line"),
                (str(s.labels[0]), ~s.treated, np.ones(s.n), "", "dotted"),
                (str(s.labels[0]), ~s.treated, self.found.weight, ", weighted", "dashed"),
            )
        ]
        return Curves("Chances of treatment by arm", "log odds of treatment", "density", tuple(lines), zero=True)
