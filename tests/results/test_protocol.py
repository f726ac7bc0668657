"""Every kind of result of a roll-out, and money, keeps the shared protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import campaigns, rollout, thinned
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.results import Audit, Check, Manifest

PANEL = rollout(n=120, seed=1)
FEW = PANEL.assign(first_treated=PANEL["first_treated"].where(PANEL["unit"] < 6))
STACK = {"estimator": "stacked", "stack": "campaign", "treated": "treated"}
SWITCH = PANEL.assign(on=(PANEL["unit"] + PANEL["period"]) % 3 == 0)

RESULTS: dict[str, Any] = {
    "callaway_santanna": lambda: gc.did(PANEL),
    "unbalanced": lambda: gc.did(thinned(PANEL), alpha=0.1, bands="pointwise"),
    "clusters": lambda: gc.did(PANEL, cluster="place", control="not_yet_treated"),
    "weighted": lambda: gc.did(PANEL, weights="w"),
    "few clusters": lambda: gc.did(FEW),
    "no never treated": lambda: gc.did(PANEL[PANEL["first_treated"].notna()]),
    "all zero": lambda: gc.did(PANEL.assign(gmv=0)),
    "exact": lambda: gc.did(PANEL.assign(gmv=3.0 * (PANEL["period"] >= PANEL["first_treated"]))),
    "two_by_two": lambda: gc.did(rollout(cohorts=(4,)), estimator="two_by_two"),
    "twfe": lambda: gc.did(PANEL, estimator="twfe"),
    "switching": lambda: gc.did(SWITCH, estimator="twfe", treated="on"),
    "stacked": lambda: gc.did(campaigns(), **STACK),
    "naive": lambda: gc.did(PANEL, estimator="naive"),
    "money": lambda: gc.did(PANEL).incremental_gmv(),
    "money with cost": lambda: gc.did(PANEL).incremental_gmv(cost=100, cost_is="other", gmv_is="paid", margin=0.4,
    refunds=0.1),
    "money with estimated cost": lambda: gc.did(PANEL).incremental_gmv(
        cost=gc.did(PANEL.assign(cost=PANEL["gmv"] * 0.2), outcome="cost"), cost_is="other", gmv_is="paid"),
    "money of few": lambda: gc.did(FEW).incremental_gmv(cost=100, cost_is="other", gmv_is="paid"),
    "money of a stack": lambda: gc.did(campaigns(), **STACK).incremental_gmv(),
}  # fmt: skip


@pytest.mark.parametrize("name", list(RESULTS))
def test_protocol(name: str, tmp_path: Path) -> None:
    assert_protocol(RESULTS[name](), tmp_path)


@pytest.mark.parametrize("name", [name for name in RESULTS if name not in ("few clusters", "money of few")])
def test_the_hash_is_of_the_data(name: str) -> None:
    make = RESULTS[name]
    assert make().manifest.data_sha256 == make().manifest.data_sha256


@pytest.mark.parametrize(
    ("options", "column"),
    [({}, "gmv"), ({}, "first_treated"), ({"weights": "w"}, "w"), ({"cluster": "place"}, "place"),
    ({"estimator": "twfe", "treated": "on"}, "on")],
)  # fmt: skip
def test_the_hash_changes_with_one_value(options: dict[str, Any], column: str) -> None:
    frame = SWITCH.assign(on=SWITCH["on"].astype(int))
    plain = gc.did(frame, **options).manifest.data_sha256
    assert gc.did(frame.sample(frac=1, random_state=0), **options).manifest.data_sha256 == plain
    changed = frame.copy()
    unit = changed["unit"] == 17
    if column == "gmv":
        changed.loc[unit & (changed["period"] == 2), "gmv"] += 1e-9
    elif column == "on":
        changed.loc[unit & (changed["period"] == 2), "on"] = 1 - changed.loc[unit & (changed["period"] == 2), "on"]
    else:
        changed.loc[unit, column] = {"first_treated": 4, "w": 0.123, "place": 99}[column]
    assert gc.did(changed, **options).manifest.data_sha256 != plain
    # What the analysis does not read does not count.
    assert gc.did(frame.assign(note="x"), **options).manifest.data_sha256 == plain


def test_the_manifest_names_every_option() -> None:
    import inspect

    told = gc.did(PANEL, never=float("inf"), alpha=np.float64(0.1), seed=np.int64(3)).manifest.to_dict()
    assert set(told["options"]) == set(inspect.signature(gc.did).parameters) - {"data"}
    assert told["options"]["alpha"] == 0.1 and told["seed"] == 3 and told["options"]["never"] == "inf"


def test_an_audit_orders_its_checks_and_names_them() -> None:
    audit = Audit(
        (Check("a", "passed", "fine"), Check("b", "failed", "bad", 0.5, 0.1, "fix"), Check("c", "not_run", "no"))
    )
    assert [c.name for c in audit] == ["b", "a", "c"]
    assert not audit.credible and [c.name for c in audit.failed] == ["b"] and not audit.warned
    assert "b" in audit and "z" not in audit
    with pytest.raises(gc.InputError, match=r"no check called 'z'.*b, a, c"):
        audit["z"]
    with pytest.raises(gc.InputError, match="status must be one of"):
        Check("a", "ok", "fine")
    assert Audit(()).credible and Audit(()).to_frame().empty


def test_a_manifest_of_odd_options_is_json() -> None:
    odd = {
        "a": float("nan"),
        "b": np.int64(3),
        "c": (1, float("inf")),
        "d": pd.Timestamp("2025-01-01"),
        "e": object,
        "f": True,
        "g": "购\ud800",
    }
    text = Manifest("did", odd, 0, 1, 1).to_json()
    assert '"nan"' in text and '"b": 3' in text and "2025-01-01" in text and '"f": true' in text


@pytest.mark.parametrize("level", [0, 1, 95, -0.1, "x", True, float("nan")])
def test_levels_that_make_no_sense(level: Any) -> None:
    with pytest.raises(gc.InputError, match="level must be a number in \\(0, 1\\)"):
        gc.did(PANEL).conf_int(level)


def test_tables_that_a_design_does_not_have() -> None:
    for name in ("att_gt", "by_cohort", "by_period"):
        with pytest.raises(gc.InputError, match="callaway_santanna"):
            getattr(gc.did(PANEL, estimator="twfe"), name)()
    with pytest.raises(gc.InputError, match="no event study: the treatment switches"):
        gc.did(SWITCH, estimator="twfe", treated="on").event_study()
    with pytest.raises(gc.InputError, match="no stack"):
        gc.did(PANEL).by_stack()
    assert gc.did(SWITCH, estimator="twfe", treated="on").audit["pre_trend"].status == "not_run"


def test_results_are_compared_by_identity() -> None:
    frame = rollout()
    one, two = gc.did(frame), gc.did(frame)
    assert one == one and one != two and one in [two, one]
    assert len({one, two}) == 2
