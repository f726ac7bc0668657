"""What the data say against a decomposition."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmvcausal.mechanism.factors.numbers import Joint
from gmvcausal.mechanism.factors.read import Funnel
from gmvcausal.mechanism.factors.rules import RULES
from gmvcausal.results import Check, usual_checks
from gmvcausal.stats.inference import chi_square

FEWEST = 2  # clusters of a group below which it has no variance of its own


def checks_of(funnel: Funnel, made: Joint | None, expected: Any) -> list[Check]:
    """The checks on the groups (`expected` shares where chance drew them) and on the funnel."""
    out = []

    def add(name: str, value: float, message: str, remedy: str) -> None:
        out.append(RULES.check(name, value, message, remedy))

    groups = len(funnel.labels)
    if expected is None:
        why = "chance did not draw the groups (assignment= is None), so the change is not held to be an effect"
        out.append(Check("sample_ratio", "not_run", why))
    else:
        if funnel.cluster is None:
            counts = np.bincount(funnel.group, funnel.x[:, 0], groups)
        else:
            pairs = np.unique(funnel.cluster * groups + funnel.group)
            counts = np.bincount(pairs % groups, minlength=groups).astype(float)
        p = chi_square(counts, expected * counts.sum())
        told = ", ".join(f"{one} {int(k):,}" for one, k in zip(funnel.labels, counts, strict=True))
        add(
            "sample_ratio", p, f"{told} against the planned shares: p = {p:.3g}",
            "find out who is missing before reading anything; an uneven split is said by expected_ratio=",
        )  # fmt: skip
    x = funnel.x
    outside = [float(x[x[:, j - 1] == 0, j].sum() / x[:, j].sum()) for j in range(2, x.shape[1])]
    worst = int(np.argmax(outside))
    add(
        "funnel", outside[worst],
        f"{outside[worst]:.1%} of {funnel.columns[worst + 1]!r} stands in rows where {funnel.columns[worst]!r} is 0",
        f"the factor {funnel.names[worst + 1]!r} is no rate of those before it: count both stages from the same log, "
        "or leave one out",
    )  # fmt: skip
    if made is None:
        out += [Check(name, "not_run", "the table holds sums") for name in ("thin_stage", "few_clusters", "leverage")]
        return out
    errors = np.array([_relative_error(funnel, g) for g in range(groups)])
    g, j = np.unravel_index(int(np.argmax(errors)), errors.shape)
    add(
        "thin_stage", errors[g, j],
        f"the mean of {funnel.columns[j]!r} where {str(funnel.labels[g])!r} has a standard error of {errors[g, j]:.1%} "
        "of itself",
        "so few reached this stage that intervals of ratios to it are rough: more users, a longer window, fewer stages",
    )  # fmt: skip
    what = f"{funnel.cluster_name} clusters" if funnel.cluster_name else "rows"
    add(
        "few_clusters", made.clusters, f"{made.clusters:,} {what} in the smallest group",
        "intervals from few clusters are rough: more of them, or a finer level",
    )  # fmt: skip
    top = float(made.largest[0])
    add(
        "leverage", top, f"{top:.1%} of the variance of the total comes from one of the {what}",
        "look at the largest: one order decides; compare gc.Mean(cap='auto') in gc.ab_test",
    )  # fmt: skip
    if funnel.named_units or funnel.cluster is not None:
        return out
    again = usual_checks.copies(RULES["copies"], x[:, -1], funnel.group, x[:, :-1], np.arange(len(x)))
    return out if again is None else [*out, again]


def _relative_error(funnel: Funnel, group: int) -> Any:
    """Standard error of each stage's mean over the mean, in one group; in clusters from their sums."""
    own = funnel.group == group
    x, m = funnel.x[own, 1:], funnel.x[own, 1:].mean(axis=0)
    moved = x - m
    if funnel.cluster is not None:
        code = np.unique(funnel.cluster[own], return_inverse=True)[1]
        moved = np.column_stack([np.bincount(code, c) for c in moved.T])
    k = len(moved)
    if k < FEWEST:
        return np.zeros(len(m))
    return np.sqrt((moved * moved).sum(axis=0) * k / (k - 1)) / len(x) / m
