"""What a test says in words: verdicts under adjustment and one side, several arms, the smallest effect to be seen."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import gmvcausal as gc
from gmvcausal.present import words


def _exact(effects: dict[str, float], n: int = 200) -> pd.DataFrame:
    """Two arms of 0 and 1 patterns with unit variance, so that z = effect * sqrt(n / 2) up to the factor n - 1."""
    unit = np.tile([-1.0, 1.0], n // 2)
    frame = pd.DataFrame({"arm": np.repeat([0, 1], n)})
    for k, (name, effect) in enumerate(effects.items()):
        frame[name] = 10 + np.concatenate([unit, unit + effect]) + 0.0 * k
    return frame


def _rows(*names: str) -> list[gc.Mean]:
    return [gc.Mean(name, cap=None) for name in names]


def test_a_row_that_holm_rejects_is_no_row_without_a_gain() -> None:
    # z of 2.1 and 4: Holm's second step takes alpha itself, the Bonferroni interval alpha / 2.
    data = _exact({"gmv": 0.21, "orders": 0.4})
    r = gc.ab_test(data, metrics=_rows("gmv", "orders"), adjust="holm")
    low, high = r.conf_int()
    assert r.p_value < 0.05 and low < 0 < high
    assert words.verdict(r) == "gain" and words.answer(r).startswith("A gain of 0.21")
    assert "adjusted p-value of gmv is below 0.05, and it decides" in " ".join(words.details(r))
    plain = gc.ab_test(data, metrics=_rows("gmv", "orders"))
    assert words.verdict(plain) == "gain" and "it decides" not in " ".join(words.details(plain))


def test_a_level_that_holm_rejects_is_told_beside_its_wider_interval() -> None:
    one, other = _exact({"gmv": 0.21}), _exact({"gmv": 0.4})
    data = pd.concat([one.assign(tier="new"), other.assign(tier="old")], ignore_index=True)
    r = gc.ab_test(data, metrics=_rows("gmv")).by("tier")
    row = r.row(1)
    assert row.p_value < 0.05 and row.low < 0 < row.high and row.direction == 1
    assert "adjusted p-value of gmv, tier = new is below 0.05" in r.summary().replace("\n            ", " ")


@pytest.mark.parametrize("adjust", ["bh", "hierarchical"])
def test_verdicts_of_other_adjustments_are_those_of_their_intervals(adjust: str) -> None:
    for effect in (0.1, 0.21, 0.4, -0.3):
        r = gc.ab_test(_exact({"gmv": effect, "orders": 0.4}), metrics=_rows("gmv", "orders"), adjust=adjust)
        low, high = r.conf_int()
        assert r.row(0).direction == (1 if low > 0 else -1 if high < 0 else 0)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("adjust", [None, "holm"])
def test_the_smallest_effect_to_be_seen_follows_side_and_share_of_alpha(alternative: str, adjust: str | None) -> None:
    data = _exact({"gmv": 0.0, "orders": 0.0})
    r = gc.ab_test(data, metrics=_rows("gmv", "orders"), adjust=adjust, alternative=alternative)
    tail = 0.05 / (2 if alternative == "two-sided" else 1) / (1 if adjust is None else 2)
    df = r.to_frame()["df"][0]
    expected = stats.t.ppf(1 - tail, df) + stats.norm.ppf(0.8)
    assert r.detectable_errors == pytest.approx(expected, rel=1e-12)
    assert r.detectable == pytest.approx(expected * r.std_error, rel=1e-12)


def test_a_test_for_a_loss_finds_no_loss() -> None:
    r = gc.ab_test(_exact({"gmv": 0.1}), metrics=_rows("gmv"), alternative="less")
    assert words.answer(r).startswith("No loss found: +0.10")
    assert "The test looks for a loss only." in words.details(r)
    assert "and finds no loss." in words.headline({"test": r})
    looks = pd.DataFrame({"look": [1, 2], "estimate": [0.1, 0.1], "std_error": [1.0, 0.7]})
    s = gc.sequential(looks, planned=2.0, alternative="less")
    assert words.answer(s).startswith("No loss found")


def test_every_arm_has_a_sentence_with_its_p_value() -> None:
    base = _exact({"gmv": 0.0})
    third = base[base["arm"] == 1].assign(arm=2, gmv=lambda f: f["gmv"] - 0.5)
    r = gc.ab_test(pd.concat([base, third], ignore_index=True), metrics=_rows("gmv"), control=0)
    text = r.summary().replace("\n            ", " ")
    assert words.answer(r).startswith("No gain found: 0.00 gmv per unit, in arm 1 (95% interval")
    assert "; p = 1.000)." in words.answer(r)
    assert "A loss of 0.50 gmv per unit, in arm 2 (" in text and "; p < 0.001)." in text
    assert "600 units in all arms; 400 of arm 1 and of 0" in text


def test_what_is_diluted_is_the_row_that_is_spoken_of() -> None:
    rng = np.random.default_rng(3)
    n = 6000
    arm = (rng.random(n) < 0.2).astype(int)
    gmv = np.where(rng.random(n) < 0.2, np.exp(3 + 2.2 * rng.normal(size=n)), 0.0)
    data = pd.DataFrame({"arm": arm, "gmv": gmv, "seen": np.arange(n) % 2})
    r = gc.ab_test(data, metrics="gmv", triggered="seen", expected_ratio={0: 0.8, 1: 0.2})
    assert r.spoken == 1
    share, (line,) = 0.5, [a for a in r.advice if a.startswith("Over all")]
    assert f"gmv capped moves by {r.told.estimate * share:+.4g} per row" in line
    assert math.isfinite(r.told.estimate) and r.told.estimate != r.estimate
