"""Where only the headline has an interval: it is not refused for what other rows lack."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import rollout

import gmvcausal as gc

PLACES: dict[str, Any] = {"inference": "conley", "coordinates": ("lat", "lon"), "cutoff": 100.0}


def placed() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = rollout(n=120)
    code = frame["unit"].to_numpy()
    lat, lon = rng.uniform(20, 40, 120)[code], rng.uniform(100, 120, 120)[code]
    return frame.assign(lat=lat, lon=lon, gmv=frame["gmv"].clip(0))


@pytest.mark.parametrize("estimator", ["callaway_santanna", "two_stage", "poisson", "twfe", "imputation"])
def test_a_sound_headline_is_not_refused(estimator: str) -> None:
    frame = placed().query("first_treated != 5")
    result = gc.did(frame, estimator=estimator, **PLACES)
    plain = gc.did(frame, estimator=estimator)
    assert np.isfinite(result.conf_int()).all()
    assert result.audit["few_clusters"].status == plain.audit["few_clusters"].status != "failed"
    text = result.summary()
    assert "No interval" not in text
    rest = result.to_frame()["std_error"].isna().any()
    assert ("Other terms Only the headline has a standard error by distance" in text) == rest


def test_rows_without_distance_have_no_interval_at_all() -> None:
    rows = gc.did(placed(), estimator="poisson", **PLACES).to_frame()
    assert rows.loc[1:, ["std_error", "p_value", "conf_low", "conf_high"]].isna().all(axis=None)


def test_totals_do_not_inherit_what_other_rows_lack() -> None:
    money = gc.did(placed(), estimator="two_stage", **PLACES).incremental_gmv(gmv_is="paid")
    assert np.isfinite(money.conf_int()).all() and not money.estimates.withheld
