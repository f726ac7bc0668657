"""Files are read in blocks, and mostly zero columns only where they are not zero: the numbers are those of memory."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import gmvcausal as gc
from gmvcausal.abtest.intake import passes, single, stream
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.blocks import Block, Col
from gmvcausal.abtest.intake.files import Files, open_files
from gmvcausal.abtest.terms.values import Hc2

N = 6_000
NUMBERS = ["estimate", "std_error", "statistic", "conf_low", "conf_high", "relative", "relative_low", "capped_share"]
METRICS = [
    gc.Mean("gmv", pre="gmv_pre"),
    gc.Proportion("bought"),
    gc.Mean("visits", pre="visits_pre", cap=0.9),
    gc.Ratio("gmv", "orders", pre=["gmv_pre", "visits_pre"]),
    gc.Ratio("gmv", "visits", pre="gmv_pre", cap=None),
]


def _market() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    before = rng.random(N) < 0.1
    bought = rng.random(N) < np.where(before, 0.2, 0.04)
    taste = rng.normal(size=N)
    visits = rng.geometric(0.2, N)
    return pd.DataFrame(
        {
            "arm": rng.integers(0, 3, N),
            "visits": visits.astype("int32"),
            "visits_pre": (visits + rng.poisson(3, N)).astype("int16"),
            "bought": bought,
            "orders": np.where(bought, 1 + rng.poisson(0.5, N), 0),
            "gmv": np.where(bought, np.exp(3 + taste), 0.0),
            "gmv_pre": np.where(before, np.exp(3 + 0.6 * taste + 0.8 * rng.normal(size=N)), 0.0),
            "minutes": 1e7 + rng.exponential(5, N),
        }
    )


MARKET = _market()


def _opened(data: Any, metrics: Any = METRICS, **options: Any) -> Files | None:
    ask = Columns(
        "arm", options.get("control", 0), tuple(metrics), None, (), None, options.get("missing", "raise"), "raise"
    )
    return open_files(data, ask)


def _same(frame: pd.DataFrame, data: Any, metrics: Any = METRICS, **options: Any) -> None:
    wanted = gc.ab_test(frame, metrics=metrics, **{"control": 0, **options})
    found = gc.ab_test(data, metrics=metrics, **{"control": 0, **options})
    np.testing.assert_allclose(found.to_frame()[NUMBERS], wanted.to_frame()[NUMBERS], rtol=1e-10, atol=1e-300)
    pd.testing.assert_frame_equal(found.audit.to_frame(), wanted.audit.to_frame(), rtol=1e-9)
    assert found.manifest.notes == wanted.manifest.notes


@pytest.fixture(autouse=True)
def _short_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_SAMPLE", 500)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    MARKET.to_parquet(tmp_path / "market.parquet")
    return tmp_path / "market.parquet"


def test_only_rows_that_are_not_zero_are_read(path: Path) -> None:
    found = _opened(path)
    assert found is not None
    read = found.stream.held
    live = (MARKET[["bought", "orders", "gmv", "gmv_pre"]] != 0).any(axis=1)
    assert read is not None and sum(len(b.columns[Col("gmv")]) for b in read) == live.sum() < 0.2 * N
    others = sum(b.weight.sum() for b in found.stream.rest if b.weight is not None)
    assert others == (~live).sum()
    _same(MARKET, path)
    _same(MARKET, path, hc=None)


def test_whatever_the_split_the_numbers_are_those_of_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dense: list[Any] = [gc.Mean("minutes", pre="gmv_pre"), gc.Ratio("gmv", "minutes"), gc.Mean("visits")]
    assert _opened(path, dense) is None  # fractions have too many values to be counted
    _same(MARKET, path, dense)
    monkeypatch.setattr(stream, "_COMBINATIONS", 50)
    assert _opened(path) is None
    _same(MARKET, path)


def test_rows_beyond_what_may_be_kept_are_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HELD", 1_000)
    monkeypatch.setattr(stream, "_BATCH", 1_000)
    found = _opened(path)
    assert found is not None and found.stream.held is None
    _same(MARKET, path)


def test_missing_values_are_seen_in_rows_that_are_not_read(path: Path) -> None:
    gaps = MARKET.assign(gmv=MARKET["gmv"].mask(MARKET.index % 7 == 3), visits=MARKET["visits"].mask(MARKET.index == 3))
    for how in (gaps, gaps.convert_dtypes()):
        how.to_parquet(path)
        _same(how, path, ["gmv", "visits"], missing="zero")
        with pytest.raises(gc.InputError, match="missing"):
            gc.ab_test(path, metrics=["gmv", "visits"], control=0)
        with pytest.raises(gc.InputError, match="missing"):
            gc.ab_test(path, metrics=[gc.Mean("minutes", pre="gmv")], control=0)


@pytest.mark.parametrize("arms", [[False, True], ["A", "B's", "对照"], [-3, 2]])
def test_labels_of_arms(arms: list[Any], path: Path) -> None:
    frame = MARKET.assign(arm=np.array(arms)[np.arange(N) % len(arms)])
    frame.to_parquet(path)
    for control in (arms[0], arms[-1]):
        _same(frame, path, control=control)


def test_decimals_and_wide_numbers(path: Path) -> None:
    columns = {c: pa.array(MARKET[c]) for c in ("arm", "visits", "visits_pre", "bought", "orders")}
    money = {c: [Decimal(str(round(v, 2))) for v in MARKET[c]] for c in ("gmv", "gmv_pre")}
    relation = duckdb.from_arrow(pa.table(columns | {c: pa.array(v, pa.decimal128(18, 2)) for c, v in money.items()}))
    frame = MARKET.assign(**{c: MARKET[c].round(2) for c in money})
    _same(frame, relation.project('arm, CAST("visits" AS HUGEINT) AS visits, * EXCLUDE (arm, visits)'))


def test_values_that_memory_refuses_are_found_wherever_they_lie(path: Path) -> None:
    for column, value, said in (("gmv", np.inf, "infinite"), ("bought", 2, "0 and 1 only"), ("gmv", 1e300, "gmv")):
        frame = MARKET.astype({"bought": int})
        frame.loc[N - 1, column] = value
        frame.to_parquet(path)
        with pytest.raises(gc.InputError, match=said) as found:
            gc.ab_test(path, metrics=METRICS, control=0)
        with pytest.raises(gc.InputError) as wanted:
            gc.ab_test(frame, metrics=METRICS, control=0)
        assert str(found.value) == str(wanted.value)


def test_one_thread_and_two(path: Path) -> None:
    frames = []
    for threads in (1, 2):
        connection = duckdb.connect(config={"threads": threads})
        frames.append(gc.ab_test(connection.read_parquet(str(path)), metrics=METRICS, control=0).to_frame()[NUMBERS])
        assert connection.sql("SELECT current_setting('threads')").fetchall()[0][0] == threads
    np.testing.assert_allclose(frames[0], frames[1], rtol=1e-10)


@pytest.mark.parametrize("name", ["uid", "customer_id", "user", "user_id", "unit"])
def test_columns_of_units_are_known_by_their_names(name: str, path: Path) -> None:
    frame = MARKET.assign(**{name: np.arange(N)})
    frame.to_parquet(path)
    for data in (frame, path):
        check = gc.ab_test(data, metrics=["gmv"], control=0).audit["repeated_units"]
        assert check.status == "passed" and repr(name) in check.message
    orders = frame.assign(**{name: np.arange(N) // 2, "arm": np.arange(N) // 2 % 3})
    orders.to_parquet(path)
    for data in (orders, path):
        with pytest.raises(gc.InputError, match=f"pass cluster='{name}'"):
            gc.ab_test(data, metrics=["gmv"], control=0)


def test_a_control_in_quotes_is_told_to_be_a_number(path: Path) -> None:
    for data in (MARKET, path):
        with pytest.raises(gc.InputError, match="arms are whole numbers: pass control=0, without quotes"):
            gc.ab_test(data, metrics=["gmv"], control="0")
    text = MARKET.assign(arm=MARKET["arm"].astype(str))
    assert (
        gc.ab_test(text, metrics=["gmv"], control=0).estimate == gc.ab_test(text, metrics=["gmv"], control="0").estimate
    )


def test_columns_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    both = pa.table(
        {"arm": [0, 1] * 50, "GMV": np.arange(100.0), "gmv": np.arange(100.0)[::-1], "other": [1.0, 2.0] * 50}
    )
    pa.parquet.write_table(both, tmp_path / "both.parquet")
    for data in (tmp_path / "both.parquet", duckdb.sql('SELECT 0 AS arm, 1 AS "GMV", 2 AS gmv, 3 AS other')):
        for name in ("gmv", "GMV"):
            with pytest.raises(gc.InputError, match="differ only in case: 'GMV', 'gmv'"):
                gc.ab_test(data, metrics=[name], control=0)
    assert gc.ab_test(tmp_path / "both.parquet", metrics=["other"]).estimate == 1.0
    assert gc.ab_test(both, metrics=["gmv"]).estimate == -gc.ab_test(both, metrics=["GMV"]).estimate


# --- by hand ----------------------------------------------------------------------------------------------------------
def test_a_row_that_stands_for_many() -> None:
    """Rows 1, 1, 1, 3, 7 (and a second column 2, 2, 2, 0, 5), the first three as one of weight 3."""
    x, y = Col("x"), Col("y")
    blocks = [
        Block(0, {x: np.array([1]), y: np.array([2])}, np.array([3.0])),
        Block(0, {x: np.array([3.0, 7.0]), y: np.array([0, 5], dtype=np.int8)}),
    ]
    found = passes.moments(blocks, [x, y, Col("x", 4.0)], 1)
    assert found.n[0] == 5
    np.testing.assert_allclose(found.mean[0], [2.6, 2.2, 2.0])  # 13/5, 11/5, (1+1+1+3+4)/5
    assert found.cross[0, 0, 0] == pytest.approx(61 - 5 * 2.6**2)  # 3 + 9 + 49
    assert found.cross[0, 0, 1] == pytest.approx(41 - 5 * 2.6 * 2.2)  # 6 + 0 + 35
    assert found.cross[0, 2, 2] == pytest.approx(28 - 5 * 4)  # 3 + 9 + 16
    ask = passes.Ask(0, np.array([2.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0]), None)
    (look,) = passes.looks(blocks, [x, y, x], [ask])
    assert look[:3] == (25.0, 29.0, 123.0)  # residuals -1, -1, -1, 1, 5
    # Non-zero values of y: 2, 2, 2, 5; the median lies between two twos, the .9 quantile at 2.7 of the ranks 0..3.
    assert single.quantile(blocks, y, 0.5) == 2.0
    assert single.quantile(blocks, y, 0.9) == pytest.approx(2 + 0.7 * 3)
    assert single.above(blocks, x, 1.0, 1).tolist() == [2]
    np.testing.assert_allclose(single.levels(blocks, y, 4.0), np.log10([2, 2, 2, 5]))


def test_many_levels_are_told_by_their_quantiles(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.exp(np.random.default_rng(0).normal(3, 1, 5_000))
    exact = single.levels([Block(0, {Col("x"): x})], Col("x"), 5_000.0)
    np.testing.assert_array_equal(exact, np.sort(np.log10(x)))
    monkeypatch.setattr(single, "ALL_LEVELS", 100)
    grid = single.levels([Block(0, {Col("x"): x})], Col("x"), 5_000.0)
    np.testing.assert_allclose(grid[[0, -1]], exact[[0, -1]], atol=1e-3)
    np.testing.assert_allclose(grid[100:-100], np.quantile(exact, np.linspace(0, 1, 2_001))[100:-100], atol=5e-3)


def test_short_whole_numbers_are_counted() -> None:
    """Values -3, -3, 0, 2, 2, 2, 127, -128 as int8, and the same as fractions."""
    whole = np.array([-3, -3, 0, 2, 2, 2, 127, -128], dtype=np.int8)
    x = Col("x")
    for share in (0.0, 0.2, 0.5, 0.77, 1.0):
        found = single.quantile([Block(0, {x: whole[:3]}), Block(1, {x: whole[3:]})], x, share)
        assert found == pytest.approx(np.quantile(whole[whole != 0].astype(float), share), rel=1e-14)
    weighted = Block(0, {x: np.array([2, 0, 5], dtype=np.int8)}, np.array([3.0, 9.0, 1.0]))
    assert single.quantile([weighted], x, 0.9) == pytest.approx(2 + 0.7 * 3)
    np.testing.assert_allclose(single.levels([weighted], x, 4.0), np.log10([2, 2, 2, 5]))


def test_a_question_without_tail_is_answered_by_hc2_alone() -> None:
    """Rows (y, x) with equal ones asked with and without tail: HC2 is the same, and the tail is missing."""
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=50), rng.normal(size=50)
    y = x - z + rng.normal(size=50)
    cols = [Col("y"), Col("x"), Col("z")]
    blocks = [Block(0, dict(zip(cols, (y, x, z), strict=True)))]
    mean = np.array([y.mean(), x.mean(), z.mean()])
    held = np.column_stack([x, z]) - mean[1:]
    inverse = np.linalg.inv(held.T @ held)
    asks = []
    for lean in (np.zeros(2), np.array([0.01, -0.02])):
        slope = inverse @ held.T @ (y - y.mean())
        gradient = np.array([1.0, *-slope])
        second = Hc2([1, 2], inverse, lean, mean, gradient, 50.0)
        asks += [passes.Ask(0, mean, gradient, second), passes.Ask(0, mean, 2 * gradient, second, tail=False)]
        residual = (y - y.mean()) - held @ slope
        leverage = 1 / 50 + np.einsum("ij,jk,ik->i", held, inverse, held)
        expected = ((1 / 50 - held @ lean) ** 2 * residual**2 / (1 - leverage)).sum()
        whole, bare = passes.looks(blocks, cols, asks)[-2:]
        assert whole.hc2 == pytest.approx(expected, rel=1e-12)
        assert bare.hc2 == pytest.approx(4 * expected, rel=1e-12)
        assert whole.squares == pytest.approx((residual**2).sum())
        assert np.isnan([bare.largest, bare.squares, bare.cubes]).all()


@pytest.mark.parametrize("top", [2**7 - 1, 2**7, 2**15, -(2**7), -(2**7) - 1, 2**31])
def test_whole_numbers_of_any_range_are_read(tmp_path: Path, top: int) -> None:
    market = MARKET.assign(orders=MARKET["orders"].where(MARKET.index != 4_321, top))
    market.to_parquet(tmp_path / "market.parquet")
    assert _opened(tmp_path / "market.parquet").stream.rest
    _same(market, tmp_path / "market.parquet")


def test_a_file_needs_neither_pandas_nor_the_distributions(tmp_path: Path) -> None:
    """They are tens of megabytes that a test of sums has no use for."""
    MARKET.to_parquet(tmp_path / "market.parquet")
    code = (
        "import sys, gmvcausal as gc; "
        f"gc.ab_test({str(tmp_path / 'market.parquet')!r}, metrics=[gc.Mean('gmv', pre='gmv_pre')], control=0); "
        "print(sorted({'pandas', 'scipy.stats'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
