"""The three-step table of causal steps (Baron and Kenny 1986), and the flow by which Wen and Ye (2014) read it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.pathways.equations import fit
from gmvcausal.mechanism.pathways.rows import Rows
from gmvcausal.mechanism.pathways.within import within
from gmvcausal.results.shown import Shown

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

DRAWS = 100_000


@dataclass(frozen=True, eq=False)
class Regression:
    """One column of the table.

    Attributes
    ----------
    outcome : str
    names : tuple of str
        Treatment, then mediators (of the last step).
    beta : ndarray, shape (names,)
    errors : mapping of {"robust", "unadjusted"} to ndarray, shape (names,)
    n : int
    r2 : float
        Within, under fixed effects.
    df : int
        Residual degrees of freedom, or clusters less one.
    """

    outcome: str
    names: tuple[str, ...]
    beta: FloatArray
    errors: dict[str, FloatArray]
    n: int
    r2: float
    df: int


def regressions(rows: Rows) -> tuple[Regression, ...]:
    """Outcome on treatment, each mediator on treatment, outcome on both: least squares, with the covariates."""
    raw = rows.m * rows.scale + rows.middle
    columns = np.column_stack([rows.y, raw, rows.t, rows.x])
    k = raw.shape[1]
    taken = 1
    if rows.fixed:
        moved = within(columns, rows.fixed)
        assert moved is not None  # the rows were refused otherwise
        columns, taken = moved, rows.absorbed
    y, m, t, x = columns[:, 0], columns[:, 1 : 1 + k], columns[:, 1 + k], columns[:, 2 + k :]
    one = [] if rows.fixed else [np.ones(rows.n)]
    plain = np.column_stack([t, x, *one])
    out = [_regression(rows, rows.outcome, y, plain, (rows.treatment,), taken)]
    out += [_regression(rows, name, m[:, j], plain, (rows.treatment,), taken) for j, name in enumerate(rows.mediators)]
    both = np.column_stack([t, m, x, *one])
    out.append(_regression(rows, rows.outcome, y, both, (rows.treatment, *rows.mediators), taken))
    return tuple(out)


def _regression(
    rows: Rows, outcome: str, y: FloatArray, x: FloatArray, names: tuple[str, ...], taken: int
) -> Regression:
    size = np.sqrt((x * x).mean(axis=0))
    eq = fit("linear", x / size, y)
    assert eq is not None  # least squares has one
    df = rows.n - eq.p - (taken if rows.fixed else 0)
    score = (x / size * eq.residual[:, None]) @ eq.bread
    factor = rows.n / df
    if rows.cluster is not None:
        groups = int(rows.cluster.max()) + 1
        score = np.column_stack([np.bincount(rows.cluster, c) for c in score.T])
        factor = groups / (groups - 1) * (rows.n - 1) / df
    k = len(names)
    square = float(eq.residual @ eq.residual)
    plain = np.sqrt(np.diag(eq.bread)[:k] * square / df)
    robust = np.sqrt((score * score).sum(axis=0)[:k] * factor)
    spread = float(((y - y.mean()) ** 2).sum())
    free = df if rows.cluster is None else int(rows.cluster.max())
    return Regression(
        outcome, names, eq.beta[:k] / size[:k], {"robust": robust / size[:k], "unadjusted": plain / size[:k]},
        rows.n, 1 - square / spread if spread > 0 else math.nan, free,
    )  # fmt: skip


@dataclass(frozen=True)
class Product:
    """A product of two slopes.

    Attributes
    ----------
    value, error, z, p : float
        Sobel's (1982) test.
    low, high : float
        Interval by draws of both slopes.
    """

    value: float
    error: float
    z: float
    p: float
    low: float
    high: float


def product_of(a: float, a_error: float, b: float, b_error: float, alpha: float, seed: int) -> Product:
    """Sobel's test of a x b, and an interval that needs no normal product.

    Examples
    --------
    >>> found = product_of(2.0, 0.5, 3.0, 1.0, 0.05, 0)
    >>> found.value, found.error, round(found.z, 6)
    (6.0, 2.5, 2.4)
    """
    from scipy import special

    value, error = a * b, math.hypot(a * b_error, b * a_error)
    z = value / error if error > 0 else math.nan
    rng = np.random.default_rng(seed)
    drawn = (a + a_error * rng.standard_normal(DRAWS)) * (b + b_error * rng.standard_normal(DRAWS))
    low, high = np.quantile(drawn, [alpha / 2, 1 - alpha / 2])
    return Product(value, error, z, 2 * float(special.ndtr(-abs(z))), float(low), float(high))


def flow(c: float, direct: float, direct_p: float, product: Product, legs: bool, alpha: float) -> tuple[str, float]:
    """How Wen and Ye (2014) read the steps: none, full, partial or masked, and the share they report.

    Parameters
    ----------
    c, direct : float
        Total and direct effect.
    direct_p : float
    product : Product
    legs : bool
        Whether both slopes of the product are told from zero; else its interval decides.
    alpha : float
    """
    if not legs and product.low <= 0 <= product.high:
        return "none", math.nan
    if direct_p >= alpha:
        return "full", math.nan
    if product.value * direct < 0:
        return "masked", abs(product.value / direct)
    return "partial", product.value / c if c else math.nan


@dataclass(frozen=True)
class Step:
    """One mediator's way through the steps.

    Attributes
    ----------
    mediator : str
    product : Product
    reading : {"none", "full", "partial", "masked"}
    share : float
    """

    mediator: str
    product: Product
    reading: str
    share: float


@dataclass(frozen=True, eq=False, repr=False)
class ThreeSteps(Shown):
    """The three steps, ready to print.

    Attributes
    ----------
    regressions : tuple of Regression
    steps : tuple of Step
        One for each mediator.
    covariates : bool
    fixed : tuple of str
    cluster : str
        Empty without clusters.
    style, language, errors : str
        As asked for.
    """

    regressions: tuple[Regression, ...]
    steps: tuple[Step, ...]
    covariates: bool
    fixed: tuple[str, ...]
    cluster: str
    style: str
    language: str
    errors: str

    @property
    def report_title(self) -> str:
        """Heading."""
        return {"en": "Three steps", "zh": "逐步回归（三步法）"}[self.language]

    def sentences(self) -> list[str]:
        """None but the table's own note."""
        return []

    def to_frame(self) -> pd.DataFrame:
        """One row per slope: step, outcome, term, estimate, std_error, p_value, n, r2."""
        import pandas as pd

        rows = []
        for i, one in enumerate(self.regressions, start=1):
            for j, name in enumerate(one.names):
                value, error = float(one.beta[j]), float(one.errors[self.errors][j])
                rows.append((i, one.outcome, name, value, error, p_of(value, error, one.df), one.n, one.r2))
        return pd.DataFrame(rows, columns=["step", "outcome", "term", "estimate", "std_error", "p_value", "n", "r2"])

    def summary(self) -> str:
        """The printed table, its note beneath."""
        return self.printed()

    __repr__ = summary


def p_of(value: float, error: float, df: int) -> float:
    """Two-sided p-value of a slope; NaN without a standard error."""
    from scipy import special

    return 2 * float(special.stdtr(df, -abs(value / error))) if error > 0 else math.nan


def three_steps(
    found: tuple[Regression, ...], mediators: tuple[str, ...], alpha: float, seed: int, errors: str
) -> tuple[Step, ...]:
    """Each mediator's product of slopes, and how the flow reads it."""
    first, last = found[0], found[-1]
    direct = float(last.beta[0])
    direct_p = p_of(direct, float(last.errors[errors][0]), last.df)
    out = []
    for j, name in enumerate(mediators):
        to = found[1 + j]
        a, b = (
            (float(to.beta[0]), float(to.errors[errors][0])),
            (float(last.beta[1 + j]), float(last.errors[errors][1 + j])),
        )
        made = product_of(*a, *b, alpha, seed)
        legs = p_of(*a, to.df) < alpha and p_of(*b, last.df) < alpha
        out.append(Step(name, made, *flow(float(first.beta[0]), direct, direct_p, made, legs, alpha)))
    return tuple(out)
