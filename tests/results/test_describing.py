"""`gmvcausal.describe`: every number beside pandas, scipy or statsmodels, a table by hand, and what it must refuse."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.outliers_influence import variance_inflation_factor

import gmvcausal as gc

NUMBERS = ["gmv", "age", "visits", "member"]


def users(n: int = 300, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"age": rng.normal(30, 6, n), "visits": rng.poisson(3, n), "member": rng.integers(0, 2, n)})
    frame["gmv"] = np.where(rng.random(n) < 0.6, 0.0, rng.gamma(2, 40, n)) + frame["visits"]
    frame["city"] = rng.choice(["Hefei", "Wuhan", "北京"], n)
    frame["arm"] = rng.choice(["none", "coupon"], n)
    frame.loc[[4, 9, 10], "age"] = np.nan
    frame.loc[[9, 20], "gmv"] = np.nan
    return frame


# --- the descriptive table ---
def test_the_table_is_that_of_pandas() -> None:
    data = users()
    found = gc.describe(data, NUMBERS).to_frame().set_index("variable")
    theirs = data[NUMBERS].describe().T
    pairs = {"n": "count", "mean": "mean", "sd": "std", "min": "min", "p25": "25%", "median": "50%", "p75": "75%",
             "max": "max"}  # fmt: skip
    for ours, name in pairs.items():
        np.testing.assert_allclose(found[ours], theirs[name], rtol=1e-12)
    np.testing.assert_array_equal(found["missing"], data[NUMBERS].isna().sum())
    zeros = [(data[c] == 0).sum() for c in NUMBERS]
    shares = [math.nan if 0 < k < 10 else k / data[c].notna().sum() for k, c in zip(zeros, NUMBERS, strict=True)]
    np.testing.assert_allclose(found["zeros"], shares)
    assert sum(map(math.isnan, shares)) == 1


def test_eight_rows_ten_times_by_hand() -> None:
    data = pd.DataFrame({"gmv": [0, 0, 0, 0, 0, 8, 16, np.nan], "city": ["a", "a", "b", None, "b", "b", "b", "b"]})
    d = gc.describe(pd.concat([data] * 10))
    row = d.to_frame().iloc[0]
    assert (row["n"], row["missing"], row["median"], row["p75"], row["max"]) == (70, 10, 0, 8, 16)
    assert row["mean"] == pytest.approx(24 / 7, rel=1e-15) and row["zeros"] == pytest.approx(5 / 7, rel=1e-15)
    squares = 5 * (24 / 7) ** 2 + (8 - 24 / 7) ** 2 + (16 - 24 / 7) ** 2
    assert row["sd"] == pytest.approx(math.sqrt(10 * squares / 69))
    assert d.levels().to_frame().values.tolist() == [["city", "a", 20, 2 / 7], ["city", "b", 50, 5 / 7]]
    told = " ".join(d.sentences())
    assert "gmv in 10 rows (12.5%); city in 10 rows" in told and "gmv in 71.4%; the median is then 0" in told


def test_a_common_size_costs_no_digits_and_the_order_of_rows_does_not_matter() -> None:
    data = users()
    plain = gc.describe(data, NUMBERS)
    lifted = gc.describe(
        data.assign(gmv=data["gmv"] + 1e7, age=data["age"] + 1e7).sample(frac=1, random_state=1), NUMBERS
    )
    np.testing.assert_allclose(lifted.to_frame()["sd"], plain.to_frame()["sd"], rtol=1e-8)
    for method in ("pearson", "spearman"):
        np.testing.assert_allclose(lifted.correlations(method).r, plain.correlations(method).r, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(lifted.vif().vif, plain.vif().vif, rtol=1e-8)
    scaled = gc.describe(data.assign(gmv=100 * data["gmv"]), NUMBERS)
    np.testing.assert_allclose(scaled.to_frame()["sd"].iloc[0], 100 * plain.to_frame()["sd"].iloc[0], rtol=1e-12)
    np.testing.assert_allclose(scaled.correlations().r, plain.correlations().r, rtol=1e-12)


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "parquet"])
def test_every_frame_gives_the_same_tables(kind: str, tmp_path: Path) -> None:
    data = users()
    path = tmp_path / "users.parquet"
    data.to_parquet(path)
    given: Any = {"polars": pl.from_pandas(data), "pyarrow": pa.Table.from_pandas(data), "parquet": str(path)}[kind]
    ours, theirs = (gc.describe(d, [*NUMBERS, "city"], by="arm", control="none") for d in (given, data))
    pd.testing.assert_frame_equal(ours.to_frame(), theirs.to_frame())
    pd.testing.assert_frame_equal(ours.balance().to_frame(), theirs.balance().to_frame())


def test_small_groups_are_not_shown_nor_what_gives_them_away() -> None:
    data = users().assign(tier=["gold"] * 4 + ["silver"] * 40 + ["plain"] * 256)
    d = gc.describe(data, ["tier", "gmv"], by="arm", control="none")
    assert d.levels().to_frame().set_index("level")["n"].isna().to_dict() == {
        "gold": True,
        "plain": False,
        "silver": True,
    }
    shown = d.balance().to_frame().set_index("level")["difference"]
    assert np.isnan(shown["gold"]) and np.isnan(shown["silver"]) and "are not shown" in d.balance().printed()
    assert "are not shown" in d.levels().printed()
    # From a chi-square and the shares of the other levels the small ones could be worked out.
    first, gmv = d.balance().lines[0], d.balance().lines[-1]
    assert first.variable == "tier" and math.isnan(first.p_value) and math.isnan(first.statistic) and gmv.p_value > 0


def test_what_is_left_out_is_named_and_no_id_is_shown() -> None:
    data = users().assign(user_id=np.arange(300) + 13800000000, note=[f"call {i}" for i in range(300)], one=1.0)
    d = gc.describe(data.assign(day=pd.Timestamp("2025-11-11")))
    told = " ".join(d.sentences())
    assert "'user_id' (ids)" in told and "'note' (text of 300 different values" in told
    assert "nothing can be learned from it: one" in told
    assert "1380000" not in str(d) and "call 7" not in str(d)
    table = d.definitions().to_frame().set_index("variable")["type"].to_dict()
    assert table["day"] == "date, 2025-11-11" and table["city"] == "category, 3 levels" and table["member"] == "0/1"


def test_definitions_are_those_of_the_call() -> None:
    d = gc.describe(
        users(), ["gmv", "age"], definitions={"gmv": ("GMV of the week after", "yuan"), "age": "years of age"}
    )
    assert d.definitions().to_frame().values.tolist() == [
        ["gmv", "GMV of the week after", "yuan", "number"],
        ["age", "years of age", "", "number"],
    ]
    assert d.definitions().sentences() == []
    assert gc.describe(users(), ["gmv"]).definitions().sentences() == ["No meaning was given (definitions=) for gmv."]


# --- correlations and variance inflation ---
@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("missing", ["pairwise", "listwise"])
def test_correlations_are_those_of_scipy(method: str, missing: str) -> None:
    data = users()
    found = gc.describe(data, NUMBERS).correlations(method, missing=missing).pairs()
    rule = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}[method]
    for first, second, r, p, n in found.itertuples(index=False):
        both = (data[NUMBERS] if missing == "listwise" else data[[first, second]]).dropna()
        theirs = rule(both[first], both[second])
        assert n == len(both)
        np.testing.assert_allclose([r, p], [theirs.statistic, theirs.pvalue], rtol=1e-9)
    assert len(found) == 6


def test_correlations_print_a_lower_triangle_with_stars() -> None:
    data = pd.DataFrame({"a": np.arange(60.0), "b": np.arange(60.0) ** 2, "c": np.tile([0.0, 1, 2, 1, 0], 12)})
    table = gc.describe(data).correlations(style="cn")
    head, rows, note = table.cells() or ((), (), "")
    assert head == ("", "(1)", "(2)", "(3)") and rows[0][2:] == ("", "") and rows[1][1].endswith("***")
    assert "*" not in rows[2][1] and "* p < 0.1, ** p < 0.05, *** p < 0.01" in note and "n = 60." in note
    assert "Of 3 correlations, about 0.3 would have a star by chance alone" in " ".join(table.sentences())


def test_rows_of_one_user_give_no_stars() -> None:
    data = pd.concat([users(), users()]).assign(user_id=[*range(300), *range(300)])
    d = gc.describe(data, [*NUMBERS, "arm"][:4], by="arm", control="none")
    assert (
        d.correlations().pairs()["p_value"].isna().all() and "no stars: 300 rows repeat" in d.correlations().printed()
    )
    assert d.balance().to_frame()["p_value"].isna().all() and math.isnan(d.balance().joint[0].p_value)


def test_vif_is_that_of_statsmodels() -> None:
    data = users()
    data["gmv"] += 3 * data["visits"]
    found = gc.describe(data, NUMBERS).vif()
    whole = sm.add_constant(data[NUMBERS].dropna().astype(float)).to_numpy()
    theirs = [variance_inflation_factor(whole, j) for j in range(1, 5)]
    np.testing.assert_allclose(found.vif, theirs, rtol=1e-8)
    assert (found.n, found.lost) == (296, 4) and "4 rows are left out (listwise)" in " ".join(found.sentences())
    assert found.to_frame()["vif"].is_monotonic_decreasing


def test_an_exact_combination_is_named_and_the_others_keep_their_vif() -> None:
    data = users()
    whole = data.assign(total=data["age"] - 2 * data["visits"], still=4.0)
    found = gc.describe(whole, ["gmv", "age", "visits", "total", "still"]).vif()
    assert found.combinations == (("total", ("age", "visits")),)
    assert np.isinf(found.vif[1:]).all() and "total is a combination of age and visits exactly" in found.sentences()[0]
    np.testing.assert_allclose(found.vif[0], gc.describe(data, ["gmv", "age", "visits"]).vif().vif[0], rtol=1e-8)
    assert found.others == ("still",)


# --- balance ---
def test_balance_is_that_of_scipy_and_statsmodels() -> None:
    data = users()
    found = gc.describe(data, [*NUMBERS, "city"], by="arm", control="none").balance()
    frame = found.to_frame().set_index(["variable", "level"])
    sides = data[data["arm"] == "coupon"], data[data["arm"] == "none"]
    for name in ("gmv", "age", "visits"):
        a, b = (s[name].dropna() for s in sides)
        t = stats.ttest_ind(a, b, equal_var=False)
        row = frame.loc[(name, "")]
        np.testing.assert_allclose(
            [row["statistic"], row["df"], row["p_value"]], [t.statistic, t.df, t.pvalue], rtol=1e-9
        )
        smd = (a.mean() - b.mean()) / math.sqrt((a.var() + b.var()) / 2)
        np.testing.assert_allclose([row["difference"], row["standardised"]], [a.mean() - b.mean(), smd], rtol=1e-9)
    for name, level in (("member", ""), ("city", "Hefei")):
        theirs = stats.chi2_contingency(pd.crosstab(data[name], data["arm"]), correction=False)
        row = frame.loc[(name, level)]
        np.testing.assert_allclose(
            [row["statistic"], row["df"], row["p_value"]], theirs[:1] + theirs[2:3] + theirs[1:2]
        )
    x = pd.get_dummies(data[[*NUMBERS, "city", "arm"]].dropna(), columns=["city"], drop_first=True)
    fit = sm.OLS((x.pop("arm") == "coupon").astype(float), sm.add_constant(x.astype(float))).fit()
    joint = found.joint_test().iloc[0]
    assert (joint["df1"], joint["df2"], joint["n"], joint["lost"]) == (6, 289, 296, 4)
    np.testing.assert_allclose([joint["statistic"], joint["p_value"]], [fit.fvalue, fit.f_pvalue], rtol=1e-8)


def test_balance_does_not_know_the_order_of_arms_and_finds_what_was_not_drawn() -> None:
    data = users()
    here, there = (gc.describe(data, NUMBERS, by="arm", control=c).balance().to_frame() for c in ("none", "coupon"))
    np.testing.assert_allclose(here["difference"], -there["difference"], rtol=1e-12)
    np.testing.assert_allclose(here["p_value"], there["p_value"], rtol=1e-12)
    chosen = data.assign(arm=np.where(data["visits"] > 3, "coupon", "none"))
    found = gc.describe(chosen, NUMBERS, by="arm", control="none").balance()
    assert found.joint[0].p_value < 1e-10 and "are told apart by all columns" in found.sentences()[0]
    assert "(visits)" in " ".join(found.sentences())


def test_the_joint_test_holds_its_size() -> None:
    rng = np.random.default_rng(0)
    low = 0
    for _ in range(120):
        data = pd.DataFrame(rng.exponential(size=(60, 4)), columns=list("abcd")).assign(
            arm=rng.permutation([0, 1] * 30)
        )
        low += gc.describe(data, by="arm").balance().joint[0].p_value < 0.05
    assert 0 < low / 120 < 0.11


def test_three_arms_stand_one_by_one_beside_the_control() -> None:
    data = users().assign(arm=np.tile(["none", "coupon", "push"], 100))
    found = gc.describe(data, NUMBERS, by="arm", control="none").balance()
    assert found.joint_test()["group"].tolist() == ["coupon", "push"] and len(found.lines) == 8
    two = gc.describe(data[data["arm"] != "push"], NUMBERS, by="arm", control="none").balance()
    np.testing.assert_allclose(two.to_frame()["difference"], found.to_frame()["difference"][:4], rtol=1e-12)
    gaps = data.assign(gmv=data["gmv"].astype(float).where((data["arm"] != "push") | (data.index >= 30)))
    uneven = gc.describe(gaps, NUMBERS, by="arm", control="none").balance()
    one, other = uneven.joint
    assert other.lost > one.lost and f"n = {one.n}, {one.lost} left out; n = {other.n}, {other.lost} left out" in (
        uneven.printed()
    )


def test_more_columns_than_rows_are_too_few_rows() -> None:
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(24, 26)), columns=[f"x{k}" for k in range(26)]).assign(arm=np.arange(24) % 2)
    told = gc.describe(wide, by="arm", control=0).balance().sentences()[0]
    assert "cannot be tested; too few rows have every column" in told


# --- exports and refusals ---
def test_every_table_is_exported_and_stands_in_a_report(tmp_path: Path) -> None:
    from docx import Document

    data = users().assign(arm=lambda f: (f["arm"] == "coupon").astype(int))
    d = gc.describe(data, by="arm")
    for k, one in enumerate((d, d.definitions(), d.levels(), d.correlations(), d.vif(), d.balance())):
        assert one.report_title in one.to_latex() and "<table" in one.to_html() and str(one)
        one.to_csv(tmp_path / f"{k}.csv")
        one.to_docx(tmp_path / f"{k}.docx")
        assert len(Document(str(tmp_path / f"{k}.docx")).tables) == 1
        assert len(pd.read_csv(tmp_path / f"{k}.csv")) == len(one.to_frame())
    page = gc.report([gc.ab_test(data, metrics=["visits"]), d], tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Descriptive statistics" in page and "Balance by arm" in page


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda d: gc.describe(d, ["gvm"]), "id you mean 'gmv'"),
        (lambda d: gc.describe(d, ["arm"], by="arm", control="none"), "tells the groups apart"),
        (lambda d: gc.describe(d, by="arm"), "the control arm is not named"),
        (lambda d: gc.describe(d, control="none"), "there is no by="),
        (lambda d: gc.describe(d).balance(), "none were named"),
        (lambda d: gc.describe(d, ["gmv"]).correlations(), "relations need two"),
        (lambda d: gc.describe(d, ["city"]).vif(), "relations need two"),
        (lambda d: gc.describe(d, ["gmv"]).levels(), "no column is a category"),
        (lambda d: gc.describe(d).correlations("kendall"), "method must be one of"),
        (lambda d: gc.describe(d, definitions={"gvm": "x"}), "id you mean 'gmv'"),
        (lambda d: gc.describe(d, definitions={"gmv": 3}), "must be a text, or a meaning and its unit"),
        (lambda d: gc.describe(d.assign(gmv="¥1,234.5"), ["gmv"]), "numbers as text"),
        (lambda d: gc.describe(d.assign(gmv=np.inf)[["gmv"]]), "infinite"),
        (lambda d: gc.describe(d.iloc[:0]), "has no rows"),
        (lambda d: gc.describe(d.assign(gmv=[1, "1"] * 150), ["gmv"]), "mixes kinds of values"),
        (lambda d: gc.describe(d.iloc[:5], NUMBERS).vif(), "rows have every column"),
    ],
)  # fmt: skip
def test_what_cannot_be_described_is_refused(call: Any, words: str) -> None:
    data = users()
    before = data.copy()
    with pytest.raises(gc.InputError, match=words):
        call(data)
    pd.testing.assert_frame_equal(data, before)
