"""Groups of a ranking, areas and plans that few users or few rooms of an arm are behind: their intervals hold."""

from __future__ import annotations

import numpy as np
import pytest

from gmvcausal import DesignError
from gmvcausal.targeting.evaluate import evaluate
from gmvcausal.targeting.evaluate.scores import spread
from gmvcausal.targeting.policy import Held, policy_value


def test_others_do_not_lend_their_number() -> None:
    """Three treated and three controls behind a term, whoever else there is: Welch with two degrees of freedom each."""
    few = np.array([[1.0], [-1], [0], [2], [-2], [0]])
    arm = np.array([0, 0, 0, 1, 1, 1])
    alone, df = spread(few, None, arm, np.ones(6))
    many = np.vstack([few, np.zeros((94, 1))])
    part, side = np.r_[np.ones(6), np.zeros(94)], np.r_[arm, np.arange(94) % 2]
    again, same = spread(many, None, side, part)
    assert alone[0, 0] == again[0, 0] == pytest.approx((2 + 8) * 3 / 2)
    assert df[0] == same[0] == pytest.approx((3 + 12) ** 2 / (3**2 / 2 + 12**2 / 2))
    rooms, of_rooms = spread(many, np.repeat(np.arange(50), 2), side, part)
    assert of_rooms[0] < 3 and rooms.shape == (1, 1)


def test_five_treated_users_in_a_tenth() -> None:
    """50 of 500 treated, nothing has an effect. The normal interval with n / (n - 1) of all held in 84 and 76 %."""
    deciles, plans = [], []
    for seed in range(100):
        rng = np.random.default_rng([seed, 501])
        x, arm, y = rng.random(500), (rng.permutation(500) < 50).astype(int), rng.normal(size=500)
        frame = evaluate(x, y, arm, [0.9, 0.1]).deciles().dropna()
        deciles += ((frame["conf_low"] <= 0) & (frame["conf_high"] >= 0)).tolist()
        give = (x > np.quantile(x, 0.9)).astype(int)
        if (arm[give == 1] == 1).sum() > 1:
            low, high = policy_value(
                give, Held(y, arm, np.tile([0.9, 0.1], (500, 1)), np.zeros((500, 1)), 1.0)
            ).conf_int()
            plans.append(low <= 0 <= high)
    assert len(deciles) > 900 and np.mean(deciles) > 0.91
    assert np.mean(plans) > 0.87  # a hundred trials: of 774 it held in 93.5 %


def test_rooms_with_one_score() -> None:
    """40 rooms, half of them treated, one score a room: a fifth stands on about four rooms of each arm."""
    fifths, areas = [], []
    for seed in range(60):
        rng = np.random.default_rng([4, seed])
        room = np.repeat(np.arange(40), 10)
        arm = (rng.permutation(40) < 20).astype(int)[room]
        score = rng.random(40)[room] + 1e-6 * rng.random(400)
        y = 0.6 * rng.normal(size=40)[room] + 0.8 * rng.normal(size=400)
        found = evaluate(score, y, arm, [0.5, 0.5], cluster=room)
        frame = found.deciles(5).dropna()
        fifths += ((frame["conf_low"] <= 0) & (frame["conf_high"] >= 0)).tolist()
        areas.append(found.toc.holds_zero())
    assert np.mean(fifths) > 0.90
    assert np.mean(areas) > 0.87


def test_rooms_are_counted_not_users() -> None:
    """20 rooms of 50, in fours of the score: a quarter with one treated room has no interval, however many users."""
    room, arm = np.repeat(np.arange(20), 50), np.repeat(np.arange(20) % 2, 50)
    rng = np.random.default_rng(0)
    place = np.arange(20.0)
    place[[1, 18]] = place[[18, 1]]  # of the first quarter one room is a control, of the last one is treated
    score, y = place[room] + 1e-6 * rng.random(1_000), rng.normal(size=1_000)
    e = evaluate(score, y, arm, [0.5, 0.5], cluster=room)
    assert e.deciles(4)["std_error"].isna().tolist() == [True, False, False, True]
    with pytest.raises(DesignError, match=r"group 1 of 4 has fewer than two users, or clusters, of 'arm 1'"):
        e.gates(4)
    two = e.gates(2)
    assert "clusters of an arm behind a group" in two.notes[0] and "Note: only" in two.summary()
    assert not evaluate(score, y, arm, [0.5, 0.5]).gates(4).notes


def test_heavy_tails_are_told() -> None:
    """20,000 users, 5 % of them buyers with lognormal baskets: told with arms of 10/90, not of amounts without tail."""
    rng = np.random.default_rng(3)
    x, arm = rng.random(20_000), (rng.permutation(20_000) < 2_000).astype(int)
    y = np.where(rng.random(20_000) < 0.05, rng.lognormal(3, 1.5, 20_000), 0.0)
    e = np.array([0.9, 0.1])
    give, cost = (x > 0.9).astype(int), np.zeros((20_000, 1))
    buyers = int(((y > 0) & (arm == 1) & (give == 1)).sum())
    told = policy_value(give, Held(y, arm, np.tile(e, (20_000, 1)), cost, 1.0)).notes
    assert told[-1].startswith(f"heavy tail: about {buyers} buyers of the smaller arm decide this")
    assert len([n for n in evaluate(x, y, arm, e).gates(10).notes if n.startswith("heavy tail")]) == 1
    plain = rng.normal(size=20_000)
    assert not policy_value(give, Held(plain, arm, np.tile(e, (20_000, 1)), cost, 1.0)).notes
    assert not evaluate(x, plain, arm, e).gates(10).notes


def test_a_ranking_says_that_few_buyers_decide() -> None:
    rng = np.random.default_rng(5)
    n = 4_000
    arm = (rng.permutation(n) < n // 10).astype(int)
    gmv = (rng.random(n) < 0.05) * rng.lognormal(3, 1.5, n)
    e = np.tile([0.9, 0.1], (n, 1))
    score = rng.random(n)
    buyers = int((gmv[arm == 1] > 0).sum())
    assert f"about {buyers} buyers of the smaller arm decide this" in " ".join(
        evaluate(score, gmv, arm, e).summary().split()
    )
    assert "heavy tail" not in evaluate(score, rng.normal(size=n), arm, e).summary()
