"""Minimum wages and teen employment given log population: csdid's and diff-diff's points and standard errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.rollout.group_time import aggregate

ORACLE = json.loads((Path(__file__).parent / "mpdta_covariates.json").read_text(encoding="utf-8"))
COLUMNS = {"outcome": "lemp", "unit": "countyreal", "time": "year", "first_treated": "first.treat"}
EXACT = {"rtol": 1e-9, "atol": 1e-12}
TERMS = {
    "simple": "overall", "dynamic": "event-time average", "group": "cohort average", "calendar": "period average",
}  # fmt: skip
MAKERS = {"dynamic": aggregate.by_event, "group": aggregate.by_cohort, "calendar": aggregate.by_period}


@pytest.fixture(scope="module")
def mpdta(data_dir: Path) -> pd.DataFrame:
    file = data_dir / "mpdta.csv"
    if not file.is_file():
        pytest.skip(f"no {file.name} in {data_dir}")  # the file may not be shipped with the project
    return pd.read_csv(file)


def did(frame: pd.DataFrame, **options: Any) -> Any:
    return gc.did(frame, **COLUMNS, covariates=["lpop"], **options)


@pytest.mark.parametrize("control", ["never_treated", "not_yet_treated"])
@pytest.mark.parametrize("adjustment", ["doubly_robust", "regression", "ipw"])
def test_cells_and_aggregates(mpdta: pd.DataFrame, adjustment: str, control: str) -> None:
    expected = ORACLE[f"{adjustment} {control}"]
    result = did(mpdta, adjustment=adjustment, control=control)
    effects, years = result.fitted.effects, result.panel.grid.values
    se = np.sqrt(np.diag(result.fitted.series["cells"]().cov))
    cells = effects.cells
    found = [
        [years[cells.starts[g]], years[t], a, s]
        for g, t, a, s in zip(cells.cohort, cells.period, effects.att, se, strict=True)
    ]
    assert len(found) == len(expected["att_gt"]) == 12
    np.testing.assert_allclose(sorted(found), sorted(expected["att_gt"]), **EXACT)
    frame = result.to_frame().set_index("term")
    for key, term in TERMS.items():
        row = frame.loc[term, ["estimate", "std_error"]].to_numpy(dtype=float)
        np.testing.assert_allclose(row, expected["overall"][key], **EXACT, err_msg=key)
    for key, rows in expected["parts"].items():
        parts = MAKERS[key](effects)
        errors = np.sqrt(np.diag(effects.covariance(parts.rows)))
        np.testing.assert_allclose(
            np.column_stack([parts.estimate, errors]), [r[1:] for r in rows], **EXACT, err_msg=key
        )
