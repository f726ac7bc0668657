"""Parts of sentences: names, units, sizes and intervals in words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.present.digits import beside, clean, fixed, inline, p_value
from gmvcausal.results import Audit, Check, Result, Row


def named(results: Any, benchmarks: Sequence[str] = ()) -> dict[str, Result]:
    """One result, several, or a mapping of them, as a mapping from distinct names.

    Raises
    ------
    InputError
        For anything that is not a result, no result at all, or a benchmark that is not among the names.
    """
    if isinstance(results, Result):
        results = [results]
    found: dict[str, Result] = {}
    if isinstance(results, Mapping):
        found = {inline(name): result for name, result in results.items()}
        if len(found) < len(results):
            raise InputError(
                "two results have the same name once it is printed", remedy="give each result its own name"
            )
    elif isinstance(results, Sequence) and not isinstance(results, str | bytes):
        for result in results:
            title = inline(getattr(result, "title", ""))
            same = sum(name == title or name.startswith(f"{title} (") for name in found)
            found[f"{title} ({same + 1})" if same else title] = result
    for name, result in found.items():
        if not isinstance(result, Result):
            raise InputError(
                f"{name or 'an entry'} is not a result but {type(result).__name__}",
                remedy="it is shown by its own summary() and to_frame(), or by gc.report beside a result"
                if hasattr(result, "report_parts")
                else "pass what gc.did and its like return",
            )
    if not found:
        raise InputError(
            "there is no result to show", remedy="pass one result, a list, or a mapping from names to results"
        )
    unknown = [b for b in benchmarks if inline(b) not in found]
    if unknown:
        listed = ", ".join(repr(name) for name in found)
        raise InputError(
            f"benchmarks= names {unknown[0]!r}, which is not among the results", remedy=f"name some of {listed}"
        )
    return found


# Words of what is measured that say it is no money: a symbol before such a number would be a false statement.
_NO_MONEY = re.compile(
    r"%|\b(?:log points|per cent|percent|shares?|probability)\b"
    r"|\b(?:rate|orders?|ordered|buyers?|bought|converted|conversions?|opened|opens|clicks?|clicked|visits?|visited)$"
    r"|\b(?:sessions?|items?|minutes|users?|times|days)$"
)


def symbol(unit: str, currency: str) -> str:
    """The currency where a unit may be money; nothing before shares, log points, orders and other counts.

    Examples
    --------
    >>> symbol("gmv per user", "$"), symbol("ordered per user", "$"), symbol("log points", "$")
    ('$', '', '')
    """
    return "" if _NO_MONEY.search(clean(unit).lower().rpartition(" per ")[0] or clean(unit).lower()) else currency


def unit_words(unit: str, currency: str = "") -> str:
    """The unit as it follows a number; with a currency symbol what is *per* what, and on which part of GMV."""
    currency = symbol(unit, currency)
    before, per, after = clean(unit).rpartition(" per ")
    if currency:
        _, on, part = before.partition(" on ")
        return f"{on.lstrip()}{part} per {after}".strip() if per else "" if unit == "money" else after
    return f"{before}{per}{after}" if unit != "money" else "in money"


def level_words(result: Result) -> str:
    """For example ``95% interval``."""
    return f"{100 * (1 - result.alpha):g}% interval"


def money(x: float, places: int, *, signed: bool = False, currency: str = "") -> str:
    """`x` with at least the decimals asked for; a currency shows no single decimal."""
    return fixed(x, 2 if currency and places == 1 else places, signed=signed, currency=currency)


def estimate_words(result: Result, currency: str = "") -> str:
    """The signed headline estimate, two digits of its standard error."""
    return row_estimate(result.told, currency)


def row_estimate(row: Row, currency: str = "") -> str:
    """The signed estimate of one row, two digits of its standard error."""
    return money(row.estimate, beside(row.std_error, row.estimate), signed=True, currency=symbol(row.unit, currency))


def interval_words(result: Result, currency: str = "", *, level: bool = True) -> str:
    """The interval of the headline, or a dash where it is withheld."""
    span = row_interval(result.told, currency)
    if not span:
        return "no interval" if level else fixed(math.nan, 0)
    return f"{level_words(result)} {span}" if level else span


def units_words(n: int | None, more: str = " units") -> str:
    """Units behind a row; a test that was read as estimates may not know them."""
    return "not known" if n is None else f"{n:,}{more}"


def everybody_words(result: Result) -> str:
    """Who is behind the finding of a result: units, unless it says itself who."""
    return inline(getattr(result, "everybody", "")) or units_words(result.told.n)


def p_words(p: float) -> str:
    """A p-value after other words."""
    text = p_value(p)
    return f"p {text[0]} {text[1:]}" if text.startswith("<") else f"p = {text}"


def row_interval(row: Row, currency: str = "") -> str:
    """The interval of one row; empty where it is withheld."""
    if math.isnan(row.low) or math.isnan(row.high):
        return ""
    places = beside(row.std_error, row.low, row.high)
    currency = symbol(row.unit, currency)
    low, high = (money(limit, places, signed=True, currency=currency) for limit in (row.low, row.high))
    return f"{low} to {high}"


def baseline_of(result: Result) -> float:
    """What the effect is a percentage of: NaN where the design knows no such mean, or where it is not positive."""
    value = result.told.baseline
    return value if value > 0 else math.nan


def audit_words(audit: Audit) -> str:
    """The audit in one line."""
    if audit.failed:
        return "failed: " + ", ".join(c.name for c in audit.failed)
    passed = sum(c.status == "passed" for c in audit)
    text = f"{passed} of {sum(c.status != 'not_run' for c in audit)} checks passed"
    return text + (f"; warned: {', '.join(c.name for c in audit.warned)}" if audit.warned else "")


def failed_names(result: Result) -> list[str]:
    """Names of the checks that failed."""
    return [c.name for c in result.audit.failed]


def join(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def sentence(text: str, own: Iterable[str] = ()) -> str:
    """`text` with a capital first letter and a full stop; a name of the user's own keeps its letters.

    Examples
    --------
    >>> sentence("none 1,238, coupon 1,240", own=["none"]), sentence("nonesuch", own=["none"])
    ('none 1,238, coupon 1,240.', 'Nonesuch.')
    """
    text = text.strip()
    if not text:
        return text
    kept = any(text.startswith(name) and not re.match(r"\w", text[len(name) :]) for name in own if name)
    return (text if kept else text[:1].upper() + text[1:]) + ("" if text[-1] in ".!?" else ".")


def check_words(check: Check) -> str:
    """One check with its finding; the published name keeps its small letters."""
    return f"{inline(check.name)}: {inline(check.message).rstrip('.')}."
