"""Study files: every key, and every way to get one wrong."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc


def write(folder, text):
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    """Orders, exposures and a ready panel beside a study file; the roll-out has an effect of 5 a week."""
    rng = np.random.default_rng(5)
    panel = pd.DataFrame({"unit": np.repeat(np.arange(80), 8), "period": np.tile(np.arange(8), 80)})
    panel["first_treated"] = np.where(panel["unit"] < 40, 4.0, np.nan)
    panel["gmv"] = rng.gamma(4, 5, len(panel)) + 5 * (panel["period"] >= panel["first_treated"])
    panel.to_parquet(tmp_path / "panel.parquet")
    when = pd.Timestamp("2025-03-03") + pd.to_timedelta(panel["period"] * 7 * 24 + 12, unit="h")
    orders = pd.DataFrame({"uid": panel["unit"], "paid_at": when, "gmv": panel["gmv"]})
    last = pd.DataFrame({"uid": [0], "paid_at": [pd.Timestamp("2025-04-28 01:00")], "gmv": [1.0]})
    orders = pd.concat([orders, last], ignore_index=True)
    orders.to_parquet(tmp_path / "orders.parquet")
    orders.to_csv(tmp_path / "orders.csv", index=False)
    pd.DataFrame(
        {
            "uid": np.arange(40),
            "tactic": "save-10",
            "kind": "coupon",
            "start": pd.Timestamp("2025-03-31"),
        }
    ).to_parquet(tmp_path / "exposures.parquet")
    return tmp_path


FROM_LOGS = """
[data]
orders = "orders.parquet"
exposures = "exposures.parquet"
[columns]
user = "uid"
time = "paid_at"
[[answer]]
name = "roll-out"
where = { kind = "coupon" }
panel = { unit = "user", freq = "W" }
money = { cost = 100, cost_is = "other", margin = 0.5 }
"""


def test_logs_and_frame_give_the_same_answer(folder):
    from_logs = gc.run_study(write(folder, FROM_LOGS), progress=False)
    from_frame = gc.run_study(
        write(folder, '[data]\nframe = "panel.parquet"\n[[answer]]\nname = "roll-out"\n'), progress=False
    )
    a, b = from_logs.answers["roll-out"], from_frame.answers["roll-out"]
    assert a.estimate == pytest.approx(b.estimate, rel=1e-12)
    assert a.std_error == pytest.approx(b.std_error, rel=1e-12)
    assert from_logs.headline.verdict == "gain"
    money = from_logs.money["roll-out"].to_frame().set_index("term")["estimate"]
    assert money["profit"] == pytest.approx(0.5 * a.estimate * 160 - 100, rel=1e-12)


def test_csv_is_read_as_well(folder):
    result = gc.run_study(write(folder, FROM_LOGS.replace("orders.parquet", "orders.csv")), progress=False)
    assert result.answers["roll-out"].n == 80


WRONG = {
    "unknown key": (FROM_LOGS.replace("[columns]", "[collumns]"), "collumns"),
    "near key": (FROM_LOGS.replace("where =", "were ="), "where"),
    "no answer": ('[data]\nframe = "panel.parquet"\n', "[[answer]]"),
    "no data": ('[[answer]]\nname = "a"\npanel = {}\n', "[data]"),
    "not toml": ("[data\n", "TOML"),
    "no table": ('[data]\norders = "orders.parquet"\n[[answer]]\nname = "a"\n', "exactly one table"),
    "missing file": ('[data]\nframe = "gone.parquet"\n[[answer]]\nname = "a"\n', "does not exist"),
    "missing csv": ('[data]\norders = "gone.csv"\n[[answer]]\nname = "a"\npanel = {}\n', "gone.csv"),
    "unknown dataset": ('[data]\ndataset = "../../etc/passwd"\n[[answer]]\nname = "a"\npanel = {}\n', "no dataset"),
    "unknown option": (
        '[data]\nframe = "panel.parquet"\n[[answer]]\nname = "a"\ndid = { estimater = "twfe" }\n',
        "estimater",
    ),
    "wrong estimator": (
        '[data]\nframe = "panel.parquet"\n[[answer]]\nname = "a"\ndid = { estimator = "ols" }\n',
        "answer 'a'",
    ),
    "same name": ('[data]\nframe = "panel.parquet"\n[[answer]]\nname = "a"\n[[answer]]\nname = "a"\n', "same name"),
    "no tactic": (FROM_LOGS.replace('"coupon"', '"raffle"'), "matches no tactic"),
    "answer is no list": ('answer = 3\n[data]\nframe = "panel.parquet"\n', "[[answer]]"),
    "did is no table": ('[data]\nframe = "panel.parquet"\n[[answer]]\nname = "a"\ndid = 3\n', "did must be"),
    "two sources": (
        '[data]\nframe = "panel.parquet"\ndataset = "complete_journey"\n[[answer]]\nname = "a"\n',
        "exactly one source",
    ),
    "logs beside a frame": (
        '[data]\nframe = "panel.parquet"\n[logs]\ngmv = "net"\n[[answer]]\nname = "a"\n',
        "ready frame",
    ),
    "where beside a frame": (
        '[data]\nframe = "panel.parquet"\n[[answer]]\nname = "a"\nwhere = { a = 1 }\n',
        "ready frame",
    ),
    "data is no section": ('data = 3\n[[answer]]\nname = "a"\n', "data"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_study_files_are_refused_in_words(folder, case):
    text, said = WRONG[case]
    with pytest.raises(gc.InputError) as error:
        gc.run_study(write(folder, text), progress=False)
    assert said in str(error.value)


def command(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "gmvcausal", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_command_line_answers(folder):
    write(folder, FROM_LOGS)
    done = command(folder, "run", "study.toml", "--out", "out", "--strict")
    assert done.returncode == 0, done.stderr
    assert "gain" in done.stdout and "report.html" in done.stdout
    assert (folder / "out" / "report.html").exists()


def test_command_line_refuses_bad_input_with_2_and_no_traceback(folder):
    write(folder, FROM_LOGS.replace("uid", "uidd"))
    done = command(folder, "run", "study.toml")
    assert done.returncode == 2
    assert "uidd" in done.stderr and "Traceback" not in done.stderr
    assert command(folder, "run", "gone.toml").returncode == 2
    assert command(folder, "walk").returncode == 2


def test_command_line_exits_3_where_the_audit_refuses(folder):
    panel = pd.read_parquet(folder / "panel.parquet")
    panel["gmv"] += 4 * panel["period"] * (panel["unit"] < 40)
    panel.to_parquet(folder / "panel.parquet")
    write(folder, '[data]\nframe = "panel.parquet"\n[[answer]]\nname = "roll-out"\n')
    assert command(folder, "run", "study.toml", "--quiet").returncode == 0
    done = command(folder, "run", "study.toml", "--quiet", "--strict")
    assert done.returncode == 3
    assert "pre_trend" in done.stdout or "pre-trend" in done.stdout


LINKED = '[data]\nframe = "panel.parquet"\n[[answer]]\nname = "a"\ndid = { edges = "EDGES" }\n'


@pytest.mark.parametrize("name", ["links.parquet", "links.csv"])
def test_links_lie_beside_the_study(folder, tmp_path_factory, monkeypatch, name):
    """Others of the same name in the working directory are not read."""
    links = pd.DataFrame({"unit": np.arange(40, 55), "neighbour": np.arange(15)})
    write_links = (
        (lambda frame, path: frame.to_csv(path, index=False)) if name.endswith("csv") else pd.DataFrame.to_parquet
    )
    write_links(links, folder / name)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write_links(pd.DataFrame({"unit": np.arange(60, 75), "neighbour": np.arange(15)}), elsewhere / name)
    monkeypatch.chdir(elsewhere)
    study = gc.run_study(write(folder, LINKED.replace("EDGES", name)), progress=False)
    direct = gc.did(pd.read_parquet(folder / "panel.parquet"), edges=links)
    pd.testing.assert_frame_equal(study.answers["a"].to_frame(), direct.to_frame())
    with pytest.raises(gc.InputError, match=r"gone\.csv"):
        gc.run_study(write(folder, LINKED.replace("EDGES", "gone.csv")), progress=False)
    with pytest.raises(gc.InputError, match="edges must name files as text"):
        gc.run_study(write(folder, LINKED.replace('"EDGES"', "3")), progress=False)


def test_rows_without_units_can_be_written_in_a_study(folder):
    frame = pd.read_parquet(folder / "panel.parquet").assign(city=lambda d: d["unit"] % 40)
    frame["first_treated"] = np.where(frame["city"] < 20, 4.0, np.nan)
    frame.drop(columns="unit").to_parquet(folder / "rows.parquet")
    text = '[data]\nframe = "rows.parquet"\n[[answer]]\nname = "a"\ndid = { unit = "none", cluster = "city" }\n'
    study = gc.run_study(write(folder, text), progress=False)
    direct = gc.did(frame.drop(columns="unit"), unit=None, cluster="city")
    pd.testing.assert_frame_equal(study.answers["a"].to_frame(), direct.to_frame())
