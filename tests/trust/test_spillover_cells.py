"""The cells of `spillover`: their worlds' truths by hand, Fisher's row, the plan and its section."""

from __future__ import annotations

import numpy as np
import pytest

import gmvcausal as gc
from gmvcausal import trust
from gmvcausal.trust import page_designs, plans_spillover
from gmvcausal.trust.asks_spillover import fisher
from gmvcausal.trust.cells import Cell
from gmvcausal.trust.friends import DIRECT, SPILL, friends, rooms
from gmvcausal.trust.replicate import replicate


def test_friends_buy_what_the_world_says() -> None:
    """With and without spillover, on the same draws: the difference is what was promised, user by user."""
    calm, some = (friends(n=600, seed=3, spill=s) for s in (0.0, SPILL))
    gain = some.data["gmv"] - calm.data["gmv"]
    edges = some.design.call["edges"]
    ends, others = (np.concatenate([edges[a], edges[b]]) for a, b in (("user", "friend"), ("friend", "user")))
    count = np.bincount(ends, minlength=600)
    share = np.bincount(ends, some.data["t"].to_numpy(float)[others], 600) / np.maximum(count, 1)
    np.testing.assert_allclose(gain, SPILL * share, atol=1e-9)
    assert some.truth["total"] == pytest.approx(DIRECT + SPILL * (count > 0).mean())
    any_friend = friends(n=600, seed=3, shape="any")
    np.testing.assert_allclose(any_friend.data["gmv"] - calm.data["gmv"], SPILL * (share > 0), atol=1e-9)
    assert any_friend.truth["total, Horvitz-Thompson"] == DIRECT + SPILL
    further = friends(n=600, seed=3, beyond=10.0)
    assert further.truth["total"] == pytest.approx(DIRECT + (SPILL + 10.0) * (count > 0).mean())


def test_rooms_hold_their_saturation() -> None:
    world = rooms(n=6, seed=1, size=20)
    treated = world.data.groupby(["room", "share"])["t"].mean().reset_index()
    np.testing.assert_allclose(treated["t"], treated["share"])
    assert world.truth["total, all treated"] == DIRECT + SPILL and world.truth["spillover"] == SPILL / 2


def test_the_row_of_fisher_is_the_test_s() -> None:
    world = friends(n=500, seed=2, spill=40.0)
    answer = fisher(world.data, **world.design.call | {"reps": 199})
    p = gc.spillover(world.data, **world.design.call | {"reps": 199}).tests()["p_value"][0]
    assert answer.to_frame()["p_value"][0] == p
    low, high = answer.interval(0.95)
    assert high[0] == 2.0 and (low[0] > 0) == (p < 0.05)


def test_the_plan_and_its_section() -> None:
    cells = plans_spillover.cells()
    found = {cell.id: cell for cell in cells}
    assert all(cell.apart for cell in found.values()) and set(plans_spillover.QUICK) < set(found)
    assert {cell.clean for cell in found.values()} - {""} <= set(found)
    few = [
        Cell("spillover/line/total", plans_spillover.FRIENDS, n=300, term="total", verb="spillover", reps=3),
        Cell("spillover/any/total", plans_spillover.FRIENDS, n=300, dials={"shape": "any"}, call={"exposure": "any"},
             term="total", verb="spillover", reps=3),
        Cell("spillover/rooms/total", plans_spillover.ROOMS, n=30, term="total", verb="spillover", reps=3),
        Cell("spillover/fisher/none", plans_spillover.FRIENDS, "size", n=300, dials={"spill": 0.0}, null=True, reps=3,
             call={"reps": 99}, verb=plans_spillover.FISHER, term="fisher"),
    ]  # fmt: skip
    assert not any(record.error for record in replicate(few[:1], 0, 0).values())
    text = page_designs.section(trust.run(few, workers=0, progress=False), "spillover")
    for title in ("Along the line", "Between exposure conditions", "several saturations", "Fisher's test"):
        assert f"### {title}" in text or title in text
    assert text.count("| `spillover/") == 4
