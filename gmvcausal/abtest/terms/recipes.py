"""Which columns the metrics of a test need, and what each metric is over them."""

from __future__ import annotations

import numpy as np

from gmvcausal.abtest.intake.rows import Col, FloatArray
from gmvcausal.abtest.intake.source import Source
from gmvcausal.abtest.metrics import Gmv, Metric, Quantile, name_of, parts
from gmvcausal.abtest.terms import quantiles
from gmvcausal.abtest.terms.caps import Cap
from gmvcausal.abtest.terms.cupac import adjusters, learned_from
from gmvcausal.abtest.terms.sample import Sample, usable
from gmvcausal.abtest.terms.values import Recipe


def needed_columns(
    metrics: tuple[Metric, ...], caps: list[Cap | None], source: Source, at: dict[int, tuple[Quantile, FloatArray]]
) -> list[Col]:
    """Every column that moments are made of, each once; `at` holds the quantiles found for each metric that is one."""
    wanted: dict[Col, None] = {}
    for k, (metric, cap) in enumerate(zip(metrics, caps, strict=True)):
        wanted |= dict.fromkeys(Col(p) for p in parts(metric))
        if isinstance(metric, Gmv):
            wanted |= dict.fromkeys(Col(p, any=True) for p in parts(metric)[1:])
        if cap is not None:
            wanted |= dict.fromkeys(Col(p, c) for p, c in zip(parts(metric), cap.at, strict=True))
        wanted |= dict.fromkeys([*adjusters(k, metric, source), *learned_from(metric, source)])
    for own in at.values():
        wanted |= dict.fromkeys(quantiles.indicators(*own))
    wanted |= dict.fromkeys(source.of_strata)
    return list(wanted)


def recipes_of(
    k: int, metric: Metric, cap: Cap | None, cols: list[Col], source: Source, sample: Sample, notes: list[str]
) -> list[tuple[Cap | None, Recipe]]:
    """The uncapped and the capped recipe of a metric, in the order in which they are shown."""
    place = {c: i for i, c in enumerate(cols)}
    if isinstance(metric, Gmv):
        return [(None, recipe) for recipe in _factors(metric, place)]
    if isinstance(metric, Quantile):
        return [(None, Recipe(place[Col(metric.column)], quantile=metric.q))]
    cross = np.array([a.cross for a in sample.arms])
    asked = [place[col] for col in (*source.of_strata, *adjusters(k, metric, source))]
    held = usable(cross, asked) if asked else []
    instead = usable(cross, [place[col] for col in learned_from(metric, source)])
    gone = [cols[j] for j in asked if j not in held]
    if gone:
        listed = ", ".join(_named(c) for c in gone)
        note = (
            f"covariates left out of {name_of(metric)!r}, constant in an arm or a combination of the others: {listed}"
        )
        notes.append(note)
    both = []
    for one in (None, cap) if cap is not None else (None,):
        at = [place[Col(p)] for p in parts(metric)]
        if one is not None:
            at = [place[Col(p, c)] for p, c in zip(parts(metric), one.at, strict=True)]
        both.append((one, Recipe(at[0], at[1] if len(at) > 1 else None, tuple(held), instead=tuple(instead))))
    return both[::-1] if cap is not None and cap.asked else both


def _named(col: Col) -> str:
    if col.model is not None:
        return f"the model's prediction of {col.name!r}"
    return repr(col.name) + (f" ({col.level})" if col.level else "")


def _factors(metric: Gmv, place: dict[Col, int]) -> list[Recipe]:
    """Total first, then its factors; their logarithms add up to its own."""
    gmv, orders, buyers = place[Col(metric.gmv)], place[Col(metric.orders)], place[Col(metric.orders, any=True)]
    found = [Recipe(gmv, log=True, factor="total")]
    if metric.visits is None:
        found.append(Recipe(buyers, log=True, factor="conversion"))
    else:
        reached = place[Col(metric.visits, any=True)]
        found.append(Recipe(reached, log=True, factor="reach"))
        found.append(Recipe(buyers, reached, log=True, factor="conversion"))
    found.append(Recipe(orders, buyers, log=True, factor="orders per buyer"))
    found.append(Recipe(gmv, orders, log=True, factor="order value"))
    return found
