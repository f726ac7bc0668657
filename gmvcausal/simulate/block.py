"""A block of users: traits, home rooms and friends, the same whatever comes before or after them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from gmvcausal.simulate import network
from gmvcausal.simulate.amounts import FloatArray
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.stage import BLOCK, EVE, IntArray, Stage, mix_traits

_QUARTILES = (-0.6744897501960817, 0.0, 0.6744897501960817)


@dataclass(frozen=True, eq=False)
class Block:
    """Users and their slots; a slot is a user in one of their home rooms.

    Attributes
    ----------
    number, first, n : int
        The block, the id of its first user, how many users it has.
    activity, budget, sensitivity, loyalty, hidden : array, shape (n,)
    tier : array, shape (n,)
        Spend tier by what was spent before the log: 0 to 3.
    android : array of bool, shape (n,)
    optin : array of bool, shape (n,)
        Allows pushes.
    seen : array, shape (n,)
        Day of the last visit before the days that are lived (negative).
    owner, room, nth : array, shape (slots,)
        User of each slot (position in the block), its room, and which of the user's rooms it is; in order of users.
    circle : array, shape (n,)
    friends : tuple of arrays
        Both ends of each friendship (positions in the block); empty where no tactic needs them.
    lots : array, shape (n, tactics)
        Uniforms that decide who is treated.
    """

    number: int
    first: int
    n: int
    activity: FloatArray
    budget: FloatArray
    sensitivity: FloatArray
    loyalty: FloatArray
    hidden: FloatArray
    tier: IntArray
    android: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    optin: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    seen: FloatArray
    owner: IntArray
    room: IntArray
    nth: IntArray
    circle: IntArray
    friends: tuple[IntArray, IntArray]
    lots: dict[str, FloatArray]


def make_block(stage: Stage, number: int) -> Block:
    """Draw a block of users. Draws are made for a full block and cut, so that fewer users are the same users."""
    plan, d = stage.plan, stage.plan.dials
    n = min(BLOCK, plan.users - number * BLOCK)
    z = stream(plan.seed, "traits", number).standard_normal((BLOCK, 6))[:n]
    u = stream(plan.seed, "users", number).random((BLOCK, 6))[:n]
    traits = mix_traits(z[:, :4], d.trait_correlation)
    spent = traits[:, 0] + traits[:, 1] + traits[:, 3] + z[:, 4]
    spread = np.sqrt(4.0 + 6.0 * d.trait_correlation)
    rate = d.visit_rate * np.exp(0.5 * traits[:, 0])
    android = u[:, 0] < 0.6
    owner, room, nth = _homes(stage, u[:, 2:6])
    circle = network.circles(plan.seed, number)
    none = np.zeros(0, dtype=np.int64)
    wanted = "community" in plan.tactics
    friends = network.edges(plan.seed, number, circle, n, d.friends) if wanted else (none, none)
    return Block(
        number=number,
        first=number * BLOCK,
        n=n,
        activity=traits[:, 0],
        budget=traits[:, 1],
        sensitivity=traits[:, 2],
        loyalty=traits[:, 3],
        hidden=z[:, 5],
        tier=np.searchsorted(np.array(_QUARTILES), spent / spread),
        android=android,
        optin=stream(plan.seed, "optin", number).random(BLOCK)[:n] < np.where(android, d.push_android, d.push_ios),
        seen=np.floor(np.log1p(-u[:, 1]) / rate) - EVE,
        owner=owner,
        room=room,
        nth=nth,
        circle=circle[:n],
        friends=friends,
        lots={t: stream(plan.seed, "assignment", t, number).random(BLOCK)[:n] for t in plan.tactics},
    )


def _homes(stage: Stage, u: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """One to three home rooms per user by popularity; a room drawn twice counts once."""
    n = len(u)
    rooms = np.searchsorted(stage.popularity, u[:, :3], side="right").clip(0, stage.plan.rooms - 1)
    wanted = 1 + np.searchsorted(np.cumsum(stage.plan.dials.several_rooms)[:2], u[:, 3], side="right")
    keep = np.arange(3) < wanted[:, None]
    keep[:, 1] &= rooms[:, 1] != rooms[:, 0]
    keep[:, 2] &= (rooms[:, 2] != rooms[:, 0]) & ~(keep[:, 1] & (rooms[:, 2] == rooms[:, 1]))
    owner, nth = np.nonzero(keep)
    assert len(owner) >= n
    return owner, rooms[owner, nth], nth


def chances(block: Block, stage: Stage, tactic: str, seen: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Chance of being treated: as it was, and as the platform recorded it (without the hidden trait).

    Parameters
    ----------
    seen : array, shape (n,)
        Day of the last visit before the first tactic starts.

    Returns
    -------
    tuple of array, each of shape (n,)
        0 for users whom the tactic is not for.
    """
    plan, d = stage.plan, stage.plan.dials
    away = plan.first - seen
    eligible = away > d.lapsed_days if tactic == "win_back" else np.ones(block.n, dtype=bool)
    if d.targeting == "lot":
        known = true = np.full(block.n, d.treated_share)
    else:
        recency = 1.0 - np.minimum(away / 28.0, 2.0)
        odds = d.target_base + d.target_tier * block.tier + d.target_recency * recency
        known, true = (
            np.clip(expit(x), d.target_clip, 1.0 - d.target_clip) for x in (odds, odds + d.psi * block.hidden)
        )
    return np.where(eligible, true, 0.0), np.where(eligible, known, 0.0)
