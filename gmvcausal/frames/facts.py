"""What is known of a frame besides its columns: what `Logs` wrote about it, and names that speak for themselves."""

from __future__ import annotations

import json
from typing import Any

from gmvcausal.frames.parquet import is_path

# A column of one of these names holds who a row belongs to; Logs.users calls it "user".
UNIT_NAMES = ("unit", "user", "user_id", "uid", "customer_id")
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


def frame_facts(data: Any) -> dict[str, Any]:
    """What `Logs` wrote about the frame, also where pandas carried it into a parquet file; else empty."""
    if is_path(data):
        return _facts_in_file(data)
    attrs = getattr(data, "attrs", None)
    found = attrs.get("gmvcausal") if isinstance(attrs, dict) else None
    return dict(found) if isinstance(found, dict) else {}


def _facts_in_file(path: Any) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        stored = (pq.read_schema(path).metadata or {}).get(b"pandas", b"{}")
        found = json.loads(stored).get("attributes", {}).get("gmvcausal")
    except (OSError, pa.ArrowException, ValueError, AttributeError, TypeError):
        return {}  # several files, or none at all: the reader of the columns says what is wrong with it
    return dict(found) if isinstance(found, dict) else {}
