"""What the audit says of cases that once passed unseen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.rollout.audit.rules import RULES, judge


def panel(units: int = 200, periods: int = 12, start: int = 7, effect: float = 0.0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"unit": np.repeat(np.arange(units), periods), "period": np.tile(np.arange(1, periods + 1), units)}
    )
    frame["first_treated"] = np.where(frame["unit"] < units // 2, float(start), np.nan)
    frame["gmv"] = rng.gamma(16, 2, len(frame)) + effect * (frame["period"] >= frame["first_treated"])
    return frame


@pytest.mark.parametrize("name", [n for n, r in RULES.items() if r.warn is not None or r.fail is not None])
def test_thresholds_are_sharp(name: str) -> None:
    rule = RULES[name]
    sign = -1 if rule.small_is_bad else 1
    for bound, status in ((rule.warn, "warned"), (rule.fail, "failed")):
        if bound is not None:
            assert judge(name, bound + sign * 1e-9) == status
            assert judge(name, bound - sign * 1e-9) != status


def test_naive_is_never_believed_even_where_it_is_right() -> None:
    result = gc.did(panel(effect=3.0), estimator="naive")
    assert not result.audit.credible
    assert result.audit["no_design"].status == "failed"


def test_a_season_is_no_selection() -> None:
    frame = panel()
    frame["gmv"] += 20 * (frame["period"] >= 7)  # everyone's peak, in the weeks after the start
    assert gc.did(frame, estimator="naive").audit["selection"].status == "passed"
    frame["gmv"] += 3 * (frame["unit"] < 100)
    assert gc.did(frame, estimator="naive").audit["selection"].status == "failed"


def test_half_of_the_units_in_cents_are_seen() -> None:
    frame = panel()
    frame.loc[frame["unit"] % 2 == 0, "gmv"] *= 100
    assert gc.did(frame).audit["scale_mix"].status == "warned"
    heavy = panel(units=2000)
    rng = np.random.default_rng(1)
    heavy["gmv"] *= np.exp(rng.normal(0, 1.5, 2000))[heavy["unit"]]
    assert gc.did(heavy).audit["scale_mix"].status == "passed"


def test_treatment_assigned_by_an_unnamed_column_is_said() -> None:
    frame = panel()
    frame["segment"] = (frame["unit"] // 10).map(lambda k: f"s{k}")
    check = gc.did(frame).audit["cluster_level"]
    assert check.status == "warned" and "'segment'" in check.message
    assert "cluster_level" not in gc.did(frame, cluster="segment").audit
    frame["segment"] = (frame["unit"] % 10).map(lambda k: f"s{k}")
    assert "cluster_level" not in gc.did(frame).audit


def test_a_chinese_city_is_a_city() -> None:
    frame = panel()
    frame["城市"] = (frame["unit"] // 5).map(lambda k: f"城{k}")
    with pytest.warns(gc.GmvCausalWarning, match="城市"):
        result = gc.did(frame)
    assert "城市" in result.audit["few_clusters"].message


def test_options_without_meaning_are_refused() -> None:
    frame = panel()
    frame["treated"] = (frame["period"] >= frame["first_treated"]).astype(int)
    for options in (
        {"estimator": "twfe", "control": "not_yet_treated"},
        {"estimator": "two_by_two", "base_period": "universal"},
        {"treated": "treated", "never": -1},
        {"covariates": ["period"]},
        {"alpha": 0.95},
    ):
        with pytest.raises(gc.InputError):
            gc.did(frame, **options)
    assert gc.did(frame, covariates=()).n == 200


def test_a_lone_old_date_is_a_code() -> None:
    frame = panel()
    frame["first_treated"] = frame["first_treated"].fillna(-50)
    with pytest.raises(gc.InputError, match="never="):
        gc.did(frame)
    dated = panel()
    dated["period"] = pd.Timestamp("2025-01-06") + pd.to_timedelta(7 * dated["period"], unit="D")
    dated["first_treated"] = np.where(dated["unit"] < 100, "2025-02-24", "1970-01-01")
    with pytest.raises(gc.InputError, match="never="):
        gc.did(dated)
    assert gc.did(dated, never="1970-01-01").n == 200


def test_bounds_where_rows_are_absent_before_and_after() -> None:
    frame = panel(effect=2.0, seed=3)
    gone = (frame["unit"] < 20) & (frame["period"] >= 9)
    message = gc.did(frame[~gone]).audit["attrition"].message
    assert "Lee 2009" in message and "one direction" in message
    low, high = (float(x) for x in message.split("lies between ")[1].split(" (Lee")[0].split(" and "))
    assert low < high
    balanced = ((frame["unit"] % 100) < 20) & (frame["period"] >= 9)
    assert "Lee" not in gc.did(frame[~balanced]).audit["attrition"].message


def test_a_changed_frame_loses_what_logs_said_of_it() -> None:
    orders = pd.DataFrame({"user": np.repeat(np.arange(40), 8), "gmv": 10.0 + np.arange(320) % 7})
    orders["time"] = pd.Timestamp("2025-03-03 12:00") + pd.to_timedelta(7 * np.tile(np.arange(8), 40), unit="D")
    orders = pd.concat([orders, orders.tail(1).assign(time=pd.Timestamp("2025-04-28 01:00"))])
    sent = pd.DataFrame({"user": np.arange(20), "tactic": "c", "start": pd.Timestamp("2025-03-31")})
    logs = gc.Logs(orders=orders, exposures=sent)
    made = logs.panel(freq="W")
    assert gc.did(made).unit == "gross paid GMV per user-week"
    changed = made.copy()
    changed["gmv"] *= 100
    result = gc.did(changed)
    assert "gross" not in result.unit
    assert any("has changed" in note for note in result.manifest.notes)
    assert gc.did(logs.panel(freq="W", outcome="orders")).manifest.options["outcome"] == "orders"
    with pytest.raises(gc.InputError, match="no money"):
        gc.did(made, outcome="orders").incremental_gmv()


def test_the_scale_of_means_survives_a_round_trip(tmp_path) -> None:
    rng = np.random.default_rng(2)
    orders = pd.DataFrame({"user": np.repeat(np.arange(60), 16), "gmv": rng.gamma(4, 5, 960).round(2)})
    orders["time"] = pd.Timestamp("2025-03-03 12:00") + pd.to_timedelta(7 * np.tile(np.arange(16), 60), unit="D")
    orders = pd.concat([orders, orders.tail(1).assign(time=pd.Timestamp("2025-06-23 01:00"))])
    sent = pd.DataFrame({"user": np.arange(30), "tactic": "c", "start": pd.Timestamp("2025-04-28")})
    logs = gc.Logs(orders=orders, exposures=sent)
    means, sums = logs.panel(freq="2W", per="W"), logs.panel(freq="2W")
    total = gc.did(sums).incremental_gmv().estimate
    assert gc.did(means).incremental_gmv().estimate == pytest.approx(total, rel=1e-9)
    means.to_parquet(tmp_path / "panel.parquet")
    assert gc.did(tmp_path / "panel.parquet").incremental_gmv().estimate == pytest.approx(total, rel=1e-9)
    merged = means.merge(pd.DataFrame({"unit": range(60), "note": "x"}), on="unit")
    assert gc.did(merged).incremental_gmv().estimate == pytest.approx(total, rel=1e-9)
    with pytest.raises(gc.InputError, match="parts"):
        gc.did(means.drop(columns="parts")).incremental_gmv()


def test_what_logs_knew_comes_along_or_is_missed(tmp_path) -> None:
    orders = pd.DataFrame({"user": [f"u{k}" for k in np.repeat(np.arange(40), 8)], "gmv": 10.0 + np.arange(320) % 7})
    orders["time"] = pd.Timestamp("2025-03-03 12:00") + pd.to_timedelta(7 * np.tile(np.arange(8), 40), unit="D")
    orders = pd.concat([orders, orders.tail(1).assign(time=pd.Timestamp("2025-04-28 01:00"))])
    sent = pd.DataFrame({"user": [f"U{k}" for k in range(20)], "tactic": "c", "start": pd.Timestamp("2025-03-31")})
    made = gc.Logs(orders=orders, exposures=sent).panel(freq="W")
    assert gc.did(made).audit["exposed_without_orders"].status == "failed"
    made.to_parquet(tmp_path / "panel.parquet")
    assert gc.did(tmp_path / "panel.parquet").audit["exposed_without_orders"].status == "failed"
    bare = made.copy()
    bare.attrs = {}
    assert gc.did(bare).audit["log_facts"].status == "warned"
    changed = made.copy()
    changed["gmv"] *= 2
    assert gc.did(changed).audit["log_facts"].status == "warned"


def test_attrition_fails_where_the_tactic_keeps_users() -> None:
    """Leaving that has nothing to do with the tactic warns; leaving that it prevents makes another comparison."""
    kept = gc.simulate.world("D10", n=1500, seed=2)
    check = gc.did(kept.table()).audit["attrition"]
    assert check.status == "failed" and "the tactic itself moved the share that is absent by -" in check.message
    assert "GMV 0" in check.remedy
    whole = gc.simulate.world("D10", n=1500, seed=2, strength=0.0).table()
    lost = np.random.default_rng(0).random(len(whole)) < 0.1
    assert gc.did(whole[~lost]).audit["attrition"].status == "warned"
