"""`gc.adjust(graph=)`: the set, the words, the check, the front door, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.observational.adjustment.door import FrontDoorResult
from tests.protocol import assert_protocol

RNG = np.random.default_rng(0)
N = 1500
USERS = pd.DataFrame({"spend tier": RNG.integers(0, 4, N), "region": RNG.choice(["北", "south"], N)})
USERS["lot"] = RNG.integers(0, 2, N)
USERS["coupon"] = (RNG.random(N) < 1 / (1 + np.exp(1.5 - USERS["spend tier"] - USERS["lot"]))).astype(int)
USERS["gmv"] = 100 + 10 * USERS["spend tier"] + 5 * (USERS["region"] == "北") + 3 * USERS["coupon"]
USERS["gmv"] += RNG.normal(0, 4, N)
EDGES = [("spend tier", "coupon"), ("spend tier", "gmv"), ("region", "gmv"), ("lot", "coupon"), ("coupon", "gmv")]
CALL: dict[str, Any] = {"treatment": "coupon", "estimator": "regression"}
TASTE = np.random.default_rng(1).normal(size=N)
DOOR = USERS.assign(coupon=(TASTE + RNG.normal(size=N) > 0).astype(int))
DOOR["views"] = 2 * DOOR["coupon"] + RNG.exponential(size=N)
DOOR["gmv"] = 200 + 5 * TASTE + 3 * DOOR["views"] + RNG.normal(size=N)
FRONT = "digraph { taste -> {coupon gmv}; coupon -> views -> gmv; taste [observed=no] }"


def test_the_set_is_found_and_said(tmp_path: Path) -> None:
    before = USERS.copy()
    r = gc.adjust(USERS, graph=EDGES, **CALL)
    assert_protocol(r, tmp_path)
    pd.testing.assert_frame_equal(USERS, before)
    by_name = gc.adjust(USERS, covariates=["region", "spend tier"], **CALL)
    assert (r.estimate, r.std_error) == (by_name.estimate, by_name.std_error) and r.manifest.options["covariates"] == [
        "region", "spend tier"
    ]  # fmt: skip
    text = " ".join(r.summary().split())
    assert "Given region and spend tier, nothing else moves both coupon and gmv, as the graph says" in text
    assert "adjusted for region and spend tier, which leaves the least variance" in text
    assert "spend tier would close every back-door path too" in text
    assert r.audit["graph"].status == "passed" and "lot -> coupon" in r.manifest.options["graph"]
    assert abs(r.estimate - 3) < 4 * r.std_error


def test_every_form_and_every_frame_give_the_same() -> None:
    import polars as pl

    r = gc.adjust(USERS, graph=EDGES, **CALL)
    text = "digraph {" + ";".join(f'"{a}" -> "{b}"' for a, b in EDGES) + "}"
    for form in (text, nx.DiGraph(EDGES), EDGES[::-1]):
        assert gc.adjust(pl.from_pandas(USERS), graph=form, **CALL).estimate == pytest.approx(r.estimate, rel=1e-12)
    again = gc.adjust(USERS.sample(frac=1, random_state=3), graph=EDGES, **CALL)
    assert again.estimate == pytest.approx(r.estimate, rel=1e-12)
    assert again.audit["graph"].value == pytest.approx(r.audit["graph"].value, rel=1e-6)


def test_a_graph_that_the_data_contradict_fails_the_audit() -> None:
    wrong = [e for e in EDGES if e != ("spend tier", "gmv")]
    found = gc.adjust(USERS, graph=wrong, **CALL)
    assert found.audit["graph"].status == "failed" and not found.audit.credible
    assert "'gmv' and 'spend tier' unrelated" in found.audit["graph"].message
    assert "draw it" in found.audit["graph"].remedy


def test_covariates_are_held_against_the_graph() -> None:
    assert gc.adjust(USERS, covariates=["spend tier"], graph=EDGES, **CALL).sample.covariates == ("spend tier",)
    with pytest.raises(gc.InputError, match=r"open: coupon <- spend tier -> gmv. Add spend tier"):
        gc.adjust(USERS, covariates=["region"], graph=EDGES, **CALL)
    with pytest.raises(gc.InputError, match="'region', which the treatment moves by the graph"):
        gc.adjust(USERS, covariates=["region"], graph=[*EDGES, ("coupon", "region")], **CALL)


def test_the_front_door(tmp_path: Path) -> None:
    r = gc.adjust(DOOR, treatment="coupon", graph=FRONT)
    assert isinstance(r, FrontDoorResult) and r.manifest.notes[0].startswith("of the graph 'taste' is no column")
    assert_protocol(r, tmp_path)
    assert abs(r.estimate - 6) < 4 * r.std_error and r.to_frame()["estimate"][1] > 10
    assert r.passed["views"] * r.moved["views"] == pytest.approx(r.estimate, rel=1e-9)
    text = " ".join(r.summary().split())
    assert "no observed set closes coupon <- taste -> gmv" in text and "passes through views" in text
    same = gc.adjust(DOOR.sample(frac=1, random_state=1), treatment="coupon", graph=FRONT)
    assert same.estimate == pytest.approx(r.estimate, rel=1e-9)
    asked = gc.adjust(DOOR, treatment="coupon", graph=FRONT, estimator="ipw")
    assert asked.estimate == r.estimate and "estimator='ipw' is of adjustment sets" in " ".join(asked.manifest.notes)
    assert "front_door" in str(gc.table(r))
    money = gc.adjust(DOOR.assign(gmv=DOOR["gmv"] * 100), treatment="coupon", graph=FRONT)
    assert money.estimate == pytest.approx(100 * r.estimate) and money.std_error == pytest.approx(100 * r.std_error)
    rooms = gc.adjust(DOOR.assign(room=np.arange(N) % 6), treatment="coupon", graph=FRONT, cluster="room")
    assert np.isnan(rooms.std_error) and rooms.audit["few_clusters"].status == "failed"
    with pytest.raises(gc.InputError, match="tells the average effect on everyone, and estimand is 'att'"):
        gc.adjust(DOOR, treatment="coupon", graph=FRONT, estimand="att")


def test_front_door_covers_on_known_truth() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(150):
        taste = rng.normal(size=400)
        d = pd.DataFrame({"coupon": (taste + rng.normal(size=400) > 0.5).astype(int)})
        d["views"] = d["coupon"] + rng.exponential(size=400)
        d["gmv"] = 9 + 2 * taste + 3 * d["views"] + rng.normal(size=400)
        low, high = gc.adjust(d, treatment="coupon", graph=FRONT).conf_int()
        inside += low < 3 < high
    assert abs(inside / 150 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 150)


def test_what_no_set_identifies_is_refused() -> None:
    hidden = [*EDGES, ("taste", "coupon"), ("taste", "gmv")]
    with pytest.raises(gc.DesignError, match=r"'lot' is an instrument. Call gc.iv\(.*instrument='lot'\)"):
        gc.adjust(USERS, graph=hidden, **CALL)
    with pytest.raises(gc.DesignError, match=r"coupon <- taste -> gmv, and there is neither.*Observe taste"):
        gc.adjust(USERS, graph=[e for e in hidden if e[0] != "lot"], **CALL)
    with pytest.raises(gc.DesignError, match="nothing has to be adjusted for"):
        gc.adjust(USERS, graph=[("coupon", "gmv")], **CALL)
    with pytest.raises(gc.InputError, match="'shop'"):
        gc.adjust(USERS, graph=[("shop", "gmv")], treatment="shop")


def test_nodes_with_gaps_are_left_out_of_the_check_and_said() -> None:
    gaps = USERS.assign(lot=USERS["lot"].where(USERS.index > 5))
    found = gc.adjust(gaps, graph=EDGES, **CALL)
    assert "lot could not be read for it" in found.audit["graph"].message
