"""Checks on the outcome: one unit, mixed units of money, zeros, coarse numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmvcausal.results import Check
from gmvcausal.rollout.case import Case, retry

_LEVERAGE, _SCALE = 0.10, 0.005


def leverage(case: Case) -> Check | None:
    """Does one unit carry the result?"""
    panel = case.panel
    by_unit = np.bincount(panel.unit_code, case.fitted.influence())
    total = float(by_unit @ by_unit)
    if total <= 0:
        return None
    value = float((by_unit**2).max() / total)
    message = f"the largest unit carries {value:.1%} of the variance of the estimate"
    if value <= _LEVERAGE:
        return Check("leverage", "passed", message, value, _LEVERAGE)
    size = np.abs(panel.y[np.isfinite(panel.y) & (panel.y != 0)])
    cap = float(np.quantile(size, 0.99))
    message += (
        f"; with outcomes capped at {cap:.4g} (99 % of the non-zero ones) the estimate is "
        f"{retry(case, replace(panel, y=np.clip(panel.y, -cap, cap), notes=[], dropped={}))}"
    )
    return Check(
        "leverage",
        "warned",
        message,
        value,
        _LEVERAGE,
        "look at this unit; report the capped estimate beside the plain one",
    )


def scale_mix(case: Case) -> Check | None:
    """Are some units recorded in another unit of money (cents, another currency)?"""
    y = case.panel.y
    active = np.isfinite(y) & (y != 0)
    count = active.sum(axis=1)
    level = np.where(active, np.abs(y), 0.0).sum(axis=1)[count > 0] / count[count > 0]
    if len(level) < 20:
        return None
    ratio = level / np.median(level)
    high, between = float((ratio >= 50).mean()), float(((ratio >= 20) & (ratio < 50)).mean())
    # A heavy tail thins out steadily; another currency is a second hump with little between.
    if high > _SCALE and between < high / 2:
        return Check(
            "scale_mix", "warned",
            f"{high:.1%} of units lie about a hundred times above the median level, with few between", high, _SCALE,
            "check whether these units are recorded in cents or in another currency",
        )  # fmt: skip
    return Check("scale_mix", "passed", "no group of units lies apart by a factor of a hundred", high, _SCALE)


def id_reuse(case: Case) -> Check | None:
    """Does one id stand for units in several places?"""
    moving = case.panel.moving
    if not moving:
        return None
    count = max(moving.values())
    where = ", ".join(f"{n:,} units under more than one {column!r}" for column, n in moving.items())
    return Check(
        "id_reuse", "warned", f"there are {where}", float(count), 0.0,
        "if each place numbers its own units, join place and id into one unit column",
    )  # fmt: skip


def all_zero(case: Case) -> Check | None:
    """Is there any outcome at all?"""
    y = case.panel.y
    if (y[np.isfinite(y)] != 0).any():
        return None
    return Check(
        "all_zero",
        "warned",
        "every outcome is zero, so the estimate is zero by construction",
        1.0,
        1.0,
        "check the outcome column",
    )


def quantisation(case: Case) -> Check | None:
    """Does the source dtype hold the numbers finely enough?"""
    if not case.panel.spacing:
        return None
    y = case.panel.y[np.isfinite(case.panel.y)]
    value = case.panel.spacing / max(float(y.std()), 1e-300)
    status = "warned" if value > 1e-6 else "passed"
    remedy = "keep the outcome in float64 or decimal from the source on" if status == "warned" else ""
    return Check(
        "quantisation", status, f"float32 outcomes are {case.panel.spacing:.2g} apart at the top", value, 1e-6, remedy
    )
