"""Every number of the market that can be turned: its default, its bounds, what it does and where it comes from."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.params import one_of, said

ILLUSTRATIVE = "illustrative"


def _number(
    default: float, low: float, high: float, doc: str, source: str = ILLUSTRATIVE, open_low: bool = False
) -> Any:
    kind = {"kind": "number", "low": low, "high": high, "open_low": open_low, "doc": doc, "source": source}
    return field(default=default, metadata=kind)


def _whole(default: int | None, low: int, doc: str, optional: bool = False, source: str = ILLUSTRATIVE) -> Any:
    kind = {"kind": "whole", "low": low, "optional": optional, "doc": doc, "source": source}
    return field(default=default, metadata=kind)


def _choice(default: str, choices: tuple[str, ...], doc: str) -> Any:
    return field(default=default, metadata={"kind": "choice", "choices": choices, "doc": doc, "source": ILLUSTRATIVE})


def _row(default: tuple[float, ...], low: float, high: float, length: int | None, doc: str) -> Any:
    kind = {"kind": "row", "low": low, "high": high, "length": length, "doc": doc, "source": ILLUSTRATIVE}
    return field(default=default, metadata=kind)


_P = (0.0, 1.0)
_INF = math.inf
_PANEL = "design value, of the order reported by marketing studies; illustrative"


@dataclass(frozen=True)
class Dials:
    """The dials of `livestream`; `dial_table` lists each with its default, bounds, meaning and source.

    Effects are shifts of log odds unless said otherwise; times are in days, money in yuan.

    Examples
    --------
    >>> Dials().conversion
    0.03
    """

    # showing up
    visit_rate: float = _number(
        0.15, *_P, "mean chance that a user shows up in one of their rooms on a day", open_low=True
    )
    activity: float = _number(1.0, 0, _INF, "weight of the trait activity on showing up")
    habit: float = _number(0.5, -_INF, _INF, "ρ: was there yesterday, on showing up")
    taken: float = _number(0.2, 0, _INF, "δ: a promotion in another of one's rooms, taken off showing up")
    trait_correlation: float = _number(
        0.3, -0.3, 0.99, "between any two of activity, budget, price sensitivity, loyalty"
    )
    several_rooms: tuple[float, ...] = _row((0.5, 0.35, 0.15), 0, 1, 3, "shares of users with 1, 2 and 3 home rooms")
    # watching and interacting
    watch_minutes: float = _number(6.0, 0, _INF, "median watch time of a visit, in minutes", open_low=True)
    watch_sd: float = _number(1.0, 0, _INF, "standard deviation of log watch time")
    interact: float = _number(-2.2, -_INF, _INF, "log odds of interacting after one minute")
    interact_watch: float = _number(0.5, -_INF, _INF, "log minutes watched, on interacting")
    # ordering
    conversion: float = _number(0.03, *_P, "orders per visit, before calendar and tactics; sets c0", open_low=True)
    order_watch: float = _number(0.6, -_INF, _INF, "log minutes watched, on ordering")
    order_interact: float = _number(0.8, -_INF, _INF, "having interacted, on ordering")
    order_loyalty: float = _number(1.0, -_INF, _INF, "the trait loyalty, on ordering")
    order_hidden: float = _number(0.3, -_INF, _INF, "a trait nobody records, on ordering")
    host: float = _number(0.2, -_INF, _INF, "a host one standard deviation better, on ordering")
    price: float = _number(0.3, 0, _INF, "relative price level; price sensitivity times it is taken off ordering")
    price_sd: float = _number(0.1, 0, _INF, "standard deviation of the price level over sessions")
    # stock and loyalty
    stock: float = _number(
        0.10, 0, _INF, "φ: each unit in stock, taken off ordering", "4–25 % borrowed: van Heerde et al. 2000"
    )
    stock_decay: float = _number(0.93, *_P, "share of the stock left after a day")
    items: float = _number(3.0, 1, _INF, "mean number of items in an order (geometric)")
    loyalty_decay: float = _number(0.98, *_P, "share of gained loyalty left after a day")
    satisfied: float = _number(0.02, -_INF, _INF, "loyalty gained by an order that is kept")
    disappointed: float = _number(0.03, -_INF, _INF, "loyalty lost by an order that is refunded")
    # baskets
    basket: float = _number(4.4, -10, 15, "mean log basket of an average user with an average host")
    basket_budget: float = _number(0.25, -_INF, _INF, "the trait budget, on the log basket")
    basket_host: float = _number(0.2, -_INF, _INF, "a host one standard deviation better, on the log basket")
    basket_sd: float = _number(0.8, 0, 3, "standard deviation of the log basket", open_low=True)
    tail_share: float = _number(0.01, *_P, "share of baskets multiplied by a Pareto")
    tail_shape: float = _number(1.8, 0, _INF, "shape of that Pareto", open_low=True)
    tail_limit: float = _number(50.0, 1, _INF, "where it is truncated; inf leaves it whole", open_low=True)
    # refunds
    refund: float = _number(0.18, *_P, "chance that an order is refunded, outside apparel", _PANEL)
    refund_apparel: float = _number(0.45, *_P, "chance that an order of apparel is refunded", _PANEL)
    apparel: float = _number(0.25, *_P, "share of rooms that sell apparel")
    refund_full: float = _number(0.85, *_P, "share of refunds in full; the others return 20–80 %, uniformly")
    refund_daily: float = _number(0.25, *_P, "refunds come 1 + Geometric(this) days after the order", open_low=True)
    refund_days: int = _whole(15, 1, "no refund later than this")
    # calendar and shocks
    weekday: tuple[float, ...] = _row(
        (-0.1, -0.1, -0.05, 0.0, 0.1, 0.15, 0.1), -5, 5, 7, "Monday to Sunday, on showing up"
    )
    festivals: bool = field(
        default=True,
        metadata={
            "kind": "flag",
            "doc": "618 (×4), 11.11 (×8), ×1.6 in the week before, −25 % in the two weeks after",
            "source": ILLUSTRATIVE,
        },
    )
    room_sd: float = _number(0.3, 0, _INF, "standard deviation of rooms' lasting appeal, on showing up")
    room_shock: float = _number(0.2, 0, _INF, "standard deviation of rooms' daily shocks, on showing up")
    room_ar: float = _number(0.6, -0.99, 0.99, "autocorrelation of those shocks from day to day")
    room_trend: float = _number(0.05, 0, _INF, "standard deviation of rooms' drifts per 30 days, on showing up")
    city_shock: float = _number(0.1, 0, _INF, "standard deviation of city-day shocks, on showing up")
    # who is treated, and when
    assign: str = _choice("auto", ("auto", "user", "room"), "the unit that is assigned; auto takes each tactic's own")
    start_day: int | None = _whole(
        None, 1, "first day of tactics assigned to users (0 is the first of the log); None: half way", True
    )
    tactic_days: int | None = _whole(None, 1, "how many days a tactic lasts; None: to the end of the log", True)
    adopt: tuple[float, ...] = _row((20, 34, 48), 1, _INF, None, "days on which rooms adopt, in equal groups")
    never: float = _number(0.25, *_P, "share of rooms that never adopt")
    trend_tie: float = _number(0.0, -1, 1, "correlation of a room's drift with adopting early")
    targeting: str = _choice("tier", ("tier", "lot"), "users are treated by spend tier and recency, or by lot")
    treated_share: float = _number(0.5, *_P, "chance of being treated when targeting is by lot")
    target_base: float = _number(-1.0, -_INF, _INF, "log odds of being treated in the lowest tier")
    target_tier: float = _number(0.8, -_INF, _INF, "each spend tier (0–3), on being treated")
    target_recency: float = _number(0.4, -_INF, _INF, "recency (1 seen just now, −1 not for 56 days), on being treated")
    target_clip: float = _number(0.05, 0, 0.5, "chances of being treated stay this far from 0 and 1")
    psi: float = _number(
        0.0, -_INF, _INF, "ψ: the trait nobody records, on being treated; the recorded chance lacks it"
    )
    # what tactics do
    strength: float = _number(1.0, -_INF, _INF, "multiplies every effect on log odds below; 0 leaves only discounts")
    growth: float = _number(0.0, -1, _INF, "by how much effects grow per week since the tactic's start, as a share")
    coupon: float = _number(0.35, -_INF, _INF, "a live coupon, on ordering")
    coupon_price: float = _number(0.25, -_INF, _INF, "more of it per unit of price sensitivity")
    coupon_loyalty: float = _number(-0.2, -_INF, _INF, "more of it per unit of loyalty: sure buyers need none")
    coupon_discount: float = _number(0.10, *_P, "what a coupon takes off the price")
    coupon_every: int = _whole(14, 1, "days between two coupons")
    coupon_valid: int = _whole(14, 1, "days for which a coupon is good")
    threshold: float = _number(300.0, 0, _INF, "满300减40: from this much", open_low=True)
    threshold_off: float = _number(40.0, 0, _INF, "满300减40: this much less")
    threshold_order: float = _number(0.10, -_INF, _INF, "a threshold coupon, on ordering")
    topup: float = _number(0.35, *_P, "chance that a basket just under the threshold is topped up")
    topup_reach: float = _number(60.0, 0, _INF, "how far under the threshold that happens", open_low=True)
    topup_over: float = _number(15.0, 0, _INF, "topped-up baskets land up to this far above it, uniformly")
    push_visit: float = _number(1.5, -_INF, _INF, "an opened push, on showing up that day")
    push: float = _number(0.15, -_INF, _INF, "an opened push, on ordering that day")
    push_every: int = _whole(2, 1, "days between two pushes")
    push_android: float = _number(
        0.90, *_P, "share of Android users who allow pushes", "Batch and Airship benchmarks; rounded"
    )
    push_ios: float = _number(0.45, *_P, "share of iOS users who allow pushes", "Batch and Airship benchmarks; rounded")
    push_delivered: float = _number(0.85, *_P, "chance that a push that is allowed arrives")
    push_opened: float = _number(0.04, *_P, "chance that the first push that arrives is opened")
    push_fatigue: float = _number(0.95, *_P, "each earlier push multiplies that chance by this")
    flash: float = _number(1.0, -_INF, _INF, "a flash sale, on ordering in its session")
    flash_after: float = _number(0.25, -_INF, _INF, "taken off ordering in the same room in the seven days after")
    flash_every: int = _whole(14, 1, "days between two flash sales of a room")
    flash_refund: float = _number(0.0, *_P, "more chance that an order of a flash sale is refunded: bought in haste")
    flash_discount: float = _number(0.15, *_P, "what a flash sale takes off the price")
    raffle: float = _number(1.0, -_INF, _INF, "a raffle, on interacting")
    expert_host: float = _number(0.3, -_INF, _INF, "an expert host, on log watch time")
    points: float = _number(0.05, -_INF, _INF, "points: loyalty gained per visit")
    community: float = _number(0.2, -_INF, _INF, "membership, on ordering")
    community_spill: float = _number(0.06, -_INF, _INF, "all of one's friends being members, on ordering")
    friends: float = _number(8.0, 0, 20, "mean number of friends")
    win_back: float = _number(0.6, -_INF, _INF, "a win-back message, on showing up")
    win_back_days: int = _whole(14, 1, "days for which it works")
    lapsed_days: int = _whole(14, 1, "days without a visit after which a user has lapsed")
    # money and truth
    margin: float = _number(0.30, *_P, "margin on list prices, for profit", open_low=True)
    unit_cost: float = _number(0.0, 0, _INF, "cost per treated unit, for profit")
    truth_draws: int = _whole(4, 2, "independent futures over which the truth is averaged")

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, _checked(one, getattr(self, one.name)))
        if abs(sum(self.several_rooms) - 1.0) > 1e-9:
            raise InputError(
                f"the dial several_rooms must sum to 1, but sums to {sum(self.several_rooms):g}",
                remedy="give the shares of users with 1, 2 and 3 home rooms, for example (0.5, 0.35, 0.15)",
            )
        if math.isinf(self.tail_limit) and self.tail_shape <= 1.0:
            raise InputError(
                f"baskets have no mean with the dials tail_shape={self.tail_shape:g} and tail_limit=inf",
                remedy="truncate the tail with tail_limit=50, or take a tail_shape above 1",
            )
        if list(self.adopt) != sorted(set(self.adopt)) or not self.adopt:
            raise InputError(
                f"the dial adopt must list different days in their order, but is {said(self.adopt)}",
                remedy="write for example adopt=(20, 34, 48)",
            )


def _checked(one: Field[Any], value: Any) -> Any:
    rule = one.metadata
    name = f"the dial {one.name}"
    kind = rule["kind"]
    if kind == "choice":
        return one_of(name, value, rule["choices"])
    if kind == "flag":
        if not isinstance(value, bool):
            raise _bad(name, "True or False", value, one)
        return value
    if kind == "row":
        return _checked_row(name, value, one)
    if kind == "whole":
        if value is None and rule["optional"]:
            return None
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not whole or value < rule["low"]:
            raise _bad(name, f"a whole number of at least {rule['low']}", value, one)
        return int(value)
    if not _is_number(value, rule):
        raise _bad(name, f"a number {_bounds(rule)}", value, one)
    return float(value)


def _is_number(value: Any, rule: Mapping[str, Any]) -> bool:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or math.isnan(float(value)):
        return False
    v = float(value)
    low = v > rule["low"] if rule.get("open_low") else v >= rule["low"]
    # only the limit of the tail may be infinite, which leaves the tail whole
    finite = math.isfinite(v) or (rule["doc"].endswith("leaves it whole") and v > 0)
    return low and v <= rule["high"] and finite


def _bounds(rule: Mapping[str, Any]) -> str:
    low, high = rule["low"], rule["high"]
    if math.isinf(low):
        return "that is finite"
    at_least = f"above {low:g}" if rule.get("open_low") else f"of at least {low:g}"
    return at_least if math.isinf(high) else f"{at_least} and at most {high:g}"


def _checked_row(name: str, value: Any, one: Field[Any]) -> tuple[float, ...]:
    rule = one.metadata
    length = rule["length"]
    days = length is None
    if days and _is_number(value, {**rule, "doc": ""}):
        value = (value,)  # one day is a list of one
    listed = isinstance(value, tuple | list) and (days or len(value) == length)
    if not listed or not all(_is_number(v, {**rule, "doc": ""}) for v in value):
        raise _bad(name, f"{length or 'a list of'} numbers {_bounds(rule)}", value, one)
    if days and not all(float(v).is_integer() for v in value):
        raise _bad(name, "a list of whole days", value, one)
    return tuple(int(v) if days else float(v) for v in value)


def _bad(name: str, must: str, value: Any, one: Field[Any]) -> InputError:
    return InputError(f"{name} must be {must}, but is {said(value)}", remedy=f"its default is {one.default!r}")


def make_dials(given: Mapping[str, Any]) -> Dials:
    """Dials with `given` in place of the defaults.

    Raises
    ------
    InputError
        A name that is no dial (the nearest is named), or a value out of bounds.

    Examples
    --------
    >>> make_dials({"conversion": 0.1}).conversion
    0.1
    >>> make_dials({"conversions": 0.1})
    Traceback (most recent call last):
    ...
    gmvcausal.errors.InputError: there is no dial 'conversions'. Did you mean 'conversion'?
    """
    known = [one.name for one in fields(Dials)]
    for name in given:
        if name not in known:
            raise InputError(f"there is no dial {name!r}", remedy=rules.nearest(name, known, "the dials are"))
    return Dials(**given)


def dial_table() -> list[tuple[str, str, str, str]]:
    """Name, default, meaning and source of every dial of `livestream`.

    Returns
    -------
    list of tuple

    Examples
    --------
    >>> dial_table()[0][:2]
    ('visit_rate', '0.15')
    """
    return [(one.name, repr(one.default), one.metadata["doc"], one.metadata["source"]) for one in fields(Dials)]
