"""Checks on blocks of time: did every room switch, does the effect outlast the washout, and who had which hours?"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from gmvcausal.abtest.audit.case import Case
from gmvcausal.abtest.audit.rules import bound, judge
from gmvcausal.abtest.designs.switchback import MICROS, Blocks, BoolArray
from gmvcausal.abtest.intake.rows import Col, FloatArray, IntArray, Rows
from gmvcausal.abtest.metrics import Metric, name_of, parts
from gmvcausal.results import Check
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.small_sample import welch_df

_DAYS, _WEEKS = MICROS["D"], MICROS["W"]


def time_ratio(case: Case, blocks: Blocks) -> tuple[float, str]:
    """P-value that the arms have their planned shares of the time, and what they have."""
    from scipy import stats

    share = blocks.length / blocks.length.sum()
    gap = np.abs(share - case.expected)
    live = blocks.spread > 0
    z = np.where(live, gap / np.where(live, blocks.spread, 1.0), np.where(gap > 1e-9, np.inf, 0.0))
    p = 2 * float(stats.t.sf(z.max(), max(blocks.number - 1, 1)))
    if len(share) > 2:
        p = min(1.0, p * len(share))
    told = ", ".join(f"{label} {s:.1%}" for label, s in zip(case.source.labels, share, strict=True))
    return p, f"{told} of the time, in {blocks.number:,} blocks,"


def switches(case: Case) -> Check | None:
    """Does every room switch?"""
    blocks = case.source.facts.blocks
    if blocks is None:
        return None
    status = judge("switches", float(blocks.never))
    message = f"{blocks.never:,} of {blocks.places:,} {blocks.place or 'markets'} keep one arm throughout"
    remedy = "they say nothing of the tactic: leave these out" if status == "warned" else ""
    return Check("switches", status, message, float(blocks.never), bound("switches"), remedy)


def washed_out(case: Case) -> Check | None:
    """Are there blocks that the washout swallows?"""
    blocks = case.source.facts.blocks
    if blocks is None:
        return None
    share = blocks.lost / blocks.number
    status = judge("washed_out", share)
    message = f"{blocks.lost:,} of {blocks.number:,} blocks are not longer than the washout"
    remedy = "switch less often; if arms are noted user by user, the blocks are not those that were drawn"
    return Check("washed_out", status, message, share, bound("washed_out"), remedy if status == "warned" else "")


def repeated_rows(case: Case) -> Check | None:
    """Do rows occur again?"""
    blocks = case.source.facts.blocks
    if blocks is None or math.isnan(blocks.repeated):
        return None
    status = judge("repeated_rows", blocks.repeated)
    message = f"{blocks.repeated:.1%} of the rows with an outcome repeat an earlier one in room, time and every outcome"
    remedy = "if rows are bins of time, each may occur once: look for a file read twice" if status == "warned" else ""
    return Check("repeated_rows", status, message, blocks.repeated, bound("repeated_rows"), remedy)


def carry_over(case: Case) -> Check | None:
    """Does the effect differ between the two halves of what is left of each block?"""
    source = case.source
    blocks = source.facts.blocks
    if blocks is None or not isinstance(source, Rows) or source.cluster is None:
        return None

    from scipy import stats

    use = blocks.halved
    block, arm, late = blocks.run[use], source.arm[use], blocks.late[use]
    own = [arm == a for a in range(len(source.labels))]
    if min(len(np.unique(block[a])) for a in own) < 3:
        return Check("carry_over", "not_run", "too few blocks have two halves: their rows have one time each")
    found: list[tuple[float, str]] = []
    for metric in case.metrics:
        x = _without_hours(_linear(source, metric), blocks)[use]
        changes = [_changes(block[a], late[a], x[a]) for a in own]
        control, variance = changes[source.control], changes[source.control].var(ddof=1) / len(changes[source.control])
        for a, change in enumerate(changes):
            its = change.var(ddof=1) / len(change)
            if a == source.control or not variance + its > 0:
                continue
            gap = float(change.mean() - control.mean())
            df = welch_df([(its, len(change) - 1.0), (variance, len(control) - 1.0)])
            p = 2 * float(stats.t.sf(abs(gap) / math.sqrt(variance + its), df))
            found.append((p, f"the effect on {name_of(metric)!r} changes by {gap:+.4g} within blocks"))
    if not found:
        return None
    p, message = min(found)
    p = min(1.0, p * len(found))
    status = judge("carry_over", p)
    remedy = "the effect builds up or fades for longer than the washout: lengthen it" if status == "warned" else ""
    return Check("carry_over", status, f"{message} ({p_words(p)})", p, bound("carry_over"), remedy)


def block_level(case: Case) -> Check | None:
    """Where runs of one arm stand for the blocks that were drawn: do neighbouring runs move against each other?

    Where they do, what blocks of one run have in common is left out of the variance of its sum, and the interval is too
    short: a block of the day and one of the night are unlike, and a run holds both or one.
    """
    source = case.source
    blocks = source.facts.blocks
    if blocks is None or blocks.named or not isinstance(source, Rows):
        return None
    found: list[tuple[float, str]] = []
    for metric in case.metrics:
        x = _linear(source, metric)
        mean = np.bincount(source.arm, x) / np.maximum(np.bincount(source.arm), 1)
        e = x - mean[source.arm]
        room = np.zeros(len(e), dtype=np.int64) if source.stratum is None else source.stratum
        e = e - (np.bincount(room, e) / np.maximum(np.bincount(room), 1))[room]
        runs, code = np.unique(blocks.run, return_inverse=True)
        total = np.bincount(code, e)
        where = np.zeros(len(runs), dtype=np.int64)
        where[code] = room
        next_to = where[1:] == where[:-1]
        pairs, size = int(next_to.sum()), float(total @ total)
        if pairs >= 10 and size > 0:
            alike = float((total[1:] * total[:-1])[next_to].sum()) / size * len(total) / pairs
            found.append((alike, name_of(metric)))
    if not found:
        return Check("block_level", "not_run", "too few runs of one arm lie next to each other")
    alike, name = min(found)
    status = judge("block_level", alike)
    message = f"neighbouring runs of one arm have a correlation of {alike:+.2f} in {name!r}"
    remedy = "name the blocks that were drawn (block=), or adjust for what makes them unlike: pre=['hour'], as text"
    return Check("block_level", status, message, alike, bound("block_level"), remedy if status != "passed" else "")


def _linear(source: Rows, metric: Metric) -> FloatArray:
    """Each row's part in a metric: the value, or for a ratio the residual over the mean denominator, arm by arm."""
    columns = parts(metric)
    x = source.column(Col(columns[0]))
    if len(columns) != 2:
        return x
    below, out = source.column(Col(columns[1])), np.zeros(len(x))
    for a in range(len(source.labels)):
        own = source.arm == a
        if below[own].sum() > 0:
            out[own] = (x[own] - x[own].sum() / below[own].sum() * below[own]) / below[own].mean()
    return out


def _without_hours(x: FloatArray, blocks: Blocks) -> FloatArray:
    """Less the mean of the hour of the day, where there are days enough: the market's own wave hides smaller ones."""
    if not blocks.is_date or np.ptp(blocks.time) < 3 * _DAYS:
        return x
    hour = blocks.time % _DAYS // MICROS["h"]
    mean = np.bincount(hour, x, 24) / np.maximum(np.bincount(hour, minlength=24), 1)
    return np.asarray(x - mean[hour])


def _changes(block: IntArray, late: BoolArray, x: FloatArray) -> FloatArray:
    """Mean of the second half of every block less that of its first: blocks count alike, whatever their length."""
    _, code = np.unique(block, return_inverse=True)
    later, earlier = (np.bincount(code[half], x[half]) / np.bincount(code[half]) for half in (late, ~late))
    return np.asarray(later - earlier)


def time_balance(case: Case) -> Check | None:
    """Do the arms have the same times: as early or late in the test, in the day and in the week?"""
    source = case.source
    blocks = source.facts.blocks
    if blocks is None or not isinstance(source, Rows) or source.cluster is None:
        return None

    from scipy import stats

    found: list[tuple[float, str]] = []
    for what, columns in _clocks(blocks):
        for a in range(len(source.labels)):
            if a == source.control:
                continue
            for x in columns:
                mine, its = (_level(source.cluster[source.arm == k], x[source.arm == k]) for k in (a, source.control))
                total = mine[1] + its[1]
                if total > 0:
                    t = abs(mine[0] - its[0]) / math.sqrt(total)
                    p = 2 * float(stats.t.sf(t, welch_df([mine[1:], its[1:]])))
                    found.append((p, f"{source.labels[a]} and the control differ most in the {what}"))
    if not found:
        return None
    p, message = min(found)
    p = min(1.0, p * len(found))
    status = judge("time_balance", p)
    remedy = "draw the order anew for each day, or adjust: pre=['hour'], the hour as text" if status == "warned" else ""
    return Check("time_balance", status, f"{message} ({p_words(p)})", p, bound("time_balance"), remedy)


def _clocks(blocks: Blocks) -> Iterable[tuple[str, list[FloatArray]]]:
    yield "date" if blocks.is_date else "time", [(blocks.time - blocks.time.min()).astype(float)]
    if blocks.is_date:
        for what, period in (("time of day", _DAYS), ("day of the week", _WEEKS)):
            turn = 2 * math.pi * (blocks.time % period) / period
            if np.ptp(turn) > 0:
                yield what, [np.cos(turn), np.sin(turn)]


def _level(block: IntArray, x: FloatArray) -> tuple[float, float, float]:
    """Mean over rows, its variance over blocks, and degrees of freedom."""
    _, code = np.unique(block, return_inverse=True)
    count, mean = int(code.max()) + 1, float(x.mean())
    if count < 2:
        return mean, math.nan, 1.0
    scores = np.bincount(code, x - mean) / len(x)
    return mean, float(count / (count - 1) * (scores @ scores)), float(count - 1)
