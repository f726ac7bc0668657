"""What is known of a frame besides its columns: what `Logs` wrote about it, and names that speak for themselves."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.engines.kinds import is_spark
from gmvcausal.frames.files import find_files
from gmvcausal.frames.parquet import is_path, stored_names

# Where files keep what is known of their table: pandas and our own files, Spark's files.
_KEYS = (b"pandas", b"org.apache.spark.sql.parquet.row.metadata")

# A column of one of these names holds who a row belongs to; Logs.users calls it "user". Case, blanks, - and _ do not
# count: userId, User ID and USER_ID are user_id.
_UNITS = (
    "unit",
    "user",
    "user_id",
    "uid",
    "customer_id",
    "member_id",
    "buyer_id",
    "account_id",
    "open_id",
    "union_id",
    "用户",
    "用户id",
    "用户编号",
    "用户号",
    "会员id",
    "会员编号",
    "会员号",
    "会员卡号",
    "客户id",
    "客户编号",
    "客户号",
    "顾客id",
    "顾客编号",
    "买家id",
    "手机号",
    "手机号码",
)
# Names that hold ids or something else (customer: new, returning; member: yes, no): units where they tell many apart.
UNIT_OR_NOT = ("customer", "member", "buyer", "phone", "mobile", "顾客", "买家", "客户", "会员")
# What a file is asked for besides the columns that the call names.
UNIT_NAMES = (*_UNITS, *UNIT_OR_NOT)
# What only a table of `Logs` holds together; no other table has it by chance.
_OF_LOGS = {
    "users": frozenset({"arm", "assigned", "gmv_pre", "orders_pre"}),
    "panel": frozenset({"unit", "period", "gmv", "orders", "buyers", "first_treated", "treated"}),
    "stack": frozenset({"stack", "unit", "period", "event_time", "gmv", "sent", "other_tactic"}),
}
# Columns that say when, by their very name.
TIME_NAMES = (
    "month",
    "date",
    "day",
    "week",
    "period",
    "time",
    "dt",
    "ds",
    "year_month",
    "月份",
    "月",
    "日期",
    "周",
    "年月",
    "时间",
    "统计月份",
    "统计日期",
)
# Columns that are clusters by their very name, where treatment does not vary within them.
COARSER = (
    "room",
    "city",
    "store",
    "region",
    "host",
    "shop",
    "province",
    "直播间",
    "房间",
    "城市",
    "门店",
    "店铺",
    "地区",
    "省份",
    "主播",
)


def folded(name: object) -> str:
    """A name of a column without what does not count in it.

    Examples
    --------
    >>> folded("User ID"), folded("用户 id")
    ('userid', '用户id')
    """
    return "".join(c for c in str(name).casefold() if c not in " _-\u3000")


def with_optional(needed: Iterable[str], available: Iterable[str], optional: Iterable[str]) -> list[str]:
    """The columns needed, and the `optional` ones among those available, whatever their case."""
    also = {folded(column) for column in optional}
    return list(dict.fromkeys([*needed, *(c for c in available if folded(c) in also)]))


_PLACE = {folded(name): place for place, name in enumerate(_UNITS)}
_OR_NOT = frozenset(folded(name) for name in UNIT_OR_NOT)


def says_unit(name: object) -> bool:
    """Whether a column of this name holds whom a row belongs to."""
    return name is not None and folded(name) in _PLACE


def holds_people(column: str | None, written: Mapping[str, Any] | None = None) -> bool:
    """Whether the labels of a column of units are those of people: by its name, or by what `Logs` wrote of the table.

    Ids of people stand in no message or table, and their small groups are hidden; rooms, shops and cities are labels.

    Examples
    --------
    >>> holds_people("User ID"), holds_people("会员"), holds_people("room"), holds_people("unit")
    (True, True, False, False)
    >>> holds_people("unit", {"unit": "user"})
    True
    """
    if column is None:
        return False
    name = folded(column)
    if name in ("unit", "user") and written:
        return bool(written.get("unit", "user" if name == "user" else "") == "user")
    return (name in _PLACE and name != "unit") or name in _OR_NOT


def rows_are_people(unit: str | None, written: Mapping[str, Any] | None = None) -> bool:
    """Whether rows are people, in tables that need no column of units: where neither it nor `Logs` says otherwise.

    Parameters
    ----------
    unit : str or None
        The column of units.
    written : mapping, optional
        What `Logs` wrote of the table.

    Examples
    --------
    >>> rows_are_people(None), rows_are_people("room"), rows_are_people(None, {"unit": "room"})
    (True, False, False)
    """
    if unit is not None:
        return holds_people(unit, written)
    return bool((written or {}).get("unit", "user") == "user")


def named_unit(columns: Iterable[str], taken: Collection[str | None] = ()) -> str | None:
    """The column that holds whom a row belongs to, by its very name; None without one.

    Examples
    --------
    >>> named_unit(["gmv", "会员编号", "userId"])
    'userId'
    """
    found = [c for c in columns if c not in taken and folded(c) in _PLACE]
    return min(found, key=lambda c: (_PLACE[folded(c)], c), default=None)


def frame_facts(data: Any) -> dict[str, Any]:
    """What `Logs` wrote about the frame, also where pandas carried it into a parquet file.

    Else empty; but a frame with the very columns of `Logs` has lost it (a merge, a join, a file), and brings the check
    ``log_facts``, which says so, into the audit of every verb.
    """
    if is_path(data):
        found = _facts_in_files(data)
    elif is_spark(data):
        found = _of_columns(json.loads(data.schema.json()))
    else:
        attrs = getattr(data, "attrs", None)
        held = attrs.get("gmvcausal") if isinstance(attrs, dict) else None
        found = dict(held) if isinstance(held, dict) else {}
    return found or _lost_facts(_names(data))


def _lost_facts(columns: set[str]) -> dict[str, Any]:
    table = next((name for name, needed in _OF_LOGS.items() if columns >= needed), None)
    if table is None:
        return {}
    option = {"users": "features", "panel": "keep"}.get(table)
    lost = {
        "name": "log_facts",
        "status": "warned",
        "message": "the frame has the columns of Logs but not its facts, which a merge, a join or a CSV file loses: "
        "its checks on the log are not repeated here, and one of them may have failed",
        "remedy": (f"bring columns in by logs.{table}(..., {option}=[...]); or " if option else "")
        + "copy what Logs wrote, where the rows are the same: merged.attrs = made.attrs",
    }
    return {"checks": [lost]}


def _names(data: Any) -> set[str]:
    """Names of the columns of any input."""
    kind = type(data)  # a frame of pandas gives its columns as attributes, and they may be called anything
    try:
        if is_path(data):
            names = stored_names(data)
        elif hasattr(kind, "collect_schema"):  # polars, whose lazy frames warn where asked for columns
            names = data.collect_schema().names()
        else:
            names = list(data.column_names if hasattr(kind, "column_names") else getattr(data, "columns", ()))
        return {str(name) for name in names}
    except Exception:  # noqa: BLE001  # every engine has errors of its own; what is wrong is told by the reader
        return set()


def _facts_in_files(path: Any) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        stored = {tuple((pq.read_schema(p).metadata or {}).get(k) for k in _KEYS) for p in find_files(path, "").paths}
        if len(stored) > 1:
            return {}  # files of different tables: what is known of one of them is not known of all
        pandas, spark = stored.pop()
        found = json.loads(pandas or b"{}").get("attributes", {}).get("gmvcausal") or _of_columns(
            json.loads(spark or b"{}")
        )
    except (OSError, pa.ArrowException, InputError, ValueError, AttributeError, TypeError):
        return {}  # the reader of the columns says what is wrong with the files
    return dict(found) if isinstance(found, dict) else {}


def _of_columns(schema: dict[str, Any]) -> dict[str, Any]:
    """What `Logs` wrote into the metadata of a column of Spark."""
    for column in schema.get("fields", ()):
        if "gmvcausal" in column.get("metadata", {}):
            return dict(json.loads(column["metadata"]["gmvcausal"]))
    return {}
