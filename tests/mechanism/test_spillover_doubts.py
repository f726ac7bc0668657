"""`gc.spillover` where an assumption does not hold: it is seen, and the headline refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.mechanism.exposure.scores import p_of


def linked(
    n: int, seed: int = 0, degree: int = 4, block: int | None = None
) -> tuple[pd.DataFrame, np.random.Generator]:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, n, (2, n * degree // 2))
    b = b if block is None else a // block * block + b % block
    pairs = np.unique(np.sort(np.column_stack([a, b])[a != b], axis=1), axis=0)
    return pd.DataFrame(pairs, columns=["unit", "neighbour"]), rng


def seen(links: pd.DataFrame, t: Any, n: int) -> Any:
    u, v = links.to_numpy().T
    return (np.bincount(u, t[v], n) + np.bincount(v, t[u], n)) / np.maximum(
        np.bincount(u, minlength=n) + np.bincount(v, minlength=n), 1
    )


def run(t: Any, y: Any, links: Any, **options: Any) -> Any:
    users = pd.DataFrame({"user": np.arange(len(t)), "treatment": np.asarray(t).astype(int), "gmv": y})
    more = options.pop("columns", {})
    return gc.spillover(users.assign(**more), edges=links, **({"reps": 0} | options))


@pytest.mark.parametrize(("chance", "status"), [(0.2, "failed"), (0.5, "warned")])
def test_treatments_that_reinforce_each_other_are_seen(chance: float, status: str) -> None:
    """With half treated the total holds the interaction; with a fifth treated it is less than half of the truth."""
    n = 8_000
    links, rng = linked(n)
    t = rng.random(n) < chance
    y = rng.gamma(2, 10, n) + 20 * t * seen(links, t, n)
    result = run(t, y, links, probability=chance)
    check = result.audit["interaction"]
    assert check.status == status and "leaves out" in check.message
    assert result.audit.credible == (status == "warned")
    total = result.to_frame().set_index("term").loc["total"]
    assert (total.conf_low <= 20 * 0.98 <= total.conf_high) == (chance == 0.5)
    summary = " ".join(result.summary().split())
    assert "own treatment adds the same whatever the share" in summary
    assert run(t, rng.gamma(2, 10, n) + 9 * t, links, probability=chance).audit["interaction"].status == "passed"


def test_treatment_that_was_chosen_among_friends_is_seen() -> None:
    n = 4_000
    links, rng = linked(n, degree=6, block=20)
    taste = np.repeat(rng.normal(size=n // 20), 20)
    t = rng.random(n) < 1 / (1 + np.exp(-taste))
    result = run(t, 100 + 10 * taste + rng.gamma(2, 15, n), links)
    assert result.audit["lottery"].status == "failed" and not result.audit.credible
    assert "chosen" in result.audit["second_order"].remedy


@pytest.mark.parametrize("how", ["users", "clusters", "strata", "assignments"])
def test_true_lotteries_leave_neighbours_as_they_are(how: str) -> None:
    found = []
    for seed in range(12):
        n = 400
        links, rng = linked(n, seed, block=40)
        whole = np.arange(n) // 4
        options: dict[str, Any] = {"users": {"probability": 0.4}, "clusters": {"cluster": "c"},
                                   "strata": {"strata": "c"}, "assignments": {}}[how]  # fmt: skip
        t = (rng.random(n) < 0.4).astype(int)
        if how == "clusters":
            t = (rng.permutation(100) < 40)[whole].astype(int)
        elif how != "users":
            draws = np.argsort(np.argsort(rng.random((100, 4, 200)), axis=1), axis=1).reshape(n, 200) < 2
            t, draws = draws[:, 0].astype(int), draws[:, 1:]
            options = options if how == "strata" else {"assignments": draws.astype(int)}
        audit = run(t, rng.normal(50, 10, n), links, columns={"c": whole}, **options).audit
        found.append([audit["lottery"].value, audit["interaction"].value])
    assert (np.array(found) > 0.0001).all() and (np.mean(found, axis=0) > 0.3).all()


def test_p_values_beyond_all_draws_follow_the_tail() -> None:
    drawn = np.random.default_rng(0).normal(size=4000)
    assert p_of(np.append(0.0, drawn)) > 0.9 and p_of(np.append(6.0, drawn)) < 1e-7
    skewed = np.random.default_rng(0).chisquare(1, 4000) - 1  # one clique: 22 is the 3e-6 quantile of this curve
    assert 1e-7 < p_of(np.append(21.0, skewed)) < 1e-4
    assert p_of(np.append(3.0, drawn), spread=3.0) > 0.2


@pytest.mark.parametrize("sizes", [(5, 30), (8, 9)])
def test_rooms_as_strata_whose_mates_are_the_links_tell_nothing(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    room = np.repeat(np.arange(60), rng.integers(*sizes, 60))
    n = len(room)
    rank = pd.Series(rng.random(n)).groupby(room).rank().to_numpy()
    t = rank <= np.bincount(room)[room] // 2
    a, b = np.triu_indices(n, 1)
    same = room[a] == room[b]
    links = pd.DataFrame({"unit": a[same], "neighbour": b[same]})
    with pytest.raises(gc.DesignError, match="follows from a user's own treatment"):
        run(t, 50 + 5 * t + rng.normal(0, 10, n), links, strata="room", columns={"room": room})


def test_a_strong_bend_refuses() -> None:
    n = 4_000
    links, rng = linked(n)
    t = rng.random(n) < 0.5
    result = run(t, rng.gamma(2, 5, n) + 30 * (seen(links, t, n) > 0), links, probability=0.5)
    check = result.audit["linear_share"]
    assert check.status == "failed" and "exposure='any'" in check.remedy and not result.audit.credible
