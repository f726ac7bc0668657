"""Uplift in the trust room: worlds of coupons and their truth, what is true of what was learned, the plan, the page."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gmvcausal as gc
from gmvcausal import trust
from gmvcausal.trust import Cell, asks_uplift, coupons, page_uplift, plans_uplift
from gmvcausal.trust.gates import gates
from gmvcausal.trust.page import page_text
from gmvcausal.trust.replicate import replicate

USERS = "gmvcausal.trust.coupons:users"


# --- worlds -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("effects", ["differ", "equal", "none"])
def test_users_are_what_they_say(effects: str) -> None:
    trial = coupons.users(n=400_000, seed=1, sigma=0.5, effects=effects, test=0)
    table = trial.table()
    got = table["coupon"] == 1
    assert got.mean() == 0.5
    difference = table["gmv"][got].mean() - table["gmv"][~got].mean()
    error = table["gmv"].std() * 2 / math.sqrt(len(table))
    assert abs(difference - trial.truth["ate"]) < 4 * error
    assert (table["gmv"][~got] > 0).mean() == pytest.approx(0.12, abs=0.003)
    assert trial.truth["ate"] == pytest.approx({"equal": coupons.EQUAL, "none": 0.0}.get(effects, trial.truth["ate"]))
    logs = np.log(table["gmv"][table["gmv"] > 0])
    assert logs.std() == pytest.approx(math.hypot(0.5, 0.5 / math.sqrt(12)), abs=0.01)
    same = coupons.users(n=400_000, seed=1, sigma=0.5, effects=effects, test=0).table()
    assert table.equals(same)


def test_the_truth_of_users_by_brute_force() -> None:
    rng = np.random.default_rng(2)
    trial = coupons.users(n=100, seed=3, sigma=1.0)
    sample = trial.data
    assert [len(t) for t in (sample.train, sample.test, sample.plan, sample.people)] == [100, 20_000, 5_000, 50_000]
    assert "gmv" not in sample.plan and "coupon" not in sample.people
    assert sample.effect.mean() == pytest.approx(trial.truth["ate"], abs=0.03) and sample.effect.min() < 0
    one = sample.people.iloc[[0]].loc[np.zeros(400_000, dtype=int)]
    means = [coupons._bought(rng, one, np.full(len(one), arm), "differ", 1.0).mean() for arm in (0, 1)]
    assert means[1] - means[0] == pytest.approx(sample.effect[0], abs=0.6)
    # skewness without a coupon, against a sample of amounts whose tail is light enough to have one
    big = coupons.users(n=2_000_000, seed=4, sigma=0.4, effects="none", test=0).table()["gmv"]
    assert coupons.population("none", 0.4)[1] == pytest.approx(big.skew(), rel=0.02)
    assert coupons.population("differ", plans_uplift.SIGMAS["skew-38"])[1] >= 30
    assert [round(coupons.population("differ", s)[1]) for s in plans_uplift.SIGMAS.values()] == [16, 38]


def test_rooms_are_what_they_say() -> None:
    trial = coupons.rooms(n=2_000, seed=5, sigma=0.5)
    table = trial.table()
    rooms = table.groupby("room")["coupon"]
    assert (rooms.nunique() == 1).all() and rooms.first().sum() == 1_000
    by_room = table.groupby(["coupon", "room"])["gmv"].mean()
    difference = by_room[1].mean() - by_room[0].mean()
    error = math.sqrt(by_room[0].var() / 1_000 + by_room[1].var() / 1_000)
    assert abs(difference - trial.truth["ate"]) < 4 * error
    buys = (table["gmv"] > 0).groupby(table["room"]).agg(["mean", "size"])
    within = (buys["mean"] * (1 - buys["mean"]) / buys["size"]).mean()
    assert buys["mean"].var() > 1.1 * within, "rooms have levels of their own"


# --- what is true of what was learned ---------------------------------------------------------------------------------
def test_the_truth_of_a_ranking_by_hand() -> None:
    # three users: effects 6, 0, 3; the first two share a score, so that each counts with 3
    found = asks_uplift.of_ranking(np.array([2.0, 2.0, 1.0]), np.array([6.0, 0.0, 3.0]), 1.5)
    assert found["qini"] == pytest.approx(0) and found["autoc"] == pytest.approx(0)
    assert found["auuc"] == pytest.approx(1.5) and found["top"] == 3 and found["slope"] == pytest.approx(0)
    apart = asks_uplift.of_ranking(np.array([3.0, 2.0, 1.0]), np.array([6.0, 3.0, 0.0]), 2.5)
    # gain at 1/3, 2/3, 1: 2, 3, 3; trapezoids (1 + 2.5 + 3) / 3, less 3 / 2
    assert apart["auuc"] == pytest.approx(6.5 / 3) and apart["qini"] == pytest.approx(6.5 / 3 - 1.5)
    assert apart["slope"] == pytest.approx(3) and apart["top"] == 6
    assert apart["autoc"] == pytest.approx((6 + 7.5 / 1.5 + 9 / 2.5) / 3 - 3)


def test_the_truth_of_a_ranking_is_what_its_evaluation_converges_to() -> None:
    """Outcomes without noise: the evaluation of the library on so many users is the truth."""
    from gmvcausal.targeting.evaluate import evaluate

    rng = np.random.default_rng(6)
    n = 100_000
    effect = rng.normal(size=n)
    score = np.round(effect + rng.normal(size=n), 1)
    arm = rng.permutation(np.arange(n) % 2)
    e = evaluate(score, effect * arm, arm, [0.5, 0.5], mu=np.column_stack([np.zeros(n), effect]))
    found = asks_uplift.of_ranking(score, effect, float(np.quantile(score, 0.9)))
    robust = e.doubly_robust
    for name, metric in (("qini", robust.qini), ("auuc", robust.auuc), ("autoc", robust.toc)):
        assert found[name] == pytest.approx(metric.estimate, abs=2e-4), name
    assert found["slope"] == pytest.approx(e.calibration().slope.estimate, rel=1e-9)
    assert found["top"] == pytest.approx(robust.deciles()["estimate"].iloc[0], abs=0.03)


def test_what_is_read_is_what_the_public_questions_answer() -> None:
    trial = coupons.users(n=600, seed=7, test=2_000)
    sample, call = trial.data, {**trial.design.call, **plans_uplift.QUICKLY}
    answer = asks_uplift.learned(sample, **call)
    m = gc.uplift(sample.train, **call)
    e = m.evaluate(sample.test)
    plan = m.policy(sample.plan, budget=0.3 * float(sample.plan["cost"].sum()))
    v = plan.evaluate(sample.test)
    wanted = {
        "ate": m, "qini": e.qini, "auuc": e.auuc, "autoc": e.rate, "qini_robust": e.doubly_robust.qini,
        "autoc_robust": e.doubly_robust.rate, "slope": e.calibration().slope, "value_weighted": v.ipw, "gain": v.gain,
    }  # fmt: skip
    for name, found in wanted.items():
        row = answer.rows[name]
        assert (row.estimate, row.std_error, row.limits(0.9)) == (found.estimate, found.std_error, found.conf_int(0.9))
    assert (answer.rows["value"].estimate, answer.rows["value"].limits(0.95)) == (v.value, v.conf_int())
    assert answer.rows["roi"].estimate == v.roi
    np.testing.assert_equal(answer.rows["roi"].limits(0.95), v.roi_conf_int())
    top = e.deciles().iloc[0]
    assert answer.rows["top"].limits(0.95) == (top["conf_low"], top["conf_high"])
    given = plan.apply(sample.people) == 1
    worth = 0.5 * sample.effect - sample.people["cost"].to_numpy()
    assert answer.truths["value"] == pytest.approx(float((worth * given).mean()))
    assert set(answer.truths) == set(coupons.LEARNED)


# --- replicates and gates ---------------------------------------------------------------------------------------------
def test_rows_are_held_against_what_was_learned() -> None:
    common = {"n": 400, "dials": {"test": 1_000}, "call": plans_uplift.QUICKLY, "verb": plans_uplift.LEARNED}
    cells = [Cell(f"uplift/t/{term}", USERS, term=term, **common) for term in ("ate", "qini", "roi")]  # type: ignore[arg-type]
    found = replicate(cells, seed=1, rep=0)
    ate, qini, roi = (found[cell.key] for cell in cells)
    assert not any(record.error for record in (ate, qini, roi))
    assert ate.truth == coupons.population("differ", 1.1)[0] and math.isfinite(qini.truth) and math.isfinite(roi.truth)
    assert qini.low[0] > qini.low[1] > qini.low[2] and dict(ate.audit).keys() >= {"tail", "overlap"}
    assert cells[0].apart


def test_arms_and_estimands_by_name() -> None:
    call = {**plans_uplift.QUICKLY, "estimand": "att"}
    cell = Cell("uplift/t", "D11", n=400, call=call, verb=plans_uplift.AVERAGES, term="att")
    record = replicate([cell], seed=1, rep=0)[cell.key]
    assert record.truth == pytest.approx(8.139, abs=1e-3) and math.isfinite(record.low[1])
    arm = Cell("uplift/a", "D12", n=600, call=plans_uplift.QUICKLY, verb=plans_uplift.AVERAGES, term="ate:coupon_20")
    record = replicate([arm], seed=1, rep=0)[arm.key]
    assert record.truth == pytest.approx(15.85, abs=0.01) and record.std_error > 0


@pytest.mark.parametrize(
    ("bias", "reps", "verdict"),
    [(0.09, 2_000, "holds"), (-0.09, 2_000, "holds"), (0.11, 2_000, "fails"), (-0.11, 2_000, "fails"),
     (0.2, 100, "undecided"), (0.5, 100, "fails")],
)  # fmt: skip
def test_the_gate_of_bias(bias: float, reps: int, verdict: str) -> None:
    cell = Cell("uplift/b", USERS, reps=reps, gates=("bias",))
    scores = {"reps": reps, "bias": 2 * bias, "bias_mc": 2 / math.sqrt(reps), "mean_se": 2.0, "band": math.nan}
    (gate,) = gates(cell, scores)
    assert gate.verdict == verdict and "of a standard error" in gate.words


# --- the plan and the page --------------------------------------------------------------------------------------------
def test_the_plan_asks_what_it_must() -> None:
    cells = {cell.id: cell for cell in plans_uplift.cells()}
    heavy = [c for c in cells.values() if c.id.startswith("uplift/skew-38/")]
    assert all(c.reps >= 171 and c.n == 20_000 and "coverage" in c.applying for c in heavy)
    assert {c.term for c in heavy} >= {"ate", "top", "qini", "autoc", "value", "roi"}
    equal = [c for c in cells.values() if c.dials.get("effects") == "equal"]
    assert all(c.null and c.most == 0.07 for c in equal) and {"qini", "autoc"} <= {c.term for c in equal}
    bias = [c for c in cells.values() if "bias" in c.applying]
    assert bias and all(c.reps == 2_000 for c in bias)
    assert [c for c in cells.values() if not c.call], "nothing is said but what the world says"
    assert set(plans_uplift.QUICK) < set(cells) and all(c.apart for c in cells.values())
    assert all(c.clean in cells for c in cells.values() if c.clean)


def test_the_section_of_the_page() -> None:
    few = {"test": 400}
    cells = [
        Cell("uplift/skew-16/qini", USERS, n=300, dials=few, call=plans_uplift.QUICKLY, verb=plans_uplift.LEARNED,
             term="qini", reps=2),
        Cell("uplift/equal/qini", USERS, "size", n=300, dials={**few, "effects": "equal"}, call=plans_uplift.QUICKLY,
             verb=plans_uplift.LEARNED, term="qini", null=True, most=0.07, gates=("runs", "at_most"), reps=2),
        Cell("uplift/bias/50-50", USERS, n=300, dials={"test": 0}, call=plans_uplift.QUICKLY,
             verb=plans_uplift.AVERAGES, term="ate", gates=("runs", "bias"), reps=2),
    ]  # fmt: skip
    report = trust.run(cells, workers=0, progress=False)
    assert not report.failed
    section = page_uplift.section(report)
    text = page_text(report)
    assert section in text and "nan" not in section and "skewness of 16 (σ = 1.05) and 38 (σ = 1.3)" in section
    for cell in cells:
        assert f"| `{cell.id}` |" in section
        assert cell.id not in text.partition("## Uplift")[0], "the other sections leave these cells out"
    assert "### Rooms" not in section and "### Bias" in section
    assert page_uplift.section(trust.run([Cell("a", "D5", n=20, reps=1)], workers=0, progress=False)) == ""
