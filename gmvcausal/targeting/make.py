"""What was learned, as a result: rows of average effects, audit, words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gmvcausal.results import Estimates, Manifest
from gmvcausal.results.compliers import assumption
from gmvcausal.results.compliers import estimand as among_of
from gmvcausal.stats.nuisance.aipw import Averages, averages, clustered, mean_outcomes
from gmvcausal.stats.nuisance.outcomes import arm_means
from gmvcausal.stats.small_sample import Spread
from gmvcausal.targeting.audit.case import Case
from gmvcausal.targeting.audit.checks import run_audit
from gmvcausal.targeting.audit.of_design import worth
from gmvcausal.targeting.audit.rules import MIN_CLUSTERS
from gmvcausal.targeting.compliers import Compliers, compliers, with_limits
from gmvcausal.targeting.compliers import advice as among_words
from gmvcausal.targeting.fit import Fit
from gmvcausal.targeting.intake.trial import Asked, FloatArray, Trial
from gmvcausal.targeting.money import said_of_money
from gmvcausal.targeting.redemption import redeemed_table
from gmvcausal.targeting.result import Extra, Uplift

if TYPE_CHECKING:
    from gmvcausal.targeting.large.whole import Whole

WORDS = {
    "ate": "average effect on all {unit}s",
    "att": "average effect on the {unit}s who got it",
    "overlap": "average effect weighted by overlap",
}
_LOT = "arms were drawn with the chances given"
_SELECTED = (
    "those with the same features would have done the same without the tactic, whichever arm they got, and could have "
    "got any"
)


class Block(NamedTuple):
    """Rows of one kind: average effects of every arm.

    Attributes
    ----------
    kind : str
        What sets its terms apart; empty for the first.
    estimand : str
    found : Averages
    levels : ndarray, shape (k + 1,)
        Mean outcomes under every arm.
    """

    kind: str
    estimand: str
    found: Averages
    levels: FloatArray


def make_result(
    asked: Asked, trial: Trial, fit: Fit, options: dict[str, Any], manifest: Manifest, whole: Whole | None = None
) -> Uplift:
    """Average effects with what stands beside them; of all rows where `trial` is a sample of them and `whole` is given.

    What was learned, and the checks that need features, are then those of the sample.
    """
    t, estimand = trial, str(options["estimand"])
    found = averages(t.y, t.arm, fit.e, fit.mu, estimand=estimand, cluster=t.cluster, known=fit.settled)
    among: Compliers | None = None
    if t.received is not None and fit.receipt is not None:
        among = compliers(
            t.y, t.received, t.arm, fit.e, fit.mu, fit.receipt, estimand=estimand, cluster=t.cluster, known=fit.settled
        )
    case = Case(t, fit.e, fit.mu, estimand, found, options["srm_alpha"], () if among is None else among.receipts)
    audit = run_audit(case, None if whole is None else whole.checks(t, estimand, options["srm_alpha"]))
    blocks: list[Block] = [
        Block("", estimand, found, mean_outcomes(t.y, t.arm, fit.e, fit.mu, estimand))
        if whole is None
        else whole.block("", estimand)
    ]
    advice: list[str] = []
    lot = t.known and float(np.ptp(fit.e, axis=0).max()) < 1e-12
    if lot and fit.model is not None:
        blocks.append(_unadjusted(t) if whole is None else whole.block("unadjusted", "ate"))
    thin = "overlap" in audit and audit["overlap"].status != "passed"
    if thin and estimand != "overlap":
        if whole is None:
            beside = averages(t.y, t.arm, fit.e, fit.mu, estimand="overlap", cluster=t.cluster, known=fit.settled)
            blocks.append(Block("overlap", "overlap", beside, mean_outcomes(t.y, t.arm, fit.e, fit.mu, "overlap")))
        else:
            blocks.append(whole.block("overlap", "overlap"))
        advice.append("Where chances come near 0 read the effect weighted by overlap, which stands beside")
    if among is not None:
        blocks.append(Block("compliers", estimand, among.found, np.full(t.arms, np.nan)))
    per = asked.unit or ("user" if t.facts.get("unit") == "user" else "unit")
    measure = f"{asked.outcome} per {per}"
    if t.facts.get("outcome") == asked.outcome and t.facts.get("outcome_unit"):
        measure = str(t.facts["outcome_unit"])
    estimates, extra = _table(t, blocks, measure, per, asked.received, whole)
    assumed = _LOT if t.known else _SELECTED
    if t.cluster is not None and worth(t).fewest < MIN_CLUSTERS:
        estimates = replace(
            estimates, cov=np.full_like(estimates.cov, np.nan),
            withheld=f"fewer than {MIN_CLUSTERS} clusters of {t.cluster_name} are too few to tell chance from effect",
        )  # fmt: skip
    if among is not None:
        assumed += f"; {assumption(str(asked.received))}"
        advice += among_words(among, t.labels, str(asked.received), options["alpha"], bool(estimates.withheld))
        if not estimates.withheld:
            estimates = with_limits(estimates, among, len(estimates.term) - t.arms + 1, estimates.p_value)
    level, withheld = 1 - options["alpha"], bool(estimates.withheld)
    redeemed = None
    if fit.redemption is not None and fit.redeems is not None:
        redeemed = redeemed_table(t, fit, estimand, level, withheld)
    advice += said_of_money(
        t, fit, estimand, level, withheld, per, redeemed, None if whole is None else whole.net()
    )  # fmt: skip
    if fit.model is not None:
        advice.append(
            "Effects of single users are predictions: m.evaluate(test) holds them against users kept apart, and "
            "m.policy(data, budget=) makes a plan of them"
        )
    arms = t.labels[1:]
    title = f"Uplift: {arms[0] if len(arms) == 1 else f'{len(arms)} arms'} against {t.labels[0]}"
    return Uplift(
        title, assumed, estimates, manifest, options["alpha"], audit, extra, asked, t, fit,
        tuple(advice), tuple(range(1, t.arms - 1)), redeemed=redeemed,
    )  # fmt: skip


def _unadjusted(t: Trial) -> Block:
    """Differences of means."""
    means = arm_means(t.y, t.arm, t.arms)
    shares = np.broadcast_to(t.sizes / t.n, (t.n, t.arms))
    return Block("unadjusted", "ate", averages(t.y, t.arm, shares, means, cluster=t.cluster), means[0])


def _table(
    t: Trial, blocks: list[Block], measure: str, per: str, received: str | None, whole: Whole | None
) -> tuple[Estimates, Extra]:
    term: list[str] = []
    estimand: list[str] = []
    value: list[float] = []
    base: list[float] = []
    method: list[str] = []
    for kind, words, found, levels in blocks:
        for a, label in enumerate(t.labels[1:]):
            among = kind == "compliers"
            term.append(f"{label} among compliers" if among else f"{label} ({kind})" if kind else str(label))
            told = WORDS[words].format(unit=per) + f" of {label} against {t.labels[0]}"
            if among:
                told = f"effect on those reached by it (LATE): {among_of(told, str(received))}"
            estimand.append(told + (", difference of means" if kind == "unadjusted" else ""))
            method.append("difference of means" if kind == "unadjusted" else "AIPW")
            att = words == "att"
            value.append(float(levels[a + 1]))
            base.append(float(levels[a + 1] - found.estimate[a]) if att else float(levels[0]))
    size = len(term)
    cov = blocks[0].found.cov
    if whole is not None:
        cov = whole.joint([b.kind for b in blocks])
    elif len(blocks) > 1:
        influence = np.column_stack([b.found.influence for b in blocks])
        cov, _ = clustered(influence, t.arm, t.arms, t.cluster)
    spread = Spread(
        np.concatenate([b.found.spread.df for b in blocks]), np.concatenate([b.found.spread.factor for b in blocks])
    )
    estimates = Estimates(
        tuple(term), tuple(estimand), (measure,) * size, np.concatenate([b.found.estimate for b in blocks]), cov,
        (t.n if whole is None else whole.n,) * size, spread, method="t",
    )  # fmt: skip
    arms = tuple(t.labels[1:]) * len(blocks)
    extra = Extra(
        arms, (t.labels[0],) * size, tuple(method), tuple(value), tuple(base), tuple(float(v) for v in spread.df)
    )
    return estimates, extra
