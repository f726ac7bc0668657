"""`gc.efficiency`: by hand, metamorphic relations, audit, words, figures, productivity over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from protocol import assert_protocol

import gmvcausal as gc
from gmvcausal.mechanism.frontier.rules import RULES, TABLE
from gmvcausal.present import words

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators" / "efficiency.md"
INPUTS, OUTPUTS = ["hours", "spend"], ["gmv", "orders"]


def rooms(n: int = 40, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = np.exp(rng.normal(3, 0.5, (n, 2)))
    green = rng.uniform(size=n)
    # Distances as the second stage takes them to be.
    loss = np.log(np.maximum(1, 1.05 + 0.6 * green + 0.15 * rng.normal(size=n)))
    y = (x.prod(axis=1) ** 0.4)[:, None] * np.exp(rng.normal(0, 0.1, (n, 2)) - loss[:, None])
    return pd.DataFrame({
        "room": [f"room {i:02d}" for i in range(n)], "hours": x[:, 0], "spend": x[:, 1], "gmv": y[:, 0],
        "orders": y[:, 1], "green": green, "city": np.where(rng.uniform(size=n) < 0.5, "Hefei", "Wuhu"),
    })  # fmt: skip


DATA = rooms()
RESULT = gc.efficiency(DATA, "room", INPUTS, OUTPUTS, covariates=["green", "city"], reps=199)


def months(n: int = 12, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    base = rooms(n, seed)
    return pd.concat(
        [base.assign(month=t, gmv=base["gmv"] * 1.05**t * np.exp(rng.normal(0, 0.1, n))) for t in (1, 2, 3)],
        ignore_index=True,
    )


CHANGES = gc.efficiency(months(), "room", INPUTS, OUTPUTS, time="month", returns="constant")


# --- by hand ----------------------------------------------------------------------------------------------------------
def test_eight_rooms_by_hand() -> None:
    """One input, one output: the best ratio is 10 yuan an hour (C); with variable returns A, C, F and H span it."""
    data = pd.DataFrame({
        "room": list("ABCDEFGH"), "hours": [1.0, 2, 2, 3, 4, 4, 5, 8], "gmv": [4.0, 8, 20, 15, 10, 30, 16, 40],
    })  # fmt: skip
    crs = gc.efficiency(data, "room", ["hours"], ["gmv"], returns="constant", reps=0).to_frame().set_index("term")
    by_hand = data["gmv"] / data["hours"] / 10
    np.testing.assert_allclose(crs["score"].iloc[1:], by_hand, rtol=1e-12)
    vrs = gc.efficiency(data, "room", ["hours"], ["gmv"], reps=0)
    frame = vrs.to_frame().set_index("term")
    # The frontier: (1, 4), (2, 20), (4, 30), (8, 40).
    best = np.array([4, 20, 20, 25, 30, 30, 32.5, 40])
    np.testing.assert_allclose(frame["score"].iloc[1:], data["gmv"] / best, rtol=1e-12)
    assert frame["score"].iloc[0] == pytest.approx((data["gmv"] / best).mean())
    np.testing.assert_allclose(frame["scale_efficiency"].iloc[1:], by_hand / (data["gmv"] / best), rtol=1e-12)
    assert frame["returns_to_scale"].iloc[1:].tolist() == [
        "increasing", "constant", "constant", *["decreasing"] * 5,
    ]  # fmt: skip
    peers = vrs.peers().groupby("unit").apply(lambda g: dict(zip(g["peer"], g["weight"].round(9), strict=True)))
    assert peers["D"] == {"C": 0.5, "F": 0.5} and peers["G"] == {"F": 0.75, "H": 0.25} and peers["B"] == {"C": 1.0}
    # E gets 10 from 4 hours, where F gets 30.
    targets = vrs.targets().set_index(["unit", "column"])
    assert targets.loc[("E", "gmv"), ["target", "radial", "slack"]].tolist() == pytest.approx([30, 20, 0])
    # From the input side: 10 yuan are made between A and C, in 1 + 6 / 16 hours.
    other = gc.efficiency(data, "room", ["hours"], ["gmv"], orientation="input", reps=0).to_frame().set_index("term")
    assert other.loc["E", "score"] == pytest.approx((1 + 6 / 16) / 4)
    # C against the others alone: A and F make 4 + (2 - 1) * 26 / 3 of 2 hours.
    assert frame.loc["C", "super_efficiency"] == pytest.approx(20 / (4 + 26 / 3))
    assert np.isnan(frame.loc["A", "super_efficiency"])  # nobody else makes do with one hour


def test_productivity_by_hand() -> None:
    """One input, one output, constant returns: every index is a ratio of ratios."""
    data = pd.DataFrame({
        "room": list("ABC") * 2, "t": [1] * 3 + [2] * 3, "hours": [1.0, 2, 4, 2, 2, 5],
        "gmv": [10.0, 16, 20, 24, 18, 40],
    })  # fmt: skip
    for orientation in ("output", "input"):
        found = gc.efficiency(
            data, "room", ["hours"], ["gmv"], time="t", returns="constant", orientation=orientation
        )  # fmt: skip
        table = found.changes()
        before, after = np.array([10.0, 8, 5]), np.array([12.0, 9, 8])
        np.testing.assert_allclose(table["productivity"], after / before, rtol=1e-12)
        np.testing.assert_allclose(table["catching_up"], (after / 12) / (before / 10), rtol=1e-12)
        np.testing.assert_allclose(table["frontier"], 1.2, rtol=1e-12)
        assert found.estimate == pytest.approx(np.exp(np.log(after / before).mean()))


# --- relations --------------------------------------------------------------------------------------------------------
def numbers(result: object) -> pd.DataFrame:
    return result.to_frame().set_index("term").select_dtypes("number")  # type: ignore[attr-defined]  # any result


@pytest.mark.parametrize("returns", ["variable", "constant"])
@pytest.mark.parametrize("orientation", ["output", "input"])
def test_order_units_of_measurement_and_kind_of_frame(returns: str, orientation: str) -> None:
    ask = {"returns": returns, "orientation": orientation, "reps": 99}
    kept = DATA.copy()
    first = numbers(gc.efficiency(DATA, "room", INPUTS, OUTPUTS, **ask))
    shuffled = DATA.sample(frac=1, random_state=1)
    scaled = DATA.assign(gmv=DATA["gmv"] * 100, hours=DATA["hours"] / 60)
    renamed = DATA.rename(columns={"gmv": "成交额 (元)", "hours": 'h"; DROP'})
    pd.testing.assert_frame_equal(DATA, kept)
    pd.testing.assert_frame_equal(numbers(gc.efficiency(shuffled, "room", INPUTS, OUTPUTS, **ask)), first)
    again = numbers(gc.efficiency(pl.from_pandas(scaled), "room", INPUTS, OUTPUTS, **ask))
    pd.testing.assert_frame_equal(again, first, rtol=1e-8)
    other = numbers(gc.efficiency(renamed, "room", ['h"; DROP', "spend"], ["成交额 (元)", "orders"], **ask))
    pd.testing.assert_frame_equal(other, first)


def test_adding_a_constant_where_it_does_not_matter() -> None:
    """With variable returns, a constant added to inputs leaves output scores alone, and the other way round."""
    one = numbers(gc.efficiency(DATA, "room", INPUTS, OUTPUTS, reps=0))["score"]
    moved = numbers(gc.efficiency(DATA.assign(hours=DATA["hours"] + 1e3), "room", INPUTS, OUTPUTS, reps=0))["score"]
    np.testing.assert_allclose(moved, one, rtol=1e-8)
    ask = {"orientation": "input", "reps": 0}
    one = numbers(gc.efficiency(DATA, "room", INPUTS, OUTPUTS, **ask))["score"]
    moved = numbers(gc.efficiency(DATA.assign(gmv=DATA["gmv"] + 1e3), "room", INPUTS, OUTPUTS, **ask))["score"]
    np.testing.assert_allclose(moved, one, rtol=1e-8)


def test_scores_intervals_and_seeds() -> None:
    frame = RESULT.to_frame().iloc[1:]
    assert ((frame["score"] > 0) & (frame["score"] <= 1)).all() and (frame["bias"] > 0).all()
    assert ((frame["conf_low"] < frame["estimate"]) & (frame["estimate"] < frame["conf_high"])).all()
    assert (frame["conf_high"] < frame["score"] + 1e-9).all()
    assert frame["p_value"].isna().all()
    state = np.random.get_state()[1].copy()  # noqa: NPY002  # the global state itself is what must not change
    again = gc.efficiency(DATA, "room", INPUTS, OUTPUTS, covariates=["green", "city"], reps=199)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002  # as above
    pd.testing.assert_frame_equal(again.to_frame(), RESULT.to_frame())
    other = gc.efficiency(DATA, "room", INPUTS, OUTPUTS, reps=199, seed=1)
    assert (other.to_frame()["conf_low"].iloc[1:] != frame["conf_low"]).all()


def test_the_correction_brings_scores_nearer_to_the_truth() -> None:
    """Known truth: one input, output x^.6 exp(-u); raw scores are too high, corrected ones much less so."""
    gaps, held = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        x, u = rng.uniform(1, 9, 60), np.abs(rng.normal(0, 0.4, 60))
        data = pd.DataFrame({"room": range(60), "x": x, "y": x**0.6 * np.exp(-u)})
        frame = gc.efficiency(data, "room", ["x"], ["y"], reps=99).to_frame().iloc[1:]
        gaps.append([(frame["score"] - np.exp(-u)).mean(), (frame["estimate"] - np.exp(-u)).mean()])
        held.append(frame["conf_low"].le(np.exp(-u)) & frame["conf_high"].ge(np.exp(-u)))
    raw, corrected = np.mean(gaps, axis=0)
    assert raw > 0.01 and abs(corrected) < raw / 2
    assert np.mean(held) > 0.7  # below 95 %: the page says by how much


# --- second stage -----------------------------------------------------------------------------------------------------
def test_the_second_stage_finds_what_goes_with_inefficiency() -> None:
    data = rooms(120)
    ask = {"inputs": ["hours"], "outputs": ["gmv"], "covariates": ["green", "city"], "reps": 99}
    second = gc.efficiency(data, "room", **ask).second_stage
    assert second is not None
    frame = second.to_frame().set_index("term")
    assert list(frame.index) == ["green", "city = Wuhu", "intercept", "sigma"]
    assert frame.loc["green", "conf_low"] > 0  # more of it: further from the frontier
    assert frame.loc["city = Wuhu", "conf_low"] < 0 < frame.loc["city = Wuhu", "conf_high"]
    assert "separability" in second.assumption.lower() and second.audit["separability"].status == "warned"
    assert "no effect" in second.summary()
    # In other units of the covariate the coefficient changes with them, and nothing else does.
    again = gc.efficiency(data.assign(green=data["green"] * 100), "room", **ask).second_stage
    assert again is not None
    assert again.estimate * 100 == pytest.approx(second.estimate, rel=1e-6)
    np.testing.assert_allclose(again.to_frame()["estimate"].iloc[1:], frame["estimate"].iloc[1:], rtol=1e-6)


# --- the audit --------------------------------------------------------------------------------------------------------
def status(data: pd.DataFrame, name: str, outputs: list[str] = OUTPUTS, **ask: object) -> str:
    ask = {"reps": 0} | ask
    return gc.efficiency(data, "room", INPUTS, outputs, **ask).audit[name].status  # type: ignore[arg-type]  # options


def test_each_check_warns_where_its_rule_says() -> None:
    assert status(DATA, "units") == "passed" and status(DATA.head(8), "units") == "warned"
    few = gc.efficiency(DATA.head(3), "room", INPUTS, OUTPUTS, reps=0)
    assert few.audit["units"].status == "failed" and few.audit["discrimination"].status == "failed"
    assert not few.audit.credible and few.summary().count("REFUSED") == 1
    whale = DATA.assign(gmv=DATA["gmv"].where(DATA.index != 4, DATA["gmv"] * 1000))
    one = gc.efficiency(whale, "room", INPUTS, ["gmv"], reps=0)
    for name in ("super_efficiency", "leverage"):
        assert status(DATA, name) == "passed" and one.audit[name].status == "warned"
        assert "room 04" in one.audit[name].message
    assert status(DATA, "constant_column") == "passed"
    assert status(DATA.assign(spend=5.0), "constant_column") == "warned"
    twice = pd.concat([DATA, DATA.head(2).assign(room=["a", "b"])])
    assert status(DATA, "identical_units") == "passed" and status(twice, "identical_units") == "warned"
    assert status(DATA, "ranking") == "not_run"
    assert RESULT.audit["ranking"].value == pytest.approx(overlap(RESULT))


def overlap(result: object) -> float:
    frame = result.to_frame().iloc[1:]  # type: ignore[attr-defined]  # any result
    low, high = frame["conf_low"].to_numpy(), frame["conf_high"].to_numpy()
    pairs = [(i, j) for i in range(len(low)) for j in range(i)]
    return float(np.mean([low[i] <= high[j] and low[j] <= high[i] for i, j in pairs]))


def test_the_table_is_the_code_s() -> None:
    text = PAGE.read_text(encoding="utf-8").split("\n## Checks and thresholds\n", 1)[1].split("\n## ", 1)[0]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")]
    assert {c[0].strip("`"): tuple(c[1:]) for c in cells} == TABLE
    assert {c.name for r in (RESULT, CHANGES) for c in r.audit} == set(RULES)


# --- over time --------------------------------------------------------------------------------------------------------
def test_productivity_is_catching_up_times_the_frontier() -> None:
    # One room's month with far less time than any had the month before: nobody can be combined to it.
    data = months()
    data.loc[12, "hours"] = 0.5
    for returns in ("constant", "variable"):
        found = gc.efficiency(data, "room", INPUTS, OUTPUTS, time="month", returns=returns)
        table = found.changes()
        np.testing.assert_allclose(table["productivity"], table["catching_up"] * table["frontier"], rtol=1e-12)
        lost = table["productivity"].isna()
        assert found.audit["infeasible"].value == pytest.approx(lost.mean())
        e = found.to_frame()["estimate"].to_numpy().reshape(-1, 3)
        np.testing.assert_allclose(e[:, 0], e[:, 1] * e[:, 2], rtol=1e-12)
        assert e[0, 0] == pytest.approx(np.exp(np.log(table["productivity"].dropna()).mean()))
    assert lost.any() and found.audit["infeasible"].status in ("warned", "failed")
    assert any("returns='constant'" in note for note in found.manifest.notes)


def test_units_that_come_and_go_are_counted() -> None:
    data = months().drop(index=[0, 13])  # one room enters in the second month, another skips it
    found = gc.efficiency(data, "room", INPUTS, OUTPUTS, time="month", returns="constant")
    assert len(found.changes()) == 24 - 3 and found.audit["attrition"].value == pytest.approx(2 / 23)
    same = gc.efficiency(
        data.assign(month=pd.to_datetime("2026-01-01") + pd.to_timedelta(31 * data["month"], "D")),
        "room", INPUTS, OUTPUTS, time="month", returns="constant",
    )  # fmt: skip
    np.testing.assert_allclose(same.to_frame()["estimate"], found.to_frame()["estimate"], rtol=1e-12)
    assert same.changes()["from"].iloc[0] == "2026-02-01"


# --- the protocol, words and figures ----------------------------------------------------------------------------------
def test_protocol(tmp_path: Path) -> None:
    assert_protocol(RESULT, tmp_path, (None, "scores", "estimates"))
    assert_protocol(CHANGES, tmp_path, (None, "changes"))
    assert RESULT.second_stage is not None
    assert_protocol(RESULT.second_stage, tmp_path)
    one = gc.efficiency(DATA, "room", ["hours"], ["gmv"], reps=0)
    assert one.curve_kinds == ("scores", "frontier")
    for returns in ("constant", "variable"):
        drawn = gc.efficiency(DATA, "room", ["hours"], ["gmv"], reps=0, returns=returns).curves("frontier")
        units, line = drawn.lines
        assert (units.y <= np.interp(units.x, line.x, line.y) * (1 + 1e-9)).all()


def test_it_never_reads_as_an_effect(tmp_path: Path) -> None:
    assert words.verdict(RESULT) == "described"
    text = " ".join(RESULT.summary().split())
    assert "is no causal effect" in text and "must not be ranked" in text and "gain" not in text.lower()
    assert "is no causal effect" in " ".join(CHANGES.summary().split())
    assert words.chosen({"dea": RESULT}) is None and words.lead({"dea": RESULT}).verdict == "refused"
    page = gc.report({"dea": RESULT, "over time": CHANGES}, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "describes, no effect" in page
    assert "mean of all units" in gc.table(RESULT).to_html()


def test_many_units_are_cut_in_the_summary_only() -> None:
    many = gc.efficiency(rooms(60), "room", INPUTS, OUTPUTS, reps=0)
    assert "and 20 more" in many.summary() and len(many.to_frame()) == 61


def test_one_stands_for_all_where_nobody_lies_behind() -> None:
    """All on the frontier: nothing is known of inefficiency, so no interval is made up."""
    data = pd.DataFrame({"room": list("ABC"), "x": [1.0, 2, 4], "y": [2.0, 4, 8]})
    result = gc.efficiency(data, "room", ["x"], ["y"], returns="constant")
    assert result.estimate == 1 and np.isnan(result.conf_int()[0])
    assert "fewer than 2 units lie off the frontier" in result.estimates.withheld
    assert result.audit["ranking"].status == "not_run"
