"""Conditions and cells of a spillover with fewer than ten people are not shown; of rooms they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.present.chinese import translate


def chain(n: int, treated: float, seed: int, unit: str) -> Any:
    """Users in pairs: each has one neighbour, and few are treated."""
    rng = np.random.default_rng(seed)
    sent = (rng.random(n) < treated).astype(int)
    users = pd.DataFrame({unit: np.arange(n), "sent": sent, "gmv": rng.exponential(9, n) + 3 * sent})
    links = pd.DataFrame({unit: np.arange(0, n - 3, 2), "friend": np.arange(1, n - 2, 2)})
    return gc.spillover(users, "gmv", "sent", unit, links, probability=treated, reps=0, exposure="any")


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_conditions_of_few(seed: int) -> None:
    r, room = chain(200, 0.12, seed, "user"), chain(200, 0.12, seed, "room")
    whole, shown = room.conditions(), r.conditions()
    count = whole["users"].to_numpy()
    assert ((count > 0) & (count < 10)).any()
    gone = shown["users"].isna().to_numpy()
    assert gone[(count > 0) & (count < 10)].all() and gone.sum() >= 2
    # What an attacker has: the number of those compared, and the conditions shown.
    left = count[gone].sum()
    assert left == r.to_frame()["n"][0] - shown["users"].sum() and left >= 10 and left > gone.sum()
    assert shown.loc[gone, ["effective", "mean"]].isna().all().all()
    assert (shown.loc[~gone, "users"] == whole.loc[~gone, "users"]).all()
    said = next(line for line in r.advice if line.startswith("Not shown by conditions()"))
    assert "不列出不足 10 个用户" in translate(said) and not any("conditions()" in line for line in room.advice)
    pd.testing.assert_series_equal(r.to_frame()["estimate"], room.to_frame()["estimate"])
    least, of_rooms = r.audit["exposure_overlap"], room.audit["exposure_overlap"]
    assert "fewer than 10 users;" in least.message and least.value is None and of_rooms.value > 0
    assert translate(least.message) != least.message and "不足 10 个用户" in translate(least.message)


def test_users_without_a_neighbour_are_counted_as_rows_that_are_dropped() -> None:
    """They are in no condition: n of all less n of those compared is their number."""
    rng = np.random.default_rng(3)
    n, alone = 400, 6
    users = pd.DataFrame({"user": np.arange(n), "sent": rng.integers(0, 2, n), "gmv": rng.gamma(1, 30, n)})
    links = pd.DataFrame({"source": rng.integers(alone, n, 1500), "target": rng.integers(alone, n, 1500)})
    links = links[links["source"] != links["target"]].drop_duplicates()
    between = gc.spillover(users, "gmv", "sent", "user", links, probability=0.5, exposure=0.5, reps=0)
    line = gc.spillover(users, "gmv", "sent", "user", links, probability=0.5, reps=0)
    assert n - between.to_frame()["n"][0] == alone
    assert f"{alone} users cannot be in all four conditions and are left out" in between.advice
    assert any(f"0 for the {alone} without neighbours" in words for words in line.to_frame()["estimand"])
    for r in (between, line):
        isolated = r.audit["isolated"]
        assert isolated.message == f"{alone} of {n} users have no neighbour" and isolated.value == alone / n
        assert "6 个没有邻居" in translate(isolated.message)


def saturated(unit: str) -> Any:
    rng = np.random.default_rng(4)
    rows = []
    for g in range(24):
        share, size = (0.0, 0.05, 0.5)[g % 3], 12
        sent = np.zeros(size, int)
        sent[: {0.0: 0, 0.05: int(g % 6 == 1), 0.5: 6}[share]] = 1
        rows.append(pd.DataFrame({"live": g, "share": share, "sent": sent, "gmv": rng.exponential(8, size) + sent}))
    table = pd.concat(rows, ignore_index=True)
    table[unit] = np.arange(len(table))
    return gc.spillover(table, "gmv", "sent", unit, group="live", saturation="share")


def test_cells_of_saturations() -> None:
    r, room = saturated("user"), saturated("room")
    whole, shown = room.conditions(), r.conditions()
    gone = shown["users"].isna()
    assert whole["users"].tolist() == [96, 0, 92, 4, 48, 48]
    assert gone.tolist() == [False, False, True, True, True, True] or gone.iloc[3]
    assert gone.groupby(shown["saturation"]).sum().isin([0, 2]).all()  # with the groups known a row has its sum
    assert shown.loc[gone, "mean"].isna().all() and shown["users"].iloc[1] == 0
    n = r.to_frame()["n"]
    assert n.isna().any() and not (n.dropna() < 10).any()
    x = {line.label: line for line in r.curves("exposure").lines}
    assert (
        np.isfinite(x["treated"].y).sum()
        < np.isfinite({line.label: line for line in room.curves("exposure").lines}["treated"].y).sum()
    )
    pd.testing.assert_series_equal(r.to_frame()["estimate"], room.to_frame()["estimate"])
    assert any(line.startswith("Not shown by conditions()") for line in r.advice)
    assert "nan" not in r.summary().split("Audit")[0] and not any("conditions()" in line for line in room.advice)
