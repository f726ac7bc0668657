"""The sentences of the rules on columns, written once for the in-memory and the DuckDB readers.

Each function builds an `InputError` from facts; none decides whether the rule is broken.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.facts import holds_people

_LISTED = 20
LARGEST = 1e100


def nearest(name: object, known: Sequence[object], otherwise: str = "name one of") -> str:
    """A remedy for a name that is not known: the nearest known one as a question, else the first twenty.

    Examples
    --------
    >>> nearest("GMV", ["unit", "gmv"])
    "did you mean 'gmv'?"
    """
    texts = [str(k) for k in known]
    alike = [text for text in texts if text.casefold() == str(name).casefold()]
    near = alike or difflib.get_close_matches(str(name), texts, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    rest = f", … ({len(texts)} in all)" if len(texts) > _LISTED else ""
    return f"{otherwise} {', '.join(repr(t) for t in texts[:_LISTED])}{rest}"


def no_such_column(
    column: object, available: Sequence[str], role: str, table: str, *, in_index: bool = False
) -> InputError:
    """The named column is not in the table; perhaps it is its index."""
    inside = f"it is a level of the index: pass {table}.reset_index()"
    near = nearest(column, available)
    if role == "first_treated" and near == nearest("treated", ["treated"]):
        near = "pass treated='treated' if that is the 0/1 column of who is treated when"
    if table == "edges":
        near = "rename the columns of edges= to unit (who is reached) and neighbour (whose treatment reaches it)"
    return InputError(
        f"{table} has no column {str(column)!r}, which was named for {role}",
        remedy=inside if in_index else near,
    )


def missing(column: str, role: str, count: int, rows: Iterable[int], remedy: str) -> InputError:
    """Null, NaN, NaT or None where a value is needed."""
    return InputError(f"{role} is missing", column=column, count=count, rows=rows, remedy=remedy)


def infinite(column: str, role: str, count: int, rows: Iterable[int]) -> InputError:
    """Plus or minus infinity in a numeric column."""
    return InputError(
        f"{role} holds infinite values",
        column=column,
        count=count,
        rows=rows,
        remedy="correct these rows at their source; no finite answer exists with them",
    )


def beyond_whole(column: str, role: str, count: int, rows: Iterable[int]) -> InputError:
    """Whole numbers that a double cannot hold: they would lose their differences without a word."""
    return InputError(
        f"{role} holds whole numbers beyond 2^53, which lose their last digits",
        column=column,
        count=count,
        rows=rows,
        remedy="subtract a constant, or use a larger unit of money",
    )


def beyond_squares(column: str, role: str, count: int, rows: Iterable[int]) -> InputError:
    """Numbers above `LARGEST` in size."""
    return InputError(
        f"{role} holds numbers beyond {LARGEST:g}, whose squares cannot be computed",
        column=column,
        count=count,
        rows=rows,
        remedy="correct these rows, or use a larger unit of money",
    )


_PLAIN = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
# A sign of money before, or commas between groups of three: taking these away changes no amount.
_MONEY = re.compile(r"\s*-?\s*[$€£¥￥]?\s*-?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?\s*")
_YES = ("yes", "y", "true", "t", "on")


_DATED = re.compile(r"(?<!\d)(19|20)\d\d(?:[-/.年]|\b)|\d{1,2}:\d\d")
_MOST_SHOWN = 40
_MOST_PEOPLE = 20  # levels of a column of people that may be a group after all (member: yes, no)


def shown(value: object, column: str | None = None) -> str:
    """A value as a message may show it: what may be the id, phone or mail of a person becomes its pattern.

    Digits become 9 and letters x in columns that are called as ids of people are, in codes of letters and four digits
    or more, in whole numbers of five digits or more that are no day, in mails and in long texts. How it is written can
    still be seen, and who is meant cannot.

    Examples
    --------
    >>> shown("¥1,234.50"), shown("2025/11/01"), shown("U-0012345"), shown("13800138000"), shown("ann", "user_id")
    ("'¥1,234.50'", "'2025/11/01'", "'x-9999999'", "'99999999999'", "'xxx'")
    """
    text = str(value)
    if holds_people(column) or _may_name(text):
        text = "".join("9" if c.isdecimal() else "x" if c.isalpha() else c for c in text[:_MOST_SHOWN])
    return repr(text)


def _may_name(text: str) -> bool:
    if "@" in text or len(text) > _MOST_SHOWN:
        return True
    if _DATED.search(text) or _DAY.fullmatch(text):
        return False
    digits = sum(c.isdecimal() for c in text)
    if text.strip().isdecimal():
        return digits >= 5
    return digits >= 4 and any(c.isalpha() for c in text) and not _MONEY.fullmatch(text)


def refuse_people(column: str, role: str, levels: int) -> None:
    """A column called as ids of people are, of more values than groups have, is no category: it tells users apart.

    Raises
    ------
    InputError
    """
    if holds_people(column) and levels > _MOST_PEOPLE:
        raise InputError(
            f"{role} names a column of ids, whose {levels:,} values are people and no levels",
            column=column,
            remedy="leave it out; users that are seen several times are named by unit= or cluster=",
        )


def text_number(
    column: str, role: str, example: str, rows: Iterable[int], count: int | None = None, texts: Sequence[Any] = ()
) -> InputError:
    """Text such as "¥1,234.50" where a number is needed; `texts` are the values that were seen, for the remedy."""
    return InputError(
        f"{role} holds text, for example {shown(example, column)}, where numbers are needed",
        column=column,
        count=count,
        rows=rows,
        remedy=_from_text([str(t) for t in texts] or [example], role, column),
    )


def _from_text(texts: Sequence[str], role: str, column: str) -> str:
    """How text becomes numbers; a conversion is named only where it changes no value of those that were seen."""
    if all(_PLAIN.fullmatch(t) for t in texts):
        return "these are numbers written as text: convert them, pd.to_numeric(df[col])"
    if all(_PLAIN.fullmatch(t) or _MONEY.fullmatch(t) for t in texts):
        return (
            "strip currency signs and thousands separators, then convert, for example "
            "pd.to_numeric(df[col].str.replace(r'[$€£¥￥,\\s]', '', regex=True))"
        )
    found = sorted(set(texts))
    if role == "weights":
        return "give every unit a positive number"
    if len(found) <= 2 and not any(c.isdigit() for t in found for c in t):
        yes = next((t for t in found if t.strip().lower() in _YES), found[-1])
        return f"make 0 and 1 of it by a comparison, for example df[col] == {shown(yes, column)}"
    odd = [t for t in found if not (_PLAIN.fullmatch(t) or _MONEY.fullmatch(t))]
    some = ", ".join(shown(t, column) for t in odd[:3])
    return f"convert the column where it is made: {some} can be read in more than one way, or not as a number at all"


_INTEGER = re.compile(r"\s*[+-]?\d+(\.0)?\s*")
_DAY = re.compile(
    r"\s*((19|20)\d\d([-/.])\d{1,2}\3\d{1,2}|(19|20)\d\d年\d{1,2}月\d{1,2}[日号]|(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]))"
    r"([T\s]+\d{1,2}:\d\d.*)?\s*"
)


def refuse_written(levels: Sequence[str], column: str, role: str) -> None:
    """Text whose levels are numbers or days, but for one in ten (unknown, -), is no category.

    Codes written in digits ("1", "2") may be levels, and so may months ("2025-03"); what is a category by its type is
    not asked.

    Raises
    ------
    InputError
    """
    most = 0.9 * len(levels)
    days = [t for t in levels if _DAY.fullmatch(t)]
    if days and len(days) >= most:
        raise InputError(
            f"{role} holds dates as text, for example {shown(days[0], column)}, whose order would be lost",
            column=column,
            remedy="convert them, pd.to_datetime(df[col]), and take the days up to the assignment; where each day is "
            "meant as a level, df[col].astype('category')",
        )
    found = [t for t in levels if _PLAIN.fullmatch(t) or _MONEY.fullmatch(t)]
    odd = [t for t in found if not _INTEGER.fullmatch(t)]
    if odd and len(found) >= most:
        raise InputError(
            f"{role} holds numbers as text, for example {shown(odd[0], column)}, whose order would be lost",
            column=column,
            remedy=f"{_from_text(found, role, column)}; where each is meant as a level, df[col].astype('category')",
        )


# What 1 and 0 mean in columns that do not say who is under the tactic when.
_ONES = {
    "promotion": "1 in periods of the promotion, 0 in all others",
    "eligible": "1 for whom the tactic is meant, 0 for all others, in treated and untreated places alike",
    "Proportion": "1 where it happened, 0 where it did not",
    "received": "1 where the push was delivered (the coupon seen), 0 where it was not, in every arm",
    "redeemed": "1 where the coupon was redeemed, 0 where it was not or there was none; what it takes off is cost=",
}


def not_flags(column: str, role: str, example: float, count: int, rows: Iterable[int]) -> InputError:
    """A number other than 0 and 1 where only these have a meaning."""
    return InputError(
        f"{role} must hold 0 and 1 only, but holds {example:g}",
        column=column,
        count=count,
        rows=rows,
        remedy=f"recode it: {_ONES.get(role, '1 where the tactic is on, 0 where it is off')}",
    )


def missing_flags(role: str) -> str:
    """What to write where a 0/1 value is missing."""
    return f"write {_ONES[role]}" if role in _ONES else "write 0 where the unit was not treated"


def not_whole(column: str, role: str, example: float, count: int, rows: Iterable[int]) -> InputError:
    """Fractions, or numbers beyond those that a float holds exactly, where ids are needed."""
    if float(example).is_integer():  # infinity is not
        return InputError(
            f"{role} holds numbers beyond 2^53, for example {float(example):.0f}, where a float cannot tell neighbours "
            "apart",
            column=column,
            count=count,
            rows=rows,
            remedy="read the ids as text or as whole numbers from the source on",
        )
    return InputError(
        f"{role} holds numbers that are not whole, for example {float(example)!r}",
        column=column,
        count=count,
        rows=rows,
        remedy="use text or whole numbers as ids",
    )


def not_a_kind(column: str, role: str, dtype: str, wanted: str) -> InputError:
    """A dtype that has no single meaning for this role."""
    return InputError(
        f"{role} has dtype {dtype}, which cannot be read as {wanted}",
        column=column,
        remedy=f"convert it to {wanted} first",
    )


def bad_time(
    column: str, role: str, example: str, count: int, rows: Iterable[int], *, code: bool = False
) -> InputError:
    """Text that is not an ISO date or time; where `code` holds it may be one that means never."""
    one = shown(example, column)
    return InputError(
        f"{role} holds text that is not an ISO date, for example {one}",
        column=column,
        count=count,
        rows=rows,
        remedy="write dates as 2025-11-01 or 2025-11-01 20:30:00"
        + (f", and pass never={one} if that means never treated" if code and one == repr(example) else ""),
    )


def mixed_zones(column: str, role: str, detail: str, count: int | None = None, rows: Iterable[int] = ()) -> InputError:
    """Several time zones, or zoned and zoneless values, in one column."""
    return InputError(
        f"{role} mixes time zones ({detail}), so the day of an event is not defined",
        column=column,
        count=count,
        rows=rows,
        remedy="convert to one zone, or say which days you mean with timezone='Asia/Shanghai' where the verb takes it",
    )


def duplicated(what: str, column: str | None, count: int, rows: Iterable[int], remedy: str) -> InputError:
    """Keys that should be unique and are not; `what` names the thing a user can find."""
    return InputError(
        f"{count:,} {what} occur more than once", column=column, count=count, rows=rows, remedy=remedy, counted=True
    )


def not_constant(column: str, role: str, within: str, count: int, rows: Iterable[int], remedy: str) -> InputError:
    """An attribute that must be constant within a unit varies."""
    return InputError(
        f"{role} varies within {within} for {count:,} of them",
        column=column,
        count=count,
        rows=rows,
        remedy=remedy,
        counted=True,
    )
