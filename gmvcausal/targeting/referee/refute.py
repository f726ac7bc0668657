"""Four ways to catch an estimate out: false arms, a false feature, part of the rows, rows drawn anew.

They are dowhy's refuters (placebo treatment, random common cause, data subset, bootstrap), run on the nuisances of a
fitted result: everything is learned again, with the same recipes. dowhy's own cannot be: they refit an estimator of
dowhy, draw false treatments from numpy's global state whatever the seed, deal copies of a row to several folds, and
hold an estimate against its spread on one data set, which an estimate with a wrong standard error passes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import check, said
from gmvcausal.results import Audit, Check
from gmvcausal.results.curves import Curves, Line, wrapped
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.nuisance.aipw import averages
from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.boosted import Matrix
from gmvcausal.stats.nuisance.folds import make_folds
from gmvcausal.stats.small_sample import groups_of_clusters
from gmvcausal.targeting.fit import learn_nuisances
from gmvcausal.targeting.intake.trial import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from gmvcausal.targeting.result import Uplift

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


@dataclass(frozen=True, eq=False)
class _Rows:
    x: Matrix
    y: FloatArray
    arm: IntArray
    propensity: FloatArray | None
    cluster: IntArray | None
    fold: IntArray

    def take(self, at: IntArray) -> _Rows:
        cluster = None if self.cluster is None else np.unique(self.cluster[at], return_inverse=True)[1]
        return _Rows(
            np.asfortranarray(self.x[at]), self.y[at], self.arm[at],
            None if self.propensity is None else self.propensity[at], cluster, self.fold[at],
        )  # fmt: skip


@dataclass(frozen=True, repr=False, eq=False)
class Refutation:
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

    def summary(self) -> str:
        """The four checks, in words."""
        lines = [f"Refuters of {', '.join(map(str, self.arms))}, {self.rows:,} of {self.of:,} rows"]
        for name in NAMES:
            one = self.audit[name]
            lines.append(f"{one.status:<8}{name}: {one.message}" + (f". {one.remedy}" if one.remedy else ""))
        lines.append(
            "Passing does not show that nothing hidden confounds: no refuter sees that (m.sensitivity()). Failing "
            "shows that estimate or standard error cannot be trusted here."
        )
        return wrapped(lines, indent=8)

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

    def plot(self, arm: Any = None) -> Figure:
        """Draw the runs for one arm, the first by default."""
        return self.curves(arm).draw()


def refute(m: Uplift, seed: Any, draws: Any) -> Refutation:
    """See `Uplift.refute`."""
    check("seed", seed)
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or not 5 <= int(draws) <= 1000:
        raise InputError(f"draws must be a whole number from 5 to 1000, but is {said(draws)}")
    t = m.trial
    if not t.n:
        raise InputError("the rows that were learned from are not in the file", remedy="call uplift again, then ask")
    if m.fit.model is None:
        raise DesignError(
            "without features nothing was learned that could be learned again",
            remedy="pass features= to uplift; a difference of means has its placebo in gc.ab_test's randomisation test",
        )
    if np.isnan(m.estimates.std_error[0]):
        raise DesignError("there is no standard error to hold anything against", remedy="assign more clusters")
    learn = _Learner(m)
    rows = _Rows(t.x, t.y, t.arm, t.propensity, t.cluster, m.fit.fold)
    k = t.arms - 1
    if t.n > MOST:
        rows = rows.take(_part(rows, MOST / t.n, np.random.default_rng([seed, 9])))
        base = learn(rows, rows.fold)
    else:
        base = (m.estimates.estimate[:k], m.estimates.std_error[:k])
    runs: dict[str, list[FloatArray]] = {name: [] for name in NAMES}
    ratios: list[FloatArray] = []
    for draw in range(int(draws)):
        placebo = _placebo(rows, t.arms, np.random.default_rng([seed, 0, draw]))
        found = learn(placebo, make_folds(placebo.arm, placebo.cluster, learn.folds, seed + draw))
        runs[NAMES[0]].append(found[0])
        ratios.append(found[0] / found[1])
        noise = np.random.default_rng([seed, 1, draw]).normal(size=(len(rows.y), 1)).astype(np.float32)
        wider = _Rows(
            np.asfortranarray(np.hstack([rows.x, noise])), rows.y, rows.arm, rows.propensity, rows.cluster, rows.fold
        )
        runs[NAMES[1]].append(learn(wider, rows.fold)[0])
        part = rows.take(_part(rows, SHARE, np.random.default_rng([seed, 2, draw])))
        runs[NAMES[2]].append(learn(part, part.fold)[0])
        again = rows.take(_again(rows, np.random.default_rng([seed, 3, draw])))
        runs[NAMES[3]].append(learn(again, again.fold)[0])  # copies of a row are in one fold
    stacked = {name: np.array(found) for name, found in runs.items()}
    audit = Audit(tuple(_checks(m.arms, base, stacked, np.array(ratios))))
    return Refutation(m.arms, base[0], base[1], stacked, audit, len(rows.y), t.n, m.unit)


class _Learner:
    """Average effects and standard errors of rows, everything learned again as the result did."""

    def __init__(self, m: Uplift) -> None:
        self.arms = m.trial.arms
        self.folds = int(m.fit.fold.max()) + 1
        self.categorical = m.trial.features.categorical
        self.seed, self.threads = int(m.manifest.seed or 0), m.fit.threads
        self.estimand = str(m.manifest.options["estimand"])

    def __call__(self, rows: _Rows, fold: IntArray) -> tuple[FloatArray, FloatArray]:
        bins = Bins(rows.x, self.categorical, self.seed, self.threads)
        n = learn_nuisances(bins, fold, rows.y, rows.arm, self.arms, rows.propensity, cluster=rows.cluster)
        found = averages(
            rows.y, rows.arm, n.e, n.mu, estimand=self.estimand, cluster=rows.cluster, known=n.settled
        )  # fmt: skip
        return found.estimate, np.sqrt(np.diag(found.cov))


def _placebo(rows: _Rows, arms: int, rng: np.random.Generator) -> _Rows:
    """Arms dealt anew: by the chances where they were given, else shuffled; whole clusters where they were drawn."""
    arm, cluster = rows.arm, rows.cluster
    if cluster is None:
        if rows.propensity is not None:
            drawn = (rng.random(len(arm))[:, None] > rows.propensity.cumsum(axis=1)[:, :-1]).sum(axis=1)
        else:
            drawn = rng.permutation(arm)
    else:
        of = groups_of_clusters(arm, cluster, arms)
        if (of < arms).all():
            drawn = rng.permutation(of)[cluster]
        else:  # arms vary within clusters, and are shuffled there
            order = np.lexsort((rng.random(len(arm)), cluster))
            drawn = np.empty_like(arm)
            drawn[np.argsort(cluster, kind="stable")] = arm[order]
    return _Rows(rows.x, rows.y, np.asarray(drawn, dtype=np.int64), rows.propensity, cluster, rows.fold)


def _part(rows: _Rows, share: float, rng: np.random.Generator) -> IntArray:
    """Positions of a share of the rows (clusters) of every arm."""
    if rows.cluster is None:
        keep = np.zeros(len(rows.arm), dtype=bool)
        for a in range(int(rows.arm.max()) + 1):
            at = rng.permutation(np.flatnonzero(rows.arm == a))
            keep[at[: max(2, round(share * len(at)))]] = True
        return np.flatnonzero(keep)
    groups = int(rows.cluster.max()) + 1
    of = groups_of_clusters(rows.arm, rows.cluster, int(rows.arm.max()) + 1)
    chosen = np.zeros(groups, dtype=bool)
    for g in np.unique(of):
        at = rng.permutation(np.flatnonzero(of == g))
        chosen[at[: max(2, round(share * len(at)))]] = True
    return np.flatnonzero(chosen[rows.cluster])


def _again(rows: _Rows, rng: np.random.Generator) -> IntArray:
    """Positions of rows (clusters) drawn with replacement, as many of every arm; copies of a cluster are one."""
    if rows.cluster is None:
        parts = [np.flatnonzero(rows.arm == a) for a in range(int(rows.arm.max()) + 1)]
        return np.sort(np.concatenate([rng.choice(at, len(at)) for at in parts]))
    of = groups_of_clusters(rows.arm, rows.cluster, int(rows.arm.max()) + 1)
    times = np.zeros(len(of), dtype=np.int64)
    for g in np.unique(of):
        at = np.flatnonzero(of == g)
        np.add.at(times, rng.choice(at, len(at)), 1)
    return np.repeat(np.arange(len(rows.arm)), times[rows.cluster])


def _checks(
    arms: tuple[Any, ...], base: tuple[FloatArray, FloatArray], runs: dict[str, FloatArray], ratios: FloatArray
) -> list[Check]:
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
    for name in NAMES[1:]:
        own = runs[name].std(axis=0, ddof=1)
        gap = np.abs(runs[name].mean(axis=0) - base[0])
        # What the runs' number leaves to chance, at 1 %, is no move.
        beyond = np.maximum(gap - special.ndtri(0.995) * own / math.sqrt(draws), 0.0) / error
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
