"""The working scale and the columns of the regression: season, trend, promotions, controls."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import counted
from gmvcausal.observational.series.promotions import Phase, phases
from gmvcausal.observational.series.read import Series
from gmvcausal.stats.logit import independent

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

MOST_FREE = 3  # with more control series than this their coefficients are shrunk
_MONTHS, _YEARS = 180, 730  # days before the start from which a day of month, and a day of year, can be told


@dataclass(frozen=True, eq=False)
class Model:
    """One series on its working scale.

    Attributes
    ----------
    y : ndarray, shape (T,)
        GMV.
    y_work : ndarray, shape (T,)
        GMV or its logarithm.
    z : ndarray, shape (T,)
        What is regressed: `y_work` less `offset`; NaN where nothing is known, or not used.
    offset : ndarray, shape (T,)
        What the controls say one for one.
    x : ndarray, shape (T, k)
        Columns named `names`, those of controls whose coefficients are shrunk (`shrunk` of them) last.
    log : bool
    found : tuple of Phase
        Phases of promotions that touch the series.
    unseen : ndarray of bool, shape (T,)
        Periods in a phase that the series had not seen before the start.
    unseen_names : tuple of str
    mixed : tuple of str
        Those of them that it had seen, but never apart from another.
    """

    y: FloatArray
    y_work: FloatArray
    z: FloatArray
    offset: FloatArray
    x: FloatArray
    names: tuple[str, ...]
    shrunk: int
    log: bool
    found: tuple[Phase, ...]
    unseen: BoolArray
    unseen_names: tuple[str, ...]
    mixed: tuple[str, ...] = ()

    def touching(self, start: int, stop: int, *, unseen: bool = False) -> list[str]:
        """Phases of promotions in the periods ``[start, stop)``; with `unseen` those never seen before alone."""
        return [
            p.name
            for p in self.found
            if (p.share[start:stop] > 0).any() and (not unseen or p.name in self.unseen_names)
        ]

    def usable(self, before: int) -> tuple[FloatArray, int]:
        """Columns that the periods before `before` can tell apart, and how many of the last are shrunk."""
        known = np.isfinite(self.z[:before])
        rows = self.x[:before][known]
        free = self.x.shape[1] - self.shrunk
        size = np.abs(rows).max(axis=0, initial=0.0)
        keep = independent(rows[:, :free] / np.where(size[:free] > 0, size[:free], 1.0))
        keep = np.concatenate([keep & (size[:free] > 0), size[free:] > 0])
        return self.x[:, keep], int(keep[free:].sum())


def choose_log(s: Series, scale: str | None, notes: list[str]) -> bool:
    """Whether logarithms are compared; said in the notes.

    Raises
    ------
    InputError
        Where logarithms are asked for and a value is not positive.
    """
    known = np.isfinite(s.y)
    low = [(float(s.y[known].min()), "the outcome"), *zip(s.controls[known].min(axis=0).tolist(), s.names, strict=True)]
    bad = next((name for value, name in low if value <= 0), None)
    if scale == "log" and bad is not None:
        raise InputError(f"scale='log' needs positive values, and {bad} holds others", remedy="pass scale='level'")
    if scale is None:
        notes.append(
            "logarithms are compared, since seasons and promotions multiply GMV (scale='log'); effects are in GMV"
            if bad is None
            else f"GMV itself is compared (scale='level'), since {bad} is not positive throughout"
        )
    return scale == "log" or (scale is None and bad is None)


def build(
    s: Series, log: bool, controls_as: str, trend: bool, events: dict[str, object], china: bool, notes: list[str]
) -> Model:
    """Columns for one series; what was chosen is added to `notes`."""
    size = len(s.y)
    before = np.arange(size) < s.start - s.partial
    full = np.log(s.y) if log else s.y
    work = full.copy()
    if s.partial:
        work[s.start - 1] = np.nan
        notes.append(f"the {s.word} from {s.label(s.start - 1)} holds the start and counts on neither side")
    controls = np.log(s.controls) if log else s.controls
    offset, columns, names = np.zeros(size), [np.ones(size)], ["constant"]
    shrunk: list[FloatArray] = []
    if controls.shape[1] and controls_as == "ratio":
        offset = controls.mean(axis=1)
    elif controls.shape[1]:
        shrunk = _controls(controls, s.names, before, columns, names, notes)
    if trend:
        columns.append((np.arange(size) - s.start / 2) / s.start)
        names.append("trend")
    _seasons(s, columns, names)
    found: tuple[Phase, ...] = ()
    unseen, unseen_names = np.zeros(size, dtype=bool), []
    if s.first is not None:
        found = tuple(phases(s.first, s.step, size, events, china))
        for phase in found:
            # One that is over before the start foretells nothing: the days of it that are there are enough for a term.
            over = not (phase.share[s.start :] > 0).any()
            if over or phase.seen(before & np.isfinite(work), s.step):
                columns.append(phase.share)
                names.append(phase.name)
            else:
                unseen |= phase.share > 0
                unseen_names.append(phase.name)
    hidden = unseen & before & np.isfinite(work)
    if hidden.any():
        work[hidden] = np.nan
        notes.append(f"{counted(int(hidden.sum()), s.word)} before the start in a promotion that goes on after it: "
                     "left out of the fit")  # fmt: skip
    free = np.column_stack(columns)
    mixed = _mixed(free, names, before & np.isfinite(work), s.start, found, unseen, unseen_names)
    x = np.column_stack([*columns, *shrunk])
    return Model(
        s.y, full, work - offset, offset, x, (*names, *(f"deviation {j}" for j in range(len(shrunk)))), len(shrunk),
        log, found, unseen, tuple(unseen_names), mixed,
    )  # fmt: skip


def _mixed(
    x: FloatArray, columns: list[str], known: BoolArray, start: int, found: tuple[Phase, ...], unseen: BoolArray,
    names: list[str],
) -> tuple[str, ...]:  # fmt: skip
    """Phases after the start that fell together with others before it, and do not now; added to what is unseen.

    A period can be foretold where its row is a sum of rows before the start (Searle 1971: it is estimable).
    """
    scale = np.abs(x[known]).max(axis=0)
    rows = x / np.where(scale > 0, scale, 1.0)
    _, size, space = np.linalg.svd(rows[known], full_matrices=False)
    space = space[size > 1e-9 * size.max()]
    onto = space.T @ space
    lost = (np.abs(rows - rows @ onto).max(axis=1) > 1e-6) & (np.arange(len(x)) >= start)
    apart = dict(zip(columns, np.diag(onto) > 1 - 1e-6, strict=True))  # a term of its own is told
    mixed = [p for p in found if p.name not in names and not apart[p.name] and (lost & (p.share > 0)).any()]
    for phase in mixed:
        unseen[start:] |= phase.share[start:] > 0
        names.append(phase.name)
    return tuple(p.name for p in mixed)


def _controls(
    controls: FloatArray, called: tuple[str, ...], before: BoolArray, columns: list[FloatArray], names: list[str],
    notes: list[str],
) -> list[FloatArray]:  # fmt: skip
    """Standardised control series; of many the mean, and what sets each apart from it, to be shrunk."""
    known = controls[before & np.isfinite(controls).all(axis=1)]
    scaled = (controls - known.mean(axis=0)) / known.std(axis=0)
    if len(called) <= MOST_FREE:
        columns += list(scaled.T)
        names += [f"control {name}" for name in called]
        return []
    middle = scaled.mean(axis=1)
    columns.append(middle)
    names.append("mean of controls")
    notes.append(f"{len(called)} control series: their mean enters freely, what sets each apart from it is shrunk "
                 "(ridge, its strength weighed by likelihood)")  # fmt: skip
    return list((scaled - middle[:, None]).T)


def _seasons(s: Series, columns: list[FloatArray], names: list[str]) -> None:
    """Day of week; day of month and of year where the series is long enough."""
    if s.first is None:
        return
    size = len(s.y)
    day = s.first + s.step * np.arange(size)
    length = s.step * (s.start - s.partial)
    if s.step == 1:
        weekday = (day.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
        columns += [(weekday == k).astype(float) for k in range(1, 7)]
        names += [f"weekday {k}" for k in range(1, 7)]
        if length >= _MONTHS:
            month = day.astype("datetime64[M]")
            into = (day - month.astype("datetime64[D]")).astype(float)
            span = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(float)
            columns += [np.cos(2 * np.pi * into / span), np.sin(2 * np.pi * into / span)]
            names += ["day of month, cos", "day of month, sin"]
    if length >= _YEARS:
        into = (day - day.astype("datetime64[Y]").astype("datetime64[D]")).astype(float) + (s.step - 1) / 2
        for k in (1, 2):
            columns += [np.cos(2 * np.pi * k * into / 365.25), np.sin(2 * np.pi * k * into / 365.25)]
            names += [f"day of year, cos {k}", f"day of year, sin {k}"]


def without(model: Model, places: BoolArray) -> Model:
    """The same with these periods unknown to the fit."""
    return replace(model, z=np.where(places, np.nan, model.z))
