"""The verbs `power` and `sample_size`: before a test, what it can find and what it must cost."""

from __future__ import annotations

import math
from typing import Any

from gmvcausal.abtest.plans.history import Simulation, outcome_of, read_history, simulate
from gmvcausal.abtest.plans.plan import Outcome, Plan, number, read_outcome
from gmvcausal.abtest.plans.result import PowerResult
from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import check, one_of, said
from gmvcausal.stats.power import ALTERNATIVES, design_effect, read_power


def power(
    n: float,
    *,
    metric: str = "mean",
    effect: float | None = None,
    lift: float | None = None,
    mean: float | None = None,
    sd: float | None = None,
    sd_treated: float | None = None,
    rate: float | None = None,
    amount_mean: float | None = None,
    amount_sd: float | None = None,
    part: str | None = None,
    per_mean: float | None = None,
    per_sd: float | None = None,
    correlation: float | None = None,
    history: Any = None,
    share: float = 0.5,
    r2: float = 0.0,
    cluster_size: float | None = None,
    cluster_cv: float = 0.0,
    icc: float | None = None,
    uptake: float | None = None,
    alternative: str = "two-sided",
    non_inferiority: float | None = None,
    target: float = 0.8,
    alpha: float = 0.05,
    reps: int = 500,
    seed: int = 0,
) -> PowerResult:
    """What a test with `n` units can find: its power for an effect, and the smallest effect it finds (MDE).

    Parameters
    ----------
    n : number
        Units in both arms together.
    metric : {"mean", "proportion", "ratio", "gmv"}
        ``"mean"`` needs `sd` (and `mean` for a lift); ``"proportion"`` needs `rate`; ``"gmv"``, a lognormal amount for
        a share of users, needs `rate`, `amount_mean`, `amount_sd`; ``"ratio"``, a ratio of two sums such as GMV per
        order, needs `mean`, `sd`, `per_mean`, `per_sd`, `correlation`. With `history` none of these.
    effect : float, optional
        Absolute effect, in the unit of the outcome. Without `effect` and `lift` only the MDE is given.
    lift : float, optional
        The effect as a share of the mean under control: .05 is 5 %.
    mean, sd : float, optional
        Of the outcome per unit (of the numerator, for a ratio), under control.
    sd_treated : float, optional
        Where the treated are known to vary otherwise; default `sd`.
    rate : float, optional
        Share of users who convert.
    amount_mean, amount_sd : float, optional
        GMV of those who buy: mean and standard deviation.
    part : {"amount", "rate"}, optional
        Of GMV: whether the effect makes amounts larger (the default) or buyers more frequent. The variance differs.
    per_mean, per_sd, correlation : float, optional
        Of the denominator of a ratio per unit, and its correlation with the numerator over units.
    history : array or column, optional
        One outcome for each unit of the past. Mean, variance and skewness are taken from it, and the test is also
        simulated: A/A for its rate of false positives, and with the effect planted for its power. The simulation
        analyses unadjusted, unclustered outcomes.
    share : float
        Share of the units that is treated; default one half, which needs the fewest.
    r2 : float
        Share of the variance that covariates explain (CUPED): squared correlation with the same outcome before.
    cluster_size, icc, cluster_cv : float, optional
        Where clusters (rooms, cities) are randomised: mean units in each, correlation of two units of one cluster, and
        coefficient of variation of the sizes (default 0). The t distribution then counts clusters.
    uptake : float, optional
        Where not everybody assigned receives (a push is not always delivered): the share of the treated arm that
        receives, less that of the control arm. Effects, lifts, the MDE and the standard error are then among compliers
        (`ab_test` with ``received=``): what the assigned gain, over `uptake`. A lift takes the compliers' mean under
        control for that of all.
    alternative : {"two-sided", "greater", "less"}
    non_inferiority : float, optional
        Margin, positive, in the unit of the outcome: the test is to show that the loss is smaller than that. Needs a
        one-sided alternative, ``"greater"`` where more is better; `effect` defaults to 0.
    target : float
        Power at which the MDE is given; default .8.
    alpha : float
        Default .05.
    reps, seed : int
        Of the simulation; 500 tests put a rate of 5 % within 2 points.

    Returns
    -------
    PowerResult

    Raises
    ------
    InputError
        A number that is missing, out of its bounds, or of another metric.
    DesignError
        An effect that the outcome cannot have; fewer than two units or clusters in an arm.

    Notes
    -----
    Two-sample t by Welch with the noncentral t distribution. Variances are those under the effect, save that
    of a ratio (linearised by the delta method) and that of a mean without `sd_treated`: the treated are taken to vary
    as the control does.

    Examples
    --------
    >>> import gmvcausal as gc
    >>> r = gc.power(200_000, metric="gmv", rate=0.05, amount_mean=120, amount_sd=150, lift=0.05)
    >>> round(r.power, 3), round(r.detectable_lift, 3)
    (0.337, 0.093)
    """
    plan = _plan(**_design(locals()))
    units = number("n", n)
    if units <= 0:
        raise InputError(f"n must be positive, but is {said(n)}")
    target = read_power(target, plan.alpha)
    value = _effect(plan, effect, lift, non_inferiority)
    plan.spread(units, value or 0.0)  # refused here, not when the result is read
    simulated = None
    if history is not None:
        simulated = _simulated(plan, history, part, round(units), value, reps, seed)
    return PowerResult(plan, units, value, target, simulated)


def sample_size(
    *,
    metric: str = "mean",
    effect: float | None = None,
    lift: float | None = None,
    mean: float | None = None,
    sd: float | None = None,
    sd_treated: float | None = None,
    rate: float | None = None,
    amount_mean: float | None = None,
    amount_sd: float | None = None,
    part: str | None = None,
    per_mean: float | None = None,
    per_sd: float | None = None,
    correlation: float | None = None,
    history: Any = None,
    share: float = 0.5,
    r2: float = 0.0,
    cluster_size: float | None = None,
    cluster_cv: float = 0.0,
    icc: float | None = None,
    uptake: float | None = None,
    alternative: str = "two-sided",
    non_inferiority: float | None = None,
    target: float = 0.8,
    alpha: float = 0.05,
) -> PowerResult:
    """The fewest units that find an effect with a given power.

    Parameters
    ----------
    metric, effect, lift, mean, sd, sd_treated, rate, amount_mean, amount_sd, part, per_mean, per_sd, correlation
        As in `power`; one of `effect` and `lift` is needed, except for non-inferiority.
    history : array or column, optional
        One outcome for each unit of the past, for mean and variance. To simulate, pass it to `power`.
    share, r2, cluster_size, cluster_cv, icc, uptake, alternative, non_inferiority
        As in `power`.
    target : float
        Power asked for; default .8.
    alpha : float
        Default .05.

    Returns
    -------
    PowerResult
        Whole units in each arm (whole clusters, where there are any) in ``n_control`` and ``n_treated``.

    Raises
    ------
    InputError
        A number that is missing, out of its bounds, or of another metric.
    DesignError
        No effect to find, or one on the side that the test does not look at.

    Examples
    --------
    >>> import gmvcausal as gc
    >>> gc.sample_size(sd=75, mean=7, effect=0.35).n_treated  # Lewis and Rao 2015, an advertisement
    720815
    """
    plan = _plan(**_design(locals()))
    target = read_power(target, plan.alpha)
    value = _effect(plan, effect, lift, non_inferiority)
    if value is None:
        raise InputError("no effect is given", remedy="say with effect= or lift= what is to be found")
    if value + plan.shift == 0:
        raise DesignError("an effect of zero is never found", remedy="give the smallest effect that would matter")
    control, treated = plan.arms(plan.size(value, target))
    return PowerResult(plan, control + treated, value, target, None, (control, treated))


def _design(given: dict[str, Any]) -> dict[str, Any]:
    """What describes outcome, design and test, of all that a verb was given."""
    return {k: v for k, v in given.items() if k not in ("n", "effect", "lift", "target", "reps", "seed")}


def _plan(
    *,
    metric: str,
    history: Any,
    share: float,
    r2: float,
    cluster_size: float | None,
    cluster_cv: float,
    icc: float | None,
    uptake: float | None,
    alternative: str,
    non_inferiority: float | None,
    alpha: float,
    **outcome: Any,
) -> Plan:
    one_of("alternative", alternative, ALTERNATIVES)
    known = _from_history(history, metric, outcome) if history is not None else read_outcome(metric, outcome)
    r2, cluster_cv = number("r2", r2), number("cluster_cv", cluster_cv)
    if not 0 <= r2 < 1:
        raise InputError(f"r2 must be a number in [0, 1), but is {said(r2)}")
    if cluster_cv < 0:
        raise InputError(f"cluster_cv must not be negative, but is {said(cluster_cv)}")
    if (cluster_size is None) != (icc is None):
        raise InputError("cluster_size= and icc= go together", remedy="give both, or neither")
    inflation = 1.0
    if cluster_size is not None and icc is not None:
        cluster_size, icc = number("cluster_size", cluster_size), number("icc", icc)
        if cluster_size < 1:
            raise InputError(f"cluster_size must be 1 or more, but is {said(cluster_size)}")
        if not 0 <= icc <= 1:
            raise InputError(f"icc must be a number in [0, 1], but is {said(icc)}")
        inflation = design_effect(cluster_size, icc, cluster_cv)
    elif cluster_cv:
        raise InputError("cluster_cv= needs cluster_size= and icc=", remedy="give all three, or none")
    shift = 0.0
    if non_inferiority is not None:
        if alternative == "two-sided":
            raise DesignError(
                "non-inferiority is a question of one side",
                remedy="pass alternative='greater' where more is better, 'less' where less is",
            )
        shift = number("non_inferiority", non_inferiority) * (1.0 if alternative == "greater" else -1.0)
    share = number("share", share)
    return Plan(known, share, r2, inflation, cluster_size, alternative, check("alpha", alpha), shift, _uptake(uptake))


def _uptake(uptake: Any) -> float:
    share = 1.0 if uptake is None else number("uptake", uptake)
    if not 0 < share <= 1:
        raise InputError(
            f"uptake must be a share in (0, 1], but is {said(uptake)}",
            remedy="give the share of the treated arm that receives, less that of the control arm",
        )
    return share


def _from_history(history: Any, metric: str, given: dict[str, Any]) -> Outcome:
    extra = sorted(name for name, value in given.items() if value is not None and name != "part")
    if extra or metric != "mean":
        what = f"{extra[0]}=" if extra else f"metric={metric!r}"
        raise InputError(f"{what} and history= are both given", remedy=f"leave {what} out: the history says it")
    if given.get("part") is not None:
        one_of("part", given["part"], ("amount", "rate"))
    return outcome_of(read_history(history), given.get("part"))


def _effect(plan: Plan, effect: Any, lift: Any, non_inferiority: Any) -> float | None:
    if effect is not None and lift is not None:
        raise InputError("effect= and lift= are both given", remedy="give the effect once, absolute or relative")
    if effect is None and lift is None:
        return None if non_inferiority is None else 0.0
    if effect is not None:
        value = number("effect", effect)
    else:
        base = plan.outcome.base.mean
        if not (math.isfinite(base) and base > 0):
            raise InputError(
                "a lift needs a positive mean under control", remedy="give mean=, or the effect itself with effect="
            )
        value = number("lift", lift) * base
    low, high = plan.limits()
    if not low < value < high:
        raise DesignError(
            f"an effect of {value:g} is not possible: it must lie between {low:g} and {high:g}",
            remedy="check the baseline, and whether the effect is absolute (effect=) or relative (lift=)",
        )
    return value


def _simulated(
    plan: Plan, history: Any, part: str | None, n: int, effect: float | None, reps: Any, seed: Any
) -> Simulation:
    if isinstance(reps, bool) or not isinstance(reps, int) or reps < 100:
        raise InputError(f"reps must be a whole number of at least 100, but is {said(reps)}")
    values = read_history(history)
    return simulate(
        values,
        outcome_of(values, part),
        n=n,
        effect=None if effect is None else effect * plan.uptake,
        share=plan.share,
        alternative=plan.alternative,
        alpha=plan.alpha,
        shift=plan.shift * plan.uptake,
        reps=reps,
        seed=check("seed", seed),
    )
