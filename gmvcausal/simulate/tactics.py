"""The tactics: who is assigned, and through which channels each of them works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.params import said
from gmvcausal.simulate.dials import Dials

# Unit that is assigned when nobody says otherwise, and the units that are possible.
UNITS: dict[str, tuple[str, ...]] = {
    "coupon": ("user", "room"),
    "threshold_coupon": ("user", "room"),
    "push": ("user",),
    "flash_sale": ("room",),
    "raffle": ("room",),
    "expert_host": ("room",),
    "points": ("user", "room"),
    "community": ("user",),
    "win_back": ("user",),
}

# Channels in the order in which they are switched on, one after the other.
CHANNELS = ("direct", "mediated", "spillover", "taken", "borrowed", "long_term")
# Those through which each tactic can work; `taken` only where rooms are promoted.
_LATER = ("borrowed", "long_term")
WORKS: dict[str, tuple[str, ...]] = {
    "coupon": ("direct", "taken", *_LATER),
    "threshold_coupon": ("direct", "taken", *_LATER),
    "push": ("direct", *_LATER),
    "flash_sale": ("direct", "taken", *_LATER),
    "raffle": ("mediated", "taken", *_LATER),
    "expert_host": ("mediated", "taken", *_LATER),
    "points": ("taken", *_LATER),
    "community": ("direct", "spillover", *_LATER),
    "win_back": ("direct", *_LATER),
}


def check_tactics(tactics: Any) -> tuple[str, ...]:
    """Names of tactics, each known and named once.

    Examples
    --------
    >>> check_tactics("coupon")
    ('coupon',)
    """
    if isinstance(tactics, str):
        tactics = (tactics,)
    if not isinstance(tactics, Sequence) or not tactics:
        raise InputError(
            f"tactics must list at least one tactic, but is {said(tactics)}", remedy="write tactics=('coupon',)"
        )
    for one in tactics:
        if not isinstance(one, str) or one not in UNITS:
            raise InputError(
                f"there is no tactic {said(one)}", remedy=rules.nearest(one, list(UNITS), "the tactics are")
            )
    if len(set(tactics)) < len(tactics):
        raise InputError(f"tactics names a tactic twice: {said(tuple(tactics))}", remedy="name each tactic once")
    return tuple(tactics)


def unit_of(tactic: str, dials: Dials) -> str:
    """The unit to which a tactic is assigned: "user" or "room".

    Raises
    ------
    InputError
        The dial ``assign`` asks for a unit that this tactic cannot be given to.
    """
    possible = UNITS[tactic]
    if dials.assign == "auto":
        return possible[0]
    if dials.assign not in possible:
        able = [name for name, units in UNITS.items() if dials.assign in units]
        raise InputError(
            f"the tactic {tactic!r} cannot be assigned to a {dials.assign}",
            remedy=f"leave assign='auto', or take one of {', '.join(able)}",
        )
    return dials.assign
