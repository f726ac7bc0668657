"""Capped outcomes: the cap by hand, its interval, the estimand it makes, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import campaigns
from scipy.stats import norm

import gmvcausal as gc


def tailed(n: int = 120, seed: int = 0, effect: float = 1.3) -> pd.DataFrame:
    """Half zeros, half lognormal with a heavy tail; the second half of the units is treated from period 4 of 6."""
    rng = np.random.default_rng(seed)
    on = (np.arange(n) >= n // 2)[:, None] & (np.arange(1, 7) >= 4)
    y = np.exp(rng.normal(3, 1.2, (n, 6))) * (rng.random((n, 6)) < 0.5) * np.where(on, effect, 1)
    return pd.DataFrame({
        "unit": np.repeat(np.arange(n), 6), "period": np.tile(np.arange(1, 7), n), "gmv": y.ravel(),
        "first_treated": np.repeat(np.where(np.arange(n) >= n // 2, 4.0, np.nan), 6),
        "w": np.repeat(1.0 + np.arange(n) % 2, 6),
    })  # fmt: skip


FRAME = tailed()
WITHOUT = FRAME[(FRAME["period"] < 4) | FRAME["first_treated"].isna()]


@pytest.mark.parametrize("estimator", ["callaway_santanna", "two_by_two", "twfe", "imputation", "poisson", "naive"])
def test_the_same_as_capping_by_hand(estimator: str) -> None:
    sold = np.sort(WITHOUT["gmv"][WITHOUT["gmv"] > 0])
    at = sold[math.ceil(0.95 * len(sold)) - 1]
    found = gc.did(FRAME, estimator=estimator, winsorise=0.95)
    by_hand = gc.did(FRAME.assign(gmv=FRAME["gmv"].clip(upper=at)), estimator=estimator)
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    np.testing.assert_array_equal(found.to_frame()[columns], by_hand.to_frame()[columns])
    assert found.unit == f"gmv per unit-period, capped at {at:.6g}"
    above = int((FRAME["gmv"] > at).sum())
    assert any(f"{above} outcomes beyond {at:.6g} were capped" in note for note in found.manifest.notes)


def test_on_paper() -> None:
    """Without the tactic 1 to 10 and zeros: 80 % lie at or below 8. The treated 9 and 100 become 8 and 8."""
    rows = [(f"c{k}", t, y, None) for k in range(4) for t, y in ((1, 0.0), (2, 0.0))]
    rows += [(f"d{k}", t, float(2 * k + t), None) for k in range(5) for t in (1, 2)]
    rows += [("a", 1, 0.0, 2), ("a", 2, 9.0, 2), ("b", 1, 0.0, 2), ("b", 2, 100.0, 2)]
    frame = pd.DataFrame(rows, columns=["unit", "period", "gmv", "first_treated"])
    result = gc.did(frame, winsorise=0.8)
    assert result.panel.cut.at == 8
    # Changes: treated 8 and 8; controls 4 zeros, 4 ones, and 9 to 10 capped is no change.
    assert result.estimate == pytest.approx(8 - 4 / 9, rel=1e-12)


def test_weights_count_in_the_quantile() -> None:
    twice = pd.concat([FRAME[FRAME["w"] == 2].assign(unit=lambda f: f["unit"] + 1000), FRAME])
    a, b = gc.did(FRAME, winsorise=0.9, weights="w"), gc.did(twice, winsorise=0.9)
    assert a.panel.cut.at == b.panel.cut.at and a.estimate == pytest.approx(b.estimate, rel=1e-10)


def test_the_interval_of_the_cut_covers_it() -> None:
    truth = math.exp(3 + 1.2 * norm.ppf(0.9))
    inside = 0
    for seed in range(200):
        cut = gc.did(tailed(seed=seed), winsorise=0.9).panel.cut
        inside += cut.low <= truth <= cut.high
    assert 0.90 * 200 <= inside <= 0.99 * 200


def capped_mean(at: float, factor: float) -> float:
    """Mean of the capped outcome: half zeros, the other half lognormal(3, 1.2) times `factor`."""
    m, s = 3 + math.log(factor), 1.2
    d = (math.log(at) - m) / s
    return 0.5 * (math.exp(m + s * s / 2) * norm.cdf(d - s) + at * norm.sf(d))


def test_the_interval_covers_the_effect_on_the_outcome_capped_there() -> None:
    hits = 0
    for seed in range(300):
        result = gc.did(tailed(seed=seed, effect=2.0), winsorise=0.9)
        at = result.panel.cut.at
        low, high = result.conf_int()
        hits += low <= capped_mean(at, 2.0) - capped_mean(at, 1.0) <= high
    assert 0.915 <= hits / 300 <= 0.98


def test_relations(tmp_path: Path) -> None:
    plain = gc.did(FRAME, winsorise=0.9)
    mixed = gc.did(FRAME.sample(frac=1, random_state=1), winsorise=0.9)
    assert (mixed.estimate, mixed.std_error) == (plain.estimate, plain.std_error)
    cents = gc.did(FRAME.assign(gmv=100 * FRAME["gmv"]), winsorise=0.9)
    assert cents.estimate == pytest.approx(100 * plain.estimate, rel=1e-12)
    FRAME.to_parquet(tmp_path / "p.parquet")
    assert gc.did(tmp_path / "p.parquet", winsorise=0.9).estimate == plain.estimate
    turned = gc.did(FRAME.assign(gmv=-FRAME["gmv"]), winsorise=0.9)
    assert turned.estimate == pytest.approx(-plain.estimate, rel=1e-12)
    stack = campaigns()
    options = {"estimator": "stacked", "stack": "campaign", "treated": "treated"}
    at = gc.did(stack, winsorise=0.9, **options).panel.cut.at
    assert at == pytest.approx(np.quantile(stack["gmv"][stack["treated"] == 0], 0.9), rel=0.02)


def test_the_audit_reruns_at_both_ends_of_the_cut() -> None:
    result = gc.did(FRAME, winsorise=0.95)
    check, cut = result.audit["cap"], result.panel.cut
    for at in (cut.low, cut.high):
        again = gc.did(FRAME.assign(gmv=FRAME["gmv"].clip(upper=at))).estimate
        assert f"{again:+.4g}" in check.message
    assert "cap" not in {c.name for c in gc.did(FRAME).audit}


@pytest.mark.parametrize(("seed", "status"), [(23, "warned"), (5, "passed")])
def test_a_finding_that_hangs_on_the_cap_is_warned_of(seed: int, status: str) -> None:
    """p = .04 that one end of the cut takes above .05; and an estimate near zero whose sign says nothing."""
    result = gc.did(tailed(seed=seed, effect=1.7), winsorise=0.95)
    p = [result.p_value]
    for at in (result.panel.cut.low, result.panel.cut.high):
        p.append(gc.did(tailed(seed=seed, effect=1.7).assign(gmv=lambda f, at=at: f["gmv"].clip(upper=at))).p_value)
    assert (min(p) < 0.05 < max(p)) == (status == "warned")
    assert result.audit["cap"].status == status


@pytest.mark.parametrize("share", [0, 1, 0.5, 1.5, "0.99", True, math.nan, None])
def test_shares_that_are_none(share: Any) -> None:
    if share is None:
        assert gc.did(FRAME, winsorise=None).panel.cut is None
        return
    with pytest.raises(gc.InputError, match=r"winsorise must be a share between \.5 and 1"):
        gc.did(FRAME, winsorise=share)


def test_too_few_sales_and_totals_are_refused() -> None:
    with pytest.raises(gc.DesignError, match="at least 1,000 non-zero outcomes"):
        gc.did(FRAME, winsorise=0.999)
    with pytest.raises(gc.InputError, match="capped"):
        gc.did(FRAME, winsorise=0.95).incremental_gmv()
