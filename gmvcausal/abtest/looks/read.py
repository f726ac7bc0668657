"""From rows to looks: estimates as they are, or means of arms merged from cell to cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import FloatArray, IntArray, first_rows, identifiers, numeric
from gmvcausal.frames.table import Table
from gmvcausal.frames.times import times


@dataclass(frozen=True, eq=False)
class Looks:
    """A test at each of its looks, in the order of time, on all data so far.

    Attributes
    ----------
    look : tuple
        Labels.
    estimate, std_error, information : ndarray, shape (k,)
    counts : ndarray, shape (k, 2)
        Units in control and treated; shape (0, 2) where not known.
    arms : tuple of str
        Control, treated.
    control : object
    in_units : bool
        Whether the information follows from the counts.
    information_is : str
    dropped : mapping
    notes : tuple of str
    """

    look: tuple[Any, ...]
    estimate: FloatArray
    std_error: FloatArray
    information: FloatArray
    counts: FloatArray
    arms: tuple[str, str]
    control: Any
    in_units: bool
    information_is: str
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def units_information(counts: FloatArray) -> FloatArray:
    """1 / (1 / n_control + 1 / n_treated), which is what a difference of means knows, up to the variance."""
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / (1.0 / counts).sum(axis=1), dtype=float)


def correlated_information(covariance: FloatArray, units: float) -> FloatArray:
    """Information of looks whose estimates covary as stated, in units at the last look; 0 where a look has none.

    Bounds take two looks to be correlated by the root of the ratio of their information. Where outcomes of old units go
    on growing that is not so by itself (who bought early may buy less later; a share can only come nearer to 1), so the
    least information is given that never makes two looks more alike than they are: bounds are then not too low.

    Parameters
    ----------
    covariance : ndarray, shape (k, k)
        Of the estimates of the looks.
    units : float

    Returns
    -------
    ndarray, shape (k,)
        Never falling; equal for looks that are perfectly correlated.
    """
    variance = np.diag(covariance)
    use = np.flatnonzero(np.isfinite(variance) & (variance > 0))
    out, log = np.zeros(len(variance)), np.zeros(len(use))
    for k in range(1, len(use)):
        earlier = use[:k]
        alike = covariance[earlier, use[k]] / np.sqrt(variance[earlier] * variance[use[k]])
        alike = np.clip(alike, 0.05, 1.0)
        steps = log[:k] - 2 * np.log(alike)
        # Rounding is no news.
        log[k] = max(float(steps.max()), log[k - 1]) if steps.max() > log[k - 1] + 1e-12 else log[k - 1]
    if len(use):
        out[use] = units * np.exp(log - log[-1])
    return out


def _growing(n: FloatArray, mean: FloatArray, se: FloatArray) -> tuple[FloatArray, str]:
    """Information of looks at the running totals of one set of units, and what it was taken from.

    Of a share that can only rise the correlations are known. Of amounts they are not: where further outcomes of a unit
    do not fall with its earlier ones, looks are at least as alike as the variances of the sums say.
    """
    units = float(units_information(n)[-1])
    shares = bool(((mean >= 0) & (mean <= 1)).all() and (np.diff(mean, axis=0) >= 0).all())
    if shares and np.allclose((mean * (1 - mean) / (n - 1)).sum(axis=1), se**2, rtol=1e-6):
        early, late = np.minimum.outer, np.maximum.outer
        pairs = sum(early(m, m) * (1 - late(m, m)) / k for m, k in zip(mean.T, n[-1], strict=True))
        return correlated_information(np.asarray(pairs), units), "how a share that can only rise covaries with itself"
    if (np.diff(se) < 0).any():
        raise InputError(
            f"the variance of running totals falls at {int((np.diff(se) < 0).sum()):,} looks, so how the looks hang "
            "together cannot be told from means and variances",
            remedy="take the looks from a table of units by day: gc.ab_test(table, unit=, time=, ...).looks() gives "
            "their information; or name an information column",
        )
    return units * (se / se[-1]) ** 2, "the variance of the sums so far"


def _look_codes(table: Table, column: str) -> tuple[IntArray, tuple[Any, ...]]:
    """Rank of each row's look, and the labels in order: numbers by size, dates by time."""
    series = table.series(column, "look")
    if series.dtype.is_float() or series.dtype.is_decimal():
        values = numeric(table, column, "look", missing="name the look of each row").values
        labels, codes = np.unique(values, return_inverse=True)
        return codes.astype(np.int64), tuple(
            round(v) if abs(v - round(v)) < 1e-9 else float(f"{v:.9g}") for v in labels.tolist()
        )
    read = times(table, column, "look")
    stamps, codes = np.unique(read.values, return_inverse=True)
    if not read.is_date:
        return codes.astype(np.int64), tuple(int(v) for v in stamps)
    dates = stamps.astype("datetime64[us]")
    days = dates.astype("datetime64[D]")
    shown = days if (days == dates).all() else dates.astype("datetime64[s]")
    return codes.astype(np.int64), tuple(str(d) for d in shown)


def from_estimates(
    table: Table,
    look: str,
    estimate: str,
    std_error: str,
    information: str | None,
    n_control: str | None,
    n_treated: str | None,
) -> Looks:
    """One row for each look."""
    codes, labels = _look_codes(table, look)
    twice = np.asarray(np.bincount(codes)[codes] > 1)
    if twice.any():
        raise rules.duplicated(
            "rows of one look", look, int(twice.sum()), first_rows(twice), "keep one row for each look, or name arm="
        )
    order = np.argsort(codes)

    def column(name: str, role: str) -> FloatArray:
        return numeric(table, name, role, missing="leave out looks at which it cannot be computed").values

    value, se = column(estimate, "estimate"), column(std_error, "standard error")
    bad = se <= 0
    if bad.any():
        raise InputError(
            "the standard error must be positive at every look",
            column=std_error,
            count=int(bad.sum()),
            rows=first_rows(bad),
            remedy="leave out looks at which it cannot be computed",
        )
    if (n_control is None) != (n_treated is None):
        raise InputError("n_control= and n_treated= go together", remedy="name both columns, or neither")
    counts = np.zeros((0, 2))
    if n_control is not None and n_treated is not None:
        counts = np.column_stack([column(n_control, "units of control"), column(n_treated, "units of treated")])
        few = np.asarray(np.any(counts < 2, axis=1))
        if few.any():
            raise InputError(
                "both arms must have two units or more at every look",
                count=int(few.sum()),
                rows=first_rows(few),
                remedy="leave out the earlier looks",
            )
    if information is not None:
        known, name = column(information, "information"), f"column {information!r}"
    elif len(counts):
        known, name = units_information(counts), "units"
    else:
        known, name = 1.0 / se**2, "1 / std_error squared"
    return Looks(
        labels,
        value[order],
        se[order],
        known[order],
        counts[order] if len(counts) else counts,
        ("control", "treated"),
        None,
        information is None and len(counts) > 0,
        name,
    )


def from_cells(
    table: Table,
    look: str,
    arm: str,
    control: Any,
    n: str,
    mean: str,
    variance: str,
    *,
    cumulative: bool,
    information: str | None = None,
) -> Looks:
    """One row for each look and arm."""
    codes, labels = _look_codes(table, look)
    known = None if information is None else _information(table, information, codes, len(labels))
    arms = identifiers(table, arm, "arm")
    at = _control(arms.labels, control, arm)
    which = np.where(arms.codes == at, 0, 1)
    place = codes * 2 + which
    twice = np.asarray(np.bincount(place)[place] > 1)
    if twice.any():
        raise rules.duplicated(
            "rows of one look and arm", look, int(twice.sum()), first_rows(twice), "keep one row for each look and arm"
        )
    count = numeric(table, n, "number of units", missing="write 0 where no unit came in").values
    bad = (count < 0) | (count != np.floor(count))
    if bad.any():
        raise (
            rules.not_whole(n, "number of units", count[bad][0], int(bad.sum()), first_rows(bad))
            if (count[bad][0] >= 0)
            else InputError("the number of units is negative", column=n, count=int(bad.sum()), rows=first_rows(bad))
        )
    average, spread = numeric(table, mean, "mean").values, numeric(table, variance, "variance").values
    for name, values, least in ((mean, average, 1), (variance, spread, 2)):
        wrong = np.isnan(values) & (count >= least)
        if wrong.any():
            role = "mean" if least == 1 else "variance"
            raise rules.missing(name, role, int(wrong.sum()), first_rows(wrong), "give it wherever there are units")
    wrong = spread < 0
    if wrong.any():
        raise InputError("the variance is negative", column=variance, count=int(wrong.sum()), rows=first_rows(wrong))
    cells = np.zeros((3, len(labels), 2))
    cells[0, codes, which] = count
    cells[1, codes, which] = np.where(count >= 1, average, 0.0)
    cells[2, codes, which] = np.where(count >= 2, spread, 0.0) * np.maximum(count - 1, 0)  # squares about the mean
    if cumulative:
        absent = np.bincount(place, minlength=2 * len(labels)) == 0
        if absent.any():
            raise InputError(
                "cumulative cells need a row of either arm at every look",
                column=look,
                count=int(absent.sum()),
                remedy="fill the looks that lack an arm, or pass cells='new' if rows count new units",
            )
        falls = (np.diff(cells[0], axis=0) < 0).any(axis=1)
        if falls.any():
            raise InputError(
                f"cumulative numbers of units fall at {int(falls.sum()):,} looks, first at look "
                f"{labels[int(np.argmax(falls)) + 1]}",
                column=n,
                count=int(falls.sum()),
                remedy="leave those looks out, or pass cells='new' if rows count new units",
                counted=True,
            )
    else:
        cells = merged(cells)
    names = (str(arms.labels[at]), str(arms.labels[1 - at]))
    return _of_cells(cells, labels, names, arms.labels[at], known, f"column {information!r}")


def _information(table: Table, column: str, codes: IntArray, looks: int) -> FloatArray:
    """Information of each look, which its rows must agree on."""
    values = numeric(table, column, "information", missing="leave out looks at which it cannot be computed").values
    known = np.zeros(looks)
    known[codes] = values
    bad = np.abs(values - known[codes]) > 1e-9 * np.abs(values)
    if bad.any():
        raise InputError(
            "the two arms of a look have different information",
            column=column,
            count=int(bad.sum()),
            rows=first_rows(bad),
            remedy="give the information of the comparison, the same in both rows",
        )
    return known


def merged(cells: FloatArray) -> FloatArray:
    """Running count, mean and centred squares of cells that share no unit (Chan, Golub and LeVeque 1983).

    Parameters
    ----------
    cells : ndarray, shape (3, k, arms)
        Count, mean and sum of squares about the mean of each cell.
    """
    out = cells.copy()
    for k in range(1, cells.shape[1]):
        n, m, s = out[:, k - 1]
        n_new, m_new, s_new = cells[:, k]
        total = n + n_new
        share = np.divide(n_new, total, out=np.zeros_like(total), where=total > 0)
        out[:, k] = total, m + (m_new - m) * share, s + s_new + (m_new - m) ** 2 * n * share
    return out


def _control(labels: Any, control: Any, column: str) -> int:
    names = [str(v) for v in labels]
    if len(names) != 2:
        raise DesignError(
            f"a sequential test compares two arms, but the data have {len(names)}",
            column=column,
            remedy="filter to the control and one treated arm, and divide alpha by the number of such comparisons",
        )
    if control is None:
        if names == ["0", "1"]:
            return 0
        raise InputError(
            f"the arms are {names[0]!r} and {names[1]!r}, and which of them is the control is not said",
            column=column,
            remedy=f"pass control={names[0]!r} or control={names[1]!r}",
        )
    wanted = str(int(control)) if isinstance(control, bool | np.bool_) else str(control)
    if wanted not in names:
        raise InputError(f"no arm is called {wanted!r}", column=column, remedy=rules.nearest(wanted, names))
    return names.index(wanted)


def _of_cells(
    cells: FloatArray,
    labels: tuple[Any, ...],
    arms: tuple[str, str],
    control: Any,
    known: FloatArray | None,
    known_as: str,
) -> Looks:
    count, average, squares = cells
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt((squares / (count - 1) / count).sum(axis=1))
    few = (count < 2).any(axis=1)
    flat = ~few & ~(se > 0)
    information = units_information(np.where(count > 0, count, 1.0)) if known is None else known
    use = ~few & ~flat
    kept = np.flatnonzero(use)
    if not len(kept):
        raise DesignError(
            "at no look do both arms have two units and outcomes that vary",
            remedy="wait until outcomes have come in",
        )
    changed = np.append(0.0, np.abs(np.diff(average, axis=0)).sum(axis=1)) > 0
    unit, said, notes = known is None, "units" if known is None else known_as, []
    if known is None and len(kept) > 1 and (np.diff(information[kept]) == 0).all() and changed[kept[1:]].any():
        # One set of units whose outcomes go on growing: what is new at a look are their further outcomes.
        information = np.zeros(len(use))
        information[kept], said = _growing(count[kept], average[kept], se[kept])
        unit = False
        notes = [f"no unit came in after the first look, while outcomes went on growing: information follows {said}"]
    # Counted in units a look without new ones has no information of its own. The first of equals stays: a test that
    # stopped there must not be undone by rows that come in later.
    idle = np.zeros(len(use), dtype=bool)
    idle[kept[1:]] = np.diff(information[kept]) == 0
    use &= ~idle
    keep = np.flatnonzero(use)
    grown = idle & changed
    if grown.any():
        notes.append(
            f"{int(grown.sum()):,} looks came after the last unit, while outcomes went on growing; in units they add "
            "no information, so they are left out (name an information column to count them)"
            if unit
            else f"{int(grown.sum()):,} looks add no information, so they are left out"
        )
    dropped = {
        "looks at which an arm has fewer than two units": int(few.sum()),
        "looks at which outcomes do not vary": int(flat.sum()),
        "looks that add no unit to either arm" if unit else "looks that add no information": int(idle.sum()),
    }
    return Looks(
        tuple(labels[i] for i in keep),
        average[keep, 1] - average[keep, 0],
        se[keep],
        information[keep],
        count[keep],
        arms,
        control,
        unit,
        said,
        {why: number for why, number in dropped.items() if number},
        tuple(notes),
    )
