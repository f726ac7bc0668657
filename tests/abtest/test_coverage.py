"""Known truth: what the intervals of heavy-tailed GMV cover, when the audit says so, and the size under clusters.

Small runs with a seed; the bounds leave three standard errors of Monte Carlo. The full table is the trust page's work.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import optimize, stats

import gmvcausal as gc

BUYS, RUNS = 0.05, 100


def shop(rng: np.random.Generator, n: tuple[int, int], sigma: float, lift: float) -> pd.DataFrame:
    """Two-part lognormal: control then treated; `lift` on conversion and on the basket."""
    parts = []
    for arm, size in enumerate(n):
        grow = 1 + lift * arm
        y = np.where(rng.random(size) < BUYS * grow, np.exp(rng.normal(0, sigma, size)) * grow, 0.0)
        parts.append(pd.DataFrame({"arm": arm, "gmv": y}))
    return pd.concat(parts, ignore_index=True)


def truth(n: tuple[int, int], sigma: float, lift: float) -> tuple[float, float]:
    """Relative effect on E min(Y, c) at the population's cap, and on E Y."""
    share, grow = np.array([BUYS, BUYS * (1 + lift)]), np.array([1.0, 1 + lift])
    weight = share * np.array(n)

    def above(c: float) -> float:
        return float((weight * stats.norm.sf(np.log(c / grow) / sigma)).sum() / weight.sum() - 0.02)

    c = optimize.brentq(above, 1e-3, 1e6)
    a = np.log(c / grow)
    capped = grow * np.exp(sigma**2 / 2) * stats.norm.cdf(a / sigma - sigma) + c * stats.norm.sf(a / sigma)
    means = share * capped
    return float(means[1] / means[0] - 1), (1 + lift) ** 2 - 1


def misses(n: tuple[int, int], sigma: float, lift: float, seed: int) -> tuple[float, float, float]:
    """Share of runs in which the capped and the uncapped interval miss, and in which the audit speaks of the tail."""
    rng = np.random.default_rng(seed)
    at_cap, plain = truth(n, sigma, lift)
    shares = {0: n[0] / sum(n), 1: n[1] / sum(n)}
    out = np.zeros(3)
    for _ in range(RUNS):
        result = gc.ab_test(shop(rng, n, sigma, lift), metrics=["gmv"], expected_ratio=shares)
        table = result.to_frame().set_index("term")
        for i, (term, wanted) in enumerate((("gmv capped", at_cap), ("gmv", plain))):
            low, high = table.loc[term, ["relative_low", "relative_high"]]
            out[i] += not low <= wanted <= high
        out[2] += result.audit["tail"].status == "warned"
    return tuple(out / RUNS)


BOUND = 0.055 + 3 * math.sqrt(0.05 * 0.95 / RUNS)


def test_balanced_arms_are_sound_and_not_flagged() -> None:
    capped, uncapped, flagged = misses((20_000, 20_000), 1.5, 0.05, seed=1)
    assert capped <= BOUND and uncapped <= BOUND and flagged == 0


def test_ten_to_ninety_is_flagged_and_its_capped_row_holds() -> None:
    capped, uncapped, flagged = misses((90_000, 10_000), 2.0, 0.0, seed=2)
    assert capped <= BOUND
    assert uncapped > 0.06 and flagged >= 0.9


def test_light_tails_ten_to_ninety_are_not_flagged() -> None:
    capped, uncapped, flagged = misses((90_000, 10_000), 0.5, 0.05, seed=3)
    assert capped <= BOUND and uncapped <= BOUND and flagged <= 0.1


def test_size_with_ten_rooms() -> None:
    """Ten rooms of very different size, five in each arm, no effect: at most 7 % rejections at 5 %."""
    rng = np.random.default_rng(5)
    runs, rejected = 400, 0
    for _ in range(runs):
        size = np.maximum(2, np.round(60 * np.exp(rng.normal(0, 0.8, 10)))).astype(int)
        room = np.repeat(np.arange(10), size)
        level = rng.normal(0, 0.3, 10)[room]
        frame = pd.DataFrame({"arm": room % 2, "place": room, "gmv": 3 + level + rng.exponential(1, len(room))})
        rejected += gc.ab_test(frame, metrics=["gmv"], cluster="place").p_value < 0.05
    assert rejected / runs <= 0.07 + 2 * math.sqrt(0.07 * 0.93 / runs)


def test_adjustment_is_worth_what_it_says() -> None:
    """Over draws, the standard deviation of the adjusted estimate is its mean standard error."""
    rng = np.random.default_rng(6)
    found = []
    for _ in range(200):
        pre = rng.gamma(2, 10, 600)
        arm = rng.integers(0, 2, 600)
        gmv = pre * (0.8 + 0.4 * arm) + rng.normal(0, 8, 600)
        frame = pd.DataFrame({"arm": arm, "gmv": gmv, "gmv_pre": pre})
        r = gc.ab_test(frame, metrics=[gc.Mean("gmv", pre="gmv_pre", cap=None)])
        found.append((r.estimate, r.std_error, r.to_frame()["variance_reduction"][0]))
    estimates, errors, reduction = np.array(found).T
    assert abs(estimates.mean() - 8) < 0.3
    assert 0.85 < errors.mean() / estimates.std() < 1.1 and reduction.mean() > 0.5
