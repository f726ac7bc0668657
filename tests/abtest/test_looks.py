"""The verb `sequential`: both forms of data, the ASOS file, bad input."""

from __future__ import annotations

import decimal
import html
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import gmvcausal as gc
from gmvcausal import DesignError, InputError
from gmvcausal.abtest.looks.result import SequentialResult
from gmvcausal.present import words
from gmvcausal.results.base import COMMON_COLUMNS
from gmvcausal.stats.sequential import spending_bounds

FLAT = pd.DataFrame({"look": [1, 2], "estimate": [1.0, 1.1], "std_error": [0.5, 0.4]})


def users(days: int = 6, per_day: int = 400, effect: float = 0.0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = days * per_day
    arm = rng.integers(0, 2, n)
    gmv = np.where(rng.uniform(size=n) < 0.2, rng.lognormal(3, 1, n), 0.0) + effect * arm
    return pd.DataFrame({"day": np.repeat(np.arange(days), per_day), "arm": arm, "gmv": gmv})


def cells(frame: pd.DataFrame) -> pd.DataFrame:
    out = frame.groupby(["day", "arm"])["gmv"].agg(n="size", mean="mean", variance="var").reset_index()
    return out.rename(columns={"day": "look"})


def by_hand(frame: pd.DataFrame, day: int) -> tuple[float, float, float]:
    a, b = (frame.loc[(frame.day <= day) & (frame.arm == k), "gmv"] for k in (0, 1))
    return b.mean() - a.mean(), np.sqrt(a.var() / len(a) + b.var() / len(b)), 1 / (1 / len(a) + 1 / len(b))


def test_new_cells_cumulative_cells_and_estimates_agree_with_the_rows() -> None:
    frame = users()
    rows = [by_hand(frame, day) for day in range(6)]
    new = gc.sequential(cells(frame).sample(frac=1, random_state=1), arm="arm")
    np.testing.assert_allclose(new.seen.estimate, [r[0] for r in rows], rtol=1e-10)
    np.testing.assert_allclose(new.seen.std_error, [r[1] for r in rows], rtol=1e-10)
    np.testing.assert_allclose(new.seen.information, [r[2] for r in rows], rtol=1e-12)
    so_far = pd.concat([cells(frame[frame.day <= d].assign(day=d)) for d in range(6)])
    cumulative = gc.sequential(so_far, arm="arm", cells="cumulative")
    flat = pd.DataFrame(rows, columns=["estimate", "std_error", "info"]).assign(
        look=pd.date_range("2025-11-01", periods=6)
    )
    given = gc.sequential(flat, information="info")
    for other in (cumulative, given):
        np.testing.assert_allclose(other.bound, new.bound, rtol=1e-9)
        np.testing.assert_allclose(other.p_values, new.p_values, rtol=1e-6)
    assert given.look[0] == "2025-11-01"
    np.testing.assert_array_equal(new.bound, spending_bounds(new.seen.information).z)
    np.testing.assert_allclose(by_hand(frame, 5)[0], new.seen.estimate[-1])


def test_the_answer_is_that_of_the_stop() -> None:
    r = gc.sequential(cells(users(effect=4.0)), arm="arm")
    frame = r.to_frame()
    at = int(np.argmax(r.crossed))
    assert r.crossed.any() and r.stopped == r.look[at] == frame.look[0]
    assert tuple(frame.columns[:10]) == COMMON_COLUMNS
    # The first row is that of the stop; the looks follow.
    pd.testing.assert_series_equal(frame.iloc[0, 1:], frame.iloc[1 + at, 1:], check_names=False)
    assert r.estimate == r.seen.estimate[at] and r.std_error == r.seen.std_error[at] and r.n == frame.n[0]
    assert r.conf_int() == (frame.conf_low[0], frame.conf_high[0])
    assert r.p_value <= 0.05 and (r.p_values[at:] == r.p_value).all()
    inside = (frame.conf_low <= 0) & (frame.conf_high >= 0)
    np.testing.assert_array_equal(inside, ~frame.crossed)
    text = r.summary()
    assert f"crossed at look {r.stopped}" in text and "for a single look" in text and text.count("FINDING") == 1
    for kind in (None, "estimates", "statistic"):
        assert r.plot(kind).axes
    with pytest.raises(InputError, match="kind must be one of"):
        r.plot("pie")


@pytest.mark.parametrize("method", ["group_sequential", "always_valid"])
@pytest.mark.parametrize("effect", [0.0, 4.0])
def test_it_is_a_result_like_any_other(method: str, effect: float, tmp_path: Path) -> None:
    frame = cells(users(effect=effect))
    r = gc.sequential(frame, arm="arm", method=method)
    told = words.answer(r)
    assert told.startswith("A gain of" if r.stopped is not None else "No gain found: ")
    page = gc.report(r, tmp_path / "a.html").read_text(encoding="utf-8")
    assert told.split(" (")[0] in html.unescape(page).replace("\u2060", "") and page.count("<img") == 2
    table = gc.table(r, r).to_frame()
    assert table.iloc[0, 0] == "effect" and len(table) == 2 * (1 + len(r.look)) + 2
    r.to_docx(tmp_path / "a.docx")
    assert "look 3" in r.to_html() and "\\toprule" in r.to_latex()
    again = pickle.loads(pickle.dumps(r))
    pd.testing.assert_frame_equal(again.to_frame(), r.to_frame())
    low, high = r.conf_int()
    inner, outer = r.conf_int(0.8), r.conf_int(0.99)
    assert outer[0] < low < inner[0] < r.estimate < inner[1] < high < outer[1]
    # Another level has the bounds of another alpha.
    wide = gc.sequential(frame, arm="arm", method=method, alpha=0.01)
    at = 1 + r.look.index(frame_look(r))
    assert outer == pytest.approx(tuple(wide.to_frame().loc[at, ["conf_low", "conf_high"]]), rel=1e-9)
    np.testing.assert_allclose(np.diag(r.estimates.cov), r.to_frame()["std_error"] ** 2)
    assert np.linalg.eigvalsh(r.estimates.cov).min() > -1e-9 * r.estimates.cov.max()


def frame_look(r: SequentialResult) -> object:
    return r.to_frame()["look"][0]


def test_units_that_are_not_known_are_said_so() -> None:
    r = gc.sequential(FLAT)
    assert r.n is None and "n           not known" in r.summary()
    assert "not known" in r.to_html()
    assert r.told.detectable == pytest.approx((r.bound[-1] + 0.8416) * 0.4, rel=1e-4)


@pytest.mark.parametrize(
    "options", [{"spending": "obrien_fleming"}, {"spending": "pocock"}, {"method": "always_valid"}]
)
def test_alternatives_mirror_each_other(options: dict[str, Any]) -> None:
    frame = cells(users(effect=2.0))
    up = gc.sequential(frame, arm="arm", alternative="greater", **options)
    down = gc.sequential(frame.assign(mean=-frame["mean"]), arm="arm", alternative="less", **options)
    np.testing.assert_allclose(up.p_values, down.p_values)
    np.testing.assert_array_equal(up.crossed, down.crossed)
    assert up.conf_int()[1] == np.inf and down.conf_int()[0] == -np.inf
    assert up.conf_int()[0] == pytest.approx(-down.conf_int()[1])


def test_size_over_14_looks_of_zero_inflated_gmv() -> None:
    """No effect, 14 days, 95 % zeros, lognormal amounts: at most 5.5 % of 6,000 tests find one; naively one in five."""
    rng = np.random.default_rng(11)
    reps, days, size = 6_000, 14, 2_000
    n = size * np.arange(1, days + 1.0)
    mean, variance = [], []
    for _ in range(2):
        buyers = rng.binomial(size, 0.05, (reps, days))
        amounts, cell = rng.lognormal(3, 1, buyers.sum()), np.repeat(np.arange(reps * days), buyers.ravel())
        first, second = (
            np.bincount(cell, amounts**k, minlength=reps * days).reshape(reps, days).cumsum(axis=1) for k in (1, 2)
        )
        mean.append(first / n)
        variance.append((second - n * mean[-1] ** 2) / (n - 1))
    se = np.sqrt((variance[0] + variance[1]) / n)
    z = (mean[1] - mean[0]) / se
    r = gc.sequential(
        pd.DataFrame({"look": range(days), "estimate": mean[1][0] - mean[0][0], "std_error": se[0], "n": n}),
        n_control="n",
        n_treated="n",
    )
    np.testing.assert_allclose(r.statistic, z[0])
    assert 0.035 < (np.abs(z) >= r.bound).any(axis=1).mean() <= 0.055
    assert (np.abs(z) >= 1.96).any(axis=1).mean() > 0.18


def test_adjusted_for_the_stop() -> None:
    r = gc.sequential(cells(users(effect=4.0)), arm="arm")
    middle, low, high = r.adjusted()
    assert r.stopped is not None and low < middle < r.estimate and high > middle
    assert low > r.conf_int()[0] and high < r.conf_int()[1]
    down = gc.sequential(cells(users(effect=-4.0)), arm="arm", alternative="less")
    middle, low, high = down.adjusted()
    assert low == -np.inf and down.estimate < middle < high < 0
    with pytest.raises(DesignError, match="follow no plan"):
        gc.sequential(cells(users()), arm="arm", method="always_valid").adjusted()


@pytest.mark.parametrize(
    "change",
    [
        pl.from_pandas,
        pa.Table.from_pandas,
        lambda c: c.convert_dtypes(),
        lambda c: c.assign(arm=c.arm.astype(bool)),
        lambda c: c.assign(n=c.n.astype("int16")),
        lambda c: c.assign(mean=c["mean"].map(lambda v: decimal.Decimal(repr(v)))),
        lambda c: c.assign(look=[f"2025-11-{k + 1:02d}" for k in c.look]),
        lambda c: c.sample(frac=1, random_state=1),
    ],
    ids=["polars", "pyarrow", "nullable", "bool", "int16", "decimal", "text dates", "row order"],
)
def test_every_kind_of_frame(change, tmp_path: Path) -> None:
    frame = cells(users())
    ours, same = gc.sequential(frame, arm="arm"), gc.sequential(change(frame), arm="arm")
    np.testing.assert_allclose(same.statistic, ours.statistic, rtol=1e-10)
    np.testing.assert_allclose(same.p_values, ours.p_values, rtol=1e-8)
    frame.to_parquet(tmp_path / "cells.parquet")
    np.testing.assert_allclose(gc.sequential(tmp_path / "cells.parquet", arm="arm").statistic, ours.statistic)


def test_planned_end_and_sample_ratio() -> None:
    frame = cells(users())
    half = gc.sequential(frame, arm="arm", planned=2 * 2400)
    assert half.fraction[-1] == pytest.approx(0.5)
    assert half.audit.credible and half.audit["sample_ratio"].status == "passed"
    odd = gc.sequential(frame.assign(n=np.where(frame.arm == 1, frame.n * 60, frame.n * 50)), arm="arm")
    assert not odd.audit.credible and odd.summary().count("REFUSED") == 1
    wide = frame.assign(n=np.where(frame.arm == 1, 3_000, 1_000))
    assert gc.sequential(wide, arm="arm", expected_ratio={0: 25, 1: 75}).audit.credible
    assert not gc.sequential(wide, arm="arm").audit.credible


def test_days_without_news_are_left_out_and_counted() -> None:
    frame = cells(users())
    quiet = frame[frame["look"] == 3].assign(look=9, n=0, mean=np.nan, variance=np.nan)
    early = frame[frame["look"] == 0].assign(look=-1, n=1, variance=np.nan)
    r = gc.sequential(pd.concat([early, frame, quiet]), arm="arm")
    assert len(r.look) == 6
    assert sum(r.manifest.dropped.values()) == 2 and "left out" in r.summary()


def asos(folder: Path) -> pd.DataFrame:
    file = folder / "asos_digital_experiments.parquet"
    if not file.is_file():
        pytest.skip(f"no {file.name} in {folder}")  # the file may not be shipped with the project
    data = pd.read_parquet(file)
    return data[data["metric_id"] == 1].sort_values("time_since_start")


def test_asos(data_dir: Path) -> None:
    """78 real experiments, metric 1: 26 of 99 contrasts end significant, 46 were so at some look, 24-28 with bounds."""
    end = naive = ours = 0
    contrasts = list(asos(data_dir).groupby(["experiment_id", "variant_id"]))
    for _, g in contrasts:
        se = np.sqrt(g.variance_c / g.count_c + g.variance_t / g.count_t)
        z = ((g.mean_t - g.mean_c) / se).to_numpy()
        naive += bool((np.abs(z) > 1.96).any())
        # two looks of two contrasts count fewer users than the look before
        grows = (g.count_c >= g.count_c.cummax()) & (g.count_t >= g.count_t.cummax())
        long = pd.concat(
            g.loc[grows, ["time_since_start"]].assign(
                arm=k, n=g[f"count_{s}"], mean=g[f"mean_{s}"], variance=g[f"variance_{s}"]
            )
            for k, s in ((0, "c"), (1, "t"))
        )
        r = gc.sequential(long, look="time_since_start", arm="arm", cells="cumulative")
        end += bool(abs(z[-1]) > 1.96)
        ours += bool(r.crossed.any())
    assert (len(contrasts), end, naive) == (99, 26, 46)
    assert 24 <= ours <= 28


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"look": [1, 1]}, {}, "2 rows of one look occur more than once"),
        ({"std_error": [0.5, 0.0]}, {}, "must be positive"),
        ({"std_error": [0.5, np.nan]}, {}, "standard error is missing"),
        ({"estimate": [np.inf, 1.0]}, {}, "infinite"),
        ({"std_error": [0.4, 0.5]}, {}, "must grow"),
        ({}, {"method": "peek"}, "method must be one of"),
        ({}, {"planned": -1}, "planned must be"),
        ({}, {"alpha": 5}, "alpha must be"),
        ({}, {"estimate": "effect"}, "no column 'effect'"),
        ({"n": [10, 20]}, {"n_control": "n"}, "go together"),
        ({"n": [1, 20]}, {"n_control": "n", "n_treated": "n"}, "two units or more"),
        ({}, {"expected_ratio": {"control": 1, "treated": 1}}, "not known"),
        ({}, {"expected_ratio": {"A": 1, "B": 1}}, "names the arms"),
        ({}, {"expected_ratio": 0.5}, "share for each arm"),
    ],
)
def test_bad_estimates(change: dict, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        gc.sequential(FLAT.assign(**change), **options)


def test_bad_cells() -> None:
    frame = cells(users())
    named = frame.assign(arm=frame.arm.map({0: "none", 1: "coupon"}))
    with pytest.raises(InputError, match="which of them is the control"):
        gc.sequential(named, arm="arm")
    assert gc.sequential(named, arm="arm", control="none").estimate == pytest.approx(
        gc.sequential(frame, arm="arm").estimate
    )
    with pytest.raises(InputError, match="Did you mean 'none'"):
        gc.sequential(named, arm="arm", control="non")
    with pytest.raises(DesignError, match="two arms, but the data have 3"):
        gc.sequential(pd.concat([frame, frame[frame.arm == 1].assign(arm=2)]), arm="arm")
    with pytest.raises(InputError, match="occur more than once"):
        gc.sequential(pd.concat([frame, frame]), arm="arm")
    with pytest.raises(InputError, match="need a row of either arm"):
        gc.sequential(frame.iloc[1:], arm="arm", cells="cumulative")
    with pytest.raises(InputError, match="fall at"):
        gc.sequential(frame.assign(n=[9, 9, 8, 8, 7, 7, 6, 6, 5, 5, 4, 4]), arm="arm", cells="cumulative")
    with pytest.raises(InputError, match="negative"):
        gc.sequential(frame.assign(variance=-1.0), arm="arm")
    with pytest.raises(InputError, match="not whole"):
        gc.sequential(frame.assign(n=frame.n + 0.5), arm="arm")
    with pytest.raises(DesignError, match="at no look"):
        gc.sequential(frame.assign(mean=0.0, variance=0.0), arm="arm")


def _five(estimate: list[float], planned: float | None = None, **options: Any) -> Any:
    k = len(estimate)
    n = 500 * np.arange(1, k + 1)
    looks = pd.DataFrame({"look": range(k), "estimate": estimate, "std_error": 4 * np.sqrt(2 / n), "c": n, "t": n})
    return gc.sequential(looks, n_control="c", n_treated="t", planned=planned, **options)


def test_a_p_value_at_an_early_look_is_that_of_its_interval() -> None:
    r = _five([0.5, 0.48, 0.30], planned=6000)
    assert not r.crossed.any()
    for row, p in enumerate(r.estimates.p_value):
        assert p > 0.05
        if p < 0.5:  # at that level the interval of the look begins or ends at zero
            ends = r.estimates.interval(1 - float(p))
            assert min(abs(ends[0][row]), abs(ends[1][row])) < 1e-3 * r.estimates.std_error[row]


def test_p_values_read_at_every_look_find_no_more_than_the_bounds() -> None:
    rng = np.random.default_rng(6)
    found, crossed, runs = 0, 0, 120
    for _ in range(runs):
        z = np.cumsum(rng.normal(size=5)) / np.sqrt(np.arange(1, 6))
        r = _five(list(z * 4 * np.sqrt(2 / (500 * np.arange(1, 6)))), planned=6000)
        found += bool((r.p_values <= 0.05).any())
        crossed += bool(r.crossed.any())
        assert (r.p_values <= 0.05).any() == r.crossed.any()
    assert found == crossed <= 0.05 * runs + 3 * np.sqrt(0.05 * 0.95 * runs)


def test_past_the_planned_end_the_answer_is_that_of_the_end() -> None:
    r = _five([0.1, 0.1, 0.1, 0.9], planned=3000)
    assert r.audit["overrun"].status == "warned" and "1 looks came after" in r.audit["overrun"].message
    assert r.to_frame()["look"].iloc[0] == 2 and np.isfinite(r.conf_int()).all() and r.p_value > 0.05
    assert "overrun" not in _five([0.1, 0.1, 0.1]).audit
    assert "overrun" not in _five([0.1, 0.1, 2.0, 0.9], planned=3000).audit  # it had stopped before


def test_a_confidence_sequence_has_no_spending_and_no_adjusted_estimate() -> None:
    with pytest.raises(gc.InputError, match="spending= has no meaning"):
        _five([0.1, 0.2], method="always_valid", spending="pocock")
    assert "adjusted()" not in _five([3.0, 3.0], method="always_valid").summary()
    assert "adjusted()" in _five([3.0, 3.0]).summary()


def _shares(share: list[list[float]], n: int = 400) -> pd.DataFrame:
    rows = [(k, arm, n, m, m * (1 - m) * n / (n - 1)) for k, pair in enumerate(share) for arm, m in enumerate(pair)]
    return pd.DataFrame(rows, columns=["look", "arm", "n", "mean", "variance"])


def test_looks_at_a_share_that_can_only_rise_are_all_kept() -> None:
    # By hand: p and q of one arm covary by p (1 - q), so the information is the odds.
    rise = [0.2, 0.5, 0.7, 0.9]
    r = gc.sequential(_shares([[p, p] for p in rise]), arm="arm", cells="cumulative")
    odds = np.array([p / (1 - p) for p in rise])
    assert len(r.look) == 4
    np.testing.assert_allclose(r.fraction, odds / odds[-1], rtol=1e-9)


def test_amounts_whose_running_totals_come_nearer_are_not_guessed_at() -> None:
    cells_of = pd.DataFrame(
        {"look": [1, 1, 2, 2], "arm": [0, 1] * 2, "n": 50, "mean": [2.0, 2, 5, 6], "variance": [9.0, 9, 4, 4]}
    )
    with pytest.raises(gc.InputError, match=r"variance of running totals falls at 1 looks.*looks\(\)"):
        gc.sequential(cells_of, arm="arm", cells="cumulative")
