"""Sales counted once, and the gain of the treated with the loss of those they reach as what they are: linked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.errors import InputError


def categories(seed: int = 3, rooms: int = 60, weeks: int = 8) -> pd.DataFrame:
    """Cosmetics gain 12 and shoes lose 8: the room gains 4, which its GMV shows by itself."""
    rng = np.random.default_rng(seed)
    on = (np.arange(rooms) < 25)[:, None] & (np.arange(weeks) >= 4)
    cosmetics = 100 + 5 * rng.normal(size=(rooms, weeks)) + 12 * on
    shoes = 80 + 4 * rng.normal(size=(rooms, weeks)) - 8 * on
    return pd.DataFrame(
        {
            "unit": np.repeat(np.arange(rooms), weeks),
            "period": np.tile(np.arange(weeks), rooms),
            "cosmetics": cosmetics.ravel(),
            "shoes": shoes.ravel(),
            "gmv": (cosmetics + shoes).ravel(),
            "first_treated": np.repeat(np.where(np.arange(rooms) < 25, 4.0, np.nan), weeks),
        }
    )


# --- counted once ---------------------------------------------------------------------------------------------------
def test_an_outcome_that_holds_the_other_column_is_refused_a_headline() -> None:
    """A gain of 4 became a loss of 4, in silence: shoes were taken off twice."""
    frame = categories()
    whole = gc.did(frame, estimator="imputation")
    found = whole.cannibalisation("shoes")
    check = found.audit["counted_twice"]
    assert check.status == "failed" and "'shoes' is nowhere above 'gmv'" in check.message
    assert check.remedy == "give 'gmv' less 'shoes' in the place of 'gmv'"
    assert "REFUSED" in found.summary()
    # The other way round: the other column holds the outcome.
    back = gc.did(frame, outcome="cosmetics", estimator="imputation").cannibalisation("gmv")
    assert back.audit["counted_twice"].status == "failed"
    # As the remedy says.
    right = gc.did(frame, outcome="cosmetics", estimator="imputation").cannibalisation("shoes")
    assert right.estimate == pytest.approx(whole.estimate, rel=1e-10)
    assert right.audit["counted_twice"].status != "failed"


def test_columns_that_only_lie_below_are_warned_of() -> None:
    """A small category is nowhere above a large one by its size alone; it does not move with it one for one."""
    frame = categories().assign(toys=lambda f: 10 + f["shoes"] / 20 + np.random.default_rng(0).normal(size=len(f)))
    found = gc.did(frame, outcome="cosmetics").cannibalisation("toys")
    assert found.audit["counted_twice"].status == "warned" and "REFUSED" not in found.summary()
    several = gc.did(frame, outcome="toys").cannibalisation(["shoes", "gmv"])
    assert several.audit["counted_twice"].status == "failed" and several.audit["counted_twice"].value == 3


def test_parts_are_seldom_taken_for_wholes() -> None:
    """Columns of other sales, one always below the other: the check fails in hardly any of 60."""
    failed = 0
    for seed in range(60):
        frame = categories(seed).assign(cosmetics=lambda f: f["cosmetics"] + 60)
        failed += gc.did(frame, outcome="cosmetics").cannibalisation("shoes").audit["counted_twice"].status == "failed"
    assert failed == 0


@pytest.mark.parametrize("times", [1.0, 100.0, -1.0])
def test_copies_are_refused(times: float) -> None:
    frame = categories().assign(copy=lambda f: times * f["gmv"])
    with pytest.raises(InputError, match=r"'copy' is 'gmv' .*in every row: its sales would be counted twice"):
        gc.did(frame).cannibalisation("copy")
    frame = categories().assign(copy=lambda f: times * f["shoes"])
    with pytest.raises(InputError, match=r"'copy' is 'shoes'"):
        gc.did(frame, outcome="cosmetics").cannibalisation(["shoes", "copy"])


def test_fen_beside_yuan() -> None:
    frame = categories().assign(fen=lambda f: 100 * f["shoes"])
    check = gc.did(frame, outcome="cosmetics").cannibalisation("fen").audit["other_units"]
    assert check.status == "warned" and "fen beside amounts in yuan" in check.remedy
    assert gc.did(frame, outcome="cosmetics").cannibalisation("shoes").audit["other_units"].status == "passed"


# --- linked ---------------------------------------------------------------------------------------------------------
PAIRS = 40


def streets(seed: int = 0, sign: int = 1, clean: int = 100) -> pd.DataFrame:
    """Pairs of a treated room and the one next door, that share what comes over the street after the start."""
    rng, weeks, n = np.random.default_rng(seed), 6, 2 * PAIRS + clean
    y, after = rng.normal(size=(n, weeks)), np.arange(weeks) >= 3
    shock = 3 * rng.normal(size=(PAIRS, 1)) * after
    y[:PAIRS] += shock + 4 * after
    y[PAIRS : 2 * PAIRS] += sign * shock - 4 * after
    unit = np.repeat(np.arange(n), weeks)
    return pd.DataFrame(
        {
            "unit": unit,
            "period": np.tile(np.arange(weeks), n),
            "gmv": 50 + y.ravel(),
            "first_treated": np.where(unit < PAIRS, 3.0, np.nan),
            "near": np.where((unit >= PAIRS) & (unit < 2 * PAIRS), 3.0, np.nan),
            "street": np.where(unit < 2 * PAIRS, unit % PAIRS, unit),
        }
    )


def links() -> pd.DataFrame:
    return pd.DataFrame({"unit": np.arange(PAIRS, 2 * PAIRS), "neighbour": np.arange(PAIRS)})


NUMBERS = ["estimate", "std_error", "conf_low", "conf_high"]


def test_linked_units_are_one_cluster() -> None:
    frame = streets()
    found = gc.did(frame).cannibalisation(edges=links())
    by_street = gc.did(frame, cluster="street").cannibalisation(edges=links())
    np.testing.assert_allclose(found.to_frame()[NUMBERS], by_street.to_frame()[NUMBERS], rtol=1e-10)
    made_with = gc.did(frame, edges=links()).cannibalisation()
    np.testing.assert_allclose(found.to_frame()[NUMBERS], made_with.to_frame()[NUMBERS], rtol=1e-10)
    assert any("140 in place of 180 (by unit)" in note for note in found.manifest.notes)
    assert not any("in place of" in note for note in by_street.manifest.notes)
    for one in (found, by_street, made_with):
        assert one.audit["reached_apart"].status == "passed"
    assert any("with those they reach" in c for c in found.manifest.choices)
    # The closed form: sums of the two rooms of a pair, against clean rooms that count twice.
    y = frame.pivot(index="unit", columns="period", values="gmv").to_numpy()
    z = y[:, 3:].mean(axis=1) - y[:, 2]
    pair, clean = z[:PAIRS] + z[PAIRS : 2 * PAIRS], z[2 * PAIRS :]
    assert found.estimate == pytest.approx(pair.mean() - 2 * clean.mean(), rel=1e-10)
    wanted = np.sqrt(pair.var(ddof=1) / PAIRS + 4 * clean.var(ddof=1) / len(clean))
    assert found.std_error == pytest.approx(wanted, rel=0.03)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_total_of_linked_units_is_covered(sign: int) -> None:
    """As independent clusters: 87 % where a pair moves together, always where it moves apart."""
    hits, width, spread = 0, [], []
    for seed in range(40):
        found = gc.did(streets(seed, sign)).cannibalisation(edges=links())
        low, high = found.conf_int()
        hits += low <= 0 <= high
        width.append(found.std_error)
        spread.append(found.estimate)
    assert hits >= 34  # 95 % less three Monte Carlo errors
    assert np.mean(width) == pytest.approx(np.std(spread, ddof=1), rel=0.3)


def test_exposed_units_of_unknown_neighbours_are_warned_of() -> None:
    frame = streets()
    found = gc.did(frame).cannibalisation(exposed="near")
    check = found.audit["reached_apart"]
    assert check.status == "warned" and check.value == 1.0 and "edges=" in check.remedy
    assert gc.did(frame, cluster="street").cannibalisation(exposed="near").audit["reached_apart"].status == "passed"


def test_links_that_join_nearly_all_leave_too_few_clusters() -> None:
    hub = pd.DataFrame(
        {"unit": np.arange(PAIRS, 2 * PAIRS).repeat(PAIRS), "neighbour": np.tile(np.arange(PAIRS), PAIRS)}
    )
    found = gc.did(streets()).cannibalisation(edges=hub)
    assert np.isnan(found.std_error) and found.audit["few_clusters"].status in ("warned", "failed")
