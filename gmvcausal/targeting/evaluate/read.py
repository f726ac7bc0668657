"""Arrays as they come, checked: what is handed on has the right shapes and no gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray
from gmvcausal.targeting.evaluate.ranking import Ranking


def numbers(name: str, value: Any, shape: tuple[int, ...]) -> FloatArray:
    """An array of floats of `shape`; a row or a single number is repeated."""
    found = np.asarray(value, dtype=float)
    try:
        out = np.broadcast_to(found, shape)
    except ValueError:
        raise InputError(f"{name} must have the shape {shape}, but has {found.shape}") from None
    if not np.isfinite(out).all():
        bad = np.flatnonzero(~np.isfinite(out).reshape(shape[0], -1).all(axis=1))
        raise InputError(
            f"{name} holds missing or infinite numbers", count=len(bad), rows=bad, remedy="correct or remove these rows"
        )
    return np.asarray(out, dtype=float)


def codes(name: str, value: Any, n: int) -> IntArray:
    """Whole numbers from 0, shape (n,)."""
    found = np.asarray(value)
    if found.shape != (n,) or not np.issubdtype(found.dtype, np.integer) or (n and int(found.min()) < 0):
        raise InputError(f"{name} must hold {n:,} whole numbers from 0")
    return found.astype(np.int64)


def weights(e: Any, arm: IntArray, arms: int) -> FloatArray:
    """Inverse probability of the arm that was given, shape (n,), from chances of shape (n, arms) or (arms,)."""
    given = np.asarray(e, dtype=float)
    if given.ndim < 2:
        row = numbers("e", given, (1, arms))[0]
        if ((row <= 0) | (row > 1)).any():
            at = int(np.flatnonzero((row <= 0) | (row > 1))[0])
            raise InputError(
                f"e gives arm {at} the probability {row[at]:g}", remedy="pass shares above 0 and at most 1"
            )
        return np.asarray((1 / row)[arm], dtype=float)
    out = numbers("e", given, (len(arm), arms))
    bad = np.flatnonzero((out < 0).any(axis=1) | (out > 1).any(axis=1) | (out[np.arange(len(arm)), arm] <= 0))
    if len(bad):
        raise InputError(
            "probabilities of arms outside [0, 1], or 0 for the arm that was given",
            count=len(bad),
            rows=bad,
            remedy="pass the probabilities with which arms were drawn",
        )
    return np.asarray(1 / out[np.arange(len(arm)), arm])


def _two(values: FloatArray, a: int) -> FloatArray:
    """The columns of the control and of arm `a`; not copied where they are all there are, or the same for all rows."""
    if values.shape[1] == 2:
        return values
    if values.strides[0] == 0:
        return np.broadcast_to(values[0, [0, a]], (len(values), 2))
    return values[:, [0, a]]


def rankings(
    score: Any,
    y: Any,
    arm: Any,
    e: Any,
    mu: Any,
    cluster: Any,
    cost: Any,
    margin: float,
    labels: Sequence[str] | None,
    unit: str,
) -> tuple[Ranking, ...]:
    """One ranking for every arm but the control; for the parameters see `evaluate`."""
    y = np.asarray(y, dtype=float)
    if y.ndim != 1 or len(y) < 4:
        raise InputError(
            f"y must be a list of numbers, one per user, at least 4, but has {y.size}: the test table is too small",
            remedy="evaluate on more users of every arm",
        )
    n = len(y)
    y = numbers("y", y, (n,))
    scores = np.asarray(score, dtype=float)
    scores = numbers("score", scores[:, None] if scores.ndim == 1 else scores, (n, max(scores.size // n, 1)))
    k = scores.shape[1]
    arm = codes("arm", arm, n)
    if arm.max(initial=0) > k:
        raise InputError(
            f"there are {int(arm.max())} arms beside the control, but scores for {k}",
            remedy="pass one score for each arm",
        )
    names = tuple(labels) if labels is not None else ("control", *(f"arm {a}" for a in range(1, k + 1)))
    if len(names) != k + 1:
        raise InputError(f"labels must name {k + 1} arms, the control first, but names {len(names)}")
    counts = np.bincount(arm, minlength=k + 1)
    if counts.min() < 2:
        few = int(counts.argmin())
        raise DesignError(
            f"arm {names[few]!r} has {int(counts[few])} users, so that nothing can be compared with it",
            remedy="evaluate on users of every arm",
        )
    weight = weights(e, arm, k + 1)
    given = np.broadcast_to(np.asarray(e, dtype=float), (n, k + 1))
    groups = None if cluster is None else np.unique(codes("cluster", cluster, n), return_inverse=True)[1]
    expected = None if mu is None else numbers("mu", mu, (n, k + 1))
    spent = np.asarray(cost, dtype=float)
    spent = numbers("cost", spent[:, None] if spent.shape == (n,) else spent, (n, k))
    return tuple(
        Ranking(
            label=str(names[a]),
            score=scores[:, a - 1],
            y=y,
            treated=weight * (arm == a),
            control=weight * (arm == 0),
            chance=_two(given, a),
            mu=None if expected is None else _two(expected, a),
            cost=spent[:, a - 1],
            margin=margin,
            cluster=groups,
            unit=unit,
            draws=0,
            seed=0,
        )
        for a in range(1, k + 1)
    )
