"""The catalogue of bad inputs for the synthetic estimators, as far as it is their own; test_did has the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from panels import rollout

import gmvcausal as gc

ALL = ("synthetic_control", "augmented_synthetic_control", "synthetic_did")
FEW = rollout(n=24, periods=12, cohorts=(9,), never=0.96, seed=12)  # one unit treated
TREATED = int(FEW.loc[FEW["first_treated"].notna(), "unit"].iloc[0])


@pytest.mark.parametrize("estimator", ALL)
class TestEach:
    def test_6_nobody_is_never_treated(self, estimator: str) -> None:
        late = FEW.assign(first_treated=FEW["first_treated"].fillna(11))
        with pytest.raises(gc.DesignError, match="no unit is untreated throughout"):
            gc.did(late, estimator=estimator)

    def test_8_10_13_codes_order_and_late_starts(self, estimator: str) -> None:
        plain = gc.did(FEW, estimator=estimator).estimate
        for code in (0, np.inf):
            assert (
                gc.did(FEW.assign(first_treated=FEW["first_treated"].fillna(code)), estimator=estimator).estimate
                == plain
            )
        late = gc.did(FEW.assign(first_treated=FEW["first_treated"].fillna(13)), estimator=estimator)
        assert late.estimate == plain and any("after the last period" in n for n in late.manifest.notes)
        assert gc.did(FEW.sample(frac=1, random_state=0), estimator=estimator).estimate == plain

    def test_11_treated_from_the_start_are_dropped_and_counted(self, estimator: str) -> None:
        other = int(FEW.loc[FEW["first_treated"].isna(), "unit"].iloc[0])
        result = gc.did(
            FEW.assign(first_treated=FEW["first_treated"].where(FEW["unit"] != other, 1)), estimator=estimator
        )
        assert result.manifest.dropped == {"already treated at the start": 1} and result.n == 23
        assert result.audit["always_treated"].status == "warned"

    def test_12_gaps_for_all(self, estimator: str) -> None:
        result = gc.did(FEW[FEW["period"] != 4], estimator=estimator)
        assert result.audit["period_gaps"].status == "warned" and -4 in result.event_study()["event_time"].to_numpy()

    def test_17_one_treated_unit_has_no_standard_error(self, estimator: str) -> None:
        result = gc.did(FEW, estimator=estimator)
        assert np.isnan(result.std_error) and np.isfinite(result.conf_int()).all()
        assert result.audit["few_clusters"].status == "warned"

    def test_20_absent_rows(self, estimator: str) -> None:
        with pytest.raises(gc.InputError, match="4 unit-periods of 4 units are absent"):
            gc.did(FEW.drop(index=[5, 30, 100, 200]), estimator=estimator)

    def test_27_one_period_before(self, estimator: str) -> None:
        result = gc.did(FEW[FEW["period"] >= 8], estimator=estimator)
        assert np.isfinite(result.estimate) and result.audit["pre_periods"].status == "failed"
        assert np.isnan(result.conf_int()[0])
        if estimator == "synthetic_did":  # nothing to weigh by: the plain comparison
            plain = gc.did(FEW[FEW["period"] >= 8], estimator="two_by_two").estimate
            assert result.estimate == pytest.approx(plain, rel=1e-9)

    @pytest.mark.parametrize("value", [0.0, 7.5])
    def test_48_nothing_varies(self, estimator: str, value: float) -> None:
        result = gc.did(FEW.assign(gmv=value), estimator=estimator)
        assert result.estimate == 0 and np.isnan(result.conf_int()[0]) and result.estimates.withheld
        assert result.audit["all_zero"].status == "warned" if value == 0 else "all_zero" not in result.audit
        assert result.summary()

    def test_idle_rooms(self, estimator: str) -> None:
        """Many rooms that never sell: they are alike, and which of them is named first changes nothing."""
        idle = FEW.assign(gmv=FEW["gmv"].where((FEW["unit"] % 3 > 0) | (FEW["unit"] == TREATED), 0.0))
        turned = idle.assign(unit=-idle["unit"])
        first, second = (gc.did(f, estimator=estimator) for f in (idle, turned))
        assert first.estimate == pytest.approx(second.estimate, rel=1e-9)
        assert first.conf_int() == pytest.approx(second.conf_int(), rel=1e-9, nan_ok=True)

    def test_treated_units_that_never_sell(self, estimator: str) -> None:
        result = gc.did(FEW.assign(gmv=FEW["gmv"].where(FEW["unit"] != TREATED, 0.0)), estimator=estimator)
        assert np.isfinite(result.estimate) and result.summary()

    def test_rooms_above_the_unit(self, estimator: str) -> None:
        """Treatment given to rooms, rows of users: the rooms are the units."""
        frame = rollout(n=60, periods=8, cohorts=(6,), seed=1).assign(room=lambda f: f["unit"] // 4)
        frame["first_treated"] = np.where(frame["room"] == 2, 6.0, np.nan)
        with (
            pytest.warns(gc.GmvCausalWarning, match="'room'"),
            pytest.raises(gc.InputError, match=r"60 units lie in 15 clusters \(by room\)") as caught,
        ):
            gc.did(frame, estimator=estimator)
        assert caught.value.column == "room" and "room" in caught.value.remedy


COATS: dict[str, Any] = {
    "52 int8": lambda g: g.round().astype("int8"),
    "51 float32": lambda g: g.round().astype("float32"),
    "55 Int64": lambda g: g.round().astype("Int64"),
}


@pytest.mark.parametrize("coat", list(COATS))
@pytest.mark.parametrize("estimator", ALL)
def test_51_to_55_outcomes_of_every_dtype(estimator: str, coat: str) -> None:
    plain = gc.did(FEW.assign(gmv=FEW["gmv"].round()), estimator=estimator)
    other = gc.did(FEW.assign(gmv=COATS[coat](FEW["gmv"])), estimator=estimator)
    assert (other.estimate, other.conf_int()) == (plain.estimate, plain.conf_int())
