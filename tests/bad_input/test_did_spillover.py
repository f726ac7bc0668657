"""`exposed=`, `edges=` and `exposure=` that are wrong, or that the data cannot carry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc


def _data(**change: Any) -> pd.DataFrame:
    rows = [
        {
            "unit": u,
            "period": t,
            "gmv": float((3 * u + t * t) % 7 + 2 * (u < 15 and t >= 4)),
            "first_treated": 4.0 if u < 15 else np.nan,
            "exposed": 5.0 if 15 <= u < 30 else np.nan,
        }
        for u in range(50)
        for t in range(8)
    ]
    return pd.DataFrame(rows).assign(**change)


def _edges(**change: Any) -> pd.DataFrame:
    return pd.DataFrame({"unit": range(15, 30), "neighbour": range(15), "weight": 1.0}).assign(**change)


def _first(column: str, value: Any, at: int = 0) -> pd.DataFrame:
    frame = _edges()
    frame[column] = frame[column].astype(object)
    frame.loc[at, column] = value
    return frame.infer_objects()


@pytest.mark.parametrize(
    ("data", "call", "words"),
    [
        (_data(), {"exposed": "expsed"}, "expsed"),
        (_data(exposed=[5.5] * 400), {"exposed": "exposed"}, "whole|fraction"),
        (_data(exposed=[float(i % 2) for i in range(400)]), {"exposed": "exposed"}, "constant|varies|more than one"),
        (_data(exposed=-1), {"exposed": "exposed"}, "code for 'never exposed'"),
        (_data(exposed=pd.Timestamp("2024-01-01")), {"exposed": "exposed"}, "whole numbers but exposed holds dates"),
        (_data(exposed=np.nan), {"exposed": "exposed"}, "no unit was exposed before"),
        (_data(exposed=lambda f: f["first_treated"].fillna(6)), {"exposed": "exposed"}, "no clean control is left"),
        (_data(exposed=lambda f: f["exposed"].where(f["unit"] % 6 != 0, 0)), {"exposed": "exposed"}, None),
        (_data(exposed=0), {"exposed": "exposed"}, "every treated unit was exposed"),
        (_data(), {"exposed": "exposed", "estimator": "twfe"}, "exposed= has no meaning for estimator='twfe'"),
        (_data(), {"edges": _edges(), "estimator": "poisson"}, "edges= has no meaning for estimator='poisson'"),
        (_data(), {"exposed": "exposed", "exposure": 0.5}, "exposure= has no meaning without edges="),
        (_data(), {"edges": _edges(), "exposure": 0}, "share above 0"),
        (_data(), {"edges": _edges(), "exposure": "all"}, "share above 0"),
        (_data(), {"edges": _edges(), "exposure": True}, "share above 0"),
        (_data(), {"edges": _edges().drop(columns="neighbour")}, "neighbour"),
        (_data(), {"edges": [(15, 0)]}, "no table"),
        (_data(), {"edges": _edges()[:0]}, "no rows"),
        (_data(), {"edges": _first("neighbour", 15)}, "its own neighbour"),
        (_data(), {"edges": pd.concat([_edges(), _edges()[:3]])}, "listed more than once"),
        (_data(), {"edges": _first("weight", 0.0)}, "must be positive"),
        (_data(), {"edges": _first("weight", np.nan)}, "missing"),
        (_data(), {"edges": _first("neighbour", 777)}, "not in the data, so when they were treated"),
        (_data(), {"edges": _first("neighbour", None)}, "missing"),
        (_data(), {"edges": _edges(unit=lambda f: f["unit"].astype(str))}, "different kinds of ids"),
        (_data(), {"edges": _edges().astype({"unit": str, "neighbour": str})}, "no unit of edges= is in the data"),
        (_data(), {"edges": pd.DataFrame({"unit": range(15, 30), "neighbour": range(30, 45)})}, "no unit was exposed"),
    ],
)
def test_refused(data: pd.DataFrame, call: dict[str, Any], words: str | None) -> None:
    before = data.copy()
    if words is None:
        result = gc.did(data, **call)
        assert "exposed from the first period on" in result.summary()
        assert result.manifest.dropped["units exposed from the first period on"] == 9
    else:
        with pytest.raises(gc.GmvCausalError, match=words):
            gc.did(data, **call)
    pd.testing.assert_frame_equal(data, before)


def test_what_is_left_out_or_read_one_way_is_said() -> None:
    more = pd.concat([_edges(), pd.DataFrame({"unit": [900, 901], "neighbour": [0, 1], "weight": 1.0})])
    text = " ".join(gc.did(_data(), edges=more).summary().split())
    assert "2 links of units that are not in the data were left out" in text
    assert "35 units have no neighbour" in text and "and not back" in text


def test_no_period_before_an_exposure() -> None:
    data = _data(exposed=lambda f: f["exposed"].where(f["unit"] >= 20, 1.0).where(f["unit"] < 30))
    found = gc.did(data, exposed="exposed")  # of the first treated, exposed in period 1, period 0 is the base
    assert found.panel.exposed is not None and (found.panel.exposed == 1).sum() == 20
    with pytest.raises(gc.DesignError, match="every treated unit was exposed"):
        gc.did(data, exposed="exposed", anticipation=1)


def test_late_starts_that_may_be_anticipated() -> None:
    data = _data()
    data.loc[data["unit"] == 49, "first_treated"] = 8.0
    with pytest.raises(gc.DesignError, match="within the anticipation window"):
        gc.did(data, edges=_edges(), anticipation=2)
