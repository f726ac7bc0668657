"""Where there is no interval there is no finding; and the words of limits that bind."""

from __future__ import annotations

import numpy as np
import pytest

from gmvcausal.errors import DesignError, InputError
from gmvcausal.targeting.evaluate import evaluate
from gmvcausal.targeting.policy import Held, Offer, make_policy, policy_value


@pytest.mark.parametrize("intervals", ["multiplier", "poisson"])
def test_one_cluster_in_each_arm(intervals) -> None:
    rng = np.random.default_rng(1)
    arm = np.arange(400) % 2
    score, y = rng.random(400), rng.normal(size=400) - 3 * arm
    e = evaluate(score, y, arm, [0.5, 0.5], cluster=arm, intervals=intervals, draws=99)
    assert np.isnan(e.qini.std_error) and np.isnan(e.qini.conf_int()).all() and e.noise
    assert "cannot be told" in e.summary() and "tells users apart:" not in e.summary()
    with pytest.raises(DesignError, match="group 1 of 5 has fewer than two users, or clusters"):
        e.gates()
    told = e.best_linear().summary()
    assert "cannot be told" in " ".join(told.split()) and "upside down" not in told
    assert e.deciles()["std_error"].isna().all() and e.best_linear().to_frame()["std_error"].isna().all()
    held = Held(y, arm, np.full((400, 2), 0.5), np.full((400, 1), 0.5), 1.0, None, arm)
    v = policy_value(np.ones(400, dtype=int), held)
    told = v.summary()
    assert np.isnan(v.conf_int()).all() and "Whether the policy pays cannot be told" in told
    assert "loses money" not in told and "cannot be told from 0" not in told
    ten = evaluate(score, y, arm, [0.5, 0.5], cluster=np.arange(400) % 20)
    assert np.isfinite(ten.qini.std_error)
    nine = evaluate(score, y, arm, [0.5, 0.5], cluster=np.arange(400) % 18)
    assert np.isnan(nine.qini.std_error)


def test_words_of_limits_that_bind() -> None:
    offer = Offer(np.full((40, 1), 3.0), np.ones((40, 1)), None, {})
    told = make_policy(offer, budget=0.0).summary()
    assert "the limits leave room for none" in told and "best plan" not in told and "earn more" not in told
    none = make_policy(Offer(np.full((40, 1), 0.5), np.ones((40, 1)), None, {})).summary()
    assert "no treatment is expected to earn more" in none
    with pytest.raises(InputError, match="group_share must be two shares"):
        make_policy(Offer(offer.effects, offer.cost, np.arange(40) % 2, {}), group_share=0.5)  # type: ignore[arg-type]


def test_no_fifth_comes_first_where_all_scores_are_equal() -> None:
    arm = np.arange(200) % 2
    told = evaluate(np.ones(200), np.arange(200.0) % 7, arm, [0.5, 0.5]).summary()
    assert "fifth" not in told
    with pytest.raises(InputError, match="test table is too small"):
        evaluate(np.ones(1), np.ones(1), np.ones(1, dtype=int), [0.5, 0.5])
