"""What moves predicted effects: sums, names, levels, a second computation, refusals."""

from __future__ import annotations

import functools
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.stats.nuisance.boost import Bins, Recipe

RNG = np.random.default_rng(11)
N = 3000
USERS = pd.DataFrame({
    "tier": RNG.integers(0, 4, N), "noise": RNG.normal(size=N), "recency": RNG.random(N),
    "city": np.array(["Hefei", "上海", "O'Fallon"])[RNG.integers(0, 3, N)], "push": RNG.permutation(np.arange(N) % 2),
})  # fmt: skip
EFFECT = 3.0 * USERS["tier"] - 4 * USERS["recency"] + 5 * (USERS["city"] == "Hefei")
USERS["gmv"] = 20 + EFFECT * USERS["push"] + RNG.normal(size=N)
USERS.loc[::50, "recency"] = np.nan
CALL: dict[str, Any] = {"treatment": "push", "features": ["noise", "tier", "recency", "city"], "propensity": 0.5}


@functools.cache
def model() -> Any:
    return gc.uplift(USERS, **CALL, learner="dr")


@functools.cache
def found() -> Any:
    return model().explain()


def test_sums_names_and_levels() -> None:
    np.testing.assert_allclose(found().values.sum(axis=1) + found().mean, found().prediction, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(found().effects, model().predict(USERS)[:, 0])
    assert found().values.shape == (N, 4) and found().fidelity > 0.9 and found().unit == "gmv per unit"
    frame = found().to_frame()
    assert frame["feature"].tolist()[-1] == "noise" and frame["share"].sum() == pytest.approx(1)
    told = frame.set_index("feature")["direction"]
    assert told["tier"] == "rises with it" and told["recency"] == "falls with it"
    assert told["city"].startswith("most for 'Hefei'")
    levels = found().levels().set_index("level")
    assert set(levels["feature"]) == {"city"} and levels["n"].sum() == N
    assert levels.loc["Hefei", "mean_shap"] > 2 > 0 > levels.loc["上海", "mean_shap"]
    assert "R2" in found().summary() and "tier" in found().summary()
    for kind in ("bar", "beeswarm"):
        found().plot(kind)
    with pytest.raises(gc.InputError, match="'bar', 'beeswarm'"):
        found().plot("pie")


def test_values_are_shapley_s() -> None:
    """All subsets of three features by hand: what trees expect, path by path, where only some features are known."""
    rng = np.random.default_rng(0)
    x = np.asfortranarray(rng.integers(0, 2, (400, 3)).astype(np.float32))
    y = x[:, 0] + 2 * x[:, 1] * x[:, 2] + rng.normal(size=400) * 0.1
    trees = Bins(x, (), 0, 1).train(np.arange(400), y, Recipe(3, 8, 0.5, 5, 0.0))
    dump = [t["tree_structure"] for t in trees.booster.dump_model()["tree_info"]]

    def expected(node: dict[str, Any], row: Any, known: tuple[int, ...]) -> float:
        if "leaf_value" in node:
            return float(node["leaf_value"])
        sides = node["left_child"], node["right_child"]
        if node["split_feature"] in known:
            return expected(sides[int(row[node["split_feature"]] > node["threshold"])], row, known)
        size = [s.get("internal_count", s.get("leaf_count")) for s in sides]
        return sum(c / sum(size) * expected(s, row, known) for c, s in zip(size, sides, strict=True))

    found = trees.contributions(x[:5])
    np.testing.assert_allclose(found.sum(axis=1), trees.predict(x[:5]), atol=1e-12)
    for row, mine in zip(x[:5], found, strict=True):
        for j in range(3):
            others = [k for k in range(3) if k != j]
            value = sum(
                (expected(t, row, (*s, j)) - expected(t, row, s)) / (3 * comb(2, len(s)))
                for t in dump for size in range(3) for s in combinations(others, size)
            )  # fmt: skip
            assert mine[j] == pytest.approx(trees.spread * value, abs=1e-6)  # counts are whole in the dump, sums not


def test_other_rows_and_arms(tmp_path: Path) -> None:
    new = USERS.sample(40, random_state=1)
    some = model().explain(new)
    np.testing.assert_allclose(some.values, found().values[new.index], rtol=0, atol=1e-12)
    users = USERS.assign(push=np.array(["none", "one", "two"])[np.arange(N) % 3])
    users["gmv"] = 20 + np.where(
        users["push"] == "two", EFFECT, USERS["recency"].fillna(0) * 20 * (users["push"] == "one")
    )
    m = gc.uplift(users, **{**CALL, "propensity": None}, control="none", learner="dr")
    first = m.explain(new)
    assert first.arm == "one" and first.to_frame()["feature"][0] == "recency"
    assert m.explain(new, arm="two").to_frame()["feature"][0] in ("tier", "city")
    with pytest.raises(gc.InputError, match=r"arm is 'three'.*'one', 'two'"):
        m.explain(arm="three")
    model().save(tmp_path / "m.uplift")
    again = gc.load_uplift(tmp_path / "m.uplift")
    np.testing.assert_allclose(again.explain(USERS[:200]).effects, found().effects[:200])
    with pytest.raises(gc.InputError, match="Pass data="):
        again.explain()


def test_nothing_to_explain() -> None:
    with pytest.raises(gc.DesignError, match="without features"):
        gc.uplift(USERS, **{**CALL, "features": []}).explain()
    flat = gc.uplift(USERS.assign(gmv=7.0), **CALL, learner="dr")
    with pytest.raises(gc.DesignError, match="same effect"):
        flat.explain()


def test_an_imitation_that_does_not_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    from gmvcausal.targeting.referee import explain

    monkeypatch.setattr(explain, "_RECIPE", Recipe(1, 2, 0.1))
    with pytest.raises(gc.DesignError, match=r"no small trees follow this model: R2 0\.\d+"):
        model().explain()
