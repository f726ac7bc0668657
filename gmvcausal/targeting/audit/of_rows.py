"""Checks that hold rows against what was said of them: chances against arms, copies against users."""

from __future__ import annotations

import numpy as np

from gmvcausal.results import Check, usual_checks
from gmvcausal.results.usual_checks import p_words
from gmvcausal.targeting.audit.case import Case
from gmvcausal.targeting.audit.rules import MIN_CLUSTERS, RULES, judge


def chances_followed(case: Case) -> Check | None:
    """Were users more often treated where the given chances say so? A column of another arm's chances is found here.

    The score test of slope one in the logistic regression of the arm on the log odds given, arm by arm.
    """
    from scipy import special

    t = case.trial
    if not t.known or float(np.ptp(case.e, axis=0).max()) < 1e-9:
        return None
    p, worst, turned = 1.0, 1, False
    for a in range(1, t.arms):
        e = case.e[:, a]
        spread = e * (1 - e)
        odds = np.log(e / (1 - e))
        odds = odds - (spread @ odds) / spread.sum()
        score = ((t.arm == a) - e) * odds
        if t.cluster is None:
            variance = float(spread @ odds**2)
        else:
            sums = np.bincount(t.cluster, score)
            if len(sums) < 2 * MIN_CLUSTERS:
                continue
            variance = float(sums @ sums)
        if not variance > 0:
            continue
        z = float(score.sum()) / np.sqrt(variance)
        own = min(1.0, 2 * float(special.ndtr(-abs(z))) * (t.arms - 1))
        if own < p:
            p, worst, turned = own, a, float((t.arm == a) @ odds) < float(e.mean() * odds.sum())
    status = "failed" if p < case.srm_alpha else judge("chances_followed", p)
    remedy = "" if status == "passed" else (
        "give the chance of the treatment, not of the control or of the arm that the user got, as it was when the lot "
        "was drawn; leave propensity= out to estimate it"
    )  # fmt: skip
    way = "go against the chances given" if turned else "follow the chances given"
    message = f"users of arm {case.label(worst)} {way}: slope one of the log odds has {p_words(p)}"
    return Check("chances_followed", status, message, p, case.srm_alpha, remedy)


def copies(case: Case) -> Check | None:
    """Are rows there more than once? Not looked at where users are named, or rows are too coarse to tell."""
    t = case.trial
    return usual_checks.copies(RULES["copies"], t.y, t.arm, t.x, t.row)
