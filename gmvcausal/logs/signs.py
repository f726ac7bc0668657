"""Signs that something is wrong with the logs, which show only once units and periods are known.

Each check is a plain dict in the shape of `facts.entry`; none of them changes a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gmvcausal.frames.table import quote
from gmvcausal.logs import exposed as exposures
from gmvcausal.logs.calendar import DAY, StampArray
from gmvcausal.logs.cells import Units
from gmvcausal.logs.facts import entry
from gmvcausal.logs.gaps import empty_periods
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.span import Span

Entry = dict[str, Any]
BoolArray = NDArray[np.bool_]

WITHOUT_WARNED = 0.2
ALIKE_FAILED = 0.1  # share of the exposed whose id meets an order but for spelling
LEAST_EXPOSED = 5
LATE_SHARE = 0.1


def of_panel(
    logs: Logs,
    units: Units,
    span: Span,
    periods: BoolArray,
    exposed: exposures.Exposed | None,
    tactic: Any,
    notes: list[str],
) -> list[Entry]:
    """Checks of a panel; a note on exposures late in their period is added to `notes`.

    Parameters
    ----------
    periods : ndarray of bool, shape (periods,)
        Whether anybody ordered in the period.
    exposed : Exposed or None
        Exposures to the chosen tactics, None where there are no exposures.
    tactic : label, list of labels or None
        As the user gave it; None is all tactics.
    """
    found = [empty_periods(logs, span, periods)]
    if exposed is None:
        return found
    if tactic is not None:
        found.append(other_tactics(logs, units, span, exposed))
    found.append(exposed_without_orders(logs, units, exposed.unit))
    notes += late_in_period(span, _first_starts(exposed, units.n))
    return found


def of_stack(
    logs: Logs,
    units: Units,
    span: Span,
    orders: NDArray[Any],
    exposed: exposures.Exposed,
    campaigns: Sequence[int],
    notes: list[str],
) -> list[Entry]:
    """Checks of a stack of `campaigns` (indices of tactics) and the `orders` in each cell; as `of_panel`."""
    own = np.isin(exposed.tactic, campaigns)
    notes += late_in_period(span, exposed.start[own])
    return [
        empty_periods(logs, span, np.asarray(orders.any(axis=0))),
        exposed_without_orders(logs, units, exposed.unit[own]),
    ]


def seal(frame: pd.DataFrame) -> None:
    """Write (in place) the rows and the sums of a table into its attrs, so that a later change of it can be seen."""
    names = ("gmv", "gmv_covered", "gmv_other", "orders", "buyers", "discount")
    sums = {name: float(frame[name].to_numpy().sum()) for name in names if name in frame}
    frame.attrs["gmvcausal"] |= {"rows": len(frame), "sums": sums}


# --- periods --------------------------------------------------------------------------------------------------------
def late_in_period(span: Span, starts: StampArray) -> list[str]:
    """A note on how far into their period exposures start, where that is more than a tenth of it."""
    grid = span.grid
    index = grid.index(starts)
    inside = (index >= 0) & (index < span.periods)
    if not inside.any():
        return []
    begin = grid.starts(index[inside])
    into = (starts[inside] - begin).astype(np.int64)
    length = (grid.starts(index[inside] + 1) - begin).astype(np.int64)
    if float(np.mean(into / length)) <= LATE_SHARE:
        return []
    days = float(into.mean()) / DAY
    amount = f"{days:.1f} days" if length.mean() > DAY else f"{24 * days:.1f} hours"
    word, period = (grid.freq.word,) * 2 if grid.freq.count == 1 else (f"period of {grid.freq.word}", "period")
    return [
        f"exposures start on average {amount} into their {word}, so the first treated {period} is treated only in part"
    ]


def _first_starts(exposed: exposures.Exposed, units: int) -> StampArray:
    """First exposure of each exposed unit."""
    first = np.full(units, np.iinfo(np.int64).max)
    np.minimum.at(first, exposed.unit, exposed.start.astype(np.int64))
    return first[first < np.iinfo(np.int64).max].astype("datetime64[us]")


# --- exposures ------------------------------------------------------------------------------------------------------
def other_tactics(logs: Logs, units: Units, span: Span, exposed: exposures.Exposed) -> Entry:
    """Units that the chosen tactics never reached, but others did while the panel ran."""
    name, role = "other_tactics", f"{units.role}s"
    others = [label for label in exposures.labels_of(logs) if label not in exposed.labels]
    if not others:
        return entry(name, "passed", 0.0, 0.0, "exposures hold no other tactic than the chosen")
    never = np.ones(units.n, dtype=bool)
    never[exposed.unit] = False
    if not never.any():
        return entry(name, "not_run", None, 0.0, f"all {role} were exposed to the chosen tactics")
    also = exposures.read_exposures(logs, units, others)
    first, last = exposures.periods_of(span, also)
    touched = np.zeros(units.n, dtype=bool)
    touched[also.unit[(last >= 0) & (first < span.periods)]] = True
    count, total = int((never & touched).sum()), int(never.sum())
    share = count / total
    what = f"{count:,} of the {total:,} {role} never exposed to the chosen tactics ({share:.1%})"
    if not count:
        message = f"none of the {total:,} {role} never exposed to the chosen tactics was exposed to another"
        return entry(name, "passed", 0.0, 0.0, message)
    return entry(
        name,
        "warned",
        share,
        0.0,
        f"{what} were exposed to other tactics inside the panel, and count as untreated",
        f"leave these {role} out of the comparison, or count every tactic as treatment with tactic=None",
    )


def exposed_without_orders(logs: Logs, units: Units, exposed: NDArray[np.int64]) -> Entry:
    """Share of the exposed units that never ordered: large where ids of exposures and orders do not meet.

    Parameters
    ----------
    exposed : ndarray of int64
        Units exposed; repeated units count once.
    """
    name, role = "exposed_without_orders", f"{units.role}s"
    sent = np.zeros(units.n, dtype=bool)
    sent[exposed] = True
    total = int(sent.sum())
    if total < LEAST_EXPOSED:
        message = f"{total:,} exposed {role} are too few for a share of those without orders"
        return entry(name, "not_run", None, WITHOUT_WARNED, message)
    without = ~units.ordered
    alike = _alike(logs, units, without & sent)
    share = float((without & sent).sum() / total)
    message = f"{share:.1%} of the {total:,} exposed {role} never ordered"
    if share < WITHOUT_WARNED and not alike:
        return entry(name, "passed", share, WITHOUT_WARNED, message)
    rest = int((~sent).sum())
    if rest and units.table is not None:
        message += f", against {(without & ~sent).sum() / rest:.1%} of the {rest:,} never exposed"
    if alike:
        message += f"; {alike:,} of them would meet an order but for capitals, spaces or leading zeros in the id"
        remedy = "spell the ids of exposures and orders in the same way, for example with .str.strip().str.lower()"
    else:
        remedy = (
            "check that exposures and orders spell ids in the same way ('U12' and 'u12', a trailing space, leading "
            f"zeros make different ids) and cover the same {role}; only if they do, these {role} really bought nothing"
        )
    # Cold customers of a win-back may not have bought; ids that differ in spelling, or none that meet, are errors.
    failed = alike >= ALIKE_FAILED * total or share == 1.0
    return entry(name, "failed" if failed else "warned", share, WITHOUT_WARNED, message, remedy)


def censored(arm: NDArray[np.int64], asked: BoolArray, whole: BoolArray, names: Sequence[str]) -> Entry:
    """Share of the users whose windows are not seen whole, and who were therefore left out, arm by arm.

    Parameters
    ----------
    arm : ndarray of int64, shape (users,)
        Position of the tactic; -1 for the users never exposed.
    asked, whole : ndarray of bool, shape (users,)
        Users that the table is about, and those of them whose windows lie within the log and their lives.
    names : sequence of str
        The users never exposed, then the tactics.
    """
    lost, total = int((asked & ~whole).sum()), int(asked.sum())
    if not lost:
        return entry("censored", "passed", 0.0, 0.0, "the windows of all users lie within the log")
    shares = []
    for k, name in enumerate(names):
        own = asked & (arm == k - 1)
        if own.any():
            shares.append(f"{name} {(own & ~whole).sum() / own.sum():.1%}")
    message = f"{lost:,} of {total:,} users were left out as their windows are not seen whole ({', '.join(shares)})"
    remedy = (
        "the answer is for the others, who were assigned earlier or stayed longer; shorten post=, or wait until all "
        "windows have passed"
    )
    return entry("censored", "warned", lost / total, 0.0, message, remedy)


def _alike(logs: Logs, units: Units, lost: BoolArray) -> int:
    """How many of the units that are lost have an order under an id that differs only in spelling."""
    if units.ids.dtype.kind == "i" or not lost.any():
        return 0
    space = logs._space
    listed = space.new_name("spelled")
    ids = pa.array(units.ids, type=pa.string())
    space.register(listed, pa.table({"id": ids, "ordered": units.ordered, "lost": lost}))
    plain = f"SELECT {_plain('id')} FROM {quote(listed)} WHERE ordered"
    return int(space.row(f"SELECT count(*) FROM {quote(listed)} WHERE lost AND {_plain('id')} IN ({plain})")[0])


def _plain(text_id: str) -> str:
    """SQL for an id without capitals, spaces, and zeros in front of its numbers."""
    small = f"regexp_replace(lower({text_id}), '\\s+', '', 'g')"
    return f"regexp_replace({small}, '(^|[^0-9])0+([0-9])', '\\1\\2', 'g')"
