"""What the gain of the treated took from their other products, or from the units next door."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.errors import InputError
from tests.protocol import assert_protocol


@lru_cache
def rooms(treated: int = 20, near: int = 20, clean: int = 24, seed: int = 0) -> pd.DataFrame:
    """Rooms of which the first gain 12 and lose 8 in shoes; their neighbours lose 6 from one week later on."""
    rng = np.random.default_rng(seed)
    n, rows = treated + near + clean, []
    for u in range(n):
        level = 100 + 10 * rng.normal()
        for t in range(8):
            on, e = u < treated and t >= 4, 5 * rng.normal()
            reached = treated <= u < treated + near and t >= 5
            rows.append(
                {
                    "unit": u,
                    "period": t,
                    "gmv": level + t + e + 12 * on - 6 * reached,
                    "shoes": 80 + 4 * rng.normal() - 0.5 * e - 8 * on,
                    "toys": 50 + rng.normal() - on,
                    "first_treated": 4 if u < treated else None,
                    "near": 5 if treated <= u < treated + near else None,
                }
            )
    return pd.DataFrame(rows)


def terms(result: Any) -> dict[str, float]:
    return dict(zip(result.estimates.term, result.estimates.estimate, strict=True))


def test_eight_rows_by_hand() -> None:
    # Gains of 10 against 2: 8; in shoes 1 against 5: -4.
    rows = [("a", 1, 10, 9, 2), ("a", 2, 20, 10, 2), ("b", 1, 30, 5, None), ("b", 2, 32, 10, None)]
    frame = pd.DataFrame(rows, columns=["unit", "period", "gmv", "shoes", "first_treated"])
    found = gc.did(frame).cannibalisation("shoes")
    assert terms(found) == {"total": 4.0, "treated": 8.0, "elsewhere": -4.0, "cannibalised_share": 0.5}
    assert np.isnan(found.std_error) and found.estimates.withheld


@pytest.mark.parametrize(
    "estimator",
    ["callaway_santanna", "sun_abraham", "imputation", "two_stage", "etwfe", "two_by_two", "twfe", "switching"],
)
def test_the_platform_is_the_effect_on_the_sum(estimator: str) -> None:
    """The joint covariance by clusters is that of the summed outcome, fitted on its own."""
    frame = rooms()
    ask: dict[str, Any] = {"estimator": estimator}
    if estimator == "switching":
        frame = frame.assign(on=(frame["first_treated"].notna() & (frame["period"] >= 4)).astype(int))
        ask["treated"] = "on"
    found = gc.did(frame, **ask).cannibalisation(["shoes", "toys"])
    whole = gc.did(frame.assign(all=frame["gmv"] + frame["shoes"] + frame["toys"]), outcome="all", **ask)
    assert found.estimate == pytest.approx(whole.estimate, rel=1e-10)
    assert found.std_error == pytest.approx(whole.std_error, rel=1e-8)
    assert found.conf_int() == pytest.approx(whole.conf_int(), rel=1e-8)
    got = terms(found)
    assert got["total"] == pytest.approx(got["treated"] + got["elsewhere: shoes"] + got["elsewhere: toys"], rel=1e-10)
    lost = got["elsewhere: shoes"] + got["elsewhere: toys"]
    assert got["cannibalised_share"] == pytest.approx(-lost / got["treated"], rel=1e-10)


def test_ratios_add_up_with_their_scores() -> None:
    frame = rooms()
    found = gc.did(frame, estimator="poisson").cannibalisation("shoes")
    parts = [gc.did(frame, outcome=c, estimator="poisson") for c in ("gmv", "shoes")]
    assert found.estimate == pytest.approx(sum(p.estimate for p in parts), rel=1e-10)
    scores = sum(p.cluster_influence() for p in parts)
    assert found.std_error == pytest.approx(float(np.sqrt((scores**2).sum())), rel=1e-6)


def test_units_next_door() -> None:
    frame = rooms()
    direct = gc.did(frame, exposed="near")
    found = direct.cannibalisation()
    again = gc.did(frame).cannibalisation(exposed="near")
    numbers = ["estimate", "std_error", "p_value", "conf_low", "conf_high"]
    np.testing.assert_allclose(again.to_frame()[numbers], found.to_frame()[numbers], rtol=1e-12)
    own, out = direct.to_frame().set_index("term"), found.to_frame().set_index("term")
    assert out.loc["total", "estimate"] == own.loc["total", "estimate"]
    assert out.loc["total", "std_error"] == pytest.approx(own.loc["total", "std_error"], rel=1e-12)
    assert out.loc["per exposed", "estimate"] == own.loc["spillover", "estimate"]
    # 20 neighbours for 3 periods beside 20 treated for 4.
    assert out.loc["elsewhere", "estimate"] == pytest.approx(0.75 * own.loc["spillover", "estimate"], rel=1e-12)
    assert out.loc["elsewhere", "std_error"] == pytest.approx(0.75 * own.loc["spillover", "std_error"], rel=1e-9)
    assert out.loc["cannibalised_share", "conf_low"] < 0.375 < out.loc["cannibalised_share", "conf_high"]
    links = pd.DataFrame({"unit": range(20, 40), "neighbour": range(20)})
    linked = gc.did(frame).cannibalisation(edges=links)
    assert linked.estimates.term[2] == "elsewhere" and linked.row(2).high < 0
    assert any("taken as controls themselves" in note for note in found.manifest.notes)


def test_few_treated_clusters() -> None:
    frame = rooms(treated=4, near=0, clean=40)
    found = gc.did(frame).cannibalisation("shoes")
    whole = gc.did(frame.assign(all=frame["gmv"] + frame["shoes"]), outcome="all")
    assert found.estimates.method.startswith("placebo runs") and found.conf_int() == whole.conf_int()
    shoes = gc.did(frame, outcome="shoes")
    assert (found.row(2).low, found.row(2).high) == shoes.conf_int()
    assert np.isnan(found.row(3).low) and "share has no interval" in found.estimates.withheld
    assert_protocol(found)


def test_relations() -> None:
    frame = rooms()
    base = gc.did(frame).cannibalisation("shoes").to_frame()
    mixed = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(gc.did(mixed).cannibalisation("shoes").to_frame(), base, rtol=1e-9)
    more = frame.assign(gmv=100 * frame["gmv"], shoes=100 * frame["shoes"])
    scaled = gc.did(more).cannibalisation("shoes").to_frame()
    numbers = ["estimate", "std_error", "conf_low", "conf_high"]
    np.testing.assert_allclose(scaled[numbers][:3], 100 * base[numbers][:3], rtol=1e-9)
    np.testing.assert_allclose(scaled[numbers][3:], base[numbers][3:], rtol=1e-9)


def test_protocol_and_what_follows(tmp_path: Path) -> None:
    result = gc.did(rooms())
    found = result.cannibalisation("shoes")
    assert_protocol(found, tmp_path)
    text = " ".join(found.summary().split())
    assert "elsewhere (shoes)" in text and "was taken from there" in text
    assert found.audit["other_outcomes"].status == "passed"
    money = found.incremental_gmv()
    assert money.estimate == pytest.approx(80 * found.estimate, rel=1e-12)
    assert "effects on gmv and shoes together" in str(gc.table(result, found))
    gc.report([result, found], tmp_path / "page.html")


def test_the_audit_of_the_other_outcome_counts() -> None:
    frame = rooms()
    drifts = frame.assign(shoes=frame["shoes"] - 6 * frame["period"] * (frame["unit"] < 20))
    found = gc.did(frame[frame["unit"] < 64]).cannibalisation("toys")
    assert found.audit.credible
    bad = gc.did(drifts).cannibalisation("shoes")
    check = bad.audit["other_outcomes"]
    assert check.status == "failed" and "pre_trend of 'shoes'" in check.message and not bad.audit.credible


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        ({}, "not said where"),
        ({"other": "shoes", "exposed": "near"}, "the two are not added up"),
        ({"other": "gmv"}, "counted twice"),
        ({"other": ["shoes", "shoes"]}, "counted twice"),
        ({"other": []}, "names no column"),
        ({"other": "hats"}, "no column 'hats'"),
        ({"exposed": "near", "exposure": 0.5}, "without edges="),
        ({"exposed": "hats"}, "no column 'hats'"),
    ],
)
def test_calls_that_are_refused(ask: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        gc.did(rooms()).cannibalisation(**ask)


def test_designs_that_are_refused() -> None:
    frame = rooms()
    with pytest.raises(InputError, match="does not set exposed units apart"):
        gc.did(frame, estimator="imputation").cannibalisation(exposed="near")
    with pytest.raises(InputError, match="capped outcomes do not add up"):
        gc.did(frame, winsorise=0.99).cannibalisation("shoes")
    with pytest.raises(InputError, match="already knows"):
        gc.did(frame, exposed="near").cannibalisation(exposed="near")
    gaps = frame.assign(shoes=frame["shoes"].where(frame["unit"] > 0))
    with pytest.raises(InputError, match="shoes"):
        gc.did(gaps).cannibalisation("shoes")
    with pytest.raises(InputError, match="for the same people"):
        gc.did(frame.assign(c=frame["unit"]), unit=None, cluster="c").cannibalisation("shoes")


def test_the_total_is_covered() -> None:
    rng, hits, shares, reps = np.random.default_rng(9), 0, 0, 100
    unit, period = np.divmod(np.arange(180), 6)
    on = (unit < 12) & (period >= 3)
    for _ in range(reps):
        e = rng.normal(0, 4, 180)
        frame = pd.DataFrame(
            {
                "unit": unit,
                "period": period,
                "gmv": e + 10 * on,
                "shoes": rng.normal(0, 3, 180) - 0.5 * e - 6 * on,
                "first_treated": np.where(unit < 12, 3.0, np.nan),
            }
        )
        found = gc.did(frame, estimator="imputation").cannibalisation("shoes")
        low, high = found.conf_int()
        hits += low <= 4 <= high
        shares += found.row(3).low <= 0.6 <= found.row(3).high
    # 95 % less three Monte Carlo standard errors.
    assert hits >= 0.88 * reps and shares >= 0.88 * reps
