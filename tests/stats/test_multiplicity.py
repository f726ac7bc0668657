"""Families of tests: statsmodels as the second implementation, closed testing by hand, error rates by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from gmvcausal import InputError
from gmvcausal.stats import multiplicity as mt


@pytest.mark.parametrize(("ours", "theirs"), [(mt.holm, "holm"), (mt.benjamini_hochberg, "fdr_bh")])
@pytest.mark.parametrize("m", [1, 2, 7, 40])
def test_equal_to_statsmodels(ours, theirs: str, m: int) -> None:
    p = np.random.default_rng(m).uniform(size=m) ** 3
    p[m // 2 :: 5] = p[0]  # ties
    np.testing.assert_allclose(ours(p), multipletests(p, method=theirs)[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("ours", [mt.holm, mt.benjamini_hochberg])
def test_missing_tests_are_not_counted(ours) -> None:
    p = np.array([0.01, np.nan, 0.02, 0.4, np.nan])
    known = ~np.isnan(p)
    np.testing.assert_array_equal(ours(p)[known], ours(p[known]))
    assert np.isnan(ours(p)[~known]).all()
    assert ours([]).shape == (0,)
    assert np.isnan(ours([np.nan])).all()


def test_holm_is_the_closure_of_bonferroni() -> None:
    """The adjusted p of a test is the largest Bonferroni p over all sets that hold it."""
    p = np.random.default_rng(1).uniform(size=5) ** 2
    by_hand = [
        max(
            min(1.0, size * p[list(group)].min())
            for size in range(1, 6)
            for group in itertools.combinations(range(5), size)
            if i in group
        )
        for i in range(5)
    ]
    np.testing.assert_allclose(mt.holm(p), by_hand, atol=1e-15)


def test_gatekeeping_by_hand() -> None:
    p = [0.01, 0.02, 0.03, 0.001, 0.2, 0.0001]
    np.testing.assert_allclose(mt.gatekeeping(p), [0.01, 0.02, 0.03, 0.03, 0.2, 0.2])
    # families {0.01, 0.02}, {0.03, 0.001}, {0.2, 0.0001}: Holm inside, never below what came before
    np.testing.assert_allclose(mt.gatekeeping(p, [0, 0, 1, 1, 2, 2]), [0.02, 0.02, 0.03, 0.02, 0.2, 0.03])
    np.testing.assert_allclose(mt.gatekeeping([0.01, np.nan, 0.001]), [0.01, np.nan, 1.0])
    np.testing.assert_allclose(mt.gatekeeping_alpha([0.01, 0.3, 0.001]), [0.05, 0.05, np.nan])
    np.testing.assert_allclose(mt.gatekeeping_alpha(p, 0.05, [0, 0, 1, 1, 2, 2]), 0.025)


def test_intervals_say_what_the_tests_say() -> None:
    """BH: an interval excludes zero exactly where the test is rejected; Bonferroni never excludes more than Holm."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        z = rng.normal(rng.choice([0.0, 2.5], size=9), 1.0)
        p = 2 * stats.norm.sf(np.abs(z))
        outside = np.abs(z) > stats.norm.isf(mt.fcr_alpha(p) / 2)
        np.testing.assert_array_equal(outside, mt.benjamini_hochberg(p) < 0.05)
        outside = np.abs(z) > stats.norm.isf(mt.bonferroni_alpha(p) / 2)
        assert not (outside & (mt.holm(p) > 0.05)).any()


def test_error_rates() -> None:
    """Ten tests, seven true nulls: FWER of Holm, FDR and false-coverage rate of BH, all at most 5 % (2,000 draws)."""
    rng = np.random.default_rng(5)
    effect = np.array([0.0] * 7 + [2.0, 3.0, 4.0])
    family, false_share, missed = [], [], []
    for _ in range(2000):
        z = effect + rng.normal(size=10)
        p = 2 * stats.norm.sf(np.abs(z))
        family.append((mt.holm(p)[:7] < 0.05).any())
        chosen = mt.benjamini_hochberg(p) < 0.05
        false_share.append(chosen[:7].sum() / max(chosen.sum(), 1))
        wide = stats.norm.isf(mt.fcr_alpha(p) / 2)
        missed.append((chosen & (np.abs(z - effect) > wide)).sum() / max(chosen.sum(), 1))
    noise = 3 * np.sqrt(0.05 * 0.95 / 2000)
    assert np.mean(family) < 0.05 + noise
    assert np.mean(false_share) < 0.05 + noise
    assert np.mean(missed) < 0.05 + noise


def test_adjust_gives_the_pieces_and_says_so() -> None:
    p = [0.001, 0.02, np.nan]
    for method, ours, level in (
        ("holm", mt.holm, mt.bonferroni_alpha),
        ("bh", mt.benjamini_hochberg, mt.fcr_alpha),
        ("gatekeeping", mt.gatekeeping, mt.gatekeeping_alpha),
    ):
        out = mt.adjust(method, p)
        np.testing.assert_array_equal(out.p_value, ours(p))
        np.testing.assert_array_equal(out.interval_alpha, level(p, 0.05))
        assert "2 tests" in out.said
    with pytest.raises(InputError, match="'holm', 'bh', 'gatekeeping'"):
        mt.adjust("sidak", p)


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        mt.holm([0.1, 1.5])
    with pytest.raises(InputError, match="one list"):
        mt.benjamini_hochberg(np.zeros((2, 2)))
    with pytest.raises(InputError, match="whole number"):
        mt.gatekeeping([0.1, 0.2], [0.5, 1.0])
    with pytest.raises(InputError, match="alpha must be"):
        mt.fcr_alpha([0.1], 5)
