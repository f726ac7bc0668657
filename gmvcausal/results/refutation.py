"""Refuters read as checks: false arms, a false covariate, part of the rows, rows drawn anew.

They are dowhy's refuters (placebo treatment, random common cause, data subset, bootstrap; Sharma and Kiciman 2020),
with everything learned again by the design itself. dowhy's own cannot do that: they refit an estimator of dowhy, draw
false treatments from numpy's global state whatever the seed, deal copies of a row to several folds, and hold an
estimate against its spread on one data set, which an estimate with a wrong standard error passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import said
from gmvcausal.results.audit import Audit, Check
from gmvcausal.results.curves import Curves, Line, wrapped
from gmvcausal.results.shown import Cells, Shown
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.redeal import dealt_anew, drawn_again, part_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Rows on which everything is learned again; more are a selection by lot.
MOST = 20_000
SHARE = 0.8
# From which on a check warns (fails): standard errors by which the mean of the runs moves, beyond what their number
# leaves to chance; p-value of the placebo runs; how many times the standard error the bootstrap spreads, at least.
MOVED, PLACEBO, SPREAD = (0.5, 1.0), (0.01, 0.001), (1.2, 1.6)
NAMES = ("placebo_treatment", "random_common_cause", "data_subset", "bootstrap")
_LOOKS = {
    "random_common_cause": "beside a feature of pure noise the effect of",
    "data_subset": f"on {SHARE:.0%} of the rows the effect of",
    "bootstrap": "on rows drawn anew the effect of",
}

_LAST = (
    "Passing does not show that nothing hidden confounds: no refuter sees that (sensitivity()). Failing shows that "
    "estimate or standard error cannot be trusted here."
)


@dataclass(frozen=True, repr=False, eq=False)
class Refutation(Shown):
    """What became of the average effects where nothing, or the same, should be found.

    Attributes
    ----------
    arms : tuple
    estimate, std_error : ndarray, shape (k,)
        Of the rows that were used.
    runs : mapping of str to ndarray, shape (draws, k)
        Estimates of every run of every refuter.
    audit : Audit
        One check for each refuter.
    rows, of : int
        Rows used, of so many.
    unit : str
    """

    arms: tuple[Any, ...]
    estimate: FloatArray
    std_error: FloatArray
    runs: dict[str, FloatArray]
    audit: Audit
    rows: int
    of: int
    unit: str

    def to_frame(self) -> pd.DataFrame:
        """One row per refuter and arm: ``refuter``, ``arm``, ``estimate``, ``std_error``, ``new_effect`` (mean of the
        runs), ``spread`` (their standard deviation), ``draws``, ``status``."""
        import pandas as pd

        rows = [
            (
                name, arm, float(self.estimate[a]), float(self.std_error[a]), float(found[:, a].mean()),
                float(found[:, a].std(ddof=1)), len(found), self.audit[name].status,
            )
            for name, found in self.runs.items() for a, arm in enumerate(self.arms)
        ]  # fmt: skip
        columns = ["refuter", "arm", "estimate", "std_error", "new_effect", "spread", "draws", "status"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def report_title(self) -> str:
        """Heading."""
        return "Refuters"

    @property
    def own(self) -> tuple[str, ...]:
        """The arms."""
        return tuple(map(str, self.arms))

    @property
    def _told(self) -> str:
        return f"Refuters of {', '.join(map(str, self.arms))}, {self.rows:,} of {self.of:,} rows"

    def sentences(self) -> list[str]:
        """What each refuter found, and what to do where it did not pass."""
        found = [(name, self.audit[name]) for name in self.runs]
        lines = [f"{name}: {one.message}." + (f" {one.remedy}." if one.remedy else "") for name, one in found]
        return [f"{self._told}.", *lines, _LAST]

    def cells(self) -> Cells:
        """The numbers of `to_frame()`."""
        from gmvcausal.present.tables import frame_cell

        rows = [[frame_cell(value) for value in row] for row in self.to_frame().itertuples(index=False)]
        heads = ("refuter", "arm", "estimate", "std. error", "mean of runs", "spread of runs", "runs", "status")
        return heads, tuple((*row[:-1], row[-1].replace("_", " ")) for row in rows), f"Unit: {self.unit}."

    def figures(self) -> list[Curves]:
        """The runs of each arm."""
        return [self.curves(arm) for arm in self.arms]

    def summary(self) -> str:
        """The four checks, in words."""
        lines = [self._told]
        for name in self.runs:
            one = self.audit[name]
            lines.append(f"{one.status:<8}{name}: {one.message}" + (f". {one.remedy}" if one.remedy else ""))
        return wrapped([*lines, _LAST], indent=8)

    def __repr__(self) -> str:
        return self.summary()

    def curves(self, arm: Any = None) -> Curves:
        """Every run by refuter for one arm, with the estimate."""
        if arm is not None and arm not in self.arms:
            listed = ", ".join(map(repr, self.arms))
            raise InputError(f"arm is {said(arm)}, which is not here", remedy=f"name one of {listed}")
        a = 0 if arm is None else self.arms.index(arm)
        rng = np.random.default_rng(0)
        lines = [
            Line(name, k + rng.uniform(-0.2, 0.2, len(found)), found[:, a], "points")
            for k, (name, found) in enumerate(self.runs.items())
        ]
        ends = np.array([-0.5, len(self.runs) - 0.5])
        lines.append(Line("estimate", ends, np.full(2, self.estimate[a]), "dashed"))
        return Curves(
            f"Refuters of {self.arms[a]}", "", self.unit, tuple(lines), True, ticks=tuple(self.runs), slanted=True
        )

    def plot(self, arm: Any = None, *, language: str = "en", labels: Mapping[str, str] | None = None) -> Figure:
        """Draw the runs for one arm, the first by default."""
        return self.curves(arm).draw(language=language, labels=labels)


class Deal(NamedTuple):
    """What one run learns from.

    Attributes
    ----------
    name : str
        Of the refuter.
    draw : int
    at : ndarray of int, shape (m,), or None
        Positions of the rows; None for all. Rows drawn anew stand there more than once.
    arm : ndarray of int, shape (n,), or None
        False arms of all rows.
    noise : ndarray, shape (n,), or None
        A covariate that has nothing to do with anything.
    """

    name: str
    draw: int
    at: IntArray | None = None
    arm: IntArray | None = None
    noise: FloatArray | None = None


def refuted(
    learn: Callable[[Deal], tuple[FloatArray, FloatArray]],
    base: tuple[FloatArray, FloatArray],
    arm: IntArray,
    labels: tuple[Any, ...],
    *,
    cluster: IntArray | None,
    propensity: FloatArray | None,
    seed: int,
    draws: int,
    of: int,
    unit: str,
    names: tuple[str, ...] = NAMES,
    jumpy: bool = False,
) -> Refutation:
    """Run the refuters and judge them.

    Parameters
    ----------
    learn : callable
        A `Deal` in, estimates and standard errors out, shape (k,) each; everything is learned again.
    base : ndarray, ndarray
        Estimates and standard errors of the rows as they are.
    arm : ndarray of int, shape (n,)
        Dense codes, 0 the control.
    labels : tuple
        Of the k arms but the control.
    cluster, propensity : ndarray or None
    seed, draws : int
    of : int
        Rows there were before a selection.
    unit : str
    names : tuple of str
        The refuters that are run.
    jumpy : bool
        Whether lots or a few rows more or less change the answer by leaps (folds and trees, who is matched with whom),
        so that the answer is one of many as good; how far it moves is then held against the spread of the runs.
    """
    arms = len(labels) + 1
    runs: dict[str, list[FloatArray]] = {name: [] for name in names}
    ratios: list[FloatArray] = []
    for draw in range(draws):
        for name in names:
            rng = np.random.default_rng([seed, NAMES.index(name), draw])
            if name == "placebo_treatment":
                estimate, error = learn(Deal(name, draw, arm=dealt_anew(arm, arms, rng, cluster, propensity)))
                ratios.append(estimate / error)
            elif name == "random_common_cause":
                estimate, _ = learn(Deal(name, draw, noise=rng.normal(size=len(arm))))
            elif name == "data_subset":
                estimate, _ = learn(Deal(name, draw, at=part_of(arm, SHARE, rng, cluster)))
            else:
                estimate, _ = learn(Deal(name, draw, at=drawn_again(arm, rng, cluster)))
            runs[name].append(estimate)
    stacked = {name: np.array(found) for name, found in runs.items()}
    audit = Audit(tuple(judged(labels, base, stacked, np.array(ratios), jumpy)))
    return Refutation(labels, base[0], base[1], stacked, audit, len(arm), of, unit)


def whole_draws(draws: Any) -> int:
    """`draws` as an int, from 5 to 1,000."""
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or not 5 <= int(draws) <= 1000:
        raise InputError(f"draws must be a whole number from 5 to 1000, but is {said(draws)}")
    return int(draws)


def judged(
    arms: tuple[Any, ...], base: tuple[FloatArray, FloatArray], runs: dict[str, FloatArray], ratios: FloatArray,
    jumpy: bool = False,
) -> list[Check]:  # fmt: skip
    """A check for each refuter, from its runs; `ratios` are the t statistics of the placebo runs, shape (draws, k)."""
    from scipy import special

    k, draws = len(arms), len(ratios)
    out = []
    # Placebo: t statistics of the runs have mean 0 and mean square 1 at most.
    z = np.sqrt(draws) * ratios.mean(axis=0)
    squares = (ratios**2).sum(axis=0)
    p = np.minimum(2 * special.ndtr(-np.abs(z)), special.chdtrc(draws, squares))
    worst = int(np.argmin(p))
    value = float(min(1.0, 2 * k * p[worst]))
    out.append(
        _check(
            NAMES[0], -value, (-PLACEBO[0], -PLACEBO[1]), value,
            f"{draws} deals: the false effects of {arms[worst]} have a mean of {runs[NAMES[0]][:, worst].mean():+.3g} "
            f"and t statistics of size {math.sqrt(squares[worst] / draws):.2f} (1 is right): {p_words(value)}",
            "the estimator finds effects where there are none, or its intervals are too short: look at tail, leverage "
            "and clusters",
        )
    )  # fmt: skip
    error = np.where(base[1] > 0, base[1], np.inf)
    for name in (n for n in runs if n != NAMES[0]):
        own = runs[name].std(axis=0, ddof=1)
        gap = np.abs(runs[name].mean(axis=0) - base[0])
        # What the runs' number leaves to chance, at 1 %, is no move. Beside noise the answer itself is one of the runs.
        alike = jumpy or name == NAMES[1]
        beyond = np.maximum(gap - special.ndtri(0.995) * own * math.sqrt(alike + 1 / draws), 0.0) / error
        worst = int(np.argmax(beyond))
        bad, limit = float(beyond[worst]), MOVED
        message = f"{_LOOKS[name]} {arms[worst]} moves by {gap[worst] / error[worst]:.2g} standard errors on average"
        if name == "bootstrap":
            wide = float((own / error).max())
            least = wide * math.sqrt((draws - 1) / float(special.chdtri(draws - 1, 0.01)))
            message += f", and the runs spread {wide:.2g} times the standard error"
            if _rank(_status(least, SPREAD)) > _rank(_status(bad, MOVED)):
                bad, limit = least, SPREAD
        out.append(
            _check(
                name, bad, limit, bad, message,
                "the answer hangs on how it was computed: fewer features, more rows, or estimand='overlap'",
            )
        )  # fmt: skip
    return out


def _rank(status: str) -> int:
    return ("passed", "warned", "failed").index(status)


def _status(value: float, limit: tuple[float, float]) -> str:
    return "failed" if value > limit[1] else "warned" if value > limit[0] else "passed"


def _check(name: str, bad: float, limit: tuple[float, float], shown: float, message: str, remedy: str) -> Check:
    status = _status(bad, limit)
    return Check(name, status, message, shown, abs(limit[0]), "" if status == "passed" else remedy)
