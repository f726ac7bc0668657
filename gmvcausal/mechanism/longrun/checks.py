"""What the data say for and against an effect that is foretold; the rules are in `rules`."""

from __future__ import annotations

import math

import numpy as np

from gmvcausal.mechanism.longrun import fitted as made
from gmvcausal.mechanism.longrun.fitted import Fitted, FloatArray
from gmvcausal.mechanism.longrun.index import part
from gmvcausal.mechanism.longrun.read import IntArray
from gmvcausal.mechanism.longrun.rules import RULES
from gmvcausal.results import Check, usual_checks
from gmvcausal.results.usual_checks import Worth, worth_of
from gmvcausal.stats.inference import chi_square, unrelated
from gmvcausal.stats.logit import fit_logit
from gmvcausal.stats.nuisance.folds import make_folds
from gmvcausal.stats.skewed import skewness_of_sum

_KNOWN = "the long outcome is known for fewer than 20 users of an arm of the experiment: surrogacy is assumed, not seen"


def checks_of(f: Fitted, shares: FloatArray, limit: FloatArray) -> list[Check]:
    """Every check that applies.

    Parameters
    ----------
    f : Fitted
    shares : ndarray, shape (arms,)
        Planned.
    limit : ndarray, shape (arms - 1,)
        The limit of each effect's interval that is nearer to zero; 0 where the interval holds zero.
    """
    t = f.pair
    out = [*_surrogacy(f), _comparable(f), _extrapolation(f)]
    out.append(
        RULES.check(
            "index_r2", f.r2, f"the index tells {f.r2:.1%} of the variance of the long outcome in rows it has not seen",
            "surrogates that tell so little of the long outcome can hide almost any effect on it: name stronger ones "
            "(orders, GMV, visits over more weeks), or wait for the outcome and use gc.ab_test",
        )
    )  # fmt: skip
    out += [c for c in (_shape(f), *_history(f), _weights(f), _unseen(f, limit)) if c is not None]
    counts = np.bincount(t.arm, minlength=len(t.labels)).astype(float)
    what = "users"
    if t.cluster is not None:
        pairs = np.unique(t.cluster * len(t.labels) + t.arm)
        counts, what = np.bincount(pairs % len(t.labels), minlength=len(t.labels)).astype(float), "clusters"
    p = chi_square(counts, shares * counts.sum())
    told = ", ".join(f"{label} {int(k):,}" for label, k in zip(t.labels, counts, strict=True))
    out.append(
        RULES.check(
            "sample_ratio", p, f"{told} {what}: p = {p:.3g}",
            "find out who is missing before reading anything; an uneven split is said by expected_ratio=",
        )
    )  # fmt: skip
    return [*out, _balance(f), *_usual(f)]


def _balance(f: Fitted) -> Check:
    """Did a lot draw the arms? The covariates are what it could not move."""
    t = f.pair
    names = [n for n, s in zip(t.names, t.is_surrogate, strict=True) if not s]
    if not names:
        return Check(
            "balance", "not_run", "there are no covariates to compare the arms by: that a lot drew them is taken on "
            "trust", remedy="pass covariates=, what was known of users before",
        )  # fmt: skip
    found = [unrelated((t.arm == a).astype(float), t.c, t.cluster) for a in range(len(t.labels))]
    (p, j), a = min((found[a], a) for a in range(len(found)))
    return RULES.check(
        "balance", min(1.0, p * len(names) * max(1, len(found) - 1)),
        f"{names[j]!r} differs most, between {t.labels[a]} and the others ({usual_checks.p_words(p)})",
        "the arms are those of a lot here, and a lot leaves no such difference: find out who decided; gc.adjust "
        "compares users alike in what decided, on an outcome that is seen",
    )  # fmt: skip


def fewest(f: Fitted) -> tuple[Worth, str] | None:
    """Clusters of the experiment, or of the history where there are fewer; None without clusters."""
    t = f.pair
    if not t.cluster_name or t.cluster is None:
        return None
    found = [(worth_of(np.unique(t.cluster, return_inverse=True)[1], t.arm), t.cluster_name)]
    if t.past_cluster is not None:
        past = worth_of(np.unique(t.past_cluster, return_inverse=True)[1])
        found.append((past, f"{t.cluster_name} (history)"))
    return min(found, key=lambda one: one[0].fewest)


def _usual(f: Fitted) -> list[Check]:
    """Checks that every comparison of units makes."""
    t, out = f.pair, []
    few = fewest(f)
    if few is not None:
        out.append(usual_checks.few_clusters(RULES["few_clusters"], few[1], few[0]))
    if t.found_cluster:
        out.append(usual_checks.cluster_level(t.cluster_name))
    if t.shared:
        out.append(
            RULES.check(
                "shared_units", t.shared, f"{t.shared:,} units stand in the experiment and in the history",
                "their rows are taken as dependent; make sure that the long outcome of the history ends before the "
                "experiment begins",
            )
        )  # fmt: skip
    e = f.effects[0]
    rows = (_sums(e.of_rows, t.cluster), _sums(e.of_history, t.past_cluster))
    own = np.concatenate(rows)
    more = "read the effect on an outcome (and surrogates) capped alike beside it"
    out.append(usual_checks.tail(RULES["tail"], skewness_of_sum(own), "the effect", f"collect more rows, or {more}"))
    out.append(usual_checks.leverage(RULES["leverage"], own, e.estimate, "the effect", t.cluster_name))
    gmv = t.facts.get("gmv")
    alone = t.cluster is None and not t.named_units
    found = (
        usual_checks.copies(RULES["copies"], t.raw[:, 0], t.arm, t.raw[:, 1:], np.arange(t.n)) if alone else None,
        usual_checks.negative_amounts(RULES["negative_amounts"], t.y, gmv),
        usual_checks.scale_mix(RULES["scale_mix"], t.y),
        usual_checks.quantisation(RULES["quantisation"], t.y, t.spacing),
    )
    return out + [c for c in found if c is not None]


def _sums(influence: FloatArray, cluster: IntArray | None) -> FloatArray:
    return part(influence[:, None], cluster, 0).sums[:, 0]


def _surrogacy(f: Fitted) -> list[Check]:
    t = f.pair
    tests = [(made.unexplained(f, a), a) for a in range(1, len(t.labels))]
    seen = [(found, a) for found, a in tests if found is not None]
    if not seen:
        return [Check(name, "not_run", _KNOWN) for name in ("surrogacy", "same_relation")]
    (gap, error, p, k), a = min(seen, key=lambda one: one[0][2] if one[0][2] == one[0][2] else 1.0)
    p = min(1.0, p * len(seen)) if p == p else 1.0
    out = [
        RULES.check(
            "surrogacy", p,
            f"of {k:,} users whose long outcome is known, {t.labels[a]} differs from {t.labels[0]} by {gap:+.3g} "
            f"({error:.2g}) more than the index says: p = {p:.3g}",
            "the tactic moves the long outcome in ways that these surrogates do not show: believe what is seen "
            "(gc.ab_test on the known outcomes), wait for the others, or add the surrogate that is missing",
        )
    ]  # fmt: skip
    found = made.off(f)
    if found is not None:
        mean, error, p, k = found
        out.append(
            RULES.check(
                "same_relation", p,
                f"the known long outcomes of {k:,} users of {t.labels[0]} lie {mean:+.3g} ({error:.2g}) off the index: "
                f"p = {p:.3g}",
                "what surrogates foretold in the history they do not foretell now (another season, other prices): take "
                "a history of the same season, or wait for the outcome and use gc.ab_test",
            )
        )  # fmt: skip
    return out


def area(score: FloatArray, on: FloatArray) -> float:
    """Area under the curve; ties count half."""
    from scipy.stats import rankdata

    k = float(on.sum())
    return float((rankdata(score) @ on - k * (k + 1) / 2) / (k * (len(on) - k)))


def _comparable(f: Fitted) -> Check:
    t = f.pair
    own = t.x[t.arm == 0]
    both = np.column_stack([np.ones(len(own) + t.m), np.vstack([own, t.past])])
    on = np.concatenate([np.ones(len(own)), np.zeros(t.m)])
    fold = make_folds(on.astype(np.int64), None, 2, 0)
    told = np.zeros(len(on))
    for k in range(2):
        found = fit_logit(both[fold != k], on[fold != k] > 0, np.ones(int((fold != k).sum())))
        if found is None:
            told = on
            break
        told[fold == k] = both[fold == k] @ found.beta
    value = float(np.mean([area(told[fold == k], on[fold == k]) for k in range(2)]))
    moved = np.abs(own.mean(axis=0))
    j = int(np.argmax(moved))
    return RULES.check(
        "comparable", value,
        f"a logit tells {t.labels[0]} from the history with an area under the curve of {value:.2f}; {t.names[j]!r} is "
        f"furthest apart ({moved[j]:.2f} standard deviations)",
        "take a history of the same kind of users and season, and the covariates in which they differ; "
        "estimator='doubly_robust' weighs the history to look like the experiment",
    )  # fmt: skip


def _extrapolation(f: Fitted) -> Check:
    t = f.pair
    room = 1e-9
    out = (t.x < t.past.min(axis=0) - room) | (t.x > t.past.max(axis=0) + room)
    value = float(out.any(axis=1).mean())
    j = int(np.argmax(out.sum(axis=0)))
    message = "no row of the experiment lies outside the range of the history"
    if value > 0:
        message = f"{value:.1%} of the experiment lie outside the range of the history, most in {t.names[j]!r}"
    return RULES.check(
        "extrapolation", value, message,
        "the history does not know such users, and the line is drawn past them: take a history that holds them (heavy "
        "buyers, the same windows), or leave them out in every arm",
    )  # fmt: skip


def _shape(f: Fitted) -> Check | None:
    if f.learner != "linear":
        return None
    tests = [(a, found) for a in range(1, len(f.pair.labels)) if (found := made.curved(f, a)) is not None]
    tests = [(a, found) for a, found in tests if not math.isnan(found[2])]
    if not tests:
        return None
    a, (bent, gap, p) = min(tests, key=lambda one: one[1][2])
    p = min(1.0, p * len(tests))
    return RULES.check(
        "index_shape", p,
        f"an index with curved surrogates gives {f.pair.labels[a]} {bent:+.3g}, {gap:+.3g} beside the linear one: "
        f"p = {p:.3g}",
        "the long outcome does not follow the surrogates in a line: compare estimator='doubly_robust', "
        "learner='trees'",
    )  # fmt: skip


def _history(f: Fitted) -> list[Check]:
    t = f.pair
    if t.got is None:
        return []
    share = float(t.got.mean())
    out = [
        RULES.check(
            "history_treated", share, f"{share:.1%} of the history had the tactic",
            "that helps where the tactic acts through the surrogates alone, and misleads where it does not: compare a "
            "history without it",
        )
    ]  # fmt: skip
    found = made.moved_past(f)
    if found is not None:
        slope, p = found
        out.append(
            RULES.check(
                "history_arm", p, f"in the history those with the tactic stand {slope:+.3g} off what surrogates say: "
                f"p = {p:.3g}",
                "either the tactic acts past the surrogates, or it went to other users there: find out which",
            )
        )  # fmt: skip
    return out


def _weights(f: Fitted) -> Check | None:
    weights = [e.weight for e in f.effects if e.weight is not None]
    if not weights:
        return None
    value = min(float((1.0 / (w * w).sum(axis=0)).min()) for w in weights)
    return RULES.check(
        "effective_sample_size", value, f"the weights leave {value:,.0f} of {f.pair.m:,} rows of history",
        "few rows of the history look like the experiment: take another history, or estimator='index' with the check "
        "of extrapolation",
    )  # fmt: skip


def _unseen(f: Fitted, limit: FloatArray) -> Check | None:
    """Could a path past the surrogates, as strong as the strongest of them, turn the finding?"""
    t = f.pair
    columns = list(dict.fromkeys(np.array(t.source)[t.is_surrogate].tolist()))
    if len(columns) < 2 or not limit.any():
        return None
    worst = math.inf, "", 0
    for a in (np.flatnonzero(limit) + 1).tolist():
        whole = f.index.beta @ (t.x[t.arm == a].mean(axis=0) - t.x[t.arm == 0].mean(axis=0))
        moves = [(abs(float(whole) - made.without(f, c, a)), c) for c in columns]
        size, name = max(moves)
        if size > 0:
            worst = min(worst, (abs(float(limit[a - 1])) / size, name, a))
    if not worst[1]:
        return None
    value, name, a = worst
    return RULES.check(
        "unseen_path", value,
        f"a path past the surrogates {value:.2g} times as strong as what {name!r} adds beside the others turns the "
        f"finding for {t.labels[a]}",
        "ask what else the tactic does that lasts (habit, stock at home, prices expected): one such path is enough",
    )  # fmt: skip
