"""Qini, AUUC and AUTOC: by hand, beside slow second implementations, and what must not move them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gmvcausal.targeting.evaluate import evaluate
from gmvcausal.targeting.evaluate.areas import areas, gradients, influence
from gmvcausal.targeting.evaluate.poisson import replicates, weights
from gmvcausal.targeting.evaluate.ranked import Side, rank
from gmvcausal.targeting.policy import Held, policy_value

HALF = [0.5, 0.5]


def trial(n=400, seed=3, ties=None, noise=1.0):
    rng = np.random.default_rng(seed)
    score = rng.standard_normal(n) if ties is None else rng.integers(0, ties, n).astype(float)
    arm = rng.integers(0, 2, n)
    y = np.where(rng.random(n) < 0.5, 0.0, np.exp(noise * rng.standard_normal(n))) + 0.3 * arm * score
    return score, y, arm


def slow_areas(score, y, weight, user, points=200_001):
    """By the definition: walk over a fine grid of shares; tied users are in by the part of their group that is."""
    treated, control = weight
    share = (np.arange(points) + 0.5) / points
    order = pd.Series(-score).rank(method="dense").astype(int).to_numpy() - 1
    groups = order.max() + 1

    def upto(column):
        ends = np.concatenate([[0.0], np.bincount(order, user * column, groups).cumsum()])
        return np.interp(share, np.concatenate([[0.0], np.bincount(order, user, groups).cumsum()]) / user.sum(), ends)

    n1, a1, n0, a0 = upto(treated), upto(treated * y), upto(control), upto(control * y)
    ate = (user * treated) @ y / (user @ treated) - (user * control) @ y / (user @ control)
    both = (n1 > 0) & (n0 > 0)
    gap = np.where(both, a1 / np.where(n1 > 0, n1, 1) - a0 / np.where(n0 > 0, n0, 1), 0.0)
    return {
        "qini": (share * gap).mean() - ate / 2,
        "auuc": (share * gap).mean(),
        "autoc": ((gap - ate) * both).mean(),
        "ate": ate,
    }


def test_eight_users_by_hand() -> None:
    """Two groups of ties. Upper half: treated 6, 2 (mean 4), control 1, 1 (mean 1). Lower: treated 2, 0, control 1, 3.

    The gain of the upper half is 3 s up to 1/2, where it is 1.5. Below, with u from 0 to 1, both arms have 2 + 2 u
    users: treated sum 8 + 2 u, control 2 + 4 u, so the difference is (6 - 2 u) / (2 + 2 u) and s = (1 + u) /
    2: the gain is (6 - 2 u) / 4, a line from 1.5 to 1. ATE = 2.5 - 1.5 = 1. AUUC = (1.5 / 2 + (1.5 + 1) / 2) / 2 = 1.
    """
    score = np.array([9.0, 9, 9, 9, 2, 2, 2, 2])
    arm = np.array([1, 1, 0, 0, 1, 1, 0, 0])
    y = np.array([6.0, 2, 1, 1, 2, 0, 1, 3])
    e = evaluate(score, y, arm, HALF)
    assert e.ate.estimate == pytest.approx(1.0, abs=1e-12)
    assert e.auuc.estimate == pytest.approx(1.0, abs=1e-12)
    assert e.qini.estimate == pytest.approx(0.5, abs=1e-12)
    # AUTOC: 1/2 (3 - 1) above; below the difference less 1 is (4 - 4 u) / (2 + 2 u) = -2 + 4 / (1 + u)
    assert e.toc.estimate == pytest.approx(0.5 * 2 + 0.5 * (-2 + 4 * np.log(2)), abs=1e-12)
    # Scores are one for each user; mu are the means of the arms: the doubly robust gain is linear in each half.
    gamma = np.where(arm == 1, 2 * (y - 2.5), -2 * (y - 1.5)) + 1
    upper = gamma[:4].sum() / 8
    assert e.doubly_robust.auuc.estimate == pytest.approx((upper / 2 + (upper + 1) / 2) / 2, abs=1e-12)


def test_mean_of_ties_is_that_of_all_orders() -> None:
    """Doubly robust areas are linear in the places of users: the closed form is the mean over all orders of ties."""
    from itertools import permutations

    score, y, arm = np.array([3.0, 2, 2, 2, 1]), np.array([4.0, 1, 0, 5, 2]), np.array([1, 0, 1, 1, 0])
    mu = np.array([[1.0, 2], [0, 1], [1, 1], [0, 3], [2, 2]])
    tied = evaluate(score, y, arm, HALF, mu=mu, version="doubly_robust")
    found = []
    for order in permutations([0.1, 0.2, 0.3]):
        one = score.copy()
        one[1:4] += order
        found.append(evaluate(one, y, arm, HALF, mu=mu, version="doubly_robust").qini.estimate)
    assert np.ptp(found) > 0.01
    assert tied.qini.estimate == pytest.approx(np.mean(found), abs=1e-12)


@pytest.mark.parametrize("ties", [None, 2, 7])
def test_against_a_walk_over_shares(ties) -> None:
    score, y, arm = trial(60, ties=ties)
    e = np.column_stack([np.full(60, 0.7), np.full(60, 0.3)])
    e[score > 0] = 0.5
    found = evaluate(score, y, arm, e)
    w = 1 / e[np.arange(60), arm]
    slow = slow_areas(score, y, (w * arm, w * (1 - arm)), np.ones(60))
    for name, metric in (("qini", found.qini), ("auuc", found.auuc), ("autoc", found.toc), ("ate", found.ate)):
        assert metric.estimate == pytest.approx(slow[name], abs=2e-5), name


@pytest.mark.parametrize("ties", [None, 3])
@pytest.mark.parametrize("robust", [False, True])
def test_influences_are_derivatives_by_the_weight_of_a_user(ties, robust) -> None:
    score, y, arm = trial(50, ties=ties)
    one = np.ones(50)
    sides = [Side(1, one, y)] if robust else [Side(1, 1.0 * arm, y), Side(-1, 1.0 - arm, y)]
    signs = tuple(s.sign for s in sides)
    ranked = rank(score, sides)
    gradient = gradients(ranked.steps(), signs)

    def nudged(row, by, name):
        weight = np.ones(50)
        weight[row] += by
        r = rank(score, [Side(s.sign, s.weight * weight, s.value) for s in sides])
        steps = r.steps()
        steps[0] = np.add.reduceat(weight[r.order], r.start)
        return float(getattr(areas(steps, signs), name))

    for name in ("qini", "auuc", "autoc", "ate"):
        found = influence(ranked, ranked.start, gradient[name])
        assert abs(found.sum()) < 1e-12  # areas do not change when every weight does
        for place in (0, 7, 49):
            row = ranked.order[place]
            slope = (nudged(row, 1e-5, name) - nudged(row, -1e-5, name)) / 2e-5
            assert found[place] == pytest.approx(slope, abs=1e-8), (name, place)


def test_standard_errors_are_those_of_the_bootstrap() -> None:
    score, y, arm = trial(3_000, ties=50)
    flat = evaluate(score, y, arm, HALF)
    drawn = evaluate(score, y, arm, HALF, intervals="poisson", draws=2_000)
    for a, b in ((flat.qini, drawn.qini), (flat.toc, drawn.toc), (flat.ate, drawn.ate)):
        assert a.estimate == b.estimate
        assert b.std_error == pytest.approx(a.std_error, rel=0.08)
    n = np.bincount(arm)
    plain = np.sqrt(sum(y[arm == a].var() / n[a] for a in (0, 1)))
    assert flat.ate.std_error == pytest.approx(plain, rel=1e-3)


def test_replicates_are_sums_with_poisson_weights() -> None:
    """A second implementation with the very weights that were drawn."""
    score, y, arm = trial(40, ties=4)
    ranked = rank(score, [Side(1, 1.0 * arm, y)])
    found = replicates(ranked, ranked.start, 64, 5, None)
    generator = np.random.Generator(np.random.SFC64(5))
    for cell, at in enumerate(np.split(np.arange(40), ranked.start[1:])):
        w = weights(generator, len(at) * 64).reshape(len(at), 64).astype(float)
        side = ranked.sides[0]
        np.testing.assert_allclose(found[0, :, cell], w.sum(axis=0), rtol=1e-6)
        np.testing.assert_allclose(found[2, :, cell], (side.weight * side.value)[at] @ w, rtol=1e-5, atol=1e-6)


def test_weights_are_poisson() -> None:
    counts = np.bincount(weights(np.random.default_rng(2), 4_000_000).astype(int), minlength=9)[:9]
    expected = 4e6 * np.exp(-1) / np.array([1, 1, 2, 6, 24, 120, 720, 5040, 40320])
    assert (np.abs(counts - expected) < 4.5 * np.sqrt(expected) + 1).all()


def test_clusters_are_drawn_together() -> None:
    """Every user three times, in one cluster: points and intervals are those of the users once."""
    score, y, arm = trial(600)
    once = evaluate(score, y, arm, HALF)
    thrice = [np.repeat(a, 3) for a in (score, y, arm)]
    many = evaluate(*thrice, HALF, cluster=np.repeat(np.arange(600), 3))
    alone = evaluate(*thrice, HALF)
    assert many.qini.estimate == pytest.approx(once.qini.estimate, rel=0.02)
    assert many.qini.std_error == pytest.approx(once.qini.std_error, rel=0.02)
    assert alone.qini.std_error == pytest.approx(once.qini.std_error / np.sqrt(3), rel=0.02)
    drawn = evaluate(*thrice, HALF, cluster=np.repeat(np.arange(600), 3), intervals="poisson", draws=999)
    assert drawn.qini.std_error == pytest.approx(once.qini.std_error, rel=0.12)


@pytest.mark.parametrize("version", ["means", "doubly_robust"])
@pytest.mark.parametrize("intervals", ["multiplier", "poisson"])
def test_what_must_not_matter(version, intervals) -> None:
    score, y, arm = trial(3_000, ties=1_500)  # more groups than replicates are made on

    def look(s, y, a):
        e = evaluate(s, y, a, HALF, version=version, intervals=intervals, draws=199)
        return np.array([(m.estimate, m.std_error, *m.conf_int()) for m in (e.qini, e.toc, e.auuc)])

    base = look(score, y, arm)
    order = np.random.default_rng(0).permutation(len(y))
    np.testing.assert_allclose(look(score[order], y[order], arm[order]), base, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(look(np.exp(score / 300), y, arm), base, rtol=1e-9)
    np.testing.assert_allclose(look(score, 100 * y, arm), 100 * base, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(look(score, y + 1e7, arm), base, atol=2e-6)
    # arms swapped: every gain changes its sign (draws are then dealt in another order)
    errors = 2 if intervals == "multiplier" else 1
    np.testing.assert_allclose(look(score, y, 1 - arm)[:, :errors], (base[:, :2] * [-1, 1])[:, :errors], atol=1e-6)


def test_rank_upside_down() -> None:
    score, y, arm = trial(2_000)
    up, down = evaluate(score, y, arm, HALF, version="doubly_robust"), evaluate(-score, y, arm, HALF)
    assert down.doubly_robust.qini.estimate == pytest.approx(-up.qini.estimate, abs=1e-9)
    assert "upside down" in down.summary()
    assert "tells users apart" in up.summary()


def test_long_rankings_are_walked_in_stretches() -> None:
    score, y, arm = trial(40_000)
    long = evaluate(score, y, arm, HALF).qini.estimate
    treated, control = 1.0 * arm, 1.0 - arm
    assert long == pytest.approx(slow_areas(score, y, (treated, control), np.ones(40_000))["qini"], abs=1e-7)


def test_coverage_on_known_truth() -> None:
    """Effect = score, score uniform on (0, 1): gain(s) = s (1 - s / 2), ATE = 1/2, Qini = 1/12, AUTOC = 1/4."""
    rng = np.random.default_rng(11)
    hits, runs = np.zeros(4), 300
    for _ in range(runs):
        score, arm = rng.random(800), rng.integers(0, 2, 800)
        y = np.where(rng.random(800) < 0.6, 0.0, rng.exponential(1, 800)) + arm * score
        e = evaluate(score, y, arm, HALF)
        r = e.doubly_robust
        for i, (metric, truth) in enumerate(((e.qini, 1 / 12), (e.toc, 1 / 4), (r.qini, 1 / 12), (r.toc, 1 / 4))):
            low, high = metric.conf_int()
            hits[i] += low <= truth <= high
    assert (hits / runs > 0.95 - 3 * np.sqrt(0.95 * 0.05 / runs)).all(), hits / runs


def test_equal_effects_are_noise() -> None:
    rng = np.random.default_rng(12)
    runs, held = 300, np.zeros(3)
    for _ in range(runs):
        score, arm = rng.standard_normal(1_000), rng.integers(0, 2, 1_000)
        y = np.where(rng.random(1_000) < 0.8, 0.0, rng.lognormal(0, 1, 1_000)) + 0.5 * arm
        e = evaluate(score, y, arm, HALF)
        held += (e.qini.holds_zero(), e.toc.holds_zero(), e.noise)
    assert (held / runs >= 0.93 - 2 * np.sqrt(0.95 * 0.05 / runs)).all(), held / runs


def test_hillstrom_womens(data_dir) -> None:
    """The rule `womens == 1` on visits: mean Qini over 20 halves about .0079; on spend the ranking is noise."""
    d = pd.read_csv(data_dir / "hillstrom.csv", usecols=["segment", "womens", "visit", "spend"])
    d = d[d["segment"] != "Mens E-Mail"]
    arm = (d["segment"] == "Womens E-Mail").to_numpy().astype(int)
    score, visit, spend = (d[c].to_numpy(float) for c in ("womens", "visit", "spend"))
    found = []
    for seed in range(20):
        half = np.random.default_rng(seed).permutation(len(d))[: len(d) // 2]
        found.append(evaluate(score[half], visit[half], arm[half], HALF).qini.estimate)
    assert np.mean(found) == pytest.approx(0.0079, abs=0.0005)
    assert not evaluate(score, visit, arm, HALF).noise
    whole = evaluate(score, spend, arm, HALF)
    assert whole.noise
    assert "noise" in whole.summary()
    assert whole.ate.estimate == pytest.approx(0.4244122159365967, abs=1e-9)
    assert whole.ate.std_error == pytest.approx(0.13033285852919116, rel=1e-4)


def test_few_rooms_hold() -> None:
    """24 rooms by lot with levels of their own: t intervals by rooms hold, normal ones would miss too often."""
    rng = np.random.default_rng(11)
    truth, reps = {"qini": 1 / 12, "ate": 0.5, "value": 0.375}, 300
    held, normal = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for _ in range(reps):
        size = np.maximum(np.round(20 * np.exp(0.5 * rng.standard_normal(24))), 2).astype(int)
        room = np.repeat(np.arange(24), size)
        arm = (rng.permutation(24) < 12).astype(int)[room]
        score = rng.random(len(room))
        y = 0.5 * rng.standard_normal(24)[room] + 0.3 * rng.standard_normal(len(room)) + arm * score
        e = evaluate(score, y, arm, HALF, cluster=room)
        chance, free = np.full((len(y), 2), 0.5), np.zeros((len(y), 1))
        value = policy_value((score > 0.5).astype(int), Held(y, arm, chance, free, 1.0, None, room))
        for name, found in (("qini", e.qini), ("ate", e.ate), ("value", value.ipw)):
            low, high = found.conf_int()
            held[name] += low <= truth[name] <= high
            normal[name] += abs(found.estimate - truth[name]) <= 1.96 * found.std_error * np.sqrt(22 / 24)
            assert 0 < found.df < 22
    for name, count in held.items():
        assert abs(count / reps - 0.95) < 3 * np.sqrt(0.95 * 0.05 / reps), (name, count / reps)
    assert min(normal.values()) / reps < 0.93
