"""What maketables 0.2 asks of a result of another package, asked here without it: its own dependencies are many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc


def panel(drift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        [
            (u, t, u % 3 * t + 2.0 * (u < 20 and t >= 4) + drift * t * (u < 20) + rng.normal(), 4 if u < 20 else None)
            for u in range(60)
            for t in range(1, 7)
        ],
        columns=["unit", "period", "gmv", "first_treated"],
    )


def users() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"coupon": rng.integers(0, 2, 400), "tier": rng.integers(0, 4, 400)})
    return data.assign(gmv=data["coupon"] + data["tier"] + rng.normal(size=400))


def results() -> dict[str, Any]:
    return {
        "did": gc.did(panel()),
        "twfe": gc.did(panel(), estimator="twfe", cluster="unit"),
        "ab_test": gc.ab_test(users(), arm="coupon", metrics=[gc.Mean("gmv", cap=0.9)]),
        "adjust": gc.adjust(users(), "gmv", "coupon", covariates=["tier"], estimator="regression"),
    }


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return results()


@pytest.mark.parametrize("name", ["did", "twfe", "ab_test", "adjust"])
def test_the_coefficient_table_is_that_of_to_frame(made: dict[str, Any], name: str) -> None:
    result = made[name]
    table, frame = result.__maketables_coef_table__, result.to_frame()
    assert isinstance(table, pd.DataFrame) and table.index.name == "Coefficient" and table.index.is_unique
    assert {"b", "se", "t", "p"} <= set(table)
    names = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
    np.testing.assert_allclose(table.to_numpy(float), frame[names].to_numpy(float), rtol=1e-12)
    assert result.__maketables_stat__("N") == result.n and result.__maketables_stat__("r2") is None
    assert result.__maketables_stat__("audit") == "passed" and result.__maketables_depvar__ == "gmv"
    keys, labels = result.__maketables_default_stat_keys__, result.__maketables_stat_labels__
    assert isinstance(keys, list) and set(labels) == set(keys) and all(isinstance(k, str) for k in keys)
    assert set(result.__maketables_vcov_info__) == {"vcov_type", "clustervar"}


def test_no_star_can_stand_beside_what_the_audit_refuses() -> None:
    result = gc.did(panel(drift=1.0))
    assert not result.audit.credible and result.p_value < 0.01
    assert result.__maketables_coef_table__["p"].isna().all()
    assert result.__maketables_stat__("audit").startswith("failed: pre_trend")


def test_intervals_are_those_of_their_name_whatever_alpha_was() -> None:
    wide = gc.did(panel(), alpha=0.1).__maketables_coef_table__
    pd.testing.assert_frame_equal(wide, gc.did(panel()).__maketables_coef_table__)


def test_the_cluster_is_told(made: dict[str, Any]) -> None:
    assert made["twfe"].__maketables_vcov_info__["clustervar"] == "unit"
