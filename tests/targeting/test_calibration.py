"""Chances that were learned: kept where they are worth it, by clusters; and what that means for weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.stats.logit import fit_logit
from gmvcausal.stats.nuisance.aipw import averages
from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.calibration import calibrate, standard_errors
from gmvcausal.stats.nuisance.chances import cross_fit_chances
from gmvcausal.stats.nuisance.folds import make_folds


def test_standard_errors_by_hand() -> None:
    """Mean 1; the rows' variance of the mean is 8 / 3 / 4, and that of two clusters is 2 * 8 / 16."""
    gain = np.array([-1.0, 1.0, 1.0, 3.0])
    assert standard_errors(gain, None) == pytest.approx(1 / np.sqrt(8 / 3 / 4))
    assert standard_errors(gain, np.array([0, 0, 1, 1])) == pytest.approx(1.0)
    assert standard_errors(gain, np.array([0, 0, 5, 5])) == pytest.approx(1.0)  # codes that are absent count nothing
    assert standard_errors(np.zeros(3), None) == 0 and standard_errors(np.ones(3), None) == np.inf


def test_lines_are_those_of_the_other_folds_and_never_upside_down() -> None:
    rng = np.random.default_rng(0)
    raw, fold = rng.normal(size=400), np.arange(400) % 4
    hit = rng.random(400) < 1 / (1 + np.exp(-0.5 - raw))
    found = calibrate(raw, hit, fold)
    for f, line in enumerate(found.of_fold):
        rest = fold != f
        fit = fit_logit(np.column_stack([np.ones(300), raw[rest]]), hit[rest], np.ones(300))
        assert fit is not None
        np.testing.assert_allclose(line, fit.beta)
    assert len(set(found.of_fold)) == 4
    turned = calibrate(-raw, hit, fold)
    share = hit.mean()
    assert set(turned.of_fold) == {turned.every} and turned.every == (pytest.approx(np.log(share / (1 - share))), 0.0)


def _kept(seed: int, rooms: int, size: int, slope: float = 0.0) -> tuple[bool, np.ndarray]:
    rng = np.random.default_rng([seed, rooms])
    x = np.repeat(rng.normal(size=(rooms, 5)), size, axis=0)
    on = rng.permutation(rooms) < rooms // 2
    if slope:
        on = rng.random(rooms) < 1 / (1 + np.exp(-slope * x[::size, 0]))
    arm = np.repeat(on.astype(np.int64), size)
    cluster = np.repeat(np.arange(rooms), size)
    fold = make_folds(arm, cluster, 5, seed)
    bins = Bins(np.asfortranarray(x.astype(np.float32)), (), seed, 1)
    e, found = cross_fit_chances(bins, fold, arm, 2, cluster)
    assert not found.models or found.line[1][1] > 0
    return bool(found.models), e


def test_rooms_drawn_by_lot_keep_no_noise() -> None:
    """Forty rooms of 25: by standard errors of users, chances were kept in 36 of 40 such trials."""
    assert sum(_kept(seed, 40, 25)[0] for seed in range(12)) <= 4
    assert all(_kept(seed, 300, 5, 2.0)[0] for seed in range(2))


def test_one_arm_by_lot_beside_two_that_were_chosen() -> None:
    """What features say of two arms is kept, although they say nothing of the third."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2_000, 2))
    chosen = 1 + (rng.random(2_000) < 1 / (1 + np.exp(-2 * x[:, 0])))
    arm = np.where(rng.random(2_000) < 0.2, 0, chosen).astype(np.int64)
    bins = Bins(np.asfortranarray(x.astype(np.float32)), (), 0, 1)
    e, found = cross_fit_chances(bins, make_folds(arm, None, 5, 0), arm, 3)
    assert found.models and min(b for _, b in found.line) >= 0
    assert np.corrcoef(e[:, 2] / e[:, 1:].sum(axis=1), 1 / (1 + np.exp(-2 * x[:, 0])))[0, 1] > 0.9
    np.testing.assert_allclose(e.sum(axis=1), 1)


def test_shares_in_place_of_chances_make_overlap_no_wider() -> None:
    """Weights by overlap are all alike then: the average effect of everyone, with its own standard error."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a": rng.normal(size=600), "b": rng.normal(size=600), "on": np.arange(600) % 2})
    frame["y"] = 20 * frame["a"] + frame["on"] * (1 + frame["a"]) + rng.normal(size=600)
    call = {"outcome": "y", "treatment": "on", "features": ["a", "b"], "learner": "s", "folds": 2}
    ate, over = (gc.uplift(frame, **call, estimand=name) for name in ("ate", "overlap"))
    assert over.fit.settled and not over.fit.chances.models
    assert over.estimate == pytest.approx(ate.estimate) and over.std_error == pytest.approx(ate.std_error)
    # Where chances were learned, what they add stays.
    chosen = frame.assign(on=(rng.random(600) < 1 / (1 + np.exp(-frame["a"]))).astype(int))
    m = gc.uplift(chosen, **call, estimand="overlap")
    t, fit = m.trial, m.fit
    assert not fit.settled
    own = averages(t.y, t.arm, fit.e, fit.mu, estimand="overlap", known=False)
    assert m.std_error == pytest.approx(np.sqrt(own.cov[0, 0]))
