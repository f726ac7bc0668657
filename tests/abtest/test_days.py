"""Tests of units by day: sums by unit against pandas, a case by hand, relations, a fading effect found."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from log_inputs import KINDS, as_kind
from protocol import assert_protocol
from scipy import stats

import gmvcausal as gc

METRICS = [gc.Mean("gmv", pre="gmv_pre"), gc.Proportion("bought"), gc.Ratio("gmv", "orders")]


def panel(units: int = 300, days: int = 8, seed: int = 0, fade: float = 0.0, level: float = 0.0) -> pd.DataFrame:
    """One row per user and day, zero-filled; the effect is .3 of a basket, times `fade` to the power of the day."""
    rng = np.random.default_rng(seed)
    user, day = np.repeat(np.arange(units), days), np.tile(np.arange(days), units)
    arm = rng.permutation(np.arange(units) % 2)[user]
    taste = rng.normal(0, 0.5, units)[user]
    bought = rng.random(units * days) < 0.25
    lift = 0.3 if fade == 0 else 1.5 * fade**day
    gmv = level + np.where(bought, np.exp(rng.normal(2 + taste, 0.7)) * (1 + lift * arm), 0.0)
    frame = pd.DataFrame(
        {
            "user": user,
            "day": pd.Timestamp("2025-11-03") + pd.to_timedelta(day, "D"),
            "arm": np.where(arm == 1, "coupon", "none"),
            "gmv": gmv,
            "orders": bought.astype(int),
            "bought": bought,
            "gmv_pre": np.exp(rng.normal(2, 0.3, units))[user],
        }
    )
    return frame.sample(frac=1, random_state=seed, ignore_index=True)


def by_unit(frame: pd.DataFrame) -> pd.DataFrame:
    """The same test as one row per user, by pandas."""
    how = {"arm": "first", "gmv": "sum", "orders": "sum", "bought": "max", "gmv_pre": "first"}
    return frame.groupby("user").agg(how).reset_index()


def test_like_the_table_of_units(tmp_path: Path) -> None:
    frame = panel()
    expected = gc.ab_test(by_unit(frame), metrics=METRICS, control="none").to_frame()
    for kind in KINDS:
        found = gc.ab_test(as_kind(frame, kind, tmp_path), metrics=METRICS, control="none", time="day")
        shown = found.to_frame()
        assert set(shown["estimand"].str.split(", ").str[-1]) == {"2025-11-03 to 2025-11-10"}
        pd.testing.assert_frame_equal(
            shown.drop(columns=["estimand", "unit"]), expected.drop(columns=["estimand", "unit"]), rtol=1e-11
        )
        assert found.manifest.rows == 2400 and found.audit["repeated_units"].status == "passed"
        assert "added up over 8 days" in found.summary()


def second_daily(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Day by day and so far, from a matrix of users by days."""
    wide = frame.pivot(index="user", columns="day", values=column).astype(float)
    treated = (frame.groupby("user")["arm"].first() == "coupon").to_numpy()
    so_far = wide.cummax(axis=1) if column == "bought" else wide.cumsum(axis=1)
    rows = []
    for day in wide:
        row: list[Any] = [day]
        for table in (wide, so_far):
            a, b = table.loc[treated, day], table.loc[~treated, day]
            test = stats.ttest_ind(a, b, equal_var=False)
            span = test.confidence_interval(0.95)
            row += [a.mean() - b.mean(), np.sqrt(a.var() / len(a) + b.var() / len(b)), span.low, span.high]
        rows.append(row)
    names = ("estimate", "std_error", "conf_low", "conf_high")
    more = ("cumulative", "cumulative_std_error", "cumulative_low", "cumulative_high")
    return pd.DataFrame(rows, columns=["day", *names, *more])


@pytest.mark.parametrize("level", [0.0, 1e7])
@pytest.mark.parametrize("kind", ["pandas", "parquet", "duckdb"])
def test_daily_like_a_matrix_of_units_by_days(kind: str, level: float, tmp_path: Path) -> None:
    frame = panel(level=level)
    result = gc.ab_test(as_kind(frame, kind, tmp_path), metrics=METRICS, control="none", time="day")
    daily = result.daily()
    assert list(dict.fromkeys(daily["metric"])) == ["gmv", "bought", "gmv / orders"]
    for column in ("gmv", "bought"):
        expected = second_daily(frame, column)
        own = daily.loc[daily["metric"] == column, list(expected)].reset_index(drop=True)
        # A level of ten million takes seven of the digits of every number.
        near: dict[str, float] = {"rtol": 1e-9, "atol": 1e-10} if level == 0 else {"rtol": 1e-6, "atol": 2e-6}
        pd.testing.assert_frame_equal(own, expected, check_dtype=False, **near)
    assert (daily["n_treated"] == 150).all() and (daily["n_control"] == 150).all()


def test_the_last_day_so_far_is_the_test() -> None:
    frame = panel()
    result = gc.ab_test(frame, metrics=["gmv", gc.Proportion("bought"), gc.Ratio("gmv", "orders")], control="none",
                        time="day")  # fmt: skip
    last = result.daily().groupby("metric", sort=False).last()
    shown = result.to_frame().drop_duplicates("metric").set_index("metric")
    for a, b in (("cumulative", "estimate"), ("cumulative_std_error", "std_error"), ("cumulative_low", "conf_low")):
        # Hardly anybody buys on no day: the test's interval of that share is by score, a day's is Welch's.
        gone = ["bought"] if b == "conf_low" else []
        pd.testing.assert_series_equal(last[a].drop(gone), shown[b].drop(gone), check_names=False, rtol=1e-11)


def test_looks_like_pandas_and_on_to_sequential() -> None:
    frame = panel(units=400, seed=3)
    result = gc.ab_test(frame, metrics=["gmv"], control="none", time="day")
    looks = result.looks()
    wide = frame.pivot(index="user", columns="day", values="gmv").cumsum(axis=1)
    arm = frame.groupby("user")["arm"].first()
    for label in ("none", "coupon"):
        own = looks[looks["arm"] == label]
        assert (own["n"] == 200).all()
        np.testing.assert_allclose(own["mean"], wide[arm == label].mean(), rtol=1e-11)
        np.testing.assert_allclose(own["variance"], wide[arm == label].var(), rtol=1e-10)
    named = gc.sequential(looks, arm="arm", control="none", cells="cumulative", information="information")
    assert len(named.look) == 8
    last = named.to_frame().iloc[-1]
    np.testing.assert_allclose([last["estimate"], last["std_error"]], [result.estimate, result.std_error], rtol=1e-11)
    # The information makes no two looks more alike than they are, and consecutive ones no less.
    between = sum(np.cov(wide[arm == label].to_numpy().T) / 200 for label in ("none", "coupon"))
    alike = between / np.sqrt(np.outer(np.diag(between), np.diag(between)))
    known = named.seen.information
    taken = np.sqrt(np.minimum.outer(known, known) / np.maximum.outer(known, known))
    assert (taken <= alike + 1e-9).all()
    assert np.isclose(taken, alike).sum() >= 8 + 2 * 4


@pytest.mark.parametrize("enter", ["together", "day by day"])
@pytest.mark.parametrize("flag", [False, True])
def test_the_covariance_of_looks_against_numpy(enter: str, flag: bool) -> None:
    rng = np.random.default_rng(7)
    units, days = 60, 6
    first = rng.integers(0, 4, units) if enter == "day by day" else np.zeros(units, dtype=int)
    y = (rng.random((units, days)) < 0.3) * (1.0 if flag else rng.gamma(2, 5, (units, days)) + 1e6)
    arm = np.arange(units) % 2
    rows = [(u, d, arm[u], y[u, d]) for u in range(units) for d in range(first[u], days)]
    frame = pd.DataFrame(rows, columns=["user", "day", "arm", "gmv"]).sample(frac=1, random_state=1)
    metric = gc.Proportion("gmv") if flag else gc.Mean("gmv", cap=None)
    result = gc.ab_test(frame, metrics=[metric], time="day")
    assert result.days is not None
    found = result.days.look_covariance(0, [0, 1])
    inside = np.arange(days) >= first[:, None]
    total = np.cumsum(np.where(inside, y, 0.0), axis=1)
    total = np.minimum(total, 1.0) if flag else total
    for j in range(days):
        for k in range(j, days):
            wanted = 0.0
            for a in (0, 1):
                own = (arm == a) & inside[:, j]
                wanted += np.cov(total[own, j], total[own, k])[0, 1] / ((arm == a) & inside[:, k]).sum()
            assert found[j, k] == pytest.approx(wanted, rel=1e-7, abs=1e-12)
            assert found[k, j] == found[j, k]


def test_a_share_near_one_keeps_its_looks() -> None:
    """Days after which most have come still count: they hold the effect."""
    rng = np.random.default_rng(0)
    arm = np.repeat([0, 1], 600)
    chance = np.full((1200, 10), 0.15)
    chance[:, 5:] += 0.15 * arm[:, None]
    visit = (rng.random(chance.shape) < chance).astype(int)
    frame = pd.DataFrame(
        {
            "user": np.repeat(np.arange(1200), 10), "day": np.tile(np.arange(10), 1200), "arm": np.repeat(arm, 10),
            "visit": visit.ravel(),
        }
    )  # fmt: skip
    result = gc.ab_test(frame, metrics=[gc.Proportion("visit")], time="day")
    looks = gc.sequential(result.looks(), arm="arm", cells="cumulative", information="information")
    assert len(looks.look) == 10 and looks.stopped is not None
    assert looks.to_frame()["estimate"].iloc[-1] == pytest.approx(result.estimate, rel=1e-11)


def test_by_hand() -> None:
    # Two days; sums of the users are 3, 5 against 1, 1; so far on day 1: 1, 2 against 0, 1.
    frame = pd.DataFrame(
        {
            "user": [1, 1, 2, 2, 3, 3, 4, 4],
            "day": [1, 2] * 4,
            "arm": [1, 1, 1, 1, 0, 0, 0, 0],
            "gmv": [1.0, 2, 2, 3, 0, 1, 1, 0],
        }
    )
    result = gc.ab_test(frame, metrics=[gc.Mean("gmv", cap=None)], time="day")
    assert result.estimate == 3 and result.n == 4  # 4 against 1
    assert result.std_error == pytest.approx(np.sqrt(2 / 2 + 0 / 2))  # variances 2 and 0 of two users each
    daily = result.daily()
    assert list(daily["period"]) == [1, 2]
    assert daily["treated"].tolist() == [1.5, 2.5] and daily["control"].tolist() == [0.5, 0.5]
    assert daily["estimate"].tolist() == [1.0, 2.0]
    assert daily["cumulative"].tolist() == [1.0, 3.0]
    assert daily["std_error"].tolist() == pytest.approx([np.sqrt(0.5), np.sqrt(0.5)])
    looks = result.looks()
    assert looks["n"].tolist() == [2] * 4 and looks["mean"].tolist() == [0.5, 1.0, 1.5, 4.0]
    assert looks["variance"].tolist() == pytest.approx([0.5, 0.0, 0.5, 2.0], abs=1e-12)
    assert result.audit["novelty"].status == "not_run"


def test_a_file_is_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmvcausal.abtest.days.days.read_panel", None)
    for kind in ("parquet", "duckdb"):
        result = gc.ab_test(as_kind(panel(), kind, tmp_path), metrics=METRICS, control="none", time="day")
        assert len(result.daily()) == 24 and len(result.looks()) == 16


def test_order_and_split_files_do_not_matter(tmp_path: Path) -> None:
    frame = panel(seed=5)
    expected = gc.ab_test(frame, metrics=METRICS, control="none", time="day")
    again = gc.ab_test(frame[::-1].reset_index(drop=True), metrics=METRICS, control="none", time="day")
    for k in range(3):
        frame.iloc[k::3].to_parquet(tmp_path / f"part{k}.parquet")
    split = gc.ab_test(str(tmp_path / "*.parquet"), metrics=METRICS, control="none", time="day")
    for other in (again, split):
        pd.testing.assert_frame_equal(other.to_frame(), expected.to_frame(), rtol=1e-10)
        pd.testing.assert_frame_equal(other.daily(), expected.daily(), rtol=1e-9)
        pd.testing.assert_frame_equal(other.looks(), expected.looks(), rtol=1e-9)
    doubled = gc.ab_test(frame.assign(gmv=100 * frame["gmv"]), metrics=["gmv"], control="none", time="day")
    one = gc.ab_test(frame, metrics=["gmv"], control="none", time="day")
    np.testing.assert_allclose(doubled.daily()["cumulative"], 100 * one.daily()["cumulative"], rtol=1e-10)
    assert doubled.audit["novelty"].value == pytest.approx(one.audit["novelty"].value, rel=1e-9)


@pytest.mark.parametrize("kind", ["pandas", "parquet"])
def test_days_without_a_row_as_zeros(kind: str, tmp_path: Path) -> None:
    full = panel(seed=2)
    first = full["day"] == full["day"].min()
    sparse = full[full["bought"] | first]  # all users on the first day, buyers on the others
    a = gc.ab_test(full, metrics=METRICS, control="none", time="day")
    b = gc.ab_test(as_kind(sparse, kind, tmp_path), metrics=METRICS, control="none", time="day", missing="zero")
    pd.testing.assert_frame_equal(b.to_frame(), a.to_frame(), rtol=1e-10)
    pd.testing.assert_frame_equal(b.daily(), a.daily(), rtol=1e-9, atol=1e-12)
    pd.testing.assert_frame_equal(b.looks(), a.looks(), rtol=1e-9)
    assert b.audit["novelty"].value == pytest.approx(a.audit["novelty"].value, rel=1e-9)
    assert b.audit["silent_units"].status == "passed" and "silent_units" not in a.audit


@pytest.mark.parametrize("kind", ["pandas", "parquet"])
def test_units_that_enter_one_after_the_other(kind: str, tmp_path: Path) -> None:
    full = panel(seed=4)
    entry = pd.Timestamp("2025-11-03") + pd.to_timedelta(full["user"] % 4, "D")
    frame = full[full["day"] >= entry].reset_index(drop=True)
    result = gc.ab_test(as_kind(frame, kind, tmp_path), metrics=["gmv"], control="none", time="day")
    assert "from its first on" in " ".join(result.manifest.notes)
    wide = frame.pivot(index="user", columns="day", values="gmv")
    arm = (frame.groupby("user")["arm"].first() == "coupon").to_numpy()
    so_far = wide.cumsum(axis=1)  # empty before the first row
    looks = result.looks()
    np.testing.assert_array_equal(looks.loc[looks["arm"] == "coupon", "n"], wide[arm].notna().sum())
    np.testing.assert_allclose(looks.loc[looks["arm"] == "coupon", "mean"], so_far[arm].mean(), rtol=1e-11)
    np.testing.assert_allclose(looks.loc[looks["arm"] == "none", "variance"], so_far[~arm].var(), rtol=1e-10)
    daily = result.daily()
    np.testing.assert_allclose(daily["estimate"], wide[arm].mean() - wide[~arm].mean(), rtol=1e-10)
    assert daily["cumulative"].iloc[-1] == pytest.approx(result.estimate, rel=1e-11)
    slopes = [np.polyfit(np.arange(8)[v.notna()], v[v.notna()], 1)[0] for _, v in wide.iterrows()]
    test = stats.ttest_ind(np.array(slopes)[arm], np.array(slopes)[~arm], equal_var=False)
    assert result.audit["novelty"].value == pytest.approx(test.pvalue, rel=1e-8)


def test_arrivals() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"user": range(600), "day": np.arange(600) % 6, "arm": rng.integers(0, 2, 600)})
    frame["gmv"] = rng.exponential(10, 600) * (rng.random(600) < 0.5)
    result = gc.ab_test(frame, metrics=["gmv"], time="day")
    assert result.estimate == gc.ab_test(frame, metrics=["gmv"]).estimate
    looks = result.looks()
    treated = looks[looks["arm"] == 1]
    so_far = [frame[(frame["arm"] == 1) & (frame["day"] <= d)]["gmv"] for d in range(6)]
    np.testing.assert_array_equal(treated["n"], [len(x) for x in so_far])
    np.testing.assert_allclose(treated["variance"], [x.var() for x in so_far], rtol=1e-10)
    assert list(gc.sequential(looks, arm="arm", cells="cumulative").look) == list(range(6))
    assert result.audit["novelty"].status == "not_run"


def test_three_arms_and_long_calendars(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    user, day = np.repeat(np.arange(30), 130), np.tile(np.arange(130), 30)
    frame = pd.DataFrame({"user": user, "day": 7 * day, "arm": user % 3, "gmv": rng.exponential(1, 3900)})
    a = gc.ab_test(frame, metrics=["gmv"], control=0, time="day")
    b = gc.ab_test(as_kind(frame, "parquet", tmp_path), metrics=["gmv"], control=0, time="day")  # three words of bits
    pd.testing.assert_frame_equal(a.to_frame(), b.to_frame(), rtol=1e-11)
    assert len(a.daily()) == 260 and a.daily()["period"].max() == 7 * 129
    with pytest.raises(gc.InputError, match="Pass one of 1, 2 as arm="):
        a.looks()
    assert set(b.looks(arm=2)["arm"]) == {0, 2}


def test_a_fading_effect_is_found() -> None:
    result = gc.ab_test(panel(units=3000, fade=0.6), metrics=["gmv"], control="none", time="day")
    check = result.audit["novelty"]
    assert check.status == "warned" and check.value is not None and check.value < 1e-4
    daily = result.daily()["estimate"]
    assert f"{daily[:2].mean():+.3g} on the first 2 days, {daily[-2:].mean():+.3g} on the last 2" in check.message
    steady = gc.ab_test(panel(units=3000), metrics=["gmv"], control="none", time="day")
    assert steady.audit["novelty"].status == "passed"


def test_the_novelty_check_seldom_cries_wolf() -> None:
    # A weekend for everybody, a constant effect, users whose level differs; 800 tests of 200 users over 7 days.
    rng = np.random.default_rng(8)
    fired = 0
    user, day = np.repeat(np.arange(200), 7), np.tile(np.arange(7), 200)
    base = pd.DataFrame({"user": user, "day": day, "arm": user % 2})
    for _ in range(800):
        level = rng.gamma(2, 1, 200)[user] * np.where(day >= 5, 2.0, 1.0)
        base["gmv"] = rng.poisson(level) + 0.5 * base["arm"] * (rng.random(1400) < 0.5)
        case = gc.ab_test(base, metrics=[gc.Mean("gmv", cap=None)], time="day")
        fired += case.audit["novelty"].status == "warned"
    assert 1 <= fired <= 18  # 8 expected; outside by chance in 1 of 700


def test_protocol_plots_and_storing(tmp_path: Path) -> None:
    frame = panel()
    result = gc.ab_test(frame, metrics=["gmv"], control="none", time="day")
    assert_protocol(result, tmp_path, plots=(None, "daily"))
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(result)).daily(), result.daily())
    unseen = pickle.loads(pickle.dumps(gc.ab_test(frame, metrics=["gmv"], control="none", time="day")))
    with pytest.raises(gc.InputError, match="a stored result does not hold"):
        unseen.daily()


def test_the_logs_panel_end_to_end() -> None:
    market = gc.simulate.livestream(users=300, rooms=4, days=28, seed=1)
    frame = gc.Logs(**market.logs).panel(unit="user", freq="D")
    name = next(c for c in ("user", "unit") if c in frame)
    arm = frame[name].map(lambda u: sum(map(ord, str(u))) % 2)
    frame["arm"] = arm
    result = gc.ab_test(frame, metrics=["gmv"], time="period", unit=name)
    assert result.days.shape == "all" and result.unit == "gross paid GMV per user"
    total = frame.groupby(["arm", name])["gmv"].sum().groupby("arm").mean()
    assert result.estimate == pytest.approx(total[1] - total[0], rel=1e-9)
    assert result.daily()["cumulative"].iloc[-1] == pytest.approx(result.estimate, rel=1e-9)


@pytest.mark.parametrize("whale", [1e7, 1e9, 1e12])
def test_one_unit_of_a_thousand_million_is_no_change_of_the_data(whale: float) -> None:
    frame = panel(units=1_000, days=14)
    frame.loc[9, "gmv"] = whale
    result = gc.ab_test(frame, metrics=[gc.Mean("gmv", cap=None)], control="none", time="day")
    daily, looks = result.daily(), result.looks()
    assert result.pull_forward(during=3).estimates.term[0] == "net"
    # The arm and the days without that unit keep their digits.
    arm = frame.loc[9, "arm"]
    so_far = frame.pivot(index="user", columns="day", values="gmv").cumsum(axis=1)
    other = frame.loc[frame["arm"] != arm, "user"].unique()
    cells = result._days("daily").so_far()
    place = next(i for i, label in enumerate(result._days("daily").labels) if label != arm)
    np.testing.assert_allclose(cells.cov[:, place, 0, 0], so_far.loc[other].var(), rtol=1e-9)
    assert len(daily) == 14 and len(looks) == 28
    frame.loc[10, "gmv"] += max(1.0, whale * 1e-6)
    again = gc.ab_test(frame, metrics=[gc.Mean("gmv", cap=None)], control="none", time="day")
    frame.loc[frame["arm"] != arm, "gmv"] += 1.0
    with pytest.raises(gc.InputError, match="data have changed"):
        again.daily()


@pytest.mark.parametrize("missing", ["raise", "zero"])
def test_a_day_that_is_lost_for_everybody_is_named(missing: str) -> None:
    full = panel(units=200, days=8)
    days = np.sort(full["day"].unique())
    lost = full[full["day"] != days[4]]
    options = {"metrics": [gc.Mean("gmv", cap=None)], "control": "none", "time": "day", "missing": missing}
    result = gc.ab_test(lost, **options)
    check = result.audit["period_gaps"]
    assert (check.status, check.value) == ("warned", 1.0) and "no unit has a row on 2025-11-07" in check.message
    assert "nobody has a row on 2025-11-07 between them" in " ".join(result.manifest.notes)
    for window in (None, 5):
        with pytest.raises(gc.DesignError, match=r"gaps within the window.*2025-11-07.*window=4 or less"):
            result.pull_forward(window=window)
    before = gc.ab_test(full, **options)
    assert before.audit["period_gaps"].status == "passed"
    short, whole = (r.pull_forward(window=4).to_frame() for r in (result, before))
    pd.testing.assert_frame_equal(short, whole, rtol=1e-9)
    many = gc.ab_test(full[full["day"].isin(days[[0, 1, 7]])], **options)
    assert "5 days (2025-11-05, 2025-11-06, 2025-11-07 and 2 more)" in many.audit["period_gaps"].message
    every_second = gc.ab_test(full[full["day"].isin(days[::2])], **options)  # an even grid has no gaps
    assert every_second.audit["period_gaps"].status == "passed"
