"""How strong would something unseen have to be to explain an average effect away? The numbers of a fitted result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import said
from gmvcausal.stats import hidden
from gmvcausal.stats.nuisance.aipw import averages, clustered, scores
from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.outcomes import arm_means
from gmvcausal.targeting.fit import learn_nuisances
from gmvcausal.targeting.intake.trial import FloatArray, Trial
from gmvcausal.targeting.referee.hidden import Benchmark, HiddenConfounding

if TYPE_CHECKING:
    from gmvcausal.targeting.result import Uplift


def sensitivity(
    m: Uplift, benchmark: Any, outcome: float, treatment: float, rho: float, alpha: float
) -> HiddenConfounding:
    """See `Uplift.sensitivity`."""
    try:
        hidden.check_strength(outcome, treatment, rho)
    except (ValueError, TypeError):
        raise InputError(
            f"outcome={said(outcome)}, treatment={said(treatment)}, rho={said(rho)} is no strength of a confounder",
            remedy="give shares from 0 to 1 (treatment below 1), and rho from -1 to 1",
        ) from None
    t = m.trial
    if not t.n:
        raise InputError("the rows that were learned from are not in the file", remedy="call uplift again, then ask")
    names = _names(benchmark, t.features.names)
    k = t.arms - 1
    estimand = str(m.manifest.options["estimand"])
    measure = m.unit
    if t.known:
        gone = np.full((3, 3), math.nan)
        nothing = tuple(hidden.Omitted(float(v), math.nan, math.nan, gone) for v in m.estimates.estimate[:k])
        empty = np.full((k, 2), math.nan)
        return HiddenConfounding(
            True, m.arms, m.control, nothing, m.estimates.std_error[:k], empty[:, 0], empty, outcome, treatment, rho,
            (), alpha, measure, False,
        )  # fmt: skip
    found = _omitted(t, m.fit.e, m.fit.mu, estimand, m.fit.settled)
    from scipy import special

    withheld = np.isnan(m.estimates.std_error[:k])
    error = np.where(withheld, math.nan, np.sqrt([o.cov[0, 0] for o in found]))
    critical = np.where(withheld, math.nan, special.stdtrit(m.estimates.t.df[:k], 1 - alpha / 2))
    values, by_ratio = _e_values(m, estimand, error, critical)
    rows: list[Benchmark] = []
    for name in names:
        rows += _benchmarks(m, name, found, estimand)
    return HiddenConfounding(
        False, m.arms, m.control, found, error, critical, values, outcome, treatment, rho, tuple(rows), alpha, measure,
        by_ratio,
    )  # fmt: skip


def _names(benchmark: Any, features: Sequence[str]) -> list[str]:
    if benchmark is None:
        return []
    names = [benchmark] if isinstance(benchmark, str) else list(benchmark)
    for name in names:
        if name not in features:
            raise InputError(
                f"benchmark names {said(name)}, which is no feature of this model",
                remedy=f"name some of {', '.join(map(repr, features))}" if features else "pass features= to uplift",
            )
    return list(dict.fromkeys(names))


def _omitted(t: Trial, e: FloatArray, mu: FloatArray, estimand: str, known: bool) -> tuple[hidden.Omitted, ...]:
    """What the bias of each arm's average effect is measured by."""
    found = averages(t.y, t.arm, e, mu, estimand=estimand, cluster=t.cluster, known=known)
    at = np.arange(t.n)
    rest = (t.y - mu[at, t.arm]) ** 2
    out = []
    for a in range(1, t.arms):
        sigma = np.where((t.arm == a) | (t.arm == 0), rest, 0.0)
        _, nu = hidden.weights_of(t.arm, e, a, estimand)
        both = np.column_stack([sigma, nu])
        mean = both.mean(axis=0)
        if not mean[1] > 0:
            raise DesignError(
                "the chances of the arms come so near to 0 that the weights have no mean square",
                remedy="ask it of estimand='overlap', or of those who could get every arm",
            )
        influence = np.column_stack([found.influence[:, a - 1], (both - mean) / t.n])
        # On one scale: squares of money beside shares lose digits.
        size = np.maximum(np.abs(influence).max(axis=0), 1e-300)
        cov, _ = clustered(influence / size, t.arm, t.arms, t.cluster)
        out.append(
            hidden.Omitted(float(found.estimate[a - 1]), float(mean[0]), float(mean[1]), cov * np.outer(size, size))
        )
    return tuple(out)


def _e_values(m: Uplift, estimand: str, error: FloatArray, critical: FloatArray) -> tuple[FloatArray, bool]:
    """E-values of the estimates and of their nearer limits: of a risk ratio for 0/1 outcomes, else by deviations."""
    t, fit = m.trial, m.fit
    k = t.arms - 1
    out = np.full((k, 2), math.nan)
    binary = bool(((t.y == 0) | (t.y == 1)).all()) and estimand == "ate"
    psi = scores(t.y, t.arm, fit.e, fit.mu)
    level = psi.mean(axis=0)
    cov, _ = clustered((psi - level) / t.n, t.arm, t.arms, t.cluster)
    by_ratio = binary and bool((level > 0).all())
    inside = sum(float(((t.y[t.arm == a] - t.y[t.arm == a].mean()) ** 2).sum()) for a in range(t.arms))
    spread = math.sqrt(inside / max(t.n - t.arms, 1))
    for a in range(k):
        if by_ratio:
            b = a + 1
            log = math.log(level[b] / level[0])
            slope = np.array([-1 / level[0], 1 / level[b]])
            half = critical[a] * math.sqrt(max(float(slope @ cov[np.ix_([0, b], [0, b])] @ slope), 0.0))
            ends = math.exp(log - half), math.exp(log + half)
            ratio = math.exp(log)
        elif spread > 0:
            effect = float(m.estimates.estimate[a])
            half = critical[a] * error[a]
            ratio = hidden.ratio_of_means(effect, spread)
            ends = hidden.ratio_of_means(effect - half, spread), hidden.ratio_of_means(effect + half, spread)
        else:
            continue
        out[a] = hidden.e_value(ratio), hidden.e_value_of_limit(*ends) if ends[0] == ends[0] else math.nan
    return out, by_ratio


def _benchmarks(m: Uplift, name: str, long: tuple[hidden.Omitted, ...], estimand: str) -> list[Benchmark]:
    """The model learned again without a feature, on the same folds."""
    t = m.trial
    j = t.features.names.index(name)
    keep = [i for i in range(len(t.features.names)) if i != j]
    if keep:
        places = {old: new for new, old in enumerate(keep)}
        categorical = [places[c] for c in t.features.categorical if c != j]
        seed, threads = int(m.manifest.seed or 0), m.fit.threads
        bins = Bins(np.asfortranarray(t.x[:, keep]), categorical, seed, threads)
        found = learn_nuisances(bins, m.fit.fold, t.y, t.arm, t.arms, t.propensity, cluster=t.cluster)
        e, mu, known = found.e, found.mu, found.settled
    else:
        known = True
        e, mu = np.tile(t.sizes / t.n, (t.n, 1)), arm_means(t.y, t.arm, t.arms)
    rows = []
    for a, (o, s) in enumerate(zip(long, _omitted(t, e, mu, estimand, known), strict=True)):
        gained, added = s.sigma2 - o.sigma2, o.nu2 - s.nu2
        outcome = float(np.clip(gained / o.sigma2, 0, 1)) if o.sigma2 > 0 else 0.0
        treatment = float(np.clip(added / s.nu2, 0, 1 - 1e-9))
        change = s.theta - o.theta
        both = gained * added
        rho = math.copysign(min(abs(change) / math.sqrt(both), 1.0), change) if gained > 0 and added > 0 else 1.0
        low, high = hidden.bounds(o, outcome, treatment)
        rows.append(Benchmark(name, m.arms[a], outcome, treatment, rho, change, low, high))
    return rows
