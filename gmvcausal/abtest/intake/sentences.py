"""What is said of the rows of a test that break a rule, wherever the rows lie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gmvcausal.abtest.metrics import Gmv, Proportion, Ratio
from gmvcausal.errors import InputError
from gmvcausal.frames import rules

NO_PAST = "fill it deliberately (with 0 for those who had no past, say), or leave it out"
BOUGHT_NOTHING = "pass missing='zero' if a missing value means that nothing was bought, else remove these rows"
MOST_LEVELS = 50


def filled(column: str, count: int) -> str:
    """The note on missing outcomes that count as zero."""
    return f"{count:,} missing values of {column!r} count as zero (missing='zero')"


def missing_apart(metric: Ratio, count: int, rows: Iterable[int]) -> InputError:
    """Numerator and denominator are missing in different rows."""
    return InputError(
        f"{metric.numerator!r} and {metric.denominator!r} are not missing in the same rows, so their ratio mixes "
        "different units",
        column=metric.numerator,
        count=count,
        rows=rows,
        remedy="fill both parts deliberately: zero where nothing was bought",
    )


def without_order(metric: Gmv, count: int, rows: Iterable[int]) -> InputError:
    """GMV where there is no order."""
    return InputError(
        f"{count:,} units have {metric.gmv!r} but no {metric.orders!r}, so their GMV belongs to no order",
        column=metric.orders,
        count=count,
        rows=rows,
        remedy="count orders and GMV from the same rows of the log, or use gc.Mean of each",
        counted=True,
    )


def without_visit(metric: Gmv, count: int, rows: Iterable[int]) -> InputError:
    """Orders where there is no visit."""
    return InputError(
        f"{count:,} units have {metric.orders!r} but no {metric.visits!r}, so buyers are no share of visitors and "
        "there is no conversion among these",
        column=metric.visits,
        count=count,
        rows=rows,
        remedy="count visits over all channels that take orders, or leave visits= out",
        counted=True,
    )


def no_share(metric: Proportion, example: float, count: int, rows: Iterable[int]) -> InputError:
    """A proportion of something other than 0 and 1."""
    error = rules.not_flags(metric.column, "Proportion", example, count, rows)
    remedy = f"use gc.Mean({metric.column!r}) for its mean"
    return InputError(error.rule, column=error.column, count=error.count, rows=error.rows, remedy=remedy)


def too_many_levels(column: str, levels: int) -> InputError:
    """A covariate of text with more levels than can be adjusted for."""
    return InputError(
        f"covariate has {levels:,} levels, too many to adjust for", column=column, remedy="merge its levels"
    )


def entered(column: str, labels: Iterable[Any]) -> str:
    """The note on a covariate of text."""
    return f"covariate {column!r} entered as indicators of its levels ({', '.join(str(label) for label in labels)})"


def unit_again(unit: str, count: int, rows: Iterable[int]) -> InputError:
    """Units with several rows."""
    return rules.duplicated(
        "units",
        unit,
        count,
        rows,
        f"add each unit's rows up to one first, or pass cluster={unit!r}: rows of one unit are not independent",
    )


def one_cluster(column: str) -> InputError:
    """All rows lie in one cluster."""
    return InputError("there is only one cluster, so chance cannot be told from effect", column=column)


def moving_units(column: str, count: int, rows: Iterable[int]) -> InputError:
    """Units in more than one cluster."""
    return rules.not_constant(
        column, "cluster", "units", count, rows, "give each unit the cluster in which it was assigned"
    )


def thin_strata(column: str | None, clusters: str, count: int, rows: Iterable[int]) -> InputError:
    """Strata with fewer than two rows (clusters by the column `clusters`, where there are any) in some arm."""
    what, remedy = "rows", "merge small strata, or leave strata= out"
    if clusters:
        what, remedy = f"{clusters} clusters", "merge small strata; pairs of clusters have no variance of their own"
    return InputError(
        f"{count:,} strata have fewer than 2 {what} in some arm",
        column=column,
        count=count,
        rows=rows,
        remedy=remedy,
        counted=True,
    )


def not_nested(what: str, clusters: str, column: str | None, count: int, rows: Iterable[int]) -> InputError:
    """Clusters within which strata, or the arm, vary (`what` says it)."""
    return InputError(
        f"{what} within {clusters!r} for {count:,} of these clusters, which cannot be compared within strata then",
        column=column,
        count=count,
        rows=rows,
        counted=True,
        remedy="leave strata= out, name a stratum that clusters belong to as a whole, or drop the column of the "
        "clusters where the arm was drawn unit by unit",
    )
