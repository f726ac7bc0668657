"""`did` with `exposed=` and `edges=`: exposed units apart from the treated and from the controls."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc


def _panel(n: int = 240, seed: int = 0, early: bool = False, spill: float = -1.0, weeks: int = 10) -> pd.DataFrame:
    """A third treated (from 4 or 6 on), a third exposed (from 5 or 7 on), a third neither."""
    rng = np.random.default_rng(seed)
    unit, time = np.arange(n), np.arange(weeks)
    start = np.where(unit % 3 == 0, np.where(unit % 2 == 0, 4, 6), 99)
    exposed = np.where(unit % 3 == 1, np.where(unit % 2 == 0, 5, 7), 99)
    if early:
        exposed = np.where(start == 6, np.where(unit % 4 == 1, 3, 99), exposed)
    y = 3 * rng.normal(size=(n, 1)) + 0.3 * time + rng.normal(size=(n, weeks))
    on = time >= start[:, None]
    y += 2.0 * on + spill * ((time >= exposed[:, None]) & ~on)
    return pd.DataFrame(
        {
            "unit": np.repeat(unit, weeks),
            "period": np.tile(time, n),
            "gmv": y.ravel(),
            "first_treated": np.repeat(np.where(start < 99, start, np.nan), weeks),
            "exposed": np.repeat(np.where(exposed < 99, exposed, np.nan), weeks),
        }
    )


def _terms(result: Any) -> pd.DataFrame:
    return result.to_frame().set_index("term")


def test_by_hand() -> None:
    gmv = {"t": (10, 16), "e": (8, 7), "c": (5, 6), "d": (7, 8)}
    data = pd.DataFrame(
        [
            {"unit": u, "period": t, "gmv": float(y[t]), "first_treated": 1.0 if u == "t" else np.nan,
             "exposed": 1.0 if u == "e" else np.nan}
            for u, y in gmv.items() for t in (0, 1)
        ]
    )  # fmt: skip
    result = gc.did(data, exposed="exposed")
    terms = _terms(result)["estimate"]
    # Changes: treated 6, exposed -1, clean 1 and 1; with the exposed as controls 6 - (-1 + 1 + 1) / 3.
    assert terms["overall"] == pytest.approx(5.0) and terms["spillover"] == pytest.approx(-2.0)
    assert terms["total"] == pytest.approx(3.0)
    assert result.fitted.spillover is not None
    assert result.fitted.spillover.naive == pytest.approx(6 - 1 / 3)
    assert gc.did(data).estimate == pytest.approx(6 - 1 / 3)
    assert "made the effect 5.667" in result.summary()


@pytest.mark.parametrize("path", ["moments", "units"])
def test_each_side_is_the_estimate_without_the_other(path: str) -> None:
    """A second road to every number: two calls without exposure on the units concerned, and their influences."""
    data = _panel()
    if path == "units":
        data["w"] = 1.0 + data["unit"] % 2
    more = {"weights": "w"} if path == "units" else {}
    both = gc.did(data, exposed="exposed", **more)
    terms = _terms(both)
    alone = gc.did(data[data["exposed"].isna()], **more)
    other = data[data["first_treated"].isna()].drop(columns="first_treated")
    reached = gc.did(other.rename(columns={"exposed": "first_treated"}), **more)
    for term, found in (("overall", alone), ("spillover", reached)):
        assert terms.loc[term, "estimate"] == pytest.approx(found.estimate, abs=1e-10)
        assert terms.loc[term, "std_error"] == pytest.approx(found.std_error, rel=1e-9)
    assert both.fitted.spillover is not None
    ratio = both.fitted.spillover.unit_periods / both.fitted.treated_cells
    own, of_others = (
        pd.Series(r.fitted.influence(), index=r.panel.unit).reindex(range(240), fill_value=0.0)
        for r in (alone, reached)
    )
    psi = own + ratio * of_others
    assert terms.loc["total", "std_error"] == pytest.approx(np.sqrt((psi**2).sum()), rel=1e-9)
    assert terms.loc["total", "estimate"] == pytest.approx(alone.estimate + ratio * reached.estimate)
    # The two share their clean controls.
    assert both.estimates.cov[0, 4] == pytest.approx(float(own @ of_others), rel=1e-6)
    study = both.event_study("exposed")
    columns = ["event_time", "estimate", "std_error", "conf_low", "n"]
    pd.testing.assert_frame_equal(study[columns], reached.event_study()[columns], rtol=1e-9)
    pd.testing.assert_frame_equal(both.event_study()[columns], alone.event_study()[columns], rtol=1e-9)
    pd.testing.assert_frame_equal(both.att_gt("exposed")[columns], reached.att_gt()[columns], rtol=1e-9)
    pd.testing.assert_frame_equal(both.att_gt()[columns], alone.att_gt()[columns], rtol=1e-9)


def _brute(data: pd.DataFrame) -> tuple[float, float]:
    """Direct effect and spillover from means alone: every unit against the clean, from before anything reached it."""
    wide = data.pivot(index="unit", columns="period", values="gmv").to_numpy()
    one = data.drop_duplicates("unit")
    start, exposed = (one[c].fillna(99).to_numpy(int) for c in ("first_treated", "exposed"))
    clean = wide[(start == 99) & (exposed == 99)].mean(axis=0)
    sums = np.zeros((2, 2))
    for u in range(len(wide)):
        first = min(start[u], exposed[u])
        for t in range(first, wide.shape[1]) if first < 99 else ():
            gain = (wide[u, t] - wide[u, first - 1]) - (clean[t] - clean[first - 1])
            sums[int(t < start[u])] += (gain, 1)
    return sums[0, 0] / sums[0, 1], sums[1, 0] / sums[1, 1]


@pytest.mark.parametrize("early", [False, True])
def test_brute_force(early: bool) -> None:
    data = _panel(early=early, seed=4)
    terms = _terms(gc.did(data, exposed="exposed"))
    direct, spill = _brute(data)
    assert terms.loc["overall", "estimate"] == pytest.approx(direct, abs=1e-10)
    assert terms.loc["spillover", "estimate"] == pytest.approx(spill, abs=1e-10)


def test_treated_after_exposure_are_measured_from_before_it() -> None:
    result = gc.did(_panel(early=True, spill=5.0, seed=5), exposed="exposed")
    cells = result.att_gt()
    assert set(cells["first_exposed"].dropna()) == {3.0}
    late = cells[cells["first_exposed"] == 3.0]
    # Between exposure and start they are exposed, not treated: no lead of theirs lies there.
    assert not late["period"].isin([3, 4, 5]).any()
    assert (np.abs(late.loc[late["period"] >= 6, "estimate"] - 2) < 1).all()
    assert set(result.att_gt("exposed")["cohort"]) == {3, 5, 7}
    assert "first_exposed" in result.by_cohort()
    # Their effects and leads have no one base, so trends before and after cannot be held against each other.
    with pytest.raises(gc.DesignError, match="before their own start"):
        result.sensitivity()
    with pytest.raises(gc.DesignError, match="before their own start"):
        result.placebo("unit", reps=99)


def test_not_yet_treated_controls_are_not_yet_exposed() -> None:
    data = _panel()
    clean = data["exposed"].isna() & data["first_treated"].isna()
    with pytest.raises(gc.DesignError, match="all 80 untreated units are exposed"):
        gc.did(data[~clean], exposed="exposed")
    found = gc.did(data[~clean], exposed="exposed", control="not_yet_treated")
    # The cohort of 4 against those reached at 5, 6 and 7, by hand.
    wide = data[~clean].pivot(index="unit", columns="period", values="gmv").to_numpy()
    one = data[~clean].drop_duplicates("unit")
    first = one["first_treated"].fillna(one["exposed"]).to_numpy()
    for t, others in ((4, first > 4), (5, first > 5)):
        change = wide[:, t] - wide[:, 3]
        cells = found.att_gt().set_index(["cohort", "period"])["estimate"]
        assert cells[4, t] == pytest.approx(change[first == 4].mean() - change[others].mean())


def _edges(seed: int, n: int, mutual: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    pairs = pd.DataFrame({"unit": rng.integers(0, n, 3 * n), "neighbour": rng.integers(0, n, 3 * n)})
    if mutual:
        pairs = pd.concat([pairs, pairs.rename(columns={"unit": "neighbour", "neighbour": "unit"})])
    pairs = pairs[pairs["unit"] != pairs["neighbour"]].drop_duplicates().reset_index(drop=True)
    return pairs.assign(weight=rng.uniform(0.5, 2.0, len(pairs)))


@pytest.mark.parametrize("exposure", ["any", 0.5, 1])
def test_links_give_the_dates_that_a_loop_gives(exposure: Any) -> None:
    data = _panel(n=120).drop(columns="exposed")
    edges = _edges(1, 120, mutual=True)
    start = data.drop_duplicates("unit").set_index("unit")["first_treated"].fillna(99)
    dates = {}
    for u, own in edges.groupby("unit"):
        for t in range(10):
            on = start[own["neighbour"]].to_numpy() <= t
            share = own["weight"].to_numpy()[on].sum() / own["weight"].sum()
            if (share > 0) if exposure == "any" else (share >= exposure - 1e-12):
                dates[u] = t
                break
    dated = data.assign(exposed=data["unit"].map(dates))
    linked, given = gc.did(data, edges=edges, exposure=exposure), gc.did(dated, exposed="exposed")
    assert linked.panel.exposed is not None and given.panel.exposed is not None
    assert (linked.panel.exposed == given.panel.exposed).all() and (linked.panel.start == given.panel.start).all()
    assert linked.estimate == given.estimate
    assert "counts as exposed once" in linked.summary()
    # Both: the earlier date counts, and that is the same one here.
    assert gc.did(dated, exposed="exposed", edges=edges, exposure=exposure).estimate == given.estimate


def test_order_labels_scale_and_dates() -> None:
    data = _panel(early=True)
    plain = gc.did(data, exposed="exposed")
    value, error = plain.estimates.estimate, plain.estimates.std_error
    shuffled = gc.did(data.sample(frac=1, random_state=1), exposed="exposed")
    named = gc.did(data.assign(unit="u" + data["unit"].astype(str)), exposed="exposed")
    scaled = gc.did(data.assign(gmv=100 * data["gmv"] + 1e7), exposed="exposed")
    day = {c: pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * data[c], "D") for c in ("period", "first_treated")}
    weekly = gc.did(data.assign(exposed=pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * data["exposed"], "D"), **day),
                    exposed="exposed")  # fmt: skip
    for other, factor in ((shuffled, 1), (named, 1), (scaled, 100), (weekly, 1)):
        np.testing.assert_allclose(other.estimates.estimate, factor * value, rtol=1e-6)
        np.testing.assert_allclose(other.estimates.std_error, factor * error, rtol=1e-6)
    # Absent rows take the general road; without the absence it is the same.
    gap = gc.did(data.drop(index=17), exposed="exposed")
    assert abs(gap.estimate - plain.estimate) < 0.05
    assert gc.did(data.assign(one=1.0), exposed="exposed", weights="one").estimate == pytest.approx(plain.estimate)


def test_audit_money_words_and_copies() -> None:
    data = _panel()
    result = gc.did(data, exposed="exposed")
    check = result.audit["spillover"]
    assert check.status == "passed" and check.value == pytest.approx(0.5) and "instead of" in check.message
    assert gc.did(data).audit["spillover"].status == "not_run"
    assert "set apart as exposed" in result.assumption
    fewer = data[(data["unit"] % 3 != 2) | (data["unit"] < 60)]
    assert gc.did(fewer, exposed="exposed").audit["spillover"].status == "warned"
    money = result.incremental_gmv(gmv_is="paid")
    terms = _terms(result)["estimate"]
    assert result.fitted.spillover is not None
    added = terms["overall"] * result.fitted.treated_cells + terms["spillover"] * result.fitted.spillover.unit_periods
    assert money.estimate == pytest.approx(added)
    assert money.std_error == pytest.approx(_terms(result)["std_error"]["total"] * result.fitted.treated_cells)
    assert "exposed ones" in money.estimand
    cost = gc.did(data.assign(spent=2 * data["gmv"]), outcome="spent", exposed="exposed")
    both = result.incremental_gmv(gmv_is="paid", cost=cost, cost_is="other").to_frame().set_index("term")
    # The cost is twice the gain throughout, so profit is minus the gain, and as certain.
    assert both.loc["profit", "estimate"] == pytest.approx(-money.estimate)
    assert both.loc["profit", "std_error"] == pytest.approx(money.std_error)
    again = pickle.loads(pickle.dumps(result))
    assert again.to_frame().equals(result.to_frame())
    assert "exposed" in set(result.trends()["cohort"])
    assert result.sensitivity(grid=[1.0]).estimate > 0
    assert result.leave_one_out(progress=False).of == 240
    table = result.robustness(progress=False)
    assert "without the last period" in set(table.to_frame()["term"])
    assert any("exposed" in why for _, why in table.refused)


def test_cutting_periods_moves_exposure_along() -> None:
    data = _panel()
    table = gc.did(data, exposed="exposed").robustness(progress=False).to_frame().set_index("term")["estimate"]
    for name, part in (("last", data[data["period"] < 9]), ("first", data[data["period"] > 0])):
        assert table[f"without the {name} period"] == pytest.approx(gc.did(part, exposed="exposed").estimate)


def test_few_exposed_have_no_interval_and_few_treated_keep_theirs() -> None:
    data = _panel()
    few = data[data["exposed"].isna() | (data["unit"] < 16)]
    terms = _terms(gc.did(few, exposed="exposed"))
    assert np.isfinite(terms.loc["overall", "std_error"])
    assert np.isnan(terms.loc[["spillover", "total"], "std_error"]).all()
    assert np.isnan(terms.loc[["spillover", "total"], "conf_low"]).all()
    rooms = data[data["first_treated"].isna() | (data["unit"] < 18)]
    result = gc.did(rooms, exposed="exposed")
    without = gc.did(rooms[rooms["exposed"].isna()])
    assert "placebo runs" in result.estimates.method
    assert result.conf_int() == pytest.approx(without.conf_int())
    terms = _terms(result)
    assert np.isfinite(terms.loc["spillover", "std_error"]) and np.isnan(terms.loc["total", "std_error"])


def test_covariates_and_asked_intervals() -> None:
    data = _panel()
    data["x"] = np.sin(data["unit"])
    result = gc.did(data, exposed="exposed", covariates=["x"])
    alone = gc.did(data[data["exposed"].isna()], covariates=["x"])
    assert result.estimate == pytest.approx(alone.estimate) and result.std_error == pytest.approx(alone.std_error)
    wild = _terms(gc.did(data, exposed="exposed", inference="wild"))
    assert np.isfinite(wild.loc["overall", "conf_low"]) and np.isnan(wild.loc["spillover", "conf_low"])


def test_world_with_interference() -> None:
    """Controls that lose to their treated neighbours flatter the effect's opposite; set apart, the interval holds."""
    covered, spilled, plain, gap, draws = 0, 0, 0, [], 30
    for seed in range(draws):
        market = gc.simulate.world("D6", n=240, seed=seed, spill=150.0)
        table = market.table()
        found, naive = gc.did(table, **market.design.call), gc.did(table)
        low, high = found.conf_int()
        covered += low <= market.truth.value <= high
        row = _terms(found).loc["spillover"]
        spilled += row["conf_low"] <= market.truth["spillover"] <= row["conf_high"]
        low, high = naive.conf_int()
        plain += low <= market.truth.value <= high
        gap.append(naive.estimate - market.truth.value)
    assert covered >= 26 and spilled >= 26
    assert np.mean(gap) < -4 * np.std(gap) / np.sqrt(draws)
    assert plain < covered
