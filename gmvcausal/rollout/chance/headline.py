"""Headlines: estimates with t intervals, or with placebo runs where few clusters were treated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.results import Estimates
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS, MIN_DF
from gmvcausal.stats.small_sample import Spread

FloatArray = NDArray[np.float64]

NO_RUNS = "placebo runs are not made with covariates: leave them out, or treat more clusters"


def headline(
    terms: list[tuple[str, str]],
    unit: str,
    estimate: FloatArray,
    cov: FloatArray,
    n: int,
    spread: Spread,
    clusters: tuple[int, int],
    runs: Callable[[], Runs] | None = None,
) -> Estimates:
    """Estimates, with placebo runs in place of the standard error where either side has too few clusters for one.

    Parameters
    ----------
    runs : callable
        Makes the placebo runs of the headline, or says why there can be none.
    """
    k = len(terms)
    out = Estimates(
        tuple(t[0] for t in terms),
        tuple(t[1] for t in terms),
        (unit,) * k,
        estimate,
        cov,
        (n,) * k,
        spread,
        method="t distribution with Welch's degrees of freedom",
    )
    enough = min(clusters) >= MIN_CLUSTERS
    if enough and not spread.df[0] < MIN_DF:
        return out
    found = None if runs is None else runs()
    why = "" if found is None else found.why
    few = f"{clusters[0]} treated and {clusters[1]} control clusters: " + (
        "many of the treated are alone in their cohort, so "
        if enough and spread.df[0] == 0
        else f"so unequal that they count as {spread.df[0] + 1:.1f}, so "
        if enough
        else f"with fewer than {MIN_CLUSTERS} on a side the usual standard errors are far too small, so "
    )
    out = replace(out, cov=np.full_like(cov, np.nan))
    if found is None or found.limits is None:
        return replace(out, withheld=few + "no interval is given" + (f" ({why})" if why else ""), method="")
    terms_told = same_number(estimate) if found.whole else [0]
    return replace(
        out,
        special=dict.fromkeys(terms_told, found.limits),
        special_p=dict.fromkeys(terms_told, found.p_value),
        method=found.method,
        withheld="" if len(terms_told) == k else few + "only the headline, from placebo runs, has an interval",
    )


def lacking(terms: Sequence[str], told: Collection[int], how: str) -> str:
    """Which terms have no interval of the kind that the others have; empty where all have one."""
    rest = [term for k, term in enumerate(terms) if k not in told]
    if not rest:
        return ""
    if len(told) == 1:
        return f"only the headline has {how}"
    return f"{' and '.join(rest)} {'has' if len(rest) == 1 else 'have'} none: the others have {how}"


def same_number(estimate: FloatArray) -> list[int]:
    """Terms that are the headline's own number: with one start all means of effects are, a slope by dose is not."""
    return [int(i) for i in np.flatnonzero(np.abs(estimate - estimate[0]) <= 1e-9 * np.abs(estimate[0]))]


@dataclass(frozen=True)
class Runs:
    """What few treated clusters allow.

    Attributes
    ----------
    limits : callable or None
        level -> (low, high); None where nothing holds.
    p_value : float
    method : str
        How the interval is made.
    why : str
        Why there is none.
    whole : bool
        Whether every aggregate is the same number, so that the interval is that of all.
    """

    limits: Callable[[float], tuple[float, float]] | None = None
    p_value: float = float("nan")
    method: str = ""
    why: str = ""
    whole: bool = False
