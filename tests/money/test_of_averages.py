"""Money of averages per unit: what adds up, over whom, and what has no total."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.money import incremental_gmv, of_design

_RNG = np.random.default_rng(3)
N = 1_200
_SENT = _RNG.integers(0, 2, N)
_GOT = (_SENT == 1) & (_RNG.random(N) < 0.6)
USERS = pd.DataFrame({
    "sent": _SENT, "got": _GOT.astype(int), "age": _RNG.normal(35, 9, N), "one": 1,
    "arm": np.where(_SENT == 0, "none", np.where(_RNG.random(N) < 0.5, "small", "large")),
    "orders": _RNG.poisson(1.0 + 0.3 * _GOT),
}).assign(gmv=lambda f: f["orders"] * _RNG.gamma(4, 10, N))  # fmt: skip


def money(result: Any, **options: Any) -> pd.DataFrame:
    return result.incremental_gmv(**options).to_frame().set_index("term")


# --- instruments ------------------------------------------------------------------------------------------------------
def test_of_an_instrument_it_is_what_assignment_brought(tmp_path: Path) -> None:
    r = gc.iv(USERS, "gmv", "got", "sent")
    total = r.incremental_gmv(cost=500, cost_is="other", gmv_is="paid", margin=0.4, refunds=0.1)
    sent = USERS["sent"] == 1
    gap = USERS["gmv"][sent].mean() - USERS["gmv"][~sent].mean()
    told = total.to_frame().set_index("term")["estimate"]
    assert told["incremental_gmv"] == pytest.approx(gap * sent.sum(), rel=1e-9)
    # The same as the effect on compliers times their number among the assigned: nobody else had it.
    assert told["incremental_gmv"] == pytest.approx(r.estimate * _GOT.sum(), rel=1e-9)
    assert told["profit"] == pytest.approx(0.4 * 0.9 * told["incremental_gmv"] - 500)
    test = gc.ab_test(USERS, arm="sent", metrics="gmv", received="got").incremental_gmv(gmv_is="paid")
    assert told["incremental_gmv"] == pytest.approx(test.estimate, rel=1e-9)
    assert total.to_frame()["std_error"][0] == pytest.approx(test.std_error, rel=1e-2)
    assert "units assigned" in total.summary() and total.audit["one_sided"].status == "passed"
    assert_protocol(total, tmp_path)


def test_an_instrument_given_covariates_is_weighted() -> None:
    r = gc.iv(USERS, "gmv", "got", "sent", covariates=["age"])
    assert r.incremental_gmv(gmv_is="paid").audit["total_weighting"].status == "warned"


def test_an_instrument_without_arms_has_no_total() -> None:
    r = gc.iv(USERS.assign(z=USERS["sent"] + _RNG.normal(0, 0.3, N)), "gmv", "got", "z")
    with pytest.raises(gc.InputError, match=r"nothing says how many these are"):
        r.incremental_gmv()
    with pytest.raises(gc.InputError, match=r"an instrument has one"):
        incremental_gmv(gc.iv(USERS, "gmv", "got", "sent"), arm="sent")


# --- uplift -----------------------------------------------------------------------------------------------------------
QUICKLY: dict[str, Any] = {"learner": "s", "folds": 2, "propensity": 0.5}


def test_of_uplift_it_is_over_all_or_over_the_treated() -> None:
    call: dict[str, Any] = {"outcome": "gmv", "treatment": "sent", "features": ["age"], **QUICKLY}
    everybody, treated = (gc.uplift(USERS, estimand=e, **call) for e in ("ate", "att"))
    for r, size in ((everybody, N), (treated, int(_SENT.sum()))):
        told = money(r, cost=200, cost_is="other", gmv_is="paid", margin=0.5)
        assert told["estimate"]["incremental_gmv"] == pytest.approx(r.estimate * size, rel=1e-12)
        assert told["std_error"]["incremental_gmv"] == pytest.approx(r.std_error * size, rel=1e-12)
        assert told["estimate"]["profit"] == pytest.approx(0.5 * r.estimate * size - 200)
    assert "had each of them 1 in place of 0" in everybody.incremental_gmv().estimand
    assert "who had 1" in treated.incremental_gmv().estimand
    with pytest.raises(gc.InputError, match=r"nobody in particular.*estimand='att'"):
        gc.uplift(USERS, estimand="overlap", **call).incremental_gmv()


def test_of_several_arms_one_is_named(tmp_path: Path) -> None:
    r = gc.uplift(USERS, outcome="gmv", treatment="arm", control="none", features=["age"], learner="s", folds=2,
                  propensity={"none": 0.5, "small": 0.25, "large": 0.25})  # fmt: skip
    with pytest.raises(gc.InputError, match=r"2 treated arms.*arm='large'"):
        r.incremental_gmv()
    with pytest.raises(gc.InputError, match=r"no treated arm 'smal'.*small"):
        r.incremental_gmv(arm="smal")
    small = r.to_frame().query("arm == 'small'")["estimate"].iloc[0]
    assert money(r, arm="small")["estimate"]["incremental_gmv"] == pytest.approx(small * N, rel=1e-12)
    r.save(tmp_path / "model")
    with pytest.raises(gc.InputError, match=r"not in the file"):
        gc.load_uplift(tmp_path / "model").incremental_gmv(arm="small")


# --- decompositions ---------------------------------------------------------------------------------------------------
def test_of_a_decomposed_test_it_is_that_of_the_test() -> None:
    r = gc.decompose(USERS, ["orders", "gmv"], by="sent", assignment="random")
    test = gc.ab_test(USERS, arm="sent", metrics="gmv").incremental_gmv(gmv_is="paid")
    told = money(r, gmv_is="paid")
    assert told["estimate"]["incremental_gmv"] == pytest.approx(test.estimate, rel=1e-9)
    assert told["std_error"]["incremental_gmv"] == pytest.approx(test.std_error, rel=1e-9)


def test_a_change_between_periods_is_no_effect() -> None:
    r = gc.decompose(USERS, ["orders", "gmv"], by="sent")
    with pytest.raises(gc.DesignError, match=r"a change between levels of 'sent'.*assignment='random'"):
        r.incremental_gmv()


# --- what has no total ------------------------------------------------------------------------------------------------
def test_a_threshold_has_no_total() -> None:
    market = gc.simulate.world("D15", n=2_000, seed=1)
    r = gc.threshold(market.table(), **market.design.call)
    with pytest.raises(gc.DesignError, match=r"units at gmv_pre = 300, and of nobody else.*per unit at the threshold"):
        r.incremental_gmv(cost=10, cost_is="other")


def test_other_things_have_none_either() -> None:
    with pytest.raises(gc.InputError, match=r"adds up over units, but got DataFrame"):
        incremental_gmv(USERS)
    counts = gc.iv(USERS, "orders", "got", "sent")
    with pytest.raises(gc.InputError, match=r"'orders', which counts things"):
        counts.incremental_gmv()
    for r in (counts, gc.decompose(USERS, ["orders", "gmv"], by="sent", assignment="random")):
        with pytest.raises(gc.InputError, match=r"metric= chooses among outcomes"):
            incremental_gmv(r, metric="gmv")
        with pytest.raises(gc.InputError, match=r"cost= must be a number here"):
            incremental_gmv(r, cost="orders", cost_is="other", gmv_is="paid")


def test_what_shares_an_effect_out_leaves_its_money_to_the_effect() -> None:
    users = USERS.assign(seen=USERS["got"] | (USERS["gmv"] > 12).astype(int))
    r = gc.mediate(users, "gmv", "sent", ["seen"], reps=0)
    with pytest.raises(gc.InputError, match=r"shares an effect out.*gc\.ab_test"):
        r.incremental_gmv(cost=10, cost_is="other", gmv_is="paid")
    with pytest.raises(gc.InputError, match=r"adds up over units, but got Pooled"):
        gc.combine(pd.DataFrame({"estimate": [1.0, 2.0], "std_error": [1.0, 1.0]})).incremental_gmv()


def test_every_design_that_is_named_is_there() -> None:
    readers = of_design._READERS | {kind: reader for kind, (reader, _) in of_design._ONE_ROW.items()}
    for name in (*readers, *readers.values(), *of_design._NONE):
        module, _, what = name.partition(":")
        assert callable(getattr(import_module(module), what)), name
