"""Statements of DuckDB's dialect in that of Spark.

sqlglot knows both grammars. What it leaves as it stands, and what it turns into something that Spark computes
differently, is written out here: Spark's own functions on times without a zone go by way of the session's zone, in
which one hour of the year does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot import exp

_EPOCH = "CAST('1970-01-01' AS TIMESTAMP_NTZ)"
_INFINITY = "CAST('Infinity' AS DOUBLE)"

# Function of DuckDB -> expression of Spark, with the arguments as {0}, {1}.
_WRITTEN_OUT = {
    "EPOCH_US": (
        "(CAST(DATEDIFF(CAST({0} AS DATE), DATE '1970-01-01') AS BIGINT) * 86400000000"
        " + HOUR({0}) * 3600000000L + MINUTE({0}) * 60000000L"
        " + CAST(EXTRACT(SECOND FROM {0}) * 1000000 AS BIGINT))"
    ),
    # A moment (Spark's TIMESTAMP) on the clock of a zone.
    "TIMEZONE": f"CONVERT_TIMEZONE('UTC', {{0}}, TIMESTAMPADD(MICROSECOND, UNIX_MICROS({{1}}), {_EPOCH}))",
    "TO_MICROSECONDS": "MAKE_DT_INTERVAL(0, 0, 0, CAST({0} AS DECIMAL(38, 0)) / 1000000)",
    "ISFINITE": f"(ABS({{0}}) < {_INFINITY})",
}


@lru_cache(maxsize=512)
def to_spark(text: str) -> str:
    """One statement for Spark.

    Parameters
    ----------
    text : str
        In DuckDB's dialect.

    Returns
    -------
    str

    Examples
    --------
    >>> to_spark('SELECT count(*) FILTER (WHERE "a b" IS NULL) FROM "t"')
    'SELECT COUNT(*) FILTER(WHERE `a b` IS NULL) FROM `t`'
    """
    import sqlglot

    whole: Any = sqlglot.parse_one(text, read="duckdb")
    nodes: list[Any] = list(whole.walk())
    # From the leaves up: what takes the place of a node holds arguments that are rewritten already.
    for node in reversed(nodes):
        new = _node(node)
        if node is whole:
            whole = new
        elif new is not node:
            node.replace(new)
    return str(whole.sql("spark"))


def _node(node: exp.Expression) -> exp.Expression:
    from sqlglot import exp

    if isinstance(node, exp.Anonymous):
        return _function(str(node.this).upper(), node.expressions, node)
    for kind, rewrite in _rewrites().items():
        if isinstance(node, kind):
            return rewrite(node)
    return node


def _function(name: str, arguments: list[Any], node: exp.Expression) -> exp.Expression:
    from sqlglot import exp

    if name == "HASH":
        return exp.Anonymous(this="XXHASH64", expressions=arguments)
    if (
        name == "ISFINITE"
        and isinstance(arguments[0], exp.Cast)
        and arguments[0].to.is_type(*exp.DataType.TEMPORAL_TYPES)
    ):
        return exp.true()  # Spark's times are always finite
    if name not in _WRITTEN_OUT:
        return node
    return _template(_WRITTEN_OUT[name], *arguments)


def _template(text: str, *arguments: exp.Expression) -> exp.Expression:
    """An expression of Spark with arguments already rewritten put in."""
    import sqlglot
    from sqlglot import exp

    names = [f"argument_{i}" for i in range(len(arguments))]
    whole = sqlglot.parse_one(text.format(*names), read="spark")
    given = dict(zip(names, arguments, strict=True))

    def put(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Column) and node.name in given:
            return exp.paren(given[node.name].copy())
        return node

    return whole.transform(put)


@lru_cache(maxsize=1)
def _rewrites() -> dict[type, Callable[[Any], exp.Expression]]:
    from sqlglot import exp

    def wide(cast: Any) -> Any:
        if cast.to.is_type(exp.DataType.Type.INT128):
            cast.set("to", exp.DataType.build("DECIMAL(38, 0)"))
        return cast

    def nearest(node: Any) -> Any:
        # Spark rounds a double by way of its decimal digits, many times slower; halves, where the two differ, are not
        # asked for: amounts in cents are within a hair of a whole number of cents.
        return node if node.args.get("decimals") else exp.Anonymous(this="RINT", expressions=[node.this])

    def days(node: Any) -> Any:
        # By the calendar; Spark's own function of units goes by way of the session's zone.
        whole = str(node.args.get("unit") or "DAY").upper() == "DAY"
        return exp.Anonymous(this="DATEDIFF", expressions=[node.this, node.expression]) if whole else node

    return {
        exp.Cast: wide,
        exp.DateDiff: days,
        exp.Round: nearest,
        exp.IsInf: lambda node: _template(f"(ABS({{0}}) = {_INFINITY})", node.this),
        exp.PercentileCont: lambda node: exp.Anonymous(this="PERCENTILE", expressions=[node.this, node.expression]),
    }
