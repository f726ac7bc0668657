"""What every row would have had with and without the treatment, and its chance of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.observational.adjustment.intake import Sample
from gmvcausal.stats.logit import Logit, fit_logit, independent
from gmvcausal.stats.nuisance.bends import bent
from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.folds import make_folds
from gmvcausal.stats.nuisance.outcomes import cross_fit, kind_of
from gmvcausal.stats.nuisance.stacked import stacked_chances

FloatArray = NDArray[np.float64]

# A chance nearer than this to none of what a row is compared in is set to it, and told.
NEAREST = 0.01
# What the treatment adds is learned from fewer than twice as many rows of those that a model sees, since it is only a
# part of an outcome: with effects that vary, 80,000 of 240,000 rows leave the same error (.449 of either).
_EFFECT = 75_000


class Nuisances(NamedTuple):
    """What is learned before any effect.

    Attributes
    ----------
    chance : ndarray, shape (n,)
        Of treatment.
    mu : ndarray, shape (n, 2)
        Expected outcome without and with it.
    logit : Logit or None
        The regression behind the chances; None where lines and trees learned them, out of fold.
    flat : bool
        Whether nothing tells who was treated: the chances are the share.
    notes : tuple of str
    """

    chance: FloatArray
    mu: FloatArray
    logit: Logit | None
    flat: bool
    notes: tuple[str, ...] = ()


def learn(sample: Sample, learned: bool, folds: int, seed: int, threads: int) -> Nuisances:
    """Chances and outcomes: out of fold by lines and trees, or by regressions on all rows.

    Raises
    ------
    DesignError
        The covariates tell every treated row from all others.
    """
    return _by_trees(sample, folds, seed, threads) if learned else _by_regression(sample)


def _by_trees(sample: Sample, folds: int, seed: int, threads: int) -> Nuisances:
    arm, cluster = sample.arm, sample.cluster
    count = folds if cluster is None else min(folds, int(cluster.max()) + 1)
    smallest = int(sample.sizes.min())
    if smallest < 2 * count:
        raise DesignError(
            f"an arm has {smallest:,} rows, too few to learn from in {count} folds",
            remedy="pass estimator='regression' with few covariates, or collect more rows",
        )
    fold = make_folds(arm, cluster, count, seed)
    x = np.asarray(sample.x, dtype=np.float32)
    bins = Bins(bent(x, sample.categorical), sample.categorical, seed, threads, seen=x.shape[1])
    found = stacked_chances(bins, fold, sample.treated)
    if found.apart:
        raise _apart(sample)
    mu, _ = cross_fit(bins, fold, sample.y, arm, 2, kind_of(sample.y), most=_EFFECT)
    notes = [
        f"chances of treatment and outcomes were learned by lines and boosted trees on {count} folds, each row's by "
        "models that have not seen it"
    ]
    if found.flat:
        notes.append("the covariates do not tell who was treated: every chance is the share")
    return Nuisances(found.chance, mu, None, found.flat, tuple(notes))


def _by_regression(sample: Sample) -> Nuisances:
    design = sample.design
    fit = fit_logit(design, sample.treated, np.ones(sample.n))
    if fit is None:
        raise _apart(sample)
    mu = np.column_stack([design @ fit_arm(design, sample, on) for on in (False, True)])
    return Nuisances(fit.chance, mu, fit, False, ("chances of treatment are those of a logistic regression",))


def fit_arm(design: FloatArray, sample: Sample, on: bool, weight: FloatArray | None = None) -> FloatArray:
    """Coefficients of the (weighted) regression of the outcome in one arm.

    Raises
    ------
    DesignError
        Too few rows, or columns that do not vary by themselves in that arm.
    """
    rows = sample.treated == on
    if weight is not None:
        rows = rows & (weight > 0)
    z, y = design[rows], sample.y[rows]
    root = np.ones(len(y)) if weight is None else np.sqrt(weight[rows])
    who = repr(sample.labels[int(on)])
    if len(y) <= z.shape[1] + 1:
        raise DesignError(
            f"{len(y):,} rows of {who} are too few for {z.shape[1] - 1} covariates",
            remedy="use fewer covariates, or more rows",
        )
    z = z * root[:, None]
    keep = independent(z)
    if not keep.all():
        name = sample.names[int(np.argmin(keep)) - 1]
        raise DesignError(
            f"among the rows of {who} the covariate {name!r} does not vary by itself, so that what it does to the "
            "outcome there is not known",
            column=name,
            remedy="leave it out, group its levels, or keep to rows that both arms have",
        )
    middle = float(y.mean())  # from a middle value on, so that a common size of all outcomes costs no digits
    beta = np.linalg.lstsq(z, (y - middle) * root, rcond=None)[0]
    beta[0] += middle
    return np.asarray(beta, dtype=np.float64)


def _apart(sample: Sample) -> DesignError:
    return DesignError(
        "the covariates separate the treated from all others, so that no treated row has a counterpart without the "
        "treatment",
        remedy="leave out what decided the treatment outright (where it was a threshold: gc.threshold), compare within "
        "other units, or run an experiment (gc.ab_test)",
    )


def kept_away(chance: FloatArray, estimand: str) -> tuple[FloatArray, float]:
    """Chances kept from 0 and 1 where they are divided by, and the share of the rows whose chance was moved.

    Parameters
    ----------
    chance : ndarray, shape (n,)
    estimand : {"ate", "att", "overlap"}
        Of everyone both ends count; of the treated only chances near 1; under overlap weights none.

    Examples
    --------
    >>> kept_away(np.array([0.001, 0.5, 0.9]), "ate")[0].tolist(), kept_away(np.array([0.001, 0.5]), "att")[1]
    ([0.01, 0.5, 0.9], 0.0)
    """
    low = NEAREST if estimand == "ate" else 1e-6
    high = 1 - (1e-6 if estimand == "overlap" else NEAREST)
    out = np.clip(chance, low, high)
    return out, float((out != chance).mean())


def two(chance: FloatArray) -> FloatArray:
    """Chances of both arms, shape (n, 2)."""
    return np.column_stack([1 - chance, chance])
