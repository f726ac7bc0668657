"""Guardrails by non-inferiority, and metrics that open in a fixed order."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ab_users import users
from scipy import stats

import gmvcausal as gc
from gmvcausal.stats.multiplicity import adjust

DATA = users(n=2000, arms=3, seed=5)


def test_by_hand() -> None:
    """Eight users: t - (1 + m) c over its own standard error, with that contrast's Welch degrees of freedom."""
    data = pd.DataFrame({"arm": [0, 0, 0, 0, 1, 1, 1, 1], "orders": [4.0, 6, 5, 5, 5, 7, 4, 6]})
    t_mean, c_mean, t_var, c_var = 5.5, 5.0, (5 / 3) / 4, (2 / 3) / 4
    for margin, side in ((-0.1, 1), (0.2, -1)):
        factor = 1 + margin
        v = factor**2 * c_var
        df = (t_var + v) ** 2 / (t_var**2 / 3 + v**2 / 3)
        t = side * (t_mean - factor * c_mean) / math.sqrt(t_var + v)
        row = gc.ab_test(data, metrics=["orders"], guardrails={"orders": margin}).guardrails().iloc[0]
        assert row["p_value"] == pytest.approx(stats.t.sf(t, df), abs=1e-12)
        assert row["relative"] == pytest.approx(0.1)
        # The limit solves (t - (1 + r) c)^2 = critical^2 (var_t + (1 + r)^2 var_c).
        r = 1 + row["bound"]
        gap = side * (t_mean - r * c_mean)
        assert gap == pytest.approx(stats.t.ppf(0.95, df) * math.sqrt(t_var + r * r * c_var), abs=1e-9)


@pytest.mark.parametrize("margin", [-0.4, -0.1, -0.02, 0.02, 0.15, 0.4])
def test_limit_and_test_never_disagree(margin: float) -> None:
    seen = set()
    for seed in range(8):
        data = users(n=400, seed=seed)
        r = gc.ab_test(
            data,
            metrics=["gmv", "orders", gc.Ratio("gmv", "orders"), gc.Mean("age", pre="gmv_pre")],
            guardrails={"gmv": margin, "orders": margin, "gmv / orders": margin, "age": margin},
        )
        for g in r.guardrails().itertuples():
            inside = g.bound > margin if margin < 0 else g.bound < margin
            assert inside == (g.p_value < 0.05) == (g.status == "holds")
            assert (g.status == "harmed") == (g.p_value > 0.95)
            seen.add(g.status)
    assert "not shown" in seen or "holds" in seen


def test_a_breach_is_called_harm_and_the_rule_is_said() -> None:
    data = DATA.assign(refund=np.where(DATA["arm"] == 2, 3.0, 1.0) + np.arange(len(DATA)) % 3)
    r = gc.ab_test(data, control=0, metrics=["gmv", "refund"], guardrails={"refund": 0.05})
    found = r.guardrails().set_index("arm")
    assert found.loc[1, "status"] == "holds"
    assert found.loc[2, "status"] == "harmed"
    text = " ".join(r.summary().split())
    assert "Guardrail refund, 2: may rise by at most 5 %" in text
    assert "it is not so for refund (2)" in text
    alone = gc.ab_test(data[data["arm"] < 2], metrics=["gmv", "refund"], guardrails={"refund": 0.05})
    assert "every guardrail of its arm holds; all do" in " ".join(alone.summary().split())


def test_the_capped_row_decides_where_the_headline_is_its_own() -> None:
    data = pd.concat(
        [users(n=600, seed=1, sigma=2.5).query("arm == 1"), users(n=6000, seed=1, sigma=2.5).query("arm == 0")]
    )
    r = gc.ab_test(data, metrics=["gmv"], guardrails={"gmv": -0.3}, expected_ratio={0: 10, 1: 1})
    assert [g.decides for g in r.guarded] == [r.spoken == 0, r.spoken == 1]
    assert r.spoken == 1
    even = gc.ab_test(users(n=3000, seed=1), metrics=["gmv"], guardrails={"gmv": -0.3})
    assert [g.decides for g in even.guarded] == [True, False]
    asked = gc.ab_test(data, metrics=[gc.Mean("gmv", cap=0.9)], guardrails={"gmv": -0.3})
    assert [(g.capped, g.decides) for g in asked.guarded] == [(True, True), (False, False)]


def test_margin_of_the_logarithm_is_that_of_the_total() -> None:
    data = users(n=3000, seed=3)
    r = gc.ab_test(data, metrics=[gc.Gmv("gmv", "orders")], guardrails={"gmv": -0.1})
    found, total = r.guardrails(), r.to_frame().iloc[0]
    assert len(found) == 1
    t = (total["estimate"] - math.log(0.9)) / total["std_error"]
    assert found["p_value"][0] == pytest.approx(stats.t.sf(t, total["df"]), abs=1e-12)


def test_relations() -> None:
    metrics: list[Any] = [gc.Ratio("gmv", "orders"), "gmv"]
    guards = {"gmv / orders": -0.05, "gmv": -0.1}
    plain = gc.ab_test(DATA, control=0, metrics=metrics, guardrails=guards).guardrails()
    scaled = DATA.assign(gmv=DATA["gmv"] * 100).sample(frac=1, random_state=1)
    again = gc.ab_test(scaled, control=0, metrics=metrics, guardrails=guards).guardrails()
    np.testing.assert_allclose(plain[["bound", "p_value"]], again[["bound", "p_value"]], rtol=1e-9)
    assert len(plain) == 8  # two metrics, two arms, capped rows beside
    clusters = gc.ab_test(DATA, control=0, metrics=["gmv"], cluster="place", guardrails={"gmv": -0.1})
    assert (clusters.guardrails()["p_value"] < 1).all()  # clusters that hold several arms
    few = gc.ab_test(DATA, control=0, metrics=["gmv"], cluster="segment", guardrails={"gmv": -0.1}).guardrails()
    assert few["p_value"].isna().all()
    assert set(few["status"]) == {"not shown"}
    assert not len(gc.ab_test(DATA, control=0, metrics=metrics).guardrails())


def test_guardrails_stand_outside_the_family() -> None:
    metrics: list[Any] = [gc.Mean("gmv", cap=None), gc.Mean("orders", cap=None), gc.Proportion("bought")]
    plain = gc.ab_test(DATA, control=0, metrics=metrics[:2], adjust="holm").to_frame()
    alone = gc.ab_test(DATA, control=0, metrics=metrics[2]).to_frame()
    both = gc.ab_test(DATA, control=0, metrics=metrics, adjust="holm", guardrails={"bought": -0.05})
    columns = ["estimate", "p_value", "conf_low", "conf_high", "relative_low"]
    np.testing.assert_allclose(both.to_frame()[columns][:4], plain[columns], rtol=1e-9)
    np.testing.assert_allclose(both.to_frame()[columns][4:], alone[columns], rtol=1e-9)
    assert "guardrails stand outside" in " ".join(both.summary().split())
    only = gc.ab_test(DATA, control=0, metrics=metrics[2], adjust="holm", guardrails={"bought": -0.05})
    np.testing.assert_allclose(only.to_frame()[columns], alone[columns], rtol=1e-9)


@pytest.mark.parametrize(
    ("guards", "words"),
    [
        ({"gmv/orders": -0.02}, "no metric of this test.*Did you mean 'gmv / orders'"),
        ({"refund": 0.02}, "'refund', which is no metric.*List it in metrics="),
        ({"gmv / orders": 0}, "above -1 other than 0, but is 0"),
        ({"gmv / orders": -1}, "but is -1.*at most 2 %"),
        ({"gmv / orders": "2%"}, "but is '2%'"),
        ({"gmv / orders": True}, "but is True"),
        ({"gmv / orders": math.nan}, "but is nan"),
        (["gmv / orders"], "must map metrics to margins"),
    ],
)
def test_bad_guardrails(guards: Any, words: str) -> None:
    with pytest.raises(gc.InputError, match=words.replace("/", re.escape("/"))):
        gc.ab_test(DATA, control=0, metrics=[gc.Ratio("gmv", "orders")], guardrails=guards)


# --- a fixed order ----------------------------------------------------------------------------------------------------
def test_hierarchical_by_hand() -> None:
    """Families are the metrics as listed; Holm over the arms within; the next opens when all are rejected."""
    data = DATA.assign(strong=DATA["age"] + 5.0 * DATA["arm"], weak=DATA["age"] + 0.9 * (DATA["arm"] == 2))
    names = ["strong", "weak", "bought"]
    plain = gc.ab_test(data, control=0, metrics=names).to_frame()
    r = gc.ab_test(data, control=0, metrics=names, adjust="hierarchical")
    found, p = r.to_frame(), plain["p_value"].to_numpy()

    def within(pair: Any) -> list[float]:
        small, large = sorted(pair)
        return [min(1.0, 2 * one if one == small else max(2 * small, large)) for one in pair]

    first, second, third = within(p[:2]), within(p[2:4]), within(p[4:6])
    assert max(first) < 0.05 < max(second)
    gate = max(*first, *second)
    wanted = [*first, *(max(q, max(first)) for q in second), *(max(q, gate) for q in third)]
    np.testing.assert_allclose(found["p_value"], wanted, rtol=1e-12)
    half = stats.t.ppf(1 - 0.0125, found["df"]) * found["std_error"]
    np.testing.assert_allclose(found["conf_high"][:4] - found["estimate"][:4], half[:4], rtol=1e-9)
    assert found[["conf_low", "conf_high", "relative_low", "relative_high"]][4:].isna().all().all()
    assert found["relative"].notna().all()
    assert "open in the order listed" in " ".join(r.summary().split())
    r.plot()


def test_the_row_that_speaks_opens_the_gates() -> None:
    """One row per metric and arm is in the family; the row beside it is adjusted in its place, and opens nothing."""
    rng = np.random.default_rng(2)
    n = 20_000
    arm = (np.arange(n) % 10 == 0).astype(int)
    buys = rng.random(n) < 0.05
    gmv = np.where(buys, np.exp(rng.normal(3 + 0.4 * arm, 2.2)), 0.0)
    data = pd.DataFrame({"arm": arm, "gmv": gmv, "app": rng.random(n) < 0.3 + 0.02 * arm})
    metrics: list[Any] = [gc.Mean("gmv"), gc.Proportion("app")]
    shares = {0: 0.9, 1: 0.1}
    raw = gc.ab_test(data, metrics=metrics, expected_ratio=shares)
    assert raw.speaks == 1  # few large values decide the plain interval
    p = raw.to_frame()["p_value"].to_numpy()
    gates = gc.ab_test(data, metrics=metrics, expected_ratio=shares, adjust="hierarchical")
    found = gates.to_frame()["p_value"].to_numpy()
    np.testing.assert_allclose(found, [p[0], p[1], max(p[1], p[2])], rtol=1e-12)
    assert "no findings of their own" in " ".join(gates.summary().split())
    for how in ("holm", "bh"):
        own = gc.ab_test(data, metrics=metrics, expected_ratio=shares, adjust=how).to_frame()["p_value"]
        np.testing.assert_allclose(own[1:], adjust(how, [p[1], p[2]]).p_value, rtol=1e-12)
        assert own[0] == pytest.approx(adjust(how, [p[0], p[2]]).p_value[0], rel=1e-12)


def test_a_metric_alone_is_its_own_family() -> None:
    one = gc.ab_test(DATA, control=0, metrics="gmv", adjust="hierarchical").to_frame()
    holm = gc.ab_test(DATA, control=0, metrics="gmv", adjust="holm").to_frame()
    np.testing.assert_allclose(one["p_value"], holm["p_value"], rtol=1e-12)


def test_the_order_matters_and_rows_do_not() -> None:
    data = users(n=1500, seed=9).assign(up=lambda f: f["age"] + 6.0 * f["arm"])
    one = gc.ab_test(data, metrics=["up", "age"], adjust="hierarchical").to_frame().set_index("term")
    shuffled = data.sample(frac=1, random_state=2)
    two = gc.ab_test(shuffled, metrics=["age", "up"], adjust="hierarchical").to_frame().set_index("term")
    plain = gc.ab_test(data, metrics=["up", "age"]).to_frame().set_index("term")
    assert one.loc["age", "p_value"] == pytest.approx(plain.loc["age", "p_value"])  # no price after an open gate
    assert two.loc["up", "p_value"] == pytest.approx(plain.loc["age", "p_value"])  # behind a closed one
    assert math.isnan(two.loc["up", "conf_low"])
