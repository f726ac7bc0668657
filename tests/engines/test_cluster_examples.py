"""The example, the recipes of a cluster and the page about them run on a session of Spark."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from test_docs import ROOT as TOP
from test_docs import blocks

ROOT = TOP / "examples"
PAGE = TOP / "docs" / "howto" / "laptop-to-cluster.md"

pytestmark = pytest.mark.spark


def test_the_examples_run_on_spark(spark, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["laptop_to_cluster.py", str(tmp_path), "--spark"])
    runpy.run_path(str(ROOT / "laptop_to_cluster.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["frames", "files", "Spark"]
    assert len({line[8:] for line in lines[:3]}) == 1

    market = {name: str(tmp_path / "market" / f"{name}.parquet") for name in ("orders", "exposures")}
    monkeypatch.setattr(sys, "argv", ["roll_out.py", market["orders"], market["exposures"], str(tmp_path / "job")])
    done = runpy.run_path(str(ROOT / "cluster" / "roll_out.py"), run_name="__main__")
    assert (tmp_path / "job" / "report.html").exists()

    for name, path in market.items():
        spark.read.parquet(path).createOrReplaceTempView(name)
    source = (ROOT / "cluster" / "notebook.py").read_text(encoding="utf-8").replace("shop.", "")
    given = {"spark": spark, "__name__": "__main__"}
    for cell in source.split("# COMMAND ----------"):
        exec(compile(cell, "notebook.py", "exec"), given)
    assert given["result"].estimate == done["result"].estimate
    assert spark.table("panel").count() == len(done["panel"])


def test_the_page_prints_on_spark_what_it_prints_here(spark, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    given = {"spark": spark, "__name__": "__main__"}
    for block in blocks(PAGE.read_text(encoding="utf-8")):
        if block.language == "python" or block.options == 'title="On Spark"':
            # Java keeps the folder in which the session was started
            text = block.text.replace('"market/', f'"{tmp_path}/market/')
            exec(compile(text, str(PAGE), "exec"), given)
    here, files, there = capsys.readouterr().out.splitlines()
    assert here == files == there
    assert given["by_path"].estimate == given["on_spark"].estimate == pytest.approx(given["frames"].estimate, rel=1e-10)
