"""Plans: beside brute force and a solver; their value: by hand, coverage, and the refusal of rows seen before."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from gmvcausal import DesignError, InputError
from gmvcausal.stats.small_sample import trust_in
from gmvcausal.targeting.policy import Held, Offer, make_policy, policy_tree, policy_value, prints, seen
from gmvcausal.targeting.policy.knapsack import allocate
from gmvcausal.targeting.policy.limits import allocate_within, limits
from gmvcausal.targeting.policy.words import traits, who_gets_what


def offers(n, k, seed):
    rng = np.random.default_rng(seed)
    cost = np.sort(rng.uniform(1, 10, (n, k)), axis=1)
    return rng.exponential(2, (n, 1)) * np.sqrt(cost) * rng.uniform(0.4, 1.6, (n, k)) - cost, cost


def brute(value, cost, budget, within=None):
    n, k = value.shape
    padded = [np.column_stack([np.zeros(n), m]) for m in (value, cost)]
    top = -np.inf
    for plan in product(range(k + 1), repeat=n):
        arm = np.array(plan)
        spent = padded[1][np.arange(n), arm].sum()
        if spent > budget:
            continue
        if within is not None:
            counts = np.bincount(within.group, arm > 0, len(within.low))
            if counts.sum() > within.most or (counts < within.low).any() or (counts > within.high).any():
                continue
        top = max(top, padded[0][np.arange(n), arm].sum())
    return top


def relaxed(value, cost, budget, within=None):
    """The linear relaxation by a solver."""
    from scipy.optimize import linprog

    n, k = value.shape
    rows = [cost.ravel()]
    limit = [budget]
    one_each = np.kron(np.eye(n), np.ones(k))
    rows, limit = [*rows, *one_each], [*limit, *np.ones(n)]
    if within is not None:
        rows, limit = [*rows, np.ones(n * k)], [*limit, within.most]
        for g in range(len(within.low)):
            here = np.repeat(within.group == g, k).astype(float)
            rows, limit = [*rows, here, -here], [*limit, within.high[g], -within.low[g]]
    found = linprog(-value.ravel(), A_ub=np.array(rows), b_ub=np.array(limit, dtype=float), bounds=(0, 1))
    return -found.fun


def test_a_plan_by_hand() -> None:
    """Hulls: user 0 steps (3 for 1), then (1 for 2); user 1 steps straight to its second coupon (5 for 2), because the
    first (2 for 1) lies below that line; user 2 has nothing that pays. Budget 4 buys 3 for 1, 5 for 2; of the last
    unit the relaxation would take half of (1 for 2)."""
    value = np.array([[3.0, 4], [2, 5], [-1, -2]])
    cost = np.array([[1.0, 3], [1, 2], [1, 2]])
    plan = allocate(value, cost, 4.0)
    assert plan.arm.tolist() == [1, 2, 0]
    assert (plan.value, plan.cost, plan.bound, plan.price) == (8.0, 3.0, 8.5, 0.5)
    assert allocate(value, cost, 5.0).arm.tolist() == [2, 2, 0]
    assert allocate(value, cost, 5.0).price == 0
    assert allocate(value, cost, None).value == 9
    assert allocate(value, cost, 0.0).cost == 0


@pytest.mark.parametrize("seed", range(12))
def test_plan_beside_brute_force_and_a_solver(seed) -> None:
    value, cost = offers(6, 3, seed)
    budget = 0.4 * float(np.where(value.max(axis=1) > 0, cost[:, -1], 0).sum()) + 1
    plan = allocate(value, cost, budget)
    assert plan.cost <= budget + 1e-9
    assert plan.bound == pytest.approx(relaxed(value, cost, budget), rel=1e-8)
    best = brute(value, cost, budget)
    assert plan.value <= best + 1e-9 <= plan.bound + 2e-9
    at = np.flatnonzero(plan.arm)
    assert plan.value == pytest.approx(value[at, plan.arm[at] - 1].sum())


@pytest.mark.parametrize("seed", range(8))
def test_limits_beside_brute_force_and_a_solver(seed) -> None:
    value, cost = offers(7, 2, 100 + seed)
    group = np.array([0, 0, 0, 1, 1, 1, 1])
    within = limits(7, 0.6, group, (0.3, 0.7))
    budget = 16.0
    plan = allocate_within(value, cost, budget, within)
    assert plan.bound >= relaxed(value, cost, budget, within) - 1e-7  # a price of budget never gives a lower bound
    counts = np.bincount(group, plan.arm > 0, 2)
    assert plan.cost <= budget and counts.sum() <= 4 and (counts >= 1).all() and (counts <= 2).all()
    assert plan.value <= brute(value, cost, budget, within) + 1e-9
    assert brute(value, cost, budget, within) <= plan.bound + 1e-9


def test_gaps_of_large_plans() -> None:
    value, cost = offers(20_000, 5, 1)
    free = allocate(value, cost, None)
    assert allocate(value, cost, 0.3 * free.cost).gap < 1e-4
    group = np.random.default_rng(3).integers(0, 3, 20_000)
    within = limits(20_000, 0.3, group, (0.1, 0.5))
    plan = allocate_within(value, cost, 0.3 * free.cost, within)
    assert 0 <= plan.gap < 1e-3
    # users who are alike all change their mind at one price: the budget is spent on some of them
    alike = allocate_within(np.full((1_000, 1), 2.0), np.ones((1_000, 1)), 300.0, limits(1_000, 0.5, None, None))
    assert (alike.cost, alike.value) == (300.0, 600.0)
    assert alike.gap == pytest.approx(0, abs=1e-6)


def test_bound_of_limits_is_that_of_a_solver() -> None:
    value, cost = offers(40, 3, 9)
    group = np.arange(40) % 2
    within = limits(40, 0.4, group, (0.1, 0.45))
    plan = allocate_within(value, cost, 30.0, within)
    assert plan.bound == pytest.approx(relaxed(value, cost, 30.0, within), rel=1e-4)


def test_units_and_order_do_not_matter() -> None:
    value, cost = offers(500, 4, 2)
    budget = 300.0
    plan = allocate(value, cost, budget)
    order = np.random.default_rng(0).permutation(500)
    assert (allocate(value[order], cost[order], budget).arm == plan.arm[order]).all()
    assert (allocate(100 * value, 100 * cost, 100 * budget).arm == plan.arm).all()
    assert (allocate(value[:, ::-1], cost[:, ::-1], budget).arm == np.where(plan.arm, 5 - plan.arm, 0)).all()


def test_policy_repeats_its_plan_as_a_rule() -> None:
    rng = np.random.default_rng(8)
    effects, cost = rng.exponential(6, (2_000, 3)), np.tile([1.0, 2, 4], (2_000, 1))
    group = rng.integers(0, 2, 2_000)
    offer = Offer(effects, cost, group, {})
    for options in (
        {},
        {"budget": 1_500.0},
        {"max_share": 0.2},
        {"budget": 1_500.0, "max_share": 0.5},
        {"group_share": (0.1, 0.3)},
        {"budget": 900.0, "group_share": (0.3, 0.6)},
    ):
        p = make_policy(offer, margin=0.4, labels=["none", "1", "2", "4"], **options)
        again = p.apply(offer)
        assert (again != p.assign).sum() <= 3, options  # at the price itself one step is left out, or taken
        face = {"none": 0.0, "1": 1.0, "2": 2.0, "4": 4.0}
        assert p.cost == pytest.approx(sum(face[label] for label in p.assign))
    free = make_policy(offer, margin=0.4)
    assert (free.assign == "control").tolist() == ((0.4 * effects - cost).max(axis=1) <= 0).tolist()
    assert "expected by the model" in free.summary()


def held(n=4_000, seed=1, mu=False):
    rng = np.random.default_rng(seed)
    x, arm = rng.random(n), rng.integers(0, 2, n)
    y = rng.exponential(1, n) + 2 * arm * x
    expected = np.column_stack([np.ones(n), 1 + 2 * x]) if mu else None
    return x, Held(y, arm, np.full((n, 2), 0.5), np.full((n, 1), 0.5), 1.0, expected)


def test_value_by_hand() -> None:
    """Eight users, the coupon (cost 1) for the first six. Among them the treated have 4, 2, 6, the control 1, 1, 4."""
    arm = np.array([1, 0, 1, 0, 1, 0, 1, 0])
    y = np.array([4.0, 1, 2, 1, 6, 4, 99, -50])
    h = Held(y, arm, np.full((8, 2), 0.5), np.ones((8, 1)), 0.5)
    give = np.array([1] * 6 + [0] * 2)
    v = policy_value(give, h)
    assert v.gain.estimate == pytest.approx(0.5 * 6 / 8 * (4 - 2))
    assert v.cost.estimate == pytest.approx(6 / 8)
    assert v.value == pytest.approx(0.75 - 0.75)
    assert v.roi == pytest.approx(0)
    assert v.treated == 0.75
    # influences: in the group, the mean's own part (0.5 x 2 - 1 = 0, as elsewhere), and 6/8 of the residuals over 3
    residual = np.array([0, -1, -2, -1, 2, 2])
    by_hand = 0.5 * 6 / 8 / 3 * residual * np.array([1, -1, 1, -1, 1, -1])
    assert v.std_error == pytest.approx(np.sqrt((by_hand**2).sum() * 3 / 2))  # three users of each arm
    # the two users who differ in nothing are of no account
    y[6:] = 7
    assert policy_value(give, h).std_error == v.std_error


def test_policies_are_compared_where_they_differ() -> None:
    x, h = held()
    one, two = (x > 0.3).astype(int), (x > 0.35).astype(int)
    gap = policy_value(one, h, two)
    assert gap.treated == pytest.approx(((x > 0.3) & (x <= 0.35)).mean())
    assert gap.value == pytest.approx(-policy_value(two, h, one).value)
    assert gap.doubly_robust.estimate == pytest.approx(
        policy_value(one, h).doubly_robust.estimate - policy_value(two, h).doubly_robust.estimate
    )
    assert gap.std_error < 0.4 * policy_value(one, h).std_error
    same = policy_value(one, h, one)
    assert (same.value, same.std_error, same.treated) == (0, 0, 0)


def test_two_policies_by_hand() -> None:
    """Eight users: the one treats the first four, the other the last four of the first six. They differ on users 0, 1
    (treated by the one alone: 4 against 1) and 4, 5 (by the other alone: 6 against 4); a coupon costs 1 and 3 there."""
    arm = np.array([1, 0, 1, 0, 1, 0, 1, 0])
    y = np.array([4.0, 1, 2, 1, 6, 4, 99, -50])
    cost = np.array([1.0, 1, 1, 1, 3, 3, 1, 1])[:, None]
    h = Held(y, arm, np.full((8, 2), 0.5), cost, 1.0)
    one, two = np.array([1, 1, 1, 1, 0, 0, 0, 0]), np.array([0, 0, 1, 1, 1, 1, 0, 0])
    v = policy_value(one, h, two)
    assert v.treated == 0.5 and v.against
    assert v.gain.estimate == pytest.approx(2 / 8 * 3 - 2 / 8 * 2) and v.cost.estimate == pytest.approx(-0.5)
    assert v.value == pytest.approx(0.75) and np.isnan(v.roi) and np.isnan(v.roi_conf_int()).all()
    assert "costs less than the other plan" in " ".join(v.summary().split())
    back = policy_value(two, h, one)
    assert back.roi == pytest.approx(-0.25 / 0.5 - 1) and back.value == pytest.approx(-0.75)
    # one user of each arm in each part, so that no mean varies: what is left are the shares of the parts
    parts = np.array([2.0, 2, 0, 0, 1, 1, 0, 0])  # 3 - 1, and -2 + 3
    assert v.std_error == pytest.approx(np.sqrt(((parts - parts.mean()) ** 2).sum()) / 8)
    # whoever is dealt with alike is of no account
    y[[2, 3, 6, 7]] = [-1e6, 7, 0, 1e6]
    again = policy_value(one, h, two)
    assert (again.value, again.std_error, again.cost.std_error) == (v.value, v.std_error, v.cost.std_error)
    assert (back.roi, back.cov) == ((found := policy_value(two, h, one)).roi, found.cov)


def test_a_cost_that_cannot_be_told_from_zero() -> None:
    """One coupon redeemed of twenty: Fieller's set is no interval, and the summary says so."""
    n = 40
    arm, redeemed = np.arange(n) % 2, np.zeros(n)
    redeemed[1] = 1
    y = np.random.default_rng(0).exponential(1, n) + arm
    h = Held(y, arm, np.full((n, 2), 0.5), np.ones((n, 1)), 1.0, redeemed=redeemed)
    v = policy_value(np.ones(n, dtype=int), h)
    assert np.isfinite(v.roi) and np.isnan(v.roi_conf_int()).all()
    assert "without an interval: on these users the cost cannot be told from 0" in " ".join(v.summary().split())
    assert "nan" not in v.summary()
    free = policy_value(np.ones(n, dtype=int), Held(y, arm, h.e, np.zeros((n, 1)), 1.0))
    assert "There is no cost, and so no return on it" in free.summary() and np.isnan(free.roi)
    nobody = policy_value(np.zeros(n, dtype=int), h)
    assert (nobody.value, nobody.std_error) == (0, 0) and "Nobody is treated" in nobody.summary()


def test_whom_in_the_units_of_the_table() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.integers(0, 2, 400), np.repeat([40.0, 2_000], 200), rng.normal(size=400), np.zeros(400)])
    x[::7, 1] = np.nan
    inside = np.arange(400) >= 200
    x[:, 0] = np.where(inside, 1, x[:, 0])
    names, levels = ["city", "spend", "noise", "constant"], {0: ["Hefei", "Wuhu"]}
    told = traits(x, inside, names, levels)
    share = (x[:200, 0] == 1).mean()
    assert told == ["spend 2,000 (others 40)", f"city Wuhu 100% (others {share:.0%})"]
    assert (
        traits(x, np.ones(400, dtype=bool), names, levels) == traits(x, np.zeros(400, dtype=bool), names, levels) == []
    )
    offer = Offer(np.where(inside, 2.0, -1.0)[:, None], np.ones((400, 1)), None, {}, x=x)
    p = make_policy(offer, labels=["none", "5 yuan"])
    assert who_gets_what(p.assign, p.labels, x, names, levels) == [f"Who gets 5 yuan: {', '.join(told)}"]


def test_value_beside_a_second_implementation() -> None:
    """Doubly robust value is a mean of scores; with clusters its spread is that of the clusters' sums."""
    x, h = held(mu=True)
    give = (x > 0.4).astype(int)
    gamma = np.where(h.arm == 1, 2 * (h.y - h.mu[:, 1]), -2 * (h.y - h.mu[:, 0])) + h.mu[:, 1] - h.mu[:, 0]
    z = give * (gamma - 0.5)
    v = policy_value(give, h)
    assert v.value == pytest.approx(z.mean(), abs=1e-12)
    # The users it treats, by arm, each with n / (n - 1); of the others the share alone varies.
    square = (z - z.mean()) ** 2
    total = square[give == 0].sum()
    for a in (0, 1):
        own = square[(give == 1) & (h.arm == a)]
        total += own.sum() * len(own) / (len(own) - 1)
    assert v.std_error == pytest.approx(np.sqrt(total) / len(z), rel=1e-10)
    cluster = np.arange(len(z)) // 4
    sums = np.bincount(cluster, z - z.mean())
    clustered = policy_value(give, Held(h.y, h.arm, h.e, h.cost, 1.0, h.mu, cluster))
    # clusters weigh as the users whom the policy treats: those of the control, of the coupon and of both among these
    size, treated = np.bincount(cluster, give), np.bincount(cluster, give * h.arm)
    kinds = ((treated == 0) & (size > 0), (treated > 0) & (treated == size), (treated > 0) & (treated < size))
    found = trust_in(
        size[size > 0].astype(float), np.select([kind[size > 0] for kind in kinds], [0, 1, 2]).astype(np.int64), 3
    )
    own = np.array([(sums[kind] ** 2).sum() for kind in kinds]) * found.factor
    everything = own.sum() + (sums[size == 0] ** 2).sum()
    assert clustered.std_error == pytest.approx(np.sqrt(everything) / len(z), rel=1e-10)
    welch = everything**2 / (own**2 / found.df).sum()
    half = (clustered.conf_int()[1] - clustered.conf_int()[0]) / 2
    assert half == pytest.approx(stats.t.ppf(0.975, welch) * clustered.std_error, rel=1e-9)


def test_value_scales_and_order() -> None:
    x, h = held()
    give = (x > 0.4).astype(int)
    v = policy_value(give, h)
    order = np.random.default_rng(0).permutation(len(x))
    moved = policy_value(give[order], Held(h.y[order], h.arm[order], h.e, h.cost, 1.0))
    assert (moved.value, moved.std_error) == (pytest.approx(v.value), pytest.approx(v.std_error))
    large = policy_value(give, Held(100 * h.y + 1e7, h.arm, h.e, 100 * h.cost, 1.0))
    assert large.value == pytest.approx(100 * v.value, abs=1e-5)
    assert large.doubly_robust.std_error == pytest.approx(100 * v.doubly_robust.std_error, rel=1e-5)
    assert large.roi == pytest.approx(v.roi, abs=1e-6)


def test_coverage_of_value_and_roi() -> None:
    """Coupon where x > 1/2: effect 2 x, gain 3/4, cost 1/4; value 1/2, ROI 2."""
    hits = np.zeros(4)
    for seed in range(300):
        x, h = held(600, seed, mu=True)
        v = policy_value((x > 0.5).astype(int), h)
        ends = [v.conf_int(), v.ipw.conf_int(), v.roi_conf_int(), v.doubly_robust.conf_int()]
        hits += [low <= truth <= high for (low, high), truth in zip(ends, (0.5, 0.5, 2, 0.5), strict=True)]
    assert (hits / 300 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 300)).all(), hits / 300


def test_rows_that_were_seen_are_refused() -> None:
    rng = np.random.default_rng(5)
    x, h = held(1_000)
    wide = np.column_stack([x, rng.integers(0, 3, 1_000)])

    def offer(rows, y=h.y):
        one = Held(y[rows], h.arm[rows], h.e[rows], h.cost[rows], 1.0)
        kept = {"features": prints(wide[rows]), "rows": prints(wide[rows], y[rows], h.arm[rows])}
        return Offer(2 * wide[rows, :1], h.cost[rows], None, kept, one)

    train, choose, test = np.split(rng.permutation(1_000), [400, 600])
    trained = ("rows", seen("trained the model", wide[train], h.y[train], h.arm[train]))
    p = make_policy(offer(choose), trained_on=[trained])
    v = p.evaluate(offer(test))
    assert v.n == 400 and np.isfinite(v.value)
    with pytest.raises(DesignError, match=r"about [0-9]+% of these rows trained the model"):
        p.evaluate(offer(train))
    with pytest.raises(DesignError, match="trained the model"):
        p.evaluate(offer(rng.permutation(train)[:100]))
    with pytest.raises(DesignError, match=r"about [0-9]+% of these rows chose the policy"):
        p.evaluate(offer(choose[::-1]))
    with pytest.raises(DesignError, match="chose the policy"):  # the other one of the two
        make_policy(offer(test)).evaluate(offer(choose), against=p)


@pytest.mark.parametrize("levels", [2, 20, 400, 100_000])
def test_rows_alike_by_chance(levels) -> None:
    """Features of so many values: new users are not refused however often their like was there, the old ones are."""
    rng = np.random.default_rng(levels)
    old, new = rng.zipf(1.3, (2_000, 2)) % levels, rng.zipf(1.3, (1_500, 2)) % levels
    before = seen("trained the model", old)
    assert before.share(prints(new)) < 0.1
    assert before.share(prints(old)) > (0.3 if levels > 2 else 0.99)
    if levels >= 400:
        assert before.share(prints(old[:900])) > 0.3


def test_rows_all_alike() -> None:
    """Two categories and no purchase: nobody is told apart, yet the same table as a whole is known again."""
    one, two = np.zeros((50, 1)), np.zeros((60, 1))
    assert seen("trained the model", one).share(prints(two)) == 0
    assert seen("trained the model", one).share(prints(one)) == 1


def test_refusals() -> None:
    offer = Offer(np.ones((3, 1)), np.ones((3, 1)), np.array([0, 0, 1]), {})
    with pytest.raises(InputError, match="costs below 0; 1 found; first at row position 2"):
        make_policy(Offer(np.ones((3, 1)), np.array([[1.0], [1], [-1]]), None, {}))
    with pytest.raises(InputError, match="max_share must be a number of at least 0 and at most 1, but is 30"):
        make_policy(offer, max_share=30)
    with pytest.raises(InputError, match="budget must be a number of at least 0, but is -1"):
        make_policy(offer, budget=-1)
    with pytest.raises(InputError, match="needs groups"):
        make_policy(Offer(np.ones((3, 1)), np.ones((3, 1)), None, {}), group_share=(0, 1))
    with pytest.raises(DesignError, match=r"no plan treats at least 0\.5 of every group"):
        make_policy(offer, max_share=0.1, group_share=(0.5, 1))
    with pytest.raises(DesignError, match=r"costs 2, more than the budget"):
        make_policy(offer, budget=1.5, group_share=(0.5, 1))
    with pytest.raises(InputError, match="arm and outcome are known"):
        make_policy(offer).evaluate(offer)
    with pytest.raises(InputError, match="takes an Offer"):
        make_policy(offer).apply("users.csv")
    h = Held(np.zeros(4), np.array([0, 0, 0, 1]), np.full((4, 2), 0.5), np.ones((4, 1)), 1.0)
    with pytest.raises(
        DesignError, match="of 2 users to whom the policy gives 'arm 1' in place of 'arm 0', none was drawn"
    ):
        policy_value(np.array([1, 1, 0, 0]), h)


def test_a_handful_to_whom_no_arm_was_drawn() -> None:
    """The doubly robust value stands, with a note; without predictions, or for more users, there is none."""
    _, h = held(1_000, mu=True)
    h.arm[:3] = 0
    give = (np.arange(1_000) < 3).astype(int)
    v = policy_value(give, h)
    assert np.isfinite(v.value) and np.isnan(v.ipw.estimate)
    told = " ".join(v.summary().split())
    assert "of 3 users to whom the policy gives 'arm 1' in place of 'arm 0', none was drawn" in told
    assert np.isnan(v.to_frame()["estimate"].iloc[1])
    with pytest.raises(DesignError, match="of 3 users"):
        policy_value(give, Held(h.y, h.arm, h.e, h.cost, 1.0))
    h.arm[:30] = 0
    with pytest.raises(DesignError, match="of 30 users"):
        policy_value((np.arange(1_000) < 30).astype(int), h)


# --- trees ------------------------------------------------------------------------------------------------------------
def slow_tree(x, reward, depth):
    """The best tree by trying every one."""
    leaf = reward.sum(axis=0).max() if len(x) else 0.0
    if depth == 0 or not len(x):
        return leaf
    top = leaf
    for j in range(x.shape[1]):
        values = np.unique(x[:, j])
        for cut in (values[1:] + values[:-1]) / 2:
            low = x[:, j] <= cut
            top = max(top, slow_tree(x[low], reward[low], depth - 1) + slow_tree(x[~low], reward[~low], depth - 1))
    return top


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("depth", [1, 2])
def test_trees_beside_trying_every_one(seed, depth) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 5, (30, 3)).astype(float)
    reward = np.column_stack([np.zeros(30), rng.standard_normal((30, 2))])
    tree = policy_tree(x, reward, depth)
    assert tree.value * 30 == pytest.approx(slow_tree(x, reward, depth))
    assert reward[np.arange(30), tree.arm(x)].sum() == pytest.approx(tree.value * 30)


def test_a_tree_read_aloud() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.integers(0, 3, 400), rng.normal(100, 20, 400)])
    x[:5, 1] = np.nan
    good = (x[:, 0] == 2) & (x[:, 1] > 100)
    tree = policy_tree(
        x, np.column_stack([np.zeros(400), np.where(good, 1.0, -1.0)]), 2, ["city", "spend"], ["none", "5 yuan"],
        {0: ["A", "B", "C"]},
    )  # fmt: skip
    words = tree.words()
    assert "city is A or B, or missing" in words or "spend is at most" in words.splitlines()[0]
    assert words.count("give (5 yuan)") == 1
    assert (tree.arm(x)[:5] == 0).all()
    assert policy_tree(x, np.column_stack([np.zeros(400), np.full(400, -1.0)])).words() == "no treatment (control)"
    deeper = policy_tree(x, np.column_stack([np.zeros(400), np.where(good, 1.0, -1.0)]), 3)
    assert deeper.value >= tree.value - 1e-12
    with pytest.raises(InputError, match="depth must be 1, 2 or 3"):
        policy_tree(x, np.zeros((400, 2)), 5)


def test_empty_groups_of_users_are_added_up() -> None:
    """1,000 users: five of arm 1's lack it; the 300 of arm 2's lack it too, or three do, and five and three are few."""
    rng = np.random.default_rng(0)
    arm, y = rng.integers(0, 2, 1_000), rng.normal(size=1_000)
    arm[:5], arm[5:305:7], arm[5:8] = 0, 2, 0
    mu = np.tile([0.0, 5.0, 9.0], (1_000, 1))
    e, cost = np.full((1_000, 3), 1 / 3), np.zeros((1_000, 2))
    give = np.zeros(1_000, dtype=int)
    give[:5], give[5:8] = 1, 2
    v = policy_value(give, Held(y, arm, e, cost, 0.5, mu))
    assert np.isfinite(v.value) and np.isnan(v.ipw.estimate)
    note = v.notes[0]
    assert "of 5 users to whom the policy gives 'arm 1'" in note
    assert "of 3 users to whom the policy gives 'arm 2'" in note
    assert f"by {0.5 * (5 * 5 + 3 * 9) / 1_000:.3g} money per user" in note  # margin x gap of predictions, by share
    with pytest.raises(DesignError, match="of 3 users to whom the policy gives 'arm 2'"):
        policy_value(give, Held(y, arm, e, cost, 0.5))
    many = give.copy()
    many[5:305] = 2
    none = Held(y, np.where(arm == 2, 1, arm), e, cost, 0.5, mu)
    with pytest.raises(DesignError, match="of 300 users to whom the policy gives 'arm 2'"):
        policy_value(many, none)
    six = give.copy()
    six[:6], six[6:11] = 1, 2  # six and five: each is few, together they are not
    lacking = np.where(np.arange(1_000) < 11, 0, arm)
    with pytest.raises(DesignError, match=r"of 6 users .*; of 5 users"):
        policy_value(six, Held(y, lacking, e, cost, 0.5, mu))
