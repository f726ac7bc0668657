"""Users of another table: drawn with other chances, planned by two models, tied, and read with a failed audit."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.targeting.policy import Held, Offer, make_policy, policy_value


def trial(n: int, seed: int, effect: float = 5.0, level: float = 20.0, p: float = 0.5) -> pd.DataFrame:
    """The arm `w` moves the lower two of four kinds of users."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"x": rng.random(n), "k": rng.integers(0, 4, n), "w": (rng.permutation(n) < p * n).astype(int)}
    )
    frame["gmv"] = level + 5 * frame["x"] + effect * frame["w"] * (frame["k"] < 2) + rng.normal(0, 3, n)
    return frame


def fit(frame: pd.DataFrame, **options: Any) -> Any:
    call = {"treatment": "w", "features": ["x", "k"], "propensity": 0.5, "learner": "dr", "folds": 2, **options}
    return gc.uplift(frame, **call)


@pytest.fixture(scope="module")
def model() -> Any:
    return fit(trial(2_000, 1), cost=1.0)


def test_other_chances_are_refused_and_can_be_given(model) -> None:
    other = trial(4_000, 2, p=0.9, level=25)
    plan = model.policy(trial(1_000, 9)[["x", "k"]])
    for asked in (model.evaluate, plan.evaluate):
        with pytest.raises(gc.DesignError, match=r"400 \(expected 2,000.0\).*\n?.*propensity="):
            asked(other)
    # half of the users gain 5 and cost 1; nobody else is treated but by mistake
    value = plan.evaluate(other, propensity=0.9)
    assert abs(value.value - 2.0) < 4 * value.std_error + 0.2
    assert plan.evaluate(other.assign(p=0.9), propensity="p").value == pytest.approx(value.value)
    assert plan.evaluate(other, propensity={0: 0.1, 1: 0.9}).value == pytest.approx(value.value)
    found = model.evaluate(other, propensity=0.9).doubly_robust
    assert abs(found.rankings[0].metrics(True)["ate"].estimate - 2.5) < 0.6
    with pytest.raises(gc.DesignError, match="propensity="):
        plan.evaluate(trial(4_000, 3), propensity=0.9)
    assert np.isfinite(plan.evaluate(trial(4_000, 3)).value)


def test_a_user_who_stands_twice_is_not_planned_for_twice(model, tmp_path) -> None:
    users = trial(300, 9)[["x", "k"]].assign(user=np.arange(300))
    twice = pd.concat([users, users.iloc[[4, 7]]], ignore_index=True)
    twice.to_parquet(tmp_path / "twice.parquet")
    plan = model.policy(users, budget=50)
    assert plan.cost <= 50
    asked = [lambda d: model.policy(d, budget=50), lambda d: model.policy(d, depth=1), plan.apply]
    for ask in asked:
        for table in (twice, tmp_path / "twice.parquet"):
            with pytest.raises(gc.InputError, match="2 units occur more than once") as found:
                ask(table)
            assert found.value.rows == (300, 301) and "Keep one row per user" in str(found.value)
    # Without a column of users, or where visits of users trained the model, rows are what is planned for.
    assert len(model.policy(twice.drop(columns="user")).assign) == 302
    visits = trial(2_000, 1).assign(user=np.repeat(np.arange(1_000), 2))
    visits["w"] = visits["user"] % 2
    assert len(fit(visits, cost=1.0, cluster="user").policy(twice).assign) == 302


def test_a_column_that_the_test_table_lacks(model) -> None:
    with pytest.raises(gc.InputError, match="the test table"):
        model.evaluate(trial(200, 3).drop(columns="gmv"))


def test_shares_of_training_are_no_chances_of_another_table() -> None:
    m = fit(trial(2_000, 1), propensity=None, cost=1.0)
    plan = m.policy(trial(1_000, 9)[["x", "k"]])
    with pytest.raises(gc.DesignError, match="that training found"):
        plan.evaluate(trial(4_000, 2, p=0.9))
    assert np.isfinite(plan.evaluate(trial(4_000, 2, p=0.51)).value)


def test_a_failed_audit_is_told_of_whatever_rests_on_the_model() -> None:
    m = fit(trial(2_000, 1), propensity=0.6, cost=0.5)
    assert "sample_ratio" in [c.name for c in m.audit if c.status == "failed"]
    plan, new = m.policy(trial(1_000, 9)[["x", "k"]]), trial(2_000, 2)
    for told in (plan, plan.evaluate(new, propensity=0.5), m.evaluate(new, propensity=0.5)):
        assert "audit of the model failed (sample_ratio" in told.summary().replace("\n  ", " ")


def three_arms(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.random(n), "k": rng.integers(0, 4, n), "w": rng.permutation(np.arange(n) % 3)})
    frame["w"] = np.array(["a", "b", "none"])[frame["w"]]
    frame["gmv"] = 20 + 2.0 * (frame["w"] == "a") + 6.0 * (frame["w"] == "b") + frame["x"] + rng.normal(0, 2, n)
    return frame


def test_plans_of_two_models_are_compared_by_labels() -> None:
    def share(names: list[str]) -> dict[str, float]:
        return dict.fromkeys(names, 1 / len(names))

    train, users, new = three_arms(1_500, 1), three_arms(300, 2)[["x", "k"]], three_arms(1_500, 3)
    m = fit(train, control="none", propensity=share(["none", "a", "b"]))
    two = train[train["w"] != "a"]
    n = fit(two, control="none", features=["k", "x"], propensity=0.5, margin=0.5)
    p, q = m.policy(users), n.policy(users)
    assert (p.assign == "b").all() and (q.assign == "b").all()
    with pytest.raises(gc.InputError, match="which was not among the arms"):  # the second model knows no "a"
        p.evaluate(new, against=q)
    swapped = fit(train.assign(w=train["w"].replace({"a": "z"})), control="none", propensity=share(["none", "z", "b"]))
    with pytest.raises(gc.InputError, match="'z'"):
        p.evaluate(new, against=swapped.policy(users))
    with pytest.raises(gc.InputError, match="control 'a'"):
        p.evaluate(new, against=fit(train, control="a", propensity=share(["none", "a", "b"])).policy(users))
    other = fit(train, control="none", features=["k"], propensity=share(["none", "a", "b"]), margin=0.5)
    gap = p.evaluate(new, against=other.policy(users))
    assert gap.value == 0 and "margin and the costs of this one" in " ".join(gap.notes)


def test_arms_are_found_by_label_whatever_their_codes() -> None:
    """Two plans give everyone "b", which is the second arm of one and the first of the other."""
    held = Held(np.array([1.0, 5, 9, 1, 5, 9]), np.array([0, 1, 2] * 2), np.full((6, 3), 1 / 3), np.zeros((6, 2)), 1.0)
    one = Offer(np.tile([1.0, 2.0], (6, 1)), np.zeros((6, 2)), None, {}, held)
    p = make_policy(one, labels=["none", "a", "b"])
    q = make_policy(Offer(np.tile([2.0, 1.0], (6, 1)), np.zeros((6, 2)), None, {}), labels=["none", "b", "a"])
    assert set(p.assign) == set(q.assign) == {"b"}
    turned = Offer(np.tile([2.0, 1.0], (6, 1)), np.zeros((6, 2)), None, {}, held, row=np.arange(6)[::-1])
    q = make_policy(turned, labels=["none", "b", "a"], read=lambda data, outcomes: turned)
    p = make_policy(one, labels=["none", "a", "b"], read=lambda data, outcomes: one)
    assert p.evaluate("a table", against=q).value == 0


@pytest.mark.parametrize(
    ("limits", "most"),
    [({"budget": 100.0}, 100), ({"budget": 100.0, "max_share": 1.0}, 100), ({"max_share": 0.1}, 100)],
)
def test_a_rule_keeps_its_limits_where_effects_tie(limits, most) -> None:
    """Half of 1,000 users are alike and worth the coupon; the plan treats 100 of them, and so must its rule."""
    rng = np.random.default_rng(1)
    effect = np.where(rng.permutation(1_000) < 500, 3.37, 0.71)
    offer = Offer(effect[:, None], np.ones((1_000, 1)), None, {})
    p = make_policy(offer, labels=["none", "coupon"], **limits)
    again = p.apply(offer)
    assert (p.assign == "coupon").sum() == (again == "coupon").sum() == most
    assert set(effect[again == "coupon"]) == {3.37} and (p.apply(offer) == again).all()
    assert (again[:500] == "coupon").any() and (again[500:] == "coupon").any()
    # in expectation, without the lot: each of the alike counts a fifth
    held = Held(np.tile([1.0, 4.0], 500), np.tile([0, 1], 500), np.full((1_000, 2), 0.5), np.ones((1_000, 1)), 1.0)
    v = p.evaluate(Offer(effect[:, None], np.ones((1_000, 1)), None, {}, held))
    assert v.treated == pytest.approx(0.1) and v.cost.estimate == pytest.approx(0.1)
    assert v.ipw.estimate == pytest.approx(0.1 * (3 - 1))


def test_ties_by_group_and_of_two_coupons() -> None:
    group = np.repeat([0, 1], 500)
    cost = np.tile([1.0, 3.0], (1_000, 1))
    offer = Offer(np.tile([4.0, 7.2], (1_000, 1)), cost, group, {})
    for limits in ({"group_share": (0.1, 0.3)}, {"group_share": (0.1, 0.3), "budget": 300.0}, {"budget": 1_500.0}):
        p = make_policy(offer, labels=["none", "small", "large"], **limits)
        again = p.apply(offer)
        for one in ("none", "small", "large"):
            assert abs((p.assign == one).sum() - (again == one).sum()) <= 1, (limits, one)


def test_shares_of_arms_are_the_mean_over_their_lots() -> None:
    rng = np.random.default_rng(2)
    h = Held(rng.normal(5, 1, 40), np.tile([0, 1], 20), np.full((40, 2), 0.5), np.ones((40, 1)), 1.0, np.zeros((40, 2)))
    give = (np.arange(40) < 30).astype(int)
    sure = policy_value(np.eye(2)[give], h)
    assert (sure.value, sure.std_error, sure.ipw.estimate) == (lambda v: (v.value, v.std_error, v.ipw.estimate))(
        policy_value(give, h)
    )
    half = policy_value(np.column_stack([1 - 0.5 * give, 0.5 * give]), h)
    assert half.value == pytest.approx(0.5 * sure.value) and half.ipw.estimate == pytest.approx(0.5 * sure.ipw.estimate)
    assert half.std_error == pytest.approx(0.5 * sure.std_error) and half.treated == pytest.approx(0.375)


def test_a_plan_is_pickled(model) -> None:
    users, new = trial(500, 4), trial(1_000, 5)
    plan = model.policy(users, groups="k", group_share=(0.1, 0.9))
    again = pickle.loads(pickle.dumps(plan))
    assert (again.apply(new) == plan.apply(new)).all() and again.evaluate(new).value == plan.evaluate(new).value


def test_words_about_a_plan_have_no_noise_of_single_precision() -> None:
    rng = np.random.default_rng(3)
    frame = trial(1_200, 6)
    frame["orders"] = np.where(frame["k"] < 2, 0.0, rng.integers(1, 8, 1_200) / 7)
    m = fit(frame, features=["orders"], cost=1.0)
    told = m.policy(frame[["orders"]]).summary()
    assert "orders 0 (others" in told
