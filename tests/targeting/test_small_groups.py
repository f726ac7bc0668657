"""Of people no group of fewer than ten is shown: shares of a ranking, curves, traits, plans and their values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal import DesignError
from gmvcausal.present.chinese import translate
from gmvcausal.targeting.evaluate import evaluate
from gmvcausal.targeting.evaluate.scores import heavy
from gmvcausal.targeting.policy import Held, Offer, make_policy
from gmvcausal.targeting.policy.words import who_gets_what

HALF = [0.5, 0.5]


def ranked(n, seed=0, people=True, **options):
    rng = np.random.default_rng(seed)
    arm, score = rng.permutation(np.arange(n) % 2), rng.random(n)
    y = rng.normal(size=n) + arm * score
    return evaluate(score, y, arm, HALF, people=people, **options), score, arm, y


@pytest.mark.parametrize("n", [24, 60, 120, 200, 500])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_share_holds_ten_of_either_arm(n, seed) -> None:
    e, score, arm, _ = ranked(n, seed)
    frame = e.deciles()
    place = np.argsort(np.argsort(-score)) / n
    groups = len(frame)
    assert frame["n"].sum() == pytest.approx(n)
    for g in range(groups):
        inside = np.clip((g + 1) / groups * n - place * n, 0, 1) - np.clip(g / groups * n - place * n, 0, 1)
        assert min(inside[arm == 0].sum(), inside[arm == 1].sum()) >= 10 - 1e-9 or groups == 1
    # No finer cut would do: otherwise fewer groups than needed would be shown.
    finer = np.floor(place * (groups + 1) + 1e-9).astype(int)
    if groups < 10 and n % (groups + 1) == 0:
        assert min(np.bincount(finer[arm == a], minlength=groups + 1).min() for a in (0, 1)) < 10


def test_numbers_are_those_of_as_many_groups_asked_for() -> None:
    e, *_ = ranked(120)
    frame = e.deciles()
    plain, *_ = ranked(120, people=False)
    assert 1 < len(frame) < 10
    pd.testing.assert_frame_equal(frame, plain.deciles(len(frame)))
    assert len(plain.deciles()) == 10
    same = e.to_frame(), plain.to_frame()
    pd.testing.assert_frame_equal(*same)
    gates = e.gates()
    assert gates.groups < 5 and np.array_equal(gates.estimate, plain.gates(gates.groups).estimate)
    assert f"shown in {gates.groups} groups where 5 were asked for" in gates.notes[0]


def test_what_is_merged_is_said_in_both_languages() -> None:
    e, *_ = ranked(60)
    said = [line for line in e.sentences() if "were asked for" in line]
    assert len(said) == 1 and f"in {len(e.deciles())} group" in said[0]
    assert "要求 10 组" in translate(said[0]) and "Note: the ranking is shown" in e.summary()
    assert "Decile" not in e.curves("deciles").x_label and len(e.curves("deciles").lines[0].x) == len(e.deciles())
    assert "The fifth that it puts first" not in e.summary()
    large, *_ = ranked(2_000)
    assert not any("were asked for" in line for line in large.sentences())
    assert "The fifth that it puts first" in large.summary() and "Decile" in large.curves("deciles").x_label


def test_two_groups_are_refused_where_they_would_be_small() -> None:
    e, *_ = ranked(30)
    assert len(e.deciles()) == 1
    with pytest.raises(DesignError, match="fewer than 10 of 'arm 1' or of the control"):
        e.gates()


@pytest.mark.parametrize("n", [30, 60, 150])
def test_steps_of_a_curve_hold_ten_users(n) -> None:
    e, score, arm, _ = ranked(n)
    at = np.concatenate([[0.0], e.curve()["share"]])
    assert at[-1] == 1 and (np.diff(at) * n >= 10 - 1e-9).all()
    order = arm[np.argsort(-score)]
    for s in at[1:-1]:
        top = order[: int(np.floor(s * n + 1e-9))]
        assert min((top == 0).sum(), (top == 1).sum()) >= 9  # with the part of the user at the border: ten
    plain, *_ = ranked(n, people=False)
    whole = plain.curve(max(n // 10, 1)).set_index("share")
    for s, gain in zip(e.curve()["share"], e.curve()["gain"], strict=True):
        assert whole.loc[s, "gain"] == pytest.approx(gain)


def test_one_more_of_few_changes_nothing_shown() -> None:
    """Three levels of a trait: who has the rare one cannot be told, nor worked out from the others."""
    n = 400
    rng = np.random.default_rng(3)
    score, arm = np.linspace(1, 0, n), np.arange(n) % 2
    y = rng.normal(size=n)

    def shown(rare: int) -> pd.DataFrame:
        tier = np.where(np.arange(n) % 5 < 2, 1, 0)
        tier[:rare] = 2
        traits = {f"tier = {k}": (tier == k).astype(float) for k in range(3)} | {"age": 20 + np.arange(n) % 7.0}
        return evaluate(score, y, arm, HALF, traits=traits, people=True).clan().set_index("feature")

    found = {rare: shown(rare) for rare in (3, 4, 6)}
    for frame in found.values():
        assert frame.loc["tier = 2"].isna().all()
        hidden = [k for k in range(3) if frame.loc[f"tier = {k}"].isna().all()]
        assert len(hidden) >= 2  # 1 less the shares shown is not the share of one level
        assert frame.loc["age"].notna().all()
    pd.testing.assert_frame_equal(found[3].drop(index=["tier = 0", "tier = 1"], errors="ignore").loc[["tier = 2"]],
                                  found[4].loc[["tier = 2"]])  # fmt: skip


def test_dummies_that_add_up_do_not_tell_the_rare_one() -> None:
    n = 400
    kind = np.where(np.arange(n) % 5 < 2, 1, 0)
    kind[[0, 3, 6, 9, 390, 393, 396]] = 2
    traits = {name: (kind == k).astype(float) for k, name in enumerate(("new", "silver", "vip"))}
    traits |= {"age": 20 + np.arange(n) % 7.0}
    e = evaluate(np.linspace(1, 0, n), np.arange(n) % 4.0, np.arange(n) % 2, HALF, traits=traits, people=True)
    shown = e.clan().set_index("feature")["most"].notna().to_dict()
    assert shown == {"new": True, "silver": False, "vip": False, "age": True}


def test_gaps_of_few_are_not_counted() -> None:
    n = 300
    score, arm = np.linspace(1, 0, n), np.arange(n) % 2
    age = 20 + np.arange(n) % 9.0
    age[[1, 5, 9]] = np.nan
    traits = {"age": age, "age missing": np.isnan(age).astype(float)}
    e = evaluate(score, np.arange(n) % 4.0, arm, HALF, traits=traits, people=True)
    frame = e.clan().set_index("feature")
    assert frame.loc["age missing"].isna().all()
    assert frame.loc["age", ["n_most", "n_least"]].isna().all() and frame.loc["age", "most"] > 0
    whole = evaluate(score, np.arange(n) % 4.0, arm, HALF, traits=traits).clan().set_index("feature")
    assert whole.loc["age", "n_most"] == 57 and frame.loc["age", "most"] == whole.loc["age", "most"]


def plan(given, people=True, arms=2):
    """A plan of so many users for every arm, the control first."""
    who = np.repeat(np.arange(len(given)), given)
    effects = np.where(who[:, None] == np.arange(1, arms), 9.0, 0.0)
    p = make_policy(Offer(effects, np.full(effects.shape, 2.0), None, {}))
    return type(p)(**{**p.__dict__, "people": people})


def test_small_arms_of_a_plan() -> None:
    p = plan([90, 4])
    assert p.to_frame()["users"].isna().all() and p.to_frame()["share"].isna().all()
    assert p.cost == 8 and p.expected.value == 28  # the plan is what it was
    text = p.summary()
    assert "Cost" not in text and "none: " not in text and "hidden" in text and ": 4 users" not in text
    said = next(line for line in p.sentences() if line.startswith("Arms that fewer"))
    assert "不足 10 人" in translate(said)
    three = plan([300, 40, 6], arms=3).to_frame()
    assert three["users"].isna().tolist() == [False, True, True]
    assert plan([300, 40, 6], people=False, arms=3).to_frame()["users"].tolist() == [300, 40, 6]
    assert plan([60, 34]).to_frame()["users"].tolist() == [60, 34] and "Cost 68" in plan([60, 34]).summary()


def test_the_words_are_the_same_for_four_and_for_five() -> None:
    four, five = plan([90, 4]), plan([89, 5])
    drop = lambda p: [line for line in p.sentences() if not line.startswith("Net value")]  # noqa: E731  a model's sum
    assert drop(four) == drop(five)
    pd.testing.assert_frame_equal(four.to_frame(), five.to_frame())


def test_who_gets_an_arm_of_few_is_not_described() -> None:
    assign = np.array(["none"] * 50 + ["coupon"] * 3)
    x = np.r_[np.zeros(50), np.full(3, 777.0)][:, None]
    assert who_gets_what(assign, ["none", "coupon"], x, ["orders"], {}, 10) == []
    assert "777" in who_gets_what(assign, ["none", "coupon"], x, ["orders"], {})[0]
    assert who_gets_what(assign[::-1], ["coupon", "none"], x, ["orders"], {}, 10) == []  # all but three


def test_a_plan_for_few_test_users() -> None:
    n = 200
    rng = np.random.default_rng(5)
    arm = np.arange(n) % 2
    held = Held(rng.normal(10, 3, n), arm, np.full((n, 2), 0.5), np.full((n, 1), 2.0), 1.0, people=True)

    def value(treated: int):
        effects = np.where(np.arange(n) < treated, 9.0, 0.0)[:, None]
        offer = Offer(effects, np.full((n, 1), 2.0), None, {}, held)
        p = make_policy(offer)
        return type(p)(**{**p.__dict__, "people": True}).evaluate(offer)

    few, many = value(6), value(60)
    frame = few.to_frame().set_index("term")
    assert frame.loc[["gain", "cost", "roi"], "estimate"].isna().all() and np.isfinite(frame["estimate"].iloc[0])
    assert np.isfinite(few.cost.estimate) and few.cost.estimate * n / 2 == pytest.approx(6)  # what would tell
    assert not any("3.0%" in line or "cost 0.06" in line for line in few.sentences())
    said = next(line for line in few.sentences() if line.startswith("Treated"))
    assert translate(said) != said and "泄露" in translate(said)
    assert "Treated: 30.0% of users" in many.summary() and many.to_frame()["estimate"].notna().all()
    assert not any("only 3 users" in note for note in few.notes)
    assert any(note.startswith("fewer than 10 users of an arm behind fewer than 10 assignments") for note in few.notes)


def test_few_buyers_are_not_counted() -> None:
    influence = np.zeros(3_000)
    influence[:4] = [9.0, 8.0, 30.0, 5.0]
    side = np.r_[np.zeros(1_000, int), np.ones(2_000, int)]
    told = heavy(influence - influence.mean(), side, influence)
    assert "fewer than 10 buyers" in told[0] and "不足 10 个买家" in translate(told[0])


def test_of_a_model_rows_are_people_unless_it_is_told() -> None:
    rng = np.random.default_rng(8)
    n = 240
    table = pd.DataFrame(
        {"user": np.arange(n), "coupon": rng.permutation(np.arange(n) % 2), "tier": rng.integers(0, 4, n)}
    )
    table["gmv"] = rng.exponential(5, n) + table["coupon"] * table["tier"]
    train, test = table.iloc[:120], table.iloc[120:]
    asked = {"outcome": "gmv", "treatment": "coupon", "features": ["tier"], "propensity": 0.5, "learner": "t"}
    for unit, people in ((None, True), ("user", True), ("room", False)):
        named = {} if unit is None else {"unit": unit}
        a, b = (t.rename(columns={"user": unit or "user"}) for t in (train, test))
        m = gc.uplift(a, **asked, **named)
        assert m.people == people
        assert (len(m.evaluate(b).deciles()) < 10) == people
        assert m.policy(b).people == people


CODES = {
    "int": lambda own: own.astype(int),
    "bool": lambda own: own,
    "float": lambda own: own.astype(float),
    "one or two": lambda own: own + 1,
    "part": lambda own: np.where(own, 0.3, 0.1),
    "children": lambda own: np.where(own, 2, np.arange(len(own)) // 2 % 2),
}


@pytest.mark.parametrize("code", CODES)
def test_a_feature_that_few_of_those_who_gain_most_have(code) -> None:
    rng = np.random.default_rng(0)
    n = 1200
    ill = rng.random(n) < 0.02
    table = pd.DataFrame({"arm": np.arange(n) % 2, "gmv": rng.gamma(1, 30, n).round(2), "seen": rng.random(n)})
    table["sick"], table["even"] = CODES[code](ill), CODES["int"](rng.random(n) < 0.5)
    found = {}
    for unit in ("user", "room"):
        data = table.assign(**{unit: np.arange(n)})
        asked = {"outcome": "gmv", "treatment": "arm", "features": ["seen", "sick", "even"], "propensity": 0.5}
        e = gc.uplift(data[:600], **asked, learner="t", unit=unit).evaluate(data[600:])
        assert np.array_equal(np.unique(e.traits["sick"]), np.unique(data["sick"][600:].astype(float)))
        found[unit] = e.clan().set_index("feature")
    # What is left out is what would count them: among rooms the mean of the group times its size does.
    room = found["room"].loc["sick"]
    if code == "int":
        count = room[["most", "least"]].to_numpy(float) * room[["n_most", "n_least"]].to_numpy(float)
        assert count == pytest.approx(np.round(count)) and ((count > 0) & (count < 10)).any()
    assert room.notna().all() and found["user"].loc["sick"].isna().all()
    pd.testing.assert_frame_equal(found["user"].drop(index="sick"), found["room"].drop(index="sick"))


def test_a_feature_of_few_does_not_say_who_gets_an_arm() -> None:
    """Of an arm of 40 four have it, of the others two: shown are means, which count them."""
    assign = np.repeat(["none", "coupon", "push"], [160, 40, 100])
    vip = np.isin(np.arange(300), [1, 2, 161, 162, 163, 164]).astype(float)
    city = np.where(vip == 1, 2.0, np.arange(300) // 2 % 2)
    x = np.column_stack([vip, vip + 1, city, np.where(vip == 1, 2.0, np.arange(300) % 2), assign == "coupon"])
    names, levels = ["vip", "tier", "city", "children", "new"], {2: ["Hefei", "Wuhu", "Lu'an"]}
    labels = ["none", "coupon", "push"]
    shown, told = (who_gets_what(assign, labels, x, names, levels, m) for m in (0, 10))
    assert any("vip 0.1 (others 0.00769)" in line for line in shown)  # 0.1 x 40, 0.00769 x 260
    assert not any(name in line for line in told for name in ("vip", "tier", "city", "children"))
    assert any("new 1 (others 0)" in line for line in told)
