"""What was estimated, as a result: rows, audit, words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.arms import read_shares
from gmvcausal.observational.balance import rare
from gmvcausal.observational.instrument.characteristics import complier_means, types
from gmvcausal.observational.instrument.checks import Case, f_words, run_audit, worth
from gmvcausal.observational.instrument.errors import Errors
from gmvcausal.observational.instrument.intake import Asked, Trial
from gmvcausal.observational.instrument.numbers import Fit, estimate
from gmvcausal.observational.instrument.partial import Partial, partial_out
from gmvcausal.observational.instrument.result import Extra, InstrumentResult, p_of, pieces_of, set_words
from gmvcausal.observational.instrument.sets import Region, Span
from gmvcausal.results import Estimates, Manifest
from gmvcausal.results.compliers import Accepted
from gmvcausal.results.usual_rules import MIN_CLUSTERS
from gmvcausal.stats.small_sample import Spread

FloatArray = NDArray[np.float64]

ENOUGH_F = 104.7  # Lee, McCrary, Moreira and Porter (2022): with 1.96 the t test holds its 5 % from here on
NAMES = {"2sls": "2SLS", "liml": "LIML"}


def make_result(asked: Asked, t: Trial, options: dict[str, Any], manifest: Manifest) -> InstrumentResult:
    """Estimate, audit, words; notes on instruments that were dropped are added to the trial's."""
    shares = _shares(t, asked, options["expected_ratio"])
    v = _without_covariates(asked, t)
    how = Errors(options["errors"], options["ssc"], t.arm if t.two_arms else None, t.cluster)
    liml = options["estimator"] == "liml"
    fit = estimate(v, how, liml)
    level = 1 - options["alpha"]
    accepted = pieces_of(fit.effect, level)
    main = fit.liml if liml else fit.two_stage
    case = Case(t, v, fit, accepted, options["srm_alpha"], shares, main)
    audit = run_audit(case)
    few = t.cluster is not None and worth(t).fewest < MIN_CLUSTERS
    names = tuple(np.array(t.names)[v.kept].tolist())
    estimates, extra = _table(asked, t, fit, names, options["estimator"])
    if few:
        withheld = f"fewer than {MIN_CLUSTERS} clusters of {t.cluster_name} are too few to tell chance from effect"
        estimates = _withheld(estimates, withheld)
    elif not accepted:
        estimates = _withheld(estimates, set_words(accepted), keep=True)
    strong = "weak_instrument" in audit and audit["weak_instrument"].status == "passed"
    who = None
    if t.two_arms and t.binary and t.arm is not None and t.x.shape[1]:
        mean, error = complier_means(t.x, t.d, t.arm)
        own = t.level + mean * t.spread
        who = {
            "covariate": list(t.covariates), "everybody": t.level.tolist(), "compliers": own.tolist(),
            "std_error": (error * t.spread).tolist(),
            "ratio": [a / b if b else math.nan for a, b in zip(own.tolist(), t.level.tolist(), strict=True)],
        }  # fmt: skip
        if t.people:
            # The mean of compliers is a difference between those who received and who did not, by lot.
            cells = [(t.arm == a) & (t.d == d) for a in (0, 1) for d in (0, 1)]
            gone = rare(t.covariates, t.x, cells)
            who |= {k: np.where(gone, math.nan, v).tolist() for k, v in who.items() if k != "covariate"}
    return InstrumentResult(
        f"Instrument: {asked.treatment} moved by {', '.join(asked.instruments)}", _assumed(asked, t), estimates,
        manifest, options["alpha"], audit, extra, fit.effect, asked.outcome, asked.treatment, fit.joint[0],
        fit.strength, fit.bound, _tests(fit, names, options["errors"] == "unadjusted"), who,
        _baseline(t, v) if strong else math.nan,
        tuple(_advice(asked, t, fit, accepted, names, few)),
        int((t.arm == 1).sum()) if t.two_arms and t.binary and t.arm is not None else None, dict(t.facts),
    )  # fmt: skip


def _shares(t: Trial, asked: Asked, expected: Any) -> FloatArray | None:
    if expected is None:
        return None
    if t.arm is None:
        raise InputError(
            "expected_ratio= gives shares of arms, and the instrument has none", column=asked.instruments[0],
            remedy="leave it out",
        )  # fmt: skip
    return read_shares("expected_ratio", expected, t.labels)


def _without_covariates(asked: Asked, t: Trial) -> Partial:
    v = partial_out(t.y, t.d, t.z, t.x)
    if not v.d.any():
        raise DesignError(
            "the treatment is a combination of the covariates, so nothing is left that an instrument could move",
            column=asked.treatment,
            remedy="leave out the covariates that repeat it",
        )
    if not v.kept.any():
        raise DesignError(
            "the instrument is a combination of the covariates, so that it moves nothing by itself",
            column=asked.instruments[0],
            remedy="leave out the covariates that decided it outright",
        )
    for j in np.flatnonzero(~v.kept):
        t.notes.append(f"instrument {t.names[int(j)]!r} was dropped: it is a combination of covariates and others")
    moved = v.z.T @ v.d
    if not float(moved @ moved) > 1e-24 * float(v.d @ v.d):
        raise DesignError(
            "the treatment is as frequent with the instrument as without, so the instrument moves nobody",
            column=asked.instruments[0],
            remedy="name what did move the treatment; the effect of assignment alone is a test (gc.ab_test)",
        )
    return v


def _table(asked: Asked, t: Trial, fit: Fit, names: tuple[str, ...], estimator: str) -> tuple[Estimates, Extra]:
    k, main = len(names), 1 if estimator == "liml" else 0
    per = asked.unit or ("user" if t.facts.get("unit") == "user" else "unit")
    money = f"{asked.outcome} per {per}"
    if t.facts.get("outcome") == asked.outcome and t.facts.get("outcome_unit"):
        money = str(t.facts["outcome_unit"])
    moved = " or ".join(asked.instruments)
    if t.binary and t.arm is not None:
        late = f"average effect of {asked.treatment} on those who get it because of {moved} (compliers, LATE)"
    else:
        late = f"effect of one more unit of {asked.treatment}, averaged over those whom {moved} moves, as it moves them"
    unit = money if t.binary else f"{asked.outcome} per unit of {asked.treatment}"
    rows: list[tuple[str, str, str, int, str, str]] = [
        (asked.treatment, late, unit, main, "effect", "Anderson-Rubin"),
        (f"{asked.treatment} (Wald)", f"{late}, {NAMES[estimator]}", unit, main, "effect", "Wald"),
    ]
    if k > 1:
        other = "2sls" if main else "liml"
        told = NAMES[other]
        rows.append((f"{asked.treatment} ({told}, Wald)", f"{late}, {told}", unit, 1 - main, "effect", "Wald"))
    rest = ", given the other instruments" if k > 1 else ""
    for j, name in enumerate(names):
        told = f"effect of {name} on {asked.outcome}, treated or not{rest}"
        rows.append((f"intent to treat: {name}", told, money, 3 + j, "intent to treat", "Wald"))
    share = f"share of {per}s" if t.binary else f"{asked.treatment} per {per}"
    for j, name in enumerate(names):
        told = f"effect of {name} on {asked.treatment}{rest}"
        rows.append((f"first stage: {name}", told, share, 3 + k + j, "first stage", "Wald"))
    told = f"{asked.outcome} with more against less of {asked.treatment}, by least squares: no effect of it"
    rows.append(("as treated (least squares)", told, unit, 2, "as treated", "Wald"))
    at = [row[3] for row in rows]
    value = np.array([fit.two_stage, fit.liml, fit.plain, *fit.reduced, *fit.first])[at]
    df = fit.df[at]
    special: Any = Span(fit.effect) if isinstance(fit.effect, Region) else Accepted(fit.effect)
    estimates = Estimates(
        tuple(r[0] for r in rows), tuple(r[1] for r in rows), tuple(r[2] for r in rows), value,
        fit.cov[np.ix_(at, at)], (t.n,) * len(rows), Spread(df, np.ones(len(rows))), special={0: special},
        special_p={0: p_of(fit.effect, 0.0)}, method="Anderson-Rubin",
    )  # fmt: skip
    return estimates, Extra(tuple(r[4] for r in rows), tuple(r[5] for r in rows), tuple(float(x) for x in df))


def _withheld(found: Estimates, why: str, *, keep: bool = False) -> Estimates:
    from dataclasses import replace

    if keep:
        return replace(found, withheld=why)
    return replace(found, cov=np.full_like(found.cov, np.nan), special={}, special_p={}, withheld=why)


def _assumed(asked: Asked, t: Trial) -> str:
    given = f"given {', '.join(asked.covariates[:6])}{', …' if len(asked.covariates) > 6 else ''}, "
    moved = " and ".join(map(repr, asked.instruments))
    several = len(asked.instruments) > 1
    lot = f"{given if asked.covariates else ''}{moved} {'are' if several else 'is'} as good as drawn by lot"
    alone = f"{'they act' if several else 'it acts'} on {asked.outcome} through {asked.treatment} alone (exclusion)"
    if t.binary and t.two_arms:
        return f"{lot}; {alone}; nobody gets {asked.treatment} only when not assigned (monotonicity)"
    return f"{lot}; {alone}; nobody is moved the other way (monotonicity), or the effect is the same for all"


def _tests(fit: Fit, names: tuple[str, ...], unadjusted: bool) -> dict[str, list[Any]]:
    sargan = "Sargan" if unadjusted else "Hansen J"
    rows: list[tuple[str, str, float, float, float]] = [
        ("first stage F", f"{', '.join(names)} do not move the treatment", fit.joint[0], len(names), fit.joint[1]),
        ("effective F", f"bias below 10 % of the worst case above {fit.bound:.4g}", fit.strength, math.nan, math.nan),
        ("Wu-Hausman F", "the treatment is as good as drawn", fit.endogenous[0], 1, fit.endogenous[1]),
        ("Anderson-Rubin", "there is no effect",
         fit.effect.statistic(0.0) if isinstance(fit.effect, Region) else _square(fit), len(names),
         p_of(fit.effect, 0.0)),
    ]  # fmt: skip
    if fit.over[1]:
        rows.append((sargan, "the instruments tell of one effect", fit.over[0], fit.over[1], fit.over[2]))
    keys = ("test", "what", "statistic", "df", "p_value")
    return {key: [row[i] for row in rows] for i, key in enumerate(keys)}


def _square(fit: Fit) -> float:
    assert not isinstance(fit.effect, Region)
    variance = fit.effect.spread(0.0)[0]
    return fit.effect.top**2 / variance if variance > 0 else math.nan


def _baseline(t: Trial, v: Partial) -> float:
    """Mean outcome of compliers without the treatment (Abadie 2003)."""
    if not (t.two_arms and t.binary):
        return math.nan
    return float(-(v.z[:, 0] @ (t.y * (1 - t.d))) / (v.z[:, 0] @ t.d))


def _advice(
    asked: Asked, t: Trial, fit: Fit, accepted: Any, names: tuple[str, ...], few: bool
) -> list[str]:  # fmt: skip
    out: list[str] = []
    if t.two_arms and t.binary and t.arm is not None:
        c, always, never = types(t.d, t.arm)
        label, base = (f"{asked.instruments[0]} = {value}" for value in (t.labels[1], t.labels[0]))
        out.append(f"{asked.treatment!r}: {c + always:.3g} with {label} and {always:.3g} with {base}")
        if c > 0:
            last = (
                "nobody has it without being assigned, so this is the effect on all who had it (ATT)"
                if always == 0
                else f"{always:.3g} have it in any case, {never:.3g} in no case, and nothing is said of these"
            )
            out[-1] += f"; {c:.3g} are compliers, who get it because of that; {last}"
        else:
            out[-1] += ": it is rarer with the instrument, and compliers are those who get it because of the other"
    text = f"First stage: effective F = {f_words(fit.strength)}"
    if len(names) == 1 and not few and fit.strength < ENOUGH_F:
        text += (
            f"; the Wald interval keeps its word only above {ENOUGH_F} (Lee et al. 2022), the Anderson-Rubin set always"
        )
    out.append(text)
    if not few and (told := set_words(accepted)):
        out.append(told[:1].upper() + told[1:])
    if fit.endogenous[1] == fit.endogenous[1] and not few:
        p = fit.endogenous[1]
        unlike = "differs from that" if p < 0.05 else "is not told from that"
        out.append(f"Least squares, as treated, says {fit.plain:.4g}, which {unlike} (Wu-Hausman p = {p:.2g})")
    return out
