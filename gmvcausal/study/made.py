"""The made-up shop of a new study: orders, coupons and users, the same from the same seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

USERS, WEEKS = 240, 16
FIRST_DAY = pd.Timestamp("2026-03-02")  # a Monday
# Half an order a week more from the coupon on; what it is worth in money depends on the baskets that are drawn.
EXTRA_ORDERS = 0.5
_TIERS, _SHARES, _HABIT = ("pro", "regular", "new"), (0.2, 0.5, 0.3), (2.2, 1.2, 0.7)


def tables(seed: int = 20260301) -> dict[str, pd.DataFrame]:
    """Three tables of a shop that sent a coupon to its better buyers, in two waves.

    Parameters
    ----------
    seed : int
        The same seed gives the same tables.

    Returns
    -------
    dict of str to DataFrame
        `orders` (order_id, user_id, paid_at, amount), `coupons` (user_id, coupon_id, sent_at) and `users`
        (user_id, signed_up, tier).

    Examples
    --------
    >>> made = tables()
    >>> [len(made[name]) for name in ("coupons", "users")]
    [130, 240]
    """
    rng = np.random.default_rng(seed)
    tier = rng.choice(len(_TIERS), USERS, p=_SHARES)
    habit = np.asarray(_HABIT)[tier] * rng.gamma(6.0, 1 / 6.0, USERS)
    # Those who buy much are likelier to be sent the coupon, so that plain means mislead; changes do not.
    sent = np.argsort(-(habit + rng.normal(0, 0.8, USERS)), kind="stable")[:130]
    start = np.full(USERS, WEEKS)
    start[sent] = rng.permutation(np.repeat([7, 10], [70, 60]))
    rate = habit[:, None] + EXTRA_ORDERS * (np.arange(WEEKS) >= start[:, None])
    user, week = np.nonzero(count := rng.poisson(rate))
    user, week = (np.repeat(found, count[count > 0]) for found in (user, week))
    minute = rng.integers(0, 7, len(user)) * 1440 + rng.integers(10 * 60, 23 * 60, len(user))
    names = np.asarray([f"u{number:04d}" for number in range(1, USERS + 1)])
    orders = pd.DataFrame(
        {
            "user_id": names[user],
            "paid_at": FIRST_DAY + pd.to_timedelta(week * 7 * 1440 + minute, unit="min"),
            "amount": rng.lognormal(3.2, 0.5, len(user)).round(2),
        }
    ).sort_values(["paid_at", "user_id"], kind="stable", ignore_index=True)
    orders.insert(0, "order_id", [f"o{number:06d}" for number in range(1, len(orders) + 1)])
    coupons = pd.DataFrame(
        {
            "user_id": names[np.sort(sent)],
            "coupon_id": "spring10",
            "sent_at": FIRST_DAY + pd.to_timedelta(7 * start[np.sort(sent)], unit="D") + pd.Timedelta(hours=9),
        }
    )
    signed_up = FIRST_DAY - pd.to_timedelta(rng.integers(1, 400, USERS), unit="D")
    users = pd.DataFrame({"user_id": names, "signed_up": signed_up, "tier": np.asarray(_TIERS)[tier]})
    return {"orders": orders, "coupons": coupons, "users": users}
