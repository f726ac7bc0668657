"""A test level by level, and the test that the effects are equal."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ab_users import users
from protocol import assert_protocol
from scipy import stats
from statsmodels.stats.oneway import anova_oneway

import gmvcausal as gc
from gmvcausal.abtest.terms.compare import welch_df
from gmvcausal.results.by_level import FEW_IN_ARM
from gmvcausal.stats.inference import equal_effects

DATA = users(n=1500, seed=6).assign(city=lambda f: f.index % 3)
METRICS: list[Any] = ["gmv", gc.Proportion("bought"), gc.Ratio("gmv", "orders")]
PLAIN: list[Any] = [gc.Mean("gmv", cap=None), gc.Proportion("bought"), gc.Ratio("gmv", "orders", cap=None)]


def test_every_level_is_a_test_of_its_own() -> None:
    found = gc.ab_test(DATA, metrics=PLAIN).by("segment", adjust=None).to_frame()
    same = ["estimate", "std_error", "p_value", "conf_low", "conf_high", "relative", "relative_low", "n"]
    whole = gc.ab_test(DATA, metrics=PLAIN).to_frame()
    np.testing.assert_allclose(found.loc[found["level"] == "all", same], whole[same], rtol=1e-9)
    for level in ("new", "old", "vip"):
        own = gc.ab_test(DATA[DATA["segment"] == level], metrics=PLAIN).to_frame()
        np.testing.assert_allclose(found.loc[found["level"] == level, same], own[same], rtol=1e-9)
    assert found["level"].tolist() == ["all", "new", "old", "vip"] * 3


def test_levels_are_adjusted_metric_by_metric() -> None:
    r = gc.ab_test(DATA, metrics=PLAIN)
    plain, holm, bh = (r.by("segment", adjust=a).to_frame() for a in (None, "holm", "bh"))
    for k in range(3):
        own = plain["p_value"][4 * k + 1 : 4 * k + 4].to_numpy()
        order = np.argsort(own)
        wanted = np.empty(3)
        wanted[order] = np.minimum(np.maximum.accumulate(np.array([3, 2, 1]) * own[order]), 1)
        np.testing.assert_allclose(holm["p_value"][4 * k + 1 : 4 * k + 4], wanted)
        assert holm["p_value"][4 * k] == plain["p_value"][4 * k]
    half = stats.t.ppf(1 - 0.05 / 6, holm["df"]) * holm["std_error"]
    levels = holm["level"] != "all"
    np.testing.assert_allclose((holm["conf_high"] - holm["estimate"])[levels], half[levels])
    assert (bh["p_value"] <= holm["p_value"] + 1e-12).all()


def test_two_levels_are_compared_by_welch_s_t() -> None:
    a, b, va, vb, da, db = 1.5, -0.3, 0.4, 0.9, 12.0, 30.0
    f, one, two, p = equal_effects(np.array([a, b]), np.array([va, vb]), np.array([da, db]))
    t, df = (a - b) / math.sqrt(va + vb), welch_df([(va, da), (vb, db)])
    assert (f, one, two) == pytest.approx((t * t, 1.0, df))
    assert p == pytest.approx(2 * stats.t.sf(abs(t), df))


def test_interaction_is_welch_s_test_of_k_means() -> None:
    """Of group means it is the oneway test with unequal variances, as written out by Welch (1951)."""
    rng = np.random.default_rng(1)
    groups = [rng.normal(m, s, n) for m, s, n in ((0, 1, 8), (0.5, 2, 15), (1, 4, 30), (0, 1, 6))]
    mean, n = np.array([g.mean() for g in groups]), np.array([len(g) for g in groups])
    var = np.array([g.var(ddof=1) for g in groups])
    found = equal_effects(mean, var / n, n - 1.0)
    theirs = anova_oneway(groups, use_var="unequal", welch_correction=True)
    assert found[0] == pytest.approx(theirs.statistic)
    assert found[3] == pytest.approx(theirs.pvalue)
    shifted = equal_effects(mean + 1e9, var / n, n - 1.0)
    assert shifted[3] == pytest.approx(found[3], rel=1e-5)
    big = equal_effects(mean, var / n, np.full(4, np.inf))
    w = n / var
    assert big[3] == pytest.approx(stats.chi2.sf((w * (mean - w @ mean / w.sum()) ** 2).sum(), 3))


def test_interaction_of_the_levels() -> None:
    r = gc.ab_test(DATA, metrics=PLAIN).by("segment")
    frame = r.to_frame()
    table = r.interaction()
    for k in range(3):
        own = frame.iloc[4 * k + 1 : 4 * k + 4]
        wanted = equal_effects(own["estimate"].to_numpy(), own["std_error"].to_numpy() ** 2, own["df"].to_numpy())
        assert tuple(table.loc[k, ["statistic", "df1", "df2", "p_value"]]) == pytest.approx(wanted)
    first = r.summary().split("FINDING")[0]
    assert "Interaction, gmv" in first
    assert "no difference between them" in " ".join(first.split())


def test_the_interaction_keeps_its_size_and_finds_a_difference() -> None:
    rejected, runs = 0, 200
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        level = rng.integers(0, 4, 240)
        y = rng.normal(0, 1 + level, 240)
        data = pd.DataFrame({"arm": rng.integers(0, 2, 240), "tier": level, "y": y})
        rejected += gc.ab_test(data, metrics=[gc.Mean("y", cap=None)]).by("tier").interactions[0].p_value < 0.05
    assert 2 <= rejected <= 22
    data = data.assign(y=y + 8.0 * data["arm"] * (data["tier"] == 0))
    assert gc.ab_test(data, metrics=[gc.Mean("y", cap=None)]).by("tier").interactions[0].p_value < 0.001


def test_caps_are_those_of_the_whole() -> None:
    r = gc.ab_test(DATA, metrics=["gmv"])
    frame = r.by("segment").to_frame()
    capped = frame[frame["term"].str.contains("capped")]
    assert len(capped) == 4
    assert capped["estimand"].str.split(", segment").str[0].nunique() == 1
    cut = DATA.assign(gmv=np.minimum(DATA["gmv"], r.origin.caps[0].at[0]))  # type: ignore[union-attr]  # it has both
    own = gc.ab_test(cut[cut["segment"] == "old"], metrics=[gc.Mean("gmv", cap=None)])
    row = capped[capped["level"] == "old"].iloc[0]
    assert (row["estimate"], row["std_error"]) == pytest.approx((own.estimate, own.std_error), rel=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"metrics": METRICS, "adjust": "holm"},
        {"metrics": [gc.Mean("gmv", pre="gmv_pre")]},
        {"metrics": [gc.Gmv("gmv", "orders")]},
        {"metrics": ["gmv"], "strata": "city"},
        {"metrics": ["gmv"], "inference": "randomisation", "draws": 299},
        {"metrics": ["gmv"], "alternative": "greater"},
    ],
)
def test_protocol(options: dict[str, Any], tmp_path: Path) -> None:
    r = gc.ab_test(DATA, **options).by("segment")
    assert_protocol(r, tmp_path if options["metrics"] is METRICS else None, plots=(None, "estimates"))
    page = gc.report(r, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Interaction, gmv" in page
    assert r.estimate == gc.ab_test(DATA, **options).estimate


def test_files_row_order_and_units_of_money(tmp_path: Path) -> None:
    path = tmp_path / "users.parquet"
    DATA.to_parquet(path)
    columns = ["p_value", "relative", "relative_low"]
    frame = gc.ab_test(DATA, metrics=METRICS).by("segment").to_frame()[columns]
    others = (path, DATA.sample(frac=1, random_state=1), DATA.assign(gmv=100 * DATA["gmv"]))
    for data in others:
        again = gc.ab_test(data, metrics=METRICS).by("segment").to_frame()[columns]
        np.testing.assert_allclose(frame, again, rtol=1e-7)


def test_small_levels_are_listed_with_their_reason() -> None:
    data = DATA.copy()
    data.loc[data.index[:12], "segment"] = "rare"
    data.loc[data.index[12:13], "segment"] = "one"
    # In the arm where they are seven together, one level more is hidden with them.
    r = gc.ab_test(data, metrics=["gmv"]).by("segment")
    assert {h.level: h.why for h in r.hidden} == dict.fromkeys(("old", "one", "rare"), FEW_IN_ARM)
    text = " ".join(r.summary().split())
    assert "Not estimated: segment = rare (hidden: n < 10 in an arm, here or in a level hidden with it)" in text
    assert r.audit["segment_levels"].status == "warned"
    assert "rare" not in set(r.to_frame()["level"])


def test_clusters() -> None:
    rng = np.random.default_rng(2)
    room = np.repeat(np.arange(60), 20)
    data = pd.DataFrame({"room": room, "arm": room % 2, "tier": (room // 2) % 3, "gmv": rng.exponential(5, 1200)})
    data["mixed"] = rng.integers(0, 2, 1200)
    data["few"] = np.where(room < 52, "many", "few")
    r = gc.ab_test(data, metrics=[gc.Mean("gmv", cap=None)], cluster="room")
    tier = r.by("tier")
    assert tier.audit["segment_balance"].status == "passed"
    assert tier.interactions[0].p_value < 1
    mixed = r.by("mixed")
    assert math.isnan(mixed.interactions[0].p_value)
    assert mixed.audit["segment_balance"].status == "not_run"
    assert "lie in several levels" in " ".join(mixed.summary().split())
    assert "only 4 clusters" in r.by("few").hidden[0].why


def test_a_segment_that_the_tactic_moved_fails_the_audit() -> None:
    data = DATA.assign(moved=np.where(DATA["bought"] & (DATA["arm"] == 1), "active", "idle"))
    data.loc[data.index[::4], "moved"] = "active"
    r = gc.ab_test(data, metrics=["age"]).by("moved")
    assert r.audit["segment_balance"].status == "failed"
    assert r.summary().split("\n")[2].startswith("REFUSED")
    assert gc.ab_test(data, metrics=["age"]).by("segment").audit["segment_balance"].status == "passed"


def test_changed_data_are_refused() -> None:
    data = DATA.copy()
    r = gc.ab_test(data, metrics=["gmv"])
    before = data.copy()
    r.by("segment")
    pd.testing.assert_frame_equal(data, before)
    data.loc[data.index[0], "gmv"] = 1e6
    with pytest.raises(gc.InputError, match=r"do not give this result any more: .* then, .* now"):
        r.by("segment")
    with pytest.raises(gc.InputError, match="does not know its data"):
        pickle.loads(pickle.dumps(gc.ab_test(DATA, metrics=["gmv"]))).by("segment")


def test_tables_by_day_are_refused() -> None:
    """A table of units by day is added up first, so its rows are not those of the test."""
    days = pd.concat([DATA.assign(user=DATA.index, day=f"2025-11-0{d}") for d in (1, 2)], ignore_index=True)
    r = gc.ab_test(days, metrics=[gc.Mean("gmv", cap=None)], time="day", unit="user")
    with pytest.raises(gc.InputError, match="no rows of units but of days"):
        r.by("segment")


SMALL = DATA.head(60).assign(tier=lambda f: f.index % 20)
BAD: dict[str, tuple[Any, dict[str, Any], str, type[Exception], str]] = {
    "no such column": (DATA, {}, "segmnt", gc.InputError, "no column 'segmnt'.*Did you mean 'segment'"),
    "no text": (DATA, {}, 3, gc.InputError, "segment must be a column name"),
    "the arm": (DATA, {}, "arm", gc.InputError, "is the arm or an outcome"),
    "an outcome": (DATA, {}, "gmv", gc.InputError, "is the arm or an outcome"),
    "missing": (
        DATA.assign(tier=DATA["segment"].where(DATA.index > 1)),
        {},
        "tier",
        gc.InputError,
        "segment is missing; column 'tier'; 2 found; first at row positions 0, 1",
    ),
    "one level": (DATA.assign(tier=1), {}, "tier", gc.InputError, "has 1 level; 2 to 50"),
    "many levels": (DATA.assign(tier=DATA.index), {}, "tier", gc.InputError, "has 1,500 levels; 2 to 50"),
    "no level": (SMALL, {}, "tier", gc.DesignError, "no level of 'tier' can be shown"),
    "withheld": (DATA, {"cluster": "city"}, "segment", gc.DesignError, "no level can have an interval where the whole"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_segments(name: str) -> None:
    data, options, segment, kind, words = BAD[name]
    r = gc.ab_test(data, metrics=["gmv"], **options)
    with pytest.raises(kind, match=words):
        r.by(segment)
    with pytest.raises(gc.InputError, match="adjust must be one of 'holm', 'bh'"):
        r.by("segment", adjust="hochberg")
