"""The named worlds by their names, and the one door to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, said
from gmvcausal.simulate.market import Market
from gmvcausal.simulate.worlds import (
    observational_worlds,
    rollout_violations,
    rollout_worlds,
    targeting_worlds,
    trial_worlds,
)
from gmvcausal.simulate.worlds.dials import check_dials

WORLDS: dict[str, Callable[..., Market]] = {
    "D1": trial_worlds.d1,
    "D2": trial_worlds.d2,
    "D3": trial_worlds.d3,
    "D4": trial_worlds.d4,
    "D5": rollout_worlds.d5,
    "D6": rollout_worlds.d6,
    "D7": rollout_worlds.d7,
    "D8": rollout_worlds.d8,
    "D9": rollout_violations.d9,
    "D10": rollout_violations.d10,
    "D11": targeting_worlds.d11,
    "D12": targeting_worlds.d12,
    "D13": targeting_worlds.d13,
    "D14": targeting_worlds.d14,
    "D15": observational_worlds.d15,
    "D16": observational_worlds.d16,
    "D17": observational_worlds.d17,
    "D18": observational_worlds.d18,
}


def world(name: str, *, n: int | None = None, seed: int = 0, **dials: Any) -> Market:
    """One of the named worlds at a given size.

    Parameters
    ----------
    name : str
        "D1" to "D18"; the page "The worlds" says what each is for.
    n : int, optional
        Number of units (users or rooms); each world has a default.
    seed : int
        The same name, n, seed and dials give the same market to the last bit.
    **dials
        What the world lets one turn, for example ``effect=0.0``; the page lists them with their defaults.

    Returns
    -------
    Market
        ``market.table()`` is the table for ``market.design.verb``, called with ``**market.design.call``;
        ``market.truth.value`` is what it should find.

    Raises
    ------
    InputError
        An unknown world (all are named) or dial (the nearest is named), or a value out of bounds.

    Examples
    --------
    >>> import gmvcausal as gc
    >>> market = gc.simulate.world("D5", n=40, seed=1)
    >>> market.truth.value
    200.0
    >>> result = gc.did(market.table(), **market.design.call)
    >>> low, high = result.conf_int()
    >>> low < market.truth.value < high
    True
    """
    known = str(name)
    if known not in WORLDS:
        # the nearest name would be another world, not the one that was meant
        meant, listed = known.strip().upper(), ", ".join(repr(one) for one in WORLDS)
        remedy = f"write {meant!r}" if meant in WORLDS else f"the worlds are {listed}"
        raise InputError(f"there is no world {said(name)}", remedy=remedy)
    seed = int(check("seed", seed))
    return WORLDS[known](n, seed, **check_dials(known, WORLDS[known], dials))
