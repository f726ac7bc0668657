"""What one scan of the orders says: range of time, signs, exactness of amounts; and the checks that rest on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmvcausal.frames.relation import Relation, measured
from gmvcausal.frames.table import quote

EARLY_HOURS = 2
EARLY_SHARE = 0.05
PRECISION = 1e-6


@dataclass(frozen=True)
class Amounts:
    """How the amounts of one or more columns can be added exactly.

    Attributes
    ----------
    lines : int
    cents : bool
        Whether every amount is exactly the number nearest to a whole number of cents.
    largest : float
        Largest absolute amount.
    exact : bool
        Whether the engine sums whole numbers of 128 bits at a bearable cost; else amounts that are no cents are summed
        as doubles, whose last digits depend on the order.
    """

    lines: int
    cents: bool
    largest: float
    exact: bool = True

    @property
    def in_cents(self) -> bool:
        """Whether sums can be taken in whole cents."""
        return self.cents and self.largest * 100 < 2.0**53

    def line(self, amount: str) -> str | None:
        """SQL for `amount` in whole cents, whose sum over all lines a number of 64 bits holds; None where none does."""
        return f"CAST(round({amount} * 100) AS BIGINT)" if self.in_cents and self._short else None

    @property
    def _short(self) -> bool:
        return self.lines * self.largest * 100 < 2.0**63

    def total(self, amount: str) -> str:
        """SQL for the sum of `amount` as a double, which depends neither on the order of rows nor on threads.

        Sums are taken in whole numbers: cents where all amounts are; otherwise 128-bit multiples of a power of two so
        small that what is cut off lies some 100 bits below the largest amount.
        """
        if self.in_cents:
            # DuckDB widens such a sum by itself; Spark does not.
            whole = "BIGINT" if self.exact or self._short else "HUGEINT"
            return f"(CAST(sum(CAST(round({amount} * 100) AS {whole})) AS DOUBLE) / 100.0)"
        if not self.exact:
            return f"sum({amount})"
        exponent = math.frexp(self.largest)[1]
        bits = 126 - exponent - math.ceil(math.log2(self.lines + 1))
        if bits > 1000:  # amounts too small for the power of two to be a double
            return f"sum({amount})"
        return f"(CAST(sum(CAST({amount} * {2.0**bits!r} AS HUGEINT)) AS DOUBLE) / {2.0**bits!r})"


@dataclass(frozen=True)
class Facts:
    """One scan of the orders.

    Attributes
    ----------
    lines : int
    first, last : datetime64[us]
        First and last time of an order line (refund lines included).
    whole_days : bool
        Whether every time is a midnight: the log holds dates, not times.
    early : int
        Lines in the first two hours after local midnight.
    negative : int
        Lines with negative GMV.
    amounts, discounts : Amounts
        Of gmv (with refund), and of discount where there is one.
    spread : float
        Standard deviation of the amounts.
    """

    lines: int
    first: np.datetime64
    last: np.datetime64
    whole_days: bool
    early: int
    negative: int
    amounts: Amounts
    discounts: Amounts
    spread: float

    def total(self, gmv: str = '"gmv"') -> str:
        """SQL for the exact sum of `gmv`; see `Amounts.total`."""
        return self.amounts.total(gmv)

    def total_discount(self) -> str:
        """SQL for the exact sum of the discounts that are known."""
        return f"coalesce({self.discounts.total(quote('discount'))}, 0)"


def measure(columns: Mapping[str, str], kinds: Mapping[str, str]) -> dict[str, str]:
    """SQL aggregates of the orders by name, given the SQL of each role and what it holds: all that `Facts`, the rules
    on signs and the search for repeated rows need, for one scan."""
    time, gmv = columns["time"], columns["gmv"]
    amounts = [columns[role] for role in ("gmv", "refund") if role in columns]
    asked = {
        "lines": "count(*)",
        "first": f"epoch_us(min({time}))",
        "last": f"epoch_us(max({time}))",
        "clock": f"count(*) FILTER (WHERE {time} <> CAST(CAST({time} AS DATE) AS TIMESTAMP))",
        "early": f"count(*) FILTER (WHERE hour({time}) < {EARLY_HOURS})",
        "negative": f"count(*) FILTER (WHERE {gmv} < 0)",
        "fractions": f"count(*) FILTER (WHERE {' OR '.join(map(_fraction, amounts))})",
        "largest": f"max(abs({gmv}))",
        "spread": f"stddev_pop({gmv})",
    }
    if "discount" in columns:
        asked["discount_fractions"] = f"count(*) FILTER (WHERE {_fraction(columns['discount'])})"
        asked["discount_largest"] = f"max(abs({columns['discount']}))"
    if "refund" in columns:
        refund = columns["refund"]
        asked["refund_negative"] = f"count(*) FILTER (WHERE {refund} < 0)"
        asked["refund_alone"] = f"count(*) FILTER (WHERE {gmv} = 0 AND {refund} > 0)"
        asked["refund_larger"] = f"count(*) FILTER (WHERE {refund} > {gmv})"
    if kinds.get("order") == "int":
        asked |= {"order_low": f"min({columns['order']})", "order_high": f"max({columns['order']})"}
    return asked


def read_facts(orders: Relation) -> Facts:
    """What was measured when the orders were opened; a scan of their own where rows were dropped since."""
    found = orders.measured or measured(orders, measure)
    exact = orders.space.exact
    lines = int(found["lines"])
    return Facts(
        lines=lines,
        first=np.datetime64(int(found["first"]), "us"),
        last=np.datetime64(int(found["last"]), "us"),
        whole_days=int(found["clock"]) == 0,
        early=int(found["early"]),
        negative=int(found["negative"]),
        amounts=Amounts(lines, int(found["fractions"]) == 0, float(found["largest"]), exact),
        discounts=Amounts(
            lines, not found.get("discount_fractions", 0), float(found.get("discount_largest") or 0), exact
        ),
        spread=float(found["spread"]),
    )


def _fraction(amount: str) -> str:
    """SQL condition: the amount is not the number nearest to a whole number of cents."""
    return f"{amount} <> round({amount} * 100) / 100.0"


def entry(
    name: str, status: str, value: float | None, threshold: float | None, message: str, remedy: str = ""
) -> dict[str, Any]:
    """One check as a plain dict, in the shape the audit takes."""
    return {
        "name": name,
        "status": status,
        "value": value,
        "threshold": threshold,
        "message": message,
        "remedy": remedy,
    }


def checks(facts: Facts, spacing: float, timezone: str | None) -> list[dict[str, Any]]:
    """Checks on the orders themselves."""
    return [_day_boundary(facts, timezone), _precision(facts, spacing), _all_zero(facts)]


def _day_boundary(facts: Facts, timezone: str | None) -> dict[str, Any]:
    if facts.whole_days:
        return entry("day_boundary", "not_run", None, EARLY_SHARE, "the log holds dates without times of day")
    share = facts.early / facts.lines
    message = f"{share:.1%} of order lines fall in the first {EARLY_HOURS} hours after midnight"
    if share < EARLY_SHARE:
        return entry("day_boundary", "passed", share, EARLY_SHARE, message)
    days = f"days are cut in {timezone}" if timezone else "times are used as they stand, with no zone declared"
    return entry(
        "day_boundary",
        "warned",
        share,
        EARLY_SHARE,
        f"{message}; {days}, so an evening may be split over two days",
        "if these are times of another zone (often UTC), declare the customers' own with timezone=; "
        "if sessions run past midnight, use weeks rather than days",
    )


def _precision(facts: Facts, spacing: float) -> dict[str, Any]:
    ratio = spacing / facts.spread if facts.spread > 0 else 0.0
    message = (
        f"neighbouring amounts differ by up to {spacing:.3g} in the source dtype, {ratio:.2g} of a standard deviation"
    )
    if spacing == 0.0:
        return entry("quantisation", "passed", 0.0, PRECISION, "amounts come in a dtype that holds them in full")
    if ratio <= PRECISION:
        return entry("quantisation", "passed", ratio, PRECISION, message)
    return entry("quantisation", "warned", ratio, PRECISION, message, "store amounts as float64 or Decimal")


def _all_zero(facts: Facts) -> dict[str, Any]:
    if facts.amounts.largest > 0:
        return entry("all_zero", "passed", facts.amounts.largest, 0.0, "some amounts differ from zero")
    return entry(
        "all_zero", "warned", 0.0, 0.0, "every amount is zero", "check that the right column was named for gmv"
    )
