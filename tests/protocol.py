"""What every result must do, whatever verb made it: one function that every verb's tests call."""

from __future__ import annotations

import json
import math
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gmvcausal.results import Audit, Result
from gmvcausal.results.audit import STATUSES

COMMON = ["term", "estimand", "unit", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high", "n"]


def assert_protocol(result: Result, tmp_path: Path | None = None, plots: tuple[str | None, ...] = (None,)) -> None:
    """The shared protocol: scalars, table, intervals, audit, manifest, texts, files, pickling."""
    assert isinstance(result, Result)
    frame = result.to_frame()
    _table(result, frame)
    _intervals(result, frame)
    _audit(result)
    _manifest(result)
    _texts(result, tmp_path)
    for kind in plots:
        figure = result.plot(kind)
        assert figure.axes
        figure.clear()
    again = pickle.loads(pickle.dumps(result))
    pd.testing.assert_frame_equal(again.to_frame(), frame)
    pd.testing.assert_frame_equal(again.audit.to_frame(), result.audit.to_frame())
    assert again.manifest.to_dict() == result.manifest.to_dict()


def _table(result: Result, frame: pd.DataFrame) -> None:
    assert list(frame.columns[: len(COMMON)]) == COMMON
    assert len(frame) >= 1 and frame["term"].is_unique
    for name in ("estimate", "std_error", "p_value"):
        np.testing.assert_equal(getattr(result, name), frame[name].iloc[0])
    for name in ("estimand", "unit", "n"):
        assert getattr(result, name) == frame[name].iloc[0]
    assert frame["estimand"].str.len().min() > 0 and frame["unit"].str.len().min() > 0
    assert np.isfinite(frame["estimate"]).all() and (frame["n"] > 0).all()
    se, p = frame["std_error"], frame["p_value"]
    assert not (se < 0).any() and not ((p < 0) | (p > 1)).any()
    known = se > 0
    np.testing.assert_allclose(frame.loc[known, "statistic"], frame.loc[known, "estimate"] / se[known], rtol=1e-12)
    placebo = frame.index.isin(list(result.estimates.special))
    assert frame.loc[~known, "statistic"].isna().all() and p[~known & ~placebo].isna().all()
    # Frames handed out are the caller's own.
    frame_again = result.to_frame()
    frame_again["estimate"] = 0.0
    np.testing.assert_array_equal(result.to_frame()["estimate"], frame["estimate"])


def _intervals(result: Result, frame: pd.DataFrame) -> None:
    low, high = result.conf_int()
    np.testing.assert_equal((low, high), (frame["conf_low"].iloc[0], frame["conf_high"].iloc[0]))
    if math.isnan(result.std_error):
        if 0 in result.estimates.special:
            # Placebo runs: an interval and a p-value that say the same, and no standard error.
            assert low <= result.estimate <= high and result.estimates.method
            assert (low > 0 or high < 0) == (result.p_value < result.alpha)
            return
        assert math.isnan(low) and math.isnan(high) and result.estimates.withheld
        assert frame["p_value"].iloc[[0]].isna().all()
        return
    nested = [result.conf_int(level) for level in (0.5, 0.8, 0.9, 0.95, 0.99)]
    for (inner_low, inner_high), (outer_low, outer_high) in pairwise(nested):
        assert outer_low <= inner_low <= result.estimate <= inner_high <= outer_high
        assert outer_low < inner_low or result.std_error == 0
    if result.std_error > 0:
        # The interval at level 1 - p ends at zero: test and interval are one.
        edge = result.conf_int(1 - result.p_value) if 1e-12 < result.p_value < 1 else (0.0, 0.0)
        # Made of draws, it ends at the draw next to zero.
        drawn = result.manifest.options.get("inference", "t") not in ("t", None)
        room = 0.1 * result.std_error if drawn else 1e-6 * max(abs(result.estimate), result.std_error)
        assert min(abs(e) for e in edge) <= room
    assert result.conf_int(1 - result.alpha) == (low, high)


def _audit(result: Result) -> None:
    audit = result.audit
    table = audit.to_frame()
    assert list(table.columns) == ["name", "status", "value", "threshold", "message", "remedy"]
    assert len(table) and set(table["status"]) <= set(STATUSES)
    assert table["message"].str.len().min() > 0
    assert list(table["status"]) == sorted(table["status"], key=("failed", "warned", "passed", "not_run").index)
    assert audit.credible == ("failed" not in set(table["status"]))
    assert table["name"].is_unique
    needy = table["status"].isin(["failed", "warned"])
    assert (table.loc[needy, "remedy"].str.len() > 0).all(), table.loc[needy & (table["remedy"] == "")]
    assert isinstance(audit, Audit) and table["name"].iloc[0] in audit
    assert audit[table["name"].iloc[0]].status == table["status"].iloc[0]


def _manifest(result: Result) -> None:
    told = json.loads(result.manifest.to_json(), parse_constant=_no_constant)
    assert told == json.loads(json.dumps(result.manifest.to_dict()))
    assert {"verb", "options", "seed", "data", "dropped", "notes", "versions"} <= set(told)
    assert len(told["data"]["sha256"]) == 64 and told["data"]["rows"] > 0
    assert {"python", "numpy", "gmvcausal"} <= set(told["versions"])


def _no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def _texts(result: Result, tmp_path: Path | None) -> None:
    summary, page, latex = result.summary(), result.to_html(), result.to_latex()
    assert repr(result) == summary and result.estimand in " ".join(summary.split())
    assert "<table" in page and "<table" in result._repr_html_()
    assert "\\toprule" in latex and latex.count("{") == latex.count("}")
    if math.isnan(result.std_error):
        assert "nan" not in summary.lower().split()
    if tmp_path is not None:
        writers: dict[str, Any] = {
            "t.html": result.to_html, "t.tex": result.to_latex, "t.csv": result.to_csv, "t.docx": result.to_docx,
        }  # fmt: skip
        for name, write in writers.items():
            write(tmp_path / name)
            assert (tmp_path / name).stat().st_size > 100
