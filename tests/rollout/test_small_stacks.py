"""`by_stack()` of people: campaigns that treat fewer than ten are not shown, nor what tells their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc


def stacked(sizes: dict[str, int], column: str = "user") -> Any:
    """Campaigns that treat so many of sixty units each, two periods around their start."""
    rng = np.random.default_rng(3)
    parts = []
    for number, (name, many) in enumerate(sizes.items()):
        for period in (1, 2):
            gmv = rng.normal(50, 5, 60) + 4.0 * (np.arange(60) < many) * (period == 2)
            parts.append(pd.DataFrame({column: np.arange(60), "period": period + 3 * number, "gmv": gmv, "stack": name,
                                       "treated": ((np.arange(60) < many) & (period == 2)).astype(int)}))  # fmt: skip
    data = pd.concat(parts, ignore_index=True)
    return gc.did(
        data, unit=column, time="period", outcome="gmv", treated="treated", estimator="stacked", stack="stack"
    )


SIZES = {"big": 30, "mid": 25, "small": 14, "tiny": 4}


def test_a_small_campaign_takes_the_next_smallest_with_it() -> None:
    table = stacked(SIZES).by_stack().set_index("stack")
    assert table.loc[["small", "tiny"], ["estimate", "weight", "treated"]].isna().all(axis=None)
    assert table.loc[["big", "mid"]].notna().all(axis=None) and table["treated"].tolist()[:2] == [30, 25]
    # From the coefficient and the weights the attacker has what the two hold together: a mean over eighteen.
    whole = stacked(SIZES, "room").by_stack().set_index("stack")
    rest = 1 - table["weight"].sum()
    mean = (stacked(SIZES).estimate - (table["weight"] * table["estimate"]).sum()) / rest
    gone = whole.loc[["small", "tiny"]]
    assert mean == pytest.approx(np.average(gone["estimate"], weights=gone["weight"]), rel=1e-9)
    assert np.abs(gone["estimate"] - mean).min() > 1e-3 and rest == pytest.approx(gone["weight"].sum())
    assert stacked({"big": 30, "mid": 25}).by_stack()["treated"].dtype.kind == "i"


def test_the_figure_draws_what_is_shown() -> None:
    result = stacked(SIZES)
    axes = result.plot("stacks").axes[0]
    assert {t.get_text() for t in axes.get_yticklabels()} == {"mid", "big"}
    assert "without those on fewer than 10 people" in axes.get_title(loc="left")
    assert not any("(4)" in t.get_text() or "(14)" in t.get_text() for t in axes.texts)
    assert "少于 10 人" in result.plot("stacks", language="zh").axes[0].get_title(loc="left")


def test_campaigns_of_rooms_are_shown_whole() -> None:
    table = stacked(SIZES, "room").by_stack()
    assert table["treated"].tolist() == [30, 25, 14, 4] and table.notna().all(axis=None)
    assert "people" not in stacked(SIZES, "room").plot("stacks").axes[0].get_title(loc="left")
