"""The verb `assign`: the same everywhere, uniform, independent between tests, exact in strata, balanced; bad input."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

import gmvcausal as gc
from gmvcausal import DesignError, InputError
from gmvcausal.abtest.designs.assign import by_hash, within_strata

IDS = [f"u{i}" for i in range(20_000)]
HALF = np.array([0.5, 0.5])
PUBLISHED = "222202220221211111210121"


# --- hash ---------------------------------------------------------------------------------------------------
def test_published_values() -> None:
    """Computed once and written down: an assignment must never change with a release."""
    shares = np.array([0.2, 0.3, 0.5])
    assert "".join(map(str, by_hash([str(i) for i in range(24)], "coupon-2025-11", shares))) == PUBLISHED
    assert by_hash(["用户", "", "\ud800"], "盐", HALF).shape == (3,)


def test_uniform_over_the_shares() -> None:
    shares = np.array([0.01, 0.09, 0.4, 0.5])
    for salt in ("a", "b", "coupon-2025-11"):
        counts = np.bincount(by_hash(IDS, salt, shares), minlength=4)
        assert stats.chisquare(counts, shares * len(IDS)).pvalue > 1e-3
    hundred = np.full(100, 0.01)
    counts = np.bincount(by_hash(IDS, "fine", hundred), minlength=100)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_tests_with_other_salts_are_independent() -> None:
    arms = [by_hash(IDS, f"test-{k}", HALF) for k in range(8)]
    p = [stats.chi2_contingency(np.histogram2d(arms[i], arms[j], bins=2)[0]).pvalue for i in range(8) for j in range(i)]
    assert min(p) > 1e-4 and stats.kstest(p, "uniform").pvalue > 1e-3
    # nor does a neighbour's id tell anything
    assert abs(np.corrcoef(arms[0][1:], arms[0][:-1])[0, 1]) < 4 / np.sqrt(len(IDS))


def test_hash_depends_on_salt_and_id_alone() -> None:
    options = {"unit": "user", "arms": {"none": 0.9, "coupon": 0.1}, "salt": "x"}
    whole = gc.assign(pd.DataFrame({"user": range(1000)}), **options).set_index("user")["arm"]
    half = pd.DataFrame({"user": [*range(999, 500, -1), 700, 700]})
    part = gc.assign(half, **options).set_index("user")["arm"]
    assert len(part) == 499 and (whole[part.index] == part).all()
    text = gc.assign(pl.DataFrame({"user": [str(i) for i in range(1000)]}), **options)
    assert (text.set_index("user")["arm"].rename(index=int).sort_index() == whole).all()
    other = gc.assign(pd.DataFrame({"user": range(1000)}), **{**options, "salt": "y"}).set_index("user")["arm"]
    assert (other != whole).any()


def test_hash_in_another_process() -> None:
    code = (
        "import numpy as np; from gmvcausal.abtest.designs.assign import by_hash;"
        "print(by_hash([str(i) for i in range(50)], 's', np.array([.5, .5])).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(by_hash([str(i) for i in range(50)], "s", HALF).tolist())


def test_raising_the_last_share_moves_nobody_out_of_it() -> None:
    small, large = (by_hash(IDS, "ramp", np.array([1 - s, s])) for s in (0.05, 0.3))
    assert (large[small == 1] == 1).all()


# --- within strata ------------------------------------------------------------------------------------------
def test_shares_hold_in_every_stratum_up_to_one_unit() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"room": range(997), "city": rng.choice(list("abcdef"), 997), "size": rng.integers(0, 3, 997)})
    shares = {"none": 0.6, "push": 0.25, "coupon": 0.15}
    out = gc.assign(frame, unit="room", arms=shares, method="stratified", strata=["city", "size"])
    groups = frame.merge(out, on="room").groupby(["city", "size"])
    for arm, share in shares.items():
        off = groups["arm"].apply(lambda a, arm=arm, share=share: abs((a == arm).sum() - share * len(a)))
        assert off.max() < 1 + 1e-9
    assert (out["probability"] == out["arm"].map(shares)).all()
    again = gc.assign(frame.sample(frac=1, random_state=1), unit="room", arms=shares, method="stratified",
                      strata=["city", "size"])  # fmt: skip
    pd.testing.assert_frame_equal(out, again.sort_values("room", ignore_index=True))
    other = gc.assign(frame, unit="room", arms=shares, method="stratified", strata=["city", "size"], seed=1)
    assert (other["arm"] != out["arm"]).any()


def test_each_unit_has_the_probability_that_is_said() -> None:
    rng = np.random.default_rng(3)
    stratum, shares, reps = np.array([0, 0, 0, 1, 1, 2]), np.array([0.5, 0.3, 0.2]), 6_000
    counts = np.zeros((6, 3))
    for _ in range(reps):
        counts[np.arange(6), within_strata(stratum, shares, rng)] += 1
    z = (counts / reps - shares) / np.sqrt(shares * (1 - shares) / reps)
    assert np.abs(z).max() < 4


def test_clusters_are_units() -> None:
    rows = pd.DataFrame({"room": np.repeat(range(40), 5), "user": range(200)})
    out = gc.assign(rows, unit="room", arms=["a", "b"], method="stratified")
    assert len(out) == 40 and (out["arm"] == "a").sum() == 20


# --- re-randomised ------------------------------------------------------------------------------------------
def test_rerandomised_is_better_balanced_and_says_its_share() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"u": range(200), "gmv": rng.lognormal(3, 1, 200), "visits": rng.poisson(4, 200)})
    frame["double"] = 2 * frame["visits"]  # collinear: counted once

    def gap(out: pd.DataFrame) -> float:
        arm = out["arm"].to_numpy() == "b"
        return abs(frame["gmv"][arm].mean() - frame["gmv"][~arm].mean())

    options = {"unit": "u", "arms": ["a", "b"]}
    plain = [gap(gc.assign(frame, **options, method="stratified", seed=s)) for s in range(30)]
    ours = []
    for seed in range(12):
        out = gc.assign(
            frame, **options, method="rerandomised", covariates=["gmv", "visits", "double"], accept=0.02, seed=seed
        )
        how = out.attrs["assignment"]
        assert how["accept"] == 0.02 and how["distance"] <= how["bound"] and how["covariates"] == 2
        assert (out["arm"] == "a").sum() == 100
        # the bound is that of a chi-square with as many degrees of freedom as covariates
        assert 0 < how["bound"] < 3 * stats.chi2.ppf(0.02, 2)
        ours.append(gap(out))
    assert np.mean(ours) < 0.35 * np.mean(plain)


# --- input --------------------------------------------------------------------------------------------------
FRAME = pd.DataFrame({"u": [1, 2, 3, 3], "city": ["x", "x", "y", "z"], "gmv": [1.0, 2.0, 3.0, 3.0], "one": 1.0})
STRATIFIED = {"salt": None, "method": "stratified"}
RERANDOMISED = {"salt": None, "method": "rerandomised", "covariates": "gmv"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"salt": None}, InputError, "salt must be the name"),
        ({"salt": ""}, InputError, "salt must be the name"),
        ({"strata": "city"}, InputError, "knows neither"),
        ({"method": "stratified"}, InputError, "no meaning"),
        ({"method": "coin"}, InputError, "method must be one of"),
        ({"unit": "user"}, InputError, "no column 'user'"),
        ({"arms": {"a": 0.5, "b": 0.4}}, InputError, "add up to 0.9"),
        ({"arms": {"a": 90, "b": 10}}, InputError, r"number in \(0, 1\)"),
        ({"arms": ["a"]}, InputError, "two or more"),
        ({"arms": ["a", "a"]}, InputError, "each named once"),
        ({"arms": [1, "1"]}, InputError, "each named once"),
        ({"arms": [0.5, 0.5]}, InputError, "called by text"),
        ({"arms": "ab"}, InputError, "list or a mapping"),
        ({**STRATIFIED, "strata": "city"}, InputError, "varies within units for 1"),
        ({**STRATIFIED, "covariates": "gmv"}, InputError, "takes no covariates"),
        ({**STRATIFIED, "arms": list("abcd")}, DesignError, "3 units cannot fill 4 arms"),
        ({**RERANDOMISED, "covariates": ()}, InputError, "needs covariates"),
        ({**RERANDOMISED, "covariates": "one"}, DesignError, "does not vary"),
        ({**RERANDOMISED, "covariates": "city"}, InputError, "text"),
        ({**RERANDOMISED, "accept": 2}, InputError, "must be a number"),
        ({**STRATIFIED, "seed": None}, InputError, "seed"),
    ],
)
def test_bad_input(options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gc.assign(FRAME, **{"unit": "u", "arms": ["a", "b"], "salt": "t", **options})


def test_missing_ids_and_a_unit_called_arm() -> None:
    with pytest.raises(InputError, match="unit is missing"):
        gc.assign(pd.DataFrame({"u": [1, None]}), unit="u", arms=["a", "b"], salt="t")
    out = gc.assign(pd.DataFrame({"arm": [1, 2]}), unit="arm", arms=[0, 1], salt="t")
    assert list(out.columns) == ["unit", "arm", "probability"] and set(out["arm"]) <= {0, 1}


@pytest.mark.parametrize(
    "options", [{"salt": "t"}, {"method": "stratified"}, {"method": "rerandomised", "covariates": "x", "accept": 0.1}]
)
def test_units_come_back_as_they_came(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    units = pd.DataFrame({"user": [f"u{i}" for i in rng.permutation(60)], "x": rng.normal(size=60)})
    found = gc.assign(units, unit="user", arms=["a", "b"], **options)
    assert found["user"].tolist() == units["user"].tolist()
    again = gc.assign(units.sort_values("x"), unit="user", arms=["a", "b"], **options)
    assert again.set_index("user")["arm"].to_dict() == found.set_index("user")["arm"].to_dict()
