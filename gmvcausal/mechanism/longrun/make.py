"""What was estimated, as a result: rows, audit, words."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmvcausal.mechanism.longrun import fitted as made
from gmvcausal.mechanism.longrun.checks import checks_of, fewest
from gmvcausal.mechanism.longrun.fitted import Fitted, FloatArray
from gmvcausal.mechanism.longrun.index import part
from gmvcausal.mechanism.longrun.numbers import difference, gap
from gmvcausal.mechanism.longrun.read import Asked
from gmvcausal.mechanism.longrun.result import SurrogateResult, strength
from gmvcausal.results import Estimates, Manifest
from gmvcausal.results.audit import audit_with
from gmvcausal.results.usual_rules import MIN_CLUSTERS
from gmvcausal.stats.small_sample import Spread

_HOW = {
    "index": "foretold by the surrogate index", "score": "foretold by the surrogate score",
    "doubly_robust": "foretold by surrogate index and score together",
}  # fmt: skip


def make_result(asked: Asked, f: Fitted, shares: FloatArray, manifest: Manifest, alpha: float) -> SurrogateResult:
    """Rows, audit and words."""
    t = f.pair
    labels = [str(v) for v in t.labels]
    others = list(range(1, len(labels)))
    of_rows, of_history = [e.of_rows for e in f.effects], [e.of_history for e in f.effects]
    value = [e.estimate for e in f.effects]
    rows = [(labels[a], f"effect of {labels[a]} on {asked.outcome}, {_HOW[f.estimator]}, {labels[a]} minus {labels[0]}",
             int(((t.arm == 0) | (t.arm == a)).sum()), a) for a in others]  # fmt: skip
    known = ~np.isnan(t.seen)
    for a in others:
        use = known & ((t.arm == 0) | (t.arm == a))
        if min(int((use & (t.arm == k)).sum()) for k in (0, a)) < made.FEWEST_SEEN:
            continue
        estimate, own = difference(t.seen[use], t.arm[use], a)
        whole = np.zeros(t.n)
        whole[use] = own
        what = f"difference of {asked.outcome} among those of whom it is known, {labels[a]} minus {labels[0]}"
        rows.append((f"{labels[a]} (seen)", what, int(use.sum()), a))
        value.append(estimate)
        of_rows.append(whole)
        of_history.append(np.zeros(t.m))
    cov, df = f.sources(np.column_stack(of_rows), np.column_stack(of_history))
    few = fewest(f)
    withheld = ""
    if few is not None and few[0].fewest < MIN_CLUSTERS:
        withheld = f"{few[0].fewest} clusters of {few[1]} are too few to tell chance from effect"
        cov, df = np.full_like(cov, np.nan), np.full(len(df), np.inf)
    per = asked.unit or ("user" if t.facts.get("unit") == "user" else "unit")
    unit = f"{asked.outcome} per {per}"
    if t.facts.get("outcome") == asked.outcome and t.facts.get("outcome_unit"):
        unit = str(t.facts["outcome_unit"])
    k = len(rows)
    estimates = Estimates(
        tuple(r[0] for r in rows), tuple(r[1] for r in rows), (unit,) * k, np.array(value), cov,
        tuple(r[2] for r in rows), Spread(df, np.ones(k)), withheld=withheld, method="" if withheld else "t (Welch)",
    )  # fmt: skip
    low, high = estimates.interval(1 - alpha)
    bounds = [strength(float(low[i]), float(high[i]), made.worst_bias(f, a)) for i, a in enumerate(others)]
    limit = np.array([b[0] for b in bounds])
    checks = checks_of(f, shares, limit)
    if known.all():
        t.notes.append(f"{asked.outcome!r} is known in every row: gc.ab_test tells the effect without surrogates")
    against = labels[1] if len(others) == 1 else f"{len(others)} arms"
    return SurrogateResult(
        f"{asked.outcome} as foretold by {', '.join(asked.surrogates)}: {against} against {labels[0]}",
        _assumed(asked, labels), estimates, manifest, alpha, audit_with(checks, t.facts),
        tuple(labels[r[3]] for r in rows), labels[0], asked.outcome, float(f.told[t.arm == 0].mean()), f.r2,
        tuple(made.worst_bias(f, a) for a in others), _surrogates(f), tuple(int((t.arm == r[3]).sum()) for r in rows),
        tuple(_advice(asked, f, bounds, known)), {k: v for k, v in t.facts.items() if k in ("gmv", "gmv_is")},
    )  # fmt: skip


def _assumed(asked: Asked, labels: list[str]) -> str:
    given = f", given {', '.join(asked.covariates[:4])}{', ...' if len(asked.covariates) > 4 else ''}"
    return (
        f"the arms were drawn by lot; the tactic moves {asked.outcome} through {', '.join(asked.surrogates)} alone "
        f"(surrogacy{given if asked.covariates else ''}); these foretell {asked.outcome} in the experiment as they did "
        "in the history (comparability)"
    )


def _advice(asked: Asked, f: Fitted, bounds: list[tuple[float, float]], known: np.ndarray[Any, Any]) -> list[str]:
    k = int(known.sum())
    lines = [
        f"It rests on surrogacy: nothing of the effect on {asked.outcome} goes past {', '.join(asked.surrogates)}. "
        + ("That is assumed, not seen" if not k else f"{k:,} known outcomes put it to the test (surrogacy, below)"),
        f"The index tells {f.r2:.0%} of the variance of {asked.outcome}",
    ]  # fmt: skip
    limit, r = bounds[0]
    if limit > 0:
        share = f" (a correlation of {r:.2g} with the arm past the surrogates)" if r < 1 else ""
        lines.append(
            f"An effect past the surrogates of {limit:.3g} the other way takes the finding away{share}: bias() has "
            "the whole range"
        )
    return lines


def _surrogates(f: Fitted) -> dict[str, list[Any]]:
    """The parts of the linear index, by arm."""
    t = f.pair
    slopes = f.index.beta / t.scale
    variance = part(f.index.influence, t.past_cluster, t.past.shape[1] + 1, f.index.leverage).cov
    slope_error = np.sqrt(np.maximum(np.diag(variance), 0)) / t.scale
    out: dict[str, list[Any]] = {
        k: [] for k in ("arm", "surrogate", "effect", "std_error", "slope", "slope_error", "part", "without")
    }  # fmt: skip
    empty = np.zeros((t.m, 1))
    for a in range(1, len(t.labels)):
        moved = gap(t.x, t.arm, a) * t.scale
        left = {c: made.without(f, c, a) for c in dict.fromkeys(np.array(t.source)[t.is_surrogate].tolist())}
        for j, name in enumerate(t.names):
            _, own = difference(t.x[:, j] * t.scale[j], t.arm, a)
            cov, _ = f.sources(own[:, None], empty)
            row = (str(t.labels[a]), name, moved[j], float(np.sqrt(cov[0, 0])), slopes[j], slope_error[j],
                   moved[j] * slopes[j], left.get(t.source[j], np.nan))  # fmt: skip
            for key, value in zip(out, row, strict=True):
                out[key].append(value if isinstance(value, str) else float(value))
    return out
