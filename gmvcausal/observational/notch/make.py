"""From the orders to the result: estimates with their draws, audit, words."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.observational.notch import words
from gmvcausal.observational.notch.ask import Options, farthest, grid_of
from gmvcausal.observational.notch.checks import Found, checks_of, each_time, p_of
from gmvcausal.observational.notch.draws import resampled
from gmvcausal.observational.notch.grid import Counts, FloatArray, Grid, IntArray, means_by_bin, unshown
from gmvcausal.observational.notch.numbers import Expect, by_comparison, by_polynomial, converge, pile
from gmvcausal.observational.notch.read import Orders
from gmvcausal.observational.notch.result import Bunching
from gmvcausal.observational.notch.rules import RULES
from gmvcausal.observational.notch.smooth import Design, design, likelihood
from gmvcausal.observational.notch.terms import Draws, estimates_of
from gmvcausal.results import Check, Manifest
from gmvcausal.results.audit import audit_with
from gmvcausal.results.usual_checks import few_clusters, scale_mix
from gmvcausal.stats.progress import ticking

_ROUND = (50.0, 100.0)
_FEWEST = 10  # orders on each side of the threshold in the window


def made(
    orders: Orders, asked: Options, basket: str, compare: str | None, cluster: str | None, progress: bool
) -> Bunching:
    """The result of one call.

    Raises
    ------
    InputError, DesignError
    """
    grid = grid_of(asked)
    cell = grid.place(orders.basket)
    ours = orders.group == 1
    once = Counts(_count(cell[ours], grid), _count(cell[~ours], grid) if orders.compared else None)
    _refuse_few(once, grid, basket)
    if not orders.compared:
        _refuse_coarse(orders.basket, grid, basket)
    how = None if orders.compared else _curve(once, grid, asked)
    with ticking("bootstrap", "draw", asked.reps, progress) as tick:
        drawn = resampled(
            cell, orders.group, grid.bins + 2, orders.cluster, asked.reps, np.random.default_rng(asked.seed), tick
        )
    counts = Counts(
        np.vstack([once.seen, drawn.seen]),
        None if once.other is None or drawn.other is None else np.vstack([once.other, drawn.other]),
    )
    expected = by_comparison(grid) if how is None else by_polynomial(grid, how)
    low, balanced, _ = converge(counts, grid, expected, farthest(asked, grid))
    found_window = bool(low[0] >= 0)
    if asked.converge and found_window:
        grid = Grid(**(asdict(grid) | {"low": int(low[0])}))
    curve, _ = expected(counts, grid.low, None)
    means = means_by_bin(orders.basket[ours], cell[ours], grid)
    usual = _usual(means, grid) if how is not None else means_by_bin(orders.basket[~ours], cell[~ours], grid)
    first = np.full(len(low), grid.low)
    if asked.converge and found_window:
        used, first = balanced, np.where(low >= 0, low, farthest(asked, grid))
    else:
        used = curve
    told = pile(counts, used, first, grid, means, usual)
    good = np.isfinite(told.extra) & np.isfinite(curve).all(axis=1)
    if not good[0] or good[1:].mean() < 0.95:
        raise DesignError(
            "the curve through the bins outside of the window does not converge", column=basket,
            remedy="pass a lower order=, a fit_range= with orders in every part, or compare=",
        )  # fmt: skip
    notes = [*orders.notes, *words.notes(grid, asked, orders, how, int((~good).sum()), found_window)]
    draws = Draws(
        told,
        np.asarray((grid.below - first_found(low, asked, grid)) * grid.width, dtype=np.float64),
        _new(counts, grid),
    ).take(good)
    found = Found(
        counts.take(good), curve[good], draws.pile.extra, draws.pile.excess,
        np.asarray((counts.inside - curve)[good][:, grid.low : grid.high].sum(axis=1)), draws.new,
        {} if how is None else _other_orders(counts, grid, how, asked, means, usual),
        0 if how is None else how.columns.shape[1], found_window, asked.converge,
    )  # fmt: skip
    checks = [*checks_of(found, grid, grid.low, orders.cluster is not None), *_usual_checks(orders, cluster)]
    twice = each_time(orders, grid.cutoff) if asked.discount is not None else None
    checks += [] if twice is None else [twice]
    shown = p_of(draws.pile.excess)[1] < asked.alpha and draws.pile.excess[0] > 0
    estimates = estimates_of(draws, asked, orders, basket, responds=shown, reaches=found_window)
    options: dict[str, Any] = asdict(asked) | {
        "basket": basket, "compare": compare, "control": orders.without or None, "cluster": cluster,
        "window": [float(grid.edges[grid.low]), float(grid.edges[grid.high])],
    }  # fmt: skip
    options["round_numbers"] = list(how.round_terms) if how is not None else []
    few = np.zeros(grid.bins, dtype=bool) if once.other is None else unshown(once.other[0, 1:-1], grid)
    away = np.stack([unshown(once.inside[0], grid), few])
    notes += [words.UNSHOWN] if away.any() else []
    manifest = Manifest(
        "bunching", options, asked.seed, orders.rows, orders.columns, dict(orders.facts.get("dropped", {})),
        tuple(notes), partial(_arrays, orders),
    )  # fmt: skip
    return Bunching(
        words.title(basket, grid, orders), words.assumption(how, orders), estimates, manifest, asked.alpha,
        audit_with(checks, orders.facts), grid, once.inside[0], used[0], int(ours.sum()), basket,
        words.advice(draws, asked, orders, responds=shown), away,
    )  # fmt: skip


def _usual_checks(orders: Orders, cluster: str | None) -> list[Check]:
    found = [scale_mix(RULES["scale_mix"], orders.basket)]
    if orders.worth is not None:
        found.append(few_clusters(RULES["few_clusters"], str(cluster), orders.worth, "use a finer level"))
    return [one for one in found if one is not None]


def first_found(low: IntArray, asked: Options, grid: Grid) -> IntArray:
    """First bin of the window that balances; the farthest tried where none does."""
    return np.where(low >= 0, low, farthest(asked, grid))


def _arrays(orders: Orders) -> list[Any]:
    return [orders.basket, orders.group, *([] if orders.cluster is None else [orders.cluster])]


def _count(cell: IntArray, grid: Grid) -> FloatArray:
    return np.bincount(cell, minlength=grid.bins + 2).astype(float)[None]


def _refuse_few(once: Counts, grid: Grid, basket: str) -> None:
    for which, count in (("with the promotion", once.seen), ("of the comparison", once.other)):
        if count is None:
            continue
        sides = count[0, grid.low + 1 : grid.below + 1].sum(), count[0, grid.below + 1 : grid.high + 1].sum()
        outside = count[0, 1 : grid.low + 1].sum(), count[0, grid.high + 1 : -1].sum()
        names = ("in the window below", "in the window above", "below the window", "above the window")
        for name, size in zip(names, (*sides, *outside), strict=True):
            if size < _FEWEST:
                ends = f"{grid.edges[grid.low]:g} to {grid.edges[grid.high]:g}"
                raise DesignError(
                    f"of the orders {which} only {int(size)} lie {name} (window {ends}, bins from "
                    f"{grid.edges[0]:g} to {grid.edges[-1]:g}), and {_FEWEST} are needed",
                    column=basket, remedy="check cutoff= and its unit; pass another window= or fit_range=",
                )  # fmt: skip


def _refuse_coarse(basket: FloatArray, grid: Grid, column: str) -> None:
    near = basket[(basket >= grid.edges[0]) & (basket < grid.edges[-1])]
    distinct = len(np.unique(near))
    if distinct < grid.bins and len(near) > 5 * grid.bins:
        step = float(np.median(np.diff(np.unique(near))))
        raise InputError(
            f"baskets take {distinct:,} values in {grid.bins:,} bins, so bins are finer than prices", column=column,
            remedy=f"pass a larger width=, a multiple of the step of prices (about {step:g})",
        )  # fmt: skip


def _curve(once: Counts, grid: Grid, asked: Options) -> Design:
    """The polynomial, with the terms of round numbers that were asked for or that the data show."""
    outside = grid.bins - (grid.high - grid.low)
    plain = design(grid, asked.order)
    if outside < plain.columns.shape[1] + 3:
        raise InputError(
            f"outside of the window lie {outside} bins, too few for a polynomial of order {asked.order}",
            remedy="pass a lower order=, a wider fit_range=, or a smaller width=",
        )
    if asked.round_numbers is not None:
        return design(grid, asked.order, asked.round_numbers)
    from scipy import stats

    wider = design(grid, asked.order, _ROUND)
    more = len(wider.round_terms)
    keep = np.ones(grid.bins, dtype=bool)
    keep[grid.low : grid.high] = False
    if not more or outside < wider.columns.shape[1] + 3:
        return plain
    gain = 2 * (likelihood(once.inside[0], wider.columns, keep) - likelihood(once.inside[0], plain.columns, keep))
    return wider if stats.chi2.sf(gain, more) < 0.01 else plain


def _usual(means: FloatArray, grid: Grid) -> FloatArray:
    """Where in its bin the mean basket lies without a pile: as seen below the threshold, above it as further up."""
    beyond = means[grid.high :] - grid.edges[grid.high : -1]
    offset = float(np.nanmean(beyond)) if np.isfinite(beyond).any() else grid.width / 2
    usual = np.where(np.isfinite(means), means, grid.middles)
    usual[grid.below :] = grid.edges[grid.below : -1] + offset
    return np.asarray(usual)


def _new(counts: Counts, grid: Grid) -> FloatArray | None:
    """Orders from the window on upwards, less those that the orders below it lead to expect."""
    if counts.other is None:
        return None
    below = slice(0, grid.low + 1)
    ratio = counts.seen[:, below].sum(axis=1) / counts.other[:, below].sum(axis=1)
    return np.asarray(counts.seen[:, grid.low + 1 :].sum(axis=1) - ratio * counts.other[:, grid.low + 1 :].sum(axis=1))


def _other_orders(
    counts: Counts, grid: Grid, how: Design, asked: Options, means: FloatArray, usual: FloatArray
) -> dict[int, float]:
    once, low = counts.take(np.arange(1)), np.array([grid.low])
    out: dict[int, float] = {}
    for order in (how.order - 1, how.order + 1, how.order + 2):
        other = design(grid, order, tuple(asked.round_numbers or _ROUND) if how.round_terms else ())
        if order < 1 or grid.bins - (grid.high - grid.low) <= other.columns.shape[1]:
            continue
        expected: Expect = by_polynomial(grid, other)
        value = float(pile(once, expected(once, grid.low, None)[0], low, grid, means, usual).extra[0])
        if np.isfinite(value):
            out[order] = value
    return out
