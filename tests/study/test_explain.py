"""`run --explain`: the plan says what is read of every column, and a run reads just that; errors come as in a run."""

import collections
import json
import os
import sys
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scans

import gmvcausal as gc
from gmvcausal.cli import main
from gmvcausal.rollout.intake import large, opened
from gmvcausal.study.explain import explain_study, words

ROWS, GROUP, USERS = 60_000, 30_000, 2_000
BETWEEN = 600_000  # bytes of a column that nobody reads, in a row group


def wide(path, columns):
    """Write a table with columns between its own that nobody reads: reads that lie close together are made as one."""
    rng, spread = np.random.default_rng(1), {}
    for i, (name, values) in enumerate(columns.items()):
        n = len(values)
        width = -(-BETWEEN // min(n, GROUP))
        filler = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), n, [None, pa.py_buffer(rng.bytes(n * width))])
        spread |= {name: values, f"between_{i}": filler}
    pq.write_table(pa.table(spread), path, row_group_size=GROUP, compression="none")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("plans")
    rng = np.random.default_rng(0)
    monday, day = np.datetime64("2025-01-06", "us"), 86_400_000_000
    orders = {
        "user": rng.integers(0, USERS, ROWS),
        "time": monday + np.sort(rng.integers(0, 70 * day, ROWS)),
        "gmv": np.round(rng.gamma(2, 10, ROWS), 2),
        "order": np.arange(ROWS),
        "product": rng.integers(0, 200, ROWS),
        "refund": np.zeros(ROWS),
        "discount": np.round(rng.random(ROWS), 2),
    }
    wide(place / "orders.parquet", orders)
    wide(place / "bare.parquet", {name: orders[name] for name in ("user", "time", "gmv")})
    third = np.arange(0, USERS, 3)
    sent = {"user": third, "tactic": np.full(len(third), "coupon")}
    kind = np.full(len(third), "B")
    start = np.datetime64("2025-02-10", "us") + rng.integers(0, 3, len(third)) * 7 * day
    wide(place / "sent.parquet", {**sent, "start": start, "kind": kind})
    once = np.full(len(third), np.datetime64("2025-02-10", "us"))
    wide(place / "once.parquet", {**sent, "start": once, "end": once + 28 * day})
    entry = np.full(USERS, np.datetime64("2024-12-01", "us"))
    wide(place / "users.parquet", {"user": np.arange(USERS), "entry": entry, "city": rng.integers(0, 40, USERS)})
    bought = rng.random(ROWS) < 0.3
    test = {
        "user": np.arange(ROWS),
        "arm": np.where(rng.random(ROWS) < 0.5, "coupon", "none"),
        "gmv": np.where(bought, np.round(rng.gamma(2, 10, ROWS), 2), 0.0),
        "orders": bought.astype(int),
        "pre": np.round(rng.gamma(2, 10, ROWS), 2),
        "tier": rng.integers(0, 4, ROWS),
        "shop": rng.integers(0, 600, ROWS),
    }
    wide(place / "test.parquet", test)
    unit, period = np.repeat(np.arange(ROWS // 10), 10), np.tile(np.arange(1, 11), ROWS // 10)
    first = np.where(unit % 3 == 0, 5.0 + unit // 3 % 3, np.nan)
    on = (period >= np.nan_to_num(first, nan=99)).astype(int)
    panel = {
        "unit": unit,
        "period": period,
        "gmv": np.round(rng.gamma(2, 10, ROWS), 2) + on,
        "first_treated": pa.array(first, from_pandas=True),
        "treated": on,
        "tier": rng.integers(0, 5, ROWS),
        "w": np.repeat(rng.random(ROWS // 10) + 0.5, 10),
    }
    wide(place / "panel.parquet", panel)
    placed = {**panel, "first_treated": pa.array(np.where(unit // 60 % 3 == 0, 5.0, np.nan), from_pandas=True)}
    wide(place / "placed.parquet", {**placed, "city": unit // 60})
    (place / "small.csv").write_text("unit,period,gmv,first_treated,arm\n1,1,2,,0\n1,2,2,,1\n2,1,3,2,0\n", "utf-8")
    return place


def write(folder, text):
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def planned(plan):
    """(file, column) -> passes at most; and how many of them go over some rows only, or only some data need."""
    whole, some = collections.Counter(), collections.Counter()
    for step in plan.steps:
        for one in (*step.passes, *step.maybe):
            name = os.path.basename(plan.sources[one.source].path)
            for column in one.columns:
                whole[name, column] += one in step.passes
                some[name, column] += one in step.maybe or one.share < 1 or one.why.startswith("sums of")
    return {key: n for key, n in whole.items() if n and not key[1].startswith("between_")}, some


def read(path, tmp_path):
    """(file, column) -> passes of the run with all audits, at least and at most."""
    with scans.recorded(tmp_path) as count, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the designs warn of is not the plan's concern
        study = gc.run_study(path, progress=False)
        study.summary()
        for result in study.answers.values():
            assert len(result.audit.to_frame())
    return {key: n for key, n in count().items() if not key[1].startswith("between_")}


LOGS = '[data]\norders = "orders.parquet"\nexposures = "sent.parquet"\n'
ANSWER = '[[answer]]\nname = "a"\n'
OF_LOGS = {
    "panel": LOGS
    + ANSWER
    + 'panel = { freq = "W", tactic = "coupon" }\n'
    + '[[answer]]\nname = "b"\nwhere = { kind = "B" }\npanel = { freq = "W" }\nalso = ["orders"]\n',
    "listed users": LOGS
    + 'users = "users.parquet"\n'
    + ANSWER
    + 'panel = { freq = "W", keep = ["city", "discount"] }\n',
    "no order id": LOGS.replace("orders.parquet", "bare.parquet") + ANSWER + 'panel = { freq = "2W" }\n',
    "stack": LOGS.replace("sent.parquet", "once.parquet")
    + ANSWER
    + 'stack = { freq = "W", window = [-3, 2] }\n'
    + 'did = { estimator = "stacked", stack = "stack", treated = "treated" }\n',
    "users": LOGS
    + 'users = "users.parquet"\n'
    + ANSWER
    + 'users = { pre = "14D", post = "7D", anchor = 2025-02-10, features = ["rfm", "city"] }\n'
    + 'ab_test = { control = "none", metrics = ["gmv"] }\n',
    "net": LOGS + '[logs]\ngmv = "net"\nrefund_window = "7D"\n' + ANSWER + 'panel = { freq = "W" }\n',
}
OF_FILES = {
    "did": '[data]\nframe = "panel.parquet"\n'
    + ANSWER
    + '[[answer]]\nname = "b"\ndid = { estimator = "imputation", treated = "treated", weights = "w" }\n',
    "places": '[data]\nframe = "placed.parquet"\n' + ANSWER + '[[answer]]\nname = "b"\ndid = { cluster = "city" }\n',
    "test": '[data]\nframe = "test.parquet"\n'
    + ANSWER
    + 'ab_test = { control = "none", metrics = [{ mean = "gmv", pre = "pre" }, { ratio = ["gmv", "orders"] }] }\n',
    "quantile": '[data]\nframe = "test.parquet"\n'
    + ANSWER
    + 'ab_test = { control = "none", metrics = [{ quantile = ["pre", 0.9] }] }\n',
}
TEST = '[data]\nframe = "test.parquet"\n' + ANSWER + 'ab_test = { control = "none", metrics = ["gmv"]'


def differing(want, found, less=None):
    """Columns that are read more or less often than planned: planned, and read at least and at most."""
    less = less or {}
    keys = {*want, *(key for key, (least, _) in found.items() if least)}
    pairs = {key: (want.get(key, 0), *found.get(key, (0, 0))) for key in keys}
    return {key: n for key, n in pairs.items() if not n[1] <= n[0] or not n[0] - less.get(key, 0) <= n[2]}


@pytest.mark.parametrize("study", [*OF_LOGS, *OF_FILES])
def test_a_run_reads_what_the_plan_says(folder, tmp_path, study):
    path = write(folder, {**OF_LOGS, **OF_FILES}[study])
    want, some = planned(explain_study(path, trial=False))
    found = read(path, tmp_path)
    if study == "net":  # lines after the last whole period, of which there are some
        want["orders.parquet", "time"] += found["orders.parquet", "time"][1] > want["orders.parquet", "time"]
    # Windows skip row groups that they do not meet, and a sample ends when it is large enough.
    parts = study in ("users", "did", "test", "quantile")
    if study == "test":
        some["test.parquet", "user"] += 1  # planned with the check of columns, which was seen to do without reading it
    assert differing(want, found, some if parts else {}) == {}


@pytest.mark.parametrize("study", ["did", "places"])
def test_a_panel_of_which_only_sums_are_held(folder, tmp_path, monkeypatch, study):
    for module in (opened, large):
        monkeypatch.setattr(module, "room", lambda space: 8 * ROWS)
    text = OF_FILES[study].replace(', treated = "treated", weights = "w"', "")
    path = write(folder, text)
    plan = explain_study(path, trial=False)
    assert all("only sums by cohort" in step.notes[0] and step.spill == 32 * ROWS for step in plan.steps)
    assert differing(planned(plan)[0], read(path, tmp_path)) == {}
    text = OF_FILES["did"].split("[[answer]]")[0] + ANSWER + 'did = { covariates = ["tier"] }\n'
    (refusal,) = explain_study(write(folder, text), trial=False).refusals
    with pytest.raises(gc.InputError) as stopped:
        gc.run_study(path, progress=False)
    assert refusal[1:] in str(stopped.value) and "covariates=" in refusal


@pytest.mark.parametrize("option", ['cluster = "shop"', 'strata = "tier"'])
def test_grouped_sums(folder, tmp_path, option):
    path = write(folder, TEST + f", {option} }}\n")
    assert differing(planned(explain_study(path, trial=False))[0], read(path, tmp_path)) == {}


# --- what is said -----------------------------------------------------------------------------------------------------
def test_footers_alone_are_read(folder, tmp_path):
    path = write(folder, OF_LOGS["panel"])
    with scans.recorded(tmp_path) as count:
        plan = explain_study(path, trial=False)
        assert count() == {} and plan.rates.measured == 0
        timed = explain_study(path)
    assert set(count()) <= {("orders.parquet", c) for c in plan.sources["orders"].columns}
    assert timed.rates.measured == ROWS and timed.rates.factor > 0
    assert timed.seconds == pytest.approx(plan.seconds * timed.rates.factor)


def test_counts_and_bytes_by_hand(folder):
    plan = explain_study(write(folder, OF_LOGS["listed users"]), trial=False)
    _, table, estimate = plan.steps
    assert [(c.n, c.how) for c in table.counts] == [(USERS, "exactly"), (10, "at most"), (USERS * 10, "at most")]
    assert table.memory == 56 * USERS * 10 and estimate.passes == ()
    sums = table.passes[3]
    assert sums.columns == ("user", "time", "gmv", "order", "discount")
    footer = pq.read_metadata(folder / "orders.parquet")
    stored = {c: sum(footer.row_group(g).column(k).total_compressed_size for g in range(2))
              for k, c in enumerate(footer.schema.names)}  # fmt: skip
    assert plan.bytes_of(sums) == sum(stored[c] for c in sums.columns)
    told = plan.to_dict()
    assert told["bytes_scanned"] == sum(p["bytes"] for s in told["steps"] for p in s["passes"]) == plan.scanned
    assert sum(told["passes"].values()) == sum(len(s["passes"]) for s in told["steps"])


def test_units_that_no_table_lists_are_bounded_by_their_range(folder):
    units = explain_study(write(folder, OF_LOGS["panel"]), trial=False).steps[1].counts[0]
    assert (units.n, units.how) == (USERS, "at most")


def test_rows_for_verbs_that_take_them_one_by_one(folder):
    text = '[data]\nframe = "test.parquet"\n' + ANSWER
    text += 'adjust = { outcome = "gmv", treatment = "arm", control = "none", covariates = ["pre", "tier"] }\n'
    plan = explain_study(write(folder, text), trial=False)
    (step,) = plan.steps
    assert set(step.passes[0].columns) >= {"gmv", "arm", "pre", "tier", "user"}
    assert step.loaded == ROWS * (4 * 8 + 60 + 8)  # gmv, pre, tier, user; the labels of the arms; shop, a place
    assert "rows are read into memory: about 6 MB" in words.text(plan)


def test_a_csv_is_told_from_its_first_lines(folder):
    lines = ["unit,period,gmv,first_treated", *(f"{u},{t},{u % 7},3" for u in range(1000) for t in range(1, 5))]
    (folder / "panel.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    plan = explain_study(write(folder, '[data]\nframe = "panel.csv"\n' + ANSWER), trial=False)
    source = plan.sources["panel.csv"]
    assert source.rows == pytest.approx(4000, rel=0.1) and source.kind == "csv" and plan.scanned == 0
    assert "about " in words.text(plan)


def test_a_table_too_large_is_refused_in_the_words_of_the_run(folder):
    text = LOGS + '[logs]\nmemory_limit = "256MB"\n' + ANSWER + 'panel = { unit = "order", freq = "D" }\n'
    text = text.replace('unit = "order"', 'unit = "user"').replace("256MB", "256MB")
    many = {"user": np.arange(50_000) * 3, "time": np.datetime64("2025-01-01", "us") + np.arange(50_000) * 10**9,
            "gmv": np.ones(50_000)}  # fmt: skip
    pq.write_table(pa.table(many), folder / "many.parquet")
    pq.write_table(pa.table({"user": many["user"]}), folder / "listed.parquet")
    text = text.replace("orders.parquet", "many.parquet").replace(
        'exposures = "sent.parquet"', 'users = "listed.parquet"'
    )
    path = write(folder, text)
    (refusal,) = explain_study(path, trial=False).refusals
    with pytest.raises(gc.InputError) as stopped:
        gc.run_study(path, progress=False)
    assert str(stopped.value) == f"answer 'a': {refusal[0].lower()}{refusal[1:]}" and "memory_limit" in refusal


# --- what is wrong ----------------------------------------------------------------------------------------------------
WRONG = {
    "no file": '[data]\nframe = "gone.parquet"\n' + ANSWER,
    "no csv": '[data]\nframe = "gone.csv"\n' + ANSWER,
    "no order file": '[data]\norders = "gone.parquet"\n' + ANSWER + 'panel = { freq = "W" }\n',
    "no column": '[data]\nframe = "panel.parquet"\n' + ANSWER + 'did = { outcome = "gmw" }\n',
    "no column of a csv": '[data]\nframe = "small.csv"\n' + ANSWER + 'did = { outcome = "gmw" }\n',
    "no column of a test in a csv": TEST.replace("test.parquet", "small.csv") + ' , arm = "version" }\n',
    "no column of a test": TEST.replace('"gmv"', '"gmw"') + " }\n",
    "no role": LOGS + '[columns]\nuser = "uid"\n' + ANSWER + 'panel = { freq = "W" }\n',
    "no option": '[data]\nframe = "panel.parquet"\n' + ANSWER + 'did = { clusters = "tier" }\n',
    "no option of a panel": LOGS + ANSWER + 'panel = { frequency = "W" }\n',
    "no such freq": LOGS + ANSWER + 'panel = { freq = "fortnight" }\n',
    "no estimator": '[data]\nframe = "panel.parquet"\n' + ANSWER + 'did = { estimator = "magic" }\n',
    "no unit": LOGS + ANSWER + 'panel = { unit = "room", freq = "W" }\n',
    "no exposures": '[data]\norders = "orders.parquet"\n' + ANSWER + 'stack = { freq = "W" }\n',
    "no dataset": '[data]\ndataset = "mars"\n' + ANSWER + 'panel = { freq = "W" }\n',
    "no limit": LOGS + '[logs]\nmemory_limit = "1MB"\n' + ANSWER + 'panel = { freq = "W" }\n',
    "no column of uplift": '[data]\nframe = "test.parquet"\n'
    + ANSWER
    + 'uplift = { treatment = "version", outcome = "gmw" }\n',
    "days of unlike types": '[data]\nframe = "days"\n' + ANSWER + 'did = { outcome = "gmv" }\n',
    "no key": "[dta]\n",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_errors_are_those_of_the_run_and_nothing_is_scanned(folder, tmp_path, wrong):
    if wrong == "days of unlike types":
        (folder / "days").mkdir(exist_ok=True)
        for day, gmv in enumerate(([1.0, 2.0], ["1", "2"])):
            held = {"unit": [1, 2], "period": [day, day], "gmv": gmv, "first_treated": [1, 1]}
            pq.write_table(pa.table(held), folder / "days" / f"{day}.parquet")
    path = write(folder, WRONG[wrong])
    with pytest.raises(gc.InputError) as ran:
        gc.run_study(path, progress=False)
    with scans.recorded(tmp_path) as count, pytest.raises(gc.InputError) as told:
        explain_study(path)
    assert str(told.value) == str(ran.value) and count() == {}


# --- the command line -------------------------------------------------------------------------------------------------
@pytest.fixture
def command(monkeypatch, capsys):
    def run(*args):
        monkeypatch.setattr(sys, "argv", ["gmvcausal", "run", *map(str, args)])
        try:
            main()
            code = 0
        except SystemExit as stopped:
            code = stopped.code
        return code, *capsys.readouterr()

    return run


def test_on_the_command_line(folder, command):
    path = write(folder, OF_LOGS["panel"])
    code, out, _ = command(path, "--explain", "--json")
    plan = json.loads(out)
    assert code == 0 and not (folder / "study-report").exists()
    assert plan["passes"]["orders"] == sum(s["source"] == "orders" for step in plan["steps"] for s in step["passes"])
    assert command(path, "--json")[0] == 2
    code, out, error = command(write(folder, WRONG["no file"]), "--explain")
    assert code == 2 and "gone.parquet" in error and out == ""
