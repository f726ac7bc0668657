"""Every kind of result of this room keeps the shared protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ab_users import users
from protocol import assert_protocol

import gmvcausal as gc

DATA = users(n=1500, arms=3, seed=2)
CALLS: dict[str, dict[str, Any]] = {
    "one mean": {"metrics": "gmv"},
    "several metrics": {"metrics": ["gmv", gc.Proportion("bought"), gc.Ratio("gmv", "orders")]},
    "adjusted": {"metrics": [gc.Mean("gmv", pre=["gmv_pre", "segment"]), gc.Ratio("gmv", "orders", pre="gmv_pre")]},
    "adjusted from moments": {"metrics": [gc.Mean("gmv", pre="gmv_pre")], "hc": None},
    "capped first": {"metrics": [gc.Mean("gmv", cap=0.9)]},
    "clusters": {"metrics": [gc.Mean("gmv", pre="gmv_pre")], "cluster": "place"},
    "strata": {"metrics": ["gmv"], "strata": ["segment"]},
    "one-sided": {"metrics": ["gmv"], "alternative": "greater"},
    "withheld": {"metrics": ["gmv"], "cluster": "segment"},
    "refused": {"metrics": ["gmv"], "expected_ratio": {0: 0.5, 1: 0.3, 2: 0.2}},
}
WRITTEN = ("several metrics", "withheld", "refused")  # to Word and the other files, which takes its time


@pytest.mark.parametrize("name", CALLS)
def test_protocol(name: str, tmp_path: Path) -> None:
    result = gc.ab_test(DATA, control=0, **CALLS[name])
    assert_protocol(
        result,
        tmp_path if name in WRITTEN else None,
        plots=(None, "estimates") if name == "several metrics" else (None,),
    )
    extra = list(result.to_frame().columns[10:18])
    own = [
        "metric",
        "arm",
        "control",
        "relative",
        "relative_low",
        "relative_high",
        "capped_share",
        "variance_reduction",
    ]
    assert extra == own


def test_a_report_takes_it(tmp_path: Path) -> None:
    result = gc.ab_test(DATA, control=0, metrics=["gmv", gc.Proportion("bought")])
    page = gc.report(result, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "of the control arm" in page or "smallest effect" in page
    assert "treated units had before" not in page
    assert "gmv" in str(gc.table(result, gc.ab_test(DATA, control=1, metrics="gmv")))


def test_few_clusters_have_no_interval() -> None:
    result = gc.ab_test(DATA, control=0, metrics=["gmv"], cluster="segment")
    assert result.std_error != result.std_error and "clusters" in result.estimates.withheld
    assert result.audit["few_clusters"].status == "failed"
