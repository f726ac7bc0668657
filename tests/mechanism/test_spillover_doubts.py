"""`gc.spillover` where an assumption does not hold: it is seen, and the headline refuses."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.mechanism.exposure.lottery import Lottery
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


def test_squares_within_strata_add_up_to_the_variance_of_the_lottery() -> None:
    """Two pairs of which one is drawn each, three of which one is: over all twelve assignments."""
    stratum, chance = np.array([0, 0, 1, 1, 2, 2, 2]), np.array([0.5] * 4 + [1 / 3] * 3)
    score = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0])
    sums, squares = [], []
    for one, two, three in product(range(2), range(2), range(3)):
        drawn = np.zeros(7)
        drawn[[one, 2 + two, 4 + three]] = 1
        lottery = Lottery(np.arange(7), drawn, chance, stratum, True)
        sums.append(lottery.gap @ score)
        squares.append(((lottery.gap * lottery.centred(score)) ** 2).sum())
    assert np.mean(squares) == pytest.approx(np.mean(np.square(sums)), rel=1e-12)


def test_rooms_drawn_whole_cover_with_draws_of_the_lottery() -> None:
    """assignments= tell that users of a room were drawn together."""
    held = []
    for seed in range(24):
        n = 200
        links, rng = linked(n, seed)
        room = np.arange(n) // 10
        draws = (np.argsort(np.argsort(rng.random((20, 120)), axis=0), axis=0) < 10).astype(int)[room]
        y = rng.normal(50, 6, n) + rng.normal(0, 8, 20)[room]
        whole = run(draws[:, 0], y, links, assignments=draws[:, 1:])
        frame = whole.to_frame()
        held.append((frame.conf_low[[0, 2]] <= 0) & (frame.conf_high[[0, 2]] >= 0))
    between = run(draws[:, 0], y, links, assignments=draws[:, 1:], exposure="any")
    assert (np.mean(held, axis=0) > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 24)).all()
    assert whole.estimates.spread.df[2] < 20 and between.estimates.spread.df[0] < 25
    assert between.estimates.method == "draws of the lottery"


def stages(groups: tuple[int, ...], shares: tuple[float, ...] = (0.0, 0.5, 1.0), size: Any = 20) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    share = np.repeat(shares, groups)
    group = np.repeat(np.arange(len(share)), np.broadcast_to(size, len(share)))
    rank = pd.Series(rng.random(len(group))).groupby(group).rank().to_numpy()
    t = (rank <= np.round(share[group] * np.bincount(group)[group])).astype(int)
    y = 60 + rng.normal(0, 8, len(share))[group] + 6 * t + 8 * share[group] + rng.normal(0, 10, len(t))
    return pd.DataFrame({"user": np.arange(len(t)), "room": group, "share": share[group], "treatment": t, "gmv": y})


def test_a_saturation_of_one_group_has_no_interval() -> None:
    result = gc.spillover(stages((12, 12, 1)), group="room", saturation="share")
    frame = result.to_frame().set_index("term")
    assert np.isnan(frame.conf_low["total, all treated"]) and frame.conf_low["total"] < frame.conf_high["total"]
    assert result.audit["few_groups"].status == "failed" and "1: 1" in result.audit["few_groups"].message
    money = result.incremental_gmv(gmv_is="paid")
    assert np.isnan(money.std_error)
    # A saturation aside, which neither the total nor money reads, warns.
    aside = gc.spillover(stages((12, 1, 12), (0.0, 0.25, 0.5)), group="room", saturation="share")
    assert np.isnan(aside.to_frame().set_index("term").conf_low["spillover at 0.25"])
    assert np.isfinite(aside.std_error) and aside.audit["few_groups"].status == "warned"


def test_large_groups_at_one_saturation_are_seen() -> None:
    sizes = np.repeat([10, 20, 40], 12)
    assert gc.spillover(stages((12,) * 3, size=sizes), group="room", saturation="share").audit.failed
    mixed = gc.spillover(stages((12,) * 3, size=np.tile([10, 20, 40], 12)), group="room", saturation="share")
    assert mixed.audit["size_balance"].status == "passed"


@pytest.mark.parametrize(("share", "status"), [(0.02, "passed"), (0.15, "warned"), (0.4, "failed")])
def test_links_to_users_who_are_not_there_are_weighed(share: float, status: str) -> None:
    n = 1_000
    links, rng = linked(n)
    out = links.copy()
    out.loc[rng.permutation(len(links))[: int(share * len(links))], "neighbour"] += 10 * n
    t = rng.random(n) < 0.5
    result = run(t, rng.normal(50, 10, n), out, probability=0.5, outside="drop")
    assert result.audit["outside"].status == status
    assert "largest user's draw" in result.audit["leverage"].message
